"""Starlette."""

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Host, Route, Router

from saw import bearer, saw

ANY = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def route(handler, path, methods=ANY):
    async def endpoint(request):
        return Response(
            headers=saw(
                handler=handler,
                method=request.method,
                vars=request.path_params,
                host=request.headers.get("host"),
                sub=request.headers.get("x-cognito-sub"),
                groups=request.headers.get("x-cognito-groups"),
                bearer=bearer(request.headers.get("authorization")),
                header=request.headers.get("x-id-token"),
                cookie=request.cookies.get("access_token"),
                query=request.query_params.getlist("access_token"),
            )
        )

    return Route(path, endpoint, methods=methods)


app = Starlette(
    routes=[
        Host("admin.example.com", Router([route("hosted.admin", "/hosted")])),
        route("open", "/open"),
        route("open.item", "/open/{x}"),
        route("admin", "/admin"),
        route("admin.item", "/admin/{x}"),
        route("user", "/users/{id}"),
        route("report.delete", "/reports/{n}/delete"),
        route("payments.list", "/payments", ["GET"]),
        route("payments.pay", "/payments", ["POST"]),
        route("payments.void", "/payments", ["DELETE"]),
        route("order.show", "/orders/{id}", ["GET"]),
        route("order.remove", "/orders/{id}", ["DELETE"]),
        route("hosted", "/hosted"),
        route("internal", "/internal/{x}"),
        route("files", "/files/{path:path}"),
    ]
)
