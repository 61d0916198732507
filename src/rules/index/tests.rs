//! One list of rules at a time, and what it makes of a few requests.

use super::super::path::fold;
use super::super::pattern::{HostPattern, Method};
use super::super::work::{MAX_WORK, PLACE};
use super::trie::MOST_FOLDED;
use super::*;

fn rule(path: PathPattern, methods: &[&str], hosts: &[&str]) -> Match {
    Match {
        path,
        methods: methods.iter().map(|m| Method::new(m).unwrap()).collect(),
        hosts: hosts.iter().map(|h| HostPattern::new(h).unwrap()).collect(),
    }
}

fn exact(path: &str) -> Match {
    rule(PathPattern::exact(path).unwrap(), &[], &[])
}

fn prefix(path: &str) -> Match {
    rule(PathPattern::prefix(path).unwrap(), &[], &[])
}

fn template(path: &str) -> Match {
    rule(PathPattern::template(path).unwrap(), &[], &[])
}

fn regex(expression: &str) -> Match {
    rule(PathPattern::regex(expression).unwrap(), &[], &[])
}

fn index(matches: Vec<Match>) -> MatchIndex {
    MatchIndex::new(matches, PathCase::Insensitive).unwrap()
}

fn get(index: &MatchIndex, path: &str) -> Result<Option<usize>, UnsafePath> {
    let target = Target {
        path: Some(path.as_bytes()),
        method: Some(b"GET"),
        authority: Some(b"a.com"),
    };
    index.choose(&target).map(|chosen| chosen.rule)
}

#[test]
fn the_first_rule_wins_over_all_kinds() {
    let index = index(vec![
        exact("/a/b"),
        regex("/a/[bc]"),
        template("/a/{x}"),
        rule(PathPattern::Any, &["PUT"], &[]),
        prefix("/a"),
        regex("/.*z"),
    ]);
    for (path, wanted) in [
        ("/a/b", Some(0)),
        ("/a/c", Some(1)),
        ("/a/d/", Some(2)),
        ("/a/d", Some(2)),
        ("/a", Some(4)),
        ("/a/z/z", Some(4)),
        ("/b/z", Some(5)),
        ("/b", None),
    ] {
        assert_eq!(get(&index, path), Ok(wanted), "{path}");
    }
    let put = Target {
        path: Some(b"/a"),
        method: Some(b"PUT"),
        authority: None,
    };
    assert_eq!(index.choose(&put).unwrap().rule, Some(3));
}

/// An expression sees the trailing slash, and servers may not.
#[test]
fn a_trailing_slash_hides_no_path_from_an_expression() {
    let index = index(vec![regex("/a/[bc]"), regex("/d/.*"), prefix("/a")]);
    assert_eq!(get(&index, "/a/b/"), Err(UnsafePath::Ambiguous));
    assert_eq!(get(&index, "/a/x/"), Ok(Some(2)));
    assert_eq!(get(&index, "/d/"), Err(UnsafePath::Ambiguous));
    assert_eq!(get(&index, "/d/x/"), Ok(Some(1)));
}

#[test]
fn a_request_without_path_is_refused_where_paths_matter() {
    let target = Target {
        path: None,
        method: Some(b"GET"),
        authority: Some(b"a.com"),
    };
    let paths = index(vec![exact("/a")]);
    assert_eq!(paths.choose(&target), Err(UnsafePath::Missing));
    let methods = index(vec![rule(PathPattern::Any, &["GET"], &[])]);
    assert_eq!(methods.choose(&target).unwrap().rule, Some(0));
    let strange = Target {
        path: Some(b"//..\\\xff"),
        ..target
    };
    assert_eq!(methods.choose(&strange).unwrap().rule, Some(0));
}

#[test]
fn an_authority_is_refused_where_hosts_matter() {
    let two = Target {
        path: Some(b"/a"),
        method: None,
        authority: Some(b"a.com,b.com"),
    };
    let hosts = index(vec![rule(PathPattern::Any, &[], &["a.com"]), exact("/a")]);
    assert_eq!(hosts.choose(&two), Err(UnsafePath::Authority));
    assert_eq!(index(vec![exact("/a")]).choose(&two).unwrap().rule, Some(0));
    let none = Target {
        authority: None,
        ..two
    };
    assert_eq!(hosts.choose(&none).unwrap().rule, Some(1));
}

