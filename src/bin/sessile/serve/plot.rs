//! Plots as HTML elements.

use chrono::{Days, NaiveDate};

use crate::html::escape::text;

/// The most days that are drawn.
const DAYS: usize = 366;

/// A bar per day from the first to the last of these, each with its tooltip. Days are
/// spelt like 2026-01-02, and in order.
pub(super) fn days(values: &[(String, f64, String)]) -> String {
    let all = filled(values);
    let largest = all.iter().map(|(_, value, _)| *value).fold(0.0, f64::max);
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return String::new() };
    let last = if first.0 == last.0 { "" } else { &last.0 };
    let bars = all.iter().enumerate().map(|(n, (day, value, told))| {
        let height = share(*value, largest);
        let told = if told.is_empty() { String::new() } else { format!(": {told}") };
        format!(
            "<rect x=\"{}.1\" y=\"{:.2}\" width=\"0.8\" height=\"{height:.2}\"><title>{}</title></rect>\n",
            n,
            100.0 - height,
            text(&format!("{day}{told}"))
        )
    });
    format!(
        "<svg class=\"plot\" viewBox=\"0 0 {} 100\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"A bar a day\">\n{}</svg>\n<p class=\"axis\"><b>{}</b><b>{}</b></p>\n",
        all.len().max(14),
        bars.collect::<String>(),
        text(&first.0),
        text(last),
    )
}

/// A bar whose length is a share of the longest.
pub(super) fn bar(value: f64, largest: f64) -> String {
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" role=\"presentation\">\
         <rect x=\"0\" y=\"0\" width=\"{:.2}\" height=\"8\"></rect></svg>",
        share(value, largest)
    )
}

/// A percentage, at least large enough to be visible.
fn share(value: f64, largest: f64) -> f64 {
    let share = 100.0 * value / largest;
    if 0.0 < value && share.is_finite() { share.clamp(1.0, 100.0) } else { 0.0 }
}

/// Adds the days without values.
fn filled(values: &[(String, f64, String)]) -> Vec<(String, f64, String)> {
    let mut all: Vec<(String, f64, String)> = Vec::new();
    let from = values.len().saturating_sub(DAYS);
    for value in &values[from..] {
        let next = all.last().and_then(|(day, ..)| day.parse().ok()).and_then(after);
        let mut next: Option<NaiveDate> = next;
        let day = value.0.parse::<NaiveDate>().ok();
        while let (Some(empty), Some(day)) = (next, day)
            && empty < day
            && all.len() < 10 * DAYS
        {
            all.push((empty.to_string(), 0.0, String::new()));
            next = after(empty);
        }
        all.push(value.clone());
    }
    all.split_off(all.len().saturating_sub(DAYS))
}

fn after(day: NaiveDate) -> Option<NaiveDate> {
    day.checked_add_days(Days::new(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_anything_has_its_place() {
        let day = |day: &str, value| (day.to_owned(), value, "x".to_owned());
        let all = filled(&[day("2026-02-27", 1.0), day("2026-03-02", 2.0)]);

        let days: Vec<&str> = all.iter().map(|(day, ..)| day.as_str()).collect();
        assert_eq!(days, ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]);
        assert_eq!(all[1].1, 0.0);
    }

    #[test]
    fn days_that_are_far_apart_are_drawn_as_the_last_of_them() {
        let day = |day: &str| (day.to_owned(), 1.0, String::new());
        let all = filled(&[day("1970-01-01"), day("2026-03-02"), day("2026-03-03")]);

        assert!(all.len() <= DAYS);
        assert_eq!(all.last().unwrap().0, "2026-03-03");
    }

    #[test]
    fn what_is_there_at_all_can_be_seen() {
        assert_eq!([share(0.0, 5.0), share(5.0, 5.0), share(0.001, 5.0)], [0.0, 100.0, 1.0]);
        assert_eq!([share(0.0, 0.0), share(f64::NAN, 1.0)], [0.0, 0.0]);
    }
}
