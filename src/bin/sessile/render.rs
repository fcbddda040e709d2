//! Formats results for people.

use std::io::Write;

use chrono::{DateTime, Local};
use sessile::{SessionRow, Timestamp};

use crate::output::{Output, one_line};
use crate::text::{columns, cut, cut_middle, padded};

/// The usual width of a short id.
pub(crate) const SHORT: usize = 8;

/// Between two columns of a table.
const GAP: &str = "  ";

/// How times are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// In local time; recent ones as how long ago they were.
    Near {
        now: Timestamp,
    },
    /// In local time.
    Local,
    Utc,
}

impl Clock {
    pub(crate) fn show(self, at: Timestamp) -> String {
        match self {
            Self::Near { now } => ago(now, at).unwrap_or_else(|| local_time(at)),
            Self::Local => local_time(at),
            Self::Utc => utc_time(at),
        }
    }

    pub(crate) fn width(self) -> usize {
        match self {
            Self::Near { .. } | Self::Local => "2026-01-02 03:04".len(),
            Self::Utc => "2026-01-02 03:04Z".len(),
        }
    }
}

/// A session in a list, and how it is named.
pub(crate) struct Row<'a> {
    pub(crate) session: &'a SessionRow,
    /// A prefix of its id by which it is found.
    pub(crate) short: String,
    /// Its full name, if its id is not unique.
    pub(crate) name: Option<String>,
}

