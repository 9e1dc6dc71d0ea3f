"""One Python environment per peer, made on demand in the cache folder, with every version pinned."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench import places

ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "tools": ("duckdb==2.0.0", "numpy==2.4.6"),
    "duckdb": ("duckdb==2.0.0",),
    "spark": ("pyspark==4.2.0",),
    "flink": ("apache-flink==2.3.0",),
    "pathway": ("pathway==0.33.0", "orjson==3.13.0"),
    "bytewax": ("bytewax==0.21.1", "orjson==3.13.0"),
    "faust": ("faust-streaming==0.15.3", "orjson==3.13.0"),
    "quix": ("quixstreams==3.28.1", "orjson==3.13.0"),
    "simdjson": ("pip==25.3",),
    "web": (
        "fastapi==0.165.0",
        "starlette==1.10.0",
        "uvicorn[standard]==0.54.0",
        "msgspec==0.22.0",
        "pyarrow==26.0.1",
    ),
}


class NotAvailableError(Exception):
    """A peer cannot run on this machine; the text says why and what would help."""


def version(environment: str) -> str:
    """The version of the first, naming, package of an environment."""
    return ENVIRONMENTS[environment][0].partition("==")[2]


def ensure(environment: str) -> Path:
    """The Python of an environment, which is installed first when it is missing or out of date.

    Raises NotAvailableError when the packages cannot be installed.
    """
    requirements = ENVIRONMENTS[environment]
    path = places.folder("environments") / environment
    python = path / "bin" / "python"
    marker = path / "wayside-bench-requirements.txt"
    wanted = "\n".join((sys.version.split()[0], *requirements))
    if python.exists() and marker.exists() and marker.read_text() == wanted:
        return python
    print(f"· installing {', '.join(requirements)} into {path}", file=sys.stderr, flush=True)
    shutil.rmtree(path, ignore_errors=True)
    uv = _uv()
    _run([*uv, "venv", "--quiet", "--python", sys.executable, str(path)], environment)
    _run([*uv, "pip", "install", "--quiet", "--python", str(python), *requirements], environment)
    marker.write_text(wanted)
    return python


def _uv() -> list[str]:
    """The command that runs uv, which is fetched from PyPI into the cache folder when there is none."""
    beside = Path(sys.executable).with_name("uv")
    if beside.exists():
        return [str(beside)]
    found = shutil.which("uv")
    if found:
        return [found]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    path = places.cache() / "environments" / "uv"
    if not (path / "bin" / "uv").exists():
        _run([sys.executable, "-m", "venv", str(path)], "uv")
        _run([str(path / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"], "uv")
    return [str(path / "bin" / "uv")]


def _run(command: list[str], environment: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=_clean_environment(), check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise NotAvailableError(f"environment {environment} could not be made: {' '.join(last)}")


def _clean_environment() -> dict[str, str]:
    """The caller's variables, less those that would point uv at the project's own environment."""
    return {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
