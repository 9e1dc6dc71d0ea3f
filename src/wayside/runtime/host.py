"""A service with its server, from the first signal that it is ready to a clean end.

The server's event loop has a thread of its own; the main thread watches over everything and takes the signals.
"""

from __future__ import annotations

import difflib
import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

import wayside
from wayside import metrics
from wayside.errors import ConfigError, StorageFailedError, WaysideError
from wayside.runtime.service import Service
from wayside.runtime.troubles import Troubles
from wayside.server.app import create_app
from wayside.server.background import Background
from wayside.server.limits import Limits
from wayside.server.serve import listen, server
from wayside.server.services import Services
from wayside.settings import Settings

log = structlog.get_logger(__name__)
WATCH = 0.2
"""Seconds between two looks at whether everything is still alive."""
FORCED = 130


class Host:
    """Runs one service and its server in this process, once."""

    def __init__(self, service: Service, listener: socket.socket, limits: Limits) -> None:
        self.service = service
        self.listener = listener
        self.limits = limits
        self.asked_to_stop = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def address(self) -> str:
        """Where the server can be reached."""
        host, port = self.listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self, ready: Callable[[str], None], *, seconds: float | None = None) -> int:
        """Serve until a signal, a failure, or `seconds` after being ready; returns the exit code.

        `ready` is called once with the address, when readings are taken and questions answered. The service must be
        open already, and is started here; who opened it ends it. Raises what made the server fail.
        """
        # The default of 5 ms lets a thread that computes keep the server waiting: single posts ran at half the speed.
        sys.setswitchinterval(0.001)
        with signals(self.stop):
            self._begin()
            self.service.start()
            is_ready, until = False, float("inf")
            while not self.asked_to_stop.wait(WATCH if is_ready else 0.01):
                if (failure := self.service.failure() or self._error) is not None:
                    self._end(at_once=True)
                    raise failure
                if not is_ready and self._serving() and not self.service.readiness():
                    is_ready = True
                    until = self.service.clock.monotonic() + (seconds or float("inf"))
                    gc.collect()
                    gc.freeze()  # what start-up has made stays: no later collection need look at it
                    log.info("ready", address=self.address, version=wayside.__version__)
                    ready(self.address)
                if self.service.clock.monotonic() >= until:
                    break
            began = self.service.clock.monotonic()
            self._end()
            self.service.stop(self.service.clock.monotonic() - began)
        return 0

    def stop(self) -> None:
        """Ask for a clean end; asked a second time, the process ends at once. For signal handlers."""
        if self.asked_to_stop.is_set():
            os._exit(FORCED)  # what was acknowledged is durable, and the next start recovers the rest
        self.asked_to_stop.set()

    def _begin(self) -> None:
        app = create_app(services_of(self.service, self.limits))
        self._server = server(app, self.limits)
        self._thread = threading.Thread(target=self._serve, args=(self._server, app), name="wayside-server")
        self._thread.start()

    def _serve(self, running: uvicorn.Server, app: FastAPI) -> None:
        try:
            running.run(sockets=[self.listener])
        except BaseException as error:  # `sys.exit` inside uvicorn, too, must reach the main thread
            self._error = error if isinstance(error, Exception) else StorageFailedError("The server did not start.")

    def _serving(self) -> bool:
        return self._server is not None and self._server.started

    def _end(self, *, at_once: bool = False) -> None:
        """Take nothing more, answer what was asked (unless `at_once`), and send away who listens."""
        if self._server is not None and self._thread is not None:
            self._server.force_exit = at_once
            self._server.should_exit = True
            self._thread.join()


@contextmanager
def signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM call `stop`, until the body ends; does nothing outside of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    before: dict[signal.Signals, Any] = {
        number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def services_of(service: Service, limits: Limits) -> Services:
    """What the server is given."""
    troubles = Troubles(service)
    return Services(
        plan=service.plan,
        broker=service.broker,
        store=service.store,
        engine=service.engine,
        intakes=service.intakes,
        generators=service.generators,
        lake=service.lake,
        clock=service.clock,
        limits=limits,
        readiness=service.readiness,
        troubles=troubles.now,
        data_problem=service.data_problem,
        version=wayside.__version__,
        pages=pages(),
        registry=metrics.REGISTRY,
        registry_path=service.settings.registry_path,
        create_topics=service.settings.create_topics,
        admin_token=service.settings.admin_token.get_secret_value() or service.folder.token(),
        guarded=bool(service.settings.admin_token.get_secret_value()),
        hot_keep=service.settings.hot_keep,
        background=background_of(service.settings),
    )


def background_of(settings: Settings) -> Background:
    """What lies below the maps. Raises ConfigError."""
    return Background.of(settings.map_style, settings.map_tiles, settings.map_origins)


def limits_of(settings: Settings) -> Limits:
    """The server's limits with what the settings say of them. Raises ConfigError for a name that is no limit."""
    known = {field.name: field for field in fields(Limits)}
    for name, value in settings.limits.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            raise ConfigError(
                f"There is no limit {name!r}.",
                where="limits",
                next=f"Did you mean {near[0]!r}?" if near else f"Limits: {', '.join(known)}.",
            )
        if value <= 0 or (known[name].type == "int" and value != int(value)):
            raise ConfigError(f"The limit {name!r} cannot be {value:g}.", where="limits", why="It is a count above 0.")
    whole: dict[str, Any] = {
        name: int(value) if known[name].type == "int" else value for name, value in settings.limits.items()
    }
    return replace(Limits(), **whole)


def pages() -> Path | None:
    """The folder of the built page; null in a source tree that has not been built."""
    folder = Path(wayside.__file__).parent / "web" / "dist"
    return folder if (folder / "index.html").is_file() else None


def open_listener(host: str, port: int, limits: Limits, *, tries: int = 1) -> socket.socket:
    """A listening socket on the port, or on one of the next `tries`. Raises WaysideError when they are all busy."""
    for candidate in range(port, port + tries):
        try:
            return listen(host, candidate, limits)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise WaysideError(f"Cannot listen on {host}:{candidate}: {error.strerror}.") from error
    raise WaysideError(
        f"Port {port} is busy." if tries == 1 else f"The ports {port} to {port + tries - 1} are busy.",
        where=f"{host}:{port}",
        next="Stop what listens there, or choose another with --port (0 takes a free one).",
    )
