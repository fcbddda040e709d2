//! Sessions made from others.

use sessile::Session;

use crate::table::{Goal, Table};
use crate::timing::{millis, repeat};
use crate::{Outcome, Scale};

/// A fork at the middle of a session's path, and a clone of it.
pub(crate) fn measure(scale: &Scale, session: &Session, table: &mut Table) -> Outcome<()> {
    let path = session.path()?;
    let middle = &path[path.len() / 2].id;
    let fork = repeat(scale.rounds, || Ok(session.fork(middle)?))?;
    let what = format!("fork at the middle of a path of {}", path.len());
    table.add(what, millis(fork), "ms", Goal::AtMost(30.0));
    let clone = repeat(scale.rounds, || Ok(session.clone_session()?))?;
    table.add(format!("clone of {} entries", scale.c[1]), millis(clone), "ms", Goal::Shown);
    Ok(())
}
