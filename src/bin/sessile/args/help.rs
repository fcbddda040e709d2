//! Additions to the help texts: commands grouped by purpose, and examples.

use clap::builder::Styles;
use clap::{Command, CommandFactory};

use super::Cli;
use crate::text;

/// The commands by purpose, in the order in which a newcomer needs them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Import", &["sync", "import", "watch", "merge"]),
    (
        "Find and read",
        &[
            "list", "search", "show", "tree", "usage", "stats", "sql", "markdown", "html", "serve",
            "log",
        ],
    ),
    ("Export", &["export", "verify", "dump", "backup"]),
    (
        "Organise",
        &[
            "archive",
            "unarchive",
            "rename",
            "label",
            "tag",
            "untag",
            "set",
            "unset",
            "metadata",
            "trash",
            "restore",
            "purge",
        ],
    ),
    ("Write", &["new", "append", "branch", "fork", "clone", "rpc"]),
    ("Roots", &["roots", "move", "relink", "forget"]),
    ("Maintain", &["check", "problems", "rebuild", "prune", "seal", "recover"]),
    ("Set up", &["completions", "man"]),
];

/// Examples of each command.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "import",
        &[
            "sessile import ~/backup/laptop ~/backup/desk",
            "sessile import --dry-run ~/backup/laptop",
        ],
    ),
    ("sync", &["sessile sync --dry-run", "sessile sync"]),
    ("watch", &["sessile watch", "sessile watch ~/backup/laptop"]),
    ("merge", &["sessile merge laptop.db desk.db", "sessile merge --json ~/backup/laptop"]),
    ("roots", &["sessile roots", "sessile roots --json"]),
    ("forget", &["sessile forget ~/backup/laptop"]),
    ("move", &["sessile move ~/backup /mnt/backup"]),
    ("relink", &["sessile relink ~/work/parser ~/src/parser"]),
    ("verify", &["sessile verify ~/backup/laptop", "sessile verify --json ~/backup/laptop"]),
    ("export", &["sessile export restored", "sessile export --session 6ad4149a one-session"]),
    ("dump", &["sessile dump --session 6ad4149a"]),
    ("list", &["sessile list --query parser --since 2w", "sessile list --json --limit 10"]),
    (
        "search",
        &[
            "sessile search 'frobnicator config'",
            "sessile search --tools --since 2w --role assistant '\"last token\" NOT test*'",
        ],
    ),
    ("tree", &["sessile tree 6ad4149a"]),
    (
        "show",
        &["sessile show 6ad4149a --last 10", "sessile show 6ad4149a --entry 5f2c91d0 --around 3"],
    ),
    ("log", &["sessile log 6ad4149a", "sessile log --raw --line 3 6ad4149a"]),
    ("problems", &["sessile problems", "sessile problems 6ad4149a"]),
    ("stats", &["sessile stats"]),
    (
        "sql",
        &[
            "sessile sql 'SELECT session, title, messages FROM session_list'",
            "sessile sql --json 'SELECT message_text(entry_key) AS text FROM entry_list LIMIT 3'",
        ],
    ),
    ("usage", &["sessile usage --by day --since 2w", "sessile usage --json --by session"]),
    ("check", &["sessile check", "sessile check --json"]),
    ("rebuild", &["sessile rebuild"]),
    ("prune", &["sessile prune --dry-run", "sessile prune --yes"]),
    (
        "seal",
        &["sessile seal --older-than 90d", "sessile seal --archived", "sessile seal 6ad4149a"],
    ),
    ("recover", &["sessile --db damaged.db recover new.db"]),
    ("archive", &["sessile archive 6ad4149a", "sessile archive --older-than 15d"]),
    ("unarchive", &["sessile unarchive 6ad4149a"]),
    ("trash", &["sessile trash 6ad4149a"]),
    ("restore", &["sessile restore 6ad4149a"]),
    ("purge", &["sessile purge 6ad4149a-1c58-4e0b-9a53-0f4f1a2b7c10"]),
    (
        "new",
        &["sessile new --cwd ~/src/parser", "sessile new --cwd . --provider example --model large"],
    ),
    ("append", &["sessile append 6ad4149a --user 'And now?'"]),
    ("branch", &["sessile branch 6ad4149a 5f2c91d0", "sessile branch 6ad4149a --root"]),
    (
        "label",
        &[
            "sessile label 6ad4149a 5f2c91d0 'wrong turn'",
            "sessile label 6ad4149a 5f2c91d0 --clear",
        ],
    ),
    ("rename", &["sessile rename 6ad4149a 'The lost last token'"]),
    ("tag", &["sessile tag 6ad4149a parser bug", "sessile tag 6ad4149a"]),
    ("untag", &["sessile untag 6ad4149a bug"]),
    ("set", &["sessile set 6ad4149a team=core ticket=1234"]),
    ("unset", &["sessile unset 6ad4149a ticket"]),
    ("metadata", &["sessile metadata 6ad4149a"]),
    ("clone", &["sessile clone 6ad4149a"]),
    ("fork", &["sessile fork 6ad4149a --entry 5f2c91d0", "sessile fork 3c6da6fd --turn 2"]),
    ("html", &["sessile html 6ad4149a --out session.html"]),
    ("serve", &["sessile serve --open", "sessile serve --port 8080"]),
    ("markdown", &["sessile markdown 6ad4149a", "sessile markdown --full 6ad4149a"]),
    ("rpc", &["sessile rpc", "sessile rpc --schema"]),
    ("backup", &["sessile backup copy.db"]),
    ("completions", &["sessile completions bash"]),
    ("man", &["sessile man ~/.local/share/man/man1"]),
];

