"""The upstreams: how each is started, and how it is stopped by its own process id."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
APPS = HERE / "apps"
ROOT = HERE.parents[1]
WORK = ROOT / "target/upstreams"
LOGS = WORK / "logs"
PATIENCE = 60

# What a path may lead to beside the virtual environment and npm: Debian's packages put it there.
os.environ["PATH"] += ":/usr/sbin:/usr/local/sbin"

PYTHON = sys.executable
WERKZEUG = "import sys; from werkzeug.serving import run_simple; from {0} import {1} as app; run_simple('127.0.0.1', {2}, app, threaded=True)"


def program(name):
    """A program of the virtual environment."""
    return str(Path(sys.executable).with_name(name))


def werkzeug(module, app):
    return lambda port: [PYTHON, "-c", WERKZEUG.format(module, app, port)]


def gunicorn(app):
    return lambda port: [program("gunicorn"), "--bind", f"127.0.0.1:{port}", "--log-level", "error", app]


def waitress(app):
    return lambda port: [program("waitress-serve"), f"--listen=127.0.0.1:{port}", app]


def hypercorn(app):
    return lambda port: [program("hypercorn"), "--bind", f"127.0.0.1:{port}", "--log-level", "error", app]


def uvicorn(app, http):
    return lambda port: [
        program("uvicorn"), app, "--host", "127.0.0.1", "--port", str(port), "--http", http,
        "--log-level", "error", "--no-access-log", "--lifespan", "off",
    ]  # fmt: skip


def script(name):
    return lambda port: [PYTHON, str(APPS / name), str(port)]


@dataclass(frozen=True)
class Server:
    """One upstream. `second` names another one that the same process serves on a port of its own."""

    command: object
    second: str | None = None
    http2: bool = False


# Order is that of starting: what others proxy to comes first.
SERVERS = {
    "express": Server(lambda port: ["node", str(WORK / "express/express.js"), str(port)]),
    "flask-werkzeug": Server(werkzeug("flask_app", "app")),
    "flask-gunicorn": Server(gunicorn("flask_app:app")),
    "flask-waitress": Server(waitress("flask_app:app")),
    "flask-hypercorn": Server(hypercorn("flask_app:app")),
    "django-werkzeug": Server(werkzeug("django_app", "wsgi")),
    "django-gunicorn": Server(gunicorn("django_app:wsgi")),
    "django-waitress": Server(waitress("django_app:wsgi")),
    "django-hypercorn": Server(hypercorn("django_app:asgi"), http2=True),
    "django-uvicorn-h11": Server(uvicorn("django_app:asgi", "h11")),
    "django-uvicorn-httptools": Server(uvicorn("django_app:asgi", "httptools")),
    "starlette-uvicorn-h11": Server(uvicorn("starlette_app:app", "h11")),
    "starlette-hypercorn": Server(hypercorn("starlette_app:app")),
    "aiohttp": Server(script("aiohttp_app.py")),
    "bottle": Server(script("bottle_app.py")),
    "rails-puma": Server(
        lambda port: ["puma", "--quiet", "--environment", "production", "--bind", f"tcp://127.0.0.1:{port}", "--threads", "1:2", str(APPS / "rails.ru")]
    ),
    "nginx": Server(lambda port: ["nginx", "-c", f"{WORK}/nginx.conf", "-p", str(WORK)], second="nginx-to-express"),
    "caddy-php": Server(lambda port: ["caddy", "run", "--config", f"{WORK}/caddy.json"], second="caddy-to-express"),
    "lighttpd-php": Server(lambda port: ["lighttpd", "-D", "-f", f"{WORK}/lighttpd.conf"]),
}


class NotStarted(Exception):
    """An upstream did not come up; the text says which and where its words are."""


# Those that were asked for, and are listened at only later: the system may name one of them again.
PROMISED = set()


def free_port():
    while True:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        if port not in PROMISED:
            PROMISED.add(port)
            return port


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Processes:
    """Everything that a run starts; leaving the `with` block ends each, the latest first."""

    def __init__(self):
        self.children = []
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir(parents=True)
        for name in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, lambda number, _: sys.exit(128 + number))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, child in reversed(self.children):
            # A group of its own each, for servers that fork workers.
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(child.pid, number)
                    child.wait(timeout=5)
                    break
                except ProcessLookupError:
                    break
                except subprocess.TimeoutExpired:
                    continue

    def start(self, name, command, ports=(), directory=WORK, environment=()):
        if not shutil.which(command[0]):
            raise NotStarted(f"{name}: no program {command[0]}")
        with open(LOGS / f"{name}.log", "wb") as log:
            child = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=directory,
                start_new_session=True, env={**os.environ, **dict(environment)},
            )  # fmt: skip
        self.children.append((name, child))
        return [(name, child, port) for port in ports]

    def await_all(self, waited):
        end = time.monotonic() + PATIENCE
        for name, child, port in waited:
            while not listens(port):
                if child.poll() is not None or time.monotonic() > end:
                    tail = (LOGS / f"{name}.log").read_text(errors="replace")[-800:]
                    raise NotStarted(f"{name} is not up (log: {LOGS}/{name}.log)\n{tail}")
                time.sleep(0.02)


def start_all(processes, only=None):
    """Starts every upstream and returns the port of each by its name."""
    ports, waited = {}, []
    for name, server in SERVERS.items():
        ports[name] = free_port()
        if server.second:
            ports[server.second] = free_port()
    facts = {"WORK": WORK, "ROOT": WORK / "www", "EXPRESS": ports["express"]}
    for server, file in [("nginx", "nginx.conf"), ("caddy-php", "caddy.json"), ("lighttpd-php", "lighttpd.conf"), (None, "php-fpm.conf")]:
        mine = {**facts, "PORT": ports.get(server), "SECOND_PORT": ports.get(server and SERVERS[server].second)}
        text = (APPS / file).read_text()
        for key, value in mine.items():
            text = text.replace(f"@{key}@", str(value))
        (WORK / file).write_text(text)
    (WORK / "www").mkdir(exist_ok=True)
    shutil.copy(APPS / "front.php", WORK / "www/index.php")
    socket_file = WORK / "php-fpm.sock"
    socket_file.unlink(missing_ok=True)
    fpm = next((name for name in ("php-fpm", "php-fpm8.2", "php-fpm8.3", "php-fpm8.4") if shutil.which(name)), "php-fpm")
    as_root = ["--allow-to-run-as-root"] if os.geteuid() == 0 else []
    processes.start("php-fpm", [fpm, "--fpm-config", f"{WORK}/php-fpm.conf", *as_root])
    environment = {"PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1", "RUBYOPT": "-W0", "NODE_ENV": "production"}
    for name, server in SERVERS.items():
        listened = [ports[name]] + ([ports[server.second]] if server.second else [])
        waited += processes.start(name, server.command(ports[name]), listened, environment=environment)
    processes.await_all(waited)
    return ports