#[test]
fn knows_what_it_looks_at() {
    let looks = |given| {
        let index = index(vec![given]);
        (
            index.looks_at_paths(),
            index.looks_at_methods(),
            index.looks_at_hosts(),
        )
    };
    assert_eq!(looks(exact("/a")), (true, false, false));
    assert_eq!(looks(regex("/a")), (true, false, false));
    assert_eq!(
        looks(rule(PathPattern::Any, &["GET"], &[])),
        (false, true, false)
    );
    assert_eq!(
        looks(rule(PathPattern::Any, &[], &["*.a.com"])),
        (false, false, true)
    );
}

#[test]
fn captures_for_templates_alone() {
    let index = index(vec![template("/u/{id}"), prefix("/u")]);
    let target = |path| Target {
        path: Some(path),
        method: None,
        authority: None,
    };
    let chosen = index.choose(&target(b"/u/J%40x")).unwrap();
    assert_eq!(
        (chosen.rule, chosen.variables.get("id")),
        (Some(0), Some("J@x"))
    );
    let chosen = index.choose(&target(b"/u/a/b")).unwrap();
    assert_eq!(
        (chosen.rule, chosen.variables),
        (Some(1), Variables::default())
    );
}

#[test]
fn rules_spelled_in_another_case_or_with_escapes_are_seen_by_plain_requests() {
    let index = index(vec![exact("/Admin"), exact("/a%21b"), exact("/plain")]);
    assert_eq!(get(&index, "/Admin"), Ok(Some(0)));
    assert_eq!(get(&index, "/admin"), Err(UnsafePath::Ambiguous));
    assert_eq!(get(&index, "/a%21b"), Ok(Some(1)));
    assert_eq!(get(&index, "/a!b"), Err(UnsafePath::Ambiguous));
    assert_eq!(get(&index, "/plain"), Ok(Some(2)));
    assert_eq!(get(&index, "/PLAIN"), Err(UnsafePath::Ambiguous));
}

/// One tree serves both readings, and requests are read in every way all the same.
#[test]
fn rules_without_capitals_and_escapes_need_one_tree() {
    let plain = index(vec![exact("/plain"), template("/a/{x}"), prefix("/")]);
    assert!(plain.loose.is_none());
    assert_eq!(get(&plain, "/plain"), Ok(Some(0)));
    assert_eq!(get(&plain, "/PLAIN"), Err(UnsafePath::Ambiguous));
    assert_eq!(get(&plain, "/a/B"), Ok(Some(1)));
    assert!(index(vec![exact("/Admin")]).loose.is_some());
    assert!(index(vec![exact("/a%21b")]).loose.is_some());
    // The same number of segments, and other ones.
    assert!(index(vec![exact("/x"), exact("/Admin")]).loose.is_some());
}

#[test]
fn a_regex_is_tried_on_every_reading() {
    let index = index(vec![
        regex("/[^a-z]+"),
        regex("/x/[^!]*"),
        regex("/caf%C3%A9/.*"),
        prefix("/x"),
    ]);
    // What an upstream that ignores case serves is not what the expression was meant for.
    assert_eq!(get(&index, "/ADMIN"), Err(UnsafePath::Ambiguous));
    assert_eq!(get(&index, "/12"), Ok(Some(0)));
    assert_eq!(get(&index, "/x/a%21"), Err(UnsafePath::Ambiguous));
    assert_eq!(get(&index, "/x/a!"), Ok(Some(3)));
    assert_eq!(get(&index, "/x/a"), Ok(Some(1)));
    // Escapes of what no path has raw may stand in an expression, in capital letters too.
    assert_eq!(get(&index, "/caf%c3%a9/1"), Ok(Some(2)));
    assert_eq!(get(&index, "/caf%C3%89/1"), Err(UnsafePath::Ambiguous));
}

