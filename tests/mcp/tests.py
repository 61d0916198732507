"""An MCP client finds its way from a refusal to a tool's answer, and nobody else does: envoy/MCP.md, run."""

import asyncio
import json
import logging
import os
import sys
import time
import unittest
from unittest import IsolatedAsyncioTestCase

import httpx2
from client import COGNITO, DOMAIN, URL, Desktop, Loopback, Refused, text
from mcp.client.auth import OAuthFlowError, OAuthRegistrationError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from pools import CALLBACK, PASSWORD, SCOPES
from stage import HOST, WORK, NotStarted, Stage

USE, ADMIN = SCOPES
METADATA = "/.well-known/oauth-protected-resource/mcp"
CHALLENGED = f'resource_metadata="https://{HOST}{METADATA}", scope="{USE}"'
SIGN_IN = [
    f"GET https://{DOMAIN}/oauth2/authorize 200",
    f"POST https://{DOMAIN}/login 302",
    f"POST https://{DOMAIN}/oauth2/token 200",
]
ORIGIN = "https://app.example.com"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}},
}
MCP = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


def pools(authorizer):
    authorizer["protected_resources"][0]["authorization_servers"] = ["pools"]


def misnamed(authorizer):
    authorizer["protected_resources"][0]["resource"] = f"https://{HOST}/orders"


def either(authorizer):
    (rule,) = [rule for rule in authorizer["rules"] if rule["match"] == {"path": "/mcp"}]
    rule["require"]["scopes"] = SCOPES


def closing(authorizer):
    authorizer["token"] |= {"at_expiry": "close", "clock_skew": "0s"}


VARIANTS = {"page": lambda _: None, "pools": pools, "misnamed": misnamed, "either": either, "closing": closing}
stage = Stage()


def setUpModule():
    stage.start(VARIANTS)


def person(name="alice", pool="staff"):
    return stage.pools[pool]["people"][name]


class Case(IsolatedAsyncioTestCase):
    async def ask(self, method, path, variant="page", host=HOST, **more):
        """One request, without the SDK's doing."""
        network = Loopback(stage, variant)
        network.to[host] = network.to[HOST]
        async with httpx2.AsyncClient(transport=network) as http:
            return await http.request(method, f"https://{host}{path}", **more)

    async def hello(self, token, path="/mcp", variant="page", **headers):
        said = MCP | {"authorization": f"Bearer {token}"} | headers
        return await self.ask("POST", path, variant, headers=said, json=HELLO)


