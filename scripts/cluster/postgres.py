"""PostgreSQL as a plain process on loopback: made, started, stopped and started again, in a folder of its own.

Debian's binaries (or those in PG_BIN). The server refuses to run as root, so that root starts it as the user that
Debian's package makes. Nothing is switched off that keeps commits safe: fault tests must meet the real thing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster.process import ServerError, ServerProcess, free_port

OWNER = "postgres"
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "fsync": "on",
    "synchronous_commit": "on",
    "log_min_messages": "warning",
}


def binaries() -> Path | None:
    """The folder of `postgres` and `initdb`; the newest version that is installed, or null."""
    given = [Path(named)] if (named := os.environ.get("PG_BIN")) else []
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    return next((folder for folder in (*given, *installed, *on_path) if (folder / "initdb").is_file()), None)


def missing() -> str | None:
    """Why PostgreSQL cannot be started here, or null."""
    if binaries() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and there is no setpriv to change the user"
    return None


def as_owner(command: list[str]) -> list[str]:
    """The command, run by the owner of the database when we are root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups", "--", *command]


@dataclass
class Postgres:
    """One server with an empty database `wayside`, owned by a user of that name."""

    folder: Path
    port: int
    server: ServerProcess | None = None

    @classmethod
    def create(cls, folder: Path | None = None, port: int | None = None) -> Postgres:
        """Make the data folder (a new temporary one, unless given) and start the server in it."""
        if (reason := missing()) is not None:
            raise ServerError(reason)
        root = folder or Path(tempfile.mkdtemp(prefix="wayside-postgres-"))
        root.mkdir(parents=True, exist_ok=True)
        made = cls(root, port or free_port())
        try:
            made.make()
            made.start()
        except BaseException:
            made.remove()
            raise
        return made

    @property
    def dsn(self) -> str:
        """How clients connect."""
        return f"postgresql://wayside@127.0.0.1:{self.port}/wayside"

    @property
    def data(self) -> Path:
        """The server's own folder."""
        return self.folder / "data"

    def make(self) -> None:
        """Make the data folder, unless it is there."""
        if (self.data / "PG_VERSION").is_file():
            return
        if os.geteuid() == 0:
            shutil.chown(self.folder, OWNER, OWNER)
        self.run("initdb", "-D", str(self.data), "-U", "wayside", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")

    def start(self, *, seconds: float = 60.0) -> None:
        """Start the server and wait until it answers; the database `wayside` is made the first time."""
        options = {**OPTIONS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        command = [str(self.tool("postgres")), "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        self.server = ServerProcess.start("postgres", as_owner(command), folder=self.folder)
        self.server.wait_for(self.answers, seconds=seconds)

    def answers(self) -> bool:
        """Whether a client is served; makes the database when it is missing."""
        import psycopg

        try:
            psycopg.connect(self.dsn, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if 'database "wayside" does not exist' in str(error):
                with psycopg.connect(f"{self.dsn.rpartition('/')[0]}/postgres", autocommit=True) as connection:
                    connection.execute("CREATE DATABASE wayside")
                return True
            return False
        return True

    def stop(self, *, seconds: float = 20.0, using: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT sends clients away and shuts down cleanly; SIGQUIT and SIGKILL leave recovery to the start."""
        if self.server is not None:
            self.server.stop(seconds=seconds, using=using)
            self.server = None

    def freeze(self) -> None:
        """Let it stand still, with all its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """To the server and each of its processes, which are no group."""
        import psutil

        if self.server is not None:
            own = psutil.Process(self.server.process.pid)
            for process in [own, *own.children(recursive=True)]:
                process.send_signal(number)

    def remove(self) -> None:
        """Stop it and remove everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tool(self, name: str) -> Path:
        """The path of one of PostgreSQL's programs."""
        folder = binaries()
        if folder is None:
            raise ServerError(missing() or "PostgreSQL is not installed")
        return folder / name

    def run(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        command = as_owner([str(self.tool(name)), *arguments])
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise ServerError(f"{name} ended with {done.returncode}.\n{done.stdout}{done.stderr}")
