"""Shows what the authorizer does, to a real Envoy with real sign-ins: `demo.py` sends the requests
below and exits 0 only if each got what it was promised; `demo.py run` leaves everything up, for a
browser and for curl.
"""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys

from stack import FUNCTION, LOGS, PASSWORD, SOURCE, Failed, Stack

NAMES = ["x-cognito-username", "x-cognito-email", "x-cognito-groups", "x-aws-principal", "x-tenant"]
# The subject is random, so no row names it; it must be there where there is a user.
SUBJECT = "x-cognito-sub"
ORIGIN = "http://localhost:3000"
MISSING = {"www-authenticate": "Bearer"}
INVALID = {"www-authenticate": 'Bearer error="invalid_token"'}


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def with_claims(token, changes):
    """The token with other claims and its old signature: what a forger without the key can make."""
    header, _, signature = token.split(".")
    return f"{header}.{encoded(claims(token) | changes)}.{signature}"


def unsigned(token):
    """The same claims under `alg: none`."""
    return f"{encoded({'alg': 'none', 'kid': 'dummy'})}.{token.split('.')[1]}."


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def about(user, *, email=None, groups=None, principal=None, tenant=None):
    """The headers about its caller that an upstream must see, and no others."""
    headers = zip(NAMES, (user, email, groups, principal, tenant))
    return {"upstream": {name: value for name, value in headers if value}}


def cases(stack):
    """Headlines, what is done between rows, and rows of: what is sent, request line, headers, status,
    what else must hold.

    "What else": `upstream` are the headers about the caller as the upstream saw them (one that is left
    out must have been absent there); other names are response headers, and how their values begin.
    """
    alice, bob = bearer(stack.alice["id"]), bearer(stack.bob["id"])
    alice_access, bob_access = bearer(stack.alice["access"]), bearer(stack.bob["access"])
    elsewhere = bearer(stack.elsewhere["id"])
    forged = bearer(with_claims(stack.bob["id"], {"cognito:groups": ["admin"]}))
    unsealed = bearer(unsigned(stack.alice["id"]))
    spoofed = {NAMES[0]: "alice", NAMES[2]: "admin"}
    billing, reports = (stack.arn(role) for role in ("billing", "reports"))
    billing_role, reports_role = bearer(stack.role_token(billing)), bearer(stack.role_token(reports))
    posing = {NAMES[3]: billing, NAMES[4]: "north"}
    partner, stranger = bearer("north-key"), bearer("south-key")
    tenant = about(None, tenant="north")
    preflight = {"origin": ORIGIN, "access-control-request-method": "GET"}
    allowed = {"access-control-allow-origin": ORIGIN}
    is_alice = about("alice", email="alice@example.com", groups="admin")
    is_bob = about("bob", email="bob@example.com")
    return [
        "Who are you?",
        ("no token", "GET /", {}, 401, MISSING),
        ("garbage for a token", "GET /", bearer("not-a-token"), 401, INVALID),
        ("bob's id token, `admin` forged into it", "GET /", forged, 401, INVALID),
        ("alice's claims under alg: none", "GET /", unsealed, 401, INVALID),
        ("alice's token of another app client", "GET /", elsewhere, 401, INVALID),
        ("alice's id token", "GET /", alice, 200, is_alice),
        ("alice's access token", "GET /", alice_access, 200, about("alice", groups="admin")),
        "What may you do?",
        ("bob's id token on an admin path", "GET /admin", bob, 403, {}),
        ("the same path, written otherwise", "GET /%61dmin", bob, 403, {}),
        ("the same path behind an open one", "GET /health%2F..%2Fadmin", bob, 400, {}),
        ("alice's id token on an admin path", "GET /admin", alice, 200, is_alice),
        ("id token where access is asked for", "POST /orders", bob, 401, INVALID),
        ("access token where access is asked for", "POST /orders", bob_access, 200, about("bob")),
        ("bob reads alice's record", "GET /users/alice", bob, 403, {}),
        ("bob reads his own", "GET /users/bob", bob, 200, is_bob),
        "Which service is calling?",
        ("a role that the rule names", "GET /billing", billing_role, 200, about(None, principal=billing)),
        ("another role of the account", "GET /billing", reports_role, 403, {}),
        ("alice's id token, for a role's path", "GET /billing", alice | posing, 401, INVALID),
        ("a role, where users are asked for", "GET /", billing_role, 401, INVALID),
        "What does your own function say?",
        ("no token for the function", "GET /partners/orders", {}, 401, {}),
        ("a token that it knows", "GET /partners/orders", partner, 200, tenant),
        ("another path, by the remembered policy", "GET /partners/admin", partner, 403, {}),
        ("a token for which it throws", "GET /partners/orders", stranger, 401, {}),
        ("the context header of another tenant", "GET /partners/orders", partner | {NAMES[4]: "south"}, 200, tenant),
        "What does the upstream believe?",
        ("bob's id token, alice's claim headers", "GET /", bob | spoofed, 200, is_bob),
        ("open path, alice's claim headers", "GET /health", spoofed | posing, 200, about(None)),
        "What is open?",
        ("open path without a token", "GET /health", {}, 200, about(None)),
        ("a browser's preflight", "OPTIONS /", preflight, 200, allowed),
        ("a browser without a token", "GET /", {"origin": ORIGIN}, 401, MISSING | allowed),
        "Who was signed out?",
        ("bob's token where Cognito is asked", "GET /payments", bob_access, 200, about("bob")),
        lambda: stack.sign_out("bob"),
        ("the same, signed out at Cognito", "GET /payments", bob_access, 401, INVALID),
        ("elsewhere, where nobody asks", "GET /", bob_access, 200, about("bob")),
        lambda: stack.tell_envoy(claims(stack.bob["id"])["sub"]),
        ("there, and bob is on the deny list", "GET /", bob_access, 401, INVALID),
        ("alice's access token, who is not", "GET /payments", alice_access, 200, about("alice", groups="admin")),
    ]


