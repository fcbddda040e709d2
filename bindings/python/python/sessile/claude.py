"""A store behind the Claude Agent SDK: ``ClaudeAgentOptions(session_store=…)``.

    options = ClaudeAgentOptions(session_store=SessileSessionStore("agents.db"))

A transcript is a Claude Code session of the store, in the file that Claude Code gives it, as
are those of sub-agents: ``sessile search`` finds it, and an export is a folder to go on with.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from claude_agent_sdk import SessionStore, fold_session_summary, types as sdk

from ._claude_places import NAMES, folder_of, is_made, name_of, objects, place_of, rank
from ._inorder import InOrder
from .errors import Conflict, NotFound, SessileError
from .store import Path, Store

_SUMMARY = "claude_agent_sdk.summary.python"


def _mtime(row: dict[str, Any]) -> int:
    return int(row["modified_at"].timestamp() * 1000)


class SessileSessionStore(SessionStore):
    """Keeps transcripts in the database at ``path``; ``options`` are those of :class:`sessile.Store`.

    What was imported of a Claude Code folder is there, too, and is gone on with in its place.
    An append is one transaction, which skips an entry whose ``uuid`` is there already.
    Deleting is for good. A process that was forked makes one of its own.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        self.store = Store(path, **options)
        self._in_order = InOrder()
        self._summaries: dict[int, dict[str, Any]] = {}

    def close(self) -> None:
        """Waits for what is being written, and lets go of the database."""
        self._in_order.close()
        self.store.close()

    async def append(self, key: sdk.SessionKey, entries: list[sdk.SessionStoreEntry]) -> None:
        if entries:
            await self._in_order.run(self._append, key, entries)

    async def load(self, key: sdk.SessionKey) -> list[sdk.SessionStoreEntry] | None:
        with suppress(NotFound):  # of one that somebody deletes meanwhile
            return await asyncio.to_thread(self._load, place_of(key), "subpath" in key) or None
        return None

    async def list_sessions(self, project_key: str) -> list[sdk.SessionStoreListEntry]:
        return await asyncio.to_thread(self._list, folder_of(project_key))

    async def list_session_summaries(self, project_key: str) -> list[sdk.SessionSummaryEntry]:
        return await self._in_order.run(self._list_summaries, folder_of(project_key))

    async def delete(self, key: sdk.SessionKey) -> None:
        await self._in_order.run(self._delete, place_of(key))

    async def list_subkeys(self, key: sdk.SessionListSubkeysKey) -> list[str]:
        rows = await asyncio.to_thread(self._transcripts, place_of(key), "subpath")
        return [name for name, _ in rows]

    def _find(self, place: str) -> dict[str, Any] | None:
        return min(self.store.session_files(f"{place}.jsonl"), key=rank, default=None)

    def _load(self, place: str, is_agent: bool) -> list[Any]:
        if (row := self._find(place)) is None:
            return []
        entries = objects(row["session"].records())
        if is_agent and all(entry.get("type") != "agent_metadata" for entry in entries):
            # Claude Code keeps it beside the file, and the SDK among the entries.
            described = row["session"].description()
            entries += [{**described, "type": "agent_metadata"}] if described else []
        return entries

    def _append(self, key: sdk.SessionKey, entries: list[sdk.SessionStoreEntry]) -> None:
        place = place_of(key)
        row, made = self._find(place), is_made(place)
        if row is None:
            try:  # Of a made name, what it stands for comes first: it is listed by that.
                records = [] if made else entries
                session = self.store.create(file=f"{place}.jsonl", format="claude", records=records)
                entries = entries if made else []
            except Conflict:  # another process was quicker
                session = self.store.find(f":{place}.jsonl")
        else:
            session = row["session"]
        if made:
            session.set_metadata({NAMES: dict(key)})
        if entries:
            session.append_records(entries)
        if "subpath" not in key and (row := self._find(place)):
            self._summary(row)

    def _summary(self, row: dict[str, Any]) -> Any:
        """The SDK's own fold of all lines, of which those that are new to it are read.

        Kept when it changes, and every 100 lines: a race of two can only keep an older one.
        """
        session, lines, of_file = row["session"], row["lines"], {"generation": row["generation"]}
        kept = self._summaries.get(session.key) or session.metadata().get(_SUMMARY, {})
        if kept.get("generation") != row["generation"]:
            kept = {**of_file, "lines": 0, "data": {}}
        if kept["lines"] < lines:
            records = objects(session.records(kept["lines"], limit=lines - kept["lines"]))
            before = sdk.SessionSummaryEntry(session_id="", mtime=0, data=kept["data"])
            data = fold_session_summary(before, {"project_key": "", "session_id": ""}, records)["data"]
            now = {**of_file, "lines": lines, "data": data}
            if data != kept["data"] or lines // 100 != kept["lines"] // 100:
                with suppress(SessileError):  # else it is folded again when it is asked for
                    session.set_metadata({_SUMMARY: now})
            kept = now
        self._summaries[session.key] = kept
        return kept["data"]

    def _transcripts(self, folder: str, field: str = "session_id") -> list[tuple[str, dict[str, Any]]]:
        """The name and the row of each transcript below a folder."""
        rows = {row["file"]: row for row in sorted(self.store.session_files(folder), key=rank, reverse=True)}
        there = [row for _, row in sorted(rows.items()) if row["lines"] and not row["trashed_at"]]
        found = []
        for row in there:
            with suppress(NotFound):  # of one that somebody deletes meanwhile
                if (name := name_of(row, folder, field)) is not None:
                    found.append((name, row))
        return found

    def _list(self, folder: str) -> list[sdk.SessionStoreListEntry]:
        return [{"session_id": name, "mtime": _mtime(row)} for name, row in self._transcripts(folder)]

    def _list_summaries(self, folder: str) -> list[sdk.SessionSummaryEntry]:
        found: list[sdk.SessionSummaryEntry] = []
        for name, row in self._transcripts(folder):
            with suppress(NotFound):
                found.append({"session_id": name, "mtime": _mtime(row), "data": self._summary(row)})
        return found

    def _delete(self, place: str) -> None:
        rows = self.store.session_files(f"{place}.jsonl") + self.store.session_files(place)
        self.store.purge([row["session"] for row in rows])
