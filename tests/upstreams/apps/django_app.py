"""Django, with patterns that ignore case and forgive a slash, as many projects write them."""

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseNotAllowed
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from saw import bearer, saw

settings.configure(
    SECRET_KEY="for tests alone",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    # Behind a proxy, as its documentation has it.
    USE_X_FORWARDED_HOST=True,
)


def view(handler=None, by_method=None):
    def answer(request, **variables):
        name = handler
        if by_method:
            name = by_method.get("GET" if request.method == "HEAD" else request.method)
            if not name:
                return HttpResponseNotAllowed(by_method)
        if name == "hosted" and request.get_host().split(":")[0].lower() == "admin.example.com":
            name = "hosted.admin"
        headers = saw(
            handler=name,
            method=request.method,
            vars=variables,
            host=request.get_host(),
            sub=request.headers.get("x-cognito-sub"),
            groups=request.META.get("HTTP_X_COGNITO_GROUPS"),
            bearer=bearer(request.headers.get("authorization")),
            header=request.META.get("HTTP_X_ID_TOKEN"),
            cookie=request.COOKIES.get("access_token"),
            query=request.GET.getlist("access_token"),
        )
        return HttpResponse(headers=headers)

    return csrf_exempt(answer)


urlpatterns = [
    re_path(r"(?i)^open/?$", view("open")),
    re_path(r"(?i)^open/(?P<x>[^/]+)/?$", view("open.item")),
    re_path(r"(?i)^admin/?$", view("admin")),
    re_path(r"(?i)^admin/(?P<x>[^/]+)/?$", view("admin.item")),
    re_path(r"(?i)^users/(?P<id>[^/]+)/?$", view("user")),
    re_path(r"(?i)^reports/(?P<n>[^/]+)/delete/?$", view("report.delete")),
    re_path(
        r"(?i)^payments/?$",
        view(by_method={"GET": "payments.list", "POST": "payments.pay", "DELETE": "payments.void"}),
    ),
    re_path(
        r"(?i)^orders/(?P<id>[^/]+)/?$",
        view(by_method={"GET": "order.show", "DELETE": "order.remove"}),
    ),
    re_path(r"(?i)^hosted/?$", view("hosted")),
    re_path(r"(?i)^internal/(?P<x>[^/]+)/?$", view("internal")),
    re_path(r"(?i)^files/(?P<path>.+)$", view("files")),
]

django.setup()
wsgi = get_wsgi_application()
asgi = get_asgi_application()
