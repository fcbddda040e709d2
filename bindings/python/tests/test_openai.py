"""The OpenAI Agents SDK's session, beside the SDK's own."""

import asyncio
import os
import subprocess
import sys

import pytest

agents = pytest.importorskip("agents")
from agents.memory import Session, SessionSettings, SQLiteSession  # noqa: E402

import sessile  # noqa: E402
from sessile.openai import SessileSession  # noqa: E402

ITEMS = [
    {"role": "user", "content": "What is a leaf?"},
    {"role": "system", "content": "Answer briefly."},
    {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "thinking"}]},
    {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"q": 1}'},
    {"type": "function_call_output", "call_id": "c1", "output": "green"},
    {
        "id": "__fake_id__", "type": "message", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "A green thing.", "annotations": []}],
    },
    {"id": "__fake_id__", "type": "message", "role": "assistant", "content": []},
    {"id": None, "role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]},
    {"role": "user", "content": "\ud83d \x00 \u00e9", "n": 1.0},
    {"role": "compactionSummary", "summary": "x", "content": "y"},
]  # fmt: skip


async def operations(session, other, item):
    """What a program does with a session: each answer in its order."""
    answers = [await session.get_items()]
    answers.append(await session.pop_item())
    await session.clear_session()
    await session.add_items([])
    answers.append(await session.get_items())
    await session.add_items(ITEMS[:3])
    await session.add_items(ITEMS[3:])
    answers.append(await session.get_items())
    for limit in (1, 2, len(ITEMS), 100, 0, -1):
        answers.append(await session.get_items(limit))
        answers.append(await session.get_items(limit=limit))
    answers.append(await session.pop_item())
    answers.append(await session.pop_item())
    answers.append(await session.get_items())
    await session.add_items([item])
    answers.append(await session.get_items(limit=3))
    answers.append(await other.get_items())
    await other.add_items([item, item])
    await session.clear_session()
    answers.append(await session.get_items())
    answers.append(await session.get_items(5))
    answers.append(await session.pop_item())
    await session.add_items([item])
    answers.append(await session.get_items())
    answers.append(await other.get_items())
    session.session_settings = SessionSettings(limit=1)
    other.session_settings = SessionSettings(limit=1)
    await session.add_items([ITEMS[0]])
    answers.append(await session.get_items())
    answers.append(await other.get_items())
    answers.append(await other.get_items(2))
    return answers


@pytest.mark.parametrize("session_id", ["user-1", "a/b:\u00e9 %2F", "", "user"])
@pytest.mark.parametrize("item", ITEMS)
def test_it_answers_as_the_sdks_own_session_does(tmp_path, session_id, item):
    def pair(make):
        return make(session_id), make("user-12")

    ours = pair(lambda name: SessileSession(name, tmp_path / "a.db"))
    theirs = pair(lambda name: SQLiteSession(name, tmp_path / "b.db"))
    assert all(isinstance(session, Session) for session in ours)

    answers = asyncio.run(operations(*ours, item))
    expected = asyncio.run(operations(*theirs, item))

    assert answers == expected
    assert ours[0].store.check() == []


def test_nothing_is_lost_by_popping_and_clearing(tmp_path):
    async def main():
        session = SessileSession("u", tmp_path / "a.db", work_dir="/w")
        await session.add_items([{"role": "user", "content": f"leaf {n}"} for n in range(3)])
        await session.pop_item()
        await session.clear_session()
        await session.add_items([{"role": "user", "content": "anew"}])
        return session

    session = asyncio.run(main())
    stored = session.store.get("u")
    assert len(stored.leaves()) == 2 and len(stored.context()) == 1
    assert len(list(session.store.search("leaf"))) == 3
    assert len(list(session.store.search("leaf", active_branch=True))) == 0
    assert stored.info()["work_dir"] == "/w"
    session.close()
    with pytest.raises(sessile.Closed):
        stored.info()


def test_sessions_share_a_store(tmp_path):
    async def main():
        with sessile.Store(tmp_path / "a.db") as store:
            one, two = SessileSession("1", store), SessileSession("2", store)
            await one.add_items(ITEMS)
            await two.add_items(ITEMS[:1])
            one.close()
            assert await two.get_items() == ITEMS[:1]
            assert {row["session_id"] for row in store.sessions()} == {"1", "2"}

    asyncio.run(main())


WRITER = """
import asyncio, sys
from sessile.openai import SessileSession

async def main(path, name):
    session = SessileSession("shared", path)
    for n in range(50):
        await session.add_items([{"role": "user", "content": f"{name} {n}"}, {"role": "user", "content": f"{name} {n}b"}])
    popped = [await session.pop_item() for _ in range(10)]
    print("\\n".join(item["content"] for item in popped))

asyncio.run(main(*sys.argv[1:]))
"""


def test_four_processes_at_once_lose_nothing_and_pop_nothing_twice(tmp_path):
    path = tmp_path / "a.db"
    run = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*run, str(n)], stdout=subprocess.PIPE, text=True) for n in range(4)]
    popped = [line for writer in writers for line in writer.communicate(timeout=300)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0] * 4

    async def main():
        session = SessileSession("shared", path)
        left = [item["content"] for item in await session.get_items()]
        assert len(popped) == len(set(popped)) == 40
        assert sorted(left + popped) == sorted(
            f"{p} {n}{b}" for p in range(4) for n in range(50) for b in ("", "b")
        )
        assert len(session.store.get("shared").leaves()) > 1
        assert session.store.check() == []

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_session_that_was_forked_says_so_and_does_not_wait(tmp_path):
    session = SessileSession("u", tmp_path / "a.db")
    asyncio.run(session.add_items(ITEMS[:1]))
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(session.get_items())
        except sessile.Closed:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
