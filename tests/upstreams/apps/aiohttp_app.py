"""aiohttp, on its own server: python aiohttp_app.py PORT"""

import sys

from aiohttp import web

from saw import bearer, saw


def handler_named(name):
    async def handler(request):
        named = name
        if name == "hosted" and request.host.split(":")[0].lower() == "admin.example.com":
            named = "hosted.admin"
        headers = saw(
            handler=named,
            method=request.method,
            vars=dict(request.match_info),
            host=request.host,
            sub=request.headers.get("x-cognito-sub"),
            groups=request.headers.get("x-cognito-groups"),
            bearer=bearer(request.headers.get("authorization")),
            header=request.headers.get("x-id-token"),
            cookie=request.cookies.get("access_token"),
            query=request.query.getall("access_token", []),
        )
        return web.Response(headers=headers)

    return handler


app = web.Application()
for name, path, method in [
    ("open", "/open", "*"),
    ("open.item", "/open/{x}", "*"),
    ("admin", "/admin", "*"),
    ("admin.item", "/admin/{x}", "*"),
    ("user", "/users/{id}", "*"),
    ("report.delete", "/reports/{n}/delete", "*"),
    ("payments.list", "/payments", "GET"),
    ("payments.pay", "/payments", "POST"),
    ("payments.void", "/payments", "DELETE"),
    ("order.show", "/orders/{id}", "GET"),
    ("order.remove", "/orders/{id}", "DELETE"),
    ("hosted", "/hosted", "*"),
    ("internal", "/internal/{x}", "*"),
    ("files", "/files/{path:.+}", "*"),
]:
    add = app.router.add_get if method == "GET" else lambda p, h, m=method: app.router.add_route(m, p, h)
    add(path, handler_named(name))

web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
