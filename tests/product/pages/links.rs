//! Links and paths, between all pages: each leads to a file, and to a heading in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::harness::markdown::{Page, Pages, file, spans};

/// The most lines that the first page may have.
const FIRST_PAGE: usize = 200;
/// The most characters of a command in the runbook: what a phone shows of a line.
const COMMAND: usize = 46;

fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
}

/// Where a relative link on a page leads, from the top of the repository.
#[track_caller]
fn target(page: &str, link: &str) -> String {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{page}: {link} leaves the repository"),
            part => path.push(part),
        }
    }
    path.display().to_string()
}

/// The text outside of snippets, by lines.
pub(crate) fn prose(page: &Page) -> impl Iterator<Item = &str> {
    let mut inside = false;
    page.text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// The anchors of a page's headings, as code hosts make them: lower case, hyphens for spaces, no
/// punctuation, and a number behind one that is there already.
fn anchors(page: &Page) -> BTreeSet<String> {
    let mut counts = BTreeMap::new();
    let headings = prose(page).filter(|line| line.starts_with('#'));
    let anchors = headings.map(|heading| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let before = counts.entry(anchor.clone()).or_insert(0);
        *before += 1;
        match *before {
            1 => anchor,
            count => format!("{anchor}-{}", count - 1),
        }
    });
    anchors.collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = Pages::read();
    let headings: BTreeMap<_, _> = pages
        .all
        .iter()
        .map(|page| (page.path.as_str(), anchors(page)))
        .collect();
    let mut followed = 0;
    for page in &pages.all {
        let text = prose(page).collect::<Vec<_>>().join("\n");
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = match path {
                "" => page.path.clone(),
                path => target(&page.path, path),
            };
            assert!(exists(&path), "{}: {link}", page.path);
            if !anchor.is_empty() {
                let there = headings
                    .get(path.as_str())
                    .is_some_and(|all| all.contains(anchor));
                assert!(there, "{}: no heading is {link}", page.path);
            }
            followed += 1;
        }
    }
    assert!(followed > 150, "{followed} links");
}

#[test]
fn paths_in_commands_and_texts_exist() {
    for page in &Pages::read().all {
        let commands = page.snippets().filter(|snippet| snippet.language == "sh");
        let words = commands.flat_map(|snippet| snippet.text.split_whitespace());
        for path in words.chain(spans(&page.text)) {
            let of_ours = ["src/", "envoy/", "tests/", ".github/"];
            let of_ours = of_ours.iter().any(|top| path.starts_with(top));
            // Of a pattern, its folder.
            let there = path.split('*').next().unwrap_or_default();
            assert!(!of_ours || exists(there), "{}: {path}", page.path);
        }
    }
}

/// Whoever comes by sees all pages for users from the first one.
#[test]
fn the_first_page_is_short_and_leads_to_all_others() {
    let first = file("README.md");
    let lines = first.lines().count();
    assert!(lines <= FIRST_PAGE, "{lines} lines");
    for page in &Pages::read().all {
        let for_users = !page.path.starts_with("tests/") || page.path.starts_with("tests/bench/");
        let linked = page.path == "README.md" || first.contains(&format!("]({}", page.path));
        assert!(linked || !for_users, "no link leads to {}", page.path);
    }
}

/// It is read at night, on a phone: text that wraps, and nothing to be moved from side to side.
#[test]
fn the_runbook_is_as_narrow_as_a_phone() {
    let page = Page::read("envoy/RUNBOOK.md");
    assert_eq!(page.tables().count(), 0, "tables do not wrap");
    assert!(!page.text.contains("<img"), "nor do pictures");
    let commands = page.snippets().flat_map(|snippet| snippet.text.lines());
    let mut shown = 0;
    for line in commands {
        assert!(line.chars().count() <= COMMAND, "{line}");
        shown += 1;
    }
    assert!(shown > 5, "{shown} commands");
    // Names that cannot be broken are commands, too.
    for name in prose(&page).flat_map(spans) {
        assert!(name.chars().count() <= COMMAND, "{name}");
    }
}

#[test]
fn a_link_is_read_as_a_browser_reads_it() {
    assert_eq!(
        target("envoy/istio/README.md", "../RULES.md"),
        "envoy/RULES.md"
    );
    assert_eq!(target("README.md", "envoy/RULES.md"), "envoy/RULES.md");
    let page = Page::read("README.md");
    let page = Page {
        text: "# `a[]` B\n```sh\n# no\n```\n## a b\n".to_owned(),
        ..page
    };
    let expected = ["a-b", "a-b-1"].map(str::to_owned);
    assert_eq!(anchors(&page), BTreeSet::from(expected));
}
