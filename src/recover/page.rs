//! Parses pages of b-trees, by SQLite's file format.
//!
//! Every offset is checked, because the bytes may be anything.

/// Reads a varint; returns its value and its length in bytes.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (n, byte) in bytes.iter().take(9).enumerate() {
        if n == 8 {
            return Some((value << 8 | u64::from(*byte), 9));
        }
        value = value << 7 | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Some((value, n + 1));
        }
    }
    None
}

pub(super) fn be16(bytes: &[u8], at: usize) -> Option<usize> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(two[0]) << 8 | usize::from(two[1]))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_be_bytes(four))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeKind {
    IndexInterior,
    TableInterior,
    IndexLeaf,
    TableLeaf,
}

impl NodeKind {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            2 => Some(Self::IndexInterior),
            5 => Some(Self::TableInterior),
            10 => Some(Self::IndexLeaf),
            13 => Some(Self::TableLeaf),
            _ => None,
        }
    }

    pub(super) fn is_interior(self) -> bool {
        matches!(self, Self::IndexInterior | Self::TableInterior)
    }

    pub(super) fn is_table(self) -> bool {
        matches!(self, Self::TableInterior | Self::TableLeaf)
    }
}

/// Where a record is: in its page, and then in a chain of overflow pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    pub(super) at: usize,
    pub(super) local: usize,
    pub(super) size: usize,
    /// The first overflow page; 0 if there is none.
    pub(super) overflow: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) at: usize,
    end: usize,
    /// The rowid; 0 in an index.
    pub(super) key: i64,
    /// The left child of an interior cell; else 0.
    pub(super) child: u32,
    /// `None` in interior pages of tables.
    pub(super) payload: Option<Payload>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) cells: Vec<Cell>,
    /// The rightmost child of an interior page; else 0.
    pub(super) right: u32,
    /// Whether every byte of the page is accounted for and the keys ascend, as SQLite
    /// itself checks.
    pub(super) is_exact: bool,
}

/// Where the b-tree header begins: on the first page, after the database header.
fn start_of(number: u32) -> usize {
    if number == 1 { 100 } else { 0 }
}

/// Parses a page; `None` if it is not a page of a b-tree.
///
/// `usable` is the size of the page without its reserved end.
pub(super) fn parse(page: &[u8], number: u32, usable: usize) -> Option<Node> {
    let page = page.get(..usable)?;
    let start = start_of(number);
    let kind = NodeKind::from_byte(*page.get(start)?)?;
    let header = if kind.is_interior() { 12 } else { 8 };
    let right = if kind.is_interior() { be32(page, start + 8)? } else { 0 };
    let count = be16(page, start + 3)?;
    let pointers = start + header;
    let mut cells = Vec::new();
    let mut is_exact = pointers + 2 * count <= usable;
    for n in 0..count {
        let Some(at) = be16(page, pointers + 2 * n) else { break };
        match cell(page, at, kind) {
            Some(cell) => cells.push(cell),
            None => is_exact = false,
        }
    }
    let rises = |two: &[Cell]| two[0].key < two[1].key;
    is_exact &= !kind.is_table() || cells.windows(2).all(rises);
    is_exact = is_exact && is_filled(page, start, pointers + 2 * count, &cells);
    Some(Node { kind, cells, right, is_exact })
}

