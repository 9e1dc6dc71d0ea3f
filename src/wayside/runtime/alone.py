"""An engine's process, which has no server: from the start to a signal or a failure."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import structlog

import wayside
from wayside.runtime.host import FORCED, WATCH, signals
from wayside.runtime.service import Service

log = structlog.get_logger(__name__)


def run(service: Service, ready: Callable[[], None]) -> int:
    """Compute until a signal or a failure; returns the exit code. Raises what made the engine fail.

    `ready` is called once, when the engine has recovered. The service must be open already; who opened it ends it.
    """
    asked = threading.Event()

    def stop() -> None:
        if asked.is_set():
            os._exit(FORCED)  # what was committed is whole, and the next start goes on from there
        asked.set()

    with signals(stop):
        service.start()
        told = False
        while not asked.wait(WATCH):
            if (failure := service.failure()) is not None:
                raise failure
            if not told and not service.readiness():
                told = True
                log.info("ready", version=wayside.__version__)
                ready()
        service.stop()
    return 0
