"""Ways of writing one request: a grammar of everything that some reader takes for something else.

Each subject is a function that yields a request again and again, each time with one thing about it
spelled otherwise, and with the name of that spelling. Everything random comes from the generator
that is handed in.
"""

import re
from dataclasses import dataclass, replace

from routes import ADMIN_HOST, HOST


@dataclass(frozen=True)
class Request:
    target: bytes
    method: bytes = b"GET"
    hosts: tuple = (HOST.encode(),)
    headers: tuple = ()
    body: bytes = b""
    trailers: tuple = ()
    http2: bool = False
    spelled: tuple = ()

    def spell(self, name, **changes):
        return replace(self, spelled=(*self.spelled, name), **changes)

    def plus(self, name, *headers, **changes):
        return self.spell(name, headers=(*self.headers, *headers), **changes)

    def without(self, name):
        return replace(self, headers=tuple(header for header in self.headers if header[0] != name))

    def shown(self, secrets):
        """One line for people, with words in place of tokens."""
        head = [self.method, self.target, *(b"host: " + host for host in self.hosts)]
        head += [b"%s: %s" % header for header in self.headers]
        head += [b"body: " + self.body] if self.body else []
        head += [b"trailer %s: %s" % trailer for trailer in self.trailers]
        text = " | ".join(ascii(part.decode("latin-1"))[1:-1] for part in head)
        for secret, word in secrets.items():
            text = text.replace(secret, word)
        return ("HTTP/2 " if self.http2 else "HTTP/1 ") + text


# What stands for a slash, or for one with nothing behind it.
SLASHES = [
    "//", "///", "%2F", "%2f", "%5C", "%5c", "\\", "/./", "/%2e/", "/%2E/", "/x/../", "/x/%2e%2e/", "/x/..;/", "/.;/",
    "/;/", "/;x/", "/%3B/", "%252F", "%252f", "%25252F", "%255C", "/%20/", "/%00/", "%2F%2F", "/%2F", "%2F/", "/%2e%2f",
    "/x%2F..%2F", "%3F/", "%3f/", "%23/", "/%3F/", "//x/../", "/x//../", "%c0%af", "%e0%80%af", "%u2215", "%E2%88%95", "%EF%BC%8F",
    "/%09/", "/+/", ";/", ";a=b/", ";%2F", "/..%2f..%2f", "/x/..%5c", "/x/%252e%252e/", "/x/.%2e/", "%0a/", "/%C2%A0/",
]  # fmt: skip
TAILS = [
    "/", "//", "/.", "/%2e", "/./", "/..;/", "/x/..", "/x/%2e%2e", "/x/..;x", "%2F", "%2f", "%5C", "\\", "%3F", "%3f", "%3Fx", "%3fx=1", "?",
    "?x", "??", "#", "#x", "%23", "%23x", ";", ";x", ";x=1", ";/", ";x/", "/;", "/;x", "%3B", "%3bx", "%3B/", ".", "..", "...", ".json",
    ".x", ".html", "%2Ejson", "%2ejson", "%20", "%20/", "/%20", "+", "%09", "%0A", "%0D%0A", "%00", "%00.json", "%C2%A0",
    "%EF%BB%BF", "%E3%80%80", "%E2%80%8B", "::$DATA", ":", ",x", ",", "!", "~", "*", "&x", "&", "=", "'", "@", "%25", "%2520", "%2500",
    "%252F", "%253F", "%25", "%", "%2", "%zz", "%u002F", "|", "^", "`", "\"", "<", "{}", "(x)", "$", "%7F", "%80", "%C3", "%FF", "/%3F", "/%23",
    "%3B%2F", "%2F%3B", "%2F..%2F", "%3F/..", "%23/..", "//..", "/%2F", "%2F/", "%20%2F", "/..", ".json/", "/.json", "%E2%84%AA",
]  # fmt: skip
HEADS = [
    "/", "/.", "/%2e", "/./", "/x/..", "/x/..;", "/x/%2e%2e", "/x%2F..", "/open/..", "/open/..;", "/open%2F..", "/open/%2e%2e",
    "/open;/..", "/open/x/../..", "/open//..", "/;", "/;x", "/%20", "/%3B", "\\", "/\\", "/%5C", "/%2F", "/%2f", "/index.php", "/front.php", "/.json", "/(S(x))", "/~",
    "http://api.example.com", "HTTP://api.example.com", "http://admin.example.com", "http://admin.example.com:80",
    "http://api.example.com:443", "//admin.example.com", "/http://api.example.com", "https://api.example.com", "", "*", "/%3F", "/%23", "/?/", "/%00", "/%u002e", "/..",
    "/%252e", "/%252F", "/%EF%BB%BF", "/open%3F/..", "/open%23/..", "/files/..", "/files/%2e%2e", "/open/%2F..%2F..",
]  # fmt: skip
# Letters that some language folds to an ASCII one, and how lax decoders spell them.
FOLDS = {
    "i": ["%C4%B0", "%C4%B1", "%C4%B0%CC%87", "i%CC%87"],
    "I": ["%C4%B1"],
    "s": ["%C5%BF", "%EF%BD%93"],
    "k": ["%E2%84%AA"],
    "a": ["%C3%A1", "a%CC%81", "%EF%BD%81", "%C2%AA", "%D0%B0"],
    "n": ["%C3%B1", "%EF%BD%8E"],
    "p": ["%EF%BD%90"],
}
LAX = ["%u00{0:02x}", "%U00{0:02x}", "%c1%{1:02x}", "%e0%81%{1:02x}", "%25{0:02x}", "%25{0:02X}", "%2525{0:02x}", "%25u00{0:02x}", "&#{0};", "\\u00{0:02x}", "%{0:02x}%00", "%{0:02x}%08"]


