"""Every session of your AI agents in one SQLite file.

    import sessile

    with sessile.Store("agents.db") as store:
        session = store.create("/home/me/project")
        session.append({"role": "user", "content": "What is a leaf?"})
        for hit in store.search("leaf"):
            print(hit["session_id"], hit["snippet"])

A call is one transaction: when it returns, it is on the disk; when it raises, nothing
was written. Calls release the interpreter's lock, and may come from any thread. A
:class:`Store` belongs to the process that opened it: after a fork, open it again. Nor open
the same file by :mod:`sqlite3` in this process: two copies of SQLite in one do not see each
other's locks. Another process may.

:mod:`sessile.aio` has the same for ``asyncio``; :mod:`sessile.claude` and
:mod:`sessile.openai` put a store behind the SDKs of those names.
"""

from ._native import __version__
from .errors import (
    Busy,
    Closed,
    CommitUnknown,
    Conflict,
    Damaged,
    Invalid,
    NotFound,
    SessileError,
    Unsupported,
)
from .session import Session
from .store import Snapshot, Store, Watch

__all__ = [
    "Busy",
    "Closed",
    "CommitUnknown",
    "Conflict",
    "Damaged",
    "Invalid",
    "NotFound",
    "SessileError",
    "Session",
    "Snapshot",
    "Store",
    "Unsupported",
    "Watch",
    "__version__",
]
