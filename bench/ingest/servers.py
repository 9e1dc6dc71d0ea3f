"""The servers of the ingest benchmark: started on a free port of loopback, awaited, stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench import environments, places

START_S, STOP_S = 30, 20
HERE = Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Server:
    """A running server. `pid` is 0 for one that was running before us."""

    name: str
    url: str
    one: str
    many: str
    pid: int = 0
    start_s: float = 0.0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def post(url: str, body: bytes) -> int:
    """The status of one post; 0 when nobody answers."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@contextlib.contextmanager
def yardstick(app: str) -> Iterator[Server]:
    """`bare` or `fastapi` of `apps.py` under uvicorn, one process."""
    python, port = environments.ensure("web"), free_port()
    uvicorn = [str(python.with_name("uvicorn")), "--port", str(port), "--no-access-log", "--log-level", "warning"]
    command = [*uvicorn, "--loop", "uvloop", "--http", "httptools", "--app-dir", str(HERE), f"apps:{app}"]
    url = f"http://127.0.0.1:{port}"
    with _running(command, f"ingest-{app}", f"{url}/one", os.environ.copy()) as (pid, start):
        yield Server(app, url, f"{url}/one", f"{url}/many", pid, start)


@contextlib.contextmanager
def wayside(command: str, topic: str) -> Iterator[Server]:
    """Wayside, started by a command with `{port}` and `{data}` in it, in an empty data folder."""
    port, data = free_port(), places.folder("ingest") / "data"
    shutil.rmtree(data, ignore_errors=True)
    words = [word.format(port=port, data=data) for word in shlex.split(command)]
    own = {"WAYSIDE_PORT": str(port), "WAYSIDE_HOST": "127.0.0.1", "WAYSIDE_DATA_DIR": str(data)}
    url = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in os.environ.items() if name != "WAYSIDE_BENCH_DIR"}  # no setting of it
    with _running(words, "ingest-wayside", f"{url}/readyz", inherited | own) as (pid, start):
        yield at(url, topic, pid=pid, start_s=start)
    shutil.rmtree(data, ignore_errors=True)


def default_command() -> str:
    """`wayside up` of the environment that this runs in. Raises NotAvailableError when it is not installed."""
    program = Path(sys.executable).with_name("wayside")
    if not program.exists():
        raise environments.NotAvailableError(f"{program} is not there")
    return f"{shlex.quote(str(program))} up"


def at(url: str, topic: str, *, pid: int = 0, start_s: float = 0.0) -> Server:
    """A Wayside that is running."""
    path = f"{url.rstrip('/')}/v1/topics/{topic}/records"
    return Server("wayside", url, path, path, pid, start_s)


@contextlib.contextmanager
def _running(command: list[str], name: str, probe: str, variables: dict[str, str]) -> Iterator[tuple[int, float]]:
    """Start, await an answer that is no 503 from `probe`, and stop at the end: SIGTERM, then SIGKILL."""
    log = places.folder("logs") / f"{name}.log"
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=variables, start_new_session=True, cwd=log.parent
        )
    try:
        while not _answers(probe):
            if process.poll() is not None or time.perf_counter() - began > START_S:
                last = " ".join(log.read_text(errors="replace").strip().splitlines()[-2:])[:200]
                raise environments.NotAvailableError(f"{name} did not start: {last}")
            time.sleep(0.02)
        yield process.pid, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):  # what is left of its group is killed below
            process.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code != 503
    except OSError:
        return False
