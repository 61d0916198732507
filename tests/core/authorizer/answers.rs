//! What a function's answer means, and what is none.

use super::arn;
use cognito_authorizer::authorizer::answer::{
    Answer, AnswerType, Fault, MAX_ANSWER_BYTES, NoAnswer, Reply, Terms,
};
use cognito_authorizer::authorizer::event::Format;
use cognito_authorizer::authorizer::policy_document::Denied;
use serde_json::{Value, json};

const POLICY: Terms<'_> = Terms {
    format: Format::Rest,
    answer: AnswerType::Policy,
    sent: &["sent", "principalId"],
};

const SIMPLE: Terms<'_> = Terms {
    format: Format::Http2,
    answer: AnswerType::Simple,
    sent: &["sent"],
};

const POLICY_2: Terms<'_> = Terms {
    format: Format::Http2,
    ..POLICY
};

fn reply(status: u16, body: &[u8]) -> Reply<'_> {
    Reply {
        status,
        function_error: None,
        body,
    }
}

fn read(body: &str, terms: &Terms<'_>) -> Result<Answer, NoAnswer> {
    Answer::read(&reply(200, body.as_bytes()), terms)
}

#[track_caller]
fn fails(body: &str, terms: &Terms<'_>, fault: Fault) {
    assert_eq!(read(body, terms), Err(NoAnswer::Failed(fault)), "{body}");
}

fn allow() -> Value {
    json!({
        "principalId": "user|a1b2",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
        },
    })
}

fn with(member: &str, value: Value) -> String {
    let mut answer = allow();
    answer[member] = value;
    answer.to_string()
}

#[test]
fn a_policy_is_judged_for_each_request() {
    let mut answer = allow();
    let only = arn("GET /a").as_str().to_owned();
    answer["policyDocument"]["Statement"][0]["Resource"] = json!(only);
    let read = read(&answer.to_string(), &POLICY).unwrap();
    assert_eq!(read.judge(&arn("GET /a"), None), Ok(()));
    assert_eq!(read.judge(&arn("GET /b"), None), Err(Denied::Implicitly));
    answer["policyDocument"]["Statement"][0]["Effect"] = json!("Deny");
    let read = self::read(&answer.to_string(), &POLICY).unwrap();
    assert_eq!(read.judge(&arn("GET /a"), None), Err(Denied::Explicitly));
}