#[test]
fn a_regex_sees_the_readings_without_parameters() {
    let index = index(vec![regex("/a;.*"), regex("/b[^;]*"), prefix("/c")]);
    assert_eq!(get(&index, "/a;x"), Err(UnsafePath::Parameters));
    assert_eq!(get(&index, "/b;x"), Err(UnsafePath::Parameters));
    assert_eq!(get(&index, "/c;x"), Err(UnsafePath::Parameters));
    assert_eq!(get(&index, "/c/d;x"), Ok(Some(2)));
    assert_eq!(get(&index, "/d;x"), Ok(None));
}

#[test]
fn segments_of_nothing_but_parameters_may_vanish() {
    let index = index(vec![template("/a/{x}"), prefix("/b")]);
    assert_eq!(get(&index, "/a/;x"), Err(UnsafePath::Parameters));
    assert_eq!(get(&index, "/a/c;x"), Ok(Some(0)));
    assert_eq!(get(&index, "/b/;x"), Ok(Some(1)));
    // Only an upstream that keeps such a segment, but removes other parameters, sees /a/{x}.
    assert_eq!(get(&index, "/a;y/;x"), Err(UnsafePath::Parameters));
}

#[test]
fn many_rules_on_one_path_are_told_apart() {
    let hosts: Vec<_> = (0..500).map(|n| format!("h{n}.com")).collect();
    let path = || PathPattern::template("/x/{y}").unwrap();
    let index = index(
        hosts
            .iter()
            .flat_map(|host| {
                [
                    rule(path(), &["GET", "PUT"], &[host]),
                    rule(path(), &[], &[host]),
                ]
            })
            .collect(),
    );
    let ask = |method: &'static [u8], authority: &'static [u8]| {
        let target = Target {
            path: Some(b"/x/1"),
            method: Some(method),
            authority: Some(authority),
        };
        index.choose(&target).unwrap().rule
    };
    assert_eq!(ask(b"GET", b"h499.com"), Some(998));
    assert_eq!(ask(b"POST", b"h499.com"), Some(999));
    assert_eq!(ask(b"put", b"H0.com:1"), Some(1));
    assert_eq!(ask(b"GET", b"h500.com"), None);
}

#[test]
fn get_is_also_head_unless_an_earlier_rule_has_it() {
    let only = |methods: &[&str]| rule(PathPattern::exact("/a").unwrap(), methods, &[]);
    let asked = |index: &MatchIndex, method: &[u8]| {
        let target = Target {
            path: Some(b"/a"),
            method: Some(method),
            authority: None,
        };
        index.choose(&target).unwrap().rule
    };
    let get = index(vec![only(&["GET"]), only(&["POST"])]);
    assert_eq!(asked(&get, b"HEAD"), Some(0));
    assert_eq!(asked(&get, b"OPTIONS"), None);
    let head_first = index(vec![only(&["HEAD"]), only(&["GET"])]);
    assert_eq!(asked(&head_first, b"HEAD"), Some(0));
    assert_eq!(asked(&head_first, b"GET"), Some(1));
    for (first, second, hidden) in [
        (&["GET"][..], &["HEAD"][..], true),
        (&["GET"], &["GET", "HEAD"], true),
        (&["HEAD"], &["GET"], false),
        (&["GET"], &["HEAD", "POST"], false),
        (&["HEAD", "POST"], &["GET"], false),
    ] {
        let refused = MatchIndex::new(vec![only(first), only(second)], PathCase::Insensitive);
        assert_eq!(refused.is_err(), hidden, "{first:?} {second:?}");
    }
}

#[test]
fn one_match_covers_another() {
    let case = PathCase::Insensitive;
    assert!(prefix("/a").covers(&exact("/A/b"), case));
    assert!(!prefix("/a").covers(&exact("/A/b"), PathCase::Sensitive));
    assert!(!exact("/a/b").covers(&prefix("/a"), case));
    assert_eq!(prefix("/a").shape().unwrap().pieces.len(), 1);
    assert!(regex("/a").shape().is_none());
}

