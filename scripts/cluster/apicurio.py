"""Apicurio's schema registry, in memory, as a plain process on loopback: somebody else's registry to compare with.

apicurio.py         gets the server with Maven, starts it, prints its address, and stops it at Ctrl-C
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.places import cache
from cluster.process import ServerError, ServerProcess, free_port

VERSION = "3.0.9"  # the last that runs on Java 17
PACKAGE = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def missing() -> str | None:
    """Why this machine cannot run it, or null."""
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None and not (program == "mvn" and (home() / "done").is_file()):
            return f"{program} is not on PATH (Debian: apt-get install {package})"
    return None


def home() -> Path:
    """The folder of the server's jars."""
    return cache() / f"apicurio-{VERSION}"


def install() -> Path:
    """Get the server unless it is there (109 MB); returns its folder. Raises ServerError."""
    folder = home()
    if (folder / "done").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mvn", "-B", "-ntp", "dependency:copy", f"-Dartifact={PACKAGE}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archive = next(folder.glob("*.tar.gz"), None)
    if done.returncode or archive is None:
        raise ServerError(f"Maven could not get Apicurio {VERSION}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    (folder / "done").touch()
    return folder


def start(folder: Path) -> tuple[ServerProcess, str]:
    """A running registry and the address of its Confluent-compatible API. Raises ServerError."""
    program = next(install().glob("*-runner.jar"))
    port, management = free_port(), free_port()
    settings = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": str(port),
        "quarkus.management.port": str(management),
        "apicurio.rest.deletion.artifact.enabled": "true",
    }
    command = ["java", *_JVM, *(f"-D{name}={value}" for name, value in settings.items()), "-jar", str(program)]
    process = ServerProcess.start("apicurio", command, folder=folder)
    address = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    process.wait_for(lambda: answers(f"{address}/subjects"))
    return process, address


def answers(address: str) -> bool:
    """Whether it is there."""
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def main() -> None:
    """Run one until it is interrupted."""
    with tempfile.TemporaryDirectory() as folder:
        process, address = start(Path(folder))
        print(address, flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            process.stop()


if __name__ == "__main__":
    main()
