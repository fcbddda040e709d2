"""The rest of the library by Python: house-keeping, queries, what one format alone has."""

import json
import math
import threading
from datetime import datetime, timezone

import pytest

import sessile
from conftest import FIXTURES


def said(role, text, **more):
    return {"role": role, "content": text, **more}


def test_a_database_takes_in_another_and_says_what_was_new(store, small, tmp_path):
    with sessile.Store(tmp_path / "other.db") as other:
        other.import_(small)
        other.create("/w", id="made").append(said("user", "x"))
        report = store.merge(other.path)
        assert report["new"] > 0 and report["is_change"] and report["refused"] == []
        assert not store.merge(other.path)["is_change"]
        assert store.get("made").context()[0]["content"] == "x"


def test_a_query_gives_rows_with_the_types_of_sqlite(store):
    store.create("/w", id="s").append(said("user", "hello"))
    sql = "SELECT 1 AS i, 0.5 AS r, 'é' AS t, x'00ff' AS b, NULL AS n, 9e999 AS most, -9e999 AS least"
    assert store.query(sql) == [
        {"i": 1, "r": 0.5, "t": "é", "b": b"\x00\xff", "n": None, "most": math.inf, "least": -math.inf}
    ]
    assert store.query("SELECT message_text(entry_key) AS said FROM entry_list") == [{"said": "hello"}]
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    assert store.query(numbers, limit=3) == [{"i": 1}, {"i": 2}, {"i": 3}]
    assert store.query(numbers, limit=0) == []
    for bad in ("DELETE FROM sessions", "SELECT 1; SELECT 2", "nonsense", ""):
        with pytest.raises(sessile.Invalid):
            store.query(bad)


def test_usage_is_counted_once_and_by_time(store):
    store.import_(FIXTURES / "pi" / "small")
    records = store.usage()
    assert records and all(record["at"].tzinfo for record in records)
    one = records[0]
    assert store.session(one["session"]).entry(one["entry_id"]) is not None
    last = max(record["at"] for record in records)
    assert store.usage(until=last) == records and 0 < len(store.usage(since=last)) < len(records)
    store.session(one["session"]).tag("counted")
    assert {record["session"] for record in store.usage(tags="counted")} == {one["session"]}
    assert {hit["session"] for hit in store.search("a* OR t*", tags=["counted"])} == {one["session"]}
    assert store.usage(origin="desk") == [] == list(store.search("a* OR t*", origin="desk"))
    assert store.session(one["session"]).usage()["model"] is None or one["model"]