#[test]
fn rules_that_are_never_reached_are_named() {
    let hidden = |earlier: Match, later: Match| {
        let between = rule(PathPattern::Any, &["PUT"], &[]);
        let list = vec![exact("/first"), earlier, between, later];
        MatchIndex::new(list, PathCase::Insensitive).err()
    };
    let get = || vec![Method::new("GET").unwrap()];
    let here = || vec![HostPattern::new("*.a.com").unwrap()];
    let one = Some(vec![Unreachable {
        rule: 3,
        hidden_by: 1,
    }]);
    for (earlier, later, twin) in [
        (exact("/a"), exact("/A/"), exact("/b")),
        (prefix("/a"), template("/a/{x}"), template("/{x}/a")),
        (prefix("/a"), exact("/a"), prefix("/")),
        (template("/{x}"), exact("/a"), exact("/a/b")),
        (template("/{x+}"), prefix("/a"), prefix("/")),
        (template("/a/{x+}"), template("/a/{y}/{z}"), prefix("/a")),
        (template("/a/{x}"), template("/a/{y}"), template("/a/{y+}")),
        (regex("/a.*"), regex("/a.*"), regex("/a.+")),
        (
            rule(PathPattern::Any, &["GET"], &[]),
            rule(PathPattern::prefix("/a").unwrap(), &["GET"], &[]),
            prefix("/a"),
        ),
        (
            Match {
                methods: get(),
                ..exact("/a")
            },
            Match {
                methods: get(),
                ..exact("/a")
            },
            exact("/a"),
        ),
        (
            exact("/a"),
            Match {
                methods: get(),
                ..exact("/a")
            },
            prefix("/a"),
        ),
        (
            Match {
                hosts: here(),
                ..exact("/a")
            },
            rule(PathPattern::exact("/a").unwrap(), &[], &["b.a.com"]),
            rule(
                PathPattern::exact("/a").unwrap(),
                &[],
                &["b.a.com", "a.com"],
            ),
        ),
    ] {
        let shown = format!("{earlier:?} {later:?} {twin:?}");
        assert_eq!(hidden(earlier.clone(), later), one, "{shown}");
        assert_eq!(hidden(earlier, twin), None, "{shown}");
    }
    let everything = MatchIndex::new(
        vec![
            prefix("/"),
            regex("/a"),
            rule(PathPattern::Any, &["GET"], &[]),
        ],
        PathCase::Insensitive,
    );
    assert_eq!(
        everything.err(),
        Some(vec![
            Unreachable {
                rule: 1,
                hidden_by: 0
            },
            Unreachable {
                rule: 2,
                hidden_by: 0
            }
        ])
    );
}

#[test]
fn case_makes_two_rules_of_one_only_where_it_counts() {
    let list = || vec![prefix("/Admin"), prefix("/admin")];
    assert!(MatchIndex::new(list(), PathCase::Insensitive).is_err());
    let index = MatchIndex::new(list(), PathCase::Sensitive).unwrap();
    assert_eq!(index.path_case(), PathCase::Sensitive);
    assert_eq!(get(&index, "/Admin/x"), Ok(Some(0)));
    assert_eq!(get(&index, "/admin/x"), Ok(Some(1)));
    assert_eq!(get(&index, "/ADMIN/x"), Ok(None));
}

/// Where letter case counts, no folded text is asked about.
#[test]
fn a_regex_is_tried_on_every_reading_where_case_counts() {
    let sensitive = |matches| MatchIndex::new(matches, PathCase::Sensitive).unwrap();
    let earlier = sensitive(vec![regex("/a!b"), prefix("/")]);
    assert_eq!(get(&earlier, "/a!b"), Ok(Some(0)));
    assert_eq!(get(&earlier, "/a%21b"), Err(UnsafePath::Ambiguous));
    assert_eq!(get(&earlier, "/a%21c"), Ok(Some(1)));
    let own = sensitive(vec![regex("/a//b"), regex("/c/+d"), prefix("/")]);
    assert_eq!(get(&own, "/a//b"), Err(UnsafePath::EmptySegment));
    assert_eq!(get(&own, "/c//d"), Ok(Some(1)));
}

