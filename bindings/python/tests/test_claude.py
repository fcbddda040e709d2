"""The Claude Agent SDK's session store: its own suite, and what that does not ask."""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sdk = pytest.importorskip("claude_agent_sdk")
from claude_agent_sdk.testing import run_session_store_conformance  # noqa: E402

import sessile  # noqa: E402
from sessile.claude import SessileSessionStore  # noqa: E402

ID = "0c000000-0000-4000-8000-00000000000c"
KEY = {"project_key": "-home-me-project", "session_id": ID}
AGENT = {**KEY, "subpath": "subagents/agent-a1"}


def said(uuid, text, parent=None, **more):
    message = {"role": "user", "content": text}
    return {
        "type": "user", "uuid": uuid, "parentUuid": parent, "sessionId": ID, "cwd": "/home/me/project",
        "timestamp": "2026-01-02T03:04:05.678Z", "message": message, **more,
    }  # fmt: skip


@pytest.fixture
def adapter(tmp_path):
    adapter = SessileSessionStore(tmp_path / "a.db")
    yield adapter
    adapter.close()


def test_the_sdks_own_suite_passes_with_nothing_left_out(tmp_path):
    made = []

    def make():
        made.append(SessileSessionStore(Path(tempfile.mkdtemp(dir=tmp_path)) / "a.db"))
        return made[-1]

    asyncio.run(run_session_store_conformance(make))

    assert len(made) >= 14
    for name in ("list_sessions", "list_session_summaries", "delete", "list_subkeys"):
        assert name in vars(SessileSessionStore)
    for adapter in made:
        assert adapter.store.check() == []


def test_an_entry_with_a_uuid_is_kept_once(adapter):
    async def main():
        entries = [said("a", "one"), {"type": "mode", "mode": "plan"}]
        await adapter.append(KEY, entries)
        await adapter.append(KEY, [*entries, said("b", "two", "a"), said("b", "two", "a")])
        mode = {"type": "mode", "mode": "plan"}
        assert await adapter.load(KEY) == [said("a", "one"), mode, mode, said("b", "two", "a")]
        first = {**KEY, "session_id": "0c000000-0000-4000-8000-00000000000d"}
        await adapter.append(first, [said("a", "one"), said("a", "one")])
        assert len(await adapter.load(first)) == 1

    asyncio.run(main())


def test_a_batch_with_a_bad_entry_is_not_there_at_all(adapter):
    async def main():
        with pytest.raises(sessile.Invalid):
            await adapter.append(KEY, [said("a", "one"), {"type": "x", "n": float("nan")}])
        assert await adapter.load(KEY) is None
        assert await adapter.list_sessions(KEY["project_key"]) == []

    asyncio.run(main())


def test_entries_come_back_equal_whatever_they_hold(adapter):
    entry = said("a", "\ud83d \u2028 \u00e9 \x00", n=[1, 1.0, 1e300, 2**70, -0.0, None, True], deep={"": {}})

    async def main():
        await adapter.append(KEY, [entry])
        (loaded,) = await adapter.load(KEY)
        assert loaded == entry and list(loaded) == list(entry)
        assert json.dumps(loaded) == json.dumps(entry)

    asyncio.run(main())


def test_the_sdks_readers_work_over_it_and_over_an_export(adapter, tmp_path, monkeypatch):
    async def main():
        second = "0c000000-0000-4000-8000-00000000000d"
        await adapter.append(KEY, [said("a", "What is a leaf?")])
        await adapter.append({**KEY, "session_id": second}, [said("c", "And a root?")])
        await adapter.append(KEY, [{"type": "custom-title", "customTitle": "Leaves", "sessionId": ID}])
        await adapter.append(AGENT, [said("s", "side", isSidechain=True, agentId="a1")])
        rows = await sdk.list_sessions_from_store(adapter, directory="/home/me/project")
        assert {row.session_id: row.summary for row in rows} == {ID: "Leaves", second: "And a root?"}
        messages = await sdk.get_session_messages_from_store(adapter, ID, directory="/home/me/project")
        assert [message.message["content"] for message in messages] == ["What is a leaf?"]
        assert await sdk.list_subagents_from_store(adapter, ID, directory="/home/me/project") == ["a1"]

    asyncio.run(main())
    # Claude Code's own files: what the SDK reads from disk is the same.
    adapter.store.export(tmp_path / "out")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "out"))
    assert {row.session_id: row.summary for row in sdk.list_sessions()}[ID] == "Leaves"
    assert (tmp_path / "out/projects" / KEY["project_key"] / ID / "subagents/agent-a1.jsonl").is_file()
    # And sessile's: sub-agents are no sessions of the list, all is found.
    assert {row["title"] for row in adapter.store.sessions()} == {"Leaves", "And a root?"}
    assert [hit["entry_id"] for hit in adapter.store.search("leaf")] == ["a"]


