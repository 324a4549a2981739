//! Splits a shell script into commands and their words, as far as documents use the shell: quotes, comments, continued
//! lines, redirections, command substitution, and the operators between commands.

use std::iter::Peekable;
use std::str::Chars;

/// Words before a program that are not its name.
const PREFIXES: [&str; 9] = [
    "sudo", "time", "exec", "if", "while", "until", "do", "then", "!",
];

/// The commands of a script in their order, each as its words; assignments and redirections are left out.
pub(crate) fn commands(script: &str) -> Vec<Vec<String>> {
    let mut splitter = Splitter::default();
    splitter.read(script);
    splitter
        .commands
        .iter()
        .filter_map(|words| program(words))
        .collect()
}

/// A command without assignments and prefixes before the program; `None` if nothing is left.
fn program(mut words: &[String]) -> Option<Vec<String>> {
    let is_before = |word: &String| PREFIXES.contains(&word.as_str()) || is_assignment(word);
    loop {
        words = match words {
            // `sudo -u inspectd PROGRAM`
            [sudo, option, _, rest @ ..] if sudo == "sudo" && option == "-u" => rest,
            [word, rest @ ..] if is_before(word) => rest,
            _ => break,
        };
    }
    (!words.is_empty()).then(|| words.to_vec())
}

/// Whether a word sets a variable: `NAME=value`.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || character == '_')
    })
}

#[derive(Default)]
struct Splitter {
    commands: Vec<Vec<String>>,
    command: Vec<String>,
    word: Option<String>,
    /// Whether the next word is the file of a redirection.
    redirected: bool,
}

impl Splitter {
    fn read(&mut self, script: &str) {
        let mut characters = script.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some('\n') | None => self.end_word(),
                    Some(escaped) => self.push(escaped),
                },
                '\'' => self.quote(&mut characters),
                '"' => self.double_quote(&mut characters),
                '$' if characters.peek() == Some(&'(') => self.substitution(&mut characters),
                '#' if self.word.is_none() => {
                    while characters.next_if(|&next| next != '\n').is_some() {}
                }
                '>' | '<' => self.redirection(&mut characters),
                '\n' | ';' | '|' | '&' | '(' | ')' => self.end_command(),
                ' ' | '\t' => self.end_word(),
                other => self.push(other),
            }
        }
        self.end_command();
    }

    fn push(&mut self, character: char) {
        self.word.get_or_insert_default().push(character);
    }

    fn quote(&mut self, characters: &mut Peekable<Chars<'_>>) {
        let word = self.word.get_or_insert_default();
        word.extend(characters.take_while(|&next| next != '\''));
    }

    fn double_quote(&mut self, characters: &mut Peekable<Chars<'_>>) {
        self.word.get_or_insert_default();
        while let Some(character) = characters.next() {
            match character {
                '"' => return,
                '\\' => self.word.get_or_insert_default().extend(characters.next()),
                '$' if characters.peek() == Some(&'(') => self.substitution(characters),
                other => self.push(other),
            }
        }
    }

    /// `$(...)`: its commands come first, and its output is the word `$`.
    fn substitution(&mut self, characters: &mut Peekable<Chars<'_>>) {
        characters.next();
        let mut depth = 1;
        let mut inner = String::new();
        for character in characters.by_ref() {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            if depth == 0 {
                break;
            }
            inner.push(character);
        }
        let mut splitter = Self::default();
        splitter.read(&inner);
        self.commands.append(&mut splitter.commands);
        self.push('$');
    }

    fn redirection(&mut self, characters: &mut Peekable<Chars<'_>>) {
        // The number of a descriptor: `2>`.
        if self
            .word
            .as_ref()
            .is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()))
        {
            self.word = None;
        }
        self.end_word();
        while characters
            .next_if(|next| matches!(next, '>' | '&'))
            .is_some()
        {}
        self.redirected = true;
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if !std::mem::take(&mut self.redirected) {
            self.command.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirected = false;
        let command = std::mem::take(&mut self.command);
        if !command.is_empty() {
            self.commands.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, expected: &[&[&str]]) {
        assert_eq!(commands(script), expected, "{script}");
    }

    #[test]
    fn script_is_split_into_the_words_of_its_commands() {
        check("a b  c", &[&["a", "b", "c"]]);
        check("a 'b c' \"d $e\" f\\ g", &[&["a", "b c", "d $e", "f g"]]);
        check("a ''", &[&["a", ""]]);
        check("a \\\n    b # comment\nc", &[&["a", "b"], &["c"]]);
        check("a#b", &[&["a#b"]]);
        check("# only a comment", &[]);
    }

    #[test]
    fn operators_separate_commands() {
        check(
            "a && b || c; d | e & f",
            &[&["a"], &["b"], &["c"], &["d"], &["e"], &["f"]],
        );
        check("(a b)", &[&["a", "b"]]);
    }

    #[test]
    fn assignments_prefixes_and_redirections_are_left_out() {
        check("X=1 sudo a >b 2>/dev/null <c", &[&["a"]]);
        check("sudo -u inspectd a b", &[&["a", "b"]]);
        check("a >>b c", &[&["a", "c"]]);
        check("a 2>&1 | b", &[&["a"], &["b"]]);
        check("while a; do b; done", &[&["a"], &["b"], &["done"]]);
        check("export X=1", &[&["export", "X=1"]]);
        check("X=1", &[]);
    }

    #[test]
    fn commands_of_a_substitution_are_commands() {
        check(
            "a $(b \"$(c d)\" e) f",
            &[&["c", "d"], &["b", "$", "e"], &["a", "$", "f"]],
        );
        check("a \"x $(b) y\"", &[&["b"], &["a", "x $ y"]]);
    }
}
