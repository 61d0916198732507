//! `deny`: what it makes of a list, and what it leaves alone.

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

const POOL: &str = "us-east-1_AbCdEf123";
const ACCOUNT: &str = "123456789012";
/// 2026-11-28T20:00:00Z.
const TIME: &str = "1795896000";
const SECOND: u64 = 1_795_896_000;
const DAY: u64 = 24 * 60 * 60;
/// The longest life of a token, and the largest skew.
const TOKEN_LIFE: u64 = DAY + 5 * 60;

/// A list in a folder of its own.
struct File(PathBuf);

impl File {
    fn none(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("deny-{test}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a writable target directory");
        Self(folder.join("deny.json"))
    }

    fn with(test: &str, text: &str) -> Self {
        let file = Self::none(test);
        file.put(text);
        file
    }

    fn put(&self, text: &str) {
        std::fs::write(&self.0, text).expect("a writable target directory");
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).expect("a list")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"));
        command.arg("deny").arg(&self.0).args(arguments);
        command
    }

    /// What it says, and the pools of the list after it.
    #[track_caller]
    fn deny(&self, arguments: &[&str]) -> (String, Value) {
        let said = succeeded(&self.command(arguments).output().expect("the tool starts"));
        let list: Value = serde_json::from_str(&self.text()).expect("JSON");
        assert_eq!(list["version"], 1);
        (said, list["pools"].clone())
    }

    /// What it says of something that it does not do; the file stays as it is.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let said = self.unchanged(arguments, 2).stderr;
        let said = String::from_utf8_lossy(&said).into_owned();
        said.replace(&self.0.display().to_string(), "deny.json")
    }

    /// What it says while the file stays as it is.
    #[track_caller]
    fn unchanged(&self, arguments: &[&str], status: i32) -> Output {
        let before = std::fs::read(&self.0).ok();
        let output = self.command(arguments).output().expect("the tool starts");
        assert_eq!(output.status.code(), Some(status));
        assert_eq!(std::fs::read(&self.0).ok(), before, "the file was changed");
        self.is_alone();
        output
    }

    /// Nothing lies beside the list.
    #[track_caller]
    fn is_alone(&self) {
        let folder = self.0.parent().expect("a folder");
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            assert_eq!(entry.expect("an entry").path(), self.0);
        }
    }
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.expect("a clock after 1970").as_secs()
}

fn list(written_at: u64, pools: &Value) -> String {
    json!({"version": 1, "written_at": written_at, "pools": pools}).to_string()
}

/// Far enough ahead that nothing is ever taken out, and within what a record can hold.
const LATER: &str = "2040-01-01T00:00:00.5Z";
const LATER_SECOND: u64 = 2_208_988_800;

