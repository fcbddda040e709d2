//! `sessile show`: a session to read.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use sessile::{CapturedBranch, CapturedEntry, Message, Part, Session, Store};

use super::import::Root;
use super::{place, suggest};
use crate::amounts::{counted, number};
use crate::args::ShowArgs;
use crate::conversation::{Conversation, MessageContent};
use crate::ids::ShortIds;
use crate::output::{self, Output, note, one_line};
use crate::transcript::{Heading, Transcript};

pub(crate) fn run(store: &Store, session: &Session, args: &ShowArgs) -> Result<bool> {
    let transcript = Transcript::new(output::report(), args.full, args.utc);
    let mut shown = Viewer::new(session, transcript)?;
    let seen = session.info()?.leaf;
    match (&args.entry, &args.branch) {
        (Some(entry), _) => shown.around(&suggest::find_entry(session, entry)?.id, args.around)?,
        (None, Some(leaf)) => {
            let path = session.capture_path(&suggest::find_entry(session, leaf)?.id)?;
            let messages = messages(&path.entries);
            shown.messages(&last(messages, args.last.map(NonZeroUsize::get)))?;
        }
        (None, None) if args.all => shown.all()?,
        (None, None) => shown.context(args.last.map(NonZeroUsize::get))?,
    }
    shown.say_what_is_silent()?;
    if args.follow {
        follow(store, session, &mut shown, seen)?;
    } else if output::is_terminal() {
        say_where_it_is(session)?;
    }
    Ok(true)
}

/// Says which session it was: its full id, its file, and how its program continues it.
fn say_where_it_is(session: &Session) -> Result<()> {
    let info = session.info()?;
    let id = info.session_id.as_deref().unwrap_or("no id");
    let file = info.root.join(&info.file);
    let mut told = format!("\n{}\n  {}", one_line(id), one_line(&file.to_string_lossy()));
    // A program continues what is in its own folder on this machine.
    let is_its_own = |(_, home): &Root| home.canonicalize().is_ok_and(|home| home == info.root);
    if info.root.as_os_str().is_empty() || !file.exists() {
        told = format!("\n{}", one_line(id));
    } else if place::homes()?.iter().any(is_its_own)
        && let Some(command) = info.format.resume_command(id, &file)
    {
        let folder = info.work_dir.as_deref().filter(|folder| Path::new(folder).is_dir());
        let folder = folder.map(|folder| format!("cd {} && ", quoted(folder))).unwrap_or_default();
        told = format!("{told}\nto go on in its program:\n  {}", one_line(&(folder + &command)));
    }
    note!("{told}");
    Ok(())
}

/// A word of a shell's command.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// `sessile markdown --full`: the conversation, with nothing truncated.
pub(crate) fn markdown(store: &Store, session: &str) -> Result<bool> {
    let session = store.find(session)?;
    let title = session.info()?.title.unwrap_or_else(|| "Untitled".to_owned());
    let mut shown = Viewer::new(&session, Transcript::new(output::content(), true, true))?;
    writeln!(shown.out(), "# {}\n", one_line(&title))?;
    shown.context(None)?;
    shown.transcript.out.flush()?;
    Ok(true)
}

/// A session that is being shown.
struct Viewer<'a> {
    session: &'a Session,
    transcript: Transcript,
    ids: ShortIds,
    /// The entry that was asked for by its id, which is shown even if it has no
    /// content.
    asked_for: Option<String>,
}

type Placed<'e> = (&'e CapturedEntry, &'e Message);

/// The messages of a path, each with its entry.
fn messages(entries: &[CapturedEntry]) -> Vec<Placed<'_>> {
    entries.iter().flat_map(|entry| entry.messages.iter().map(move |said| (entry, said))).collect()
}

fn last<T>(mut all: Vec<T>, last: Option<usize>) -> Vec<T> {
    let first = all.len().saturating_sub(last.unwrap_or(usize::MAX));
    all.split_off(first)
}

impl<'a> Viewer<'a> {
    fn new(session: &'a Session, transcript: Transcript) -> Result<Self> {
        let ids = ShortIds::new(session.tree()?.into_iter().map(|node| node.id));
        Ok(Self { session, transcript, ids, asked_for: None })
    }

    fn out(&mut self) -> &mut Output {
        &mut self.transcript.out
    }

