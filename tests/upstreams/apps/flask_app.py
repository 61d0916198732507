"""Flask, with the middleware of its own documentation that lets a header replace the method."""

from flask import Flask, Response, request

from saw import bearer, saw


class MethodOverride:
    allowed = frozenset(["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"])

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        method = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "").upper()
        if method in self.allowed:
            environ["REQUEST_METHOD"] = method
        return self.app(environ, start_response)


app = Flask(__name__, host_matching=False)
app.url_map.strict_slashes = False
ANY = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def route(handler, rule, methods=ANY):
    def view(**variables):
        name = handler
        if handler == "hosted" and request.host.split(":")[0].lower() == "admin.example.com":
            name = "hosted.admin"
        return Response(
            "seen\n",
            headers=saw(
                handler=name,
                method=request.method,
                vars=variables,
                host=request.host,
                sub=request.headers.get("x-cognito-sub"),
                groups=request.headers.get("x-cognito-groups"),
                bearer=bearer(request.headers.get("authorization")),
                header=request.headers.get("x-id-token"),
                cookie=request.cookies.getlist("access_token"),
                query=request.args.getlist("access_token"),
            )
        )

    app.add_url_rule(rule, handler, view, methods=methods, provide_automatic_options=False)


route("open", "/open")
route("open.item", "/open/<x>")
route("admin", "/admin")
route("admin.item", "/admin/<x>")
route("user", "/users/<id>")
route("report.delete", "/reports/<n>/delete")
route("payments.list", "/payments", ["GET"])
route("payments.pay", "/payments", ["POST"])
route("payments.void", "/payments", ["DELETE"])
route("order.show", "/orders/<id>", ["GET"])
route("order.remove", "/orders/<id>", ["DELETE"])
route("hosted", "/hosted")
route("internal", "/internal/<x>")
route("files", "/files/<path:path>")

app.wsgi_app = MethodOverride(app.wsgi_app)
