"""What stands around the Envoy that is measured: keys, upstream, load; and how it is measured."""

import datetime
import functools
import http.client
import json
import os
import random
import shutil
import socket
import ssl
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from issuer import CLAIM_HEADERS, CLIENT, KEY, KEY_FILE, POOL, ROOT, key_set

OUTPUT = ROOT / "target/bench"
MODULE = Path(
    os.environ.get("COGNITO_AUTHORIZER_WASM")
    or ROOT / "target/wasm32-wasip1/release/cognito_authorizer.wasm"
)
# The folder of the same filter as a dynamic module.
NATIVE = ROOT / "target/native"
ENVOY = os.environ.get("ENVOY") or ROOT / "target/venv/bin/envoy"
TYPE = "type.googleapis.com/envoy.extensions"
TICK = os.sysconf("SC_CLK_TCK")
# The upstream repeats these in its answer to a request that carries `x-bench-echo`: proof, before a
# row is timed, that the row does its job.
# What the service with a verdict of its own says of everybody.
TENANT = {"x-tenant": "north"}
# What clients call the API: rules with matchers compare its first label with a claim.
HOST = "acme.example.com"
ECHOED = [*CLAIM_HEADERS, *TENANT, "authorization"]
# Lets a request go on when all of its body is there.
BUFFER = {
    "name": "envoy.filters.http.buffer",
    "typed_config": {
        "@type": f"{TYPE}.filters.http.buffer.v3.Buffer",
        "max_request_bytes": 64 << 20,
    },
}


@dataclass(frozen=True)
class Way:
    """How requests come, and to how many workers."""

    tls: bool = False
    http2: bool = False
    # So many a second, whether the ones before were answered or not; as many as are answered otherwise.
    rate: int | None = None
    workers: int = 1


PLAIN = Way()


class Failed(Exception):
    """A row that does not do what it is timed for, or a process that did not come up."""


def free_port():
    """Of those that no connection is given on its way out: what load leaves behind takes thousands."""
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", random.randrange(10_000, 32_000)))
                return probe.getsockname()[1]
            except OSError:
                continue


def cluster(name, port, **more):
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        **more,
    }


def listener(port, routes, filters=(), tls=False):
    """The connection manager of envoy/envoy.yaml, without access log and CORS."""
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "use_remote_address": True,
        "normalize_path": True,
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [*filters, router],
    }
    chain = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
    }
    if tls:
        chain["transport_socket"] = transport_socket()
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"name": f"port_{port}", "address": address, "filter_chains": [chain]}


@functools.cache
def transport_socket():
    """TLS with a key of the tests, which is certified by itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM).decode()
    certificates = [{"certificate_chain": {"inline_string": chain}, "private_key": {"filename": str(KEY_FILE)}}]
    return {
        "name": "tls",
        "typed_config": {
            "@type": f"{TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": certificates, "alpn_protocols": ["h2", "http/1.1"]},
        },
    }


class Envoy:
    """Its processor time is that of all its threads."""

    def __init__(self, name, listeners, clusters, workers=1):
        self.admin_port = free_port()
        bootstrap = {
            "admin": {
                "address": {
                    "socket_address": {"address": "127.0.0.1", "port_value": self.admin_port}
                }
            },
            "static_resources": {"listeners": listeners, "clusters": clusters},
        }
        path = OUTPUT / f"{name}.json"
        path.write_text(json.dumps(bootstrap))
        self.log = OUTPUT / f"{name}.log"
        command = [ENVOY, "-c", path, "--concurrency", workers, "--disable-hot-restart", "-l", "warn"]
        self.started = time.monotonic()
        self.child = spawn(command, self.log)
        try:
            self.wait_for(lambda: get(self.admin_port, "/ready")[0] == 200)
        except Failed:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.child)

    def wait_for(self, condition, patience=30):
        deadline = time.monotonic() + patience
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"not as expected, see {self.log}:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.005)

    def cpu(self):
        return cpu(self.child)

    def resident(self):
        """Megabytes."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def stat(self, name):
        """A counter or gauge of the module; 0 where there is none."""
        body = get(self.admin_port, f"/stats?filter=cognito_authorizer.{name}$")[2].decode()
        return sum(int(line.rsplit(": ", 1)[1]) for line in body.splitlines() if ": " in line)


def spawn(command, log):
    with open(log, "wb") as output:
        # A group of its own: Ctrl-C reaches only this program, which then stops its children.
        return subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, "ENVOY_DYNAMIC_MODULES_SEARCH_PATH": str(NATIVE)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def end(child):
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def cpu(child):
    """Processor seconds that a process has used, in user and kernel mode."""
    # The name of the program, in parentheses, may itself contain spaces.
    fields = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def connect(port, tls=False):
    """A connection on which one request follows another."""
    if tls:
        # Nothing is proved here by whom it is.
        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=10)


def get(port, path, headers=None, connection=None):
    """Status, headers and body of an answer."""
    connection = connection or connect(port)
    connection.request("GET", path, headers={"host": HOST, **(headers or {})})
    response = connection.getresponse()
    return response.status, response.headers, response.read()


@functools.cache
def users(count):
    """Entries of a deny list, which take a while to write down."""
    return "".join(f'"{user:08x}-aaaa-4bbb-8ccc-0123456789ab": 1,' for user in range(count))


