//! `sessile usage`.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde_json::json;
use sessile::{Format, RootInfo, Store, Timestamp, UsageFilter, UsageRecord};

use super::{list, work_dirs};
use crate::amounts::{counted, number};
use crate::args::{By, ListArgs, SessionArgs, UsageArgs};
use crate::moment::Moment;
use crate::output::{self, note, one_line};
use crate::prices::{self, Prices};
use crate::text::{columns, cut_middle, padded, terminal_width};

/// A sum of usage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) messages: u64,
    pub(crate) input: i64,
    pub(crate) output: i64,
    pub(crate) cache_read: i64,
    pub(crate) cache_write: i64,
    pub(crate) cost: f64,
    /// Messages whose log reports no cost and whose model has no price.
    pub(crate) unpriced: u64,
}

/// Names the programs whose messages report no usage, of the sessions that were asked
/// for.
fn say_what_is_not_counted(store: &Store, args: &UsageArgs) -> Result<()> {
    let roots = store.imported_roots()?;
    let mut names = Vec::new();
    for format in Format::ALL.iter().filter(|format| !format.reports_usage()) {
        let is_asked_for = args.sessions.format.is_none_or(|only| only == *format);
        let is_there = |root: &RootInfo| root.format == *format && 0 < root.sessions;
        if !is_asked_for || !roots.iter().any(is_there) {
            continue;
        }
        let list = ListArgs {
            json: true,
            all: true,
            sources: "all".to_owned(),
            since: args.since,
            until: args.until,
            sessions: SessionArgs { format: Some(*format), ..args.sessions.clone() },
            ..ListArgs::default()
        };
        if !list::find(store, &list)?.0.rows.is_empty() {
            names.push(format.name());
        }
    }
    if !names.is_empty() {
        let names = names.join(" and ");
        note!("not counted: sessions of {names}, whose messages report no usage");
    }
    Ok(())
}

pub(crate) fn run(store: &Store, args: &UsageArgs) -> Result<bool> {
    let mut out = output::content();
    if args.print_prices {
        out.write_all(prices::KNOWN.as_bytes())?;
        out.flush()?;
        return Ok(true);
    }
    let prices = Prices::read(args.prices.as_deref())?;
    let filter = filter(store, &args.sessions, (args.since, args.until))?;
    let (sums, unpriced) = add_up(store, args.by, &filter, &prices)?;
    if args.json {
        for (key, sum) in &sums {
            writeln!(out, "{}", sum_json(key, args.by, sum))?;
        }
        out.flush()?;
    } else {
        print(store, args.by, &sums)?;
    }
    if !args.json {
        say_what_is_not_counted(store, args)?;
    }
    for (model, messages) in unpriced {
        let messages = counted(messages, "message");
        note!("there is no price for {}: {messages}; --prices", one_line(&model));
    }
    if !args.json && !sums.is_empty() {
        let source = prices.source.map(|source| format!(" ({source})")).unwrap_or_default();
        note!(
            "costs that no log has are by prices of {}{}, in {}",
            one_line(&prices.as_of),
            one_line(&source),
            one_line(&prices.currency)
        );
    }
    Ok(true)
}

/// The usage of these sessions in a span of time.
pub(super) fn filter(
    store: &Store,
    sessions: &SessionArgs,
    (since, until): (Option<Moment>, Option<Moment>),
) -> sessile::Result<UsageFilter> {
    let now = Timestamp::now();
    let mut filter = UsageFilter::new();
    if let Some(since) = since {
        filter = filter.since(since.before(now));
    }
    if let Some(until) = until {
        filter = filter.until(until.before(now));
    }
    if let Some(work_dir) = &sessions.work_dir {
        let named = work_dirs::named(store, work_dir)?;
        filter = named.iter().fold(filter, |filter, dir| filter.work_dir(dir));
    }
    if let Some(format) = sessions.format {
        filter = filter.format(format);
    }
    if let Some(origin) = &sessions.origin {
        filter = filter.origin(origin);
    }
    filter = sessions.tags.iter().fold(filter, |filter, tag| filter.tag(tag));
    let metadata = sessions.metadata.iter();
    Ok(metadata.fold(filter, |filter, (key, json)| filter.metadata(key, json)))
}

/// Sums by the chosen grouping.
fn add_up(
    store: &Store,
    by: By,
    filter: &UsageFilter,
    prices: &Prices,
) -> sessile::Result<(BTreeMap<String, Sum>, BTreeMap<String, u64>)> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let mut unpriced: BTreeMap<String, u64> = BTreeMap::new();
    store.each_usage(filter, |record| {
        let cost = record.usage.cost.or_else(|| prices.cost(&record.usage));
        if cost.is_none() {
            *unpriced.entry(model_of(&record)).or_default() += 1;
        }
        sums.entry(key_of(&record, by)).or_default().add(&record, cost);
        Ok(())
    })?;
    Ok((sums, unpriced))
}