class TheWayIn(Case):
    async def test_from_the_refusal_to_the_answer(self):
        for mode, version in [("auto", "2026-07-28"), ("legacy", "2025-11-25")]:
            with self.subTest(mode):
                alice = Desktop(stage)
                async with alice.connected(mode) as client:
                    self.assertEqual(client.protocol_version, version)
                    self.assertEqual(text(await client.call_tool("whoami", {})), person())
                seen = alice.network.seen()
                found = [
                    f"POST {URL} 401",
                    f"GET https://{HOST}{METADATA} 200",
                    f"GET https://{HOST}/.well-known/oauth-authorization-server 200",
                    *SIGN_IN,
                ]
                self.assertEqual(seen[: len(found)], found)
                self.assertEqual({line.rsplit(" ", 1)[1] for line in seen[len(found) :]} - {"200", "202"}, set())
                (asked,) = alice.person.asked
                self.assertEqual(asked["resource"], URL)
                self.assertEqual((asked["scope"], asked["code_challenge_method"]), (USE, "S256"))

                _, refusal = alice.network.exchanges[0]
                self.assertEqual(refusal.headers["www-authenticate"], f"Bearer {CHALLENGED}")
                _, resource = alice.network.exchanges[1]
                self.assertEqual(
                    json.loads(await resource.aread()),
                    {
                        "resource": URL,
                        "authorization_servers": [f"https://{HOST}"],
                        "scopes_supported": [USE, ADMIN],
                    },
                )
                _, server = alice.network.exchanges[2]
                self.assertEqual(server.headers.get_list("content-type"), ["application/json"])
                told = json.loads(await server.aread())
                # What the specification has a client look for before it begins.
                self.assertEqual((told["issuer"], told["code_challenge_methods_supported"]), (f"https://{HOST}", ["S256"]))

    async def test_by_the_pools_own_metadata(self):
        alice = Desktop(stage, variant="pools")
        async with alice.connected() as client:
            self.assertEqual(text(await client.call_tool("whoami", {})), person())
        issuer = f"https://{COGNITO}/{stage.pools['staff']['id']}"
        *tried, (request, server) = [
            (request, response) for request, response in alice.network.exchanges if request.url.host == COGNITO
        ][:3]
        # RFC 8414 puts the well-known part before the path; Cognito has it behind.
        self.assertEqual([response.is_success for _, response in tried], [False, False])
        self.assertEqual(str(request.url), f"{issuer}/.well-known/openid-configuration")
        told = json.loads(await server.aread())
        self.assertEqual(told["issuer"], issuer)
        for missing in ("code_challenge_methods_supported", "registration_endpoint"):
            self.assertNotIn(missing, told)

    async def test_by_another_sdk(self):
        """The one in TypeScript."""
        for variant in ("page", "pools"):
            with self.subTest(variant):
                told = {
                    "url": URL,
                    "ports": Loopback(stage, variant).to,
                    "client_id": stage.pools["staff"]["clients"]["desktop"]["id"],
                    "callback": CALLBACK,
                    "person": "alice",
                    "password": PASSWORD,
                }
                node = await asyncio.create_subprocess_exec(
                    os.environ["NODE"],
                    "desktop.mjs",
                    json.dumps(told),
                    cwd=WORK / "node",
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
                output, errors = await asyncio.wait_for(node.communicate(), 60)
                self.assertEqual(node.returncode, 0, errors.decode())
                outcome = json.loads(output)
                self.assertEqual(outcome["text"], person())
                self.assertEqual((outcome["asked"]["scope"], outcome["asked"]["resource"]), (USE, URL))
                found = [f"POST {URL} 401", f"GET https://{HOST}{METADATA} 200"]
                self.assertEqual(outcome["seen"][:2], found)

    async def test_a_program_without_a_person(self):
        robot = stage.pools["staff"]["clients"]["robot"]
        network = Loopback(stage, "page")
        oauth = ClientCredentialsOAuthProvider(
            URL,
            Desktop(stage).storage,
            client_id=robot["id"],
            client_secret=robot["secret"],
            issuer=f"https://{HOST}",
        )
        async with httpx2.AsyncClient(auth=oauth, transport=network) as http:
            async with Client(streamable_http_client(URL, http_client=http)) as client:
                self.assertEqual(text(await client.call_tool("whoami", {})), robot["id"])

    async def test_a_program_that_was_not_told_its_client_id(self):
        alice = Desktop(stage)

        async def unknown():
            return None

        alice.storage.get_client_info = unknown
        error = await failure(alice, OAuthRegistrationError)
        self.assertIn("Registration failed: 403", str(error))
        self.assertEqual(alice.person.asked, [])


async def failure(desktop, kind):
    """The error of this kind that connecting ends with, out of the groups that tasks put around it."""
    found = None
    try:
        async with desktop.connected():
            pass
    except* kind as group:
        found = group
    while isinstance(found, BaseExceptionGroup):
        (found,) = found.exceptions
    if found is None:
        raise AssertionError(f"no {kind.__name__}")
    return found


class WhoMayCall(Case):
    async def test_a_scope_more_is_asked_for(self):
        alice = Desktop(stage)
        token = await alice.sign_in()
        self.assertEqual((await self.hello(token)).status_code, 200)
        refused = await self.hello(token, "/mcp/admin")
        self.assertEqual(refused.status_code, 403)
        self.assertEqual(
            refused.headers["www-authenticate"],
            f'Bearer error="insufficient_scope", scope="{ADMIN}", resource_metadata="https://{HOST}{METADATA}"',
        )
        stepped = Desktop(stage, url=f"{URL}/admin", storage=alice.storage)
        async with stepped.connected() as client:
            self.assertEqual(text(await client.call_tool("scopes", {})), f"{ADMIN} {USE}")
        seen = stepped.network.seen()
        self.assertEqual(seen[0], f"POST {URL}/admin 403")
        self.assertEqual([line for line in seen if DOMAIN in line], SIGN_IN)
        self.assertEqual([asked["scope"] for asked in stepped.person.asked], [f"{USE} {ADMIN}"])

    async def test_a_scope_that_the_app_client_may_not_have(self):
        token = await Desktop(stage, app="reader").sign_in()
        self.assertEqual((await self.hello(token)).status_code, 200)
        self.assertEqual((await self.hello(token, variant="either")).status_code, 200)
        for what, desktop in [
            ("the only one", Desktop(stage, app="reader", url=f"{URL}/admin")),
            # Its own would do, but the challenge has all that would.
            ("one of two", Desktop(stage, app="reader", variant="either")),
        ]:
            with self.subTest(what):
                error = await failure(desktop, Refused)
                self.assertIn("invalid_scope", str(error))

    async def test_a_token_of_another_pool(self):
        stranger = Desktop(stage, pool="elsewhere")
        # Its client gets a token, and is refused all the same.
        await failure(stranger, MCPError)
        self.assertEqual(stranger.network.seen()[-2:], [f"POST https://{DOMAIN}/oauth2/token 200", f"POST {URL} 401"])
        foreign = stranger.storage.tokens.access_token
        refused = await self.hello(foreign)
        self.assertEqual(refused.status_code, 401)
        self.assertEqual(
            refused.headers["www-authenticate"],
            f'Bearer error="invalid_token", error_description="the token is not valid", {CHALLENGED}',
        )
        # A client that holds such a token signs in once more, and is let in.
        alice = Desktop(stage)
        alice.storage.tokens = stranger.storage.tokens
        async with alice.connected() as client:
            self.assertEqual(text(await client.call_tool("whoami", {})), person())
        self.assertEqual(len(alice.person.asked), 1)

    async def test_who_is_calling_comes_from_the_token_alone(self):
        alice = Desktop(stage)
        token = await alice.sign_in()
        for name in ("x-cognito-sub", "x.cognito.sub", "X-Cognito-Scope"):
            with self.subTest(name):
                forged = {"authorization": f"Bearer {token}", name: "somebody-else"}
                async with httpx2.AsyncClient(transport=Loopback(stage, "page"), headers=forged) as http:
                    async with Client(streamable_http_client(URL, http_client=http)) as client:
                        self.assertEqual(text(await client.call_tool("whoami", {})), person())
                        told = text(await client.call_tool("header", {"name": name.lower()}))
                expected = {"x-cognito-sub": person(), "x-cognito-scope": USE}
                self.assertEqual(told, expected.get(name.lower(), "none"))

    async def test_nobody_calls_past_the_filter(self):
        """Who reaches the server itself is whoever they say, so that nothing but Envoy may reach it."""
        address = f"http://127.0.0.1:{stage.servers['app']}/mcp"
        told = {"x-cognito-sub": "me", "x-cognito-client": "mine", "x-cognito-scope": USE}
        async with httpx2.AsyncClient(headers=MCP | {"host": HOST}) as http:
            self.assertEqual((await http.post(address, json=HELLO)).status_code, 500)
            self.assertEqual((await http.post(address, json=HELLO, headers=told)).status_code, 200)

    async def test_a_session_is_its_callers_own(self):
        alice, bob = await Desktop(stage).sign_in(), await Desktop(stage, "bob").sign_in()
        for path, others in [("/mcp", 404), ("/mcp/bare", 200)]:
            with self.subTest(path):
                opened = await self.hello(alice, path)
                session = opened.headers["mcp-session-id"]
                ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
                for token, status in [(alice, 200), (bob, others)]:
                    said = MCP | {"authorization": f"Bearer {token}", "mcp-session-id": session}
                    answer = await self.ask("POST", path, headers=said, json=ping)
                    self.assertEqual(answer.status_code, status)


class Metadata(Case):
    async def test_it_is_this_hosts_and_this_resources(self):
        self.assertEqual((await self.ask("GET", METADATA)).status_code, 200)
        for what, path, host in [
            ("another host", METADATA, "other.example.com"),
            ("another resource", "/.well-known/oauth-protected-resource/other", HOST),
            ("no resource", "/.well-known/oauth-protected-resource", HOST),
        ]:
            with self.subTest(what):
                answer = await self.ask("GET", path, host=host)
                self.assertEqual((answer.status_code, answer.text), (403, '{"message":"Forbidden"}'))

    async def test_a_client_refuses_that_of_another_resource(self):
        alice = Desktop(stage, variant="misnamed")
        error = await failure(alice, OAuthFlowError)
        self.assertEqual(str(error), f"Protected resource https://{HOST}/orders does not match expected {URL}")
        self.assertEqual(alice.person.asked, [])


class Browsers(Case):
    async def test_a_page_may_call(self):
        wanted = "authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-method,mcp-name,last-event-id"
        preflight = {
            "origin": ORIGIN,
            "access-control-request-method": "POST",
            "access-control-request-headers": wanted,
        }
        answer = await self.ask("OPTIONS", "/mcp", headers=preflight)
        self.assertTrue(answer.is_success)
        self.assertEqual(answer.headers["access-control-allow-origin"], ORIGIN)
        allowed = answer.headers["access-control-allow-headers"].split(", ")
        self.assertEqual(set(wanted.split(",")) - set(allowed), set())
        refused = await self.ask("GET", "/mcp", headers={"origin": ORIGIN})
        self.assertEqual(refused.status_code, 401)
        self.assertEqual(refused.headers.get_list("access-control-allow-origin"), [ORIGIN])
        exposed = refused.headers["access-control-expose-headers"].split(", ")
        self.assertEqual({"www-authenticate", "mcp-session-id"} - set(exposed), set())

    async def test_any_page_may_read_the_metadata(self):
        # What makes a browser ask first: no header that it allows of its own accord.
        preflight = {"access-control-request-method": "GET", "access-control-request-headers": "mcp-protocol-version"}
        for path in (METADATA, "/.well-known/oauth-authorization-server"):
            with self.subTest(path):
                asked = await self.ask("OPTIONS", path, headers=preflight | {"origin": "http://localhost:6274"})
                self.assertTrue(asked.is_success)
                self.assertEqual(asked.headers["access-control-allow-headers"], "*")
                read = await self.ask("GET", path, headers={"origin": "http://localhost:6274"})
                self.assertEqual(read.status_code, 200)
                for answer in (asked, read):
                    self.assertEqual(answer.headers.get_list("access-control-allow-origin"), ["*"])

    async def test_the_server_has_its_own_word(self):
        token = await Desktop(stage).sign_in()
        self.assertEqual((await self.hello(token, origin=ORIGIN)).status_code, 200)
        refused = await self.hello(token, origin="https://elsewhere.example")
        self.assertEqual((refused.status_code, refused.text), (403, "Invalid Origin header"))
        self.assertNotIn("access-control-allow-origin", refused.headers)

    async def test_a_server_that_knows_loopback_only(self):
        """What the SDK makes without `allowed_hosts`."""
        app = MCPServer("default").streamable_http_app()
        async with app.router.lifespan_context(app):
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), headers=MCP) as http:
                answers = [
                    await http.post(f"http://{host}/mcp", json=HELLO) for host in (HOST, "localhost:8000")
                ]
        self.assertEqual([answer.status_code for answer in answers], [421, 200])


