"""Rule configurations in front of the upstreams, and the tokens of those who ask.

A world is what the shipped recipes are, and their weaker twins: a strict rule above a default that
lets more through is where every second reading of a request shows.
"""

import base64
import copy
import json
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

KEYS = Path(__file__).resolve().parents[1] / "keys"
POOL = "us-east-1_AbCdEf123"
ISSUER = f"https://cognito-idp.us-east-1.amazonaws.com/{POOL}"
CLIENT = "4hq8abcd0123456789abcdefgh"
KID = "upstreams"
# How long ago the colleague signed in: longer than any rule here allows.
STALE = 20 * 60


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Mint:
    """Signs access tokens as Cognito does."""

    def __init__(self):
        pem = (KEYS / "rsa2048_1.pem").read_bytes()
        self.key = serialization.load_pem_private_key(pem, None)
        self.now = int(time.time())

    @property
    def jwk(self):
        numbers = self.key.public_key().public_numbers()
        modulus = base64url(numbers.n.to_bytes(256, "big"))
        exponent = base64url(numbers.e.to_bytes(3, "big"))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "n": modulus, "e": exponent}

    def token(self, claims):
        header = base64url(json.dumps({"kid": KID, "alg": "RS256"}).encode())
        payload = base64url(json.dumps(claims).encode())
        signed = f"{header}.{payload}"
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"


@dataclass
class Person:
    """Who asks: the claims of their token, or none at all."""

    name: str
    groups: list = field(default_factory=list)
    sub: str | None = None
    username: str | None = None
    signed_in_ago: int = STALE
    token: str | None = None

    def claims(self, now):
        return {
            "sub": self.sub, "cognito:groups": self.groups, "iss": ISSUER, "client_id": CLIENT,
            "token_use": "access", "scope": "openid", "auth_time": now - self.signed_in_ago,
            "iat": now - 5, "exp": now + 3600, "username": self.username or self.name,
        }  # fmt: skip


# The name in a path of somebody else's record, and users who chose a name that a router may read as it.
VICTIM = "victim"
IMPOSTORS = ["victim.json", "victim;x", "victim?x", "victim#x", "victim/", "victim ", "VICTIM", "vict%69m", "vıctım", "victİm", "x/../victim"]


def people():
    mint = Mint()
    cast = [
        Person("nobody"),
        Person("staff", groups=["staff"], sub="5b1f0000-0000-4000-8000-00000000aaaa"),
        Person("admin", groups=["admin"], sub="ad310000-0000-4000-8000-00000000bbbb", signed_in_ago=30),
        *(
            Person(f"impostor {name!r}", groups=["staff"], sub=f"1e57{at:04x}-0000-4000-8000-00000000cccc", username=name)
            for at, name in enumerate(IMPOSTORS)
        ),
    ]
    for person in cast:
        if person.sub:
            person.token = mint.token(person.claims(mint.now))
    # The admin's claims over the colleague's signature: what no reader may ever take for a token.
    header, _, signature = cast[1].token.split(".")
    forged = f"{header}.{base64url(json.dumps(cast[2].claims(mint.now)).encode())}.{signature}"
    return {person.name: person for person in cast}, forged, mint.jwk


OPEN = [{"match": {"prefix": "/open"}, "allow": "anyone"}]
ADMIN = {"groups": ["admin"]}
PLACES = [{"header": "authorization"}, {"header": "x-id-token"}, {"cookie": "access_token"}, {"query": "access_token"}]

# What each world has beside user pool, token use and claim headers; `asks` are the subjects of
# spellings.py that it is asked about.
WORLDS = {
    "admin group": {
        "rules": [*OPEN, {"match": {"prefix": "/admin"}, "require": ADMIN}],
        "default": "authenticated",
    },
    "closed": {
        "rules": [
            *OPEN,
            {"match": {"path": "/hosted"}, "allow": "optional"},
            {"match": {"prefix": "/admin"}, "require": ADMIN},
            {"match": {"template": "/users/{id}"}, "require": {"claims": {"sub": "{id}"}}},
            {"match": {"path": "/payments", "methods": ["GET", "HEAD"]}},
            {"match": {"path": "/payments"}, "require": ADMIN},
            {"match": {"prefix": "/files"}, "allow": "anyone"},
        ],
        "default": "nobody",
    },
    "step-up": {
        "rules": [
            {"match": {"prefix": "/payments", "methods": ["POST"]}, "require": {"max_auth_age": "15m"}},
            {"match": {"prefix": "/payments", "methods": ["DELETE"]}, "allow": "nobody"},
            {"match": {"template": "/orders/{id}", "methods": ["DELETE"]}, "require": ADMIN},
        ],
        "default": "authenticated",
    },
    "secret reading": {
        "rules": [
            {"match": {"path": "/payments", "methods": ["GET"]}, "require": ADMIN},
            {"match": {"prefix": "/orders", "methods": ["GET"]}, "require": ADMIN},
        ],
        "default": "authenticated",
    },
    "regex": {
        "rules": [
            {"match": {"regex": "/reports/[0-9]+/delete"}, "require": ADMIN},
            {"match": {"regex": "/(admin|internal)(/.*)?"}, "allow": "nobody"},
        ],
        "default": "authenticated",
    },
    "preflight": {
        "cors_preflight": "pass",
        "rules": [{"match": {"prefix": "/internal"}, "allow": "nobody"}],
        "default": "authenticated",
    },
    "hosts": {
        "rules": [{"match": {"prefix": "/", "hosts": ["admin.example.com"]}, "require": ADMIN}],
        "default": "authenticated",
    },
    "own record": {
        "rules": [{"match": {"template": "/users/{id}"}, "require": {"claims": {"sub": "{id}"}}}],
        "default": "authenticated",
    },
    "own name": {
        "rules": [{"match": {"template": "/users/{id}"}, "require": {"claims": {"username": "{id}"}}}],
        "default": "nobody",
    },
    "tree": {
        "rules": [
            {"match": {"template": "/files/secret/{path+}"}, "require": ADMIN},
            {"match": {"prefix": "/files"}, "allow": "anyone"},
            {"match": {"prefix": "/open"}, "allow": "optional"},
        ],
        "default": "nobody",
    },
    "places": {"token": {"from": PLACES}, "rules": OPEN, "default": "authenticated"},
    "taken off": {"token": {"from": PLACES, "forward": False}, "rules": OPEN, "default": "authenticated"},
}


class World:
    """One configuration, and a plain reading of its rules over plain spellings."""

    def __init__(self, name, jwk):
        self.name = name
        document = copy.deepcopy(WORLDS[name])
        token = {"use": "access", **document.pop("token", {})}
        self.document = {
            "user_pools": [{"user_pool_id": POOL, "client_ids": [CLIENT], "jwks": {"inline": {"keys": [jwk]}}}],
            "token": token,
            "claim_headers": [
                {"header": "x-cognito-sub", "claim": "sub"},
                {"header": "x-cognito-groups", "claim": "cognito:groups", "format": "comma"},
            ],
            **document,
        }

    @cached_property
    def places(self):
        return self.document["token"].get("from", PLACES[:1])

    @property
    def forwards(self):
        return self.document["token"].get("forward", True)

    @property
    def preflights_pass(self):
        return self.document.get("cors_preflight") == "pass"