#[test]
fn a_variable_may_be_longer_where_the_rest_matches_all_the_same() {
    let index = index(vec![template("/{v}/b/{w+}"), prefix("/")]);
    assert_eq!(get(&index, "/a/b/c"), Ok(Some(0)));
    assert_eq!(get(&index, "/a%2Fb/b/c"), Ok(Some(0)));
    assert_eq!(get(&index, "/a%2Fx/b/c"), Err(UnsafePath::EncodedSlash));
}

/// Each piece behind an encoded slash: whether it is one text, whatever the slash is.
#[test]
fn a_variable_is_known_where_all_readings_have_one_text_for_it() {
    let index = index(vec![template("/{a}/{b}/{rest+}"), prefix("/")]);
    let variables = |path: &str| {
        let target = Target {
            path: Some(path.as_bytes()),
            ..Target::default()
        };
        let Chosen { rule, variables } = index.choose(&target).unwrap();
        assert_eq!(rule, Some(0), "{path}");
        ["a", "b", "rest"].map(|name| variables.get(name).map(str::to_owned))
    };
    for (path, wanted) in [
        ("/x/y/z/z", [Some("x"), Some("y"), Some("z/z")]),
        ("/X/Y/Z/z", [Some("X"), Some("Y"), Some("Z/z")]),
        ("/x%2Fy/z/z/z", [None, None, None]),
        ("/x%2Fy/y/z/z", [None, Some("y"), None]),
        ("/x/y%2Fy/z/z", [Some("x"), None, None]),
        ("/x/y/z%2Fz", [Some("x"), Some("y"), Some("z/z")]),
    ] {
        assert_eq!(variables(path), wanted.map(|text| text.map(str::to_owned)));
    }
}

/// A host may fit two of a rule's hosts, which then say what its variables stand for.
#[test]
fn a_variable_is_known_where_all_hosts_have_one_text_for_it() {
    const DEEP: &str = "{a}.{t}.com";
    const FLAT: &str = "{t}.example.com";
    let variable = |hosts: &[&str], authority: &str| {
        let index = index(vec![rule(PathPattern::Any, &[], hosts)]);
        let target = Target {
            authority: Some(authority.as_bytes()),
            ..Target::default()
        };
        let Chosen { rule, variables } = index.choose(&target).unwrap();
        assert_eq!(rule, Some(0), "{authority}");
        (
            variables.get("t").map(str::to_owned),
            variables.differs("t"),
        )
    };
    for hosts in [
        [DEEP, FLAT, "x.com"],
        [FLAT, DEEP, "x.com"],
        ["x.com", FLAT, DEEP],
    ] {
        assert_eq!(variable(&hosts, "evil.example.com"), (None, true));
        // Both patterns agree, or one of them alone fits.
        assert_eq!(
            variable(&hosts, "example.example.com"),
            (Some("example".to_owned()), false)
        );
        assert_eq!(
            variable(&hosts, "evil.other.com"),
            (Some("other".to_owned()), false)
        );
    }
    assert_eq!(
        variable(&[FLAT, "{a}.{b}.{t}.com"], "evil.example.com"),
        (Some("evil".to_owned()), false)
    );
}

/// Where a path may be cut off, the last segment is what stands before the cut: the first, or the
/// second to a server that knows `#` and not `?`.
#[test]
fn a_path_may_end_at_either_cut() {
    let index = index(vec![template("/a/{x}"), prefix("/a")]);
    for (path, refused) in [
        ("/a/;x%3Fy/z/w", true),
        ("/a/;x%2Cy/z/w", false),
        ("/a/%3Fx%23y/z/w", true),
        ("/a/%3Fx%2Cy/z/w", false),
    ] {
        let wanted = match refused {
            true => Err(UnsafePath::EncodedDelimiter),
            false => Ok(Some(1)),
        };
        assert_eq!(get(&index, path), wanted, "{path}");
    }
}

