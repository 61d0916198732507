//! The requests whose accounts are held to the letter: one for each reason, and twins that pass.

use serde_json::{Value, json};

use crate::harness::minting::Mint;

/// The time of every token and every question: 2023-11-14T22:13:20Z.
const NOW: f64 = 1_700_000_000.0;

pub(crate) const FILES: &str = "tests/desk/explain/files";

/// A command line without what all have, and the token that it reads.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) token: Option<Vec<u8>>,
}

/// All cases of one configuration.
struct Cases {
    config: &'static str,
    jwks: bool,
    all: Vec<Case>,
}

impl Cases {
    fn new(config: &'static str) -> Self {
        Self {
            config,
            jwks: true,
            all: Vec::new(),
        }
    }

    fn ask(&mut self, name: &'static str, token: Option<Vec<u8>>, arguments: &[&str]) {
        let mut all = vec![
            "--config".to_owned(),
            format!("{FILES}/{}", self.config),
            "--now".to_owned(),
            NOW.to_string(),
        ];
        if self.jwks {
            all.extend(["--jwks".to_owned(), format!("{FILES}/jwks.json")]);
        }
        if token.is_some() {
            all.extend(["--token".to_owned(), "-".to_owned()]);
        }
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self.all.push(Case {
            name,
            arguments: all,
            token,
        });
    }

    fn without_keys(mut self) -> Self {
        self.jwks = false;
        self
    }
}

/// A token as the vectors describe them.
fn token(description: Value) -> Option<Vec<u8>> {
    let common: Value =
        serde_json::from_str(include_str!("../../vectors/decisions/common.json")).unwrap();
    let mint = Mint {
        now: NOW,
        tokens: &common["tokens"],
    };
    Some(mint.mint(&description))
}

fn access() -> Option<Vec<u8>> {
    token(json!({}))
}

fn id(claims: Value) -> Option<Vec<u8>> {
    token(json!({"base": "id", "claims": claims}))
}

fn claims(claims: Value) -> Option<Vec<u8>> {
    token(json!({"claims": claims}))
}

const SUB: &str = "6f1e2d3c-aaaa-4bbb-8ccc-0123456789ab";

fn places_and_forms() -> Cases {
    let mut cases = Cases::new("api.yaml");
    let path = ["--path", "/things"];
    cases.ask("accepted", access(), &path);
    cases.ask("missing-token", None, &path);
    let basic = [
        "--path",
        "/things",
        "--header",
        "Authorization: Basic dXNlcjpwYXNzd29yZA==",
    ];
    cases.ask("missing-token-basic", None, &basic);
    let text = String::from_utf8(access().unwrap()).unwrap();
    let cookie = format!("cookie: access_token={text}");
    cases.ask(
        "multiple-tokens",
        access(),
        &["--path", "/things", "--header", &cookie],
    );
    let alias = format!("cookie: a=b access_token={text}");
    let beside = ["--path", "/things", "--header", &alias];
    cases.ask("multiple-tokens-alias", access(), &beside);
    cases.ask("missing-token-alias", None, &beside);
    cases.ask(
        "token-in-cookie",
        None,
        &[
            "--path",
            "/things",
            "--header",
            &cookie,
            "--header",
            "x-user-id: admin",
        ],
    );
    let query = format!("/things?a=1&access_token={text}&b=2");
    cases.ask("token-in-query", None, &["--path", &query]);
    let two = json!({"damage": [{"op": "drop_part", "part": 2}]});
    cases.ask("malformed-two-parts", token(two), &path);
    let five =
        json!({"damage": [{"op": "add_part", "text": "AAAA"}, {"op": "add_part", "text": "BBBB"}]});
    cases.ask("malformed-refresh-token", token(five), &path);
    let padded = json!({"damage": [{"op": "suffix", "part": 1, "text": "="}]});
    cases.ask("malformed-padding", token(padded), &path);
    cases.ask("malformed-kid", token(json!({"header": {"kid": 7}})), &path);
    cases.ask("malformed-time", claims(json!({"nbf": "soon"})), &path);
    cases.ask(
        "malformed-no-exp",
        token(json!({"without": ["exp"]})),
        &path,
    );
    let none = json!({"header": {"alg": "none"}, "sign": {"scheme": "none"}});
    cases.ask("unsupported-algorithm", token(none), &path);
    let own = json!({"header": {"jwk": {"$jwk": "third"}}, "sign": {"key": "third"}});
    cases.ask("invalid-signature-own-key", token(own), &path);
    let flipped =
        json!({"damage": [{"op": "substitute", "part": 1, "old": "readers", "new": "admin"}]});
    cases.ask("invalid-signature", token(flipped), &path);
    cases.ask(
        "unknown-key",
        token(json!({"header": {"kid": "k9"}})),
        &path,
    );
    cases
}

