"""A database of sessions, and one state of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, TypeVar

from ._native import Native, NativeWatch
from ._values import all_timed, arguments, dumps, timed, with_bytes
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


def path_of(path: Path | None) -> str | None:
    return None if path is None else os.fspath(path)


def texts_of(texts: str | Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def key_of(session: Session | int) -> int:
    return session if isinstance(session, int) else session.key


class _Reader:
    """The reading methods of a store and of a snapshot."""

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
        """Closes the database; later calls raise :class:`~sessile.Closed`."""
        self._native.close()

    def _session(self, row: Mapping[str, Any]) -> Session:
        return Session(self._native, row["key"], row["format"], row["session_id"])

    def find(self, name: str) -> Session:
        """Finds a session by its id, a prefix of it, or its file.

        Raises :class:`~sessile.NotFound`, and :class:`~sessile.Invalid` for a name of several.
        """
        return self._session(self._call("find", {"name": name}))

    def get(self, session_id: str) -> Session | None:
        """The session with this full id; None if there is none."""
        row = self._call("find", {"name": session_id, "exact": True})
        return None if row is None else self._session(row)

    def session(self, key: int) -> Session:
        """The session with this key, as in lists and hits."""
        return self._session(self._call("session", {"session": key}))

    def sessions(
        self,
        query: str | None = None,
        *,
        work_dir: Path | None = None,
        format: Format | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        origin: str | None = None,
        tags: str | Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        archived: Archived = "without",
        all_sources: bool = False,
        limit: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Sessions, newest first, read page by page on demand.

        A row has ``key``, ``format``, ``origin`` (the machine or person that it is of, where an
        import or a merge said so), ``session_id``, ``title``, ``work_dir``, ``tags``,
        ``archived_at``, ``modified_at``, ``message_count``, and how it stands to its root:
        ``has_losses``, ``is_continued_here``, ``is_absent``, ``is_shadowed``.
        """
        params = given(
            query=query, work_dir=path_of(work_dir), format=format, since=since, until=until,
            origin=origin, tags=texts_of(tags),
            metadata=dict(metadata or {}), archived=archived, all_sources=all_sources,
        )  # fmt: skip
        return self._pages("sessions", limit, params)

    def recent_tree(
        self,
        query: str | None = None,
        *,
        work_dir: Path | None = None,
        format: Format | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        origin: str | None = None,
        tags: str | Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        archived: Archived = "without",
        all_sources: bool = False,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """As :meth:`sessions`, each under its parent; rows also have ``depth``."""
        params = given(
            query=query, work_dir=path_of(work_dir), format=format, since=since, until=until,
            origin=origin, tags=texts_of(tags),
            metadata=dict(metadata or {}), archived=archived, all_sources=all_sources, limit=limit,
        )  # fmt: skip
        return all_timed(self._call("recent_tree", params))

    def remembered(self, work_dir: Path) -> Session | None:
        """The session used last in a work dir, see :meth:`Session.remember`."""
        row = self._call("remembered", {"work_dir": os.fspath(work_dir)})
        return None if row is None else self._session(row)

    def trash(self, *, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """The sessions in the trash, newest first."""
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
        origin: str | None = None,
        tags: str | Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
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
        """Finds entries by their text, newest first (with ``rank``, best matches first).

        The text is words, with ``"a phrase"``, ``begin*``, ``OR`` and ``NOT``; with ``fixed``
        it is found as it is spelt, with ``regex`` it is a pattern. A hit has ``session`` (a
        key), ``session_id``, ``title``, ``work_dir``, ``format``, ``file``, ``entry_id``,
        ``line``, ``role``, ``at`` and ``snippet``.
        """
        key = None if session is None else key_of(session)
        params = given(
            text=text, regex=regex, fixed=fixed, role=role, tool=tool, model=model, work_dir=path_of(work_dir),
            format=format, origin=origin, tags=texts_of(tags), metadata=dict(metadata or {}),
            since=since, until=until, session=key, archived=archived,
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
        """Counts and sizes of what the database holds."""
        return self._call("stats")

    def problems(self) -> list[dict[str, Any]]:
        """What could not be understood: ``root``, ``file``, ``session_id``, ``line``, ``kind``, ``detail``."""
        return self._call("all_problems")


class Snapshot(_Reader):
    """The store at one moment: all reads see the same state.

    It holds a connection of the store, and keeps the journal from being emptied: close it soon.
    """

    def __init__(self, native: Native) -> None:
        self._native = native


class Watch:
    """Detects that anything was written, by anyone: :meth:`Store.watch`.

    It holds a connection of its own.
    """

    def __init__(self, native: NativeWatch) -> None:
        self._native = native

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def changed(self) -> bool:
        """Whether anything was committed since the last call, or since the watch began."""
        return self._native.changed()

    def close(self) -> None:
        """Closes the connection."""
        self._native.close()


class Store(_Reader):
    """A database of sessions, which is created if there is none.

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
        """A snapshot of the present state."""
        return Snapshot(self._native.snapshot())

    def earlier(self, session: Session | int, generation: int) -> Snapshot:
        """The state that a session was in before its file was rewritten at its root.

        :meth:`Session.generations` has the numbers; :meth:`Snapshot.session` gives the session.
        """
        with arguments():
            return Snapshot(self._native.earlier(key_of(session), generation))

    def watch(self) -> Watch:
        """Begins to watch the database; :meth:`Session.entries_after` returns what is new."""
        return Watch(self._native.watch())

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
        """Creates a session in this absolute work dir, with messages or records if given.

        Of Claude Code, ``file`` says where its file lies below the store's own root, in the
        place of work dir and id. Raises :class:`~sessile.Conflict` when there is such a session.
        """
        params = given(
            work_dir=path_of(work_dir), format=format, id=id,
            at=at, provider=provider, model=model, reasoning_effort=reasoning_effort,
            parent_id=parent_id, parent_path=parent_path, record=record, file=file,
            messages=None if messages is None else list(messages),
            records=None if records is None else list(records),
        )  # fmt: skip
        return self._session(self._call("create", params))

    def session_files(self, path: str, *, format: Format = "claude") -> list[dict[str, Any]]:
        """The sessions whose file has this path in the program's folder, or is below it, in every root.

        The store's own come first. A row has ``session``, ``key``, ``root`` (empty: the store's
        own), ``file``, ``session_id``, ``modified_at``, ``trashed_at``, ``generation`` (where it
        changes, other lines may be in the file) and ``lines``.
        """
        rows = all_timed(self._call("session_files", {"path": path, "format": format}))
        for row in rows:
            row["session"] = self._session({"format": format, **row})
        return rows

    def import_(
        self,
        root: Path,
        *,
        format: Format | None = None,
        origin: str | None = None,
        dry_run: bool = False,
        reread: bool = False,
        again: bool = False,
        ignore_space: bool = False,
    ) -> dict[str, Any]:
        """Imports a root of session files, which is never written to; repeat it at any time.

        With ``origin`` the sessions are of this machine or person from now on. With ``reread`` also files whose size and time are as they were, with ``again`` what was
        purged here, with ``ignore_space`` even if the disk seems too small.
        """
        params = given(
            root=os.fspath(root), format=format, origin=origin, dry_run=dry_run, reread=reread,
            again=again, ignore_space=ignore_space,
        )  # fmt: skip
        return self._call("import", params)

    def merge(self, other: Path, *, origin: str | None = None) -> dict[str, Any]:
        """Merges another database, or a folder of session files; never writes to it.

        Sessions of which it says no origin are of this one, if it is given.
        """
        return self._call("merge", given(other=os.fspath(other), origin=origin))

    def export(
        self,
        target: Path,
        *,
        session: Session | int | Iterable[Session | int] | None = None,
        root: Path | None = None,
        source_only: bool = False,
        damaged: bool = False,
    ) -> dict[str, Any]:
        """Writes every file, byte for byte, into a folder that is empty or does not exist.

        Of one session or several, if they are given.
        """
        if isinstance(session, (Session, int)):
            session = [session]
        sessions = None if session is None else [key_of(one) for one in session]
        params = given(
            target=os.fspath(target), sessions=sessions, source_only=source_only, damaged=damaged,
            root=path_of(root),
        )  # fmt: skip
        return self._call("export", params)

    def query(self, sql: str, *, limit: int | None = None) -> list[dict[str, Any]]:
        """The rows of a read-only SQL query.

        ``line(line_key)`` and ``message_text(entry_key)`` give what no view can.
        """
        found = self._call("query", given(sql=sql, limit=limit))
        return [dict(zip(found["columns"], map(with_bytes, row))) for row in found["rows"]]

    def usage(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        work_dir: Path | None = None,
        format: Format | None = None,
        origin: str | None = None,
        tags: str | Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """The tokens and cost that messages report, each message once."""
        params = given(
            since=since, until=until, work_dir=path_of(work_dir), format=format, origin=origin,
            tags=texts_of(tags), metadata=dict(metadata or {}),
        )  # fmt: skip
        return all_timed(self._call("usage_records", params))

    def verify(self, root: Path) -> dict[str, Any]:
        """Compares a root with what was imported from it; ``differences`` is empty if there are none."""
        return self._call("verify", {"root": os.fspath(root)})

    def imported_roots(self) -> list[dict[str, Any]]:
        """The roots that were imported."""
        return all_timed(self._call("imported_roots"))

    def move_root(self, old: Path, new: Path) -> list[dict[str, str]]:
        """Changes the path of a root, or of all roots below a folder; each has ``from`` and ``to``."""
        return self._call("move_root", {"old": os.fspath(old), "new": os.fspath(new)})

    def forget_root(self, root: Path) -> dict[str, Any]:
        """Removes a root with all its sessions from the database; nothing at the root is touched.

        Returns the ``root`` as :meth:`imported_roots` had it, and ``traces``: None, or what may be
        left of its text in the database's files.
        """
        found = self._call("forget_root", {"root": os.fspath(root)})
        return {**found, "root": timed(found["root"])}

    def check(self) -> list[dict[str, str]]:
        """Checks the database; each finding has ``place`` and ``detail``. Empty if nothing is wrong."""
        return self._call("check")

    def foreign_objects(self) -> list[dict[str, str]]:
        """What others put into the database: the ``kind`` and ``name`` of each table and index."""
        return self._call("foreign_objects")

    def rebuild(self) -> int:
        """Folds every table again from the log; returns the number of sessions."""
        return self._call("rebuild")

    def prunable(self) -> list[dict[str, Any]]:
        """What :meth:`prune` would remove."""
        return self._call("prunable")

    def prune(self) -> dict[str, Any]:
        """Removes earlier generations of files."""
        return self._call("prune")

    def seal(
        self,
        sessions: Iterable[Session | int] = (),
        *,
        archived: bool = False,
        idle_since: datetime | None = None,
    ) -> dict[str, Any]:
        """Packs the lines of these sessions, of those in the archive, and of those that were not
        used at a time and since; every byte is given back as before.

        Returns ``sessions``, ``lines``, their ``bytes``, those that they take now (``packed``), and
        ``traces``: None, or why the space is not given back yet.
        """
        keys = [key_of(one) for one in sessions]
        return self._call("seal", given(sessions=keys, archived=archived, idle_since=idle_since))

    def backup(self, target: Path) -> None:
        """Writes a consistent copy while others use the database; overwrites nothing."""
        self._call("backup", {"target": os.fspath(target)})

    def relink(self, old: str, new: str, *, at: datetime | None = None) -> int:
        """Changes the work dir of every session in it; returns how many."""
        return self._call("relink", given(old=old, new=new, at=at))

    def archive_older_than(self, days: int, *, at: datetime | None = None) -> int:
        """Archives the sessions that were inactive for this many days; returns how many."""
        return self._call("archive_older_than", given(days=days, at=at))

    def purge(self, sessions: Iterable[Session | int]) -> str | None:
        """Deletes sessions for good, in one transaction.

        Returns None, or what may be left of their text in the database's files.
        """
        return self._call("purge_all", {"sessions": [key_of(one) for one in sessions]})


__all__ = ["Archived", "Format", "Snapshot", "Store", "Watch", "timed"]