/// `/;x/y/host/b` is `//host/b` once the parameters are removed, up to the slash.
#[test]
fn a_host_may_begin_behind_parameters() {
    let index = index(vec![exact("/b"), prefix("/")]);
    assert_eq!(get(&index, "/;x%2Fy/host/b"), Err(UnsafePath::EncodedSlash));
    assert_eq!(get(&index, "/;x%2Fy/host/c"), Ok(Some(1)));
    assert_eq!(get(&index, "/;x/host/b"), Err(UnsafePath::Parameters));
    assert_eq!(get(&index, "/;x/y/host/b"), Ok(Some(1)));
    assert_eq!(get(&index, "/%2Fy/host/b"), Ok(Some(1)));
}

/// Some letters take up to three bytes where a rule has one.
/// Of any letter, alone or with a dot above it, none is longer.
#[test]
fn no_name_shrinks_by_more_than_is_allowed_for() {
    for letter in ('\0'..=char::MAX).filter(|letter| *letter != '\u{307}') {
        for text in [format!("{letter}"), format!("{letter}\u{307}")] {
            let folded = fold(&text);
            assert!(text.len() <= folded.len() * MOST_FOLDED, "{text:?}");
        }
    }
    let index = index(vec![prefix("/iik")]);
    let dotted = "%C4%B1%CC%87";
    assert!(get(&index, &format!("/{dotted}{dotted}{dotted}")).is_ok());
    assert!(get(&index, &format!("/{dotted}{dotted}%E2%84%AA")).is_err());
    let index = self::index(vec![prefix("/iii")]);
    assert!(get(&index, &format!("/{dotted}{dotted}{dotted}")).is_err());
}

#[test]
fn a_rule_is_seen_in_longer_letters() {
    for (rule, path) in [
        ("/k", "/%E2%84%AA"),
        ("/kk", "/%E2%84%AA%E2%84%AA"),
        ("/s", "/%C5%BF"),
    ] {
        let index = index(vec![exact(rule), prefix("/")]);
        assert_eq!(get(&index, rule), Ok(Some(0)));
        assert_eq!(get(&index, path), Err(UnsafePath::Ambiguous), "{path}");
        assert_eq!(get(&index, "/%C3%A9"), Ok(Some(1)));
    }
}

fn cost(index: &MatchIndex, method: &[u8], path: &str) -> Result<usize, UnsafePath> {
    let target = Target {
        path: Some(path.as_bytes()),
        method: Some(method),
        authority: None,
    };
    let mut work = Work::default();
    index.choose_within(&target, &mut work)?;
    Ok(work.spent())
}

#[test]
fn no_place_is_looked_at_that_could_only_give_a_later_rule() {
    let get = rule(PathPattern::prefix("/a").unwrap(), &["GET"], &[]);
    let index = index(vec![exact("/x"), get, exact("/a/b/c/d")]);
    assert_eq!(cost(&index, b"GET", "/a/b/c/d"), Ok(2 * PLACE));
    assert_eq!(cost(&index, b"PUT", "/a/b/c/d"), Ok(5 * PLACE));
}

#[test]
fn a_segment_costs_its_length() {
    let index = index(vec![template("/{x}")]);
    let cost = |length| cost(&index, b"GET", &format!("/{}", "A".repeat(length))).unwrap();
    // A quarter of a unit for each byte, and twice: for earlier rules, and for its own.
    assert_eq!(cost(1000) - cost(200), 2 * 800 / 4);
    assert_eq!(cost(1003), cost(1000));
}

/// A path of some hundred segments is an honest one; one of some thousand is not.
#[test]
fn a_path_may_cost_what_a_request_may_cost() {
    let places = MAX_WORK / PLACE;
    for (segments, wanted) in [
        (places - 1, Ok(places * PLACE)),
        (places, Err(UnsafePath::TooCostly)),
    ] {
        let path = "/a".repeat(segments);
        assert_eq!(cost(&index(vec![exact(&path)]), b"GET", &path), wanted);
    }
    assert_eq!(MAX_WORK, 32 * 1024);
}
