//! Commands, paths, links and versions: all of them lead somewhere.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::harness::markdown::{Page, file, spans};

fn exists(path: &str) -> bool {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(path)
        .exists()
}

/// The targets that are commands, as the Makefile lists them.
fn targets() -> BTreeSet<String> {
    let makefile = file("Makefile").replace("\\\n", " ");
    let phony = makefile
        .lines()
        .filter_map(|line| line.strip_prefix(".PHONY:"));
    phony
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}

/// The targets in `make this` and `make this that`.
fn made(text: &str) -> BTreeSet<String> {
    let commands = text.split("make ").skip(1).filter_map(|after| {
        let word: String = after
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '-')
            .collect();
        (!word.is_empty()).then_some(word)
    });
    commands.collect()
}

#[test]
fn every_command_exists_and_every_target_is_described() {
    let targets = targets();
    assert!(targets.contains("demo"));
    let page = Page::readme();
    let in_snippets = page
        .snippets()
        .filter(|snippet| snippet.language == "sh")
        .map(|snippet| made(&snippet.text));
    let in_text = spans(&page.text)
        .into_iter()
        .filter(|span| span.starts_with("make "))
        .map(made);
    let named: BTreeSet<_> = in_snippets.chain(in_text).flatten().collect();
    let unknown: Vec<_> = named.difference(&targets).collect();
    assert!(unknown.is_empty(), "the Makefile has no {unknown:?}");
    let commands = page
        .tables()
        .find(|table| table.head[0] == "command")
        .expect("a table of commands");
    let described = commands.rows.iter().flat_map(|row| made(&row[0])).collect();
    let missing: Vec<_> = targets.difference(&described).collect();
    assert!(
        missing.is_empty(),
        "the table of commands lacks {missing:?}"
    );
}

/// `make help` is made of the Makefile's own lines.
#[test]
fn help_has_a_line_for_every_target() {
    let makefile = file("Makefile");
    let described = makefile.lines().filter_map(|line| {
        let (target, text) = line.split_once(" ## ")?;
        assert!(text.ends_with('.') && text.len() < 80, "{line}");
        Some(target.split_once(':')?.0.to_owned())
    });
    assert_eq!(described.collect::<BTreeSet<_>>(), targets());
}

#[test]
fn paths_and_links_lead_somewhere() {
    let dependencies = Page::read(".github/DEPENDENCIES.md");
    for (page, top) in [
        (Page::readme(), ""),
        (Page::security(), ".github/"),
        (dependencies, ".github/"),
        (Page::read("envoy/ADOPTING.md"), "envoy/"),
        (Page::read("envoy/AWS-CALLERS.md"), "envoy/"),
        (Page::read("envoy/MCP.md"), "envoy/"),
        (Page::read("envoy/REVOCATION.md"), "envoy/"),
    ] {
        let anchors: BTreeSet<_> = page
            .text
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(anchor)
            .collect();
        for link in page.text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if let Some(wanted) = target.strip_prefix('#') {
                assert!(anchors.contains(wanted), "no heading is {wanted}");
            } else if let Some((page, wanted)) = target.split_once(".md#") {
                let other = file(&format!("{top}{page}.md"));
                let mut headings = other.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line) == wanted), "{target}");
            } else if !target.contains("://") {
                assert!(exists(&format!("{top}{target}")), "{target}");
            }
        }
        let words = page.snippets().filter(|snippet| snippet.language == "sh");
        let words = words.flat_map(|snippet| snippet.text.split_whitespace());
        for path in words.chain(spans(&page.text)) {
            let of_ours = ["src/", "envoy/", "tests/", ".github/"]
                .iter()
                .any(|top| path.starts_with(top));
            assert!(!of_ours || exists(path), "{path}");
        }
    }
}

/// The anchor that a heading gets: lower case, hyphens for spaces, no punctuation.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn versions_are_those_that_are_tested() {
    let page = Page::readme();
    let shown = page
        .text
        .split("<!-- versions -->")
        .nth(1)
        .expect("versions");
    let shown = shown.lines().next().unwrap().trim_end_matches('.');
    let matrix = file("tests/matrix.sh");
    let tested = matrix
        .split("${VERSIONS:-")
        .nth(1)
        .expect("versions")
        .split('}')
        .next()
        .unwrap();
    assert_eq!(
        shown.split(", ").collect::<Vec<_>>(),
        tested.split(' ').collect::<Vec<_>>()
    );
    let cargo = file("Cargo.toml");
    let rust = cargo
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .expect("a version");
    assert!(
        page.text
            .contains(&format!("Rust {} or newer", rust.trim_matches('"'))),
        "{rust}"
    );
}

/// The excerpt of the demo's output names rows that the demo has.
#[test]
fn the_demo_shows_what_it_is_said_to() {
    let demo = file("envoy/demo/demo.py");
    let rows = demo
        .lines()
        .filter(|line| line.starts_with("        (\""))
        .count();
    let page = Page::readme();
    let (snippet, _) = page.marked("demo").next().expect("the demo");
    assert!(
        snippet
            .text
            .ends_with(&format!("\n{rows} of {rows} as promised.\n")),
        "{rows} rows"
    );
    let mut shown = 0;
    for line in snippet
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("  OK    "))
    {
        let sent = line.split("  ").next().unwrap();
        assert!(demo.contains(&format!("(\"{sent}\", \"")), "{sent}");
        shown += 1;
    }
    assert_eq!(shown, 4);
}