def paths(request, rng):
    path, _, query = request.target.decode("latin-1").partition("?")
    after = "?" + query if query else ""

    def to(name, text):
        return request.spell(name, target=(text + after).encode("latin-1", "replace"))

    slashes = [at for at, letter in enumerate(path) if letter == "/"]
    for slash in SLASHES:
        for at in slashes:
            yield to(f"slash as {slash}", path[:at] + slash + path[at + 1 :])
    for tail in TAILS:
        yield to(f"tail {tail}", path + tail)
        if len(slashes) > 1:
            at = slashes[-1]
            yield to(f"inner tail {tail}", path[:at] + tail + path[at:])
    for head in HEADS:
        yield to(f"head {head}", head + path)
    letters = [at for at, letter in enumerate(path) if letter.isascii() and letter.isalpha()]
    for at in sorted({letters[0], letters[-1], rng.choice(letters)}) if letters else []:
        letter, code = path[at], ord(path[at])
        for spelled in [f"%{code:02x}", f"%{code:02X}", letter.swapcase(), f"%{ord(letter.swapcase()):02x}"]:
            yield to(f"letter as {spelled}", path[:at] + spelled + path[at + 1 :])
        for lax in LAX:
            yield to(f"letter as {lax}", path[:at] + lax.format(code, 0x80 | code & 0x3F) + path[at + 1 :])
        for between in ["%00", "%0a", "%09", "%20", "%C2%AD", "%E2%80%8D", "+", "%08"]:
            yield to(f"{between} within", path[:at] + between + path[at:])
    yield to("upper case", path.upper())
    yield to("title case", path.title())
    yield to("all escaped", "".join(f"%{ord(letter):02x}" if letter != "/" else letter for letter in path))
    for letter, folds in FOLDS.items():
        for fold in folds:
            if letter.lower() in path:
                yield to(f"{letter} as {fold}", path.replace(letter.lower(), fold, 1))
    # Raw bytes, which only HTTP/1 carries this far.
    for raw in ["\xc4\xb0", "\xff", "\x01", "\t"]:
        yield to(f"raw {raw!r}", path + raw)


