"""An MCP client of the official SDK with a person in front of it, and the network that both see."""

import re
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import page
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from pools import CALLBACK, PASSWORD
from stage import HOST

URL = f"https://{HOST}/mcp"
# The pool's domain, as envoy/MCP.md names it.
DOMAIN = "example.auth.us-east-1.amazoncognito.com"
COGNITO = "cognito-idp.us-east-1.amazonaws.com"

exec(compile(page.snippet("client"), page.PAGE, "exec"))


class Loopback(httpx2.AsyncBaseTransport):
    """Leads every host of the tests to its port on this machine, and writes down what was asked there."""

    def __init__(self, stage, variant):
        self.to = {HOST: stage.ports[variant], DOMAIN: stage.cognito, COGNITO: stage.cognito}
        self.inner = httpx2.AsyncHTTPTransport()
        self.exchanges = []

    async def handle_async_request(self, request):
        if (port := self.to.get(request.url.host)) is None:
            raise httpx2.ConnectError(f"no such host: {request.url.host}", request=request)
        body = await request.aread()
        # The host stays in the header: servers know no other name than the one in the URL.
        led = httpx2.Request(
            request.method,
            request.url.copy_with(scheme="http", host="127.0.0.1", port=port),
            headers=request.headers,
            content=body,
            extensions=request.extensions,
        )
        led.headers["x-forwarded-proto"] = "https"
        response = await self.inner.handle_async_request(led)
        self.exchanges.append((request, response))
        return response

    async def aclose(self):
        await self.inner.aclose()

    def seen(self):
        """One line for each exchange, without queries."""
        return [
            f"{request.method} {request.url.copy_with(query=None)} {response.status_code}"
            for request, response in self.exchanges
        ]


class Form(HTMLParser):
    """The sign-in page's form."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.action = attributes["action"]
        elif tag == "input":
            self.fields[attributes["name"]] = attributes.get("value", "")


class Refused(Exception):
    """The authorization server sends the person back without a code."""


class Person:
    """Signs in on Cognito's page, as a browser would, and is sent back to the client."""

    def __init__(self, network, name):
        self.network, self.name = network, name
        self.asked = []

    async def open(self, url):
        """What the client has the browser open."""
        self.asked.append({name: values[0] for name, values in parse_qs(urlsplit(url).query).items()})
        async with httpx2.AsyncClient(transport=self.network) as browser:
            shown = await browser.get(url)
            if shown.status_code == 200:
                form = Form(shown.text)
                filled = form.fields | {"username": self.name, "password": PASSWORD}
                shown = await browser.post(urljoin(url, form.action), data=filled)
        if not (location := shown.headers.get("location", "")).startswith(CALLBACK):
            raise AssertionError(f"not sent back: {shown.status_code} {re.sub('<[^>]*>', '', shown.text)[-300:]}")
        self.back = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    async def returned(self):
        """What the client's own little server would have got."""
        if "code" not in self.back:
            raise Refused(self.back)
        return AuthorizationCodeResult(
            code=self.back["code"], state=self.back.get("state"), iss=self.back.get("iss")
        )


class Desktop:
    """A program of that app client, with that person before it."""

    def __init__(self, stage, person="alice", app="desktop", pool="staff", variant="page", url=URL, storage=None):
        self.network = Loopback(stage, variant)
        self.person = Person(self.network, person)
        self.url = url
        self.storage = storage or Storage()
        known = self.storage.get_client_info
        identity = stage.pools[pool]["clients"][app]["id"]

        async def placed():
            return (client := await known()) and client.model_copy(update={"client_id": identity})

        self.storage.get_client_info = placed
        metadata = OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="tests")
        self.oauth = OAuthClientProvider(url, metadata, self.storage, self.person.open, self.person.returned)

    @asynccontextmanager
    async def connected(self, mode="auto"):
        async with httpx2.AsyncClient(auth=self.oauth, transport=self.network, timeout=30) as http:
            async with Client(streamable_http_client(self.url, http_client=http), mode=mode) as client:
                yield client

    async def sign_in(self):
        """An access token that was got for a call."""
        async with self.connected():
            return self.storage.tokens.access_token


def text(result):
    """The only text that a tool returned."""
    (content,) = result.content
    return content.text