/// The rows of `usage --json`.
pub(super) fn rows_json(
    store: &Store,
    by: By,
    filter: &UsageFilter,
    prices: &Prices,
) -> sessile::Result<Vec<serde_json::Value>> {
    let (sums, _) = add_up(store, by, filter, prices)?;
    Ok(sums.iter().map(|(key, sum)| sum_json(key, by, sum)).collect())
}

fn model_of(record: &UsageRecord) -> String {
    record.usage.model.clone().unwrap_or_else(|| "no model".to_owned())
}

pub(crate) fn key_of(record: &UsageRecord, by: By) -> String {
    match by {
        By::Day => record.at.to_string().chars().take(10).collect(),
        By::Model => model_of(record),
        By::Session => record.session_id.clone().unwrap_or_else(|| "no id".to_owned()),
        By::WorkDir => record.work_dir.clone().unwrap_or_else(|| "?".to_owned()),
        By::Program => record.format.name().to_owned(),
    }
}

impl Sum {
    pub(crate) fn add(&mut self, record: &UsageRecord, cost: Option<f64>) {
        let usage = &record.usage;
        self.messages += 1;
        for (sum, tokens) in [
            (&mut self.input, usage.input),
            (&mut self.output, usage.output),
            (&mut self.cache_read, usage.cache_read),
            (&mut self.cache_write, usage.cache_write),
        ] {
            *sum = sum.saturating_add(tokens.unwrap_or_default());
        }
        self.cost += cost.unwrap_or_default();
        self.unpriced += u64::from(cost.is_none());
    }

    fn join(&mut self, other: &Self) {
        self.messages += other.messages;
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.cost += other.cost;
        self.unpriced += other.unpriced;
    }

    /// For people: thousands separated, and the cost to the cent.
    fn shown(&self) -> [String; 6] {
        let count = |tokens: i64| number(tokens.max(0).unsigned_abs());
        [
            number(self.messages),
            count(self.input),
            count(self.output),
            count(self.cache_read),
            count(self.cache_write),
            format!("{}{}", cents(self.cost), if self.unpriced == 0 { "" } else { "+" }),
        ]
    }

    fn fields(&self) -> [String; 6] {
        [
            self.messages.to_string(),
            self.input.to_string(),
            self.output.to_string(),
            self.cache_read.to_string(),
            self.cache_write.to_string(),
            // An incomplete cost is marked.
            format!("{:.4}{}", self.cost, if self.unpriced == 0 { "" } else { "+" }),
        ]
    }
}

/// A cost to the cent; less than half a cent is not shown as zero.
fn cents(cost: f64) -> String {
    match cost {
        little if 0.0 < little && little < 0.005 => "<0.01".to_owned(),
        cost => format!("{cost:.2}"),
    }
}

fn sum_json(key: &str, by: By, sum: &Sum) -> serde_json::Value {
    let name = match by {
        By::Day => "day",
        By::Model => "model",
        By::Session => "session_id",
        By::WorkDir => "work_dir",
        By::Program => "format",
    };
    json!({
        name: key,
        "messages": sum.messages,
        "input": sum.input,
        "output": sum.output,
        "cache_read": sum.cache_read,
        "cache_write": sum.cache_write,
        "cost": sum.cost,
        "unpriced_messages": sum.unpriced,
    })
}

const HEAD: [&str; 6] = ["messages", "input", "output", "read", "written", "cost"];

/// Prints rows and their sum; to a pipe only rows, separated by tabs.
fn print(store: &Store, by: By, sums: &BTreeMap<String, Sum>) -> Result<()> {
    let mut out = output::report();
    if !output::is_terminal() {
        for (key, sum) in sums {
            writeln!(out, "{}\t{}", one_line(key), sum.fields().join("\t"))?;
        }
        out.flush()?;
        return Ok(());
    }
    let mut all = Sum::default();
    let mut rows: Vec<(String, [String; 6])> = vec![(String::new(), HEAD.map(str::to_owned))];
    for (key, sum) in sums {
        let key = if by == By::Session { list::short_id(store, key)? } else { key.clone() };
        rows.push((one_line(&key), sum.shown()));
        all.join(sum);
    }
    rows.push(("all".to_owned(), all.shown()));
    let width_of = |n: usize| rows.iter().map(|(_, fields)| columns(&fields[n])).max().unwrap_or(0);
    let width = terminal_width();
    let mut widths: Vec<(usize, usize)> = (0..HEAD.len()).map(|n| (n, width_of(n))).collect();
    let taken =
        |widths: &[(usize, usize)]| widths.iter().map(|(_, width)| width + 2).sum::<usize>();
    // A narrow terminal drops the caches, then the number of messages.
    for dropped in [4, 3, 0] {
        if width < taken(&widths) + 12 {
            widths.retain(|(n, _)| *n != dropped);
        }
    }
    let longest = rows.iter().map(|(key, _)| columns(key)).max().unwrap_or(0);
    let room = longest.min(width.saturating_sub(taken(&widths)));
    for (key, fields) in &rows {
        let numbers: String =
            widths.iter().map(|(n, width)| format!("  {:>width$}", fields[*n])).collect();
        writeln!(out, "{}{numbers}", padded(&cut_middle(key, room), room))?;
    }
    out.flush()?;
    Ok(())
}
