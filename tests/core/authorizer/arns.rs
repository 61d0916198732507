//! The ARN of a request: in which path, with which method, and when there is none.

use super::api;
use cognito_authorizer::authorizer::api::Api;
use cognito_authorizer::authorizer::method_arn::{MAX_ARN_BYTES, MethodArn, NoArn};
use cognito_authorizer::rules::path::UnsafePath;

fn arn_of(api: &Api, method: &str, path: &str) -> Result<String, NoArn> {
    let arn = MethodArn::new(api, method.as_bytes(), path.as_bytes())?;
    Ok(arn.as_str().to_owned())
}

#[test]
fn an_arn_names_the_path_as_the_upstream_sees_it() {
    const API: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod";
    for (path, expected) in [
        ("/", "/"),
        ("/orders/7", "/orders/7"),
        ("/orders/7/", "/orders/7/"),
        ("/orders/7?a=b/c", "/orders/7"),
        ("/%6frders", "/orders"),
        ("/a%2fb", "/a%2Fb"),
        ("/a:b", "/a:b"),
        ("/a|b", "/a%7Cb"),
        ("/*", "/%2A"),
        ("/%2a", "/%2A"),
        ("/a%3f", "/a%3F"),
        ("/Orders", "/Orders"),
    ] {
        let found = arn_of(&api(), "GET", path).unwrap();
        assert_eq!(found, format!("{API}/GET{expected}"), "{path}");
    }
}

#[test]
fn an_arn_has_the_partition_of_its_region() {
    for (region, partition) in [
        ("eu-central-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
    ] {
        let api = Api {
            region: region.to_owned(),
            ..api()
        };
        let found = arn_of(&api, "PUT", "/a").unwrap();
        let expected =
            format!("arn:{partition}:execute-api:{region}:123456789012:a1b2c3d4e5/prod/PUT/a");
        assert_eq!(found, expected);
        assert_eq!(
            api.lambda_host(),
            match region {
                "cn-north-1" => "lambda.cn-north-1.amazonaws.com.cn".to_owned(),
                other => format!("lambda.{other}.amazonaws.com"),
            }
        );
    }
}

#[test]
fn methods_are_those_that_are_no_wildcard() {
    for method in [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ] {
        let arn = MethodArn::new(&api(), method.as_bytes(), b"/a").unwrap();
        assert_eq!((arn.method(), arn.path()), (method, "/a"));
    }
    for method in ["*", "", "get", "Get", "GET ", "PURGE", "GET*", "M-SEARCH"] {
        assert_eq!(arn_of(&api(), method, "/a"), Err(NoArn::Method), "{method}");
    }
    assert_eq!(
        NoArn::Method.to_string(),
        "the method is unknown; expected one of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH"
    );
}

#[test]
fn a_path_that_is_unsafe_has_no_arn() {
    for (path, cause) in [
        ("", UnsafePath::NotAbsolute),
        ("*", UnsafePath::NotAbsolute),
        ("/a/../b", UnsafePath::DotSegment),
        ("/a%00", UnsafePath::ControlCharacter),
        ("/a%2561", UnsafePath::DoublyEncoded),
        ("/a#b", UnsafePath::Fragment),
    ] {
        let found = arn_of(&api(), "GET", path);
        assert_eq!(found, Err(NoArn::Path(cause)), "{path}");
    }
    let told = NoArn::Path(UnsafePath::Fragment).to_string();
    assert_eq!(told, UnsafePath::Fragment.to_string());
}

#[test]
fn an_arn_has_at_most_1600_bytes() {
    let before = arn_of(&api(), "GET", "/").unwrap().len();
    let longest = "a".repeat(MAX_ARN_BYTES - before);
    assert_eq!(
        arn_of(&api(), "GET", &format!("/{longest}")).unwrap().len(),
        1600
    );
    assert_eq!(
        arn_of(&api(), "GET", &format!("/{longest}?b"))
            .unwrap()
            .len(),
        1600
    );
    assert_eq!(
        arn_of(&api(), "GET", &format!("/{longest}a")),
        Err(NoArn::TooLong)
    );
    // As written, a `*` is longer.
    let stars = "*".repeat((MAX_ARN_BYTES - before) / 3 + 1);
    assert_eq!(
        arn_of(&api(), "GET", &format!("/{stars}")),
        Err(NoArn::TooLong)
    );
    assert_eq!(
        NoArn::TooLong.to_string(),
        "the path is too long; expected an ARN of at most 1600 bytes"
    );
}
