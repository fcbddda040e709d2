//! What is done to sessions.

use proptest::sample::Index;
use sessile::{Error, Format, Kward, RuntimeUpdate, Session, SessionKey};

use super::{Change, Outcome, World, dump, failed, same};
use crate::sequences::program::Decision;

/// A session that a decision is about.
struct Chosen {
    key: SessionKey,
    format: Format,
    root: usize,
    file: String,
    leaf: Option<String>,
    work_dir: Option<String>,
}

/// What records beside the tree are written by.
fn records_of(session: &Session) -> sessile::Result<Kward<'_>> {
    session.kward().ok_or(Error::Unsupported("no such records"))
}

impl World {
    pub(super) fn decide(&mut self, session: Index, decision: &Decision) -> Outcome<Change> {
        let all = self.sessions();
        if all.is_empty() {
            return Ok(Change::Nothing);
        }
        let (root, file) = session.get(&all).clone();
        let key = self.key(root, &file);
        let info = self.store.session(key).and_then(|session| session.info()).map_err(failed)?;
        let chosen = Chosen {
            key,
            format: info.format,
            root,
            file,
            leaf: info.leaf,
            work_dir: info.work_dir,
        };
        let before = dump(&self.store);
        match self.carry_out(&chosen, decision) {
            Ok(change) => {
                self.touched.insert((chosen.root, chosen.file));
                change
            }
            Err(err) if is_refusal(&err) => {
                same("a refused call leaves a store that dumps", &before, &dump(&self.store))?;
                Ok(Change::Nothing)
            }
            Err(err) => Err(failed(err)),
        }
    }

    /// Does it, and notes what was decided; the outer error is the store's.
    fn carry_out(
        &mut self,
        chosen: &Chosen,
        decision: &Decision,
    ) -> sessile::Result<Outcome<Change>> {
        let (key, at) = (chosen.key, self.now());
        let live = self.store.session(key)?.at(at);
        let own = live.with_id(&format!("n{}", self.step));
        let decided = self.decided.entry(key).or_default();
        match decision {
            Decision::Archive => {
                self.store.session(key)?.at(at).archive()?;
                self.put_away(chosen, true);
            }
            Decision::Unarchive => {
                self.store.session(key)?.at(at).unarchive()?;
                self.put_away(chosen, false);
            }
            Decision::Trash => {
                self.store.session(key)?.at(at).trash()?;
                decided.is_trashed = true;
            }
            Decision::Restore => {
                self.store.session(key)?.at(at).restore()?;
                decided.is_trashed = false;
            }
            Decision::TrashIfUnused => decided.is_trashed |= live.delete_if_unused()?,
            Decision::Purge => {
                let paths = self.paths_of(key);
                self.unname_threads();
                self.store.session(key)?.purge()?;
                self.decided.remove(&key);
                return Ok(Ok(Change::Purged(paths)));
            }
            Decision::Relink(to) => {
                let to = *to.get(&["/w", "/v", "/home/me/alpha", "/else\0where"]);
                if let Some(from) = &chosen.work_dir {
                    self.store.relink(from, to, at)?;
                    self.touch_all();
                }
            }
            Decision::Remember => self.store.session(key)?.at(at).remember()?,
            Decision::Clone | Decision::Fork(_) | Decision::ForkTurn(_) => {
                let made = self.copy(chosen, &live.with_id(&self.copy_id()), decision)?;
                return self.made(chosen, &made);
            }
            _ => return self.write(chosen, &live, &own, decision),
        }
        Ok(Ok(match chosen.format {
            Format::Kimi => Change::State(chosen.root),
            Format::Codex => Change::Threads,
            _ => Change::Nothing,
        }))
    }

    fn copy(
        &self,
        chosen: &Chosen,
        live: &Session,
        decision: &Decision,
    ) -> sessile::Result<Session> {
        match decision {
            Decision::Fork(entry) => Ok(live.fork(&self.entry(chosen, *entry))?.session),
            Decision::ForkTurn(turn) => {
                let kimi = live.kimi().ok_or(Error::Unsupported("no turns"))?;
                Ok(kimi.fork_at_turn(*turn)?.session)
            }
            _ => live.clone_session(),
        }
    }

    /// What a session's own program would write.
    fn write(
        &mut self,
        chosen: &Chosen,
        live: &Session,
        own: &Session,
        decision: &Decision,
    ) -> sessile::Result<Outcome<Change>> {
        if let Some(expected) = self.move_leaf(chosen, live, own, decision)? {
            let found = self.store.session(chosen.key)?.info()?.leaf;
            if found != expected {
                return Ok(Err(format!("the leaf is {found:?}, expected {expected:?}")));
            }
        } else {
            self.record(chosen, live, own, decision)?;
        }
        let most =
            if matches!(decision, Decision::Runtime(_) | Decision::Compact(_)) { 2 } else { 1 };
        Ok(Ok(match chosen.format {
            Format::Kimi => Change::State(chosen.root),
            Format::Codex => Change::Threads,
            _ => Change::Lines(chosen.root, chosen.file.clone(), most),
        }))
    }

