//! The document to the letter, and the form in which VMs hand it on.

use super::{DenyList, Flaw, InvalidDenyList};
use crate::claims::Claims;
use crate::time::Timestamp;

const POOL: &str = "us-east-1_AbCdEf123";

fn document(pools: &str) -> String {
    format!("{{\"version\": 1,\n\"written_at\": 1700000000,\n\"pools\": {pools}}}")
}

fn parse(text: &str) -> Result<DenyList, InvalidDenyList> {
    DenyList::parse(text.as_bytes())
}

/// A refusal by what is wrong and where, and its accepted twin.
#[track_caller]
fn case(refused: &str, line: usize, flaw: Flaw, twin: &str) {
    let error = parse(refused).expect_err(refused);
    assert_eq!(error, InvalidDenyList::At { line, flaw }, "{refused}");
    parse(twin).unwrap_or_else(|error| panic!("{twin}: {error}"));
}

#[test]
fn what_no_list_has_is_refused() {
    let empty = document("{}");
    let whole = |text: &str, flaw| case(text, 1, flaw, &empty);
    whole("", Flaw::Shape);
    whole("[]", Flaw::Shape);
    whole("null", Flaw::Shape);
    whole(&format!("[{}]", empty.replace('\n', "")), Flaw::Shape);
    case(
        &format!("{empty}\n{{}}"),
        4,
        Flaw::Shape,
        &format!("{empty}\n "),
    );
    for less in [
        r#"{"version":1,"written_at":1}"#,
        r#"{"version":1,"pools":{}}"#,
        r#"{"written_at":1,"pools":{}}"#,
        "{}",
    ] {
        whole(less, Flaw::Missing);
    }
    for (version, flaw) in [
        ("2", Flaw::Version),
        ("0", Flaw::Version),
        ("1.5", Flaw::Version),
        ("\"1\"", Flaw::Version),
        ("null", Flaw::Version),
    ] {
        let text = format!(r#"{{"version":{version},"written_at":1,"pools":{{}}}}"#);
        whole(&text, flaw);
    }
    case(
        &document("{}, \"feeder\": 1"),
        3,
        Flaw::UnknownMember,
        &empty,
    );
    case(&document("{}, \"version\": 1"), 3, Flaw::Duplicate, &empty);
    case(&document("{}, \"pools\": {}"), 3, Flaw::Duplicate, &empty);
    case(&document("[]"), 3, Flaw::Shape, &empty);
    case(&document("null"), 3, Flaw::Shape, &empty);
    case(&document("5"), 3, Flaw::Shape, &empty);
}

#[test]
fn entries_are_as_strict_in_pools_that_nobody_knows() {
    for pool in [POOL, "123456789012", "nobodys"] {
        let of = |kinds: &str| document(&format!("{{\"{pool}\":\n{kinds}}}"));
        let empty = of("{}");
        case(&of("[]"), 4, Flaw::Shape, &empty);
        case(&of(r#"{"subs": {}}"#), 4, Flaw::UnknownMember, &empty);
        for kind in ["signed_in_before", "issued_before", "clients"] {
            let entry = |value: &str| of(&format!("{{\"{kind}\": {value}}}"));
            let twin = entry(r#"{"a": 1700000000, "b": 1.0, "c": 1e3, "d": 0}"#);
            case(&entry(r#"["a"]"#), 4, Flaw::Shape, &twin);
            case(&entry(r#""a""#), 4, Flaw::Shape, &twin);
            for time in [
                "1.5", "-1", "\"1\"", "null", "true", "[1]", "{}", "1e300", "1e400",
            ] {
                case(&entry(&format!("{{\"a\": {time}}}")), 4, Flaw::Time, &twin);
            }
            let twice = entry(&format!("{{}}, \"{kind}\": {{}}"));
            case(&twice, 4, Flaw::Duplicate, &twin);
            // Ids of a list, which may stand twice, have such a time.
            let late = r#"{"a": 4294967294, "a": 4294967294}"#;
            case(&entry(late), 1, Flaw::Duplicate, &twin);
            // An escape is another spelling of one name.
            case(
                &entry(r#"{"a": 1, "\u0061": 1}"#),
                1,
                Flaw::Duplicate,
                &twin,
            );
        }
        for kind in ["origin_jti", "jti"] {
            let entry = |value: &str| of(&format!("{{\"{kind}\": {value}}}"));
            let twin = entry(r#"["a", "b", "a"]"#);
            case(&entry("[1]"), 4, Flaw::Shape, &twin);
            case(&entry("[null]"), 4, Flaw::Shape, &twin);
            case(&entry("[[\"a\"]]"), 4, Flaw::Shape, &twin);
            let twin = entry(r#"{"a": 1, "b": 1}"#);
            case(&entry(r#"{"a": "1"}"#), 4, Flaw::Time, &twin);
            case(&entry(r#"{"a": 1, "a": 1}"#), 1, Flaw::Duplicate, &twin);
        }
    }
    let twice = document(&format!(r#"{{"{POOL}": {{}}, "{POOL}": {{}}}}"#));
    case(&twice, 1, Flaw::Duplicate, &document("{}"));
}

#[test]
fn every_cause_has_a_text() {
    let at = |flaw| InvalidDenyList::At { line: 3, flaw }.to_string();
    assert_eq!(
        [
            Flaw::Shape,
            Flaw::UnknownMember,
            Flaw::Duplicate,
            Flaw::Missing,
            Flaw::Version,
            Flaw::Time,
            Flaw::TooMany,
        ]
        .map(at),
        [
            r#"found no deny list; expected {"version": 1, "written_at": seconds, "pools": {…}} (line 3)"#,
            "found an unknown member; expected those of version 1 alone (line 3)",
            "found a name that stands twice in one object; expected each once (line 3)",
            "found a deny list without version, written_at or pools; expected all three (line 3)",
            "found another version; expected 1 (line 3)",
            "found a time that is no whole number of seconds; expected one (line 3)",
            "found more than 200000 entries; expected fewer (line 3)",
        ]
    );
    let found = 3;
    assert_eq!(
        [
            InvalidDenyList::TooLarge,
            InvalidDenyList::TooManyEntries { found, limit: 2 },
            InvalidDenyList::Older,
            InvalidDenyList::Ahead,
        ]
        .map(|error| error.to_string()),
        [
            "the deny list is too large; expected at most 32 MiB",
            "the deny list has 3 entries; expected at most 2 (deny_list.max_entries)",
            "written_at lies before that of the list at hand; expected one that never falls",
            "written_at lies ahead; expected at most 5 minutes more than now",
        ]
    );
}

/// As many as any configuration takes, in the longest form, and one more.
#[test]
fn two_hundred_thousand_entries_are_read() {
    let of = |count: usize| {
        let entries: Vec<_> = (0..count)
            .map(|id| format!("\n    \"{id:08x}-aaaa-4bbb-8ccc-0123456789ab\": 1700000000"))
            .collect();
        document(&format!(
            "{{\"{POOL}\": {{\"signed_in_before\": {{{}}}}}}}",
            entries.join(",")
        ))
    };
    let text = of(DenyList::MAX_ENTRIES);
    assert!(text.len() < DenyList::MAX_BYTES / 2);
    let list = parse(&text).unwrap();
    assert_eq!(list.len(), DenyList::MAX_ENTRIES);
    assert_eq!(list.shared().len(), 8 + 16 * DenyList::MAX_ENTRIES);
    for id in [0, 1, 77_777, 199_999, 200_000] {
        let claims = format!(r#"{{"sub":"{id:08x}-aaaa-4bbb-8ccc-0123456789ab"}}"#);
        let claims = Claims::parse(claims).unwrap();
        assert_eq!(list.names(POOL, &claims), id < 200_000, "{id}");
    }
    let error = parse(&of(DenyList::MAX_ENTRIES + 1)).unwrap_err();
    let flaw = Flaw::TooMany;
    assert!(matches!(error, InvalidDenyList::At { flaw: found, .. } if found == flaw));
    assert_eq!(DenyList::MAX_BYTES, 32 << 20);
    let mut longest = document("{}").into_bytes();
    longest.resize(DenyList::MAX_BYTES, b' ');
    assert!(DenyList::parse(&longest).is_ok());
    let long = vec![b' '; DenyList::MAX_BYTES + 1];
    assert_eq!(
        DenyList::parse(&long).unwrap_err(),
        InvalidDenyList::TooLarge
    );
}

#[test]
fn a_list_is_taken_over_whole_and_in_order_or_not_at_all() {
    let list = parse(&document(
        r#"{"p": {"jti": ["a", "b", "c", "d"], "clients": {"a": 1}}}"#,
    ))
    .unwrap();
    let good = list.shared().to_vec();
    let taken = DenyList::from_shared(&good).unwrap();
    assert!(taken.same_entries(&list));
    assert!(!taken.is_empty());
    assert_eq!(taken.written_at(), list.written_at());
    for length in (0..good.len()).filter(|length| *length < 8 || (*length - 8) % 16 != 0) {
        assert!(DenyList::from_shared(&good[..length]).is_none(), "{length}");
    }
    let mut swapped = good.clone();
    swapped[8..40].rotate_left(16);
    assert!(DenyList::from_shared(&swapped).is_none());
    let many = vec![0; 8 + 16 * (DenyList::MAX_ENTRIES + 1)];
    assert!(DenyList::from_shared(&many).is_none());
    assert!(DenyList::from_shared(&many[16..]).is_some());
    // An empty list is one.
    assert!(DenyList::from_shared(&[0; 8]).unwrap().is_empty());
}

#[test]
fn a_list_succeeds_one_that_was_not_written_later() {
    let list = parse(&document("{}")).unwrap();
    let now = |seconds: u32| Timestamp::from_seconds(f64::from(seconds)).unwrap();
    let late = now(1_700_000_000);
    assert_eq!(list.succeeds(0, late), Ok(()));
    assert_eq!(list.succeeds(1_700_000_000, late), Ok(()));
    assert_eq!(
        list.succeeds(1_700_000_001, late),
        Err(InvalidDenyList::Older)
    );
    assert_eq!(list.succeeds(0, now(1_699_999_700)), Ok(()));
    assert_eq!(
        list.succeeds(0, now(1_699_999_699)),
        Err(InvalidDenyList::Ahead)
    );
}

/// A token is looked up by all that it says of itself, and an entry voids what is earlier than it.
#[test]
fn what_is_found_is_compared_with_the_time_of_the_token() {
    let list = parse(&document(
        r#"{"p": {
            "jti": ["t"],
            "origin_jti": {"o": 5},
            "signed_in_before": {"a": 4294967294},
            "issued_before": {"a": 100},
            "clients": {"c": 4294967293}
        }}"#,
    ))
    .unwrap();
    let found = |pool: &str, claims: &str| -> Vec<_> {
        let claims = Claims::parse(claims).unwrap();
        let all = list.look_up(pool, &claims);
        let told = all.map(|one| {
            let before = one.before().map(Timestamp::seconds);
            let name = format!("{} {}", one.kind.name(), one.value);
            (name, one.is_listed(), before, one.is_revoked())
        });
        told.collect()
    };
    let row = |name: &str, listed, before, revoked| (name.to_owned(), listed, before, revoked);
    let all = r#"{"jti":"t","origin_jti":"o","sub":"a","auth_time":5000000000,"iat":100,
        "token_use":"access","client_id":"c"}"#;
    assert_eq!(
        found("p", all),
        [
            row("jti t", true, None, true),
            row("origin_jti o", true, None, true),
            row("signed_in_before a", true, None, true),
            row("issued_before a", true, Some(100.0), false),
            row("clients c", true, Some(4_294_967_293.0), true),
        ]
    );
    let elsewhere = found("q", all);
    assert_eq!(elsewhere.len(), 5);
    assert!(elsewhere.iter().all(|one| !one.1 && !one.3));
    for (claims, revoked) in [
        (r#"{"sub":"a","iat":99}"#, true),
        (r#"{"sub":"a"}"#, true),
        (r#"{"sub":"b"}"#, false),
    ] {
        assert_eq!(found("p", claims)[1].3, revoked, "{claims}");
    }
}