fn claims_that_decide() -> Cases {
    let mut cases = Cases::new("api.yaml");
    let path = ["--path", "/things"];
    let updated = "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123";
    cases.ask("unknown-issuer", claims(json!({"iss": updated})), &path);
    let other = json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_XyZ987654", "client_id": "partner"});
    cases.ask(
        "unknown-issuer-rule",
        claims(other.clone()),
        &["--path", "/admin"],
    );
    cases.ask("other-pool", claims(other), &path);
    cases.ask(
        "token-expired",
        claims(json!({"exp": {"$now": -200}})),
        &path,
    );
    cases.ask(
        "expired-within-skew",
        claims(json!({"exp": {"$now": -30}})),
        &path,
    );
    cases.ask(
        "token-not-yet-valid",
        claims(json!({"nbf": {"$now": 300}})),
        &path,
    );
    cases.ask(
        "wrong-token-use",
        id(json!({})),
        &["--path", "/orders", "--method", "POST"],
    );
    cases.ask(
        "no-token-use",
        token(json!({"without": ["token_use"]})),
        &path,
    );
    cases.ask(
        "wrong-client",
        claims(json!({"client_id": "stranger"})),
        &path,
    );
    // A value that would turn a terminal or a log into something else.
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nREFUSED \u{202e}txt.exe\u{9b}31m";
    cases.ask("hostile-text", claims(json!({"client_id": hostile})), &path);
    cases.ask(
        "hostile-header",
        claims(json!({"sub": "a\tb", "username": "José"})),
        &path,
    );
    cases
}

fn rules() -> Cases {
    let mut cases = Cases::new("api.yaml");
    let post = ["--path", "/orders", "--method", "POST"];
    cases.ask("insufficient-scope", access(), &post);
    cases.ask(
        "sufficient-scope",
        claims(json!({"scope": "openid api/write"})),
        &post,
    );
    cases.ask("insufficient-group", access(), &["--path", "/admin/users"]);
    let admin = json!({"cognito:groups": ["readers", "ops"]});
    cases.ask(
        "sufficient-group",
        claims(admin),
        &["--path", "/admin/users"],
    );
    let stale = json!({"cognito:groups": ["admin"], "auth_time": {"$now": -4000}});
    cases.ask(
        "stale-authentication",
        claims(stale),
        &["--path", "/admin/users"],
    );
    cases.ask("claim-mismatch", access(), &["--path", "/users/42"]);
    cases.ask(
        "claim-match",
        access(),
        &["--path", &format!("/users/{SUB}")],
    );
    let tenant = [
        "--path",
        "/tenants/acme/report",
        "--host",
        "api.example.com",
    ];
    let acme = json!({"custom:tenant_id": "acme"});
    cases.ask("two-claims", id(acme), &tenant);
    cases.ask("two-claims-one-missing", token(json!({"base": "id", "claims": {"custom:tenant_id": "acme"}, "without": ["email_verified"]})), &tenant);
    cases.ask("denied-by-rule", access(), &["--path", "/closed"]);
    cases.ask(
        "anyone",
        access(),
        &[
            "--path",
            "/health",
            "--header",
            "x-http-method-override: DELETE",
        ],
    );
    cases.ask("optional", None, &["--path", "/news/today"]);
    cases.ask("unsafe-path", access(), &["--path", "/news/..%2fadmin"]);
    cases.ask(
        "ambiguous-path",
        access(),
        &["--path", "/Closed?access_token=x"],
    );
    cases.ask("parameters", access(), &["--path", "/closed;x=1"]);
    cases.ask(
        "unsafe-host",
        access(),
        &[
            "--path",
            "/things",
            "--host",
            "api.example.com,evil.example",
        ],
    );
    let origin = [
        "--header",
        "origin: https://app.example.com",
        "--header",
        "access-control-request-method: POST",
    ];
    let preflight = [&["--path", "/orders", "--method", "OPTIONS"][..], &origin].concat();
    cases.ask("preflight", None, &preflight);
    let body = ["--header", "content-length: 3"];
    let with_body = [&preflight[..], &body].concat();
    cases.ask("preflight-with-body", None, &with_body);
    let aliases = [
        "--path",
        "/orders",
        "--method",
        "OPTIONS",
        "--header",
        "x.user.id: admin",
        "--header",
        "x-forwarded-host: elsewhere.example.com",
        "--header",
        "x-original-url: /admin",
        "--header",
        "x-http-method: DELETE",
        "--header",
        "connection: upgrade, x-user-id",
        "--header",
        "cookie: session=1",
    ];
    let aliases = [&aliases[..], &origin].concat();
    cases.ask("other-words", None, &aliases);
    for (name, path, method) in [
        ("unsafe-method", "/health", "get"),
        (
            "unsafe-method-parameter",
            "/health?a=b&_method=DELETE",
            "GET",
        ),
    ] {
        cases.ask(name, None, &["--path", path, "--method", method]);
    }
    cases
}

