//! Methods that import, and that list a session's parts.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sessile::{ImportOptions, MergeOptions, Store};

use super::Refusal;
use super::methods::{answer, format};
use super::params::Params;
use super::table::{Answer, Method, method};
use super::takes::{optional, required};
use crate::commands::{import, merge};

pub(super) const METHODS: &[Method] = &[
    method(
        "roots",
        &[],
        "array of `root`, `format`, `origin`, `files`, `sessions`, `changed`, `imported_at`",
        "Lists the roots that were imported from.",
        roots,
    ),
    method(
        "import",
        &[&[
            required("root", "string", "a path"),
            optional("format", "string", "detected from the files when absent"),
            optional(
                "origin",
                "string",
                "the machine or person that the sessions come from, from now on",
            ),
            optional("dry_run", "boolean", "read and report, but write nothing"),
            optional("reread", "boolean", "also files whose size and time are unchanged"),
            optional("again", "boolean", "also sessions that were purged here"),
            optional("ignore_space", "boolean", "even if the disk seems too small"),
        ]],
        "the report, as of `import --json`",
        "Imports a root.",
        import,
    ),
    method(
        "merge",
        &[&[
            required("other", "string", "a database, or a folder of session files"),
            optional("origin", "string", "for sessions without an origin in the other store"),
        ]],
        "the report, as of `merge --json`",
        "Merges another store into this one.",
        merge,
    ),
    method(
        "version",
        &[],
        "`version` of the program",
        "Returns the version of the program.",
        version,
    ),
];

pub(super) fn labels(store: &Store, params: &Params<'_>) -> Answer {
    let labels = params.read_session(store)?.labels()?;
    let rows = labels.iter().map(|label| {
        let at = label.labelled_at.as_ref().map(|at| RawValue::from_string(at.to_json()));
        json!({
            "entry_id": label.target_id,
            "label": label.label,
            "labelled_at": at.and_then(Result::ok),
        })
    });
    answer(rows.collect::<Value>())
}

fn roots(store: &Store, _: &Params<'_>) -> Answer {
    answer(json!(store.imported_roots()?))
}

fn import(store: &Store, params: &Params<'_>) -> Answer {
    let root = std::path::PathBuf::from(params.required_text("root")?);
    let dry_run = params.get("dry_run")?.unwrap_or(false);
    let is_set = |name: &str| Ok::<_, Refusal>(params.get::<bool>(name)?.unwrap_or(false));
    let mut options = ImportOptions::new()
        .dry_run(dry_run)
        .reread(is_set("reread")?)
        .again(is_set("again")?)
        .ignore_space(is_set("ignore_space")?);
    if let Some(format) = format(params)? {
        options = options.format(format);
    }
    if let Some(origin) = params.text("origin")? {
        options = options.origin(&origin);
    }
    let report = store.import(&root, &options)?;
    answer(import::report_json(&root, &report, dry_run))
}

fn merge(store: &Store, params: &Params<'_>) -> Answer {
    let other = std::path::PathBuf::from(params.required_text("other")?);
    let mut options = MergeOptions::new();
    if let Some(origin) = params.text("origin")? {
        options = options.origin(&origin);
    }
    answer(merge::report_json(&other, &store.merge(&other, &options)?))
}

fn version(_: &Store, _: &Params<'_>) -> Answer {
    answer(json!({ "version": env!("CARGO_PKG_VERSION") }))
}
