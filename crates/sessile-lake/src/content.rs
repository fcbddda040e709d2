//! Reads the content of a lake: lines and chunks, each chain proven by its digest.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::columns::Value;
use crate::error::{Error, Result};
use crate::manifest::Entry;
use crate::place::Place;
use crate::read;
use crate::state::Chain;
use crate::table::Table;

/// A line or chunk.
pub(crate) struct Piece<'a> {
    pub(crate) chain: i64,
    /// Its position, from 0.
    pub(crate) place: i64,
    pub(crate) raw: &'a [u8],
}

/// Proves the chains of a lake. Files must come in the order of the manifest.
pub(crate) struct Proof<'a> {
    chains: &'a HashMap<i64, Chain>,
    /// Chains that have begun and not ended: the next position, and the digest so
    /// far.
    begun: HashMap<i64, (i64, Sha256)>,
    done: u64,
}

impl<'a> Proof<'a> {
    pub(crate) fn new(chains: &'a HashMap<i64, Chain>) -> Self {
        Self { chains, begun: HashMap::new(), done: 0 }
    }

    /// Calls `each` for every line or chunk of a file.
    pub(crate) fn each_piece(
        &mut self,
        lake: &dyn Place,
        entry: &Entry,
        mut each: impl FnMut(&Piece<'_>) -> Result<()>,
    ) -> Result<()> {
        read::each_row(lake, entry, |row| {
            let piece = piece(row).ok_or_else(|| "it holds a row that no export writes".to_owned());
            let piece = piece.and_then(|piece| self.take(&piece, entry.table).map(|()| piece));
            each(&piece.map_err(|reason| Error::damaged(lake.named(&entry.path()), reason))?)
        })
    }

    fn take(&mut self, piece: &Piece<'_>, table: Table) -> Result<(), String> {
        let place = || format!("{} {} of chain {}", table.name(), piece.place + 1, piece.chain);
        let chain = self
            .chains
            .get(&piece.chain)
            .ok_or_else(|| format!("{} belongs to no file", place()))?;
        let (first, end) = chain.rows;
        let is_of_kind = (table == Table::Lines) == chain.is_log;
        let (next, digest) =
            self.begun.entry(piece.chain).or_insert_with(|| (first, Sha256::new()));
        if piece.place != *next || end <= piece.place || !is_of_kind {
            return Err(format!("{} is out of order", place()));
        }
        digest.update(piece.raw);
        *next += 1;
        if *next == end {
            let is_whole = digest.clone().finalize()[..] == chain.sha256[..];
            // Nothing may follow, which the position ensures.
            *digest = Sha256::new();
            self.done += 1;
            if !is_whole {
                return Err(format!(
                    "the chain that ends with {} does not match its digest",
                    place()
                ));
            }
        }
        Ok(())
    }

    /// Fails with the name of a chain whose rows are missing.
    pub(crate) fn finish(self) -> Result<(), String> {
        let is_whole = |(number, chain): &(&i64, &Chain)| {
            let (first, end) = chain.rows;
            first == end || self.begun.get(number).is_some_and(|(next, _)| *next == end)
        };
        match self.chains.iter().filter(|chain| !is_whole(chain)).map(|(number, _)| number).min() {
            None => Ok(()),
            Some(number) => Err(format!("rows of chain {number} are missing")),
        }
    }
}

fn piece<'a>(row: &[Value<'a>]) -> Option<Piece<'a>> {
    match *row {
        [Value::Int(chain), Value::Int(place), Value::Text(text), Value::Null] => {
            Some(Piece { chain, place, raw: text.as_bytes() })
        }
        [Value::Int(chain), Value::Int(place), Value::Null, Value::Bytes(raw)]
        | [Value::Int(chain), Value::Int(place), Value::Bytes(raw)] => {
            Some(Piece { chain, place, raw })
        }
        _ => None,
    }
}