#[test]
fn an_entry_is_added_where_it_belongs() {
    let user = "5f3c2a10-7d1e-4f0b-9b58-0c1d2e3f4a5b";
    let role = "arn:aws:iam::123456789012:role/billing";
    let arn = format!("arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/{POOL}");
    let after = LATER_SECOND + 1;
    for (number, (arguments, owner, expected)) in [
        (
            &["--sub", user][..],
            POOL,
            json!({"signed_in_before": {user: after}}),
        ),
        (
            &["--sub", user, "--issued"],
            POOL,
            json!({"issued_before": {user: after}}),
        ),
        (&["--client", "a1"], POOL, json!({"clients": {"a1": after}})),
        (
            &["--client", "a1", "--issued"],
            POOL,
            json!({"clients": {"a1": after}}),
        ),
        (
            &["--origin-jti", "o"],
            POOL,
            json!({"origin_jti": {"o": LATER_SECOND}}),
        ),
        (&["--jti", "j"], POOL, json!({"jti": {"j": LATER_SECOND}})),
        (
            &["--sub", user],
            &arn,
            json!({"signed_in_before": {user: after}}),
        ),
        // Tokens of an AWS account name no sign-in.
        (
            &["--sub", role],
            ACCOUNT,
            json!({"issued_before": {role: after}}),
        ),
        (
            &["--sub", role, "--issued"],
            ACCOUNT,
            json!({"issued_before": {role: after}}),
        ),
        (
            &["--jti", "j"],
            ACCOUNT,
            json!({"jti": {"j": LATER_SECOND}}),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let file = File::none(&format!("added-{number}"));
        let more = [&["--pool", owner, "--at", LATER], arguments].concat();
        let (said, pools) = file.deny(&more);
        let name = owner.rsplit('/').next().expect("a name");
        assert_eq!(pools, json!({name: expected}), "{arguments:?}");
        assert!(
            said.contains("\n1 on the list, 0 taken out, written at "),
            "{said}"
        );
        file.is_alone();
    }
}

/// Without a time it is now, and the list is of now.
#[test]
fn it_happens_now() {
    let file = File::none("now");
    let before = now();
    let (_, pools) = file.deny(&["--pool", POOL, "--sub", "u"]);
    let after = now();
    let time = pools[POOL]["signed_in_before"]["u"].as_u64();
    assert!(time.is_some_and(|time| (before + 1..=after + 1).contains(&time)));
    let list: Value = serde_json::from_str(&file.text()).expect("JSON");
    let written = list["written_at"].as_u64();
    assert!(written.is_some_and(|time| (before..=after).contains(&time)));
}

#[test]
fn no_entry_becomes_weaker() {
    let known = json!({POOL: {
        "signed_in_before": {"u": LATER_SECOND},
        "jti": {"j": LATER_SECOND},
        "origin_jti": ["o"],
    }});
    let file = File::with("weaker", &list(SECOND, &known));
    for entry in [["--sub", "u"], ["--jti", "j"], ["--origin-jti", "o"]] {
        let (said, pools) = file.deny(&[&["--pool", POOL, "--at", TIME], &entry[..]].concat());
        assert_eq!(pools, known, "{said}");
    }
    // The same a second later.
    let (said, pools) = file.deny(&["--pool", POOL, "--sub", "u", "--at", LATER]);
    assert_eq!(pools[POOL]["signed_in_before"]["u"], LATER_SECOND + 1);
    assert!(said.starts_with(&format!(
        "signed_in_before of u in {POOL} is 2040-01-01T00:00:01Z\n"
    )));
    // Where ids have no times, another one has none.
    let (said, pools) = file.deny(&["--pool", POOL, "--origin-jti", "p"]);
    assert_eq!(pools[POOL]["origin_jti"], json!(["o", "p"]));
    assert!(said.starts_with(&format!(
        "origin_jti of p in {POOL} is on the list, without a time\n"
    )));
}

#[test]
fn what_no_token_can_outlive_is_taken_out() {
    let now = now();
    for (test, arguments, refresh) in [
        ("pruned-3650", &[][..], 3650 * DAY),
        ("pruned-30", &["--refresh-days", "30"], 30 * DAY),
        ("pruned-1", &["--refresh-days", "1"], DAY),
    ] {
        // A minute on either side: the tool's clock goes on.
        let token = now - TOKEN_LIFE + 60;
        let session = token - refresh;
        let file = File::with(
            test,
            &list(
                now - 9,
                &json!({
                    POOL: {
                        "signed_in_before": {"kept": session, "gone": session - 120},
                        "issued_before": {"kept": token, "gone": token - 120},
                        "clients": {"kept": token, "gone": token - 120},
                        "origin_jti": {"kept": session, "gone": session - 120},
                        "jti": {"kept": token, "gone": token - 120},
                    },
                    "us-east-1_Second002": {"jti": ["without-a-time"], "clients": {"gone": 0}},
                    "us-east-1_Third003": {"clients": {"gone": token - 120}, "jti": []},
                }),
            ),
        );
        let (said, pools) = file.deny(arguments);
        assert_eq!(
            pools,
            json!({
                POOL: {
                    "signed_in_before": {"kept": session},
                    "issued_before": {"kept": token},
                    "clients": {"kept": token},
                    "origin_jti": {"kept": session},
                    "jti": {"kept": token},
                },
                "us-east-1_Second002": {"jti": ["without-a-time"]},
            })
        );
        assert!(
            said.starts_with("6 on the list, 7 taken out, written at "),
            "{said}"
        );
    }
}

/// Nobody is told of an entry that is not there.
#[test]
fn what_no_token_can_outlive_is_not_added() {
    let now = now();
    // A minute on either side: the tool's clock goes on.
    let token = now - TOKEN_LIFE + 60;
    let session = token - 30 * DAY;
    let refresh = ["--refresh-days", "30"];
    for (number, (arguments, member, alive)) in [
        (&["--jti", "i"][..], "jti", token),
        (&["--sub", "i", "--issued"], "issued_before", token),
        (&["--client", "i"], "clients", token),
        (&["--sub", "i"], "signed_in_before", session),
        (&["--origin-jti", "i"], "origin_jti", session),
    ]
    .into_iter()
    .enumerate()
    {
        let entry = [&["--pool", POOL], arguments, &refresh].concat();
        let at = |time: u64| {
            [&entry[..], &["--at", &time.to_string()]]
                .concat()
                .join(" ")
        };
        let (dead, alive) = (at(alive - 120), at(alive));
        let dead: Vec<_> = dead.split(' ').collect();
        let others = json!({POOL: {member: {"j": now, "gone": 0}}});
        let file = File::with(&format!("dead-{number}"), &list(SECOND, &others));
        let said = file.unchanged(&dead, 1).stdout;
        let said = String::from_utf8_lossy(&said);
        let expected = format!(
            "{member} of i in {POOL} is not on the list, which stays as it was: no token of "
        );
        assert!(said.starts_with(&expected), "{said}");
        assert!(
            said.ends_with(" can still be alive; leave --at out to revoke now\n"),
            "{said}"
        );
        let (said, pools) = file.deny(&alive.split(' ').collect::<Vec<_>>());
        assert!(pools[POOL][member]["i"].is_u64(), "{said}");
        assert!(said.contains("\n2 on the list, 1 taken out, "), "{said}");
        // A time that is known and refuses more stays, and so does its entry.
        let (said, pools) = file.deny(&dead);
        assert!(pools[POOL][member]["i"].is_u64(), "{said}");

        // None is begun for nothing, and where ids have no times, none is too old.
        let none = File::none(&format!("dead-alone-{number}"));
        none.unchanged(&dead, 1);
        if member.ends_with("jti") {
            none.put(&list(SECOND, &json!({POOL: {member: []}})));
            let (_, pools) = none.deny(&dead);
            assert_eq!(pools, json!({POOL: {member: ["i"]}}));
        }
    }
}

#[test]
fn the_date_of_a_list_never_falls() {
    let now = now();
    for (test, known, expected) in [
        ("dated-past", now - 1000, None),
        ("dated-ahead", now + 200, Some(now + 200)),
    ] {
        let file = File::with(test, &list(known, &json!({})));
        file.deny(&[]);
        let list: Value = serde_json::from_str(&file.text()).expect("JSON");
        let written = list["written_at"].as_u64().expect("a time");
        match expected {
            Some(expected) => assert_eq!(written, expected),
            None => assert!(written.abs_diff(now) < 15),
        }
    }
    // No filter takes such a list; with the clock set right it would seem to fall.
    let file = File::with("dated-far", &list(now + 360, &json!({})));
    let said = file.refused(&["--pool", POOL, "--sub", "u"]);
    assert!(
        said.starts_with("error: deny.json: found a list that was written at "),
        "{said}"
    );
    assert!(
        said.contains("more than 5 minutes ahead of this machine's clock"),
        "{said}"
    );
}

/// Who lost the list must not sign everybody in again by dating an empty one.
#[test]
fn a_list_that_is_gone_is_not_begun_anew_in_silence() {
    let file = File::none("gone");
    for arguments in [&[][..], &["--pool", POOL]] {
        let said = file.refused(arguments);
        assert_eq!(
            said,
            "error: deny.json: found no such file; expected a list, or an entry to begin one with\n"
        );
    }
    file.deny(&["--pool", POOL, "--sub", "u"]);
    file.deny(&[]);
    file.deny(&["--pool", POOL]);
}

#[test]
fn arguments_that_say_nothing_are_refused() {
    let file = File::with("arguments", &list(SECOND, &json!({})));
    for (arguments, expected) in [
        (&["--sub", "u"][..], "--pool <ID>"),
        (
            &["--pool", POOL, "--sub", "u", "--jti", "j"],
            "cannot be used with",
        ),
        (&["--pool", POOL, "--at", TIME], "required arguments"),
        (&["--pool", POOL, "--issued"], "required arguments"),
        (
            &["--pool", POOL, "--jti", "j", "--issued"],
            "cannot be used with",
        ),
        (
            &["--pool", POOL, "--sub", ""],
            "found an empty id; expected that of a claim",
        ),
        (
            &["--pool", "pool", "--sub", "u"],
            "or the twelve digits of an AWS account",
        ),
        (
            &["--pool", "12345678901", "--sub", "u"],
            "or the twelve digits of an AWS account",
        ),
        (
            &["--pool", ACCOUNT, "--origin-jti", "o"],
            "found --origin-jti with an AWS account",
        ),
        (
            &["--pool", ACCOUNT, "--client", "c"],
            "found --client with an AWS account",
        ),
        (
            &["--pool", POOL, "--sub", "u", "--at", "1795896000000"],
            "and not in milliseconds",
        ),
        (
            &["--pool", POOL, "--sub", "u", "--at", "now"],
            "expected a time such as",
        ),
        (&["--refresh-days", "0"], "is not in 1..=3650"),
        (&["--refresh-days", "3651"], "is not in 1..=3650"),
    ] {
        let said = file.refused(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

/// What would be lost in writing is not written: the reader is the filter's own.
#[test]
fn what_the_filter_would_not_take_is_left_as_it_is() {
    let file = File::none("unreadable");
    let entry = ["--pool", POOL, "--sub", "u"];
    for (text, expected) in [
        ("", "found no deny list"),
        ("[]", "found no deny list"),
        (
            r#"{"version":2,"written_at":1,"pools":{}}"#,
            "found another version; expected 1 (line 1)",
        ),
        (
            r#"{"version":1,"written_at":1}"#,
            "found a deny list without version, written_at or pools",
        ),
        (
            r#"{"version":1,"written_at":1,"pools":{},"more":1}"#,
            "found an unknown member",
        ),
        (
            r#"{"version":1,"written_at":1,"pools":{"p":{"users":{}}}}"#,
            "found an unknown member",
        ),
        (
            r#"{"version":1,"written_at":1,"pools":{"p":{"clients":["c"]}}}"#,
            "found no deny list",
        ),
        (
            r#"{"version":1,"written_at":1,"pools":{"p":{"clients":{"c":1.5}}}}"#,
            "found a time that is no whole number of seconds",
        ),
        (
            r#"{"version":1,"written_at":1,"pools":{"p":{"clients":{"c":1,"c":2}}}}"#,
            "found a name that stands twice",
        ),
        (
            r#"{"version":1,"written_at":1,"pools":{"p":{},"p":{}}}"#,
            "found a name that stands twice",
        ),
    ] {
        file.put(text);
        for arguments in [&entry[..], &[]] {
            let said = file.refused(arguments);
            assert!(
                said.starts_with(&format!("error: deny.json: {expected}")),
                "{text}: {said}"
            );
        }
    }
    // A whole number of seconds, as some programs write one.
    file.put(r#"{"version":1,"written_at":1.0,"pools":{"p":{"clients":{"c":2208988800.0}}}}"#);
    let (_, pools) = file.deny(&["--pool", POOL, "--jti", "j", "--at", LATER]);
    assert_eq!(
        pools,
        json!({"p": {"clients": {"c": LATER_SECOND}}, POOL: {"jti": {"j": LATER_SECOND}}})
    );
}

/// An entry that finds nobody is said to be one.
#[test]
fn an_id_that_looks_like_something_else_is_doubted() {
    let file = File::none("doubt");
    for (owner, id, doubt) in [
        (POOL, "alice@example.com", true),
        (POOL, "5f3c2a10-7d1e-4f0b-9b58-0c1d2e3f4a5b", false),
        (
            ACCOUNT,
            "arn:aws:sts::123456789012:assumed-role/billing/i-0abc",
            true,
        ),
        (ACCOUNT, "arn:aws:iam::123456789012:role/billing", false),
    ] {
        let output = file.command(&["--pool", owner, "--sub", id]).output();
        let output = output.expect("the tool starts");
        succeeded(&output);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            said.starts_with(&format!("warning: {id}: ")),
            doubt,
            "{said}"
        );
    }
}

/// The page about revocation shows what the tool prints; only the clock differs.
#[test]
fn it_prints_what_the_page_shows() {
    let page = include_str!("../../envoy/REVOCATION.md");
    let (_, shown) = page
        .split_once("<!-- tool -->\n```console\n$ cognito-authorizer deny deny.json ")
        .expect("a command");
    let (command, shown) = shown.split_once('\n').expect("a command line");
    let (shown, after) = shown.split_once("```\n").expect("its output");
    let (_, list) = after
        .split_once("<!-- deny list -->\n```json\n")
        .expect("a list");
    let (list, _) = list.split_once("\n```").expect("a list");
    let file = File::none("page");
    let (said, pools) = file.deny(&command.split(' ').collect::<Vec<_>>());
    let without_clock = |text: &str| text.split_once("written at ").expect("a time").0.to_owned();
    assert_eq!(without_clock(&said), without_clock(shown));
    let list: Value = serde_json::from_str(list).expect("JSON");
    assert_eq!(list["pools"], pools);
}

/// What a reader holds open stays whole, and whoever may read the list may read it after.
#[test]
fn the_file_is_replaced_as_a_whole() {
    let file = File::with("replaced", &list(SECOND, &json!({})));
    std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    let link = file.0.with_file_name("link.json");
    std::os::unix::fs::symlink(&file.0, &link).expect("a link");
    let mut open = std::fs::File::open(&file.0).expect("a list");
    let through = File(link.clone());
    let (_, pools) = through.deny(&["--pool", POOL, "--client", "c", "--at", LATER]);
    assert_eq!(pools, json!({POOL: {"clients": {"c": LATER_SECOND + 1}}}));
    assert!(link.is_symlink());
    std::fs::remove_file(&link).expect("a link");
    let mode = std::fs::metadata(&file.0).expect("a list").permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);
    let mut before = String::new();
    std::io::Read::read_to_string(&mut open, &mut before).expect("the old list");
    assert_eq!(before, list(SECOND, &json!({})));
    file.is_alone();
}

#[test]
fn runs_at_the_same_time_lose_nothing() {
    let file = File::with("at-once", &list(SECOND, &json!({})));
    let ids: Vec<_> = (10..26).map(|number| format!("user-{number}")).collect();
    let running: Vec<_> = ids
        .iter()
        .map(|id| {
            let mut command = file.command(&["--pool", POOL, "--sub", id]);
            command.stdout(Stdio::null());
            command.spawn().expect("the tool starts")
        })
        .collect();
    for mut child in running {
        assert!(child.wait().expect("an end").success());
    }
    let list: Value = serde_json::from_str(&file.text()).expect("JSON");
    let users = list["pools"][POOL]["signed_in_before"].as_object();
    let users: Vec<_> = users.expect("users").keys().cloned().collect();
    assert_eq!(users, ids);
    file.is_alone();
}
