//! Usage by day, model and work dir.

use std::collections::BTreeMap;

use anyhow::Result;
use sessile::{Timestamp, UsageFilter};

use super::request::Request;
use super::response::Response;
use super::{Site, form, plot};
use crate::amounts::{counted, number};
use crate::args::By;
use crate::commands::usage::{Sum, key_of};
use crate::html::{self, escape::text};
use crate::moment::Moment;
use crate::prices::Prices;

/// The groupings, with their headings.
const BY: &[(By, &str)] =
    &[(By::Day, "Day"), (By::Model, "Model"), (By::WorkDir, "Work dir"), (By::Program, "Program")];

/// Rows of a table; the rest is summed up in one row.
const ROWS: usize = 40;

pub(super) fn page(site: &Site<'_>, request: &Request) -> Result<Response> {
    let prices = Prices::read(None)?;
    let sums = add_up(site, request, &prices)?;
    let measures = [("", "By cost"), ("tokens", "By tokens")];
    let fields =
        [form::select(request, "since", form::SINCE), form::select(request, "measure", &measures)];
    let mut out = html::head("Usage", &site.around("usage", false), "");
    out.push_str(&form::form(&format!("{}usage", site.base), &fields.concat()));
    out.push_str("</header>\n<main>\n");
    let measure = if request.get("measure") == Some("tokens") { tokens } else { cost };
    if sums[0].is_empty() {
        out.push_str("<p class=\"facts\">No message reports any.</p>\n");
    }
    for ((by, name), sums) in BY.iter().zip(&sums).filter(|(_, sums)| !sums.is_empty()) {
        out.push_str(&format!("<h2>{name}</h2>\n"));
        if *by == By::Day {
            let days: Vec<(String, f64, String)> =
                sums.iter().map(|(day, sum)| (day.clone(), measure(sum), told(sum))).collect();
            out.push_str(&plot::days(&days));
        } else {
            table(&mut out, name, sums, measure);
        }
    }
    let of = text(&prices.as_of);
    let currency = text(&prices.currency);
    out.push_str(&format!(
        "<p class=\"facts\">Each message counts once, in whatever sessions it stands. What no log says costs as \
         of {of}, in {currency}; + where a model has no price.</p>\n</main>\n</body>\n</html>\n"
    ));
    Ok(Response::page(out))
}

/// The sums of each grouping, computed in one pass.
fn add_up(
    site: &Site<'_>,
    request: &Request,
    prices: &Prices,
) -> Result<Vec<BTreeMap<String, Sum>>> {
    let since = request.get("since").and_then(|since| Moment::since(since).ok());
    let since = since.map(|since| since.before(Timestamp::now()));
    let all = UsageFilter::new();
    let filter = since.map_or(all.clone(), |since| all.since(since));
    let mut sums = vec![BTreeMap::new(); BY.len()];
    site.store.each_usage(&filter, |record| {
        let cost = record.usage.cost.or_else(|| prices.cost(&record.usage));
        for ((by, _), sums) in BY.iter().zip(&mut sums) {
            let sum: &mut Sum = sums.entry(key_of(&record, *by)).or_default();
            sum.add(&record, cost);
        }
        Ok(())
    })?;
    Ok(sums)
}

fn tokens(sum: &Sum) -> f64 {
    [sum.input, sum.output, sum.cache_read, sum.cache_write].iter().map(|n| *n as f64).sum()
}

fn cost(sum: &Sum) -> f64 {
    sum.cost
}

fn count(tokens: i64) -> String {
    number(tokens.max(0).unsigned_abs())
}

/// A cost that is incomplete is marked.
fn shown_cost(sum: &Sum) -> String {
    format!("{:.2}{}", sum.cost, if sum.unpriced == 0 { "" } else { "+" })
}

fn told(sum: &Sum) -> String {
    let tokens = count(sum.input.saturating_add(sum.output));
    format!("{}, {tokens} tokens, cost {}", counted(sum.messages, "message"), shown_cost(sum))
}

fn table(out: &mut String, name: &str, sums: &BTreeMap<String, Sum>, measure: fn(&Sum) -> f64) {
    let mut rows: Vec<(&String, &Sum)> = sums.iter().collect();
    rows.sort_by(|(_, one), (_, other)| measure(other).total_cmp(&measure(one)));
    let largest = rows.first().map_or(0.0, |(_, sum)| measure(sum));
    let heads = ["Cost", "Messages", "In", "Out", "From caches", "Into caches"];
    let heads = heads.map(|head| format!("<th class=\"n\">{head}</th>")).concat();
    out.push_str(&format!("<table>\n<tr><th>{name}</th><th></th>{heads}</tr>\n"));
    for (key, sum) in rows.iter().take(ROWS) {
        let cells = [
            shown_cost(sum),
            number(sum.messages),
            count(sum.input),
            count(sum.output),
            count(sum.cache_read),
            count(sum.cache_write),
        ];
        let cells = cells.map(|cell| format!("<td class=\"n\">{cell}</td>")).concat();
        let bar = plot::bar(measure(sum), largest);
        out.push_str(&format!("<tr><td>{}</td><td>{bar}</td>{cells}</tr>\n", text(key)));
    }
    out.push_str("</table>\n");
    let left = rows.len().saturating_sub(ROWS);
    if 0 < left {
        out.push_str(&format!("<p class=\"facts\">{left} with less are left out.</p>\n"));
    }
}
