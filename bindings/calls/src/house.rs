//! Files in and out, queries over everything, and keeping house.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use sessile::{Cell, ExportOptions, ImportOptions, MergeOptions, SealOptions, UsageFilter};

use crate::params::Params;
use crate::session::problem_json;
use crate::store::{answer, traces};
use crate::{Answer, Failure, Handle, Method, ask};

pub(crate) const METHODS: &[Method] = &[
    ("import", import),
    ("export", export),
    ("verify", verify),
    ("merge", merge),
    ("query", query),
    ("usage_records", usage_records),
    ("all_problems", all_problems),
    ("imported_roots", imported_roots),
    ("forget_root", forget_root),
    ("move_root", move_root),
    ("relink", relink),
    ("check", check),
    ("foreign_objects", foreign_objects),
    ("rebuild", |handle, _| answer(&handle.store()?.rebuild()?)),
    ("backup", backup),
    ("prunable", prunable),
    ("prune", prune),
    ("seal", seal),
    ("archive_older_than", archive_older_than),
    ("purge_all", purge_all),
];

fn import(handle: &Handle, params: &Params<'_>) -> Answer {
    let mut options = ImportOptions::new()
        .dry_run(params.is_set("dry_run")?)
        .reread(params.is_set("reread")?)
        .again(params.is_set("again")?)
        .ignore_space(params.is_set("ignore_space")?);
    if let Some(format) = params.format()? {
        options = options.format(format);
    }
    if let Some(origin) = params.text("origin")? {
        options = options.origin(&origin);
    }
    let root: PathBuf = params.required("root")?;
    answer(&handle.store()?.import(root, &options)?)
}

fn export(handle: &Handle, params: &Params<'_>) -> Answer {
    let mut options = ExportOptions::new().source_only(params.is_set("source_only")?);
    options = options.damaged(params.is_set("damaged")?);
    for session in params.get::<Vec<_>>("sessions")?.unwrap_or_default() {
        options = options.session(session);
    }
    if let Some(root) = params.get::<PathBuf>("root")? {
        options = options.root(root);
    }
    let target: PathBuf = params.required("target")?;
    answer(&handle.store()?.export(&target, &options)?)
}

fn verify(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&handle.store()?.verify(params.required::<PathBuf>("root")?)?)
}

fn merge(handle: &Handle, params: &Params<'_>) -> Answer {
    let mut options = MergeOptions::new();
    if let Some(origin) = params.text("origin")? {
        options = options.origin(&origin);
    }
    let report = handle.store()?.merge(params.required::<PathBuf>("other")?, &options)?;
    let mut json = json!(report);
    json["is_change"] = report.is_change().into();
    answer(&json)
}

/// The names of the columns, and at most `limit` rows of values.
fn query(handle: &Handle, params: &Params<'_>) -> Answer {
    let limit = params.get("limit")?.unwrap_or(u64::MAX);
    let mut rows = String::new();
    let sql: String = params.required("sql")?;
    let columns = handle.store()?.query_first(&sql, limit, |_, cells| {
        rows.push_str(if rows.is_empty() { "[" } else { ",[" });
        for (n, cell) in cells.iter().enumerate() {
            rows.push_str(if n == 0 { "" } else { "," });
            push_cell(&mut rows, cell);
        }
        rows.push(']');
        Ok(())
    })?;
    Ok(format!("{{\"columns\":{},\"rows\":[{rows}]}}", json!(columns)))
}

/// JSON has no bytes, which are an object with their digits; and a number beyond all
/// is one that every reader takes for that.
fn push_cell(out: &mut String, cell: &Cell) {
    let written = match cell {
        Cell::Null => write!(out, "null"),
        Cell::Integer(number) => write!(out, "{number}"),
        Cell::Real(number) if number.is_finite() => write!(out, "{}", json!(number)),
        Cell::Real(number) if number.is_nan() => write!(out, "null"),
        Cell::Real(number) => write!(out, "{}1e999", if *number < 0.0 { "-" } else { "" }),
        Cell::Text(text) => write!(out, "{}", json!(text)),
        Cell::Blob(bytes) => {
            out.push_str("{\"hex\":\"");
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
            write!(out, "\"}}")
        }
    };
    written.unwrap_or_default(); // a text takes whatever is written
}