    /// Takes a decision by which the leaf is known, and returns that; `None` for others.
    fn move_leaf(
        &self,
        chosen: &Chosen,
        live: &Session,
        own: &Session,
        decision: &Decision,
    ) -> sessile::Result<Option<Option<String>>> {
        let is_pi = chosen.format == Format::Pi;
        let json = |text: &str| serde_json::Value::from(text).to_string();
        Ok(Some(match decision {
            Decision::Message(text) => {
                let message = format!("{{\"role\":\"user\",\"content\":{}}}", json(text));
                Some(own.append_message(&message)?)
            }
            Decision::Compact(kept) => {
                let kept = json(&self.entry(chosen, *kept));
                Some(own.append_compaction(&if is_pi {
                    format!("{{\"summary\":\"s\",\"firstKeptEntryId\":{kept}}}")
                } else {
                    format!(
                        "{{\"role\":\"compactionSummary\",\"summary\":\"s\",\
                         \"first_kept_entry_id\":{kept}}}"
                    )
                })?)
            }
            Decision::Branch(to) => {
                let to = self.entry(chosen, *to);
                live.branch(&to)?;
                Some(to).filter(|to| is_pi || !to.is_empty())
            }
            Decision::ResetLeaf => {
                live.reset_leaf()?;
                None
            }
            _ => return Ok(None),
        }))
    }

    fn record(
        &mut self,
        chosen: &Chosen,
        live: &Session,
        own: &Session,
        decision: &Decision,
    ) -> sessile::Result<()> {
        match decision {
            Decision::Record(records) => {
                live.append_record(match chosen.format {
                    Format::Pi => &records.pi,
                    Format::Claude => &records.claude,
                    Format::Codex => &records.codex,
                    _ => &records.kward,
                })?;
                // Whatever it says of names and labels.
                let decided = self.decided.entry(chosen.key).or_default();
                decided.name = None;
                decided.labels.clear();
            }
            Decision::Navigate(to) => drop(live.navigate(&self.entry(chosen, *to))?),
            Decision::Label(target, label) => {
                let target = self.entry(chosen, *target);
                own.append_label_change(&target, label.as_deref())?;
                self.note_label(chosen, target, label.clone());
            }
            Decision::LabelUnknown(target) => {
                own.append_label_change(target, Some("l"))?;
                self.note_label(chosen, target.clone(), Some("l".to_owned()));
            }
            Decision::Rename(name) => {
                own.rename(name.as_deref())?;
                if chosen.format == Format::Codex {
                    self.unname_threads();
                }
                self.decided.entry(chosen.key).or_default().name = Some(name.clone());
            }
            Decision::Runtime(model) => {
                live.update_runtime(RuntimeUpdate {
                    provider: Some("p"),
                    model: Some(model),
                    reasoning_effort: Some("high"),
                })?;
            }
            Decision::Prompt(text) => {
                drop(records_of(live)?.append_system_prompt_snapshot(text, "r")?);
            }
            Decision::Memory => records_of(live)?.update_memory_state("[1]", "null")?,
            Decision::Tool => {
                let call = r#"{"id":"c","function":{"name":"read","arguments":"{}"}}"#;
                records_of(live)?.append_tool_execution(call, "done")?;
            }
            _ => {}
        }
        Ok(())
    }

    fn note_label(&mut self, chosen: &Chosen, target: String, label: Option<String>) {
        // pi keeps the white space; a label of nothing is none.
        let strip = |label: String| match chosen.format {
            Format::Pi => label,
            _ => label
                .trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{b}'))
                .to_owned(),
        };
        let label = label.map(strip).filter(|label| !label.is_empty());
        self.decided.entry(chosen.key).or_default().labels.insert(target, label);
    }

    fn put_away(&mut self, chosen: &Chosen, is_archived: bool) {
        if chosen.format == Format::Codex {
            self.unname_threads();
        }
        self.decided.entry(chosen.key).or_default().is_archived = Some(is_archived);
    }

    /// A session was made of another.
    fn made(&mut self, of: &Chosen, made: &Session) -> sessile::Result<Outcome<Change>> {
        let info = made.info()?;
        let file = info.file.display().to_string();
        self.touched.insert((of.root, file));
        Ok(Ok(match of.format {
            Format::Codex => Change::Threads,
            _ => Change::NewFiles(of.root),
        }))
    }

    fn copy_id(&self) -> String {
        format!("{:08x}-0000-4000-8000-000000000000", self.step)
    }

    /// The id of some entry; the leaf, or of none, where there is no other.
    fn entry(&self, chosen: &Chosen, index: Index) -> String {
        let nodes = self.store.session(chosen.key).unwrap().tree().unwrap();
        if nodes.is_empty() {
            chosen.leaf.clone().unwrap_or_default()
        } else {
            index.get(&nodes).id.clone()
        }
    }
}

/// What a call may answer without anything being wrong.
fn is_refusal(err: &Error) -> bool {
    matches!(
        err,
        Error::SessionNotFound(_)
            | Error::EntryNotFound { .. }
            | Error::TurnNotFound { .. }
            | Error::Unsupported(_)
            | Error::EntryExists { .. }
            | Error::SessionExists(_)
            | Error::InvalidRecord(_)
            | Error::TargetExists(_)
    )
}
