//! Live sessions: what the library promises of writing, beyond single records.

mod aside;
#[cfg(feature = "cli")]
mod browser;
mod capture;
#[cfg(feature = "cli")]
mod careful;
mod chains;
mod codex;
mod codex_threads;
#[cfg(feature = "cli")]
mod commands;
mod copies;
mod creation;
mod cycle;
mod displaced;
mod examples;
mod folding;
mod generations;
mod headerless;
mod keeping;
mod kimi;
mod lineage;
mod lines;
mod merging;
mod merging_attacked;
mod merging_histories;
mod merging_moved;
mod merging_origins;
mod merging_shared;
mod metadata;
mod moved;
mod navigation;
mod openable;
mod outlived;
#[cfg(feature = "cli")]
mod pages;
mod pi;
mod purging;
mod recorder;
mod replaced;
mod replicated;
#[cfg(feature = "cli")]
mod rpc;
#[cfg(feature = "cli")]
mod rpc_params;
mod sharing;
mod snapshots;
mod support;
#[cfg(feature = "cli")]
mod together;
mod told;
mod traces;
mod union;
mod watching;
