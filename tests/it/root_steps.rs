//! What may happen to a root of any format: steps, and histories of them.

use proptest::prelude::*;
use sessile::Format;

/// Roots of one format.
#[derive(Clone, Copy)]
pub(crate) struct Roots {
    pub(crate) format: Format,
    /// Where files may lie. What a program renames stands beside its new name.
    pub(crate) paths: &'static [&'static str],
    /// What a file of a path may begin with.
    pub(crate) file: fn(&'static str) -> BoxedStrategy<Vec<u8>>,
    /// What a file of a path may grow by.
    pub(crate) more: fn(&'static str) -> BoxedStrategy<Vec<u8>>,
    /// A record of the format.
    pub(crate) record: &'static str,
    /// Whether a file whose content is replaced stays the same session's.
    pub(crate) is_named: bool,
}

/// What may happen to a file between two imports.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(Vec<u8>),
    Append(Vec<u8>),
    /// Another file takes its place, at once.
    Replace(Vec<u8>),
    /// What an export has of it stands there, and grew by something.
    CarryBack(Vec<u8>),
    /// It loses its end.
    Cut(prop::sample::Index),
    /// It is renamed, over whatever is there.
    RenameTo(&'static str),
    /// It is renamed, and begun anew.
    Rotate(&'static str, Vec<u8>),
    Swap(&'static str),
    /// A copy of the same time.
    CopyTo(&'static str),
    HardLinkTo(&'static str),
    /// The folder it is in takes the name of another one's.
    MoveFolderTo(&'static str),
    Remove,
    RemoveFolder,
    /// Something else takes its name.
    Link(&'static str),
    Folder,
    Pipe,
    /// Something is decided here about the session that the file is of.
    Decide(u8),
    /// Something is decided about one of all sessions.
    DecideOfAny(prop::sample::Index, u8),
}

/// How a root is imported.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    Plainly,
    Reading,
    Again,
}

/// What is asked of the store in the end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Last {
    Exported,
    Merged,
    Recovered,
    Sealed,
    Pruned,
}

pub(crate) type Batch = (Vec<(&'static str, Step)>, How);

/// A history of a root, batch by batch, and what comes last.
pub(crate) fn history(roots: Roots) -> impl Strategy<Value = (Vec<Batch>, Last)> {
    let how = || {
        prop_oneof![
            6 => Just(How::Plainly),
            1 => Just(How::Reading),
            1 => Just(How::Again),
        ]
    };
    let last = prop::sample::select(vec![
        Last::Exported,
        Last::Merged,
        Last::Recovered,
        Last::Sealed,
        Last::Pruned,
    ]);
    // Few files, so that much happens to each.
    let few = proptest::collection::vec(prop::sample::select(roots.paths), 1..4);
    let batches = few.prop_flat_map(move |few| {
        let batches = |of_growth, count| {
            let few = few.clone();
            let path = prop_oneof![
                4 => prop::sample::select(few.clone()),
                1 => prop::sample::select(roots.paths),
            ];
            let step = path.prop_flat_map(move |path| {
                let step = match of_growth {
                    true => growth(roots, path).boxed(),
                    false => step(roots, path, &few).boxed(),
                };
                step.prop_map(move |step| (path, step))
            });
            let steps = proptest::collection::vec(step, 1..6);
            proptest::collection::vec((steps, how()), count)
        };
        prop_oneof![
            1 => batches(true, 1..4),
            4 => (batches(true, 1..2), batches(false, 1..6))
                .prop_map(|(first, rest)| [first, rest].concat()),
        ]
    });
    (batches, last)
}

fn growth(roots: Roots, path: &'static str) -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (roots.file)(path).prop_map(Step::Write),
        1 => (roots.more)(path).prop_map(Step::Append),
    ]
}

fn step(
    roots: Roots,
    path: &'static str,
    few: &[&'static str],
) -> impl Strategy<Value = Step> + use<> {
    let at = roots.paths.iter().position(|other| *other == path).unwrap();
    let beside = roots.paths[(at + 1) % roots.paths.len()];
    let other = || {
        prop_oneof![
            2 => Just(beside),
            2 => prop::sample::select(few.to_vec()),
            1 => prop::sample::select(roots.paths),
        ]
    };
    prop_oneof![
        6 => (roots.file)(path).prop_map(Step::Write),
        6 => (roots.more)(path).prop_map(Step::Append),
        1 => (roots.file)(path).prop_map(Step::Replace),
        2 => (roots.more)(path).prop_map(Step::CarryBack),
        1 => any::<prop::sample::Index>().prop_map(Step::Cut),
        3 => other().prop_map(Step::RenameTo),
        1 => (other(), (roots.file)(path)).prop_map(|(to, bytes)| Step::Rotate(to, bytes)),
        1 => other().prop_map(Step::Swap),
        1 => other().prop_map(Step::CopyTo),
        1 => other().prop_map(Step::HardLinkTo),
        1 => other().prop_map(Step::MoveFolderTo),
        2 => Just(Step::Remove),
        1 => prop_oneof![3 => Just(Step::Folder), 1 => Just(Step::RemoveFolder)],
        1 => prop_oneof![3 => other().prop_map(Step::Link), 1 => Just(Step::Pipe)],
        4 => any::<u8>().prop_map(Step::Decide),
        6 => (any::<prop::sample::Index>(), any::<u8>())
            .prop_map(|(n, what)| Step::DecideOfAny(n, what)),
    ]
}
