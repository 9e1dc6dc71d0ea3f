"""Builds `limit.cpp` in the cache folder. simdjson comes out of the sources of PyPI's pysimdjson."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from bench import environments, places

SIMDJSON_FROM = "pysimdjson==7.0.2"
SOURCE = Path(__file__).with_name("limit.cpp")


def ensure() -> Path:
    """The program, which is compiled first when it is missing or older than its source.

    Raises NotAvailableError when there is no C++ compiler or the sources cannot be had.
    """
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        raise environments.NotAvailableError("the C++ limit needs g++ or clang++, and there is neither")
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    program = places.folder("limit") / f"limit-{digest}"
    if program.exists():
        return program
    simdjson = _simdjson()
    command = [compiler, "-O3", "-march=native", "-std=c++17", "-DNDEBUG", "-pthread", f"-I{simdjson}"]
    _run([*command, str(SOURCE), str(simdjson / "simdjson.cpp"), "-o", str(program)])
    return program


def _simdjson() -> Path:
    """The folder with simdjson.h and simdjson.cpp."""
    folder = places.folder("limit")
    if not (folder / "simdjson.cpp").exists():
        pip = [str(environments.ensure("simdjson")), "-m", "pip", "download", "--quiet", "--no-deps"]
        _run([*pip, "--no-binary", ":all:", "--dest", str(folder), SIMDJSON_FROM])
        with tarfile.open(next(folder.glob("pysimdjson-*.tar.gz"))) as sources:
            for member in sources.getmembers():
                if Path(member.name).name in ("simdjson.h", "simdjson.cpp"):
                    member.name = Path(member.name).name
                    sources.extract(member, folder, filter="data")
    return folder


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise environments.NotAvailableError(f"{Path(command[0]).name} failed: {' '.join(last)}")
