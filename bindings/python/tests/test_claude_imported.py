"""The Claude Agent SDK's session store over what was imported of a Claude Code folder."""

import asyncio
import json

import pytest

sdk = pytest.importorskip("claude_agent_sdk")

from sessile.claude import SessileSessionStore  # noqa: E402

PROJECT, WORK_DIR = "-home-me-project", "/home/me/project"
ID = "0c000000-0000-4000-8000-00000000000c"
OTHER = "0c000000-0000-5000-8000-00000000000d"  # as an id of ours looks that stands for a name
KEY = {"project_key": PROJECT, "session_id": ID}
AGENT = {**KEY, "subpath": "subagents/agent-a1"}
DEEP = {**KEY, "subpath": "subagents/workflows/w1/agent-a2"}


def said(uuid, text, parent=None, **more):
    return {
        "parentUuid": parent, "isSidechain": False, "type": "user", "uuid": uuid, "sessionId": ID, "cwd": WORK_DIR,
        "timestamp": "2026-01-02T03:04:05.678Z", "message": {"role": "user", "content": text}, **more,
    }  # fmt: skip


def spelt(*entries):
    """As Claude Code spells them, and the SDK's JSON again."""
    return "".join(json.dumps(entry, separators=(",", ":"), ensure_ascii=False) + "\n" for entry in entries)


