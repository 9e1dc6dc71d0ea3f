"""Start a server program, wait for a real answer, stop it within a limit: nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class ServerError(RuntimeError):
    """A server did not start or did not stop; the message has the end of its log."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class ServerProcess:
    """A server in a process group of its own, with everything that it prints in one log file."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, name: str, command: Sequence[str], *, folder: Path, env: Mapping[str, str] | None = None
    ) -> ServerProcess:
        """Start `command` in `folder`, where its log goes too. Signals that the shell ignored are heard again."""
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                restore_signals=True,
            )
        return cls(name, log, process)

    def wait_for(self, answers: Callable[[], bool], *, seconds: float = 90.0) -> None:
        """Wait until the server answers. Raises ServerError when it ends before, or the time is up."""
        until = time.monotonic() + seconds
        while not answers():
            if self.process.poll() is not None:
                raise ServerError(
                    f"{self.name} ended with {self.process.returncode} before it was ready.\n{self.tail()}"
                )
            if time.monotonic() > until:
                self.stop(seconds=5)
                raise ServerError(f"{self.name} was not ready after {seconds:g} s.\n{self.tail()}")
            time.sleep(0.05)

    def stop(self, *, seconds: float = 20.0, using: signal.Signals = signal.SIGTERM) -> None:
        """Ask the whole group to end, and kill it after `seconds`. Doing it twice is harmless."""
        self.send(using)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.send(signal.SIGKILL)
        self.process.wait(10)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if any of it is left."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def tail(self, lines: int = 30) -> str:
        """The end of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
