"""A store behind the Claude Agent SDK: ``ClaudeAgentOptions(session_store=…)``.

    options = ClaudeAgentOptions(session_store=SessileSessionStore("agents.db"))

A transcript is a Claude Code session of the store, in the file that Claude Code gives it, as
are those of sub-agents: ``sessile search`` finds it, and an export is a folder to go on with.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any, cast

from claude_agent_sdk import SessionStore, fold_session_summary, types as sdk

from ._inorder import InOrder
from .errors import Conflict, NotFound
from .session import Session
from .store import Path, Store

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AGENT = re.compile(r"subagents/([^/]+/)*agent-[^/]+")
# Ends the file of what has a name that no file of Claude Code has.
_MADE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")
_NAME = re.compile(r"(?!\.\.?$)[ -.0-~]{1,240}")
_NAMES = "claude_agent_sdk.names"
_SUMMARY = "claude_agent_sdk.summary.python"


def _made(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def _folder(project_key: str) -> str:
    return f"projects/{project_key if _NAME.fullmatch(project_key) else _made(project_key)}"


def _place(key: sdk.SessionKey | sdk.SessionListSubkeysKey) -> str:
    """Where the transcript of a key lies, without the end of its name."""
    name, subpath = key["session_id"], cast("str | None", key.get("subpath"))
    place = f"{_folder(key['project_key'])}/{name if _UUID.fullmatch(name) else _made(name)}"
    if subpath is None:
        return place
    fits = _AGENT.fullmatch(subpath) and all(map(_NAME.fullmatch, subpath.split("/")))
    return f"{place}/{subpath if fits else 'subagents/agent-' + _made(subpath)}"


class SessileSessionStore(SessionStore):
    """Keeps transcripts in the database at ``path``; ``options`` are those of :class:`sessile.Store`.

    An append is one transaction, which passes by an entry whose ``uuid`` is there already.
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
        session = await asyncio.to_thread(self._find, _place(key))
        return (await asyncio.to_thread(session.records) or None) if session else None

    async def list_sessions(self, project_key: str) -> list[sdk.SessionStoreListEntry]:
        rows = await asyncio.to_thread(self._rows, _folder(project_key))
        return [{"session_id": name, "mtime": time} for name, time, _ in rows]

    async def list_session_summaries(self, project_key: str) -> list[sdk.SessionSummaryEntry]:
        return await self._in_order.run(self._list_summaries, _folder(project_key))

    async def delete(self, key: sdk.SessionKey) -> None:
        await self._in_order.run(self._delete, _place(key))

    async def list_subkeys(self, key: sdk.SessionListSubkeysKey) -> list[str]:
        return [name for name, _, _ in await asyncio.to_thread(self._rows, _place(key), "subpath")]

    def _find(self, place: str) -> Session | None:
        try:
            return self.store.find(f":{place}.jsonl")  # of no root: the store's own
        except NotFound:
            return None

    def _append(self, key: sdk.SessionKey, entries: list[sdk.SessionStoreEntry]) -> None:
        place = _place(key)
        session, is_made = self._find(place), _MADE.search(place)
        if session is None:
            try:  # Of a made name, what it stands for comes first: it is listed by that.
                records = [] if is_made else entries
                session = self.store.create(file=f"{place}.jsonl", format="claude", records=records)
                entries = entries if is_made else []
            except Conflict:  # another process was quicker
                session = self.store.find(f":{place}.jsonl")
        if is_made:
            session.set_metadata({_NAMES: dict(key)})
        if entries:
            session.append_records(entries)
        if "subpath" not in key:
            self._summary(session)

    def _summary(self, session: Session) -> Any:
        """The SDK's own fold of all lines, of which those that are new to it are read.

        Kept when it changes, and every 100 lines: a race of two can only keep an older one.
        """
        kept = self._summaries.get(session.key) or session.metadata().get(_SUMMARY) or {"lines": 0}
        if records := session.records(kept["lines"]):
            before = sdk.SessionSummaryEntry(session_id="", mtime=0, data=kept.get("data", {}))
            data = fold_session_summary(before, {"project_key": "", "session_id": ""}, records)["data"]
            now = {"lines": kept["lines"] + len(records), "data": data}
            if data != kept.get("data") or now["lines"] // 100 != kept["lines"] // 100:
                session.set_metadata({_SUMMARY: now})
            kept = now
        self._summaries[session.key] = kept
        return kept.get("data", {})

    def _rows(self, folder: str, field: str = "session_id") -> list[tuple[str, int, Session]]:
        """Name, time in milliseconds and session of each transcript below a folder."""
        found = []
        for row in self.store.session_files(folder):
            name, session = row["file"][len(folder) + 1 : -len(".jsonl")], row["session"]
            if row["lines"] and (field == "subpath" or "/" not in name):
                name = session.metadata()[_NAMES][field] if _MADE.search(name) else name
                found.append((name, int(row["modified_at"].timestamp() * 1000), session))
        return found

    def _list_summaries(self, folder: str) -> list[sdk.SessionSummaryEntry]:
        return [
            {"session_id": name, "mtime": time, "data": self._summary(session)}
            for name, time, session in self._rows(folder)
        ]

    def _delete(self, place: str) -> None:
        found = [self._find(place), *(row["session"] for row in self.store.session_files(place))]
        self.store.purge([session for session in found if session is not None])
