//! Nothing is said twice: whoever corrects a sentence need not look for its copies.

use std::collections::BTreeMap;

use crate::harness::markdown::{Page, Pages};
use crate::pages::links::prose;

/// The fewest characters of a sentence that says something of its own.
const SENTENCE: usize = 60;

/// The sentences of a page, outside of snippets, tables and headings.
fn sentences(page: &Page) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in prose(page).map(str::trim) {
        let ends = line.is_empty() || line.starts_with(['|', '#', '<']);
        if ends || line.starts_with("- ") {
            paragraphs.push(String::new());
        }
        if !ends {
            let last = paragraphs.last_mut().expect("a paragraph");
            *last += line;
            last.push(' ');
        }
    }
    let ends = [". ", ": ", "; "];
    let whole = paragraphs.iter().flat_map(|paragraph| {
        let mut parts = vec![paragraph.as_str()];
        for end in ends {
            parts = parts.iter().flat_map(|part| part.split(end)).collect();
        }
        parts
    });
    let long = whole.filter(|sentence| sentence.chars().count() >= SENTENCE);
    long.map(|sentence| sentence.trim().to_owned()).collect()
}

#[test]
fn nothing_is_said_twice() {
    let pages = Pages::read();
    let mut said = BTreeMap::new();
    for page in &pages.all {
        for sentence in sentences(page) {
            let before = said.insert(sentence.clone(), &page.path);
            if let Some(before) = before.filter(|before| **before != page.path) {
                panic!("{before} and {} both say: {sentence}", page.path);
            }
        }
    }
    assert!(said.len() > 600, "{} sentences", said.len());
}
