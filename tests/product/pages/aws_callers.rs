//! `envoy/AWS-CALLERS.md`: its configuration is about an account. Its clients are run in
//! `e2e/aws_callers.rs`.

use crate::harness::markdown::Page;
use crate::pages::configurations::parse;

#[test]
fn its_configuration_is_about_an_account() {
    let page = Page::read("envoy/AWS-CALLERS.md");
    let (snippet, _) = page
        .marked("configuration")
        .next()
        .expect("a configuration");
    let policy = parse(&snippet.value()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(policy.issuers.accounts().len(), 1);
}
