//! `sessile seal`.

use anyhow::Result;
use serde_json::json;
use sessile::{SealOptions, SealReport, Store, Timestamp, Traces};

use super::print_json;
use crate::amounts::{counted, size};
use crate::args::SealArgs;
use crate::output::note;

const DAY: i64 = 86_400_000_000_000;

pub(super) fn run(store: &Store, args: &SealArgs) -> Result<bool> {
    let mut options = SealOptions::new().archived(args.archived);
    for name in &args.sessions {
        options = options.session(store.find(name)?.key());
    }
    if let Some(days) = args.older_than {
        options = options.idle_since(days_before(args.now.unwrap_or_else(Timestamp::now), days));
    }
    let report = store.seal(&options)?;
    if args.json {
        return print_json(&json!(report));
    }
    let SealReport { sessions, lines, bytes, packed, .. } = report;
    let sessions = counted(sessions, "session");
    match lines {
        0 => note!("{sessions}: nothing to pack"),
        _ => note!(
            "{sessions}: {} of {} now take {}",
            counted(lines, "line"),
            size(bytes),
            size(packed)
        ),
    }
    if report.traces != Traces::Gone {
        note!(
            "sessile: sealed, but the free space was not yet returned to the disk; `sessile \
             prune` tries again"
        );
    }
    Ok(true)
}

/// The time this many days of 24 hours before another.
pub(super) fn days_before(now: Timestamp, days: u32) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::from(days).saturating_mul(DAY)))
}
