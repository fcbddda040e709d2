"""What can go wrong, sorted by what there is to do about it.

Every exception is a :class:`SessileError`; ``kind`` is the name of the library's
error, such as ``"LeafMoved"``.
"""

from __future__ import annotations


class SessileError(Exception):
    """A call failed; nothing was written, unless it is :class:`CommitUnknown`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, str(self))


class NotFound(SessileError, LookupError):
    """What was named is not there; another name may help."""


class Conflict(SessileError):
    """Somebody was there first: read again, and decide anew."""


class Busy(SessileError):
    """Others were in the way for longer than the busy timeout: the same call may succeed later."""


class CommitUnknown(SessileError):
    """Whether the change was made is not known: check before you repeat it."""


class Unsupported(SessileError):
    """The session's format has no such thing, or a snapshot was to be written to."""


class Invalid(SessileError, ValueError):
    """What was handed over is not what the call takes; the message says what is."""


class Damaged(SessileError):
    """The database does not hold what it should any more; nothing damaged is passed on."""


class Closed(SessileError):
    """The store was closed, or opened in another process: open it in this one."""


_OF_KIND: dict[str, type[SessileError]] = {
    **dict.fromkeys(
        [
            "SessionNotFound",
            "EntryNotFound",
            "TurnNotFound",
            "GenerationNotFound",
            "RootNotFound",
            "SourceNotFound",
            "DatabaseMissing",
        ],
        NotFound,
    ),
    **dict.fromkeys(
        [
            "LeafMoved",
            "EntryExists",
            "SessionExists",
            "TargetExists",
            "TargetNotEmpty",
        ],
        Conflict,
    ),
    **dict.fromkeys(
        [
            "Argument",
            "AmbiguousSession",
            "AmbiguousEntry",
            "InvalidRecord",
            "InvalidQuery",
            "InvalidSql",
            "UnknownFormat",
            "NoSessions",
            "RootIsLink",
            "RootKnownAs",
            "RootKnown",
            "RootBelow",
            "UnsafePath",
            "DatabaseIsFolder",
            "NotAFile",
            "NotADatabase",
            "ForeignDatabase",
        ],
        Invalid,
    ),
    "Busy": Busy,
    "CommitUnknown": CommitUnknown,
    "Unsupported": Unsupported,
    "Damaged": Damaged,
    "Closed": Closed,
    "Forked": Closed,
}


def of(kind: str, message: str) -> SessileError:
    """The exception of an error's kind."""
    return _OF_KIND.get(kind, SessileError)(kind, message)