def deny_list(entries):
    """A list of so many users, and of another one each second."""
    now = int(time.time())
    listed = f'{users(entries - 1)}"second-{now}": 1' if entries else ""
    pools = f'{{"{POOL}": {{"signed_in_before": {{{listed}}}}}}}'
    return f'{{"version": 1, "written_at": {now}, "pools": {pools}}}'.encode()


class Keys(BaseHTTPRequestHandler):
    """The key set, whatever the path: every pool of the benchmark has the same key. Below /lists/ a
    deny list with as many entries as the path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        entries = self.path.removeprefix("/lists/")
        keys = entries == self.path
        body = json.dumps(key_set()).encode() if keys else deny_list(int(entries))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Stage:
    """Key server, upstream and authorization service, for as long as the benchmark runs."""

    def __init__(self):
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.authorizer = None
        self.key_server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        self.keys_port = self.key_server.server_address[1]
        threading.Thread(target=self.key_server.serve_forever, daemon=True).start()
        self.upstream_port, self.upload_port = free_port(), free_port()
        self.verdict_port = free_port()
        self.upstream = Envoy("upstream", self.upstream_listeners(), [])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.upstream.__exit__()
        if self.authorizer:
            end(self.authorizer)
        self.key_server.shutdown()

    def upstream_listeners(self):
        """Answers at once, but where uploads go only when all of the body is there."""
        answer = {"direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
        echo = [
            {
                "header": {"key": f"x-seen-{name}", "value": f"%REQ({name})%"},
                "keep_empty_value": False,
            }
            for name in ECHOED
        ]
        asked = {"prefix": "/", "headers": [{"name": "x-bench-echo", "present_match": True}]}
        routes = [
            {"match": asked, "response_headers_to_add": echo, **answer},
            {"match": {"prefix": "/"}, **answer},
        ]
        return [
            listener(self.upstream_port, routes),
            listener(self.upload_port, routes, [BUFFER]),
            listener(self.verdict_port, self.verdicts(), [BUFFER]),
        ]

    def verdicts(self):
        """Lets everybody in, in the words of a Lambda authorizer and in those of ext_authz: a service
        that costs as little as one can, for what it costs to ask."""
        allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
        answer = {
            "principalId": "everybody",
            "policyDocument": {"Version": "2012-10-17", "Statement": [allow]},
            "context": {"tenantId": TENANT["x-tenant"]},
        }
        said = [{"header": {"key": name, "value": value}} for name, value in TENANT.items()]
        return [
            {
                "match": {"prefix": "/"},
                "response_headers_to_add": said,
                "direct_response": {"status": 200, "body": {"inline_string": json.dumps(answer)}},
            }
        ]

    def envoy(self, filters, clusters=(), upload=False, way=PLAIN):
        """The Envoy that is measured, with these filters, and the port on which it listens."""
        port = free_port()
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "60s"}}]
        upstream = cluster("upstream", self.upload_port if upload else self.upstream_port)
        everything = [upstream, cluster("keys", self.keys_port), *clusters]
        listeners = [listener(port, routes, filters, way.tls)]
        return Envoy("measured", listeners, everything, way.workers), port

    def authorization_service(self):
        """Starts the ext_authz service once, and returns its port."""
        if self.authorizer is None:
            home = OUTPUT / "authz"
            shutil.copytree(ROOT / "tests/bench/authz", home, dirs_exist_ok=True)
            install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(install, cwd=home, check=True)
            (home / "jwks.json").write_text(json.dumps(key_set()))
            self.authorizer_port = free_port()
            command = [
                "node",
                home / "server.js",
                self.authorizer_port,
                home / "jwks.json",
                POOL,
                CLIENT,
            ]
            self.authorizer = spawn(command, OUTPUT / "authz.log")
        return self.authorizer_port


def wrk(port, values, path="/", seconds=1, connections=16, upload=0, seed=0):
    """Load with these authorization values, in turn unless there is a seed; what became of it."""
    file = OUTPUT / "values.txt"
    file.write_text("".join(f"{value}\n" for value in values))
    script = ROOT / "tests/bench/load.lua"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", script]
    command += [f"http://127.0.0.1:{port}", "--", file, path, upload, seed, HOST]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"wrk: {done.stdout}{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def h2load(port, value, way, path="/", seconds=1, connections=16):
    """Load over HTTP/2 with this authorization value; what became of it. At a fixed rate many streams may
    be open, so that no request waits for the answer to another one before it is sent."""
    log = OUTPUT / "h2load.tsv"
    log.unlink(missing_ok=True)
    command = ["h2load", f"-D{seconds}", f"-c{connections}", f"--log-file={log}"]
    command += [f"--rps={way.rate / connections}", "-m100"] if way.rate else ["-m1"]
    command += [f"--header=:authority: {HOST}", f"--header=authorization: {value}"]
    command += [f"{'https' if way.tls else 'http'}://127.0.0.1:{port}{path}"]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"h2load: {done.stdout}{done.stderr}")
    lines = [[int(part) for part in line.split()] for line in log.read_text().splitlines()]
    # Of each request: when it began, its status, and how long it took, in microseconds.
    took = sorted(micros for _, status, micros in lines if status == 200)
    percentiles = statistics.quantiles(took, n=100) if len(took) > 1 else [0] * 99
    return {
        "requests": len(lines),
        "micros": seconds * 1e6,
        "refused": sum(status >= 400 for _, status, _ in lines),
        "failed": sum(status < 200 for _, status, _ in lines),
        "p50": percentiles[49],
        "p99": percentiles[98],
    }
