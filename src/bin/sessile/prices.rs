//! What models cost, where a log does not say.
//!
//! The list is compiled in and says of which day it is, and where its prices
//! were found. A model goes by the longest name of the list that its own begins
//! with, without what a provider puts before it. Behind the name, only a date or
//! a setting may follow: another version or size has a price of its own, and
//! where that is not known, none.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use sessile::Usage;

/// The list as it is compiled in.
pub(crate) const KNOWN: &str = include_str!("prices.json");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    pub(crate) as_of: String,
    /// Where the prices were found.
    #[serde(default)]
    pub(crate) source: Option<String>,
    pub(crate) currency: String,
    per_million_tokens: BTreeMap<String, Price>,
}

/// Of a million tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    input: f64,
    output: f64,
    /// As other input, where it is not said; as the following.
    cache_read: Option<f64>,
    cache_write: Option<f64>,
}

impl Prices {
    pub(crate) fn read(file: Option<&Path>) -> Result<Self> {
        match file {
            None => serde_json::from_str(KNOWN).context("the prices that the program knows"),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                serde_json::from_str(&text)
                    .with_context(|| format!("{} is no list of prices", file.display()))
            }
        }
    }

    /// What tokens cost; `None` where the model has no price.
    pub(crate) fn cost(&self, usage: &Usage) -> Option<f64> {
        let price = self.of(usage.model.as_deref()?)?;
        let of = |tokens: Option<i64>, price: f64| {
            tokens.unwrap_or_default().max(0) as f64 * price / 1_000_000.0
        };
        Some(
            of(usage.input, price.input)
                + of(usage.output, price.output)
                + of(usage.cache_read, price.cache_read.unwrap_or(price.input))
                + of(usage.cache_write, price.cache_write.unwrap_or(price.input)),
        )
    }

    fn of(&self, model: &str) -> Option<Price> {
        let model = own_name(model);
        let names = self.per_million_tokens.iter();
        let known = names.filter(|(name, _)| is_named(&model, &name.replace('.', "-")));
        known.max_by_key(|(name, _)| name.len()).map(|(_, price)| *price)
    }
}

/// A model's name without those who provide it, in one spelling: `x/m-4.5` and
/// `us.x.m-4-5` are an `m-4-5`.
fn own_name(model: &str) -> String {
    let mut name = model.rsplit('/').next().unwrap_or(model);
    while let Some((provider, rest)) = name.split_once('.')
        && provider.chars().all(|c| c.is_ascii_alphabetic())
    {
        name = rest;
    }
    name.to_lowercase().replace('.', "-")
}

/// Settings that a name may end with and that cost nothing.
const SETTINGS: [&str; 9] =
    ["latest", "preview", "exp", "thinking", "minimal", "low", "medium", "high", "xhigh"];

/// Whether a model is the one of this name, or a form of it: `gpt-5-2025-08-07`
/// and `gpt-5-high` are a gpt-5; `gpt-50`, `gpt-5-mini` and `gpt-5-1` are none.
fn is_named(model: &str, name: &str) -> bool {
    let Some(rest) = model.strip_prefix(name) else { return false };
    let is_apart = rest.chars().next().is_none_or(|c| "-@:[".contains(c));
    let mut is_in_date = false;
    is_apart
        && rest.split(['-', '@', ':', '[', ']']).all(|word| {
            let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
            // A day or a month follows a year; alone, it is a version.
            let is_of_date = is_number && (4 <= word.len() || is_in_date);
            is_in_date = is_of_date;
            // Behind a name, Bedrock has its own version of it: `-v1:0`.
            let is_version = matches!(word, "v1" | "v2" | "0");
            word.is_empty() || is_of_date || is_version || SETTINGS.contains(&word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_goes_by_the_longest_name_that_it_begins_with() {
        let prices = Prices::read(None).unwrap();
        let input = |model: &str| prices.of(model).map(|price| price.input);

        assert_eq!(input("claude-opus-4-5-20251101"), Some(5.0));
        assert_eq!(input("claude-opus-4-1-20250805"), Some(15.0));
        assert_eq!(input("claude-opus-4-9"), None);
        assert_eq!(input("anthropic/Claude-Sonnet-4.5"), Some(3.0));
        assert_eq!(input("us.anthropic.claude-sonnet-4-20250514-v1:0"), Some(3.0));
        assert_eq!(input("claude-opus-5-9"), None);
        assert_eq!(input("claude-sonnet-4-5-20250929"), Some(3.0));
        assert_eq!(input("openai/gpt-5-mini"), Some(0.25));
        assert_eq!(input("gpt-5"), Some(1.25));
        assert_eq!(input("gpt-5-2025-08-07"), Some(1.25));
        assert_eq!(input("gpt-5-high"), Some(1.25));
        assert_eq!(input("gpt-5-giant"), None);
        assert_eq!(input("gpt-5.9"), None);
        assert_eq!(input("gpt-50"), None);
        assert_eq!(input("gpt-5.1-codex"), Some(1.25));
        assert_eq!(input("o3"), Some(2.0));
        assert_eq!(input("my-model"), None);
    }
}
