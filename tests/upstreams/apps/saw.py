"""How the Python applications tell what they saw: as JSON in a header, so that HEAD tells it too."""

import json


def saw(**facts):
    return {"x-saw": json.dumps(facts)}


def bearer(value):
    """The token that an application finds in an authorization header."""
    scheme, _, token = (value or "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "token") else scheme if not token else None
