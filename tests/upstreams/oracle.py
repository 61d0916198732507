"""What must hold of a request that was let through, whatever its spelling.

The filter decided about one reading of the request; the upstream has its own. Here is what the
upstream did: which handler ran, whom it took the caller for, which token it would have read. The
rules are read over the *plain* spelling of that handler, and must allow this caller there.
"""

import json
import posixpath
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from routes import ROUTES

# The header names that are the filter's own, as a server that folds names would have them.
OWNED = {"x_cognito_sub", "x_cognito_groups"}


# Where an upstream says that it looks for tokens.
PLACES = ("bearer", "header", "cookie", "query")


@dataclass(frozen=True)
class Mismatch:
    kind: str  # handler | identity | token | preflight | trailer
    text: str


def template(pattern, segments):
    """The variables of a template over a path's segments, or None."""
    wanted = pattern.strip("/").split("/")
    variables = {}
    for at, part in enumerate(wanted):
        if part.endswith("+}"):
            rest = "/".join(segments[at:])
            return {**variables, part[1:-2]: rest} if rest else None
        if at >= len(segments):
            return None
        if part.startswith("{"):
            variables[part[1:-1]] = segments[at]
        elif part != segments[at]:
            return None
    return variables if len(segments) == len(wanted) else None


def plain_host(host):
    return (host or "").rsplit(":", 1)[0].rstrip(".").lower()


def matches(match, method, host, segments):
    """The template's variables if the rule's `match` holds, or None."""
    path = "/" + "/".join(segments)
    variables = {}
    if "methods" in match and method not in match["methods"]:
        if not (method == "HEAD" and "GET" in match["methods"]):
            return None
    if "hosts" in match and host not in match["hosts"]:
        return None
    if "path" in match and path != match["path"]:
        return None
    if "prefix" in match:
        wanted = [part for part in match["prefix"].split("/") if part]
        if segments[: len(wanted)] != wanted:
            return None
    if "regex" in match and not re.fullmatch(match["regex"], path):
        return None
    if "template" in match:
        variables = template(match["template"], segments)
    return variables


def access(world, method, host, segments):
    """The access that the first matching rule gives, with its variables."""
    for rule in world.document["rules"]:
        variables = matches(rule["match"], method, host, segments)
        if variables is not None:
            return rule.get("allow") or rule.get("require") or "authenticated", variables
    return world.document["default"], {}


def satisfies(person, wanted, variables):
    if wanted in ("anyone", "optional"):
        return True
    if wanted == "nobody" or not person.token:
        return False
    if wanted == "authenticated":
        return True
    claims = {"sub": person.sub, "username": person.username or person.name}
    return (
        ("groups" not in wanted or bool(set(wanted["groups"]) & set(person.groups)))
        and ("max_auth_age" not in wanted or person.signed_in_ago <= 15 * 60)
        and all(variables[text[1:-1]] == claims[name] for name, text in wanted.get("claims", {}).items())
    )


def texts(value):
    """Every text in what a parser of cookies or queries made of a token."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if value else []


def seen(answer):
    """What the upstream says that it saw, or None where no handler ran."""
    text = answer.header("x-saw")
    if text:
        return json.loads(text)
    handler = answer.header("x-saw-handler")
    if not handler:
        return None
    fields = {name: answer.header(f"x-saw-{name}") for name in ("method", "host", "sub", "groups", "header", "cookie", "query")}
    authorization = answer.header("x-saw-bearer") or ""
    variable = re.search(r"{(\w+)\+?}", ROUTES[handler].template) if handler in ROUTES else None
    variables = {variable[1]: answer.header("x-saw-var") or ""} if variable else {}
    bearer = re.fullmatch(r"(?i)bearer +(.*)", authorization)
    return {"handler": handler, "vars": variables, "bearer": bearer and bearer[1], **fields}


def places(route, variables):
    """Where a handler's variables lead: as they are, and as a file system resolves them."""
    segments = route.segments(variables)
    resolved = posixpath.normpath("/" + "/".join(segments)).strip("/").split("/")
    return [segments, resolved] if route.template.endswith("+}") else [segments]


def is_preflight(request):
    names = {name.lower() for name, _ in request.headers}
    preflight = {b"origin", b"access-control-request-method"} <= names
    # One that goes on after its headers, as an upgrade does, is judged like any other request.
    more = request.body or request.trailers or b"upgrade" in names
    return request.method == b"OPTIONS" and preflight and not more


def judge(world, person, forged, request, saw):
    """Every way in which what the upstream did is not what the filter decided about."""
    route = ROUTES[saw["handler"]]
    method = (saw.get("method") or "").upper()
    host = route.host or plain_host(saw.get("host"))
    # What passes as a preflight goes without a token, and must do what preflights do.
    passed = world.preflights_pass and is_preflight(request)
    preflight = passed and method == "OPTIONS"
    token_free = passed
    for segments in places(route, saw["vars"]):
        wanted, variables = access(world, route.method or method, host, segments)
        token_free |= wanted in ("anyone", "optional")
        # A preflight is let through where a token would be asked for.
        if wanted == "nobody" if preflight else not satisfies(person, wanted, variables):
            path = "/" + "/".join(segments)
            yield Mismatch("handler", f"{saw['handler']} ran ({route.method or method} {path}), which asks for {wanted}")
            break
    unlooked = wanted == "anyone"
    identity = {"sub": person.sub, "groups": ",".join(person.groups)}
    for name, value in identity.items():
        told = saw.get(name)
        if told is not None and (not person.token or told != value):
            yield Mismatch("identity", f"x-cognito-{name} is {told!r}")
        if told is None and not token_free:
            yield Mismatch("identity", f"x-cognito-{name} is gone")
    for place in PLACES:
        for text in texts(saw.get(place)):
            # Two lines that WSGI joins with a comma are a token to nobody.
            own = person.token and text.split(",")[0] == person.token
            good = own and world.forwards or text.lower() == "bearer"
            if good or (unlooked and world.forwards) or not in_places(world, place):
                continue
            word = "FORGED" if forged in text else "the caller's" if text == person.token else repr(text[:40])
            yield Mismatch("token", f"the upstream reads {word} from its {place}")
    if preflight and any(texts(saw.get(place)) for place in PLACES if in_places(world, place)):
        yield Mismatch("preflight", "a token went along")
    for name in saw.get("trailers") or ():
        if re.sub("[^a-z0-9]", "_", name.lower()) in OWNED:
            yield Mismatch("trailer", f"trailer {name}")


def in_places(world, place):
    """Whether the world's filter was told that tokens come from there."""
    if place in ("bearer", "header"):
        return {"header": "authorization" if place == "bearer" else "x-id-token"} in world.places
    return any(place in source for source in world.places)


def known(table, mismatch, upstream, world, request):
    """The row of known.json that explains the mismatch: all its patterns fit, `*` stands for anything."""
    for row in table:
        if (
            row["kind"] == mismatch.kind
            and any(fnmatchcase(upstream, name) for name in row["upstreams"])
            and any(fnmatchcase(world.name, name) for name in row.get("worlds", ["*"]))
            and any(fnmatchcase(spelled, name) for name in row.get("spelled", ["*"]) for spelled in request.spelled or ("plain",))
            and fnmatchcase(mismatch.text, row.get("text", "*"))
        ):
            return row
    return None
