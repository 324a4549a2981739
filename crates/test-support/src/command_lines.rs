//! Whether a program accepts the command lines that documents show.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error, Parser};

use crate::documents::{DocumentedCommand, documented_commands};

/// Values that a placeholder such as `SEQUENCE` or `$sequence` may stand for.
const VALUES: [&str; 6] = [
    "f32",
    "47",
    "0.5",
    "auto",
    "none",
    "4c2f65b1543b3758980bae4966e87c95d53800a1f7db1f77e262d174ea2968a1",
];

/// What an option at the end of a command in a sentence lacks: `mhkd fit --augment`.
const LEFT_OUT: &str = "VALUE";

/// Asserts that every command line of a program in the documents is one that its parser accepts, and that there are at
/// least `expected`. A command in a sentence may lack required arguments; words in capitals are placeholders.
///
/// # Panics
/// When one is not accepted: with all of them.
pub fn assert_documented_commands_are_accepted<P: Parser + CommandFactory>(
    program: &str,
    expected: usize,
) {
    let commands = documented_commands(program);
    assert!(
        commands.len() >= expected,
        "only {} commands",
        commands.len()
    );
    let faults: Vec<_> = commands.iter().filter_map(fault::<P>).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Why a documented command is wrong.
fn fault<P: Parser + CommandFactory>(command: &DocumentedCommand) -> Option<String> {
    let words: Vec<_> = command
        .words
        .iter()
        .filter(|word| *word != "...")
        .cloned()
        .collect();
    let first = words.get(1).map_or("", String::as_str);
    let found = P::command()
        .find_subcommand(first)
        .map(clap::Command::is_hide_set);
    // Hidden commands in sentences are those of processes that `ps` shows.
    let problem = if found == Some(true) && !command.in_prose {
        Some("the command is hidden".to_owned())
    } else {
        let problem = problem::<P>(words.clone(), command.in_prose);
        let problem = problem.filter(|_| {
            !is_option_named(command, &words) || {
                let left_out = vec![LEFT_OUT.to_owned()];
                self::problem::<P>([words.clone(), left_out].concat(), true).is_some()
            }
        });
        problem.map(|error| error.to_string())
    };
    let line = command.words.join(" ");
    problem.map(|problem| format!("{}: {line}\n{problem}", command.place))
}

/// Whether a sentence names an option, whose value it may leave out.
fn is_option_named(command: &DocumentedCommand, words: &[String]) -> bool {
    command.in_prose && words.last().is_some_and(|word| word.starts_with("--"))
}

/// Parses a command line. Placeholders that are not accepted as they are written are replaced by values.
fn problem<P: Parser>(mut words: Vec<String>, in_prose: bool) -> Option<Error> {
    // Each round replaces one placeholder.
    for _ in 0..words.len() {
        let error = P::try_parse_from(&words).err().filter(Error::use_stderr)?;
        match error.kind() {
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                if in_prose =>
            {
                return None;
            }
            ErrorKind::InvalidSubcommand => {
                let name = context(&error, ContextKind::InvalidSubcommand);
                return (!is_placeholder(&name)).then_some(error);
            }
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                let value = context(&error, ContextKind::InvalidValue);
                if value == LEFT_OUT {
                    return None;
                }
                if !is_placeholder(&value) || !replace::<P>(&mut words, &value) {
                    return Some(error);
                }
            }
            _ => return Some(error),
        }
    }
    P::try_parse_from(&words).err().filter(Error::use_stderr)
}

/// Replaces a placeholder by the first value that its argument accepts.
fn replace<P: Parser>(words: &mut [String], placeholder: &str) -> bool {
    let Some(position) = words.iter().position(|word| word.ends_with(placeholder)) else {
        return false;
    };
    let written = words[position].clone();
    for value in VALUES {
        words[position] = written.replace(placeholder, value);
        let refused = P::try_parse_from(&*words)
            .err()
            .is_some_and(|error| context(&error, ContextKind::InvalidValue) == value);
        if !refused {
            return true;
        }
    }
    false
}

fn context(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    }
}

/// Whether a word stands for a value: `SEQUENCE`, `$sequence`.
fn is_placeholder(word: &str) -> bool {
    word.starts_with('$')
        || (!word.is_empty()
            && word
                .chars()
                .all(|character| character.is_ascii_uppercase() || matches!(character, '_' | '-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    enum Cli {
        Show {
            sequence: u64,
            #[arg(long)]
            rate: Option<f64>,
        },
        #[command(hide = true)]
        Internal,
    }

    fn check(line: &str, in_prose: bool, accepted: bool) {
        let command = DocumentedCommand {
            place: "page.md:1".to_owned(),
            words: line.split(' ').map(str::to_owned).collect(),
            in_prose,
        };
        let fault = fault::<Cli>(&command);
        assert_eq!(fault.is_none(), accepted, "{line}: {fault:?}");
    }

    #[test]
    fn command_lines_are_accepted_or_refused_as_by_the_program() {
        check("cli show 7 --rate 0.5", false, true);
        check("cli show 7 --ratio 0.5", false, false);
        check("cli show seven", false, false);
        check("cli list", false, false);
        check("cli show", false, false);
        check("cli internal", false, false);
    }

    #[test]
    fn placeholders_stand_for_values() {
        check("cli show SEQUENCE --rate RATE", false, true);
        check("cli show $sequence", false, true);
        check("cli show SEQUENCE --ratio RATE", false, false);
        check("cli COMMAND", true, true);
    }

    #[test]
    fn command_in_a_sentence_may_lack_arguments() {
        check("cli show", true, true);
        check("cli show 7 --rate", true, true);
        check("cli show ...", true, true);
        check("cli internal", true, true);
        check("cli show --ratio", true, false);
    }
}