fn api_gateway() -> Cases {
    let mut cases = Cases::new("strict.yaml");
    let path = ["--path", "/x?a=1"];
    cases.ask(
        "token-too-large",
        token(json!({"base": "id", "pad_to": 1501})),
        &path,
    );
    cases.ask(
        "largest-token",
        token(json!({"base": "id", "pad_to": 1499})),
        &path,
    );
    cases.ask("wrong-audience", id(json!({"aud": "mobile"})), &path);
    cases.ask("audience", id(json!({"aud": "mobile-ios"})), &path);
    cases
}

fn without_keys() -> Cases {
    let mut cases = Cases::new("api.yaml").without_keys();
    cases.ask("without-keys", access(), &["--path", "/things"]);
    let admin = ["--path", "/admin/users"];
    cases.ask("without-keys-insufficient-group", access(), &admin);
    let expired = claims(json!({"exp": {"$now": -200}}));
    cases.ask("without-keys-expired", expired, &["--path", "/things"]);
    cases.ask(
        "without-keys-url",
        access(),
        &["--path", "https://api.example.com/admin?x=1#top"],
    );
    cases.ask(
        "without-keys-json",
        access(),
        &["--path", "/things", "--format", "json"],
    );
    let wrong = [
        "--path",
        "/things",
        "--jwks",
        "tests/desk/explain/files/api.yaml",
    ];
    cases.ask("keys-unusable", access(), &wrong);
    cases
}

/// What was looked up on the deny list, and what was found.
fn revocation() -> [Cases; 2] {
    let mut cases = Cases::new("revoking.yaml");
    let mut unsigned = Cases::new("revoking.yaml").without_keys();
    let file = |name: &str| format!("{FILES}/{name}.json");
    for (name, path, deny) in [
        ("deny-list-clear", "/things", "deny"),
        ("deny-list-revoked", "/things", "deny-user"),
        ("deny-list-revoked-before-scopes", "/orders", "deny-user"),
        ("deny-list-too-old", "/things", "deny-old"),
        ("deny-list-ahead", "/things", "deny-ahead"),
        ("deny-list-broken", "/things", "deny-broken"),
    ] {
        let deny = file(deny);
        cases.ask(name, access(), &["--path", path, "--deny-list", &deny]);
    }
    let user = file("deny-user");
    let revoked = ["--path", "/things", "--deny-list", &user];
    cases.ask(
        "deny-list-json",
        access(),
        &[&revoked[..], &["--format", "json"]].concat(),
    );
    // Of another pool, in which the same id is somebody else.
    let partner = json!({"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_XyZ987654", "client_id": "partner"});
    cases.ask("issued-after", claims(partner), &revoked);
    cases.ask("without-deny-list", access(), &["--path", "/things"]);
    cases.ask(
        "without-deny-list-refused",
        access(),
        &["--path", "/orders"],
    );
    cases.ask("without-deny-list-no-token", None, &["--path", "/things"]);
    unsigned.ask(
        "without-keys-and-deny-list",
        access(),
        &["--path", "/things"],
    );
    unsigned.ask(
        "without-keys-and-deny-list-refused",
        access(),
        &["--path", "/orders"],
    );
    unsigned.ask("without-keys-revoked", access(), &revoked);
    [cases, unsigned]
}

