use super::*;

fn owned(names: &[(&'static str, Purpose)], aliases: HeaderAliases) -> OwnedHeaders {
    let names = names.iter();
    let names = names.map(|(name, purpose)| (HeaderName::new(name).unwrap(), *purpose));
    OwnedHeaders::new(names.collect(), aliases)
}

fn request(lines: &[(&'static str, &str)]) -> Request {
    let lines = lines.iter();
    let lines = lines.map(|(name, value)| ((*name).into(), value.as_bytes().to_vec()));
    Request::new(lines.collect())
}

fn taken(edits: impl IntoIterator<Item = HeaderEdit>) -> Vec<String> {
    let edits = edits.into_iter().map(|edit| match edit {
        HeaderEdit::Remove(name) => name.to_string(),
        HeaderEdit::Set(name, _) => panic!("{name} is set"),
    });
    edits.collect()
}

const NAMES: [(&str, Purpose); 6] = [
    ("x-sub", Purpose::Claim),
    ("x-method-override", Purpose::Method),
    ("forwarded", Purpose::Host),
    ("x-original-url", Purpose::Path),
    ("x-token", Purpose::Token),
    ("cookie", Purpose::Preflight),
];

#[test]
fn a_request_loses_what_is_there_and_no_more() {
    let lines = [
        (":path", "/"),
        ("x-sub", "a"),
        ("x.sub", "a"),
        ("x_method-override", "a"),
        ("x-method-override", "a"),
        ("forwarded", "a"),
        ("x-token", "a"),
        ("x~token", "a"),
        ("cookie", "a"),
        ("x-subs", "a"),
        ("xxsub", "a"),
        ("", "a"),
    ];
    let strips = owned(&NAMES, HeaderAliases::Strip);
    assert_eq!(
        taken(strips.found_in(&request(&lines))),
        [
            "x-sub",
            "x.sub",
            "x_method-override",
            "x-method-override",
            "forwarded",
            "x~token"
        ]
    );
    let keeps = owned(&NAMES, HeaderAliases::Keep);
    assert_eq!(
        taken(keeps.found_in(&request(&lines))),
        ["x-sub", "x-method-override", "forwarded"]
    );
    assert_eq!(
        taken(strips.on_preflight(&request(&lines))),
        ["x-token", "cookie", "x~token"]
    );
    assert_eq!(
        taken(keeps.on_preflight(&request(&lines))),
        ["x-token", "cookie"]
    );
}

#[test]
fn names_of_any_length_are_told_apart() {
    let long = |end: &str| format!("x-{}{end}", "a".repeat(130));
    let name = HeaderName::new(&long("-b")).unwrap();
    let owned = OwnedHeaders::new(vec![(name, Purpose::Claim)], HeaderAliases::Strip);
    assert!(owned.owns(long("-b").as_bytes()));
    assert!(owned.owns(long("_b").as_bytes()));
    assert!(!owned.owns(long("-c").as_bytes()));
    assert!(!owned.owns(long("-bb").as_bytes()));
    assert!(!owned.owns(b"x-aaa"));
}

#[test]
fn pseudo_headers_are_no_aliases() {
    let lines = [
        (":path", "/"),
        (":method", "GET"),
        ("_path", "a"),
        (".method", "a"),
    ];
    let names = [("_path", Purpose::Claim), ("-method", Purpose::Token)];
    let owned = owned(&names, HeaderAliases::Strip);
    assert_eq!(
        taken(owned.found_in(&request(&lines))),
        ["_path", ".method"]
    );
    assert!(!owned.owns(b":path"));
}

#[test]
fn of_two_purposes_the_first_counts() {
    let names = [("x-host", Purpose::Host), ("x-host", Purpose::Token)];
    let owned = owned(&names, HeaderAliases::Strip);
    assert_eq!(
        taken(owned.found_in(&request(&[("x-host", "a")]))),
        ["x-host"]
    );
}

#[test]
fn connection_names_nothing_of_the_filters_own() {
    for (aliases, lines, expected) in [
        (HeaderAliases::Strip, vec!["upgrade"], None),
        (HeaderAliases::Strip, vec![], None),
        (HeaderAliases::Strip, vec!["upgrade, x-subs"], None),
        (
            HeaderAliases::Strip,
            vec!["upgrade, X-Sub"],
            Some("upgrade"),
        ),
        (
            HeaderAliases::Strip,
            vec!["keep-alive,x.sub ,Upgrade", "x-token"],
            Some("keep-alive, Upgrade"),
        ),
        (HeaderAliases::Keep, vec!["upgrade, x.sub"], None),
        (HeaderAliases::Keep, vec!["upgrade, X-SUB"], Some("upgrade")),
        (HeaderAliases::Strip, vec!["upgrade, cookie"], None),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("connection", *line)).collect();
        let expected =
            expected.map(|value| HeaderEdit::Set("connection".into(), value.as_bytes().to_vec()));
        let owned = owned(&NAMES, aliases);
        assert_eq!(owned.connection(&request(&lines)), expected, "{lines:?}");
    }
}

#[test]
fn trailers_are_owned_like_headers() {
    let owned = owned(&NAMES, HeaderAliases::Strip);
    for (name, is_own) in [
        ("x-sub", true),
        ("X-Sub", true),
        ("x!sub", true),
        ("x-token", true),
        ("forwarded", true),
        ("x-original-url", true),
        ("cookie", false),
        ("x-checksum", false),
    ] {
        assert_eq!(owned.owns(name.as_bytes()), is_own, "{name}");
    }
}

#[test]
fn an_alias_is_another_name_for_a_header_of_the_filters_own() {
    let strips = owned(&NAMES, HeaderAliases::Strip);
    for (name, is_alias) in [
        ("x.sub", true),
        ("X-Sub", true),
        ("x-sub", false),
        ("x-subs", false),
        ("x-other", false),
    ] {
        assert_eq!(strips.is_alias(name), is_alias, "{name}");
    }
}