    /// Shows the context, and notes what it leaves out.
    fn context(&mut self, count: Option<usize>) -> Result<()> {
        // With a count, the user wants to see the end.
        if count.is_none() {
            self.turns()?;
        }
        let path = self.session.capture()?;
        let entries: HashMap<&str, &CapturedEntry> =
            path.entries.iter().map(|entry| (entry.entry.id.as_str(), entry)).collect();
        let context = self.session.context()?;
        let said: Vec<(Option<&CapturedEntry>, &Message)> = context
            .iter()
            .map(|message| (entries.get(message.entry_id.as_str()).copied(), message))
            .collect();
        for (entry, message) in last(said, count) {
            self.message(entry, message)?;
        }
        self.say_what_is_left_out(&path, context.len(), count)
    }

    /// Lists the user's prompts, if the format counts turns.
    fn turns(&mut self) -> Result<()> {
        let turns = self.session.turns()?;
        let clock = self.transcript.clock;
        for turn in &turns {
            let at = turn.created_at.map(|at| format!("{}  ", clock.show(at))).unwrap_or_default();
            writeln!(self.out(), "turn {:>3}  {at}{}", turn.index, one_line(&turn.text))?;
        }
        if !turns.is_empty() {
            writeln!(self.out())?;
        }
        Ok(())
    }

    fn say_what_is_left_out(
        &mut self,
        path: &CapturedBranch,
        shown: usize,
        count: Option<usize>,
    ) -> Result<()> {
        self.out().flush()?;
        let all = messages(&path.entries).len();
        let last = count.unwrap_or(usize::MAX);
        if last < shown {
            note!("the last {} of {}", number(last as u64), counted(shown as u64, "message"));
        }
        if shown < all {
            let (shown, all) = (number(shown as u64), counted(all as u64, "message"));
            note!("{shown} of {all}: the rest is before a compaction; --all shows it");
        }
        match self.session.abandoned()?.len() {
            0 => {}
            1 => note!("another branch is left out; --all, or --branch and its last entry"),
            many => {
                let many = number(many as u64);
                note!("{many} other branches are left out; --all, or --branch and its last entry");
            }
        }
        Ok(())
    }

    /// Shows the active branch, and what each other branch adds.
    fn all(&mut self) -> Result<()> {
        self.turns()?;
        let conversation = Conversation::read(self.session)?;
        let last_of = |run: usize| {
            let last = conversation.runs[run].entries.last();
            last.map_or("the beginning", |entry| &conversation.entries[*entry].entry.id)
        };
        for (n, run) in conversation.runs.iter().enumerate() {
            // A run that follows the one shown before needs no heading.
            if run.parent != n.checked_sub(1) {
                let left = self.ids.of(run.parent.map_or("the beginning", last_of));
                let end = self.ids.of(last_of(conversation.end_of(n)));
                let title = format!("# another branch, from {left} to {end}");
                writeln!(self.out(), "\n{}", one_line(&title))?;
            }
            for entry in &run.entries {
                self.messages(&messages(std::slice::from_ref(&conversation.entries[*entry])))?;
            }
        }
        Ok(())
    }

    /// Counts records without text, which would only be headings.
    fn say_what_is_silent(&mut self) -> Result<()> {
        self.out().flush()?;
        match std::mem::take(&mut self.transcript.silent) {
            0 => {}
            1 => note!("a message without text is left out; --full"),
            many => note!("{} messages without text are left out; --full", number(many as u64)),
        }
        Ok(())
    }

    /// Shows an entry, with a number of messages before and after it on its branch.
    fn around(&mut self, entry_id: &str, count: Option<usize>) -> Result<()> {
        self.asked_for = Some(entry_id.to_owned());
        let Some(count) = count else {
            let path = self.session.capture_path(entry_id)?;
            let Some(entry) = path.entries.last() else { bail!("the entry is on no path") };
            if entry.messages.is_empty() {
                self.say_that_nothing_is_said(Some(entry));
            }
            return self.messages(&messages(std::slice::from_ref(entry)));
        };
        let path = self.branch_with(entry_id)?;
        let at = place_of(&path, entry_id).unwrap_or(0);
        let (before, from) = path.entries.split_at(at);
        let own = from.first().map_or(0, |entry| entry.messages.len());
        if own == 0 {
            self.say_that_nothing_is_said(from.first());
        }
        self.messages(&last(messages(before), Some(count)))?;
        let mut behind = messages(from);
        behind.truncate(count.saturating_add(own));
        self.messages(&behind)
    }

