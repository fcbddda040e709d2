//! Determines which page belongs to which b-tree.
//!
//! B-trees are walked from the roots that the schema names. Pages that no walk
//! reaches and that are not in the free list belonged to a damaged page: in an
//! undamaged database there are none.

use super::image::{Image, PageRef};
use super::page::{self, Cell, Node, NodeKind, be32};
use super::record::{self, Value};

/// How far a row can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// In its b-tree, on an undamaged page.
    Live,
    /// In its b-tree, on a damaged page.
    Doubtful,
    /// On a page that no b-tree leads to any more.
    Orphan,
    /// On a free page, or on one older than the database.
    Stale,
}

/// What a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Tree,
    Free,
}

/// A b-tree's schema entry.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) is_table: bool,
    pub(super) root: u32,
}

/// What kind of pages a b-tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Table,
    Index,
    /// Whichever kind the root has: a table without rowid is stored like an index.
    Either,
}

/// Cells of one page.
pub(super) struct Leaf<'p> {
    pub(super) at: PageRef,
    pub(super) page: &'p [u8],
    pub(super) cells: &'p [Cell],
    pub(super) rank: Rank,
}

pub(super) struct Trees<'i> {
    image: &'i Image,
    owners: Vec<Owner>,
}

/// The number of any page that is not the first.
pub(super) const ANY_PAGE: u32 = 2;

/// The keys that a page may have: above the first bound, up to the second.
type Bounds = (Option<i64>, Option<i64>);

impl<'i> Trees<'i> {
    pub(super) fn new(image: &'i Image) -> Self {
        Self { image, owners: vec![Owner::Nobody; image.count as usize + 1] }
    }

