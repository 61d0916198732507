"""What is measured: for each row an Envoy's filters, what is sent, and what must come back."""

from dataclasses import dataclass, field

from issuer import (
    CLAIM_HEADERS,
    CLIENT,
    KID,
    POOL,
    claims,
    garbage,
    issuer,
    random_kid,
    signed,
    unsigned,
)
from nothing import module as nothing
from stage import MODULE, OUTPUT, PLAIN, TENANT, TYPE, Way, cluster

TOKENS = 200
UPLOAD_BYTES = 10 << 20
# Groups, each with a row of its own to compare with.
KNOWN, MESH, SECURE, TWO, STEADY, NEW, REFUSED, UPLOAD, REMEMBERED, ASKED = (
    "token seen before",
    "the same, among the filters of a mesh",
    "the same, over HTTP/2 with TLS",
    "the same, two workers",
    "the same, 2,000 requests a second",
    "every token verified anew",
    "refused",
    "10 MiB upload, streamed",
    "a function's answer, remembered",
    "a service asked for every request",
)
# Beside the number of tokens in use, so that neither cache forgets.
CACHE = 4096


@dataclass
class Row:
    """`seen`: whether the upstream must have been told who the caller is. `service`: whether the
    processor time of the authorization service counts too."""

    key: str
    title: str
    group: str
    filters: list
    values: list
    status: int = 200
    seen: bool = True
    # What else it must have been told.
    told: dict = field(default_factory=dict)
    forwards_token: bool = True
    path: str = "/"
    clusters: list = field(default_factory=list)
    way: Way = PLAIN
    upload: int = 0
    service: bool = False
    # What the module's gauge must say about whose crypto it uses; None for other filters.
    host_crypto: int | None = None


def plugin(module, configuration=None):
    """The module as envoy/envoy.yaml configures it."""
    plugin = {
        "name": "bench",
        "failure_policy": "FAIL_RELOAD",
        "allow_on_headers_stop_iteration": True,
        "vm_config": {
            "vm_id": "bench",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(module)}},
        },
    }
    if configuration:
        plugin["configuration"] = {
            "@type": "type.googleapis.com/google.protobuf.Struct",
            "value": configuration,
        }
    return [
        {
            "name": "wasm",
            "typed_config": {"@type": f"{TYPE}.filters.http.wasm.v3.Wasm", "config": plugin},
        }
    ]


def pool(pool_id=POOL):
    # Only because the key server is on this machine: the default is the pool's own https address.
    jwks = {"cluster": "keys", "uri": f"http://keys.test/{pool_id}/jwks.json"}
    return {"user_pool_id": pool_id, "client_ids": [CLIENT], "jwks": jwks}


def configuration(token=None, **more):
    return {
        "user_pools": [pool()],
        "token": {"use": "id", "cache_entries": CACHE, **(token or {})},
        "claim_headers": [
            {"header": header, "claim": claim} for header, claim in CLAIM_HEADERS.items()
        ],
        **more,
    }


def ours(token=None, module=MODULE, **more):
    return plugin(module, configuration(token, **more))


def native(token=None, **more):
    """The same filter as a dynamic module."""
    return native_plugin(configuration(token, **more))


def native_plugin(configuration):
    module = {
        "@type": f"{TYPE}.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        "dynamic_module_config": {"name": "cognito_authorizer", "do_not_close": True},
        "filter_name": "bench",
        "filter_config": {
            "@type": "type.googleapis.com/google.protobuf.Struct",
            "value": configuration,
        },
    }
    return [{"name": "native", "typed_config": module}]


def jwt_authn(cached):
    provider = {
        "issuer": issuer(),
        "audiences": [CLIENT],
        "forward": True,
        "remote_jwks": {
            "http_uri": {"uri": "http://keys.test/jwks.json", "cluster": "keys", "timeout": "5s"},
            "async_fetch": {"fast_listener": False},
        },
        "claim_to_headers": [
            {"header_name": header, "claim_name": claim} for header, claim in CLAIM_HEADERS.items()
        ],
    }
    if cached:
        provider["jwt_cache_config"] = {"jwt_cache_size": CACHE}
    configuration = {
        "@type": f"{TYPE}.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"cognito": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "cognito"}}],
    }
    return [{"name": "jwt_authn", "typed_config": configuration}]


def among(*before):
    """The filters that a mesh puts behind those which say who calls."""
    kinds = {"fault": "fault.v3.HTTPFault", "cors": "cors.v3.Cors", "grpc_stats": "grpc_stats.v3.FilterConfig"}
    chain = [
        {"name": name, "typed_config": {"@type": f"{TYPE}.filters.http.{kind}"}}
        for name, kind in kinds.items()
    ]
    return [*before, *chain]