    /// Shows what a branch adds from a position on, after a heading if it does not
    /// follow the last entry shown.
    fn added(&mut self, path: &[CapturedEntry], from: usize, seen: Option<&str>) -> Result<()> {
        self.ids = ShortIds::new(self.session.tree()?.into_iter().map(|node| node.id));
        let left = path[..from].last().map(|entry| entry.entry.id.as_str());
        if seen.is_some() && left != seen && from < path.len() {
            let left = left.map_or("the beginning", |id| self.ids.of(id));
            let title = one_line(&format!("# another branch, from {left}"));
            writeln!(self.out(), "\n{title}")?;
        }
        self.messages(&messages(&path[from..]))?;
        Ok(self.out().flush()?)
    }

    fn say_that_nothing_is_said(&self, entry: Option<&CapturedEntry>) {
        if let Some(CapturedEntry { entry, .. }) = entry {
            let (id, kind) = (self.ids.of(&entry.id), one_line(&entry.entry_type));
            note!(
                "{} is not a message but {kind}; it is line {} of the log",
                one_line(id),
                entry.line
            );
        }
    }

    /// A branch that contains an entry: the active one, if it does. If a program
    /// leaves part of a path out, the branch may end with the entry.
    fn branch_with(&self, entry_id: &str) -> Result<CapturedBranch> {
        let branch = if self.session.is_on_path(entry_id)? {
            self.session.capture()?
        } else {
            self.session.capture_path(&self.end_of_branch(entry_id)?)?
        };
        match place_of(&branch, entry_id) {
            Some(_) => Ok(branch),
            None => Ok(self.session.capture_path(entry_id)?),
        }
    }

    /// The last entry of a branch that contains an entry.
    fn end_of_branch(&self, entry_id: &str) -> Result<String> {
        let mut end = entry_id.to_owned();
        let mut seen = HashSet::new();
        // Follows the newest child; a cycle ends where it began.
        while seen.insert(end.clone())
            && let Some(child) = self.session.children(&end)?.pop()
        {
            end = child.id;
        }
        Ok(end)
    }

    fn messages(&mut self, said: &[Placed<'_>]) -> Result<()> {
        said.iter().try_for_each(|(entry, message)| self.message(Some(entry), message))
    }

    fn message(&mut self, entry: Option<&CapturedEntry>, message: &Message) -> Result<()> {
        let heading = Heading {
            id: self.ids.of(&message.entry_id),
            at: entry.and_then(|entry| entry.entry.created_at),
            model: entry.and_then(|entry| entry.model.as_deref()),
            label: entry.and_then(|entry| entry.entry.label.as_deref()),
        };
        // Results in files of their own are only included with `--full`.
        let mut said = if self.transcript.is_full {
            MessageContent::whole(message, self.session)?
        } else {
            MessageContent::of(message)
        };
        let is_asked_for = self.asked_for.as_ref() == Some(&message.entry_id);
        if said.parts.is_empty()
            && (self.transcript.is_full || is_asked_for)
            && let Some(entry) = entry
        {
            let line = self.session.line_of(&entry.entry)?;
            said.parts.push(Part::Text(String::from_utf8_lossy(&line).into_owned()));
        }
        self.transcript.message(&heading, &said)
    }
}

fn place_of(path: &CapturedBranch, entry_id: &str) -> Option<usize> {
    path.entries.iter().position(|entry| entry.entry.id == entry_id)
}

fn ids_of(path: &CapturedBranch) -> impl Iterator<Item = String> {
    path.entries.iter().map(|entry| entry.entry.id.clone())
}

/// The time between two looks at the database.
const PAUSE: Duration = Duration::from_millis(200);

/// Shows what is added to the active branch, until interrupted. If the session
/// continues from another entry, shows the branch from there.
fn follow(
    store: &Store,
    session: &Session,
    shown: &mut Viewer<'_>,
    mut seen: Option<String>,
) -> Result<()> {
    let mut watch = store.watch()?;
    // The leaf when something was last shown: a branch may be abandoned before it
    // continues.
    let mut last = seen.clone();
    let mut known: HashSet<String> = match &seen {
        Some(leaf) => session.path_to(leaf)?.into_iter().map(|entry| entry.id).collect(),
        None => HashSet::new(),
    };
    loop {
        let leaf = session.info()?.leaf;
        if leaf != seen
            && let Some(leaf) = &leaf
        {
            let path = session.capture_path(leaf)?;
            let from = path.entries.iter().take_while(|entry| known.contains(&entry.entry.id));
            let from = from.count();
            shown.added(&path.entries, from, last.as_deref())?;
            if from < path.entries.len() {
                last = Some(leaf.clone());
            }
            known = ids_of(&path).collect();
        }
        seen = leaf;
        while !watch.changed()? {
            std::thread::sleep(PAUSE);
        }
    }
}
