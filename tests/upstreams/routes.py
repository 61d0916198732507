"""The routes that every upstream has, by the name of the handler behind each.

A template's `{name}` is one segment, `{name+}` the rest. A handler with a method was registered for
that one alone; one with a host answers there alone.
"""

from dataclasses import dataclass

ADMIN_HOST = "admin.example.com"
HOST = "api.example.com"


@dataclass(frozen=True)
class Route:
    template: str
    method: str | None = None
    host: str | None = None

    def segments(self, variables):
        """The plain path of what the handler serves, given the variables that it saw."""
        segments = []
        for segment in self.template.strip("/").split("/"):
            if segment.endswith("+}"):
                segments += variables[segment[1:-2]].split("/")
            elif segment.startswith("{"):
                segments.append(variables[segment[1:-1]])
            else:
                segments.append(segment)
        return segments


ROUTES = {
    "open": Route("/open"),
    "open.item": Route("/open/{x}"),
    "admin": Route("/admin"),
    "admin.item": Route("/admin/{x}"),
    "user": Route("/users/{id}"),
    "report.delete": Route("/reports/{n}/delete"),
    "payments.list": Route("/payments", "GET"),
    "payments.pay": Route("/payments", "POST"),
    "payments.void": Route("/payments", "DELETE"),
    "order.show": Route("/orders/{id}", "GET"),
    "order.remove": Route("/orders/{id}", "DELETE"),
    "hosted.admin": Route("/hosted", host=ADMIN_HOST),
    "hosted": Route("/hosted"),
    "internal": Route("/internal/{x}"),
    "files": Route("/files/{path+}"),
}
