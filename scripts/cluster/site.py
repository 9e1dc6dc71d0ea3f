"""All of the cluster profile on loopback: Kafka, PostgreSQL, the engine's process and two server replicas."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster import kafka, postgres
from cluster.kafka import KafkaNode
from cluster.postgres import Postgres
from cluster.process import ServerError, ServerProcess

REPLICAS = ("replica-1", "replica-2")
ENGINE = "engine"
READY = re.compile(r"^Wayside(?: is ready at (\S+)|'s engine is ready)", re.MULTILINE)
PROGRAM = (sys.executable, "-c", "from wayside.cli import main; main()")


def missing() -> str | None:
    """Why this machine cannot run it, or null."""
    return kafka.missing() or postgres.missing()


@dataclass
class Wayside:
    """One process of Wayside; started again, it keeps its port."""

    name: str
    folder: Path
    role: str
    env: Mapping[str, str]
    port: int = 0
    process: ServerProcess | None = None
    address: str = ""
    seen: int = 0

    @property
    def pid(self) -> int:
        """The number of its process, 0 when none was started."""
        return self.process.process.pid if self.process is not None else 0

    def start(self, *, seconds: float = 90.0) -> None:
        """Start it and wait until it says that it is ready."""
        log = self.folder / f"{self.name}.log"
        self.seen = log.stat().st_size if log.is_file() else 0
        command = [
            *PROGRAM,
            "up",
            "--role",
            self.role,
            "--port",
            str(self.port),
            "--data-dir",
            str(self.folder / "data"),
        ]
        self.process = ServerProcess.start(self.name, command, folder=self.folder, env=self.env)
        self.process.wait_for(self.is_ready, seconds=seconds)

    def is_ready(self) -> bool:
        """Whether it has said so since it was started."""
        found = READY.search((self.folder / f"{self.name}.log").read_bytes()[self.seen :].decode(errors="replace"))
        if found is not None and found[1]:
            self.address = found[1]
            self.port = int(found[1].rpartition(":")[2])
        return found is not None

    def stop(self) -> int:
        """Ask for a clean end; returns the exit code."""
        if self.process is None:
            return 0
        self.process.stop()
        code = self.process.process.returncode
        self.process = None
        return code

    def kill(self) -> None:
        """As the out-of-memory killer does."""
        if self.process is not None:
            self.process.send(signal.SIGKILL)
            self.process.process.wait(10)
            self.process = None


@dataclass
class Site:
    """The servers and the processes of Wayside in front of them."""

    folder: Path
    kafka: KafkaNode
    postgres: Postgres
    parts: dict[str, Wayside] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)

    @property
    def replicas(self) -> list[Wayside]:
        """Those who take records and answer."""
        return [self.parts[name] for name in REPLICAS]

    @property
    def engine(self) -> Wayside:
        """The one that computes."""
        return self.parts[ENGINE]

    def memory(self) -> dict[str, int]:
        """Resident bytes of each process that runs, its children included."""
        running = {name: part.process for name, part in self.parts.items()}
        running |= {"kafka": self.kafka.process, "postgres": self.postgres.server}
        return {name: resident(server.process.pid) for name, server in running.items() if server is not None}


def resident(pid: int) -> int:
    """Resident bytes of a process and its descendants (shared pages count for each)."""
    import psutil

    try:
        root = psutil.Process(pid)
        return sum(int(one.memory_info().rss) for one in [root, *root.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


@contextmanager
def running(
    folder: Path, *, env: Mapping[str, str] | None = None, say: Callable[[str], None] = lambda text: None
) -> Iterator[Site]:
    """Start everything, in order; stop everything at the end, whatever happened. Raises ServerError."""
    if (reason := missing()) is not None:
        raise ServerError(reason)
    with ExitStack() as ending:
        site = Site(folder, KafkaNode(folder / "kafka"), Postgres(Path(), 0))
        with timed(site, "kafka", say):
            ending.callback(site.kafka.stop)
            site.kafka.start()
        with timed(site, "postgres", say):
            site.postgres = Postgres.create()
            ending.callback(site.postgres.remove)
        given = {
            "WAYSIDE_PROFILE": "cluster",
            "WAYSIDE_KAFKA_SERVERS": site.kafka.servers,
            "WAYSIDE_POSTGRES_DSN": site.postgres.dsn,
            **(env or {}),
        }
        for name in (ENGINE, *REPLICAS):
            role = "engine" if name == ENGINE else "server"
            part = site.parts[name] = Wayside(name, folder / name, role, given)
            ending.callback(part.stop)
            with timed(site, name, say):
                part.start()
        yield site


@contextmanager
def timed(site: Site, name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Note and tell how long a start took."""
    began = time.monotonic()
    yield
    site.took[name] = time.monotonic() - began
    say(f"{name} is ready after {site.took[name]:.1f} s")
