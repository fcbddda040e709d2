"""A store and its sessions, as a Python program uses them."""

import json
import os
import pickle
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone

import pytest

import sessile

AT = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=timezone.utc)


def said(role, text, **more):
    return {"role": role, "content": text, **more}


def test_what_is_appended_comes_back_as_it_was(store):
    session = store.create("/w", id="s", at=AT, model="m")
    message = said("user", "What is a leaf? \u00e9 \U0001f343", n=1.5, big=2**63, deep=[{"a": None}])

    entry_id = session.append(message, at=AT)

    assert session.context() == [{**message, "id": entry_id}]
    (entry,) = session.path()
    assert (entry["id"], entry["role"], entry["created_at"]) == (
        entry_id,
        "user",
        AT.replace(microsecond=678000),
    )
    info = session.info()
    assert (info["leaf"], info["model"], info["work_dir"]) == (entry_id, "m", "/w")
    assert store.check() == []


def test_half_a_surrogate_pair_is_kept(store):
    session = store.create("/w")
    session.append(said("user", "\ud83d"))
    assert session.context()[0]["content"] == "\ud83d"


def test_several_messages_are_appended_all_or_none(store):
    session = store.create("/w")
    assert session.append_all([said("user", "a", id="1"), said("assistant", "b", id="2")]) == ["1", "2"]
    with pytest.raises(sessile.Conflict):
        session.append_all([said("user", "c", id="3"), said("user", "d", id="3")])
    with pytest.raises(sessile.Invalid, match="message 2"):
        session.append_all([said("user", "c"), 7])
    assert [message["id"] for message in session.context()] == ["1", "2"]
    assert [message["id"] for message in session.last_messages(1)] == ["2"]


def test_branches_are_made_left_and_read(store):
    session = store.create("/w")
    question = session.append(said("user", "Tea?"))
    yes = session.append(said("assistant", "Yes."))
    session.branch(question)
    no = session.append(said("assistant", "No."), expect_leaf=question)

    assert {entry["id"] for entry in session.leaves()} == {yes, no}
    assert [message["content"] for message in session.context(yes)] == ["Tea?", "Yes."]
    assert [node["depth"] for node in session.tree()] == [0, 1, 1]
    assert session.pop()["content"] == "No."
    assert session.info()["leaf"] == question
    session.branch(None)
    assert session.context() == [] and session.pop() is None
    assert session.append(said("user", "a root"), expect_leaf=None)
    late = session.append(said("assistant", "Later."), parent=yes)
    assert session.entry(late)["parent_id"] == yes
    assert session.entry("nobody") is None


def test_errors_tell_what_there_is_to_do(store, tmp_path):
    session = store.create("/w", id="one")
    with pytest.raises(sessile.NotFound) as missing:
        store.find("nobody")
    assert missing.value.kind == "SessionNotFound" and isinstance(missing.value, LookupError)
    with pytest.raises(sessile.Conflict) as moved:
        session.append(said("user", "x"), expect_leaf="other")
    assert moved.value.kind == "LeafMoved"
    with pytest.raises(sessile.Conflict):
        store.create("/w", id="one")
    with pytest.raises(sessile.Invalid):
        session.append("no object")
    with pytest.raises(sessile.Invalid):
        session.append({"role": "user", "content": {1, 2}})
    with pytest.raises(sessile.Invalid):
        store.create("relative")
    with pytest.raises(sessile.NotFound):
        sessile.Store(tmp_path / "none.db", create=False)
    with pytest.raises(sessile.Unsupported):
        store.create("/w", format="kimi")
    with pytest.raises(sessile.Invalid, match="durability"):
        sessile.Store(tmp_path / "x.db", durability="none")
    copy = pickle.loads(pickle.dumps(moved.value))
    assert (type(copy), copy.kind, str(copy)) == (sessile.Conflict, "LeafMoved", str(moved.value))


def test_a_whole_id_is_asked_for_and_nothing_that_begins_so(store):
    assert store.get("user") is None
    store.create("/w", id="user-1")
    store.create("/w", id="user-2")
    assert store.get("user") is None
    assert store.get("user-1").id == "user-1"
    with pytest.raises(sessile.Invalid):
        store.find("user")


def test_lists_give_all_rows_a_page_at_a_time(store):
    for n in range(230):
        store.create("/w", id=f"s{n}", at=AT + timedelta(seconds=n))
    rows = list(store.sessions())
    assert [row["session_id"] for row in rows] == [f"s{n}" for n in reversed(range(230))]
    assert rows[0]["modified_at"] == (AT + timedelta(seconds=229)).replace(microsecond=678000)
    assert len(list(store.sessions(limit=150))) == 150
    assert len(list(store.sessions(limit=0))) == 0
    assert next(store.sessions("nothing like this"), None) is None


