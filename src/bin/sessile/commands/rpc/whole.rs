//! What concerns the whole store, and lists of a session's parts.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sessile::{ImportOptions, Store};

use super::methods::{answer, entries, format};
use super::params::Params;
use super::table::Answer;
use crate::commands::{import, merge, roots as root_rows};

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

pub(super) fn leaves(store: &Store, params: &Params<'_>) -> Answer {
    entries(&params.read_session(store)?.leaves()?)
}

pub(super) fn roots(store: &Store, _: &Params<'_>) -> Answer {
    answer(store.imported_roots()?.iter().map(root_rows::row_json).collect::<Value>())
}

pub(super) fn import(store: &Store, params: &Params<'_>) -> Answer {
    let root = std::path::PathBuf::from(params.required_text("root")?);
    let dry_run = params.get("dry_run")?.unwrap_or(false);
    let mut options = ImportOptions::new().dry_run(dry_run);
    if let Some(format) = format(params)? {
        options = options.format(format);
    }
    let report = store.import(&root, &options)?;
    answer(import::report_json(&root, &report, dry_run))
}

pub(super) fn merge(store: &Store, params: &Params<'_>) -> Answer {
    let other = std::path::PathBuf::from(params.required_text("other")?);
    answer(merge::report_json(&other, &store.merge(&other)?))
}

pub(super) fn version(_: &Store, _: &Params<'_>) -> Answer {
    answer(json!({ "version": env!("CARGO_PKG_VERSION") }))
}
