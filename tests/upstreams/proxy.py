"""One Envoy before all upstreams: two listeners for each world, `edge` and `bare`.

`edge` has the connection manager of envoy/production.yaml. `bare` leaves the path as it came, allows
upgrades and trailers, and takes header names with underscores: the filter must hold there, too.
"""

import json
import os
import time
import urllib.request

from servers import ROOT, SERVERS, WORK, NotStarted, free_port

MODULE = os.environ.get("COGNITO_AUTHORIZER_WASM") or str(ROOT / "target/wasm32-wasip1/release/cognito_authorizer.wasm")
ENVOY = os.environ.get("ENVOY") or str(ROOT / "target/venv/bin/envoy")
TYPE = "type.googleapis.com/envoy.extensions"
MANAGERS = {
    "edge": {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
    },
    "bare": {
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_protocol_options": {"enable_trailers": True},
    },
}


def listener(name, port, world, manager):
    wasm = {
        "@type": f"{TYPE}.filters.http.wasm.v3.Wasm",
        "config": {
            "name": "cognito_authorizer",
            "root_id": "cognito_authorizer",
            "vm_config": {
                "vm_id": "upstreams",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": MODULE}},
            },
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": json.dumps(world.document),
            },
        },
    }
    routes = [
        {
            "match": {"prefix": "/"},
            "route": {"cluster_header": "x-upstream", "timeout": "8s"},
            "request_headers_to_remove": ["x-upstream"],
        }
    ]
    router = {"@type": f"{TYPE}.filters.http.router.v3.Router", "suppress_envoy_headers": True}
    chain = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "use_remote_address": True,
        "generate_request_id": False,
        "max_request_headers_kb": 96,
        **MANAGERS[manager],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {"name": "cognito_authorizer", "typed_config": wasm},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": chain}]}
        ],
    }


def cluster(name, port):
    http2 = name in SERVERS and SERVERS[name].http2
    protocol = {"http2_protocol_options": {}} if http2 else {"http_protocol_options": {"enable_trailers": True}}
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
                # A connection of its own for each: no server's keep-alive plays a part.
                "common_http_protocol_options": {"max_requests_per_connection": 1},
            }
        },
    }


def start(processes, worlds, upstreams):
    """Starts Envoy and returns the listeners' ports by world and connection manager."""
    ports = {(world.name, manager): free_port() for world in worlds for manager in MANAGERS}
    admin = free_port()
    thresholds = [{"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096}]
    document = {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {
            "listeners": [
                listener(f"{world.name} {manager}", ports[world.name, manager], world, manager)
                for world in worlds
                for manager in MANAGERS
            ],
            "clusters": [
                {**cluster(name, port), "circuit_breakers": {"thresholds": thresholds}}
                for name, port in upstreams.items()
            ],
        },
    }
    file = WORK / "envoy.json"
    file.write_text(json.dumps(document, indent=1))
    command = [ENVOY, "--config-path", str(file), "--concurrency", "1", "--log-level", "warning", "--use-dynamic-base-id"]
    [(_, child, _)] = processes.start("envoy", command, [admin])
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin}/ready", timeout=2) as answer:
                if answer.status == 200:
                    return ports
        except OSError:
            pass
        if child.poll() is not None or time.monotonic() > end:
            tail = (WORK / "logs/envoy.log").read_text(errors="replace")[-3000:]
            raise NotStarted(f"Envoy did not start\n{tail}")
        time.sleep(0.05)