/// What each message reports, once, whatever sessions hold it; of those asked for.
fn usage_records(handle: &Handle, params: &Params<'_>) -> Answer {
    let filter = usage_filter(params)?;
    let mut rows: Vec<Value> = Vec::new();
    handle.store()?.each_usage(&filter, |record| {
        let mut row = json!({
            "session": record.session, "session_id": record.session_id, "format": record.format,
            "work_dir": record.work_dir, "entry_id": record.entry_id, "at": record.at,
        });
        if let (Value::Object(row), Value::Object(usage)) = (&mut row, json!(record.usage)) {
            row.extend(usage);
        }
        rows.push(row);
        Ok(())
    })?;
    answer(&rows)
}

fn usage_filter(params: &Params<'_>) -> Result<UsageFilter, Failure> {
    let mut filter = UsageFilter::new();
    if let Some(since) = params.get("since")? {
        filter = filter.since(since);
    }
    if let Some(until) = params.get("until")? {
        filter = filter.until(until);
    }
    if let Some(format) = params.format()? {
        filter = filter.format(format);
    }
    for (name, set) in [
        ("work_dir", UsageFilter::work_dir as fn(UsageFilter, &str) -> UsageFilter),
        ("origin", UsageFilter::origin),
        ("tags", UsageFilter::tag),
    ] {
        filter = params.texts(name)?.iter().fold(filter, |filter, text| set(filter, text));
    }
    let metadata = params.metadata()?;
    Ok(metadata.iter().fold(filter, |filter, (key, value)| filter.metadata(key, value.get())))
}

fn all_problems(handle: &Handle, _: &Params<'_>) -> Answer {
    let mut rows: Vec<Value> = Vec::new();
    ask!(handle, place => place.each_problem(|root, problem| {
        rows.push(problem_json(root, problem));
        Ok(())
    })?);
    answer(&rows)
}

fn imported_roots(handle: &Handle, _: &Params<'_>) -> Answer {
    answer(&handle.store()?.imported_roots()?)
}

fn forget_root(handle: &Handle, params: &Params<'_>) -> Answer {
    let forgotten = handle.store()?.forget_root(params.required::<PathBuf>("root")?)?;
    answer(&json!({ "root": forgotten.info, "traces": forgotten.traces }))
}

fn move_root(handle: &Handle, params: &Params<'_>) -> Answer {
    let (old, new) = (params.required::<PathBuf>("old")?, params.required::<PathBuf>("new")?);
    answer(&handle.store()?.move_root(old, new)?)
}

fn check(handle: &Handle, _: &Params<'_>) -> Answer {
    answer(&handle.store()?.check()?)
}

fn foreign_objects(handle: &Handle, _: &Params<'_>) -> Answer {
    answer(&handle.store()?.foreign_objects()?)
}

fn backup(handle: &Handle, params: &Params<'_>) -> Answer {
    handle.store()?.backup(params.required::<PathBuf>("target")?)?;
    Ok("null".to_owned())
}

fn relink(handle: &Handle, params: &Params<'_>) -> Answer {
    let (old, new) = (params.required::<String>("old")?, params.required::<String>("new")?);
    answer(&handle.store()?.relink(&old, &new, params.now()?)?)
}

fn prunable(handle: &Handle, _: &Params<'_>) -> Answer {
    answer(&handle.store()?.prunable()?)
}

fn prune(handle: &Handle, _: &Params<'_>) -> Answer {
    answer(&handle.store()?.prune()?)
}

fn seal(handle: &Handle, params: &Params<'_>) -> Answer {
    let mut options = SealOptions::new().archived(params.is_set("archived")?);
    for session in params.required::<Vec<sessile::SessionKey>>("sessions")? {
        options = options.session(session);
    }
    if let Some(time) = params.get("idle_since")? {
        options = options.idle_since(time);
    }
    answer(&handle.store()?.seal(&options)?)
}

fn archive_older_than(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&handle.store()?.archive_older_than(params.required("days")?, params.now()?)?)
}

/// Null, or what may be left of their text in the database's files.
fn purge_all(handle: &Handle, params: &Params<'_>) -> Answer {
    let sessions: Vec<sessile::SessionKey> = params.required("sessions")?;
    traces(&handle.store()?.purge_all(&sessions)?)
}
