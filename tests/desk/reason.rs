//! `reason`: of every reason there is, what the page says of it.

use crate::harness::markdown::{Pages, span};
use cognito_authorizer::refusal::Reason;
use std::process::Command;

fn reason(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"));
    let output = command.arg("reason").args(arguments).output();
    let output = output.expect("the tool starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code(), text)
}

/// The words of a text, however its lines are broken, without links' targets and brackets.
fn words(text: &str) -> Vec<&str> {
    let words =
        text.split(|character: char| character.is_whitespace() || "[]()".contains(character));
    let target = |word: &&str| word.contains(".md") || word.starts_with('#') || word.is_empty();
    words.filter(|word| !target(word)).collect()
}

#[test]
fn every_reason_is_explained_in_the_words_of_the_page() {
    let pages = Pages::read();
    let table = pages.table("reasons");
    assert_eq!(table.rows.len(), Reason::ALL.len());
    for row in &table.rows {
        let code = span(&row[0]);
        let (status, text) = reason(&[code]);
        assert_eq!(status, Some(0), "{code}");
        let answer = format!("{code}: {} {{\"message\":", row[table.column("status")]);
        assert!(text.starts_with(&answer), "{text}");
        let paragraphs: Vec<_> = text.split("\n\n").collect();
        let [_, when, remedy, counted] = paragraphs[..] else {
            panic!("{text}")
        };
        assert_eq!(
            words(when),
            words(&format!("When: {}", row[table.column("when")]))
        );
        let expected = format!("What to do: {}", row[table.column("what to do")]);
        assert_eq!(words(remedy), words(&expected));
        // What is counted there can be asked about as it is.
        let (_, metric) = counted.rsplit_once(' ').expect("a metric");
        assert_eq!(reason(&[metric.trim_end()]), (Some(0), text.clone()));
    }
}

#[test]
fn without_a_code_all_are_listed() {
    let (status, text) = reason(&[]);
    assert_eq!(status, Some(0));
    let codes: Vec<_> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(codes, Reason::ALL.map(Reason::code));
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest < Some(100), "{text}");
}

#[test]
fn an_unknown_code_is_no_answer() {
    for unknown in ["wrong_cleint", "", ".", "denied.", "wrong_client "] {
        assert_eq!(reason(&[unknown]), (Some(2), String::new()), "{unknown:?}");
    }
}
