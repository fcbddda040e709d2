//! A lake gives back what a store has, to the byte, and is never worse for what befalls it.

mod back;
mod damage;
mod increments;
mod support;