class Time(Case):
    async def test_a_client_renews_its_token_by_itself(self):
        alice = Desktop(stage, app="hasty")
        async with alice.connected() as client:
            first = alice.storage.tokens.access_token
            await asyncio.sleep(4.5)
            self.assertEqual(text(await client.call_tool("whoami", {})), person())
        self.assertNotEqual(alice.storage.tokens.access_token, first)
        self.assertEqual(len(alice.person.asked), 1)

    async def test_silence_ends_no_stream(self):
        """The route's time-out does not end it, and Envoy's for silence does not run out: there is none."""
        token = await Desktop(stage).sign_in()
        opened = await self.hello(token)
        said = MCP | {"authorization": f"Bearer {token}", "mcp-session-id": opened.headers["mcp-session-id"]}
        begun = time.monotonic()
        async with httpx2.AsyncClient(transport=Loopback(stage, "page"), timeout=30) as http:
            async with http.stream("GET", URL, headers=said) as stream:
                self.assertEqual(stream.status_code, 200)
                lines = (line async for line in stream.aiter_lines() if line)
                self.assertTrue((await anext(lines)).startswith(":"))
                # Envoy of its own accord would have ended it by now.
                with self.assertRaises(TimeoutError):
                    await asyncio.wait_for(anext(lines), begun + 16 - time.monotonic())

    async def test_a_tool_that_outlasts_its_token(self):
        async def heard(*_):
            """A client that wants to know has its answer begin at once."""

        async def waited(variant):
            async with Desktop(stage, app="hasty", variant=variant).connected() as client:
                try:
                    call = client.call_tool("wait", {"seconds": 8}, progress_callback=heard)
                    return text(await call)
                except MCPError as error:
                    return str(error)

        kept, closed = await asyncio.gather(waited("page"), waited("closing"))
        self.assertEqual(kept, "done")
        self.assertEqual(closed, "SSE stream ended without a response")


if __name__ == "__main__":
    # What clients write about refusals that the tests are about.
    logging.disable(logging.CRITICAL)
    try:
        unittest.main(verbosity=2)
    except NotStarted as reason:
        sys.exit(f"mcp: {reason}")
