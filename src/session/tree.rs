//! Reading the tree of a session. Each method is one read transaction.

use super::Session;
use crate::context::{self, Node};
use crate::error::Result;
use crate::model::Entry;
use crate::store::{entries, runs};
use crate::tree_rows::{self, TreeRow};

impl Session {
    /// Returns the children of an entry, in file order.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such
    /// entry.
    pub fn children(&self, id: &str) -> Result<Vec<Entry>> {
        self.read(|conn| context::children(conn, self.key, id))
    }

    /// Returns the entries without a parent, in file order, including orphans.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn roots(&self) -> Result<Vec<Entry>> {
        self.read(|conn| entries::entries(conn, &runs::roots(conn, self.key)?))
    }

    /// Returns the entries without children, in file order: one for each branch.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn leaves(&self) -> Result<Vec<Entry>> {
        self.read(|conn| entries::entries(conn, &runs::leaves(conn, self.key)?))
    }

    /// Returns the ends of the branches other than the active one, in file order: the
    /// entries without children that are not on the active branch.
    ///
    /// [`path_to`](Self::path_to) returns such a branch;
    /// [`common_ancestor`](Self::common_ancestor) with the leaf returns the entry
    /// where it forked off.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn abandoned(&self) -> Result<Vec<Entry>> {
        self.read(|conn| context::abandoned(conn, self.key))
    }

    /// Returns whether an entry is on the active branch, including what was
    /// compacted.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such
    /// entry.
    pub fn is_on_path(&self, id: &str) -> Result<bool> {
        self.read(|conn| context::is_on_path(conn, self.key, id))
    }

    /// Returns the last entry that the paths to two entries have in common; `None` if
    /// they have different roots.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session lacks either.
    pub fn common_ancestor(&self, one: &str, other: &str) -> Result<Option<Entry>> {
        self.read(|conn| context::common_ancestor(conn, self.key, one, other))
    }

    /// Returns the whole tree, depth first; roots and children in file order.
    ///
    /// Every entry appears once. If entries are their own ancestors, the first of
    /// each cycle appears as a root.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn tree(&self) -> Result<Vec<Node>> {
        self.read(|conn| context::tree(conn, self.key))
    }

    /// Returns the tree as rows to draw, from top to bottom.
    ///
    /// Messages that only call tools are left out, unless one is the leaf; their
    /// children take their place. The active branch comes first. If entries are their
    /// own ancestors, the first of each cycle appears as a root, so that every entry
    /// is drawn once.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// for row in store.find("edge-97")?.tree_rows()? {
    ///     println!("{}{}: {}", row.prefix, row.role, row.text);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tree_rows(&self) -> Result<Vec<TreeRow>> {
        self.read(|conn| tree_rows::tree_rows(conn, self.key))
    }
}