def test_sessions_of_a_program_or_a_time(store, small):
    store.import_(FIXTURES / "pi" / "small")
    store.import_(small)
    rows = list(store.sessions(all_sources=True))
    of_pi = [row["key"] for row in store.sessions(format="pi", all_sources=True)]
    assert of_pi == [row["key"] for row in rows if row["format"] == "pi"]
    assert 0 < len(of_pi) < len(rows)
    at = rows[len(rows) // 2]["modified_at"]
    since = list(store.sessions(since=at, all_sources=True))
    until = list(store.sessions(until=at, all_sources=True))
    assert [row for row in rows if at <= row["modified_at"]] == since
    assert [row for row in rows if row["modified_at"] <= at] == until


def test_what_cannot_be_understood_is_listed_with_its_root(store, small):
    store.import_(FIXTURES / "claude" / "small")
    problems = store.problems()
    assert problems and all(problem["root"].endswith("claude/small") for problem in problems)
    found = next(problem for problem in problems if problem["session_id"])
    (session,) = {
        row["key"] for row in store.sessions(all_sources=True) if row["session_id"] == found["session_id"]
    }
    assert found in store.session(session).problems()


def test_sessions_stand_under_those_that_they_come_from(store):
    session = store.create("/w", id="s")
    session.append(said("user", "x"))
    fork = session.fork()
    assert [(row["key"], row["depth"]) for row in store.recent_tree(work_dir="/w")] == [
        (session.key, 0),
        (fork.key, 1),
    ]
    assert store.remembered("/w") is None
    fork.remember()
    assert store.remembered("/w") == fork
    with store.snapshot() as state:
        assert state.remembered("/w").key == fork.key and len(state.recent_tree()) == 2
    assert store.create("/w").delete_if_unused() and not session.delete_if_unused()


def test_a_session_is_read_as_it_was_before_its_file_was_rewritten(store, tmp_path):
    session = {
        "type": "session",
        "version": 3,
        "id": "s",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "cwd": "/w",
    }
    folder = tmp_path / "root" / "sessions" / "--w--"
    folder.mkdir(parents=True)

    def write(text):
        message = {"type": "message", "id": "a", "parentId": None, "timestamp": "2026-01-02T03:04:05.678Z"}
        lines = [session, {**message, "message": said("user", text)}]
        (folder / "2026-01-02T03-04-05-678Z_s.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in lines)
        )
        store.import_(tmp_path / "root", format="pi")

    write("first")
    write("then")
    found = store.find("s")
    assert [generation["number"] for generation in found.generations()] == [1, 2]
    with store.earlier(found, 1) as earlier:
        assert earlier.session(found.key).text_of("a") == "first"
        with pytest.raises(sessile.Unsupported):
            earlier.session(found.key).rename("x")
    assert found.text_of("a") == "then"
    with pytest.raises(sessile.NotFound):
        store.earlier(found, 9)
    assert [row["generation"] for row in store.prunable()] == [1]
    assert store.prune()["files"] == 1 and store.prunable() == []
    sealed = store.seal(archived=True, idle_since=datetime(2200, 1, 1, tzinfo=timezone.utc))
    assert 0 < sealed["packed"] < sealed["bytes"] and sealed["traces"] is None
    assert store.seal([found])["lines"] == 0


def test_a_watch_tells_what_anybody_wrote(store):
    with store.watch() as watch, sessile.Store(store.path) as other:
        assert not watch.changed()
        other.create("/w")
        assert watch.changed() and not watch.changed()
    with pytest.raises(sessile.Closed):
        watch.changed()


def test_a_watch_may_be_asked_by_several_threads(store):
    session, seen = store.create("/w"), []
    with store.watch() as watch:
        session.append(said("user", "x"))
        threads = [threading.Thread(target=lambda: seen.append(watch.changed())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen) == [False] * 7 + [True]


def test_roots_move_and_are_forgotten(store, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "s.jsonl").write_text('{"type":"session","id":"s","cwd":"/w"}\n')
    store.import_(tmp_path / "old", format="kward")
    (tmp_path / "old").rename(tmp_path / "new")
    (moved,) = store.move_root(tmp_path / "old", tmp_path / "new")
    assert moved["to"].endswith("new")
    (root,) = store.imported_roots()
    assert root["root"] == moved["to"] and root["imported_at"].tzinfo is not None
    assert store.forget_root(moved["to"])["traces"] is None and store.imported_roots() == []
    with pytest.raises(sessile.NotFound):
        store.forget_root(moved["to"])


def test_the_house_is_kept(store):
    store.create("/w")
    assert store.rebuild() == 1 and store.foreign_objects() == [] and store.check() == []


def test_several_sessions_are_exported(store, tmp_path):
    sessions = [store.create("/w", id=f"s{n}") for n in range(3)]
    assert store.export(tmp_path / "out", session=sessions[:2])["files"] == 2
    assert store.export(tmp_path / "one", session=sessions[0].key)["files"] == 1


def test_what_is_said_reads_the_same_in_every_format(store):
    call = {"type": "toolCall", "id": "c1", "name": "read", "arguments": {"path": "a.txt"}}
    session = store.create("/w", format="pi")
    session.append(said("user", "Read it."))
    session.append(
        said("assistant", [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}, call])
    )
    session.append(
        {
            "role": "toolResult",
            "toolCallId": "c1",
            "toolName": "read",
            "content": [{"type": "text", "text": "Hi."}],
        }
    )
    asked, answered, result = session.conversation()
    assert (asked["role"], asked["text"], asked["parts"]) == (
        "user",
        "Read it.",
        [{"kind": "text", "text": "Read it."}],
    )
    assert [part["kind"] for part in answered["parts"]] == ["thinking", "text", "tool_call"]
    assert answered["parts"][2]["arguments"] == {"path": "a.txt"}
    assert result["parts"] == [{"kind": "tool_result", "call_id": "c1", "text": "Hi."}]
    assert [row["message"] for row in session.conversation()] == session.context()
    assert session.conversation(asked["entry_id"]) == [asked]
    custom = session.append_entry("custom", {"customType": "x", "data": 1})
    assert session.entry(custom)["entry_type"] == "custom"
    with pytest.raises(sessile.Unsupported):
        session.system_prompts()


def test_the_tree_is_asked_for_its_parts(store):
    session = store.create("/w")
    question, yes = session.append_all(
        [said("user", "Tea?", id="question"), said("assistant", "Yes.", id="yes")]
    )
    no = session.append(said("assistant", "No."), parent=question)
    assert session.is_on_path(no) and not session.is_on_path(yes)
    assert [entry["id"] for entry in session.abandoned()] == [yes]
    assert session.common_ancestor(yes, no)["id"] == question
    assert session.find_entry("que")["id"] == question
    with pytest.raises(sessile.NotFound):
        session.find_entry("nothing")
    assert [row["current"] for row in session.tree_rows()].count(True) == 1
    assert store.find(session.unique_name()) == session


def test_tags_say_whether_anything_is_new(store):
    session = store.create("/w")
    assert session.tag("a", "b") and not session.tag("b")
    assert session.untag("a") and not session.untag("a")
    assert session.clear_tags() and not session.clear_tags() and session.tags() == []


def test_a_compaction_has_details_or_is_a_record_of_the_format(store):
    session = store.create("/w")
    session.append_all([said("user", "a"), said("assistant", "b")])
    session.compact("All.", tokens_before=7, details={"k": 1}, id="c1")
    assert session.context()[0]["details"] == {"k": 1} and session.path()[-1]["id"] == "c1"
    session.compact(record={"role": "compactionSummary", "summary": "More."})
    assert [message["summary"] for message in session.context()] == ["More."]
    with pytest.raises(sessile.Invalid, match="summary"):
        session.compact()


def test_kward_keeps_prompts_tools_and_a_memory(store):
    session = store.create("/w")
    kept = session.append_system_prompt_snapshot("Be brief.", reason="attach")
    assert kept["is_written"] and not session.append_system_prompt_snapshot("Be brief.")["is_written"]
    (prompt,) = session.system_prompts()
    assert (prompt["content"], prompt["reason"], prompt["hash"]) == ("Be brief.", "attach", kept["hash"])
    call = {"id": "c1", "function": {"name": "read", "arguments": "{}"}}
    assert session.append_tool_execution(call, "text")["type"]
    session.update_memory_state([{"text": "likes tea"}], last_retrieval={"at": 1})
    assert session.memory() == {"memories": [{"text": "likes tea"}], "last_retrieval": {"at": 1}}
    with pytest.raises(sessile.Unsupported):
        session.state()


def test_kimi_has_a_state_and_takes_a_turn_back(store):
    store.import_(FIXTURES / "kimi" / "small")
    sessions = [store.session(row["key"]) for row in store.sessions(archived="included")]
    session = next(session for session in sessions if len(session.turns()) > 1)
    assert isinstance(session.state(), dict)
    undone, text = session.undo_to_turn(1)
    assert undone.key != session.key and text == session.turns()[1]["text"]
    assert len(undone.turns()) == 1


def test_the_active_branch_has_what_parallel_calls_left_beside_it(store):
    store.import_(FIXTURES / "claude" / "small")
    sessions = [store.session(row["key"]) for row in store.sessions(all_sources=True)]
    beside = 0
    for session in sessions:
        path = [entry["id"] for entry in session.path()]
        assert {said["entry_id"] for said in session.conversation()} <= set(path)
        assert [entry["id"] for entry in session.path(limit=3)] == path[-3:]
        beside += bool(path) and len(path) != len(session.path(session.info()["leaf"]))
    assert beside