def send(port, line, headers):
    """The status, the response's headers, and what the upstream saw about the caller."""
    method, path = line.split()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    headers = {name.lower(): value for name, value in response.headers.items()}
    # Only the upstream answers with 200 and a body; a preflight is answered by Envoy, without one.
    arrived = json.loads(body)["headers"] if response.status == 200 and body else {}
    seen = {name: ", ".join(arrived[name]) for name in [SUBJECT, *NAMES] if name in arrived}
    return response.status, headers, seen


def problems(got, status, wanted):
    """Everything in which the answer is not the promised one."""
    got_status, headers, seen = got
    if got_status != status:
        yield f"status {got_status}, not {status}"
        return
    for name, value in wanted.items():
        if name != "upstream":
            if not headers.get(name, "").startswith(value):
                yield f"{name}: {headers.get(name, 'absent')}, not {value}"
            continue
        if (SUBJECT in seen) != (NAMES[0] in value):
            yield f"upstream saw {SUBJECT}: {seen.get(SUBJECT, 'none')}"
        for header in NAMES:
            if seen.get(header) != value.get(header):
                wished = value.get(header, "none")
                yield f"upstream saw {header}: {seen.get(header, 'none')}, not {wished}"


def outcome(status, seen):
    """In the fewest words: the status, and as whom the upstream was told to serve the request."""
    if seen is None:
        return f"{status}"
    role = seen.get(NAMES[3], seen.get(NAMES[4], "nobody")).rpartition("/")[2]
    return f"{status} as {seen.get(NAMES[0], role)}"


def report(stack):
    """Sends every request and prints one row for each; true if all was as promised."""
    row = "  {:<4}  {:<38}  {:<24}  {:<14}  {}"
    good = total = 0
    for case in cases(stack):
        if isinstance(case, str):
            print(f"\n{case}\n" + row.format("", "sent", "request", "expected", "got"))
            continue
        if callable(case):
            case()
            continue
        what, line, headers, status, wanted = case
        total += 1
        seen, got = {}, "no answer"
        try:
            answer = send(stack.port, line, headers)
            wrong = list(problems(answer, status, wanted))
            seen = answer[2]
            got = outcome(answer[0], seen if "upstream" in wanted and answer[0] == 200 else None)
        except (OSError, ValueError, http.client.HTTPException) as error:
            wrong = [str(error)]
        good += not wrong
        expected = outcome(status, wanted.get("upstream"))
        print(row.format("FAIL" if wrong else "OK", what, line, expected, got))
        for text in wrong:
            print(f"        {text}")
        if seen and not wrong:
            print("        upstream saw " + ", ".join(f"{n}: {seen[n]}" for n in NAMES if n in seen))
    print(f"\n{good} of {total} as promised.")
    return good == total


