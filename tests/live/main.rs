//! Live sessions: what the library promises of writing, beyond single records.

#[cfg(feature = "cli")]
mod beside;
mod capture;
#[cfg(feature = "cli")]
mod careful;
mod chains;
#[cfg(feature = "cli")]
mod commands;
mod copies;
mod creation;
mod cycle;
mod examples;
mod folding;
mod generations;
mod keeping;
mod kimi;
mod lineage;
mod metadata;
mod moved;
mod navigation;
mod openable;
mod pi;
mod purging;
mod recorder;
mod replaced;
#[cfg(feature = "cli")]
mod rpc;
mod snapshots;
mod support;
mod told;
mod traces;
mod union;
mod watching;