/// Callers with AWS credentials; the account's key goes by the name that it has in the key set.
fn principals() -> Cases {
    let role = |change: Value| {
        let mut description = json!({"base": "role", "header": {"kid": "k2"}});
        let members = description.as_object_mut().unwrap();
        members.extend(change.as_object().unwrap().clone());
        token(description)
    };
    let other = "arn:aws:iam::123456789012:role/batchX";
    let mut cases = Cases::new("accounts.yaml");
    cases.ask("principal", role(json!({})), &["--path", "/billing"]);
    cases.ask(
        "wrong-principal",
        role(
            json!({"claims": {"sub": other, "https://sts.amazonaws.com/": {
                "aws_account": "123456789012", "org_id": "o-abc1234567", "principal_id": other,
            }}}),
        ),
        &["--path", "/billing"],
    );
    cases.ask(
        "wrong-principal-organization",
        role(json!({"claims": {"https://sts.amazonaws.com/": {"aws_account": "123456789012"}}})),
        &["--path", "/billing"],
    );
    cases.ask(
        "wrong-audience-account",
        role(json!({"claims": {"aud": "https://other.example.com"}})),
        &["--path", "/billing"],
    );
    cases.ask("principal-not-named", role(json!({})), &["--path", "/else"]);
    cases.ask(
        "malformed-session",
        role(json!({"claims": {"sub": "arn:aws:sts::123456789012:assumed-role/billing/s"}})),
        &["--path", "/billing"],
    );
    cases.ask(
        "token-expired-by-age",
        role(json!({"claims": {"iat": {"$now": -1000}, "exp": {"$now": 1000}}})),
        &["--path", "/billing"],
    );
    cases.ask(
        "json-principal",
        role(json!({})),
        &["--path", "/billing", "--format", "json"],
    );
    cases
}

/// The user pool is asked nothing from here.
fn confirmation() -> [Cases; 2] {
    let mut cases = Cases::new("confirming.yaml");
    let mut unsigned = Cases::new("confirming.yaml").without_keys();
    let path = ["--path", "/payments/7"];
    let scoped = claims(json!({"scope": "openid aws.cognito.signin.user.admin"}));
    cases.ask("not-confirmed", scoped.clone(), &path);
    cases.ask("cannot-be-confirmed", access(), &path);
    cases.ask("need-not-be-confirmed", access(), &["--path", "/other"]);
    unsigned.ask("without-keys-not-confirmed", scoped, &path);
    unsigned.ask("without-keys-cannot-be-confirmed", access(), &path);
    [cases, unsigned]
}

fn as_json() -> Cases {
    let mut cases = Cases::new("api.yaml");
    let json = ["--format", "json", "--path"];
    let ask = |path| [&json[..], &[path]].concat();
    let own = format!("/users/{SUB}");
    cases.ask("json-accepted", access(), &ask(&own));
    cases.ask("json-refused", access(), &ask("/users/42"));
    cases.ask("json-anyone", None, &ask("/health"));
    cases.ask("json-unsafe-path", None, &ask("//admin"));
    let hostile = "\u{1b}[2J\u{202e}\u{9b}31m";
    cases.ask(
        "json-hostile-text",
        claims(json!({"client_id": hostile})),
        &ask("/things"),
    );
    cases
}

/// All of them.
/// What is asked of lists, texts and alternatives.
fn matchers() -> Cases {
    let mut cases = Cases::new("matching.yaml");
    let user = ["--path", "/users/anna"];
    cases.ask(
        "any-of-holds",
        claims(json!({"cognito:groups": ["admin"]})),
        &user,
    );
    cases.ask("any-of-fails", access(), &user);
    let payments = ["--path", "/payments"];
    let paying =
        |scope: &str, groups: Value| claims(json!({"scope": scope, "cognito:groups": groups}));
    let all = "pay/read pay/write";
    cases.ask("lists-hold", paying(all, json!(["clerks"])), &payments);
    cases.ask(
        "all-of-scopes-fails",
        paying("pay/read", json!([])),
        &payments,
    );
    cases.ask(
        "none-of-groups-fails",
        paying(all, json!(["clerks", "suspended"])),
        &payments,
    );
    let staff = [
        "--path",
        "https://acme.example.com/staff",
        "--header",
        "x-org-id: beta",
    ];
    let person = |roles: &str, org: &str| {
        id(json!({
            "email": "ann@example.com",
            "custom:roles": roles,
            "custom:org": org,
            "identities": [{"providerName": "Okta"}],
        }))
    };
    cases.ask("matchers-hold", person("[a, acme]", "beta"), &staff);
    cases.ask("matcher-unreadable", person("a, acme", "beta"), &staff);
    cases.ask(
        "matcher-none-fails",
        person("[acme, guest]", "beta"),
        &staff,
    );
    cases.ask("header-differs", person("[acme]", "gamma"), &staff);
    cases.ask("header-missing", person("[acme]", "beta"), &staff[..2]);
    cases
}

pub(crate) fn all() -> Vec<Case> {
    let all = [
        places_and_forms(),
        claims_that_decide(),
        rules(),
        matchers(),
        api_gateway(),
        without_keys(),
        principals(),
        as_json(),
    ];
    all.into_iter()
        .chain(revocation())
        .chain(confirmation())
        .flat_map(|cases| cases.all)
        .collect()
}
