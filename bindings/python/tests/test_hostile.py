"""What a program does that it should not: nothing is lost by it, and it is told so."""

import asyncio
import gc
import os
import threading

import pytest

import sessile
from sessile import aio


def said(text, **more):
    return {"role": "user", "content": text, **more}


CYCLE = {}
CYCLE["self"] = CYCLE
DEEP = "x"
for _ in range(100_000):
    DEEP = [DEEP]

# What is no argument of a call is told as such, whatever of it is wrong.
WRONG = {
    "a number that is none": lambda store, session: session.append(said("x", n=float("nan"))),
    "a number beyond all": lambda store, session: session.append(said("x", n=float("inf"))),
    "bytes": lambda store, session: session.append(said(b"x")),
    "a key of bytes": lambda store, session: session.append({b"role": "user"}),
    "a circle": lambda store, session: session.append(CYCLE),
    "a depth": lambda store, session: session.append(said(DEEP)),
    "no object": lambda store, session: session.append(None),
    "a message for several": lambda store, session: session.append_all({"role": "user"}),
    "a time": lambda store, session: session.append(said("x"), at="yesterday"),
    "a number for a time": lambda store, session: session.append(said("x"), at=5),
    "a number for an id": lambda store, session: session.append(said("x"), id=5),
    "half a pair for an id": lambda store, session: session.append(said("x"), id="\ud83d"),
    "half a pair in a line": lambda store, session: session.append_lines(['{"a":"\ud83d"}']),
    "a parent beside an expected leaf": lambda store, session: session.append(said("x"), expect_leaf=None, parent=None),  # fmt: skip
    "a turn beside an entry": lambda store, session: session.fork("x", turn=0),
    "a record beside a summary": lambda store, session: session.compact("all", record={"summary": "all"}),
    "a pattern beside a text": lambda store, session: list(store.search("x", regex=True, fixed=True)),
    "a number for a line": lambda store, session: session.append_lines([5]),
    "a text for lines": lambda store, session: session.append_lines("{}"),
    "a negative line": lambda store, session: session.lines(-1),
    "a line beyond all": lambda store, session: session.lines(2**40),
    "a negative count": lambda store, session: session.last_messages(-1),
    "a count beyond all": lambda store, session: session.entries_after(0, limit=2**70),
    "a key beyond all": lambda store, session: store.session(2**70),
    "a text for a key": lambda store, session: store.session("1"),
    "a generation beyond all": lambda store, session: store.earlier(session, 2**70),
    "negative days": lambda store, session: store.archive_older_than(-1),
    "a work dir of bytes": lambda store, session: store.create(b"/w"),
    "a NUL in a query": lambda store, session: store.query("SELECT 1\0"),
    "an empty key": lambda store, session: session.set_metadata({"": 1}),
    "an empty tag": lambda store, session: session.tag(""),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_argument_is_told_as_such_and_writes_nothing(store, wrong):
    session = store.create("/w", format="kward")
    before = session.lines()
    with pytest.raises((sessile.Invalid, sessile.NotFound)):
        WRONG[wrong](store, session)
    assert session.lines() == before and session.tags() == [] and session.metadata() == {}


def test_text_and_numbers_come_back_whatever_they_hold(store):
    session = store.create("/w")
    for value in (
        "\ud83d",
        "x\udc00",
        "a\0b",
        "\ufeff",
        "\u2028",
        "\U0010ffff",
        "",
        2**64,
        -(10**400),
        1e300,
        -0.0,
    ):
        session.append(said(value))
        (content,) = {repr(message["content"]) for message in session.last_messages(1)}
        assert content == repr(value)
    assert store.check() == []


def test_threads_share_a_store_and_a_session(store):
    session, failed = store.create("/w"), []

    def work(n):
        try:
            for m in range(10):
                session.append(said(f"{n} {m}"))
                assert session.context() and list(store.search(f"{n}"))
                with store.snapshot() as state:
                    assert state.session(session.key).info()["leaf"]
        except Exception as err:
            failed.append(err)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and len(session.context()) == 60
    assert store.check() == []


def test_a_store_that_is_closed_under_others_tells_each_of_them(tmp_path):
    store = sessile.Store(tmp_path / "a.db")
    session = store.create("/w")
    session.append_all([said("x" * 100)] * 300)
    ready, ended = threading.Barrier(5), []

    def work():
        session.context()
        ready.wait()
        try:
            while True:
                session.context()
        except Exception as err:
            ended.append(type(err))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    store.close()
    for thread in threads:
        thread.join()
    assert ended == [sessile.Closed] * 4
    store.close()  # again


def test_what_is_left_open_keeps_what_it_needs(tmp_path):
    store = sessile.Store(tmp_path / "a.db")
    for _ in range(101):
        session = store.create("/w")
    rows, state, watch = store.sessions(), store.snapshot(), store.watch()
    next(rows)
    del store
    gc.collect()
    session.append(said("x"))
    assert len(list(rows)) == 100 and watch.changed()
    assert state.session(session.key).context() == []
    del rows, state, watch
    gc.collect()
    assert len(session.context()) == 1


def test_a_list_that_is_begun_ends_with_the_store(tmp_path):
    with sessile.Store(tmp_path / "a.db") as store:
        for _ in range(101):
            store.create("/w")
        rows = store.sessions()
        next(rows)
    with pytest.raises(sessile.Closed):
        list(rows)


def test_a_snapshot_is_let_go_by_whatever_ends_it(tmp_path):
    with sessile.Store(tmp_path / "a.db", pool_size=2, busy_timeout=0.5) as store:
        session = store.create("/w")
        for _ in range(8):
            with pytest.raises(KeyError), store.snapshot() as state:
                state.stats()["none"]
            store.snapshot()  # dropped
        gc.collect()
        session.append(said("x"))
        held = []
        with pytest.raises(sessile.Busy):
            held += [store.snapshot() for _ in range(9)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_is_refused_and_leaves_the_parents_locks(store):
    session = store.create("/w")
    state, watch, rows = store.snapshot(), store.watch(), store.sessions()
    calls = [
        lambda: session.append(said("x")), lambda: session.lines(), lambda: session.append_lines(["{}"]),
        lambda: store.snapshot(), lambda: store.watch(), lambda: store.earlier(session, 1),
        lambda: state.find("x"), lambda: watch.changed(), lambda: next(rows),
    ]  # fmt: skip
    for n in range(5):
        child = os.fork()
        if child == 0:
            refused = 0
            for call in calls:
                try:
                    call()
                except sessile.Closed:
                    refused += 1
            store.close()
            state.close()
            watch.close()
            os._exit(refused)
        session.append(said(str(n)))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == len(calls)
    assert watch.changed() and len(session.context()) == 5 and store.check() == []


def test_a_call_that_is_cancelled_is_done_or_not_and_the_store_goes_on(tmp_path):
    async def main():
        async with aio.Store(tmp_path / "a.db") as store:
            session = await store.create("/w")
            for n in range(30):
                task = asyncio.create_task(session.append(said(str(n))))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await session.append(said("last"))
            texts = [message["content"] for message in await session.context()]
            assert len(texts) == len(set(texts)) and "last" in texts
            rows = store.sessions()
            assert await anext(rows)
            await rows.aclose()
            assert await store.check() == []

    asyncio.run(main())


def test_an_asynchronous_store_that_is_not_open_says_so_and_is_opened_once(tmp_path):
    async def main():
        store = aio.Store(tmp_path / "none.db", create=False)
        with pytest.raises(sessile.Closed, match="open"):
            await store.stats()
        with pytest.raises(sessile.Closed):
            store.sessions()
        for _ in range(2):
            with pytest.raises(sessile.NotFound):
                await store.open()
        sessile.Store(tmp_path / "none.db").close()
        first, second = await asyncio.gather(store.open(), store.open())
        assert first is second and (await store.stats())["sessions"] == 0
        await store.close()

    asyncio.run(main())
