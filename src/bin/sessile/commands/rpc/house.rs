//! Methods of the whole store: content, export and maintenance.

use std::path::PathBuf;

use serde_json::json;
use sessile::{ExportOptions, Prunable, SealOptions, Store};

use super::methods::{self, answer};
use super::params::Params;
use super::table::{Answer, Method, NOTHING, method};
use super::takes::{
    FORCE, FORMAT, LIST, OF_SESSIONS, PAGE, SORT, SPAN, WORK_DIR, optional, required,
};
use super::{Refusal, invalid};
use crate::args::By;
use crate::commands::{self, list, repair, seal, stats, usage};
use crate::prices::Prices;

const REPORTED: &str = "the report, as the command's `--json` prints it";

pub(super) const METHODS: &[Method] = &[
    method(
        "stats",
        &[],
        REPORTED,
        "Returns what is in the store, and what takes the space.",
        stats,
    ),
    method(
        "work_dirs",
        &[],
        "array of paths, as sessions spell them",
        "Lists the directories that sessions worked in.",
        work_dirs,
    ),
    method(
        "usage",
        &[
            &[optional(
                "by",
                "string",
                "`day` (when absent), `model`, `session`, `work-dir` or `program`",
            )],
            SPAN,
            WORK_DIR,
            FORMAT,
            OF_SESSIONS,
        ],
        "rows as of `usage --json`",
        "Adds up the tokens and the cost of all sessions, each message once.",
        usage,
    ),
    method(
        "recent_tree",
        &[LIST, OF_SESSIONS, &[optional("work_dir", "string", "as sessions spell it")]],
        "rows as of `list --json`, with `depth`",
        "Lists sessions, each under its parent.",
        recent_tree,
    ),
    method(
        "list_trash",
        &[LIST, PAGE, OF_SESSIONS, WORK_DIR, FORMAT, SPAN, SORT],
        "rows as of `list --json`",
        "Lists the sessions in the trash.",
        methods::list_trash,
    ),
    method(
        "remembered",
        &[&[required("work_dir", "string", "as sessions spell it")]],
        "`session_id`, or null",
        "Returns the session used last in a work dir.",
        remembered,
    ),
    method(
        "export",
        &[&[
            required("out", "string", "a folder that does not exist or is empty"),
            optional("sessions", "array of strings", "only these"),
            optional("root", "string", "only this root"),
            optional("source", "boolean", "without what was changed here"),
            optional("damaged", "boolean", "also what is left of damaged files"),
        ]],
        REPORTED,
        "Writes the imported files again, byte for byte.",
        export,
    ),
    method(
        "verify",
        &[&[required("root", "string", "an imported root")]],
        REPORTED,
        "Compares every byte that an import of a root covers with what was imported.",
        verify,
    ),
    method("check", &[], REPORTED, "Checks the store.", check),
    method("rebuild", &[], REPORTED, "Folds every table again from the log.", rebuild),
    method(
        "prune",
        &[&[optional("dry_run", "boolean", "report what would be removed, and remove nothing")]],
        REPORTED,
        "Removes earlier generations of files.",
        prune,
    ),
    method(
        "seal",
        &[&[
            optional("sessions", "array of strings", "ids, prefixes or files"),
            optional("archived", "boolean", "also archived sessions"),
            optional("older_than", "integer", "also sessions without activity for this many days"),
            optional("at", "time", "now when absent"),
        ]],
        REPORTED,
        "Compresses the lines of sessions that are not in daily use.",
        seal,
    ),
    method(
        "purge_all",
        &[&[required("sessions", "array of strings", "full ids or files")], FORCE],
        "null, or `traces`, as of `purge`",
        "Deletes sessions in the trash for good, all or none.",
        purge_all,
    ),
    method(
        "archive_older_than",
        &[&[
            required("days", "integer", "whole days without activity"),
            optional("at", "time", "now when absent"),
        ]],
        "`sessions`, how many",
        "Archives sessions without activity for some days.",
        archive_older_than,
    ),
    method(
        "forget_root",
        &[&[required("root", "string", "an imported root")]],
        REPORTED,
        "Removes a root with all its sessions from the store.",
        forget_root,
    ),
    method(
        "move_root",
        &[&[
            required("from", "string", "a root, or a folder of roots"),
            required("to", "string", ""),
        ]],
        "array of `from`, `to`",
        "Changes the path of a root.",
        move_root,
    ),
    method(
        "backup",
        &[&[required("path", "string", "a file that does not exist")]],
        NOTHING,
        "Writes a consistent copy of the database.",
        backup,
    ),
];

fn stats(store: &Store, _: &Params<'_>) -> Answer {
    answer(stats::stats_json(&store.stats()?))
}

fn work_dirs(store: &Store, _: &Params<'_>) -> Answer {
    answer(store.work_dirs()?)
}