def test_sessions_are_filed_and_found_again(store):
    session = store.create("/w")
    store.create("/other")
    session.append(said("user", "x"))
    session.rename("Leaves")
    session.tag("botany")
    session.set_metadata({"ticket": 4711, "who": {"a": [1]}})
    assert session.tags() == ["botany"] and session.metadata() == {"ticket": 4711, "who": {"a": [1]}}
    for found in (
        store.sessions("leav"),
        store.sessions(work_dir="/w"),
        store.sessions(tags=["botany"]),
        store.sessions(metadata={"ticket": 4711}),
    ):
        assert [row["key"] for row in found] == [session.key]
    session.archive(at=AT)
    assert [row["key"] for row in store.sessions(archived="only")] == [session.key]
    session.unarchive()
    session.delete()
    assert [row["key"] for row in store.trash()] == [session.key]
    session.restore()
    assert session.purge() is None
    with pytest.raises(sessile.NotFound):
        session.info()


def test_entries_are_found_by_what_they_say(store):
    session = store.create("/w", id="s")
    for n in range(130):
        session.append(said("user", f"the leaf number {n}"), at=AT + timedelta(seconds=n))
    session.append(said("assistant", "a leaf, too"), at=AT)
    hits = list(store.search("leaf"))
    assert len(hits) == 131
    assert hits[0]["snippet"] == "the leaf number 129" and hits[0]["session_id"] == "s"
    assert hits[0]["at"] == (AT + timedelta(seconds=129)).replace(microsecond=678000)
    assert len(list(store.search("leaf", role="assistant"))) == 1
    assert len(list(store.search(r"number \d$", regex=True, limit=3))) == 3
    assert len(list(store.search("leaf", since=AT + timedelta(seconds=99.5), session=session))) == 30
    with pytest.raises(sessile.Invalid):
        list(store.search("(", regex=True))


def test_a_root_goes_in_and_comes_out_byte_for_byte(store, small, tmp_path):
    assert store.import_(small)["sessions"] == 9
    assert store.verify(small)["differences"] == []
    store.export(tmp_path / "out")
    files = [path for path in small.rglob("*") if path.is_file() and "sessions" in path.parts]
    assert files
    for path in files:
        assert (tmp_path / "out" / path.relative_to(small)).read_bytes() == path.read_bytes()
    (root,) = store.imported_roots()
    assert root["sessions"] == 9
    with pytest.raises(sessile.Conflict):
        store.export(tmp_path / "out")
    store.backup(tmp_path / "copy.db")
    with sessile.Store(tmp_path / "copy.db", read_only=True) as copy:
        assert len(list(copy.sessions(archived="included"))) == len(list(store.sessions(archived="included")))


def test_lines_are_kept_as_they_are(store):
    session = store.create("/w", format="claude")
    line = b'{"type":"user", "uuid":"a","message":{"role":"user","content":"x"}}'
    assert session.append_lines([line, line + b"\n", '{"n":1.0}']) == [1, 1, 2]
    assert session.lines() == [line + b"\n", b'{"n":1.0}\n']
    assert session.lines(1) == [b'{"n":1.0}\n']
    assert session.records() == [json.loads(line), {"n": 1.0}]
    with pytest.raises(sessile.Invalid, match="line 2"):
        session.append_lines([b"{}", b"no"])


def test_a_snapshot_answers_from_one_state(store):
    session = store.create("/w")
    with store.snapshot() as state:
        session.append(said("user", "later"))
        assert state.session(session.key).context() == []
        with pytest.raises(sessile.Unsupported):
            state.session(session.key).append(said("user", "x"))
    with pytest.raises(sessile.Closed):
        state.find("x")
    assert len(session.context()) == 1


def test_a_store_that_is_closed_says_so(tmp_path):
    with sessile.Store(tmp_path / "a.db") as store:
        session = store.create("/w")
    with pytest.raises(sessile.Closed):
        session.context()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_store_of_another_process_is_refused(store):
    store.create("/w")
    child = os.fork()
    if child == 0:
        try:
            store.create("/w")
        except sessile.Closed:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


HOLDER = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """A store whose write lock another process holds, and what makes it let go."""
    path = tmp_path / "held.db"
    sessile.Store(path).close()
    run = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        yield path, holder.stdin.close


def test_other_threads_run_while_a_call_waits(held):
    path, let_go = held
    store = sessile.Store(path, busy_timeout=60)
    waiting = threading.Thread(target=lambda: store.create("/w"))
    waiting.start()
    # With the lock of the interpreter held, this thread would not come to the end.
    steps = sum(1 for _ in range(1_000_000))
    assert waiting.is_alive() and steps == 1_000_000
    let_go()
    waiting.join()
    assert len(list(store.sessions())) == 1


def test_others_in_the_way_are_told_as_busy(held):
    with pytest.raises(sessile.Busy):
        sessile.Store(held[0], busy_timeout=0.05).create("/w")


def test_what_a_user_sees_has_documentation():
    from sessile import aio, claude, openai

    for module in (sessile, aio, claude, openai, sessile.errors):
        assert module.__doc__
    for one in (sessile.Store, sessile.Session, sessile.Snapshot, aio.Store, aio.Session):
        for name in dir(one):
            if not name.startswith("_") and callable(getattr(one, name)):
                assert getattr(one, name).__doc__, (one, name)
