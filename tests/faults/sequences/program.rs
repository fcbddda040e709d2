//! The steps that a program is made of.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::roots::{CLAUDE, CODEX, KIMI, KWARD, PI};
use crate::{odd_claude, odd_codex, odd_kimi, odd_kward, odd_pi};

/// A root, by its place among the roots, and a file below it.
pub(crate) type Place = (usize, &'static str);

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(Place, Bytes),
    Grow(Place, Bytes),
    /// What an export has of it stands there, and grew by something.
    CarryBack(Place, Bytes),
    Truncate(Place, Index),
    Vanish(Place),
    Move(Place, Index),
    /// What vanished last stands there again.
    ComeBack,
    /// A context of Kimi is begun anew, as Kimi does it.
    Rotate(Bytes),
    Import,
    Prune,
    Rebuild,
    /// Goes on with a copy of the store.
    Backup,
    /// Goes on with what is recovered from the store.
    Recover,
    /// Begins a session of Kward that has no root.
    Create,
    /// Does something to a session, if there is one.
    Decide(Index, Decision),
}

/// What is done to a session; an [`Index`] chooses among its entries.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    Message(String),
    Compact(Index),
    Record(Box<Records>),
    Branch(Index),
    ResetLeaf,
    Navigate(Index),
    Label(Index, Option<String>),
    LabelUnknown(String),
    Rename(Option<String>),
    Runtime(&'static str),
    Prompt(String),
    Memory,
    Tool,
    Archive,
    Unarchive,
    Trash,
    Restore,
    Purge,
    Relink(Index),
    Remember,
    TrashIfUnused,
    Clone,
    Fork(Index),
    ForkTurn(u32),
}

/// A record for a session of whatever format.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    pub(crate) kward: String,
    pub(crate) pi: String,
    pub(crate) claude: String,
    pub(crate) codex: String,
}

/// Bytes, shown as text.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        select(&KWARD[..]).prop_map(|path| (0, path)),
        select(&PI[..]).prop_map(|path| (1, path)),
        select(&KIMI[..]).prop_map(|path| (2, path)),
        select(&CLAUDE[..]).prop_map(|path| (4, path)),
        select(&CODEX[..]).prop_map(|path| (5, path)),
    ]
}

/// What a file of Codex is to hold or grow by.
fn of_codex<S: Strategy<Value = Vec<u8>>>(
    content: impl Fn(&'static str) -> S,
) -> impl Strategy<Value = (Place, Bytes)> {
    select(&CODEX[..])
        .prop_flat_map(move |path| content(path).prop_map(move |bytes| ((5, path), Bytes(bytes))))
}

fn records() -> impl Strategy<Value = Decision> {
    let records = (odd_kward::record(), odd_pi::record(), odd_claude::node(), odd_codex::record());
    records.prop_map(|(kward, pi, claude, codex)| {
        Decision::Record(Box::new(Records { kward, pi, claude, codex }))
    })
}

/// A file and what it may hold as a whole.
fn file() -> impl Strategy<Value = (Place, Bytes)> {
    prop_oneof![
        2 => (select(&KWARD[..]), odd_kward::any_file()).prop_map(|(path, b)| ((0, path), Bytes(b))),
        2 => (select(&PI[..]), odd_pi::any_file()).prop_map(|(path, b)| ((1, path), Bytes(b))),
        3 => (select(&KIMI[..]), odd_kimi::content()).prop_map(|(path, b)| ((2, path), Bytes(b))),
        2 => (select(&CLAUDE[..]), odd_claude::any_file()).prop_map(|(path, b)| ((4, path), Bytes(b))),
        3 => of_codex(odd_codex::file),
    ]
}

/// A file and what it may grow by.
fn growth() -> impl Strategy<Value = (Place, Bytes)> {
    let lines = |line| proptest::collection::vec(line, 1..4);
    let of = |root| {
        move |(path, lines): (&'static str, Vec<Vec<u8>>)| ((root, path), Bytes(lines.concat()))
    };
    prop_oneof![
        3 => (select(&KWARD[..]), lines(odd_kward::any_line().boxed())).prop_map(of(0)),
        3 => (select(&PI[..]), lines(odd_pi::any_line().boxed())).prop_map(of(1)),
        2 => (select(&KIMI[..]), lines(odd_kimi::content().boxed())).prop_map(of(2)),
        3 => (select(&CLAUDE[..]), lines(odd_claude::any_line().boxed())).prop_map(of(4)),
        3 => of_codex(odd_codex::content),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-zA-Z ]{1,6}",
        1 => select(vec!["a\0b", "\0", "Ünï", "a\nb", "\u{1}"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn decision() -> impl Strategy<Value = Decision> {
    let index = any::<Index>;
    prop_oneof![
        8 => text().prop_map(Decision::Message),
        2 => index().prop_map(Decision::Compact),
        6 => records(),
        5 => index().prop_map(Decision::Branch),
        3 => Just(Decision::ResetLeaf),
        2 => index().prop_map(Decision::Navigate),
        3 => (index(), proptest::option::of(text())).prop_map(|(n, l)| Decision::Label(n, l)),
        1 => text().prop_map(Decision::LabelUnknown),
        3 => proptest::option::of(text()).prop_map(Decision::Rename),
        2 => select(vec!["m1", "m2"]).prop_map(Decision::Runtime),
        1 => text().prop_map(Decision::Prompt),
        1 => Just(Decision::Memory),
        1 => Just(Decision::Tool),
        2 => Just(Decision::Archive),
        2 => Just(Decision::Unarchive),
        2 => Just(Decision::Trash),
        2 => Just(Decision::Restore),
        2 => Just(Decision::Purge),
        2 => index().prop_map(Decision::Relink),
        1 => Just(Decision::Remember),
        1 => Just(Decision::TrashIfUnused),
        2 => Just(Decision::Clone),
        2 => index().prop_map(Decision::Fork),
        1 => (0..3_u32).prop_map(Decision::ForkTurn),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => file().prop_map(|(place, bytes)| Step::Write(place, bytes)),
        8 => growth().prop_map(|(place, bytes)| Step::Grow(place, bytes)),
        2 => growth().prop_map(|(place, bytes)| Step::CarryBack(place, bytes)),
        1 => place().prop_map(|place| Step::CarryBack(place, Bytes(Vec::new()))),
        2 => (place(), any::<Index>()).prop_map(|(place, at)| Step::Truncate(place, at)),
        2 => place().prop_map(Step::Vanish),
        1 => (place(), any::<Index>()).prop_map(|(place, to)| Step::Move(place, to)),
        1 => Just(Step::ComeBack),
        1 => odd_kimi::content().prop_map(|bytes| Step::Rotate(Bytes(bytes))),
        10 => Just(Step::Import),
        1 => Just(Step::Prune),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Backup),
        3 => Just(Step::Recover),
        1 => Just(Step::Create),
        30 => (any::<Index>(), decision()).prop_map(|(session, what)| Step::Decide(session, what)),
    ]
}
