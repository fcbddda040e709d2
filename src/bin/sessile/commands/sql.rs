//! `sessile sql`: SQL queries of the user's own.

use std::io::{self, IsTerminal, Read, Write};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sessile::{Cell, Error, Store};

use crate::args::SqlArgs;
use crate::output::{self, Output};
use crate::text::{columns, cut, padded, terminal_width};

/// The widest column, which leaves room for others.
const WIDEST: usize = 60;
/// Columns are not narrowed below this.
const NARROWEST: usize = 8;
/// Rows by which the columns are measured; later rows are truncated to fit.
const MEASURED: usize = 200;

pub(super) fn run(store: &Store, args: &SqlArgs) -> Result<bool> {
    let sql = match &args.query {
        Some(query) => query.clone(),
        None if io::stdin().is_terminal() => bail!(
            "say what is asked, as in `sessile sql 'SELECT * FROM session_list'`, or give it on \
             standard input"
        ),
        None => {
            io::read_to_string(io::stdin().lock().take(1 << 20)).context("cannot read the query")?
        }
    };
    match (args.json, output::is_terminal()) {
        (true, _) => print_json(store, &sql)?,
        (false, true) => print_table(store, &sql)?,
        (false, false) => print_tabs(store, &sql)?,
    }
    Ok(true)
}

/// Lets an error of writing pass through a query, which only returns errors of the
/// library.
fn written(result: io::Result<()>) -> sessile::Result<()> {
    result.map_err(|source| Error::Io {
        action: "write to",
        path: "standard output".into(),
        source,
    })
}

fn print_json(store: &Store, sql: &str) -> Result<()> {
    let mut out = output::content();
    let mut is_first = true;
    store.query(sql, |columns, cells| {
        if std::mem::take(&mut is_first) {
            check_names(columns)?;
        }
        let row = columns.iter().zip(cells);
        let row = row.map(|(column, cell)| format!("{}:{}", Value::from(&column[..]), json(cell)));
        written(writeln!(out, "{{{}}}", row.collect::<Vec<_>>().join(",")))
    })?;
    Ok(out.flush()?)
}

/// Refuses two columns of one name: readers of JSON keep only one of equal keys.
fn check_names(columns: &[String]) -> sessile::Result<()> {
    let is_double = |(n, name): (usize, &String)| columns[..n].contains(name);
    match columns.iter().enumerate().find(|column| is_double(*column)) {
        Some((_, name)) => Err(Error::InvalidSql(format!(
            "two columns are named {name}, which one JSON object cannot hold; give one of them \
             another name with AS"
        ))),
        None => Ok(()),
    }
}

fn json(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => (*number).into(),
        Cell::Real(number) => (*number).into(),
        Cell::Text(text) => text.as_str().into(),
        Cell::Blob(bytes) => hex(bytes).into(),
    }
}

/// Prints one row per line, separated by tabs, with tabs and line ends escaped.
fn print_tabs(store: &Store, sql: &str) -> Result<()> {
    let mut out = output::content();
    store.query(sql, |_, cells| {
        let row: Vec<String> = cells.iter().map(|cell| escaped(&shown(cell))).collect();
        written(writeln!(out, "{}", row.join("\t")))
    })?;
    Ok(out.flush()?)
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => format!("{number:?}"),
        Cell::Text(text) => text.clone(),
        Cell::Blob(bytes) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

/// A table whose columns are as wide as their content, as far as there is room.
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<(String, bool)>>,
    widths: Option<Vec<usize>>,
    out: Output,
}

fn print_table(store: &Store, sql: &str) -> Result<()> {
    let mut table =
        Table { head: Vec::new(), rows: Vec::new(), widths: None, out: output::report() };
    store.query(sql, |columns, cells| {
        if table.head.is_empty() {
            table.head = columns.to_vec();
        }
        let is_number = |cell: &Cell| matches!(cell, Cell::Integer(_) | Cell::Real(_));
        table.rows.push(
            cells.iter().map(|cell| (output::one_line(&shown(cell)), is_number(cell))).collect(),
        );
        if table.widths.is_some() || MEASURED <= table.rows.len() {
            written(table.print())
        } else {
            Ok(())
        }
    })?;
    table.print()?;
    Ok(table.out.flush()?)
}

impl Table {
    /// Prints the rows so far; the first time, with the names of the columns.
    fn print(&mut self) -> io::Result<()> {
        let widths = match self.widths.take() {
            Some(widths) => widths,
            None => {
                let widths = self.measured();
                let names = self.head.iter().zip(&widths);
                let names: Vec<String> = names.map(|(name, width)| padded(name, *width)).collect();
                if !names.is_empty() {
                    self.out.emphasise(names.join("  ").trim_end())?;
                    writeln!(self.out)?;
                }
                widths
            }
        };
        for row in self.rows.drain(..) {
            let cells = row.iter().zip(&widths).map(|((text, is_number), width)| {
                let text = cut(text, *width);
                let blanks = " ".repeat(width.saturating_sub(columns(&text)));
                if *is_number { blanks + &text } else { text + &blanks }
            });
            writeln!(self.out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    /// The width of the widest cell in each column; the widest columns are narrowed
    /// until all fit.
    fn measured(&self) -> Vec<usize> {
        let widest = |n: usize| {
            let cells = self.rows.iter().map(|row| columns(&row[n].0));
            cells.chain([columns(&self.head[n])]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.head.len()).map(widest).collect();
        let room = terminal_width().saturating_sub(2 * widths.len().saturating_sub(1));
        if widths.len() != 1 {
            widths.iter_mut().for_each(|width| *width = (*width).min(room.max(WIDEST)));
        }
        while room < widths.iter().sum() {
            match widths.iter_mut().max() {
                Some(width) if NARROWEST < *width => *width -= 1,
                _ => break,
            }
        }
        widths
    }
}