#[test]
fn a_simple_answer_is_a_boolean_and_says_the_same_of_all() {
    let read = read(r#"{"isAuthorized":true}"#, &SIMPLE).unwrap();
    assert_eq!(read.judge(&arn("GET /a"), None), Ok(()));
    let read = self::read(r#"{"isAuthorized":false,"context":{"sent":"x"}}"#, &SIMPLE).unwrap();
    assert_eq!(read.judge(&arn("GET /a"), None), Err(Denied::Implicitly));
    for bad in [
        r#"{"isAuthorized":"true"}"#,
        r#"{"isAuthorized":1}"#,
        r#"{"isAuthorized":null}"#,
        r#"{"isAuthorized":[true]}"#,
        r#"{"IsAuthorized":true}"#,
        "{}",
    ] {
        fails(bad, &SIMPLE, Fault::IsAuthorized);
    }
    // A policy is no simple answer, and the other way round.
    fails(&allow().to_string(), &SIMPLE, Fault::IsAuthorized);
    fails(r#"{"isAuthorized":true}"#, &POLICY, Fault::PolicyDocument);
    fails(r#"{"isAuthorized":true}"#, &POLICY_2, Fault::PolicyDocument);
    let both = with("isAuthorized", json!(false));
    assert_eq!(
        self::read(&both, &POLICY_2)
            .unwrap()
            .judge(&arn("GET /"), None),
        Ok(())
    );
    let refused = self::read(&both, &SIMPLE)
        .unwrap()
        .judge(&arn("GET /"), None);
    assert_eq!(refused, Err(Denied::Implicitly));
}

#[test]
fn what_is_not_one_object_is_no_answer() {
    for bad in [
        "",
        " ",
        "null",
        "true",
        "\"Allow\"",
        "[]",
        "{",
        "{}{}",
        "{'isAuthorized':true}",
        r#"{"isAuthorized":true,}"#,
        r#"{"isAuthorized":false,"isAuthorized":true}"#,
        r#"{"isAuthorized":true,"is\u0041uthorized":true}"#,
        r#"{"isAuthorized":true,"context":{"a":1,"a":2}}"#,
        r#"{"isAuthorized":true,"x":{"y":[{"a":1,"a":1}]}}"#,
        r#"{"isAuthorized":true,"context":{"a":{"$serde_json::private::Number":"5"}}}"#,
        r#"{"isAuthorized":true,"$serde_json::private::Number":"5"}"#,
        "{\"isAuthorized\":true,\"a\":\"\u{1}\"}",
        r#"{"isAuthorized":true,"a":"\ud800"}"#,
    ] {
        fails(bad, &SIMPLE, Fault::NotJson);
    }
    let not_utf_8 = b"{\"isAuthorized\":true,\"a\":\"\xff\"}";
    let found = Answer::read(&reply(200, not_utf_8), &SIMPLE);
    assert_eq!(found, Err(NoAnswer::Failed(Fault::NotJson)));
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"isAuthorized":true,"a":{open}{close}}}"#)
    };
    assert!(read(&nested(100), &SIMPLE).is_ok());
    fails(&nested(100_000), &SIMPLE, Fault::NotJson);
    assert!(read(" {\"isAuthorized\":true} \n", &SIMPLE).is_ok());
}

#[test]
fn an_answer_has_at_most_256_kib() {
    let padded = |length: usize| {
        let empty = r#"{"isAuthorized":true,"a":""}"#.len();
        format!(
            r#"{{"isAuthorized":true,"a":"{}"}}"#,
            "x".repeat(length - empty)
        )
    };
    assert_eq!(MAX_ANSWER_BYTES, 262_144);
    assert!(read(&padded(MAX_ANSWER_BYTES), &SIMPLE).is_ok());
    fails(&padded(MAX_ANSWER_BYTES + 1), &SIMPLE, Fault::TooLarge);
    // What a failing function says is bounded as well.
    let found = Answer::read(
        &Reply {
            function_error: Some(b"Unhandled"),
            ..reply(200, &vec![b' '; MAX_ANSWER_BYTES + 1])
        },
        &SIMPLE,
    );
    assert_eq!(found, Err(NoAnswer::Failed(Fault::TooLarge)));
}

#[test]
fn a_policy_document_is_needed_and_read_strictly() {
    for bad in [
        Value::Null,
        json!("x"),
        json!({}),
        json!([]),
        json!({"Statement": [{}]}),
    ] {
        fails(&with("policyDocument", bad), &POLICY, Fault::PolicyDocument);
    }
    fails("{}", &POLICY, Fault::PolicyDocument);
    fails(r#"{"principalId":"a"}"#, &POLICY, Fault::PolicyDocument);
    // What else an answer has is API Gateway's business.
    assert!(read(&with("usageIdentifierKey", json!("key")), &POLICY).is_ok());
    assert!(read(&with("unknown", json!([1])), &POLICY).is_ok());
}

#[test]
fn the_callers_name_is_a_text_or_absent() {
    let named = |value| read(&with("principalId", value), &POLICY);
    let name = |value| named(value).unwrap().get("principalId").cloned();
    assert_eq!(name(json!("user|a")), Some(json!("user|a")));
    assert_eq!(name(Value::Null), None);
    assert_eq!(name(json!("")), Some(json!("")));
    for bad in [json!(7), json!(["a"]), json!({}), json!(true)] {
        let found = named(bad);
        assert_eq!(found, Err(NoAnswer::Failed(Fault::PrincipalId)));
    }
    let mut nameless = allow();
    nameless.as_object_mut().unwrap().remove("principalId");
    assert_eq!(
        read(&nameless.to_string(), &POLICY)
            .unwrap()
            .get("principalId"),
        None
    );
    // The name is the answer's own, and not the context's.
    nameless["context"] = json!({"principalId": "admin"});
    assert_eq!(
        read(&nameless.to_string(), &POLICY)
            .unwrap()
            .get("principalId"),
        None
    );
}

#[test]
fn context_values_are_texts_but_in_format_2() {
    let context = json!({
        "text": "a", "number": 12, "decimal": 1.50, "large": 12345678901234567890_u64, "yes": true, "none": null,
    });
    let got = |terms: &Terms<'_>, key: &str| {
        let answer = read(&with("context", context.clone()), terms).unwrap();
        answer.get(key).cloned()
    };
    for format in [Format::Token, Format::Rest, Format::Http1] {
        let terms = Terms { format, ..POLICY };
        for (key, expected) in [
            ("text", Some(json!("a"))),
            ("number", Some(json!("12"))),
            ("decimal", Some(json!("1.5"))),
            ("large", Some(json!("12345678901234567890"))),
            ("yes", Some(json!("true"))),
            ("none", None),
            ("other", None),
        ] {
            assert_eq!(got(&terms, key), expected, "{key}");
        }
        for bad in [
            json!({"a": []}),
            json!({"a": {}}),
            json!([]),
            json!("x"),
            json!(1),
        ] {
            fails(&with("context", bad), &terms, Fault::Context);
        }
    }
    assert_eq!(got(&POLICY_2, "number"), Some(json!(12)));
    assert_eq!(got(&POLICY_2, "yes"), Some(json!(true)));
    assert_eq!(got(&POLICY_2, "none"), None);
    let nested = with("context", json!({"list": ["a", 1], "map": {"k": ["v"]}}));
    let nested = read(&nested, &POLICY_2).unwrap();
    assert_eq!(nested.get("list"), Some(&json!(["a", 1])));
    assert_eq!(nested.get("map"), Some(&json!({"k": ["v"]})));
    for bad in [json!([]), json!("x"), json!(1)] {
        fails(&with("context", bad), &POLICY_2, Fault::Context);
    }
    for none in [json!({}), Value::Null] {
        assert!(read(&with("context", none), &POLICY).is_ok());
    }
    // A number is sent as it was written.
    let body = allow().to_string();
    let body = format!(r#"{},"context":{{"n":1.50}}}}"#, &body[..body.len() - 1]);
    assert_eq!(read(&body, &POLICY).unwrap().get("n"), Some(&json!("1.50")));
}

#[test]
fn what_would_end_a_header_is_not_sent() {
    for bad in ["a\nb", "a\rb", "\u{0}", "a\u{7f}", "a\u{85}b", "\t"] {
        fails(
            &with("context", json!({"sent": bad})),
            &POLICY,
            Fault::Value,
        );
        fails(&with("principalId", json!(bad)), &POLICY, Fault::Value);
        for nested in [
            json!([bad]),
            json!({"a": bad}),
            json!({bad: "a"}),
            json!([["x", {"y": [bad]}]]),
        ] {
            fails(
                &with("context", json!({"sent": nested})),
                &POLICY_2,
                Fault::Value,
            );
        }
        // It goes nowhere.
        assert!(read(&with("context", json!({"other": bad})), &POLICY).is_ok());
    }
    assert!(read(&with("context", json!({"sent": "é ü"})), &POLICY).is_ok());
}

#[test]
fn one_message_of_a_failing_function_is_a_word_about_the_caller() {
    let failed = |body: &str| {
        let reply = Reply {
            function_error: Some(b"Unhandled"),
            ..reply(200, body.as_bytes())
        };
        Answer::read(&reply, &POLICY)
    };
    for body in [
        r#"{"errorMessage":"Unauthorized","errorType":"Error","trace":["Error: Unauthorized"]}"#,
        r#"{"errorMessage":"Unauthorized","errorType":"Exception","stackTrace":[]}"#,
        r#"{"errorMessage":"Unauthorized"}"#,
    ] {
        assert_eq!(failed(body), Err(NoAnswer::Unauthorized), "{body}");
    }
    let allowed = allow().to_string();
    for body in [
        r#"{"errorMessage":"unauthorized"}"#,
        r#"{"errorMessage":"Unauthorized "}"#,
        r#"{"errorMessage":"Unauthorized: expired"}"#,
        r#"{"errorMessage":"Task timed out after 3.00 seconds"}"#,
        r#"{"errorMessage":["Unauthorized"]}"#,
        r#"{"errorMessage":"x","errorMessage":"Unauthorized"}"#,
        r#"{"message":"Unauthorized"}"#,
        r#""Unauthorized""#,
        "Unauthorized",
        "",
        // Whatever it looks like, the function failed.
        &allowed,
    ] {
        let expected = Err(NoAnswer::Failed(Fault::FunctionError));
        assert_eq!(failed(body), expected, "{body}");
    }
    // Without the header it is an answer, and none that says anything.
    fails(
        r#"{"errorMessage":"Unauthorized"}"#,
        &POLICY,
        Fault::PolicyDocument,
    );
    // An empty header is one.
    let reply = Reply {
        function_error: Some(b""),
        ..reply(200, allowed.as_bytes())
    };
    assert_eq!(
        Answer::read(&reply, &POLICY),
        Err(NoAnswer::Failed(Fault::FunctionError))
    );
}

#[test]
fn a_status_but_200_is_never_an_answer() {
    let body = allow().to_string();
    for (status, expected) in [
        (401, NoAnswer::Unavailable(401)),
        (403, NoAnswer::Unavailable(403)),
        (404, NoAnswer::Unavailable(404)),
        (408, NoAnswer::Unavailable(408)),
        (429, NoAnswer::Unavailable(429)),
        (500, NoAnswer::Unavailable(500)),
        (503, NoAnswer::Unavailable(503)),
        (504, NoAnswer::Unavailable(504)),
        (599, NoAnswer::Unavailable(599)),
        (0, NoAnswer::Failed(Fault::Status(0))),
        (199, NoAnswer::Failed(Fault::Status(199))),
        (201, NoAnswer::Failed(Fault::Status(201))),
        (202, NoAnswer::Failed(Fault::Status(202))),
        (204, NoAnswer::Failed(Fault::Status(204))),
        (302, NoAnswer::Failed(Fault::Status(302))),
        (400, NoAnswer::Failed(Fault::Status(400))),
        (413, NoAnswer::Failed(Fault::Status(413))),
        (499, NoAnswer::Failed(Fault::Status(499))),
    ] {
        assert_eq!(
            Answer::read(&reply(status, body.as_bytes()), &POLICY),
            Err(expected)
        );
        // What the call brought besides says nothing then.
        let error = Reply {
            function_error: Some(b"Unhandled"),
            ..reply(status, br#"{"errorMessage":"Unauthorized"}"#)
        };
        assert_eq!(Answer::read(&error, &POLICY), Err(expected));
    }
    assert!(Answer::read(&reply(200, body.as_bytes()), &POLICY).is_ok());
}

#[test]
fn an_answer_weighs_what_it_holds() {
    let bytes = |body: &str, terms: &Terms<'_>| read(body, terms).unwrap().bytes();
    let simple = bytes(r#"{"isAuthorized":true}"#, &SIMPLE);
    assert!((64..512).contains(&simple), "{simple}");
    let long = "x".repeat(10_000);
    let context = |key: &str, value: &str| with("context", json!({key: value}));
    let small = bytes(&context("a", "b"), &POLICY);
    for heavy in [
        context("a", &long),
        context(&long, "b"),
        with("principalId", json!("y".repeat(8_000))),
    ] {
        let found = bytes(&heavy, &POLICY);
        assert!(found > small + 7_900, "{found}");
    }
    let resources = |count: usize| {
        let mut answer = allow();
        let one = "r".repeat(500);
        answer["policyDocument"]["Statement"][0]["Resource"] = json!(vec![one; count]);
        bytes(&answer.to_string(), &POLICY)
    };
    let (few, many) = (resources(1), resources(101));
    // Each twice, as it is and folded.
    assert!((100_000..130_000).contains(&(many - few)), "{few} {many}");
    let statements = |count: usize| {
        let condition = json!({"IpAddress": {"aws:SourceIp": vec!["192.0.2.0/24"; 100]}});
        let one = json!({"Action": "*", "Effect": "Deny", "Resource": [], "Condition": condition});
        let mut answer = allow();
        answer["policyDocument"]["Statement"] = json!(vec![one; count]);
        bytes(&answer.to_string(), &POLICY)
    };
    let (few, many) = (statements(1), statements(11));
    assert!((18_000..30_000).contains(&(many - few)), "{few} {many}");
}

/// The reason is told in the log, and nothing of the answer.
#[test]
fn a_fault_has_words() {
    for (fault, text) in [
        (Fault::FunctionError, "the function ended in an error"),
        (Fault::Status(413), "the call was answered with status 413"),
        (Fault::TooLarge, "the answer has more than 262144 bytes"),
        (
            Fault::NotJson,
            "the answer is not one JSON object in which every name stands once",
        ),
        (
            Fault::PolicyDocument,
            "policyDocument is no policy that can be read",
        ),
        (
            Fault::IsAuthorized,
            "isAuthorized is neither true nor false",
        ),
        (Fault::PrincipalId, "principalId is no text"),
        (
            Fault::Context,
            "context has a value that the format does not have",
        ),
        (
            Fault::Value,
            "a context value for a header has control characters, or is too long",
        ),
    ] {
        assert_eq!(fault.to_string(), text);
    }
}
