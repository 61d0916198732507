//! The page about the dynamic module.

use std::collections::BTreeSet;

use crate::harness::host::Host;
use crate::harness::markdown::{Pages, file, spans};
use serde_json::json;

/// The filter of the page is the example's, in the form in which the end-to-end tests run it.
#[test]
fn the_dynamic_module_is_configured_as_it_is_tested() {
    let pages = Pages::read();
    let (snippet, _) = pages.marked("native filter").next().expect("a filter");
    let mut shown = snippet.value();
    let configuration = shown["typed_config"]["filter_config"].take();
    let mut filter = json!({"name": "cognito_authorizer", "typed_config": {"config": {"configuration": configuration}}});
    Host::Native.adapt(&mut filter);
    shown["typed_config"]["filter_config"] = filter["typed_config"]["filter_config"].clone();
    assert_eq!(shown, filter);
    let document = filter["typed_config"]["filter_config"]["value"].to_string();
    cognito_authorizer::config::parse(document.as_bytes()).expect("a configuration");
}

/// Each end-to-end test that is left out has a row that says what differs, and no other stands there.
#[test]
fn what_differs_is_what_is_not_tested() {
    let pages = Pages::read();
    let table = pages.table("differs");
    let tests = table.column("tests");
    let named = table.rows.iter().flat_map(|row| spans(&row[tests]));
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    let list = file("tests/e2e/native.txt");
    let left_out = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter_map(|line| line.split(' ').next());
    let left_out: BTreeSet<String> = left_out.map(str::to_owned).collect();
    assert_eq!(named, left_out);
}