def curl(port, path, token="", more=""):
    header = f' -H "authorization: Bearer ${token}"' if token else ""
    return f"curl -i{more} http://127.0.0.1:{port}{path}{header}"


def browser(environment, platform, interactive):
    """What opens a page here, if there is somebody to look at it; BROWSER=none wants nothing opened."""
    unwanted = environment.get("BROWSER") == "none" or environment.get("CI")
    if unwanted or not interactive or environment.get("SSH_CONNECTION"):
        return None
    if platform == "darwin":
        return shutil.which("open")
    shown = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if shown else None


def leave_running(stack):
    port = stack.port
    page = f"http://127.0.0.1:{stack.page_port}/"
    print(f"\nopen {page}\n\nA page to play with. Ctrl-C stops everything.", flush=True)
    if opener := browser(os.environ, sys.platform, sys.stdout.isatty()):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.Popen([opener, page], start_new_session=True, **quiet)
    tokens = {
        "TOKEN": stack.alice["id"],
        "ACCESS_TOKEN": stack.alice["access"],
        "BOB": stack.bob["id"],
        "ROLE": stack.role_token(stack.arn("billing")),
    }
    print("\nOr with curl. Alice's id token, her access token, bob's id token, a role's, good for an hour:\n")
    for name, token in tokens.items():
        print(f"export {name}={token}\n")
    for line, promise in [
        (curl(port, "/"), "401: no token"),
        (curl(port, "/", "TOKEN"), "200: the upstream shows what it was told"),
        (curl(port, "/admin", "TOKEN"), "200: alice is in the group admin"),
        (curl(port, "/admin", "BOB"), "403: bob is not"),
        (curl(port, "/users/alice", "BOB"), "403: not his record"),
        (curl(port, "/orders", "TOKEN", " -X POST"), "401: wants an access token"),
        (curl(port, "/orders", "ACCESS_TOKEN", " -X POST"), "200: this is one"),
        (curl(port, "/payments", "ACCESS_TOKEN"), "200: Cognito, which is asked, stands by it"),
        (curl(port, "/billing", "ROLE"), "200: the role that may"),
        (curl(port, "/billing", "TOKEN"), "401: alice is no role"),
        (curl(port, "/partners/orders") + ' -H "authorization: Bearer north-key"', "200: the function allows it"),
        (curl(port, "/partners/admin") + ' -H "authorization: Bearer north-key"', "403: its policy does not"),
        (curl(port, "/health"), "200: open to anyone"),
    ]:
        # No `# remark` behind the command: an interactive zsh would take it for arguments.
        print(f"{promise}\n    {line}")
    print("\nA refusal says why in x-cognito-reason, which is for development only.")
    print(f"Cognito: http://127.0.0.1:{stack.keys_port}, user pool {stack.pool},")
    print(f"         app client {stack.clients['web']}; alice and bob, password {PASSWORD}")
    print(f"Lambda:  http://127.0.0.1:{stack.lambda_port}, function {FUNCTION}, whose code is in {SOURCE}")
    print(f"Metrics: curl -s 'http://127.0.0.1:{stack.admin_port}/stats?filter=cognito_authorizer'")
    print(f"Logs:    {LOGS}/envoy.log\n\nThe page: {page}", flush=True)
    signal.pause()


def main():
    running = sys.argv[1:] == ["run"]
    print("Starting on this machine only:")
    try:
        with Stack(for_developers=running) as stack:
            if running:
                leave_running(stack)
            good = report(stack)
    except KeyboardInterrupt:
        print("\nstopped")
        return 0 if running else 130
    except Failed as failure:
        print(f"\ndemo: {failure}", file=sys.stderr)
        return 1
    print(f"Logs: {LOGS}/\n\nTry it yourself: `make run PORT=10000`, and with the TOKEN that it prints\n")
    print("  " + curl(10000, "/", "TOKEN"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
