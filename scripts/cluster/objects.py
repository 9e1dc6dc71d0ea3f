"""Storage that speaks S3, in memory, as a plain process on loopback: moto's server.

objects.py          starts it with a bucket, prints how to reach it, and stops it at Ctrl-C
"""

from __future__ import annotations

import signal
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.process import ServerProcess, free_port


def missing() -> str | None:
    """Why this machine cannot run it, or null."""
    absent = [name for name in ("moto", "flask", "flask_cors") if find_spec(name) is None]
    return f"{absent[0]} is not installed (run 'make setup')" if absent else None


@dataclass
class ObjectStore:
    """A running storage."""

    process: ServerProcess
    endpoint: str

    @classmethod
    def start(cls, folder: Path, port: int | None = None) -> ObjectStore:
        """Start one, without buckets. Raises ServerError."""
        port = port or free_port()
        endpoint = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        store = cls(ServerProcess.start("objects", command, folder=folder), endpoint)
        store.process.wait_for(store.answers)
        return store

    @property
    def config(self) -> dict[str, str]:
        """How to reach it, as the setting `lake_config` has it."""
        return {
            "endpoint_url": self.endpoint,
            "region": "us-east-1",
            "access_key_id": "anybody",
            "secret_access_key": "moto takes any",
        }

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            with urllib.request.urlopen(self.endpoint, timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def make(self, bucket: str) -> str:
        """Make a bucket and return its address."""
        with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{bucket}", method="PUT"), timeout=10):
            return f"s3://{bucket}"

    def stop(self) -> None:
        """End it; what it held is gone."""
        self.process.stop(seconds=5)


def main() -> None:
    """Run one until it is interrupted."""
    with tempfile.TemporaryDirectory() as folder:
        store = ObjectStore.start(Path(folder))
        print(store.make("lake"), store.config, flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            store.stop()


if __name__ == "__main__":
    main()