def test_summaries_are_the_sdks_fold_whoever_wrote(tmp_path):
    """Two adapters take turns; a third, that saw none of it, knows all."""
    one, two = SessileSessionStore(tmp_path / "a.db"), SessileSessionStore(tmp_path / "a.db")
    entries = [said(str(n), f"prompt {n}", gitBranch=f"b{n // 40}") for n in range(250)]

    async def main():
        for n, entry in enumerate(entries):
            await (one if n % 3 else two).append(KEY, [entry])
        expected = sdk.fold_session_summary(None, KEY, entries)["data"]
        for adapter in (one, two, SessileSessionStore(tmp_path / "a.db")):
            (summary,) = await adapter.list_session_summaries(KEY["project_key"])
            assert summary["data"] == expected and summary["session_id"] == ID
            (row,) = await adapter.list_sessions(KEY["project_key"])
            assert row["mtime"] == summary["mtime"]

    asyncio.run(main())


@pytest.mark.parametrize("project", ["tenant 1", "a/b", "..", "", "\u00e9", "x" * 300, 'it\'s "odd"'])
@pytest.mark.parametrize("session_id", ["plain", ID, "a/../b"])
def test_any_key_is_a_key(adapter, project, session_id):
    key = {"project_key": project, "session_id": session_id}
    subkeys = ["subagents/agent-1", "subagents/workflows/w/agent-2", "other", "a/../../b", "subagents/x"]

    async def main():
        await adapter.append(key, [said("a", "one")])
        for subpath in subkeys:
            await adapter.append({**key, "subpath": subpath}, [said("a", subpath)])
        assert [row["session_id"] for row in await adapter.list_sessions(project)] == [session_id]
        assert sorted(await adapter.list_subkeys(key)) == sorted(subkeys)
        assert await adapter.load({**key, "subpath": "other"}) == [said("a", "other")]
        await adapter.delete({**key, "subpath": "other"})
        assert await adapter.load({**key, "subpath": "other"}) is None
        await adapter.delete(key)
        assert await adapter.load(key) is None and await adapter.list_subkeys(key) == []
        # A key can be used again.
        await adapter.append(key, [said("a", "again")])
        assert await adapter.load(key) == [said("a", "again")]

    asyncio.run(main())


def test_sub_agents_go_with_a_session_that_has_no_transcript_of_its_own(adapter):
    async def main():
        await adapter.append(AGENT, [said("s", "side", isSidechain=True, agentId="a1")])
        assert await adapter.list_subkeys(KEY) == ["subagents/agent-a1"]
        await adapter.delete(KEY)
        assert await adapter.load(AGENT) is None and await adapter.list_subkeys(KEY) == []

    asyncio.run(main())


def test_appends_are_in_the_order_of_their_calls(adapter):
    async def main():
        await asyncio.gather(*(adapter.append(KEY, [said(str(n), "x")]) for n in range(100)))
        assert [entry["uuid"] for entry in await adapter.load(KEY)] == [str(n) for n in range(100)]

    asyncio.run(main())


WRITER = """
import asyncio, sys
from sessile.claude import SessileSessionStore

async def main(path, name):
    adapter = SessileSessionStore(path)
    keys = [{"project_key": "p", "session_id": "0c000000-0000-4000-8000-%012d" % n} for n in range(3)]
    for n in range(60):
        entry = {"type": "user", "uuid": f"{name}-{n}", "parentUuid": None, "message": {"role": "user", "content": "x"}}
        shared = {"type": "user", "uuid": f"shared-{n}", "parentUuid": None, "message": {"role": "user", "content": "x"}}
        await adapter.append(keys[n % 3], [entry, shared])
        if n % 10 == 0:
            await adapter.list_session_summaries("p")
    adapter.close()

asyncio.run(main(*sys.argv[1:]))
"""


def test_four_processes_at_once_lose_and_repeat_nothing(tmp_path):
    path = tmp_path / "a.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n)]) for n in range(4)]
    assert [writer.wait(300) for writer in writers] == [0] * 4

    async def main():
        adapter = SessileSessionStore(path)
        seen = []
        for row in await adapter.list_sessions("p"):
            entries = await adapter.load({"project_key": "p", "session_id": row["session_id"]})
            seen += [entry["uuid"] for entry in entries]
            for name in map(str, range(4)):
                own = [uuid for uuid in (entry["uuid"] for entry in entries) if uuid.startswith(f"{name}-")]
                assert own == sorted(own, key=lambda uuid: int(uuid.split("-")[1]))
        assert len(seen) == len(set(seen)) == 4 * 60 + 60
        assert adapter.store.check() == []

    asyncio.run(main())