/// Whether cells, free blocks and fragments fill the page without gaps and overlaps.
fn is_filled(page: &[u8], start: usize, pointers_end: usize, cells: &[Cell]) -> bool {
    let (Some(first_free), Some(content), Some(fragments)) =
        (be16(page, start + 1), be16(page, start + 5), page.get(start + 7))
    else {
        return false;
    };
    let content = if content == 0 { 65_536 } else { content };
    if content < pointers_end || page.len() < content {
        return false;
    }
    let mut extents: Vec<(usize, usize)> = cells.iter().map(|cell| (cell.at, cell.end)).collect();
    let mut free = first_free;
    while free != 0 {
        let (Some(next), Some(size)) = (be16(page, free), be16(page, free + 2)) else {
            return false;
        };
        if size < 4 || (next != 0 && next <= free) {
            return false;
        }
        extents.push((free, free + size));
        free = next;
    }
    extents.sort_unstable();
    let mut gaps = 0;
    let mut behind = content;
    for (at, end) in extents {
        if at < behind || page.len() < end {
            return false;
        }
        gaps += at - behind;
        behind = end;
    }
    gaps + page.len() - behind == usize::from(*fragments)
}

/// Every cell that a damaged leaf of a table may still have.
///
/// The page's type and cell count are not trusted: pointers are read up to the first
/// cell.
pub(super) fn salvage(page: &[u8], number: u32, usable: usize) -> Vec<Cell> {
    let Some(page) = page.get(..usable) else { return Vec::new() };
    let mut found = Vec::new();
    let mut at = start_of(number) + 8;
    let mut lowest = usable;
    while let (Some(pointer), true) = (be16(page, at), at + 2 <= lowest) {
        at += 2;
        if pointer < at {
            continue;
        }
        if let Some(cell) = cell(page, pointer, NodeKind::TableLeaf) {
            lowest = lowest.min(pointer);
            found.push(cell);
        }
    }
    found
}

/// The cell at an offset in a page of this kind.
pub(super) fn cell(page: &[u8], at: usize, kind: NodeKind) -> Option<Cell> {
    let mut next = at;
    let mut child = 0;
    if kind.is_interior() {
        child = be32(page, next)?;
        next += 4;
    }
    let mut size = None;
    if kind != NodeKind::TableInterior {
        let (value, length) = varint(page.get(next..)?)?;
        size = Some(usize::try_from(value).ok().filter(|size| *size <= i32::MAX as usize)?);
        next += length;
    }
    let mut key = 0;
    if kind.is_table() {
        let (value, length) = varint(page.get(next..)?)?;
        key = value.cast_signed();
        next += length;
    }
    let mut payload = None;
    if let Some(size) = size {
        let local = local_size(size, page.len(), kind);
        let end = next.checked_add(local)?;
        let is_whole = local == size;
        page.get(next..end)?;
        let overflow = if is_whole { 0 } else { be32(page, end)? };
        payload = Some(Payload { at: next, local, size, overflow });
        next = if is_whole { end } else { end + 4 };
    }
    // No cell is shorter than a free block.
    Some(Cell { at, end: next.max(at + 4), key, child, payload })
}

/// How many bytes of a record are in its page.
fn local_size(size: usize, usable: usize, kind: NodeKind) -> usize {
    let most = match kind {
        NodeKind::TableLeaf => usable.saturating_sub(35),
        _ => (usable.saturating_sub(12) * 64 / 255).saturating_sub(23),
    };
    if size <= most {
        return size;
    }
    let least = (usable.saturating_sub(12) * 32 / 255).saturating_sub(23);
    let fitting = least + (size.saturating_sub(least)) % (usable.saturating_sub(4).max(1));
    if fitting <= most { fitting } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_lengths_are_read() {
        assert_eq!(varint(&[0x05]), Some((5, 1)));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, 2)));
        assert_eq!(varint(&[0xFF; 9]), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0xFF; 8]), None);
        assert_eq!(varint(&[]), None);
    }

    #[test]
    fn any_bytes_are_a_page_or_none() {
        let mut state = 7_u64;
        let mut page = vec![0_u8; 512];
        for round in 0..20_000 {
            for byte in &mut page {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 56) as u8;
            }
            page[0] = [2, 5, 10, 13][round % 4];
            // A small count of cells is more likely to fit into the page.
            page[3] = 0;
            parse(&page, 2, 512);
            parse(&page, 1, 480);
            salvage(&page, 2, 512);
        }
    }
}
