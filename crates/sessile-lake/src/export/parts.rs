//! Reads the rows of a session: its entries, usage, labels and events.

use rusqlite::Connection;

use super::files::Files;
use super::sessions::{Session, micros};
use super::text::{Words, id_text, sql_text};
use super::tree::{self, Tree};
use crate::columns::Value;
use crate::error::Result;
use crate::table::Table;

/// The tables with a session's rows, in the order of their counts.
pub(super) const PARTS: [Table; 4] = [Table::Entries, Table::Usage, Table::Labels, Table::Events];

/// The index of the column `version` in each of them.
pub(super) const VERSION: usize = 1;

/// What the rows of a session are read from.
pub(super) struct Parts<'a> {
    pub(super) conn: &'a Connection,
    pub(super) session: &'a Session,
    pub(super) tree: &'a Tree,
    pub(super) files: &'a Files,
}

impl Parts<'_> {
    /// Calls `each` with each row, the index of its table in [`PARTS`], and its time.
    pub(super) fn each(
        &self,
        words: &mut Words,
        mut each: impl FnMut(usize, Option<i64>, &mut [Value<'_>]) -> Result<()>,
    ) -> Result<()> {
        self.entries(words, &mut each)?;
        self.usage(&mut each)?;
        self.labels(&mut each)?;
        self.events(&mut each)
    }

    fn entries(
        &self,
        words: &mut Words,
        each: &mut impl FnMut(usize, Option<i64>, &mut [Value<'_>]) -> Result<()>,
    ) -> Result<()> {
        let Self { conn, session, tree, files } = *self;
        // Columns by index: looking them up by name took a tenth of the time.
        let mut stmt = conn.prepare_cached(
            "SELECT entry_key, entry_id, type, role, created_at, line_key, span
         FROM entries
         WHERE entry_key BETWEEN ?1 AND ?2
         ORDER BY entry_key",
        )?;
        let mut rows = stmt.query(tree::keys(session.key))?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            let ordinal = tree::ordinal(key);
            let Some(node) = tree.nodes.get(ordinal) else { continue };
            let id = id_text(row.get_ref(1)?);
            let (kind, role) = (row.get_ref(2)?, row.get_ref(3)?);
            words.learn(conn, key, [kind, role])?;
            let at: Option<i64> = row.get(4)?;
            let line_key: i64 = row.get(5)?;
            let span: Option<i64> = row.get(6)?;
            let chain = files.get(&(line_key >> 32)).map(|file| file.chain);
            each(
                0,
                at,
                &mut [
                    session.key.into(),
                    Value::Null,
                    (ordinal as i64).into(),
                    node.parent.into(),
                    node.depth.into(),
                    node.is_active.into(),
                    Value::from(id.as_deref().unwrap_or_default()),
                    Value::from(words.text(kind).as_deref().unwrap_or_default()),
                    words.text(role).as_deref().into(),
                    micros(at).into(),
                    chain.into(),
                    chain.map(|_| line_key & 0xFFFF_FFFF).into(),
                    span.map(|span| span >> 32).into(),
                    span.map(|span| span & 0xFFFF_FFFF).into(),
                ],
            )?;
        }
        Ok(())
    }

    fn usage(
        &self,
        each: &mut impl FnMut(usize, Option<i64>, &mut [Value<'_>]) -> Result<()>,
    ) -> Result<()> {
        let Self { conn, session, .. } = *self;
        let mut stmt = conn.prepare_cached(
            "SELECT usage.entry_key, entry.created_at, usage.provider, usage.model, usage.input,
                usage.output, usage.cache_read, usage.cache_write, usage.total_tokens, usage.cost,
                usage.copied_from
         FROM usages AS usage
         CROSS JOIN entries AS entry ON entry.entry_key = usage.entry_key
         WHERE usage.entry_key BETWEEN ?1 AND ?2
         ORDER BY usage.entry_key",
        )?;
        let mut rows = stmt.query(tree::keys(session.key))?;
        while let Some(row) = rows.next()? {
            let at: Option<i64> = row.get(1)?;
            let (provider, model) = (sql_text(row.get_ref(2)?), sql_text(row.get_ref(3)?));
            let copied_from = sql_text(row.get_ref(10)?);
            let count = |column: usize| row.get::<_, Option<i64>>(column).map(Value::from);
            each(
                1,
                at,
                &mut [
                    session.key.into(),
                    Value::Null,
                    (tree::ordinal(row.get(0)?) as i64).into(),
                    micros(at).into(),
                    provider.as_deref().into(),
                    model.as_deref().into(),
                    count(4)?,
                    count(5)?,
                    count(6)?,
                    count(7)?,
                    count(8)?,
                    row.get::<_, Option<f64>>(9)?.into(),
                    copied_from.as_deref().into(),
                ],
            )?;
        }
        Ok(())
    }

    fn labels(
        &self,
        each: &mut impl FnMut(usize, Option<i64>, &mut [Value<'_>]) -> Result<()>,
    ) -> Result<()> {
        let Self { conn, session, .. } = *self;
        let mut stmt = conn.prepare_cached(
            "SELECT entry.entry_key, label.target_id, label.label, label.labelled_at
         FROM labels AS label
         LEFT JOIN entries AS entry ON entry.session_key = label.session_key
                                   AND entry.entry_id = label.target_id
         WHERE label.session_key = ?1
         ORDER BY label.position, label.target_id",
        )?;
        let mut rows = stmt.query([session.key])?;
        while let Some(row) = rows.next()? {
            let key: Option<i64> = row.get("entry_key")?;
            let target = id_text(row.get_ref("target_id")?);
            let label = sql_text(row.get_ref("label")?);
            let labelled_at = sql_text(row.get_ref("labelled_at")?);
            each(
                2,
                None,
                &mut [
                    session.key.into(),
                    Value::Null,
                    key.map(|key| tree::ordinal(key) as i64).into(),
                    Value::from(target.as_deref().unwrap_or_default()),
                    label.as_deref().into(),
                    labelled_at.as_deref().into(),
                ],
            )?;
        }
        Ok(())
    }

    fn events(
        &self,
        each: &mut impl FnMut(usize, Option<i64>, &mut [Value<'_>]) -> Result<()>,
    ) -> Result<()> {
        let Self { conn, session, .. } = *self;
        let mut stmt = conn.prepare_cached(
            "SELECT event_id, kind, at, value
         FROM events
         WHERE session_key = ?1
         ORDER BY event_id",
        )?;
        let mut rows = stmt.query([session.key])?;
        while let Some(row) = rows.next()? {
            let kind: String = row.get("kind")?;
            let value: Option<String> = row.get("value")?;
            let at: i64 = row.get("at")?;
            each(
                3,
                Some(at),
                &mut [
                    session.key.into(),
                    Value::Null,
                    row.get::<_, i64>("event_id")?.into(),
                    Value::from(&kind),
                    at.into(),
                    value.as_ref().into(),
                ],
            )?;
        }
        Ok(())
    }
}
