"""A session: reading and writing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from ._native import Native
from ._values import all_timed, arguments, dumps, timed

Message = Mapping[str, Any]


class _Unsaid:
    """Stands for a parameter of which None is a value."""

    def __repr__(self) -> str:
        return "UNSAID"


UNSAID: Final = _Unsaid()


class Session:
    """A handle to a session: cheap, and valid as long as its store is open.

    Methods that write take ``at``, the time of what is written, and those that create
    something take ``id``. With ``expect_leaf``, an append raises :class:`~sessile.Conflict`
    unless that is the active entry (None for none); with ``parent`` it appends to that
    entry, as a branch if others have appended meanwhile.
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
        """What could not be understood of its files: ``root``, ``file``, ``line``, ``kind``, ``detail``."""
        return self._call("problems")

    def unique_name(self) -> str:
        """A name by which :meth:`Store.find` finds this session and no other."""
        return self._call("unique_name")

    def generations(self) -> list[dict[str, Any]]:
        """Earlier generations of its files: ``number``, ``file``, ``lines``, ``lost``, ``read_at``."""
        return all_timed(self._call("generations"))

    # What is said.

    def context(self, entry_id: str | None = None) -> list[dict[str, Any]]:
        """The messages that the program would continue with, on the active branch or on that of an entry.

        A compaction stands for what it summarises.
        """
        return self._call("context", entry_id=entry_id)

    def conversation(self, entry_id: str | None = None) -> list[dict[str, Any]]:
        """The messages of :meth:`context` with their content, in a form common to all formats.

        A row has ``entry_id``, ``role``, ``text``, ``parts`` and ``message``. A part has a
        ``kind``: ``text``, ``thinking``, ``tool_call`` (``id``, ``name``, ``arguments``, ``label``),
        ``tool_result`` (``call_id``, ``text``), ``image`` or ``other``.
        """
        return self._call("conversation", entry_id=entry_id)

    def last_messages(self, limit: int) -> list[dict[str, Any]]:
        """The messages of the last entries of the active branch, ignoring compactions."""
        return self._call("last_messages", limit=limit)

    def messages_of(self, entry_id: str) -> list[dict[str, Any]]:
        """The messages that an entry adds."""
        return self._call("messages_of", entry_id=entry_id)

    def text_of(self, entry_id: str) -> str:
        """The text of an entry."""
        return self._call("text_of", entry_id=entry_id)

    def result_file(self, call_id: str, answer: str) -> dict[str, Any] | None:
        """The file in which a program stored a long answer of a tool: ``path`` and ``text``."""
        return self._call("result_file", call_id=call_id, answer=answer)

    def markdown(self, *, at: datetime | None = None) -> str:
        """The conversation as Markdown."""
        return self._call("markdown", at=at)

    # Its tree. An entry has id, parent_id, entry_type, role, created_at, label and line.

    def path(self, entry_id: str | None = None, *, limit: int | None = None) -> list[dict[str, Any]]:
        """The entries from a root to an entry, or to the active one; with ``limit``, the last of them."""
        return all_timed(self._call("path", entry_id=entry_id, limit=limit))

    def entry(self, entry_id: str) -> dict[str, Any] | None:
        """The entry with this id; None if there is none."""
        found = self._call("entry", entry_id=entry_id)
        return None if found is None else timed(found)

    def find_entry(self, name: str) -> dict[str, Any]:
        """Finds an entry by its id, or a prefix of it."""
        return timed(self._call("find_entry", name=name))

    def children(self, entry_id: str) -> list[dict[str, Any]]:
        """The children of an entry."""
        return all_timed(self._call("children", entry_id=entry_id))

    def roots(self) -> list[dict[str, Any]]:
        """The entries without a parent."""
        return all_timed(self._call("roots"))

    def leaves(self) -> list[dict[str, Any]]:
        """The entries without children: the end of each branch."""
        return all_timed(self._call("leaves"))

    def abandoned(self) -> list[dict[str, Any]]:
        """The ends of the branches that are not active."""
        return all_timed(self._call("abandoned"))

    def is_on_path(self, entry_id: str) -> bool:
        """Whether an entry is on the active branch."""
        return self._call("is_on_path", entry_id=entry_id)

    def common_ancestor(self, one: str, other: str) -> dict[str, Any] | None:
        """The last entry that the paths to two entries have in common."""
        found = self._call("common_ancestor", one=one, other=other)
        return None if found is None else timed(found)

    def tree_rows(self) -> list[dict[str, Any]]:
        """The tree as rows to draw: ``prefix``, ``role``, ``text``, ``current``, ``active_path`` …"""
        return all_timed(self._call("tree_rows"))

    def tree(self) -> list[dict[str, Any]]:
        """The whole tree, depth first: ``id``, ``depth`` and ``children`` of each entry."""
        return self._call("tree")

    def entries_after(self, line: int = 0, *, limit: int = 100) -> list[dict[str, Any]]:
        """The entries after a line: what was added since."""
        return all_timed(self._call("entries_after", line=line, limit=limit))

    def rewind_points(self) -> list[dict[str, Any]]:
        """The user's prompts on the active branch, newest first."""
        return all_timed(self._call("rewind_points"))

    def labels(self) -> list[dict[str, Any]]:
        """The labels of its entries."""
        return all_timed(self._call("labels"))

    def turns(self) -> list[dict[str, Any]]:
        """The user's turns, in formats that have them."""
        return all_timed(self._call("turns"))

    # Its lines.

    def lines(self, after: int = 0) -> list[bytes]:
        """The lines of its file after the first ``after``, byte for byte, with their terminators."""
        with arguments():
            return self._native.lines(self.key, after)

    def append_lines(self, lines: Iterable[bytes | str]) -> list[int]:
        """Appends raw lines, all or none; returns the number of each.

        Of Claude Code, one whose ``uuid`` is there already has that line's number.
        """
        with arguments():
            spelt = [line.encode() if isinstance(line, str) else bytes(memoryview(line)) for line in lines]
            return self._native.append_lines(self.key, spelt)

    def records(self, after: int = 0, *, limit: int | None = None) -> list[Any]:
        """The lines of its file as JSON, after the first ``after``, at most ``limit`` of them.

        What is no JSON is left out.
        """
        return self._call("records", after=after, limit=limit)

    def description(self) -> dict[str, Any] | None:
        """The document beside its file that describes it, as for a sub-agent; None if there is none."""
        return self._call("description")

    def append_records(self, records: Iterable[Message]) -> list[int]:
        """As :meth:`append_lines`, for records, which become compact JSON."""
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
        """Appends a message in the session's format; returns its entry's id."""
        return self._call("append_message", message=message, id=id, at=at, expect_leaf=expect_leaf, parent=parent)  # fmt: skip

    def append_all(
        self,
        messages: Iterable[Message],
        *,
        at: datetime | None = None,
        expect_leaf: str | None | _Unsaid = UNSAID,
        parent: str | None | _Unsaid = UNSAID,
    ) -> list[str]:
        """Appends messages, each after the one before, all or none; returns their ids."""
        return self._call("append_messages", messages=list(messages), at=at, expect_leaf=expect_leaf, parent=parent)  # fmt: skip

    def pop(self) -> dict[str, Any] | None:
        """Makes the entry before the last message active; returns the message, which stays in the tree."""
        return self._call("pop_message")

    def append_record(self, record: Message, *, at: datetime | None = None) -> int:
        """Appends any record of the session's format; returns the number of its line."""
        return self._call("append_record", record=record, at=at)

    def compact(
        self,
        summary: str | None = None,
        *,
        keep_from: str | None = None,
        tokens_before: int | None = None,
        details: Mapping[str, Any] | None = None,
        record: Message | None = None,
        id: str | None = None,
        at: datetime | None = None,
    ) -> str:
        """Appends a compaction: a summary, and what is kept, replace everything before; returns its id.

        With ``record`` in the place of all this, in the keys of the session's format.
        """
        return self._call("compact", summary=summary, keep_from=keep_from, tokens_before=tokens_before, details=details, record=record, id=id, at=at)  # fmt: skip

    def append_branch_summary(
        self,
        summary: str,
        *,
        parent_id: str | None = None,
        from_id: str | None = None,
        details: Any = None,
        at: datetime | None = None,
    ) -> str:
        """Appends the summary of an abandoned branch; returns its id."""
        return self._call("append_branch_summary", summary=summary, parent_id=parent_id, from_id=from_id, details=details, at=at)  # fmt: skip

    def update_runtime(
        self,
        *,
        provider: str | None = None,
        model: str | None = None,
        reasoning_effort: str | None = None,
        at: datetime | None = None,
    ) -> None:
        """Records model settings; those that are not given stay."""
        self._call("update_runtime", provider=provider, model=model, reasoning_effort=reasoning_effort, at=at)  # fmt: skip

    def branch(self, entry_id: str | None, *, at: datetime | None = None) -> None:
        """Makes an entry the active one; None leaves every branch: the next entry is a root."""
        self._call("branch", entry_id=entry_id, at=at)

    def navigate(self, entry_id: str, *, at: datetime | None = None) -> str:
        """Makes an entry active; for a prompt, the entry before it, and returns the prompt's text."""
        return self._call("navigate", entry_id=entry_id, at=at)

    def clone(self, *, id: str | None = None, at: datetime | None = None) -> Session:
        """Copies the session with all of its branches."""
        return self._made("clone", id=id, at=at)

    def fork(
        self,
        entry_id: str | None = None,
        *,
        turn: int | None = None,
        id: str | None = None,
        at: datetime | None = None,
    ) -> Session:
        """Creates a session from the path to an entry, up to a turn, or from the active branch."""
        return self._made("fork", entry_id=entry_id, turn=turn, id=id, at=at)

    def _made(self, method: str, **params: Any) -> Session:
        row = self._call(method, **params)
        return Session(self._native, row["key"], row["format"], row["session_id"])

    # How it is found again.

    def rename(self, name: str | None, *, at: datetime | None = None) -> None:
        """Sets its name; None removes it."""
        self._call("rename", name=name, at=at)

    def label(self, entry_id: str, label: str | None, *, at: datetime | None = None) -> bool:
        """Labels an entry, or clears its label; returns whether there is such an entry."""
        return self._call("append_label_change", entry_id=entry_id, label=label, at=at)["is_known"]

    def tag(self, *tags: str) -> bool:
        """Adds tags, all or none; returns whether any is new."""
        return self._call("tag_all", tags=list(tags))

    def untag(self, tag: str) -> bool:
        """Removes a tag; returns whether it had it."""
        return self._call("untag", tag=tag)

    def clear_tags(self) -> bool:
        """Removes all tags; returns whether it had any."""
        return self._call("clear_tags")

    def tags(self) -> list[str]:
        """Its tags."""
        return self._call("tags")

    def metadata(self) -> dict[str, Any]:
        """Its metadata."""
        return self._call("metadata")

    def set_metadata(self, values: Mapping[str, Any]) -> bool:
        """Sets metadata, all or none; returns whether anything changed."""
        return self._call("set_metadata", values=dict(values))

    def remove_metadata(self, key: str) -> bool:
        """Removes a metadata key; returns whether it had a value."""
        return self._call("remove_metadata", key=key)

    def remember(self) -> None:
        """Remembers it as the one used last in its work dir: :meth:`Store.remembered`."""
        self._call("remember")

    # Whether it is kept.

    def archive(self, *, at: datetime | None = None) -> None:
        """Archives it: lists leave it out."""
        self._call("archive", at=at)

    def unarchive(self, *, at: datetime | None = None) -> None:
        """Takes it out of the archive."""
        self._call("unarchive", at=at)

    def delete(self, *, at: datetime | None = None) -> None:
        """Moves it to the trash: exports leave it out, too."""
        self._call("delete", at=at)

    def restore(self, *, at: datetime | None = None) -> None:
        """Takes it out of the trash."""
        self._call("restore", at=at)

    def delete_if_unused(self) -> bool:
        """Moves it to the trash if it was never used; returns whether it did."""
        return self._call("delete_if_unused")

    def purge(self) -> str | None:
        """Deletes it for good. Returns None, or what may be left of its text in the files."""
        return self._call("purge")

    # What one format alone has; of another one, these raise :class:`~sessile.Unsupported`.

    def state(self) -> dict[str, Any]:
        """Kimi only: the state of the session."""
        return self._call("state")

    def undo_to_turn(
        self, turn: int, *, id: str | None = None, at: datetime | None = None
    ) -> tuple[Session, str]:
        """Kimi only: creates a session from what came before a turn; returns it, and the turn's text."""
        row = self._call("undo_to_turn", turn=turn, id=id, at=at)
        return Session(self._native, row["key"], row["format"], row["session_id"]), row["text"]

    def append_entry(self, type: str, fields: Mapping[str, Any] | None = None, *, id: str | None = None, at: datetime | None = None) -> str:  # fmt: skip
        """pi only: appends an entry of any type with its own keys; returns its id."""
        return self._call("append_entry", type=type, fields=fields, id=id, at=at)

    def append_system_prompt_snapshot(self, content: str, *, reason: str = "changed", at: datetime | None = None) -> dict[str, Any]:  # fmt: skip
        """Kward only: records the system prompt; returns ``hash``, and ``is_written``, false if unchanged."""
        return self._call("append_system_prompt_snapshot", content=content, reason=reason, at=at)

    def system_prompts(self) -> list[dict[str, Any]]:
        """Kward only: the recorded system prompts; the last one is in effect."""
        return all_timed(self._call("system_prompts"))

    def append_tool_execution(
        self, tool_call: Message, content: str, *, at: datetime | None = None
    ) -> dict[str, Any]:
        """Kward only: records a tool call and its result; returns the record."""
        return self._call("append_tool_execution", tool_call=tool_call, content=content, at=at)

    def update_memory_state(self, memories: Iterable[Any] = (), *, last_retrieval: Any = None, at: datetime | None = None) -> None:  # fmt: skip
        """Kward only: records the state of the memory."""
        self._call("update_memory_state", memories=list(memories), last_retrieval=last_retrieval, at=at)

    def memory(self) -> dict[str, Any]:
        """Kward only: the state of the memory, ``memories`` and ``last_retrieval``."""
        return self._call("memory")
