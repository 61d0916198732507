"""What the tests run on: an emulator of Cognito, the MCP servers, and an Envoy of envoy/production.yaml
with what envoy/MCP.md puts into it.

Everything listens on loopback, on free ports, and is ended by its process id.
"""

import atexit
import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import page
import yaml
from page import ROOT

WORK = ROOT / "target/mcp"
MODULE = os.environ.get("COGNITO_AUTHORIZER_WASM") or str(ROOT / "target/wasm32-wasip1/release/cognito_authorizer.wasm")
# Where the demo's environment is: Envoy, the emulator and the AWS SDK.
DEMO = ROOT / "target/venv/bin"
ENVOY = os.environ.get("ENVOY") or str(DEMO / "envoy")
HOST = "api.example.com"


class NotStarted(Exception):
    """The tests cannot run; the text says why."""


class Stage:
    def __init__(self):
        self.children = []
        WORK.mkdir(parents=True, exist_ok=True)
        # However the run ends, what it started ends with it.
        for name in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, lambda number, _: sys.exit(128 + number))
        atexit.register(self.stop)

    def start(self, variants):
        """Starts everything; Envoy has a listener for each variant of the page's configuration."""
        emulator = self.child("emulator", [DEMO / "python", ROOT / "tests/harness/account.py", "serve"])
        self.cognito = int(self.first_line("emulator", emulator))
        servers = self.child("servers", [sys.executable, ROOT / "tests/mcp/server.py"])
        self.servers = json.loads(self.first_line("servers", servers))
        pools = [DEMO / "python", ROOT / "tests/mcp/pools.py", f"http://127.0.0.1:{self.cognito}"]
        made = subprocess.run(pools, capture_output=True, text=True, env=environment(), check=False)
        if made.returncode:
            raise NotStarted(f"pools: {made.stderr[-2000:]}")
        self.pools = json.loads(made.stdout)
        self.ports = {name: free_port() for name in variants}
        self.admin = free_port()
        file = WORK / "envoy.json"
        file.write_text(json.dumps(self.bootstrap(variants), indent=1))
        command = [ENVOY, "-c", file, "--concurrency", "2", "--use-dynamic-base-id", "--log-level", "warning"]
        self.await_ready(self.child("envoy", command))

    def stop(self):
        while self.children:
            _, child = self.children.pop()
            child.terminate()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout:
                child.stdout.close()

    def child(self, name, command):
        with open(WORK / f"{name}.log", "wb") as log:
            child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if name != "envoy" else log,
                stderr=log,
                env=environment(),
                start_new_session=True,
            )
        self.children.append((name, child))
        return child

    def first_line(self, name, child):
        line = child.stdout.readline()
        if not line:
            raise NotStarted(f"{name} ended: {tail(name)}")
        return line

    def await_ready(self, envoy):
        deadline = time.monotonic() + 60
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                with opener.open(f"http://127.0.0.1:{self.admin}/ready", timeout=2):
                    return
            except OSError:
                if envoy.poll() is not None or time.monotonic() > deadline:
                    raise NotStarted(f"Envoy did not start: {tail('envoy')}") from None
                time.sleep(0.05)

    def bootstrap(self, variants):
        """envoy/production.yaml with the page's parts, on these ports and without TLS."""
        document = yaml.safe_load((ROOT / "envoy/production.yaml").read_text())
        document["admin"]["address"] = address(self.admin)
        resources = document["static_resources"]
        ingress = next(one for one in resources["listeners"] if one["name"] == "ingress")
        resources["listeners"] = [self.listener(ingress, name, change) for name, change in variants.items()]
        clusters = {one["name"]: one for one in resources["clusters"]}
        keys = clusters["cognito_us_east_1"]
        del keys["transport_socket"]
        resources["clusters"] = [
            led_to(keys, self.cognito),
            led_to(clusters["upstream"], self.servers["app"]),
            led_to(clusters["upstream"], self.servers["admin"], "admin"),
            led_to(clusters["upstream"], self.servers["bare"], "bare"),
        ]
        return document

    def listener(self, ingress, name, change):
        listener = copy.deepcopy(ingress)
        listener["name"], listener["address"] = name, address(self.ports[name])
        (chain,) = listener["filter_chains"]
        del chain["transport_socket"]
        manager = chain["filters"][0]["typed_config"]
        del manager["access_log"]
        host = yaml.safe_load(self.placed(page.snippet("virtual host")))
        host["routes"][:0] = [
            {"match": {"path": f"/mcp/{other}"}, "route": {"cluster": other, "timeout": "0s"}}
            for other in ("admin", "bare")
        ]
        manager["route_config"]["virtual_hosts"] = [host]
        (wasm,) = [one for one in manager["http_filters"] if one["name"] == "cognito_authorizer"]
        config = wasm["typed_config"]["config"]
        config["vm_config"]["code"]["local"]["filename"] = MODULE
        authorizer = yaml.safe_load(self.placed(page.snippet("configuration")))
        authorizer["user_pools"][0]["client_ids"] = [one["id"] for one in self.pools["staff"]["clients"].values()]
        # The same server without its knowledge of callers.
        authorizer["rules"].append({"match": {"path": "/mcp/bare"}})
        change(authorizer)
        config["configuration"]["value"] = authorizer
        return listener

    def placed(self, text):
        """With the emulator's pool, whose id is another in every run."""
        return text.replace("us-east-1_AbCdEf123", self.pools["staff"]["id"])


def led_to(cluster, port, name=None):
    cluster = copy.deepcopy(cluster)
    cluster["name"] = cluster["load_assignment"]["cluster_name"] = name or cluster["name"]
    cluster["type"] = "STATIC"
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    return cluster


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def environment():
    """Without what this machine has for the AWS SDK and for proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    return kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "TMPDIR": str(WORK)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tail(name):
    return (WORK / f"{name}.log").read_text(errors="replace")[-3000:]
