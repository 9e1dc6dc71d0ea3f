"""Running the application: uvicorn with the house's limits, on the loopback interface only."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from wayside.errors import ConfigError
from wayside.server.guard import is_loopback
from wayside.server.limits import Limits
from wayside.server.protocol import bounded


def check_address(host: str) -> None:
    """Refuse every address but those of the loopback interface. Raises ConfigError."""
    if not is_loopback(host):
        raise ConfigError(
            f"Wayside cannot listen on {host!r}.",
            where="WAYSIDE_HOST",
            why="Nobody has to log in yet, so only this machine may connect: 127.0.0.1, ::1 or localhost.",
            next="Use 127.0.0.1, and a tunnel (ssh -L) to reach it from elsewhere.",
        )


def listen(host: str, port: int, limits: Limits) -> socket.socket:
    """A listening socket whose connections hold little kernel memory. Raises ConfigError, OSError when taken."""
    check_address(host)
    family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.send_buffer)
        listener.bind(address)
        listener.listen(limits.backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


class Server(uvicorn.Server):
    """uvicorn's server; at its end it sends the live subscribers away first, who would not leave by themselves."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.loaded_app.state.hub.close()
        await super().shutdown(sockets)


def server(app: FastAPI, limits: Limits) -> Server:
    """A server that is not running yet; `server.run(sockets=[listen(...)])` runs it."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=bounded(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=limits.backlog,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=5,
    )
    return Server(config)


def run(app: FastAPI, host: str, port: int) -> None:
    """Serve until a signal ends it. Raises ConfigError for an address that is not the loopback interface's."""
    limits = app.state.services.limits
    listener = listen(host, port, limits)
    server(app, limits).run(sockets=[listener])