def jwt_authn_and_rbac():
    """What a mesh makes of a rule that asks for an id token: one filter reads it, another looks at it."""
    filters = jwt_authn(True)
    filters[0]["typed_config"]["providers"]["cognito"]["payload_in_metadata"] = "payload"
    token_use = {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "payload"}, {"key": "token_use"}],
        "value": {"string_match": {"exact": "id"}},
    }
    principal = {"sourced_metadata": {"metadata_matcher": token_use}}
    policy = {"permissions": [{"any": True}], "principals": [principal]}
    rbac = {
        "@type": f"{TYPE}.filters.http.rbac.v3.RBAC",
        "rules": {"action": "ALLOW", "policies": {"id": policy}},
    }
    return [*filters, {"name": "rbac", "typed_config": rbac}]


def function(ttl):
    """A Lambda authorizer whose place another service takes: without TLS and signature, as ext_authz."""
    authorizer = {
        "name": "bench",
        "type": "token",
        "uri": "http://verdicts.test/verdict",
        "cluster": "verdicts",
        "answer": "policy",
        "identity": [{"header": "authorization"}],
        "cache": {"ttl": ttl, "entries": CACHE},
        "api": {
            "region": "us-east-1",
            "account_id": "123456789012",
            "api_id": "a1b2c3d4e5",
            "stage": "prod",
        },
    }
    return {
        "authorizers": [authorizer],
        "default": {"authorizer": "bench"},
        "rules": [{"match": {"path": "/open"}, "allow": "anyone"}],
        "context_headers": [{"header": "x-tenant", "key": "tenantId"}],
    }


def ext_authz(cluster="authz", headers=CLAIM_HEADERS):
    told = {"patterns": [{"exact": header} for header in headers]}
    configuration = {
        "@type": f"{TYPE}.filters.http.ext_authz.v3.ExtAuthz",
        "http_service": {
            "server_uri": {"uri": f"http://{cluster}.test", "cluster": cluster, "timeout": "5s"},
            "authorization_response": {"allowed_upstream_headers": told},
        },
    }
    return [{"name": "ext_authz", "typed_config": configuration}]


# What the rule with all that rules can say wants to find in a token, beside what Cognito writes there.
MATCHED = {
    "custom:org": "acme",
    "custom:roles": "[editor, viewer]",
    "identities": [{"userId": "1", "providerName": "Google"}, {"userId": "2", "providerName": "Okta"}],
}


def every_matcher(path):
    """A rule that asks all that rules can ask, of each kind once."""
    return {
        "match": {"template": path, "methods": ["GET"], "hosts": ["{tenant}.example.com"]},
        "require": {
            "groups": {"any": ["admin", "ops"], "none": ["suspended"]},
            "claims": {
                "custom:org": "{tenant}",
                "email": {"suffix": "@example.com", "regex": "[a-z0-9-]+@example[.]com"},
                "custom:roles": {"read_as": "brackets", "any": ["editor", "owner"]},
                "/identities/*/providerName": "Okta",
            },
            "any_of": [
                {"claims": {"sub": "{id}"}},
                {"claims": {"custom:plan": {"none": ["free"]}, "email_verified": True}},
            ],
        },
    }


def rules_with_matchers(count):
    """The same number of rules, each a tenant's and with alternatives, and all matchers in the last."""
    rules = [every_matcher(f"/api/v{n}/records/{{id}}") for n in range(count - 1)]
    return {"rules": [*rules, every_matcher("/records/{id}")], "default": "nobody"}


def many_rules(count):
    """Rules of every kind, of which the last is for the path that is asked for."""
    kinds = [
        lambda n: {"match": {"path": f"/api/v{n}/status"}, "allow": "anyone"},
        lambda n: {"match": {"prefix": f"/api/v{n}/admin"}, "require": {"groups": ["ops"]}},
        lambda n: {
            "match": {"template": f"/api/v{n}/users/{{user}}"},
            "require": {"claims": {"sub": "{user}"}},
        },
    ]
    rules = [kinds[n % 3](n) for n in range(count - 1)]
    wanted = {
        "match": {"template": "/records/{id}", "methods": ["GET"]},
        "require": {"groups": ["admin"]},
    }
    return {"rules": [*rules, wanted], "default": "nobody"}


def without_body_callbacks():
    """Our module without the two callbacks that hold bodies back: to measure them, and unfit for
    anything else. Names of the same length that the host does not know take their place."""
    module = MODULE.read_bytes()
    for name in (b"proxy_on_request_body", b"proxy_on_request_trailers"):
        # As the export section has it: its length, the name, the kind.
        entry = bytes([len(name)]) + name + b"\x00"
        assert module.count(entry) == 1
        module = module.replace(entry, entry.replace(b"proxy", b"spare"))
    path = OUTPUT / "without_body_callbacks.wasm"
    path.write_bytes(module)
    return path


def bearer(tokens):
    return [f"Bearer {token}" for token in tokens]


