"""What the library can do, Python and Node can; and both in the same words."""

import re
from pathlib import Path

import sessile

BINDINGS = Path(__file__).parents[2]
HANDLES = re.compile(r"impl (Store|Session|Snapshot|Watch) \{|impl (Kimi|Kward|Pi)<")

# Where the library's own name is not the method's, or a parameter gives the same.
OTHERWISE = {
    "append_compaction": "compact",
    "append_label_change": "label",
    "append_message": "append",
    "append_messages": "append_all",
    "at": "append",
    "branching_from": "append",
    "clone_session": "clone",
    "context_at": "context",
    "create_with_lines": "create",
    "create_with_messages": "create",
    "each_line": "lines",
    "each_problem": "problems",
    "each_usage": "usage",
    "expecting": "append",
    "fork_at_turn": "fork",
    "fork_branch": "fork",
    "import": "import_",
    "import_with": "import_",
    "imported_root": "imported_roots",
    "kimi": "state",
    "kward": "system_prompts",
    "last_of_branch": "path",
    "last_of_path": "path",
    "line_of": "lines",
    "metadata_of": "metadata",
    "path_to": "path",
    "pi": "append_entry",
    "pop_message": "pop",
    "purge_all": "purge",
    "query_first": "query",
    "rename_json": "rename",
    "reset_leaf": "branch",
    "set_all_metadata": "set_metadata",
    "tag_all": "tag",
    "tag_json": "tag",
    "trash": "delete",
    "with_id": "append",
}

NOT_THERE = {
    "attach": "a Recorder is a value of Rust",
    "capture": "conversation and path say it",
    "capture_after": "likewise",
    "capture_path": "likewise",
    "capture_tree": "likewise",
    "each_line_of_path": "path and lines say it",
    "dump": "of a session it is there; of all, `sessile dump` writes it line by line",
    "format": "an attribute of a session",
    "is_read_alone": "a caller has no use for it",
    "key": "an attribute of a session",
    "on_network_file_system": "a warning of the command line",
    "open": "Store(path), Store.open(path)",
    "session_id": "an attribute of a session, `id`",
}


def functions():
    """The public functions of the library's handles."""
    found = set()
    for path in (BINDINGS.parent / "src").rglob("*.rs"):
        is_handle = False
        for line in path.read_text().splitlines():
            if line.startswith("impl"):
                is_handle = HANDLES.match(line) is not None
            name = re.match(r"    pub fn (\w+)", line)
            if name and is_handle:
                found.add(name[1])
    return found


def methods(*classes):
    return {name for one in classes for name in dir(one) if name[0] != "_" and callable(getattr(one, name))}


PYTHON = methods(sessile.Store, sessile.Session, sessile.Snapshot, sessile.Watch)


def camel(name):
    return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name.rstrip("_"))


def test_whatever_the_library_can_do_python_can():
    there = functions()
    assert 120 < len(there)
    missing = {name for name in there if OTHERWISE.get(name, name) not in PYTHON and name not in NOT_THERE}
    assert missing == set(), "neither a method nor a reason why not"
    assert (OTHERWISE.keys() | NOT_THERE.keys()) - there == set(), "no function any more"


def test_node_has_the_same_methods_and_says_so():
    written = (BINDINGS / "node/index.js").read_text()
    declared = (BINDINGS / "node/index.d.ts").read_text()
    in_javascript = set(re.findall(r"^  (?:static |async )*\*?(\w+)\(", written, re.MULTILINE))
    in_types = set(re.findall(r"^  (?:static )?(\w+)\(", declared, re.MULTILINE))
    own = {"constructor", "open"}
    named = {name for name in in_javascript if name[0] != "_"} - own
    assert named == {camel(name) for name in PYTHON}
    assert in_types - own == named


def test_no_call_is_there_that_one_of_them_does_not_make():
    calls = "".join(path.read_text() for path in (BINDINGS / "calls/src").glob("*.rs"))
    names = re.findall(r'^    \(\s*"(\w+)",', calls, re.MULTILINE)
    assert 80 < len(names) == len(set(names))
    python = "".join(path.read_text() for path in Path(sessile.__file__).parent.glob("*.py"))
    node = (BINDINGS / "node/index.js").read_text()
    for name in names:
        assert f'"{name}"' in python and f'"{name}"' in node, name


# Of these no caller can do more than tell a person.
TOLD = {
    "Incomplete", "DiskFull", "JournalAlone", "SchemaTooNew", "SchemaTooOld", "SchemaDiffers", "ChangeInterrupted",
    "Unopenable", "DatabaseReplaced", "Io", "SqliteTooOld", "Sqlite", "Migration", "Pool",
}  # fmt: skip


def library(question):
    """The names of the errors of which the library says yes to a question."""
    text = (BINDINGS.parent / "src/error/mod.rs").read_text()
    body = text[text.index(f"pub fn {question}(") :]
    return set(re.findall(r"Self::(\w+)", body[: body.index("\n    }")]))


def test_each_error_of_the_library_is_the_exception_of_what_there_is_to_do():
    text = (BINDINGS.parent / "src/error/mod.rs").read_text()
    kinds = set(re.findall(r"\w+", re.search(r"kinds!\(self; ([^)]*)\)", text)[1]))
    exceptions = {kind: type(sessile.errors.of(kind, "")) for kind in kinds}
    assert {kind for kind, found in exceptions.items() if found is sessile.SessileError} == TOLD
    for question, found in {
        "is_not_found": sessile.NotFound,
        "is_conflict": sessile.Conflict,
        "is_busy": sessile.Busy,
    }.items():
        assert {kind for kind, one in exceptions.items() if one is found} == library(question)
    node = (BINDINGS / "node/index.js").read_text()
    for name, question in {"NOT_FOUND": "is_not_found", "CONFLICT": "is_conflict"}.items():
        said = re.search(rf"const {name} = new Set\(\[([^\]]*)", node)[1]
        assert set(re.findall(r"\w+", said)) == library(question)
