//! The table of figures.

use std::fmt;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// None: it stands beside others.
    Shown,
}

#[derive(Debug)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    goal: Goal,
}

#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
    shows: bool,
}

impl Table {
    /// `shows`: each row as soon as it is there.
    pub(crate) fn new(shows: bool) -> Self {
        Self { rows: Vec::new(), shows }
    }

    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Goal,
    ) {
        let row = Row { what: what.into(), value, unit, goal };
        if self.shows {
            eprintln!("{}", row.line(0));
        }
        self.rows.push(row);
    }

    /// Rows as an array of objects.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "what": row.what, "value": row.value, "unit": row.unit,
                    "goal": row.goal.words(), "met": row.met(),
                })
            })
            .collect();
        format!("{:#}\n", serde_json::Value::from(rows))
    }
}

impl Goal {
    fn words(self) -> Option<String> {
        match self {
            Self::AtLeast(bound) => Some(format!("at least {bound}")),
            Self::AtMost(bound) => Some(format!("at most {bound}")),
            Self::Shown => None,
        }
    }
}

impl Row {
    fn met(&self) -> Option<bool> {
        match self.goal {
            Goal::AtLeast(bound) => Some(bound <= self.value),
            Goal::AtMost(bound) => Some(self.value <= bound),
            Goal::Shown => None,
        }
    }

    fn line(&self, width: usize) -> String {
        let met = match self.met() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let value = match self.value {
            value if value < 0.1 => format!("{value:.4}"),
            value if value < 10.0 => format!("{value:.2}"),
            value => format!("{value:.0}"),
        };
        let goal = self.goal.words().unwrap_or_default();
        format!("| {:width$} | {value} {} | {goal} | {met} |", self.what, self.unit)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
        writeln!(f, "| {:width$} | measured | goal | met |", "what")?;
        writeln!(f, "|{}|---|---|---|", "-".repeat(width + 2))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{}", row.line(width)))
    }
}