def rows(stage):
    warm = bearer(signed(claims(number)) for number in range(TOKENS))
    trash = bearer(garbage(number) for number in range(TOKENS))
    expired = bearer(signed(claims(number, lifetime=-600)) for number in range(TOKENS))
    kids = bearer(unsigned(claims(number), random_kid(number), number) for number in range(TOKENS))
    forged = bearer(unsigned(claims(number), KID, number) for number in range(TOKENS))
    empty = OUTPUT / "nothing.wasm"
    empty.write_bytes(nothing())
    cold = {"cache_entries": 0}
    rules = many_rules(20)
    strip = {"forward": False}
    authz = {"clusters": [cluster("authz", stage.authorization_service())], "service": True}
    refuse = {"status": 401, "seen": False}
    busy = {"path": "/records/7", "forwards_token": False, "host_crypto": 1}
    spared = ours(module=without_body_callbacks())
    known = [
        Row("none", "no filter", KNOWN, [], warm, seen=False),
        Row("nothing", "a module that does nothing", KNOWN, plugin(empty), warm, seen=False),
        Row("jwt_authn", "jwt_authn with its cache", KNOWN, jwt_authn(True), warm),
        Row("warm", "this filter, the same job", KNOWN, ours(), warm, host_crypto=1),
        Row("native", "the dynamic module, the same job", KNOWN, native(), warm, host_crypto=1),
        Row(
            "keep",
            "this filter, header_aliases: keep",
            KNOWN,
            ours(header_aliases="keep"),
            warm,
            host_crypto=1,
        ),
        Row(
            "rules",
            "this filter: 20 rules, a group, token stripped",
            KNOWN,
            ours(strip, **rules),
            warm,
            **busy,
        ),
    ]
    secure, two = Way(tls=True, http2=True), Way(workers=2)
    steady = Way(http2=True, rate=2000)
    ways = [
        Row("mesh_jwt_authn", "jwt_authn and rbac", MESH, among(*jwt_authn_and_rbac()), warm),
        Row("mesh", "this filter", MESH, among(*ours()), warm, host_crypto=1),
        Row("mesh_native", "the dynamic module", MESH, among(*native()), warm, host_crypto=1),
    ]
    for group, key, way in ((SECURE, "secure", secure), (TWO, "two", two), (STEADY, "steady", steady)):
        same = {"group": group, "values": warm, "way": way}
        ways += [
            Row(f"{key}_jwt_authn", "jwt_authn with its cache", filters=jwt_authn(True), **same),
            Row(key, "this filter", filters=ours(), host_crypto=1, **same),
            Row(f"{key}_native", "the dynamic module", filters=native(), host_crypto=1, **same),
        ]
    new = [
        Row("jwt_authn_cold", "jwt_authn without cache", NEW, jwt_authn(False), warm),
        Row("cold", "this filter, the host's crypto", NEW, ours(cold), warm, host_crypto=1),
        Row("native_cold", "the dynamic module", NEW, native(cold), warm, host_crypto=1),
        Row(
            "cold_module",
            "this filter, its own crypto",
            NEW,
            ours(cold, signature="module"),
            warm,
            host_crypto=0,
        ),
        Row("ext_authz", "ext_authz: Node, aws-jwt-verify", NEW, ext_authz(), warm, **authz),
    ]
    refused = [
        Row("jwt_authn_garbage", "jwt_authn: garbage", REFUSED, jwt_authn(True), trash, **refuse),
        Row("jwt_authn_expired", "jwt_authn: expired", REFUSED, jwt_authn(True), expired, **refuse),
        Row("garbage", "this filter: garbage", REFUSED, ours(), trash, **refuse),
        Row("expired", "this filter: expired", REFUSED, ours(), expired, **refuse),
        Row("random_kid", "this filter: random kid", REFUSED, ours(), kids, **refuse),
        Row("forged", "this filter: forged signature", REFUSED, ours(), forged, **refuse),
    ]
    uploads = [
        Row("upload_none", "no filter", UPLOAD, [], warm, seen=False, upload=UPLOAD_BYTES),
        Row(
            "upload_spared",
            "this filter without body callbacks",
            UPLOAD,
            spared,
            warm,
            upload=UPLOAD_BYTES,
        ),
        Row("upload", "this filter", UPLOAD, ours(), warm, upload=UPLOAD_BYTES),
        Row("native_upload", "the dynamic module", UPLOAD, native(), warm, upload=UPLOAD_BYTES),
    ]
    asking = {
        "clusters": [cluster("verdicts", stage.verdict_port)],
        "seen": False,
        "told": TENANT,
    }
    ours_asks, native_asks = plugin(MODULE, function("0s")), native_plugin(function("0s"))
    remembers = plugin(MODULE, function("5m"))
    remembered = [
        Row("function", "this filter: an answer remembered", REMEMBERED, remembers, warm, **asking),
    ]
    asked = [
        Row(
            "ext_authz_held",
            "ext_authz, without a body",
            ASKED,
            ext_authz("verdicts", TENANT),
            warm,
            **asking,
        ),
        Row("function_held", "this filter: an event, an answer", ASKED, ours_asks, warm, **asking),
        Row("native_function_held", "the dynamic module: the same", ASKED, native_asks, warm, **asking),
    ]
    return [*known, *ways, *new, *refused, *uploads, *remembered, *asked]