def routers(request, rng):
    """Paths where only some routers look: the query, and headers."""
    path, _, query = request.target.partition(b"?")
    joined = path + b"?" + (query + b"&" if query else b"")
    for target in [b"/admin", b"/payments", b"/internal/x"]:
        for name in [b"rest_route", b"q", b"r", b"_route", b"action", b"path", b"_path"]:
            yield request.spell(f"{name.decode()} in query", target=joined + name + b"=" + target)
        for name in PATH_HEADERS:
            yield request.plus(name.decode(), (name, target))
        for name in [b"x.original.url", b"x!rewrite_url", b"x_original_url", b"X-Original-Url"]:
            yield request.plus(name.decode(), (name, target))


PATH_HEADERS = [
    b"x-original-url", b"x-rewrite-url", b"x-forwarded-prefix", b"x-forwarded-uri", b"x-forwarded-path", b"x-script-name",
    b"script-name", b"path-info", b"x-invoke-path", b"x-accel-redirect", b"request-uri", b"x-envoy-original-path", b"x-waws-unencoded-url",
    b"unencoded-url", b"x-forwarded-script-name", b"x-path-info", b"iis-wasurlrewritten",
]  # fmt: skip

METHODS = [b"GET", b"POST", b"DELETE", b"PUT", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND", b"QUERY", b"SEARCH", b"LINK", b"PURGE"]


def methods(request, rng):
    method = request.method
    letters = method.decode("latin-1")
    for spelled in [letters.lower(), letters.title(), letters.swapcase()[:1] + letters[1:], letters[:-1] + letters[-1].lower()]:
        for http2 in (True, False):
            yield request.spell(f"method {spelled} {'h2' if http2 else 'h1'}", method=spelled.encode("latin-1"), http2=http2)
    for other in METHODS:
        if other != method:
            yield request.spell(f"method {other.decode()}", method=other)
    for spelled in [b"PO\xc5\xbfT", b"POST\xa0", b"P\xd0\x9eST", b"DELETE,GET", b"DELETE!", b"_DELETE", b"*", b"GET_"]:
        yield request.spell(f"method {spelled!r}", method=spelled, http2=True)


def overrides(request, rng):
    """The method in another place than the request line, from several methods to several."""
    path, _, query = request.target.partition(b"?")
    joined = path + b"?" + (query + b"&" if query else b"")
    form = (b"content-type", b"application/x-www-form-urlencoded")
    for start, wanted in OVERRIDES:
        way = f"{wanted.decode()} on {start.decode()}"
        begun = replace(request, method=start)
        for name in OVERRIDE_HEADERS:
            yield begun.plus(f"{name.decode()} {way}", (name, wanted))
        for name in OVERRIDE_PARAMETERS:
            yield begun.spell(f"{name.decode()} in query {way}", target=joined + name + b"=" + wanted)
        if start != b"HEAD":
            yield begun.plus(f"_method in body {way}", form, body=b"_method=" + wanted)


OVERRIDES = [(b"GET", b"DELETE"), (b"POST", b"DELETE"), (b"GET", b"POST"), (b"POST", b"delete"), (b"OPTIONS", b"DELETE"), (b"PUT", b"GET"), (b"HEAD", b"DELETE")]
OVERRIDE_PARAMETERS = [
    b"_method", b"%5Fmethod", b"_metho%64", b"_method[]", b"+_method", b"%20_method", b".method", b"%20method", b"_method%00", b"_METHOD",
    b"[method", b"x;_method", b"_method+", b"x[_method]", b"?_method", b"&;_method",
]  # fmt: skip
OVERRIDE_HEADERS = [
    b"x-http-method-override", b"x-http-method", b"x-method-override", b"x.http.method.override", b"x-http.method-override",
    b"x!http!method!override", b"x_http_method_override", b"x-http-method_override", b"X-HTTP-Method-Override", b"http-method-override",
    b"x-requested-method", b"_method",
]  # fmt: skip


def preflights(request, rng):
    origin, asked = (b"origin", b"https://evil.example"), (b"access-control-request-method", b"DELETE")
    start = request.plus("preflight", origin, asked, method=b"OPTIONS")
    yield start
    yield start.spell("with body", body=b"_method=DELETE")
    yield start.plus("with form", (b"content-type", b"application/x-www-form-urlencoded"), body=b"_method=DELETE")
    yield start.plus("with cookie", (b"cookie", b"access_token=FORGED"))
    yield start.plus("with token", (b"authorization", b"Bearer FORGED"))
    yield start.spell("with query token", target=start.target + b"?access_token=FORGED")
    yield start.spell("_method in query", target=start.target + b"?_method=DELETE")
    for name in OVERRIDE_HEADERS:
        for wanted in (b"DELETE", b"get", b"POST"):
            yield start.plus(f"{name.decode()} {wanted.decode()}", (name, wanted))
    for method in (b"options", b"Options", b"GET", b"POST"):
        yield start.spell(f"preflight by {method.decode()}", method=method, http2=True)
    yield request.plus("preflight without origin", asked, method=b"OPTIONS")
    yield start.plus("preflight upgrade", (b"connection", b"upgrade"), (b"upgrade", b"websocket"))
    yield start.plus("x-cognito-sub", (b"x-cognito-sub", b"evil"), (b"x.cognito.groups", b"admin"))


def hosts(request, rng):
    admin, api = ADMIN_HOST.encode(), HOST.encode()
    for host in [
        b"ADMIN.example.com", b"admin.example.com.", b"admin.example.com:80", b"admin.example.com:443", b"admin.example.com:",
        b"admin.example.com:0", b"admin.example.com:99999", b"admin.example.com..", b".admin.example.com", b"user@admin.example.com",
        b"admin.example.com@api.example.com", b"api.example.com,admin.example.com", b"admin.example.com, api.example.com", b"admin.example.com/",
        b"admin.example.com/x", b"admin.example.com\\", b"admin%2eexample.com", b"admin.example.com%00", b"admin.example.com?", b"admin.example.com#",
        b"adm\xc4\xb0n.example.com", b"admin\xe3\x80\x82example.com", b"xn--admin.example.com", b"admin.example.com:80:80", b"[admin.example.com]",
        b"admin.example.com;x", b"admin_.example.com", b"admin.example.com:x", b" admin.example.com", b"admin.example.com ", b"admin.example.com:+80", b"admin.example.com\t",
        b"http://admin.example.com", b"//admin.example.com", b"admin.example.com:80@api.example.com", b"admin.example.com&x", b"ADMIN.EXAMPLE.COM:80", b"admin.example.com.:80", b"",
    ]:  # fmt: skip
        yield request.spell(f"host {host!r}", hosts=(host,))
    yield request.spell("host admin", hosts=(admin,))
    yield request.spell("hosts api, admin", hosts=(api, admin))
    yield request.spell("hosts admin, api", hosts=(admin, api))
    yield request.spell("no host", hosts=())
    for authority in [admin, b"user@" + admin, admin + b":80", b"ADMIN.example.com", api + b"@" + admin, admin + b"."]:
        yield request.spell(f"absolute {authority!r}", target=b"http://" + authority + request.target)
    for name in [b"x-forwarded-host", b"x-original-host", b"x-host", b"x-forwarded-server", b"x.forwarded.host", b"x_forwarded_host", b"x-forwarded_host", b"x!original!host", b"X-Forwarded-Host", b"x-http-host-override", b"x-real-host", b"x-forwarded-authority", b"http-host", b":host", b"x-envoy-original-host", b"authority"]:
        for value in (admin, admin + b", " + api, api + b", " + admin, admin + b":80"):
            yield request.plus(f"{name.decode()} {value.decode()}", (name, value))
    for value in [b"host=admin.example.com", b'for=1.2.3.4;host="admin.example.com"', b"HOST=admin.example.com;proto=http", b"for=1.2.3.4, host=admin.example.com"]:
        for name in [b"forwarded", b"Forwarded", b"x-forwarded"]:
            yield request.plus(f"{name.decode()} {value.decode()}", (name, value))


def identities(request, rng):
    """The claim headers in a client's own hand."""
    for name in [b"x-cognito-sub", b"x-cognito-groups"]:
        value = b"evil" if name.endswith(b"sub") else b"admin"
        for separator in b"-._!#$%&'*+^`|~":
            folded = name.replace(b"-", bytes([separator]))
            yield request.plus(f"{folded.decode()}", (folded, value))
            last = bytes([separator]).join(name.rsplit(b"-", 1))
            yield request.plus(f"{last.decode()}", (last, value))
            first = bytes([separator]).join(name.split(b"-", 1))
            yield request.plus(f"{first.decode()} twice", (first, value), (first, value))
        for folded in [name.upper(), name.title(), name + b" ", name + b"\t", b" " + name, name + b"\x00", b"HTTP_" + name.replace(b"-", b"_"), b"http-" + name, name + b"-", name + b".", name + b"[]", b"x-cogn\xc4\xb0to-sub", b"\xef\xbb\xbf" + name, name + b"\x0b", name + b":"]:
            yield request.plus(f"{folded!r}", (folded, value), http2=False)
        for values in [(value, b"x"), (b"", value), (value, b"")]:
            yield request.plus(f"{name.decode()} {values}", *((name, each) for each in values))
        yield request.plus(f"folded line {name.decode()}", (b"x-a", b"b\r\n " + name + b": " + value), http2=False)
        yield request.plus(f"new line {name.decode()}", (b"x-a", b"b\n" + name + b": " + value), http2=False)
        for trailer in [name, name.replace(b"-", b"."), name.replace(b"-", b"_"), name.title()]:
            yield request.spell(f"trailer {trailer.decode()}", method=b"POST", body=b"x", trailers=((trailer, value),), http2=rng.random() < 0.5)
    for nominated in [b"x-cognito-sub, x-cognito-groups", b"X-Cognito-Sub", b"close, x-cognito-sub", b"keep-alive, x-cognito-groups"]:
        yield request.plus(f"connection {nominated.decode()}", (b"connection", nominated), http2=False)
        for upgrade in [b"websocket", b"WebSocket", b"h2c", b"foo"]:
            lines = [(b"connection", b"upgrade, " + nominated)]
            halves = [(b"connection", b"upgrade"), (b"connection", nominated)]
            for way, headers in (("one line", lines), ("two lines", halves)):
                yield request.plus(f"upgrade {upgrade.decode()} with {nominated.decode()}, {way}", *headers, (b"upgrade", upgrade), http2=False)


def tokens(request, rng):
    """A second token beside the first, for readers of another grammar. T is the good one, FORGED the other."""
    bare = request.without(b"authorization")
    for value in COOKIES:
        start = bare if b"T" in value.replace(b"FORGED", b"") else request
        yield start.plus(f"cookie {value!r}", (b"cookie", value))
    for one, two in [(b"access_token=T", b"access_token=FORGED"), (b"a=b", b"access.token=FORGED"), (b"access_token=FORGED", b"a=b")]:
        yield request.plus("two cookie lines", (b"cookie", one), (b"cookie", two))
        yield bare.plus("two cookie lines", (b"cookie", one), (b"cookie", two))
    for query in QUERIES:
        start = bare if b"T" in query.replace(b"FORGED", b"") else request
        yield start.spell(f"query {query!r}", target=request.target + b"?" + query)
    for value in [b"Bearer FORGED", b"bearer  FORGED", b"FORGED", b"Token FORGED", b"JWT FORGED", b"Basic Zm9yZ2Vk", b"Bearer T, Bearer FORGED", b"Basic x, Bearer FORGED", b"Bearer\tFORGED", b"Bearer FORGED T", b"Bearer", b"", b'Bearer token="FORGED"']:
        yield bare.plus(f"authorization {value!r}", (b"authorization", value))
        yield bare.plus(f"authorization {value!r} and x-id-token", (b"authorization", value), (b"x-id-token", b"T"))
        yield bare.plus(f"authorization {value!r} and cookie", (b"authorization", value), (b"cookie", b"access_token=T"))
        yield bare.spell("", target=request.target + b"?access_token=T").plus(f"authorization {value!r} and query", (b"authorization", value))
        yield request.plus(f"authorization {value!r} second", (b"authorization", value))
    for name in [b"x.id.token", b"x_id_token", b"x!id-token", b"x-id.token", b"X-Id-Token", b"authorization ", b"x-authorization", b"http-authorization", b"proxy-authorization", b"x-access-token", b"authorizat\xc4\xb0on", b"Authorization"]:
        for value in (b"FORGED", b"Bearer FORGED"):
            yield request.plus(f"{name!r} {value.decode()}", (name, value), http2=False)
            yield bare.plus(f"{name!r} {value.decode()} and cookie", (name, value), (b"cookie", b"access_token=T"), http2=False)
            yield bare.plus(f"{name!r} {value.decode()} and x-id-token", (name, value), (b"x-id-token", b"T"), http2=False)
            yield bare.plus(f"x-id-token and {name!r} {value.decode()}", (b"x-id-token", b"T"), (name, value), http2=False)
    yield bare.plus("nowhere")


NAMES = [
    b"access.token", b"access token", b"access_token[]", b"access_token[0]", b"access_token[", b"access[token", b" access_token", b"+access_token", b"access%5Ftoken", b"access%2Etoken",
    b"%61ccess_token", b"access_token%00", b"access_token%00x", b"access_token ", b"access_token%20", b"%20access_token", b"access_token+", b"Access_Token", b"ACCESS_TOKEN", b"access+token", b"access-token",
    b"$access_token", b'"access_token"', b"access_token\t", b"\taccess_token", b"access%255Ftoken", b"access_token[x][y]", b"access_token]", b"access_token%5B%5D", b"access%5Btoken", b"__Host-access_token", b"access%20token",
    b"access_token%0a", b"%0aaccess_token", b"%09access_token", b"%EF%BB%BFaccess_token", b"access_token%C2%A0", b"%00access_token", b"access_token.", b"access_token%2e",
]  # fmt: skip
COOKIES = [
    *(b"%s=FORGED" % name for name in NAMES), *(b"access_token=T; %s=FORGED" % name for name in NAMES), *(b"%s=FORGED; access_token=T" % name for name in NAMES),
    *(b"access_token=T; a=b%saccess_token=FORGED" % separator for separator in (b" ", b",", b", ", b"\t", b";", b" ; ", b'"; ', b"\x0b", b"\xa0", b"&", b"\\073", b"%3B", b"%3B%20", b";;", b" ;", b"'", b"/", b":", b"=", b"|")),
    *(b"a=b%saccess_token=FORGED; access_token=T" % separator for separator in (b" ", b",", b", ", b"\t", b"&", b"%3B", b"\\073", b"=")),
    b'access_token="T"; access_token="FORGED"', b'a="x; access_token=FORGED"; access_token=T', b'a="x; access_token=FORGED', b'access_token="FORGED', b'access_token=T; a="; access_token=FORGED"', b'access_token=T; a="\\"; access_token=FORGED"',
    b"access_token; access_token=T", b"access_token=; access_token=FORGED", b"access_token = FORGED", b"access_token =FORGED; access_token=T", b"$Version=1; access_token=FORGED; $Path=/", b'$Version="1"; access_token=T; $Path="/", access_token=FORGED',
    b"=access_token=FORGED", b"=FORGED", b"access_token==FORGED", b"access_token=T,access_token=FORGED", b"access_token=T access_token=FORGED", b'access_token="T" access_token=FORGED', b'access_token="T", access_token=FORGED', b"access_token:FORGED",
    b"access_token=%46ORGED", b"access_token=j:FORGED", b"access_token=s:FORGED", b'access_token="\\106ORGED"', b"access_token=Bearer FORGED", b"access_token=Bearer%20FORGED", b"access_token=T;access_token=", b"a=b;c access_token=FORGED;access_token=T",
    b"a b; access_token=FORGED", b"a b access_token=FORGED", b"a;access_token=FORGED", b'"a" access_token=FORGED; access_token=T', b"a=b; , access_token=FORGED; access_token=T", b"a@=b access_token=FORGED; access_token=T", b"a(b)=c; access_token=FORGED",
    b"access_token=T; a={x; access_token=FORGED}", b"access_token=T; a=[x, access_token=FORGED]", b"access_token=T; \xc3\xa9=b; access_token=FORGED", b"expires=Wed, 01-Jan-2031 00:00:00 GMT; access_token=FORGED", b"a=b; expires=Wed, 01-Jan-2031 00:00:00 GMT access_token=FORGED", b"access_token=T; secure access_token=FORGED", b"path; access_token=FORGED; access_token=T",
]  # fmt: skip
QUERIES = [
    *(b"%s=FORGED" % name.replace(b" ", b"%20").replace(b"\t", b"%09") for name in NAMES),
    *(b"access_token=T&%s=FORGED" % name.replace(b" ", b"%20").replace(b"\t", b"%09") for name in NAMES),
    *(b"%s=FORGED&access_token=T" % name.replace(b" ", b"%20").replace(b"\t", b"%09") for name in NAMES),
    *(b"access_token=T%saccess_token=FORGED" % separator for separator in (b"&", b";", b"&b=1;", b"&amp;", b"%26", b"%3B", b"&&", b"&;", b",", b"?", b"&?", b"#", b"%23", b"%00", b"&%26", b"/", b"&/?", b"&b=1?", b"&b=1#", b"|", b"+", b"%0a", b"&b=1%26", b"%20")),
    *(b"a=b%saccess_token=FORGED" % separator for separator in (b";", b"&", b"&amp;", b"?", b"%26", b"&?", b",", b"#")),
    b"access_token=FORGED;a=b", b"?access_token=FORGED", b"access_token=%46ORGED", b"access_token=T&access_token=%46ORGED", b"access_token&access_token=FORGED", b"access_token=&access_token=FORGED", b"access_token=FORGED&", b"&access_token=FORGED", b"=&access_token=FORGED", b"access_token=T&access_token=",
    b"access_token%3DFORGED", b"access_token==FORGED", b"access_token=Bearer+FORGED", b"access_token=Bearer%20FORGED", b"a[access_token]=FORGED", b"a=b&access%5ftoken=FORGED&access_token=T", b"%61%63cess_token=FORGED;x", b"x[=&access_token=FORGED", b"a%=b&access_token=FORGED", b"%zz=1&access_token=FORGED;b", b"access_token%=FORGED", b"access_token%zz=FORGED", b"access_token[%00]=FORGED", b"access_token%5b=FORGED", b"access_token[]=T&access_token[]=FORGED",
    b"access_token.x=FORGED", b"+access_token+=FORGED", b"access_token=T&access_token[]=FORGED", b"access_token[]=FORGED&access_token=T",
]  # fmt: skip

def named(subject):
    """The subject, with its name before that of each spelling."""

    def spellings(request, rng):
        for spelled in subject(request, rng):
            *earlier, last = spelled.spelled
            yield replace(spelled, spelled=(*earlier, f"{subject.__name__}: {last}"))

    return spellings


SUBJECTS = {
    subject.__name__: named(subject)
    for subject in (paths, routers, methods, overrides, preflights, hosts, identities, tokens)
}
WORD = re.compile(rb"\bT\b")


def with_tokens(request, token, forged):
    """The same request with the tokens in place of their words."""

    def put(text):
        return WORD.sub(lambda _: token, text).replace(b"FORGED", forged) if token else WORD.sub(b"", text).replace(b"FORGED", forged)

    def put_in(pairs):
        filled = tuple((name, put(value)) for name, value in pairs)
        # A person without a token sends none, not an empty one.
        return filled if token else tuple((name, value) for name, value in filled if value != b"Bearer ")

    target = request.target
    path, mark, query = target.partition(b"?")
    return replace(request, target=path + mark + put(query), headers=put_in(request.headers))
