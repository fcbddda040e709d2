"""A database of sessions, and one state of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, TypeVar

from ._native import Native
from ._values import all_timed, dumps, timed
from .session import Session

Format = Literal["kward", "pi", "kimi", "claude", "codex"]
"""The program whose session it is."""

Archived = Literal["without", "only", "included"]
"""Which archived sessions a list or a search shows."""

Path = str | os.PathLike[str]
_Self = TypeVar("_Self", bound="_Reader")


def given(**values: Any) -> dict[str, Any]:
    """The parameters that a caller gave."""
    return {name: value for name, value in values.items() if value is not None}


class _Reader:
    """What a store and one state of it both answer."""

    _native: Native

    def _call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        return json.loads(self._native.call(method, dumps(params or {})))

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the database; what is called afterwards raises :class:`~sessile.Closed`."""
        self._native.close()

    def _session(self, row: Mapping[str, Any]) -> Session:
        return Session(self._native, row["key"], row["format"], row["session_id"])

    def find(self, name: str) -> Session:
        """The session of this id, of an id that begins so, or of this file.

        Raises :class:`~sessile.NotFound`, and :class:`~sessile.Invalid` for a name of several.
        """
        return self._session(self._call("find", {"name": name}))

    def get(self, session_id: str) -> Session | None:
        """The session of this whole id; None where there is none."""
        row = self._call("find", {"name": session_id, "exact": True})
        return None if row is None else self._session(row)

    def session(self, key: int) -> Session:
        """The session of this key, as lists and hits give it."""
        return self._session(self._call("session", {"session": key}))

    def sessions(
        self,
        query: str | None = None,
        *,
        work_dir: Path | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        archived: Archived = "without",
        all_sources: bool = False,
        limit: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Sessions, the newest first, a page at a time as they are asked for.

        A row has ``key``, ``format``, ``session_id``, ``title``, ``work_dir``, ``tags``,
        ``archived_at``, ``modified_at``, ``message_count`` and ``has_losses``.
        """
        return self._pages(
            "sessions",
            limit,
            given(
                query=query,
                work_dir=None if work_dir is None else os.fspath(work_dir),
                tags=list(tags),
                metadata=dict(metadata or {}),
                archived=archived,
                all_sources=all_sources,
            ),
        )

    def trash(self, *, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """The sessions in the trash, the newest first."""
        return self._pages("trash", limit, {"archived": "included"})

    def search(
        self,
        text: str,
        *,
        regex: bool = False,
        fixed: bool = False,
        role: str | list[str] | None = None,
        tool: str | list[str] | None = None,
        model: str | None = None,
        work_dir: Path | None = None,
        format: Format | None = None,
        tag: str | list[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        session: Session | int | None = None,
        archived: Archived | None = None,
        active_branch: bool = False,
        thinking: bool = False,
        tools: bool = False,
        rank: bool = False,
        limit: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Entries by what they say, the newest first (with ``rank`` the most telling).

        The text is words, with ``"a phrase"``, ``begin*``, ``OR`` and ``NOT``; with ``fixed``
        it is found as it is spelt, with ``regex`` it is a pattern. A hit has ``session`` (a
        key), ``session_id``, ``title``, ``work_dir``, ``format``, ``file``, ``entry_id``,
        ``line``, ``role``, ``at`` and ``snippet``.
        """
        key = session.key if isinstance(session, Session) else session
        where = None if work_dir is None else os.fspath(work_dir)
        params = given(
            text=text, regex=regex, fixed=fixed, role=role, tool=tool, model=model, work_dir=where,
            format=format, tag=tag, since=since, until=until, session=key, archived=archived,
            active_branch=active_branch, thinking=thinking, tools=tools, rank=rank,
        )  # fmt: skip
        return self._pages("search", limit, params)

    def _pages(self, method: str, limit: int | None, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        left = limit
        while left is None or 0 < left:
            page = self._call(method, {**params, "limit": min(left or 100, 100)})
            yield from all_timed(page["rows"])
            if left is not None:
                left -= len(page["rows"])
            if page["next"] is None:
                return
            params["after"] = page["next"]

    def work_dirs(self) -> list[str]:
        """The work dirs of all sessions, the last used first."""
        return self._call("work_dirs")

    def stats(self) -> dict[str, Any]:
        """How much of what the database holds."""
        return self._call("stats")


class Snapshot(_Reader):
    """The store at one moment: everything is answered from the same state.

    It holds a connection of the store, and keeps the journal from being emptied: close it soon.
    """

    def __init__(self, native: Native) -> None:
        self._native = native


class Store(_Reader):
    """A database of sessions, which is made where there is none.

    ``busy_timeout`` is how many seconds a call waits for other writers; with
    ``durability="normal"`` a power cut may cost the last moments, and appends are quicker.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        read_only: bool = False,
        busy_timeout: float | None = None,
        pool_size: int | None = None,
        durability: Literal["full", "normal"] = "full",
    ) -> None:
        self.path = os.fspath(path)
        params = given(
            path=self.path, create=create, read_only=read_only, busy_timeout=busy_timeout,
            pool_size=pool_size, durability=durability,
        )  # fmt: skip
        self._native = Native.open(dumps(params))

    def __repr__(self) -> str:
        return f"Store({self.path!r})"

    def snapshot(self) -> Snapshot:
        """Takes hold of the state that the database is in now."""
        return Snapshot(self._native.snapshot())

    def create(
        self,
        work_dir: Path | None = None,
        *,
        format: Format | None = None,
        id: str | None = None,
        at: datetime | None = None,
        provider: str | None = None,
        model: str | None = None,
        reasoning_effort: str | None = None,
        parent_id: str | None = None,
        parent_path: str | None = None,
        record: Mapping[str, Any] | None = None,
        file: str | None = None,
        messages: Iterable[Mapping[str, Any]] | None = None,
        records: Iterable[Mapping[str, Any]] | None = None,
    ) -> Session:
        """Makes a session in this absolute work dir, with these messages or records if any.

        Of Claude Code, ``file`` says where its file lies below the store's own root, in the
        place of work dir and id. Raises :class:`~sessile.Conflict` when there is such a session.
        """
        params = given(
            work_dir=None if work_dir is None else os.fspath(work_dir), format=format, id=id,
            at=at, provider=provider, model=model, reasoning_effort=reasoning_effort,
            parent_id=parent_id, parent_path=parent_path, record=record, file=file,
            messages=None if messages is None else list(messages),
            records=None if records is None else list(records),
        )  # fmt: skip
        return self._session(self._call("create", params))

    def session_files(self, path: str, *, format: Format = "claude") -> list[dict[str, Any]]:
        """The sessions whose file is at this path of the program's folder, or below it, of every root.

        The store's own come first. A row has ``session``, ``key``, ``root`` (empty: the store's
        own), ``file``, ``session_id``, ``modified_at``, ``trashed_at``, ``generation`` (where it
        changes, other lines may be in the file) and ``lines``.
        """
        rows = all_timed(self._call("session_files", {"path": path, "format": format}))
        for row in rows:
            row["session"] = self._session({"format": format, **row})
        return rows

    def import_(self, root: Path, *, format: Format | None = None, dry_run: bool = False) -> dict[str, Any]:
        """Reads a root of session files, which is never written to; repeat it at any time."""
        params = given(root=os.fspath(root), format=format, dry_run=dry_run)
        return self._call("import", params)

    def export(
        self,
        target: Path,
        *,
        session: Session | int | None = None,
        root: Path | None = None,
        source_only: bool = False,
        damaged: bool = False,
    ) -> dict[str, Any]:
        """Writes every file, byte for byte, into a folder that is empty or not there."""
        key = session.key if isinstance(session, Session) else session
        params = given(
            target=os.fspath(target), session=key, source_only=source_only, damaged=damaged,
            root=None if root is None else os.fspath(root),
        )  # fmt: skip
        return self._call("export", params)

    def verify(self, root: Path) -> dict[str, Any]:
        """Compares a root with what was imported from it; ``differences`` is empty when all is there."""
        return self._call("verify", {"root": os.fspath(root)})

    def imported_roots(self) -> list[dict[str, Any]]:
        """The roots that were imported."""
        return all_timed(self._call("imported_roots"))

    def check(self) -> list[dict[str, str]]:
        """Proves the database; each finding has ``place`` and ``detail``. Empty: it is sound."""
        return self._call("check")

    def backup(self, target: Path) -> None:
        """Writes a consistent copy while others use the database; overwrites nothing."""
        self._call("backup", {"target": os.fspath(target)})

    def relink(self, old: str, new: str, *, at: datetime | None = None) -> int:
        """Gives every session of a work dir a new one; returns how many."""
        return self._call("relink", given(old=old, new=new, at=at))

    def archive_older_than(self, days: int, *, at: datetime | None = None) -> int:
        """Archives the sessions that were not used for so many days; returns how many."""
        return self._call("archive_older_than", given(days=days, at=at))

    def purge(self, sessions: Iterable[Session | int]) -> str | None:
        """Removes sessions for ever, in one transaction.

        Returns None, or what may be left of their text in the database's files.
        """
        keys = [one.key if isinstance(one, Session) else one for one in sessions]
        return self._call("purge_all", {"sessions": keys})


__all__ = ["Archived", "Format", "Snapshot", "Store", "timed"]