FILES = {
    f"{ID}.jsonl": spelt(said("a", "What is a leaf?"), said("b", "And é?", "a"), {"type": "summary", "summary": "Leaves"}),
    f"{ID}/subagents/agent-a1.jsonl": spelt(said("s", "side", isSidechain=True, agentId="a1")),
    f"{ID}/subagents/agent-a1.meta.json": '{"agentType": "Explore", "toolUseId": "toolu_1"}',
    f"{ID}/subagents/workflows/w1/agent-a2.jsonl": spelt(said("t", "deep", isSidechain=True, agentId="a2")),
    f"{OTHER}.jsonl": spelt(said("c", "And a root?", sessionId=OTHER)) + "[1]\nno JSON\n",
    "agent-old.jsonl": spelt(said("o", "of an old release", isSidechain=True, agentId="old")),
    "notes.jsonl": '{"text": "of another program"}\n',
}  # fmt: skip


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A Claude Code folder."""
    folder = tmp_path / ".claude" / "projects" / PROJECT
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / ".claude"))
    return tmp_path / ".claude"


@pytest.fixture(params=["", "projects", f"projects/{PROJECT}"])
def adapter(request, tmp_path, config):
    """The root is the folder of Claude Code, or one in it."""
    adapter = SessileSessionStore(tmp_path / "a.db")
    adapter.store.import_(config / request.param)
    yield adapter
    assert adapter.store.check() == []
    adapter.close()


def files_of(config):
    return {path: path.read_bytes() for path in config.rglob("*") if path.is_file()}


def test_it_gives_what_the_sdk_itself_takes_from_the_files(adapter):
    async def main():
        assert {row["session_id"] for row in await adapter.list_sessions(PROJECT)} == {ID, OTHER}
        theirs = sdk.InMemorySessionStore()
        await sdk.import_session_to_store(ID, theirs)
        assert sorted(await adapter.list_subkeys(KEY)) == sorted(await theirs.list_subkeys(KEY))
        for key in (KEY, AGENT, DEEP):
            assert await adapter.load(key) == await theirs.load(key)
        assert (await adapter.load(AGENT))[-1]["agentType"] == "Explore"
        expected = {
            summary["session_id"]: summary["data"] for summary in await theirs.list_session_summaries(PROJECT)
        }
        ours = {
            summary["session_id"]: summary["data"]
            for summary in await adapter.list_session_summaries(PROJECT)
        }
        assert ours[ID] == expected[ID]
        # Lines that are no entries stay in the file.
        assert [entry["uuid"] for entry in await adapter.load({**KEY, "session_id": OTHER})] == ["c"]
        rows = await sdk.list_sessions_from_store(adapter, directory=WORK_DIR)
        assert {row.session_id: row.summary for row in rows} == {
            row.session_id: row.summary for row in sdk.list_sessions(directory=WORK_DIR)
        }

    asyncio.run(main())


def test_what_is_appended_goes_on_with_the_file_and_comes_out_behind_it(adapter, config, tmp_path):
    before = files_of(config)

    async def main():
        await adapter.append(KEY, [said("b", "And é?", "a"), said("d", "three", "b")])
        await adapter.append(AGENT, [said("u", "more", "s", isSidechain=True, agentId="a1")])
        assert [entry.get("uuid") for entry in await adapter.load(KEY)] == ["a", "b", None, "d"]
        assert [entry.get("uuid") for entry in await adapter.load(AGENT)] == ["s", "u", None]
        (summary,) = [s for s in await adapter.list_session_summaries(PROJECT) if s["session_id"] == ID]
        assert summary["data"] == sdk.fold_session_summary(None, KEY, await adapter.load(KEY))["data"]
        assert len(list(adapter.store.sessions())) == 2

    asyncio.run(main())
    assert files_of(config) == before
    adapter.store.export(tmp_path / "out")
    (file,) = (tmp_path / "out").rglob(f"{ID}.jsonl")
    assert file.read_text(encoding="utf-8") == FILES[f"{ID}.jsonl"] + spelt(said("d", "three", "b"))


def test_what_the_sdk_mirrors_and_claude_code_writes_is_there_once(adapter, config):
    """The file grows by the same entries that came by the SDK, before and after."""
    (file,) = config.rglob(f"{ID}.jsonl")
    root = adapter.store.imported_roots()[0]["root"]

    async def main():
        for n, parent in enumerate(["b", "n0", "n1", "n2"]):
            entry = said(f"n{n}", f"text {n}", parent)
            steps = [
                lambda: adapter.append(KEY, [entry]),
                lambda: asyncio.to_thread(adapter.store.import_, root),
            ]
            with file.open("a", encoding="utf-8") as out:
                out.write(spelt(entry))
            for step in steps if n % 2 else reversed(steps):
                await step()
        uuids = [entry.get("uuid") for entry in await adapter.load(KEY)]
        assert uuids == ["a", "b", None, "n0", "n1", "n2", "n3"]

    asyncio.run(main())


def test_a_file_that_was_written_anew_is_summed_up_anew(adapter, config):
    (file,) = config.rglob(f"{ID}.jsonl")
    root = adapter.store.imported_roots()[0]["root"]

    async def main():
        await adapter.list_session_summaries(PROJECT)
        file.write_text(spelt(*(said(f"x{n}", f"another {n}") for n in range(9))))
        adapter.store.import_(root)
        for reader in (adapter, SessileSessionStore(adapter.store.path)):
            (data,) = [
                s["data"] for s in await reader.list_session_summaries(PROJECT) if s["session_id"] == ID
            ]
            assert data == sdk.fold_session_summary(None, KEY, await reader.load(KEY))["data"]
            assert data["first_prompt"] == "another 0"

    asyncio.run(main())


def test_what_is_deleted_is_gone_from_every_root_and_no_import_brings_it_back(adapter, config):
    root = adapter.store.imported_roots()[0]["root"]

    async def main():
        adapter.store.create(
            file=f"projects/{PROJECT}/{ID}.jsonl", format="claude", records=[said("z", "own")]
        )
        await adapter.delete(KEY)
        adapter.store.import_(root)
        assert await adapter.load(KEY) is None and await adapter.load(AGENT) is None
        assert [row["session_id"] for row in await adapter.list_sessions(PROJECT)] == [OTHER]
        assert await adapter.list_subkeys(KEY) == []

    asyncio.run(main())


def test_of_one_place_in_two_roots_the_stores_own_is_gone_on_with_unless_it_is_in_the_trash(adapter):
    async def main():
        own = adapter.store.create(
            file=f"projects/{PROJECT}/{ID}.jsonl", format="claude", records=[said("z", "own")]
        )
        await adapter.append(KEY, [said("y", "more", "z")])
        assert [entry["uuid"] for entry in await adapter.load(KEY)] == ["z", "y"]
        assert len(await adapter.list_sessions(PROJECT)) == 2
        own.delete()
        await adapter.append(KEY, [said("d", "three", "b")])
        assert [entry.get("uuid") for entry in await adapter.load(KEY)] == ["a", "b", None, "d"]
        for row in adapter.store.session_files(f"projects/{PROJECT}/{ID}.jsonl"):
            row["session"].delete()
        assert [row["session_id"] for row in await adapter.list_sessions(PROJECT)] == [OTHER]

    asyncio.run(main())


def test_a_store_that_is_only_read_lists_and_loads(adapter):
    reader = SessileSessionStore(adapter.store.path, read_only=True)

    async def main():
        assert len(await reader.list_session_summaries(PROJECT)) == 2
        assert len(await reader.load(KEY)) == 3
        assert len(await sdk.list_sessions_from_store(reader, directory=WORK_DIR)) == 2

    asyncio.run(main())
    reader.close()
