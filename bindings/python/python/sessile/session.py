"""One session: what is asked of it, and what it is told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from ._native import Native
from ._values import all_timed, dumps, timed

Message = Mapping[str, Any]


class _Unsaid:
    """Stands for a parameter of which None is a value."""

    def __repr__(self) -> str:
        return "UNSAID"


UNSAID: Final = _Unsaid()


class Session:
    """A session, by its key: cheap to have, and good for as long as its store is open.

    Methods that write take ``at``, the time of what is written, and where they make
    something ``id``. With ``expect_leaf``, an append raises :class:`~sessile.Conflict`
    unless that is the active entry (None: there is none); with ``parent`` it goes behind
    that entry, as a branch beside what came meanwhile.
    """

    __slots__ = ("_native", "format", "id", "key")

    def __init__(self, native: Native, key: int, format: str, id: str | None) -> None:
        self._native = native
        self.key: Final = key
        self.format: Final = format
        self.id: Final = id

    def __repr__(self) -> str:
        return f"<Session {self.id!r} of {self.format}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Session) and (self._native, self.key) == (other._native, other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    def _call(self, method: str, **params: Any) -> Any:
        params = {name: value for name, value in params.items() if value is not UNSAID}
        return json.loads(self._native.call(method, dumps({"session": self.key, **params})))

    # What it is.

    def info(self) -> dict[str, Any]:
        """What is known of it without reading a line: title, work dir, leaf, times, counts."""
        return timed(self._call("info"))

    def dump(self) -> dict[str, Any]:
        """Everything that is known of it, as ``sessile dump`` prints it."""
        return self._call("dump")

    def usage(self) -> dict[str, Any]:
        """Tokens and cost that its entries report, in sum."""
        return self._call("usage")

    def problems(self) -> list[dict[str, Any]]:
        """What could not be understood of its files."""
        return self._call("problems")

    # What is said.

    def context(self, entry_id: str | None = None) -> list[dict[str, Any]]:
        """The messages to go on with, on the active branch or on that of an entry.

        A compaction stands for what it summarises.
        """
        return self._call("context", entry_id=entry_id)

    def last_messages(self, limit: int) -> list[dict[str, Any]]:
        """The messages of the last entries of the active branch, compactions aside."""
        return self._call("last_messages", limit=limit)

    def messages_of(self, entry_id: str) -> list[dict[str, Any]]:
        """The messages that an entry adds."""
        return self._call("messages_of", entry_id=entry_id)

    def text_of(self, entry_id: str) -> str:
        """The text of an entry."""
        return self._call("text_of", entry_id=entry_id)

    def markdown(self, *, at: datetime | None = None) -> str:
        """The conversation as Markdown."""
        return self._call("markdown", at=at)

    # Its tree. An entry has id, parent_id, entry_type, role, created_at, label and line.

    def path(self, entry_id: str | None = None, *, limit: int | None = None) -> list[dict[str, Any]]:
        """The entries from a root to one, or to the active one; with ``limit`` the last of them."""
        return all_timed(self._call("path", entry_id=entry_id, limit=limit))

    def entry(self, entry_id: str) -> dict[str, Any] | None:
        """The entry of this id; None where there is none."""
        found = self._call("entry", entry_id=entry_id)
        return None if found is None else timed(found)

    def children(self, entry_id: str) -> list[dict[str, Any]]:
        """The children of an entry."""
        return all_timed(self._call("children", entry_id=entry_id))

    def roots(self) -> list[dict[str, Any]]:
        """The entries without a parent."""
        return all_timed(self._call("roots"))

    def leaves(self) -> list[dict[str, Any]]:
        """The entries without children: the end of each branch."""
        return all_timed(self._call("leaves"))

    def tree(self) -> list[dict[str, Any]]:
        """The whole tree, depth first: ``id``, ``depth`` and ``children`` of each entry."""
        return self._call("tree")

    def entries_after(self, line: int = 0, *, limit: int = 100) -> list[dict[str, Any]]:
        """The entries behind a line: what was added since."""
        return all_timed(self._call("entries_after", line=line, limit=limit))

    def rewind_points(self) -> list[dict[str, Any]]:
        """The prompts of the user on the active branch, the newest first."""
        return all_timed(self._call("rewind_points"))

    def labels(self) -> list[dict[str, Any]]:
        """The labels of its entries."""
        return all_timed(self._call("labels"))

    def turns(self) -> list[dict[str, Any]]:
        """What the user asked, where the format tells turns."""
        return all_timed(self._call("turns"))

    # Its lines.

    def lines(self, after: int = 0) -> list[bytes]:
        """The lines of its file behind the first ``after``, byte for byte, with their ends."""
        return self._native.lines(self.key, after)

    def append_lines(self, lines: Iterable[bytes | str]) -> list[int]:
        """Adds lines as they are, all or none; returns the number of each.

        Of Claude Code, one whose ``uuid`` is there already has that line's number.
        """
        spelt = [line.encode() if isinstance(line, str) else line for line in lines]
        return self._native.append_lines(self.key, spelt)

    def records(self, after: int = 0, *, limit: int | None = None) -> list[Any]:
        """The lines of its file as JSON, behind the first ``after``, of at most ``limit`` of them.

        What is no JSON is left out.
        """
        return self._call("records", after=after, limit=limit)

    def description(self) -> dict[str, Any] | None:
        """The document beside its file that describes it, as of a sub-agent; None where there is none."""
        return self._call("description")

    def append_records(self, records: Iterable[Message]) -> list[int]:
        """As :meth:`append_lines`, of records in compact JSON."""
        return self._call("append_records", records=list(records))

    # To go on.

    def append(
        self,
        message: Message,
        *,
        id: str | None = None,
        at: datetime | None = None,
        expect_leaf: str | None | _Unsaid = UNSAID,
        parent: str | None | _Unsaid = UNSAID,
    ) -> str:
        """Appends a message, as the session's format spells it; returns its entry's id."""
        return self._call("append_message", message=message, id=id, at=at, expect_leaf=expect_leaf, parent=parent)  # fmt: skip

    def append_all(
        self,
        messages: Iterable[Message],
        *,
        at: datetime | None = None,
        expect_leaf: str | None | _Unsaid = UNSAID,
        parent: str | None | _Unsaid = UNSAID,
    ) -> list[str]:
        """Appends messages, each behind the one before, all or none; returns their ids."""
        return self._call("append_messages", messages=list(messages), at=at, expect_leaf=expect_leaf, parent=parent)  # fmt: skip

    def pop(self) -> dict[str, Any] | None:
        """Goes back behind the last message and returns it; it stays in the tree."""
        return self._call("pop_message")

    def append_record(self, record: Message, *, at: datetime | None = None) -> int:
        """Adds any record of the session's format; returns the number of its line."""
        return self._call("append_record", record=record, at=at)

    def compact(
        self,
        summary: str,
        *,
        keep_from: str | None = None,
        tokens_before: int | None = None,
        at: datetime | None = None,
    ) -> str:
        """Lets a summary, and what is kept, stand for everything before; returns its id."""
        return self._call("compact", summary=summary, keep_from=keep_from, tokens_before=tokens_before, at=at)  # fmt: skip

    def append_branch_summary(
        self,
        summary: str,
        *,
        parent_id: str | None = None,
        from_id: str | None = None,
        details: Any = None,
        at: datetime | None = None,
    ) -> str:
        """Adds the summary of a branch that was left; returns its id."""
        return self._call("append_branch_summary", summary=summary, parent_id=parent_id, from_id=from_id, details=details, at=at)  # fmt: skip

    def update_runtime(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        reasoning_effort: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Records what the session runs on; what is not given stays."""
        self._call("update_runtime", provider=provider, model=model, reasoning_effort=reasoning_effort, at=at)  # fmt: skip

    def branch(self, entry_id: str | None, *, at: datetime | None = None) -> None:
        """Makes an entry the active one; None leaves every branch: what comes next is a root."""
        self._call("branch", entry_id=entry_id, at=at)

    def navigate(self, entry_id: str, *, at: datetime | None = None) -> str:
        """Goes to an entry, before it where it is a prompt, whose text is returned."""
        return self._call("navigate", entry_id=entry_id, at=at)

    def clone(self, *, id: str | None = None, at: datetime | None = None) -> Session:
        """Copies the session whole."""
        return self._made("clone", id=id, at=at)

    def fork(
        self,
        entry_id: str | None = None,
        *,
        turn: int | None = None,
        id: str | None = None,
        at: datetime | None = None,
    ) -> Session:
        """Makes a session of the path to an entry, to a turn, or of the active branch."""
        return self._made("fork", entry_id=entry_id, turn=turn, id=id, at=at)

    def _made(self, method: str, **params: Any) -> Session:
        row = self._call(method, **params)
        return Session(self._native, row["key"], row["format"], row["session_id"])

    # How it is found again.

    def rename(self, name: str | None, *, at: datetime | None = None) -> None:
        """Gives it a name; None takes it away."""
        self._call("rename", name=name, at=at)

    def label(self, entry_id: str, label: str | None, *, at: datetime | None = None) -> bool:
        """Labels an entry, or clears its label; returns whether there is such an entry."""
        return self._call("append_label_change", entry_id=entry_id, label=label, at=at)["is_known"]

    def tag(self, tag: str) -> None:
        """Files it under a tag."""
        self._call("tag", tag=tag)

    def untag(self, tag: str) -> None:
        """Takes a tag away."""
        self._call("untag", tag=tag)

    def tags(self) -> list[str]:
        """The tags that it is filed under."""
        return self._call("tags")

    def metadata(self) -> dict[str, Any]:
        """What applications said of it."""
        return self._call("metadata")

    def set_metadata(self, values: Mapping[str, Any]) -> bool:
        """Keeps values under their keys, all or none; returns whether any is new."""
        return self._call("set_metadata", values=dict(values))

    def remove_metadata(self, key: str) -> bool:
        """Removes what is kept under a key; returns whether there was anything."""
        return self._call("remove_metadata", key=key)

    # Whether it is kept.

    def archive(self, *, at: datetime | None = None) -> None:
        """Lists leave it out from now on."""
        self._call("archive", at=at)

    def unarchive(self, *, at: datetime | None = None) -> None:
        """Takes it out of the archive."""
        self._call("unarchive", at=at)

    def delete(self, *, at: datetime | None = None) -> None:
        """Puts it into the trash, where exports leave it out, too."""
        self._call("delete", at=at)

    def restore(self, *, at: datetime | None = None) -> None:
        """Takes it out of the trash."""
        self._call("restore", at=at)

    def purge(self) -> str | None:
        """Removes it for ever. Returns None, or what may be left of its text in the files."""
        return self._call("purge")