    /// The readable part of the schema. Other rows in the place of the schema go to
    /// `each`.
    pub(super) fn schema(&mut self, each: &mut dyn FnMut(&Leaf<'_>)) -> Vec<Object> {
        let mut objects = Vec::new();
        let image = self.image;
        self.walk(1, Of::Table, &mut |leaf| {
            for cell in leaf.cells.iter().filter(|_| leaf.rank == Rank::Live) {
                let record = cell.payload.and_then(|payload| image.record(leaf.page, payload));
                objects.extend(record.as_deref().and_then(object));
            }
            each(&Leaf { rank: leaf.rank.max(Rank::Orphan), ..*leaf });
        });
        objects
    }

    /// Calls `each` for the rows of a table's b-tree, or for every cell of an index.
    ///
    /// A page that does not fit its place is left unowned: it may be another
    /// b-tree's. Returns whether the whole b-tree could be read.
    pub(super) fn walk(&mut self, root: u32, of: Of, each: &mut dyn FnMut(&Leaf<'_>)) -> bool {
        let mut is_whole = true;
        let mut of_table = match of {
            Of::Table => Some(true),
            Of::Index => Some(false),
            Of::Either => None,
        };
        let mut left: Vec<(u32, Bounds)> = vec![(root, (None, None))];
        while let Some((number, bounds)) = left.pop() {
            let at = PageRef::Page(number);
            let is_taken =
                self.owners.get(number as usize).is_none_or(|owner| *owner == Owner::Tree);
            let page = if is_taken { None } else { self.image.page(at) };
            let Some(page) = page else {
                is_whole = false;
                continue;
            };
            let Some(node) = page::parse(&page, number, self.image.usable) else {
                is_whole = false;
                // A page in the place of the first page that is not part of a
                // b-tree may be another's.
                if number != 1 {
                    self.owners[number as usize] = Owner::Tree;
                }
                let cells = page::salvage(&page, number, self.image.usable);
                each(&Leaf { at, page: &page, cells: &cells, rank: Rank::Doubtful });
                continue;
            };
            let is_table = *of_table.get_or_insert(node.kind.is_table());
            if node.kind.is_table() != is_table || node.is_exact && !fits(&node, bounds) {
                is_whole = false;
                continue;
            }
            self.owners[number as usize] = Owner::Tree;
            is_whole &= node.is_exact;
            if node.is_exact {
                if node.kind != NodeKind::TableInterior {
                    each(&Leaf { at, page: &page, cells: &node.cells, rank: Rank::Live });
                }
                if node.kind.is_interior() {
                    left.extend(children(&node, bounds));
                }
            } else if node.kind == NodeKind::TableLeaf {
                let cells = page::salvage(&page, number, self.image.usable);
                each(&Leaf { at, page: &page, cells: &cells, rank: Rank::Doubtful });
            }
            // The children of a damaged page are found among the orphans.
        }
        is_whole
    }

    /// Reads the free list; if it is damaged, no page counts as free.
    pub(super) fn mark_free(&mut self) {
        let word = |at| be32(&self.image.header, at).unwrap_or_default();
        let (mut trunk, expected) = (word(32), word(36) as usize);
        let most = self.image.usable / 4 - 2;
        let mut free = Vec::new();
        while trunk != 0 && free.len() < expected {
            let Some(page) = self.image.page(PageRef::Page(trunk)) else { return };
            let word = |at| be32(&page, at).unwrap_or_default();
            let count = word(4) as usize;
            if most < count {
                return;
            }
            free.push(trunk);
            free.extend((0..count).map(|n| word(8 + 4 * n)));
            trunk = word(0);
        }
        let is_page = |number: &u32| 1 < *number && (*number as usize) < self.owners.len();
        if trunk != 0 || free.len() != expected || !free.iter().all(is_page) {
            return;
        }
        for number in free {
            if self.owners[number as usize] == Owner::Nobody {
                self.owners[number as usize] = Owner::Free;
            }
        }
    }

    /// Calls `each` for rows of tables on pages without a b-tree, and on outdated
    /// frames.
    pub(super) fn strays(&self, each: &mut dyn FnMut(&Leaf<'_>)) {
        for number in 1..=self.image.count {
            let rank = match self.owners[number as usize] {
                Owner::Tree => continue,
                Owner::Free => Rank::Stale,
                Owner::Nobody => Rank::Orphan,
            };
            self.stray(PageRef::Page(number), rank, each);
        }
        for frame in self.image.damaged_frames() {
            self.stray(PageRef::Frame(*frame), Rank::Orphan, each);
        }
        for frame in self.image.old_frames() {
            self.stray(PageRef::Frame(*frame), Rank::Stale, each);
        }
    }

    fn stray(&self, at: PageRef, rank: Rank, each: &mut dyn FnMut(&Leaf<'_>)) {
        let Some(page) = self.image.page(at) else { return };
        // It is not the first page, which the schema's b-tree has, so any other
        // number will do.
        match page::parse(&page, ANY_PAGE, self.image.usable) {
            Some(node) if node.kind.is_interior() => {}
            Some(node) if node.is_exact => {
                each(&Leaf { at, page: &page, cells: &node.cells, rank });
            }
            Some(node) if node.kind == NodeKind::TableLeaf => {
                let cells = page::salvage(&page, ANY_PAGE, self.image.usable);
                each(&Leaf { at, page: &page, cells: &cells, rank });
            }
            _ => {}
        }
    }
}

/// Whether the keys of a table's page are within the bounds that its parent gives.
fn fits(node: &Node, (above, upto): Bounds) -> bool {
    let (Some(first), Some(last)) = (node.cells.first(), node.cells.last()) else { return true };
    !node.kind.is_table()
        || above.is_none_or(|above| above < first.key) && upto.is_none_or(|upto| last.key <= upto)
}

/// The children of an interior page, the last one first.
fn children(node: &Node, (above, upto): Bounds) -> Vec<(u32, Bounds)> {
    let mut above = above;
    let mut found = Vec::new();
    for cell in &node.cells {
        found.push((cell.child, (above, Some(cell.key))));
        above = Some(cell.key);
    }
    found.push((node.right, (above, upto)));
    found.reverse();
    found
}

fn object(record: &[u8]) -> Option<Object> {
    match record::decode(record)?[..] {
        [
            Value::Text(kind @ ("table" | "index")),
            Value::Text(name),
            _,
            Value::Integer(root),
            _,
        ] => Some(Object {
            name: name.to_owned(),
            is_table: kind == "table",
            root: u32::try_from(root).ok().filter(|root| 1 < *root)?,
        }),
        _ => None,
    }
}
