//! The page of a study: one file without scripts, for the screen and for paper. The template escapes all texts.

mod agreement;
mod chart;
mod doubtful;
mod gauge;
mod measurements;
mod number;
mod summary;
mod type1;

use std::fmt::Write as _;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::evaluation::Evaluation;

const STYLE: &str = include_str!("style.css");

/// Returns the page.
pub fn html(evaluation: &Evaluation) -> String {
    let title = if evaluation.study.subject.is_empty() {
        "Acceptance of the inspection"
    } else {
        &evaluation.study.subject
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light";
                title { (title) " - acceptance" }
                style { (PreEscaped(STYLE)) (PreEscaped(footer(title, &evaluation.study.id))) }
            }
            body {
                (summary::section(evaluation, title))
                @for study in &evaluation.type1 { (type1::section(evaluation, study)) }
                @if let Some(agreement) = &evaluation.agreement { (agreement::section(evaluation, agreement)) }
                @if let Some(agreement) = &evaluation.agreement { (doubtful::section(evaluation, agreement)) }
                @if let Some(gauge) = &evaluation.gauge { (gauge::section(evaluation, gauge)) }
                (measurements::section(evaluation))
            }
        }
    };
    // A number and its unit stay on one line.
    page.into_string().replace(" %", "\u{a0}%")
}

/// The rule that prints title and study at the foot of each page.
fn footer(title: &str, study: &str) -> String {
    let text = css_text(&format!("{title}, study {study}"));
    format!(
        "@page {{ @bottom-left {{ content: \"{text}\"; font: 9pt Roboto, Arial, sans-serif; color: #59636d; }} }}"
    )
}

/// A text within quotes of a style sheet: all but letters, digits and spaces are escaped.
fn css_text(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if letter.is_alphanumeric() || letter == ' ' {
            escaped.push(letter);
        } else {
            // A space ends the escape.
            let _ = write!(escaped, "\\{:x} ", u32::from(letter));
        }
    }
    escaped
}

/// A section that begins on a page of its own.
fn section(heading: &str, content: &Markup) -> Markup {
    html! { section { h2 { (heading) } (content) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_the_quotes_of_the_style_sheet() {
        let rule = footer("a\"}</style><b> ü", "1-2");
        assert!(!rule.contains('<') && !rule.contains("a\"}"), "{rule}");
        assert!(rule.contains("a\\22 \\7d \\3c \\2f style"), "{rule}");
        assert!(rule.contains(" ü\\2c  study 1\\2d 2"), "{rule}");
    }
}
