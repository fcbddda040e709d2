//! Files in and out, queries over everything, and keeping house.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use sessile::{Cell, Error, ExportOptions, ImportOptions, MergeOptions, SealOptions, UsageFilter};

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
    let report = handle.store()?.import(root, &options)?;
    let problems = report.problems.iter().map(|(kind, count)| (kind.name(), *count));
    let lost = report
        .lost
        .iter()
        .map(|lost| json!({ "file": lost.file.to_string_lossy(), "lines": lost.lines }));
    answer(&json!({
        "root": report.root.to_string_lossy(), "new": report.new, "grown": report.grown,
        "rewritten": report.rewritten, "moved": report.moved, "unchanged": report.unchanged,
        "missing": report.missing, "purged": report.purged, "sessions": report.sessions,
        "lines": report.lines, "bytes": report.bytes, "lost": lost.collect::<Value>(),
        "problems": problems.collect::<BTreeMap<_, _>>(),
    }))
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
    let report = handle.store()?.export(&target, &options)?;
    let aside = report.aside.iter().map(|aside| {
        json!({
            "root": aside.root.to_string_lossy(), "file": aside.file.to_string_lossy(),
            "written_as": aside.written_as.to_string_lossy(),
        })
    });
    let aside: Value = aside.collect();
    answer(&json!({ "files": report.files, "bytes": report.bytes, "aside": aside }))
}

fn verify(handle: &Handle, params: &Params<'_>) -> Answer {
    let report = handle.store()?.verify(params.required::<PathBuf>("root")?)?;
    let differences = report
        .differences
        .iter()
        .map(|found| json!({ "file": found.file.to_string_lossy(), "detail": found.detail }));
    answer(&json!({
        "files": report.files, "bytes": report.bytes, "purged": report.purged,
        "differences": differences.collect::<Value>(),
    }))
}

fn merge(handle: &Handle, params: &Params<'_>) -> Answer {
    let mut options = MergeOptions::new();
    if let Some(origin) = params.text("origin")? {
        options = options.origin(&origin);
    }
    let report = handle.store()?.merge(params.required::<PathBuf>("other")?, &options)?;
    let kept = report.kept.iter().map(|kept| {
        let (file, kept_as) = (kept.file.to_string_lossy(), kept.kept_as.to_string_lossy());
        json!({ "file": file, "kept_as": kept_as, "generation": kept.generation })
    });
    let refused = report
        .refused
        .iter()
        .map(|refused| json!({ "file": refused.file.to_string_lossy(), "reason": refused.reason }));
    let (kept, refused): (Value, Value) = (kept.collect(), refused.collect());
    answer(&json!({
        "new": report.new, "longer": report.longer, "united": report.united,
        "unchanged": report.unchanged, "kept": kept, "refused": refused,
        "purged": report.purged, "lines": report.lines, "events": report.events,
        "is_change": report.is_change(),
    }))
}

/// The names of the columns, and at most `limit` rows of values.
fn query(handle: &Handle, params: &Params<'_>) -> Answer {
    let limit = params.get("limit")?.unwrap_or(usize::MAX);
    let (mut names, mut rows, mut count) = (Vec::new(), String::new(), 0);
    // What ends the query when there are enough rows.
    const ENOUGH: &str = "enough rows";
    let asked = handle.store()?.query(&params.required::<String>("sql")?, |columns, cells| {
        if count == limit {
            return Err(Error::Unsupported(ENOUGH));
        }
        if count == 0 {
            names = columns.to_vec();
        }
        rows.push_str(if count == 0 { "[" } else { ",[" });
        for (n, cell) in cells.iter().enumerate() {
            rows.push_str(if n == 0 { "" } else { "," });
            push_cell(&mut rows, cell);
        }
        rows.push(']');
        count += 1;
        Ok(())
    });
    match asked {
        Err(Error::Unsupported(ENOUGH)) | Ok(()) => {}
        Err(err) => return Err(err.into()),
    }
    Ok(format!("{{\"columns\":{},\"rows\":[{rows}]}}", json!(names)))
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
    traces(&forgotten.traces)
}

fn move_root(handle: &Handle, params: &Params<'_>) -> Answer {
    let (old, new) = (params.required::<PathBuf>("old")?, params.required::<PathBuf>("new")?);
    let moved = handle.store()?.move_root(old, new)?;
    let rows = moved.iter().map(
        |moved| json!({ "from": moved.from.to_string_lossy(), "to": moved.to.to_string_lossy() }),
    );
    answer(&rows.collect::<Value>())
}

fn check(handle: &Handle, _: &Params<'_>) -> Answer {
    let findings = handle.store()?.check()?;
    let rows = findings.iter().map(|found| json!({ "place": found.place, "detail": found.detail }));
    answer(&rows.collect::<Value>())
}

fn foreign_objects(handle: &Handle, _: &Params<'_>) -> Answer {
    let objects = handle.store()?.foreign_objects()?;
    let rows = objects.iter().map(|object| json!({ "kind": object.kind, "name": object.name }));
    answer(&rows.collect::<Value>())
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
    let all = handle.store()?.prunable()?;
    let rows = all.iter().map(|row| {
        json!({
            "root": row.root.to_string_lossy(), "file": row.file.to_string_lossy(),
            "generation": row.generation, "lines": row.lines, "bytes": row.bytes, "lost": row.lost,
        })
    });
    answer(&rows.collect::<Value>())
}

fn prune(handle: &Handle, _: &Params<'_>) -> Answer {
    let report = handle.store()?.prune()?;
    let left = traces(&report.traces)?;
    Ok(format!("{{\"files\":{},\"bytes\":{},\"traces\":{left}}}", report.files, report.bytes))
}

fn seal(handle: &Handle, params: &Params<'_>) -> Answer {
    let mut options = SealOptions::new().archived(params.is_set("archived")?);
    for session in params.required::<Vec<sessile::SessionKey>>("sessions")? {
        options = options.session(session);
    }
    if let Some(time) = params.get("idle_since")? {
        options = options.idle_since(time);
    }
    let report = handle.store()?.seal(&options)?;
    answer(&json!({
        "sessions": report.sessions, "lines": report.lines, "bytes": report.bytes,
        "packed": report.packed, "traces": serde_json::from_str::<Value>(&traces(&report.traces)?).ok(),
    }))
}

fn archive_older_than(handle: &Handle, params: &Params<'_>) -> Answer {
    answer(&handle.store()?.archive_older_than(params.required("days")?, params.now()?)?)
}

/// Null, or what may be left of their text in the database's files.
fn purge_all(handle: &Handle, params: &Params<'_>) -> Answer {
    let sessions: Vec<sessile::SessionKey> = params.required("sessions")?;
    traces(&handle.store()?.purge_all(&sessions)?)
}
