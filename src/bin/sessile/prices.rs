//! Prices of models, for logs that do not report a cost.
//!
//! The list is compiled in, with its date and its source. A model gets the price of
//! the longest listed name that its own name begins with, ignoring the provider's
//! prefix. Only a date or a setting may follow the listed name: another version or
//! size has its own price, or none if that is not listed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use sessile::Usage;

/// The compiled-in list.
pub(crate) const KNOWN: &str = include_str!("prices.json");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    pub(crate) as_of: String,
    /// The source of the prices.
    #[serde(default)]
    pub(crate) source: Option<String>,
    pub(crate) currency: String,
    per_million_tokens: BTreeMap<String, Price>,
}

/// Per million tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    input: f64,
    output: f64,
    /// The same as other input if absent; so is the next one.
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
                    .with_context(|| format!("{} is not a list of prices", file.display()))
            }
        }
    }

    /// The cost of tokens; `None` if the model has no price.
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

/// A model's name without its providers, in one spelling: `x/m-4.5` and `us.x.m-4-5`
/// both become `m-4-5`.
fn own_name(model: &str) -> String {
    let mut name = model.rsplit('/').next().unwrap_or(model);
    while let Some((provider, rest)) = name.split_once('.')
        && provider.chars().all(|c| c.is_ascii_alphabetic())
    {
        name = rest;
    }
    name.to_lowercase().replace('.', "-")
}

/// Settings at the end of a name that do not affect the price.
const SETTINGS: [&str; 9] =
    ["latest", "preview", "exp", "thinking", "minimal", "low", "medium", "high", "xhigh"];

/// Whether a model has this name, or is a variant of it: `gpt-5-2025-08-07` and
/// `gpt-5-high` are variants of gpt-5; `gpt-50`, `gpt-5-mini` and `gpt-5-1` are not.
fn is_named(model: &str, name: &str) -> bool {
    let Some(rest) = model.strip_prefix(name) else { return false };
    let is_apart = rest.chars().next().is_none_or(|c| "-@:[".contains(c));
    let mut is_in_date = false;
    is_apart
        && rest.split(['-', '@', ':', '[', ']']).all(|word| {
            let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
            // A day or a month follows a year; without one, it is a version.
            let is_of_date = is_number && (4 <= word.len() || is_in_date);
            is_in_date = is_of_date;
            // Bedrock appends its own version: `-v1:0`.
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
