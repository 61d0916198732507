"""A user pool of the benchmark's own: tokens as Cognito writes them, signed with a key of the tests."""

import base64
import json
import random
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

ROOT = Path(__file__).resolve().parents[2]
KEY_FILE = ROOT / "tests/keys/rsa2048_1.pem"
KEY = serialization.load_pem_private_key(KEY_FILE.read_bytes(), None)
# As long as Cognito's: the base64 of 32 bytes.
KID = base64.b64encode(b"the key of the benchmark's pool.").decode()
POOL = "us-east-1_Bench0001"
CLIENT = "4hq8abcd0123456789abcdefgh"
# Claims that the upstream is told, by header. Scalars only: jwt_authn renders arrays otherwise.
CLAIM_HEADERS = {
    "x-cognito-sub": "sub",
    "x-cognito-username": "cognito:username",
    "x-cognito-email": "email",
    "x-cognito-tenant": "custom:tenant_id",
}


def issuer(pool=POOL):
    return f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def segment(value):
    return base64url(json.dumps(value, separators=(",", ":")).encode())


def key_set():
    numbers = KEY.public_key().public_numbers()
    n, e = (
        number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (numbers.n, numbers.e)
    )
    key = {
        "alg": "RS256",
        "kid": KID,
        "kty": "RSA",
        "use": "sig",
        "n": base64url(n),
        "e": base64url(e),
    }
    return {"keys": [key]}


def claims(number, pool=POOL, lifetime=3600):
    """An id token of user `number`; negative lifetimes make it one that has expired."""
    now = int(time.time())
    unique = f"{number:012x}"
    return {
        "sub": f"6f1e2d3c-aaaa-4bbb-8ccc-{unique}",
        "cognito:groups": ["readers", "admin"],
        "email_verified": True,
        "iss": issuer(pool),
        "cognito:username": f"user-{number}",
        "custom:tenant_id": f"tenant-{number % 17}",
        "origin_jti": f"0b9c7f5e-1111-4222-8333-{unique}",
        "aud": CLIENT,
        "event_id": f"5d2e8a90-4444-4555-8666-{unique}",
        "token_use": "id",
        "auth_time": now - 60,
        "exp": now + lifetime,
        "iat": now - 60,
        "jti": f"c3a1b2d4-7777-4888-8999-{unique}",
        "email": f"user-{number}@example.com",
    }


def signed(payload):
    text = f"{segment({'kid': KID, 'alg': 'RS256'})}.{segment(payload)}"
    return f"{text}.{base64url(KEY.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def unsigned(payload, kid, seed):
    """The same shape and size under a signature that nobody made."""
    noise = random.Random(seed).randbytes(256)
    return f"{segment({'kid': kid, 'alg': 'RS256'})}.{segment(payload)}.{base64url(noise)}"


def random_kid(seed):
    return base64.b64encode(random.Random(seed).randbytes(32)).decode()


def garbage(seed):
    """Three segments of nothing, as long as a token."""
    noise = random.Random(seed)
    return ".".join(base64url(noise.randbytes(size)) for size in (60, 500, 256))