/// The longest line of help; longer ones are hard to read.
const WIDEST: usize = 100;

/// The column in which descriptions of commands start.
const INDENT: usize = 15;

/// The command line with its complete help.
pub(crate) fn command() -> Command {
    let mut command = Cli::command().max_term_width(WIDEST);
    for (name, examples) in EXAMPLES {
        let examples = examples.join("\n  ");
        command = command
            .mut_subcommand(name, |command| command.after_help(format!("Examples:\n  {examples}")));
    }
    let styles = Styles::styled();
    let header = styles.get_header();
    let commands = listed(&command, text::terminal_width().min(WIDEST));
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{commands}{header}Options:{header:#}\n{{options}}\n\n\
         `sessile help COMMAND` has the options and examples of one.\n"
    ))
}

/// The groups and the description of each command, wrapped.
fn listed(command: &Command, width: usize) -> String {
    let mut text = String::new();
    let styles = Styles::styled();
    let header = styles.get_header();
    for (group, names) in GROUPS {
        text.push_str(&format!("{header}{group}:{header:#}\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let lines = text::wrapped(&about, width.saturating_sub(INDENT));
            text.push_str(&format!("  {name:<13}{}\n", lines.join(&format!("\n{:INDENT$}", ""))));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn names() -> Vec<String> {
        Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
    }

    #[test]
    fn the_help_lists_each_command_once() {
        let mut listed: Vec<_> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut names = names();
        listed.sort_unstable();
        names.sort_unstable();

        assert_eq!(listed, names);
    }

    #[test]
    fn no_line_of_the_help_is_wider_than_it_may_be() {
        for width in [40, 60, 80, 100] {
            let text = listed(&command(), width);
            assert!(text.lines().all(|line| text::columns(line) <= width), "{width}: {text}");
        }
    }

    #[test]
    fn each_command_has_an_example_and_each_example_can_be_typed() {
        for name in names() {
            let examples = EXAMPLES.iter().find(|(of, _)| *of == name).map(|(_, all)| *all);
            let examples = examples.unwrap_or_else(|| panic!("{name} has no example"));
            for example in examples {
                let parsed = Cli::try_parse_from(typed(example)).map(|_| ());
                assert!(parsed.is_ok(), "{example}: {parsed:?}");
                assert!(typed(example).contains(&name), "{example} is of {name}");
            }
        }
    }

    /// Splits words like a shell; text in single quotes is one word.
    fn typed(example: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (n, part) in example.split('\'').enumerate() {
            match n % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }
}
