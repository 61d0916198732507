//! What a token says about itself, checked before any key is asked for.

use serde_json::json;

use crate::admission::{bearer, rewritten};
use crate::harness::client::Request;
use crate::harness::document::{OTHER_CLIENT, POOL};
use crate::harness::issuer::{CLIENT, Token, issuer_of, now};
use crate::harness::table::Table;

/// Past the default `clock_skew` of 60 s, and short of it.
const BEYOND_SKEW: i64 = 90;

const WITHIN_SKEW: i64 = 30;

pub(crate) fn times(table: &mut Table<'_>, at: &str) {
    let now = now();
    // Of this very second, whichever it is by now: a text of it is replaced below.
    let id = Token::id(POOL).claim("iat", now);
    let expired = id.clone().claim("exp", now - BEYOND_SKEW);
    table.refused(at, "expired", &bearer(&expired.mint()), "token_expired");
    let late = id.clone().claim("exp", now - WITHIN_SKEW);
    table.accepted(at, "expired within the skew", &bearer(&late.mint()));
    for claim in ["nbf", "iat"] {
        let early = id.clone().claim(claim, now + BEYOND_SKEW);
        table.refused(at, claim, &bearer(&early.mint()), "token_not_yet_valid");
        let early = id.clone().claim(claim, now + WITHIN_SKEW);
        table.accepted(
            at,
            &format!("{claim} within the skew"),
            &bearer(&early.mint()),
        );
    }
    let without = id.clone().without("iat");
    table.accepted(at, "no iat", &bearer(&without.mint()));
    let fraction = rewritten(&id, &format!("\"iat\":{now}"), &format!("\"iat\":{now}.5"));
    table.accepted(at, "a fraction of a second", &bearer(&fraction));
    for value in [
        "\"1\"",
        "null",
        "-1",
        "9007199254740994",
        "1e400",
        "true",
        "[1]",
    ] {
        for claim in ["exp", "nbf", "iat"] {
            let token = id.clone().without(claim);
            let token = rewritten(&token, "{", &format!("{{\"{claim}\":{value},"));
            table.refused(
                at,
                &format!("{claim}: {value}"),
                &bearer(&token),
                "malformed_token",
            );
        }
    }
    let eternal = rewritten(
        &id.clone().without("exp"),
        "{",
        "{\"exp\":9007199254740992,",
    );
    table.accepted(at, "exp at the end of time", &bearer(&eternal));
    let forever = id.without("exp");
    let response = bearer(&forever.mint());
    table.refused(at, "no exp", &response, "malformed_token");
}

pub(crate) fn issuer_and_use(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let ours = issuer_of(POOL);
    for issuer in [
        issuer_of("us-east-1_Foreign01"),
        format!("{ours}/"),
        format!("{ours}?"),
        ours.replace("https", "http"),
        ours.replace("us-east-1_", "US-EAST-1_"),
        ours.replace("cognito-idp", "issuer-cognito-idp"),
        String::new(),
    ] {
        // Another pool's token, with a kid of ours and signed by our key: the issuer alone decides.
        let token = id.clone().claim("iss", issuer.clone()).mint();
        table.refused(
            at,
            &format!("iss {issuer}"),
            &bearer(&token),
            "unknown_issuer",
        );
    }
    let list = id.clone().claim("iss", json!([ours])).mint();
    table.refused(at, "iss in a list", &bearer(&list), "unknown_issuer");
    let none = id.clone().without("iss").mint();
    table.refused(at, "no iss", &bearer(&none), "unknown_issuer");
    for token_use in ["refresh", "ID", ""] {
        let token = id.clone().claim("token_use", token_use).mint();
        table.refused(
            at,
            &format!("token_use {token_use}"),
            &bearer(&token),
            "wrong_token_use",
        );
    }
    let none = id.clone().without("token_use").mint();
    table.refused(at, "no token_use", &bearer(&none), "wrong_token_use");
    let narrow = |token: &Token| Request::get("/access").bearer(&token.mint());
    table.refused(
        at,
        "an id token for an access rule",
        &narrow(&id),
        "wrong_token_use",
    );
    table.accepted(at, "an access token for it", &narrow(&Token::access(POOL)));
}

pub(crate) fn client(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let access = Token::access(POOL);
    for (what, token) in [
        ("aud of a stranger", id.clone().claim("aud", "stranger")),
        (
            "aud: no client of ours",
            id.clone().claim("aud", json!(["a", "b"])),
        ),
        ("no aud", id.clone().without("aud")),
        (
            "an id token with client_id alone",
            id.clone().without("aud").claim("client_id", CLIENT),
        ),
        (
            "client_id of a stranger",
            access.clone().claim("client_id", "stranger"),
        ),
        ("no client_id", access.clone().without("client_id")),
        (
            "client_id in a list",
            access.clone().claim("client_id", json!([CLIENT])),
        ),
        (
            "an access token with aud alone",
            access.clone().without("client_id").claim("aud", CLIENT),
        ),
    ] {
        table.refused(at, what, &bearer(&token.mint()), "wrong_client");
    }
    let list = id.clone().claim("aud", json!(["a", CLIENT]));
    table.accepted(at, "aud: one client of ours", &bearer(&list.mint()));
    // A resource server that is bound to the token stands in `aud`: the client counts.
    let bound = access.claim("aud", "https://api.example.com");
    table.accepted(at, "an access token for an API", &bearer(&bound.mint()));
    let narrow = |token: &Token| Request::get("/other-client").bearer(&token.mint());
    table.refused(at, "not the rule's client", &narrow(&id), "wrong_client");
    table.accepted(
        at,
        "the rule's client",
        &narrow(&id.claim("aud", OTHER_CLIENT)),
    );
}

pub(crate) fn audience_pattern(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    table.accepted(at, "aud that matches", &bearer(&id.mint()));
    let other = id.clone().claim("aud", OTHER_CLIENT);
    table.refused(
        at,
        "aud that does not match",
        &bearer(&other.mint()),
        "wrong_audience",
    );
    let access = Token::access(POOL);
    table.refused(at, "no aud", &bearer(&access.mint()), "wrong_audience");
    let bound = access.claim("aud", CLIENT);
    table.accepted(at, "an access token with aud", &bearer(&bound.mint()));
    // Of an array only the elements that are wanted clients count.
    let list = |second: &str| {
        id.clone()
            .claim("aud", json!(["4hq8stranger", second]))
            .mint()
    };
    table.refused(
        at,
        "only a stranger matches",
        &bearer(&list(OTHER_CLIENT)),
        "wrong_audience",
    );
    table.accepted(at, "a wanted client matches", &bearer(&list(CLIENT)));
}
