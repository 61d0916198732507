"""bottle, on wsgiref: python bottle_app.py PORT"""

import sys

import bottle
from bottle import request

from saw import bearer, saw

app = bottle.Bottle()


def route(handler, path, method="ANY"):
    def answer(**variables):
        name = handler
        if handler == "hosted" and request.urlparts.netloc.split(":")[0] == "admin.example.com":
            name = "hosted.admin"
        return bottle.HTTPResponse(
            headers=saw(
                handler=name,
                method=request.method,
                vars=variables,
                host=request.urlparts.netloc,
                sub=request.get_header("x-cognito-sub"),
                groups=request.environ.get("HTTP_X_COGNITO_GROUPS"),
                bearer=bearer(request.get_header("authorization")),
                header=request.environ.get("HTTP_X_ID_TOKEN"),
                cookie=request.get_cookie("access_token"),
                query=request.query.getall("access_token"),
            )
        )

    app.route(path, method=method, callback=answer)


route("open", "/open")
route("open.item", "/open/<x>")
route("admin", "/admin")
route("admin.item", "/admin/<x>")
route("user", "/users/<id>")
route("report.delete", "/reports/<n>/delete")
route("payments.list", "/payments", "GET")
route("payments.pay", "/payments", "POST")
route("payments.void", "/payments", "DELETE")
route("order.show", "/orders/<id>", "GET")
route("order.remove", "/orders/<id>", "DELETE")
route("hosted", "/hosted")
route("internal", "/internal/<x>")
route("files", "/files/<path:path>")

app.run(host="127.0.0.1", port=int(sys.argv[1]), quiet=True)