/// Prints sessions, one per line, within a width.
pub(crate) fn print_sessions(
    out: &mut Output,
    rows: &[Row<'_>],
    clock: Clock,
    width: usize,
) -> std::io::Result<()> {
    let longest = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let id = longest(|row| columns(&row.short)).min(width / 4);
    let format = longest(|row| row.session.format.name().len());
    let count = longest(|row| row.session.message_count.to_string().len());
    let at = rows.iter().map(|row| columns(&clock.show(row.session.modified_at))).max();
    let at = at.unwrap_or_default();
    let fixed = id + format + at + count + 4 * GAP.len();
    let left = width.saturating_sub(fixed);
    // If there is no room for both, the title is shown.
    let dir = if left < 30 { 0 } else { (2 * left / 5).max(left.saturating_sub(60)) };
    let dir = dir.min(longest(|row| columns(work_dir(row))));
    let title = left.saturating_sub(if dir == 0 { 0 } else { dir + GAP.len() });
    let is_mixed = is_mixed(rows);
    for row in rows {
        let session = row.session;
        let mut line = [
            padded(&one_line(&row.short), id),
            padded(session.format.name(), format),
            padded(&clock.show(session.modified_at), at),
            format!("{:>count$}", session.message_count),
            padded(&one_line(&titled(row, is_mixed)), title),
        ]
        .join(GAP);
        if 0 < dir {
            line = line + GAP + &cut_middle(&one_line(work_dir(row)), dir);
        }
        writeln!(out, "{}", cut(line.trim_end(), width))?;
    }
    Ok(())
}

/// Prints sessions for programs: one per line, separated by tabs.
pub(crate) fn print_tabbed(out: &mut Output, rows: &[Row<'_>]) -> std::io::Result<()> {
    for row in rows {
        let session = row.session;
        let name = row.name.as_deref().or(session.session_id.as_deref()).unwrap_or_default();
        let fields = [
            name,
            session.format.name(),
            &session.modified_at.to_string(),
            &session.message_count.to_string(),
            session.title.as_deref().unwrap_or_default(),
            session.work_dir.as_deref().unwrap_or_default(),
            &marks(session).chain(archived(session)).map(|of| of.1).collect::<Vec<_>>().join(", "),
        ];
        writeln!(out, "{}", fields.map(one_line).join("\t"))?;
    }
    Ok(())
}

fn work_dir<'a>(row: &'a Row<'_>) -> &'a str {
    row.session.work_dir.as_deref().unwrap_or("?")
}

/// The title, with marks if the session differs from its root, or its id is not
/// unique.
fn titled(row: &Row<'_>, is_mixed: bool) -> String {
    let title = row.session.title.as_deref().unwrap_or("Untitled");
    let archived = archived(row.session).filter(|_| is_mixed);
    let signs: String = marks(row.session).chain(archived).map(|(sign, _)| sign).collect();
    let blank = if signs.is_empty() { "" } else { " " };
    match &row.name {
        Some(name) => format!("{signs}{blank}{title} ({name})"),
        None => format!("{signs}{blank}{title}"),
    }
}

/// How a session differs from what its root holds: as a mark, and in words.
pub(crate) fn marks(session: &SessionRow) -> impl Iterator<Item = (char, &'static str)> {
    // A file that is gone has lost its lines, too, which needs no second mark.
    let is_lost = session.has_losses && !session.is_absent;
    [
        (is_lost, '!', "lost or changed at its root"),
        (session.is_absent, '-', "absent from its root"),
        (session.is_shadowed, '~', "shadowed by another at its root"),
        (session.is_continued_here, '+', "continued here"),
    ]
    .into_iter()
    .filter_map(|(is_so, sign, told)| is_so.then_some((sign, told)))
}

/// The mark of an archived session.
fn archived(session: &SessionRow) -> Option<(char, &'static str)> {
    session.archived_at.is_some().then_some(('*', "archived"))
}

/// Whether a list has archived sessions among others. Otherwise a mark says nothing.
fn is_mixed(rows: &[Row<'_>]) -> bool {
    let is_archived = |row: &Row<'_>| row.session.archived_at.is_some();
    rows.iter().any(is_archived) && !rows.iter().all(is_archived)
}

/// The meaning of the marks that occur in a list.
pub(crate) fn legend(rows: &[Row<'_>]) -> Option<String> {
    let mut all: Vec<(char, &str)> = rows.iter().flat_map(|row| marks(row.session)).collect();
    all.extend(rows.iter().filter_map(|row| archived(row.session)).filter(|_| is_mixed(rows)));
    all.sort_unstable();
    all.dedup();
    let all: Vec<String> = all.iter().map(|(sign, told)| format!("{sign} {told}")).collect();
    (!all.is_empty()).then(|| all.join(" · "))
}

/// A time in the local zone, to the minute.
pub(crate) fn local_time(at: Timestamp) -> String {
    DateTime::from_timestamp_nanos(at.0).with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string()
}

fn utc_time(at: Timestamp) -> String {
    DateTime::from_timestamp_nanos(at.0).format("%Y-%m-%d %H:%MZ").to_string()
}

/// How long ago a time was, if that says more than its date.
fn ago(now: Timestamp, at: Timestamp) -> Option<String> {
    let minutes = now.0.checked_sub(at.0)?.checked_div(60_000_000_000)?;
    match minutes {
        0 => Some("just now".to_owned()),
        1..60 => Some(format!("{minutes} min ago")),
        60..1_440 => Some(format!("{} h ago", minutes / 60)),
        1_440..10_080 => Some(format!("{} d ago", minutes / 1_440)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_told_by_how_long_ago_it_was() {
        let now = Timestamp::parse("2026-01-10T12:00:00Z").unwrap();
        let at = |text| ago(now, Timestamp::parse(text).unwrap());

        assert_eq!(at("2026-01-10T11:59:30Z").as_deref(), Some("just now"));
        assert_eq!(at("2026-01-10T11:01:00Z").as_deref(), Some("59 min ago"));
        assert_eq!(at("2026-01-09T13:00:00Z").as_deref(), Some("23 h ago"));
        assert_eq!(at("2026-01-04T12:00:00Z").as_deref(), Some("6 d ago"));
        assert_eq!(at("2026-01-03T12:00:00Z"), None);
        assert_eq!(at("2026-02-03T12:00:00Z"), None);
    }
}
