"""The server of envoy/MCP.md, and what the tests need beside it: a tool that takes its time, a server
whose path asks for more, and the first one without its knowledge of callers.

Each listens on a port of its own, which goes to standard output as JSON.
"""

import asyncio
import json
import socket

import page
import uvicorn
from mcp.server.mcpserver import Context

exec(compile(page.snippet("server"), page.PAGE, "exec"))

security = TransportSecuritySettings(allowed_hosts=["api.example.com"])


@server.tool()
async def wait(seconds: float, ctx: Context) -> str:
    """Takes its time, and says so on the way."""
    await ctx.report_progress(0, seconds)
    await asyncio.sleep(seconds)
    return "done"


@server.tool()
def header(name: str, ctx: Context) -> str:
    """What the server is told."""
    return ctx.headers.get(name, "none")


bare = server.streamable_http_app(streamable_http_path="/mcp/bare", transport_security=security)

administration = MCPServer("administration")


@administration.tool()
def scopes() -> str:
    """What the caller may do."""
    return " ".join(sorted(get_access_token().scopes))


admin = administration.streamable_http_app(
    streamable_http_path="/mcp/admin", transport_security=security
)
admin = AuthenticationMiddleware(AuthContextMiddleware(admin), backend=Caller())


async def main():
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in ("app", "admin", "bare")}
    servers = [
        uvicorn.Server(uvicorn.Config(globals()[name], log_level="info")).serve([listener])
        for name, listener in sockets.items()
    ]
    print(json.dumps({name: one.getsockname()[1] for name, one in sockets.items()}), flush=True)
    await asyncio.gather(*servers)


asyncio.run(main())
