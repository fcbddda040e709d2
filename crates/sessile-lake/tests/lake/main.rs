//! A lake gives back what a store has, to the byte, and is never worse for what befalls it.

mod back;
#[cfg(feature = "s3")]
mod bucket;
mod damage;
mod database;
mod increments;
#[cfg(feature = "s3")]
mod objects;
mod support;