fn usage(store: &Store, params: &Params<'_>) -> Answer {
    let by = match params.text("by")? {
        None => By::Day,
        Some(name) => <By as clap::ValueEnum>::from_str(&name, false)
            .map_err(|_| invalid("by: one of day, model, session, work-dir, program"))?,
    };
    let filter = usage::filter(store, &params.sessions()?, params.span()?)?;
    let prices = Prices::read(None).map_err(|err| Refusal::internal(&err))?;
    answer(usage::rows_json(store, by, &filter, &prices)?)
}

fn recent_tree(store: &Store, params: &Params<'_>) -> Answer {
    let mut filter = list::filter(&methods::list_args(params)?);
    if let Some(work_dir) = params.text("work_dir")? {
        filter = filter.work_dir(work_dir);
    }
    let unsigned = |name: &str| Ok::<_, Refusal>(params.get::<u64>(name)?.unwrap_or(0));
    filter = filter.limit(unsigned("limit")?).offset(unsigned("offset")?);
    let nodes = store.recent_tree(&filter)?;
    let rows = nodes.iter().map(|node| {
        let name = list::shared_name(store, &node.session)?;
        let row = list::row_json(&node.session, name.as_deref());
        let row = row.strip_suffix('}').unwrap_or(&row);
        Ok(format!("{row},\"depth\":{}}}", node.depth))
    });
    Ok(format!("[{}]", rows.collect::<Result<Vec<String>, Refusal>>()?.join(",")))
}

fn remembered(store: &Store, params: &Params<'_>) -> Answer {
    let session = store.remembered(params.required_text("work_dir")?)?;
    match session {
        Some(session) => answer(json!({ "session_id": session.session_id()? })),
        None => methods::nothing(),
    }
}

fn export(store: &Store, params: &Params<'_>) -> Answer {
    let is_set = |name: &str| Ok::<_, Refusal>(params.get::<bool>(name)?.unwrap_or(false));
    let mut options =
        ExportOptions::new().source_only(is_set("source")?).damaged(is_set("damaged")?);
    for name in params.get::<Vec<String>>("sessions")?.unwrap_or_default() {
        options = options.session(store.find(&name)?.key());
    }
    if let Some(root) = params.text("root")? {
        options = options.root(root);
    }
    let report = store.export(PathBuf::from(params.required_text("out")?), &options)?;
    answer(json!(report))
}

fn verify(store: &Store, params: &Params<'_>) -> Answer {
    let report = store.verify(PathBuf::from(params.required_text("root")?))?;
    answer(json!(report))
}

fn check(store: &Store, _: &Params<'_>) -> Answer {
    answer(commands::check_json(&store.check()?, &store.foreign_objects()?))
}

fn rebuild(store: &Store, _: &Params<'_>) -> Answer {
    answer(json!({ "sessions": store.rebuild()? }))
}

fn prune(store: &Store, params: &Params<'_>) -> Answer {
    let all: Vec<Prunable> = store.prunable()?;
    let is_dry = params.get("dry_run")?.unwrap_or(false);
    let report = if is_dry { None } else { Some(store.prune()?) };
    answer(repair::prunable_json(&all, report.as_ref()))
}

fn seal(store: &Store, params: &Params<'_>) -> Answer {
    let mut options = SealOptions::new().archived(params.get("archived")?.unwrap_or(false));
    for name in params.get::<Vec<String>>("sessions")?.unwrap_or_default() {
        options = options.session(store.find(&name)?.key());
    }
    if let Some(days) = params.get("older_than")? {
        options = options.idle_since(seal::days_before(params.now()?, days));
    }
    answer(json!(store.seal(&options)?))
}

fn purge_all(store: &Store, params: &Params<'_>) -> Answer {
    let mut keys = Vec::new();
    for name in params.required::<Vec<String>>("sessions")? {
        keys.push(methods::to_purge(store, params, "sessions", &name)?.key());
    }
    methods::traces(&store.purge_all(&keys)?)
}

fn archive_older_than(store: &Store, params: &Params<'_>) -> Answer {
    let days = params.required("days")?;
    answer(json!({ "sessions": store.archive_older_than(days, params.now()?)? }))
}

fn forget_root(store: &Store, params: &Params<'_>) -> Answer {
    let forgotten = store.forget_root(params.required_text("root")?)?;
    answer(json!({ "root": forgotten.info, "traces": forgotten.traces }))
}

fn move_root(store: &Store, params: &Params<'_>) -> Answer {
    let (from, to) = (params.required_text("from")?, params.required_text("to")?);
    answer(json!(store.move_root(from, to)?))
}

fn backup(store: &Store, params: &Params<'_>) -> Answer {
    store.backup(params.required_text("path")?)?;
    methods::nothing()
}
