"""Finds uv, or gets the version that uv.lock pins, on a machine that has nothing but Python.

Tried in this order: uv on PATH, uv from an earlier set-up, pip into a private folder, pip in a
private environment, and last the wheel itself over HTTPS (Debian's Python has neither pip nor
ensurepip). Each way checks the checksum in uv.lock.
"""

from __future__ import annotations

import configparser
import hashlib
import html
import os
import platform
import re
import shutil
import ssl
import stat
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

OLDEST_UV = (0, 9)
TIMEOUT_SECONDS = 120


class SetupError(Exception):
    """Set-up cannot go on; the text says why and what to do."""


@dataclass(frozen=True)
class LockedUv:
    """What uv.lock says of uv: its version, and each wheel's address and SHA-256."""

    version: str
    wheels: dict[str, tuple[str, str]]  # file name: (address, SHA-256)


def locked_uv(root: Path) -> LockedUv:
    lock = tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))
    entry = next(package for package in lock["package"] if package["name"] == "uv")
    wheels = {}
    for wheel in entry["wheels"]:
        name = urlsplit(wheel["url"]).path.rsplit("/", 1)[-1]
        wheels[name] = (wheel["url"], wheel["hash"].removeprefix("sha256:"))
    return LockedUv(entry["version"], wheels)


def mirror() -> str | None:
    """The package index that this machine is told to use in place of the public one, if any."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if os.environ.get(name):
            return os.environ[name]
    home = Path.home()
    files = [home / ".config/pip/pip.conf", home / ".pip/pip.conf", Path("/etc/pip.conf")]
    if os.environ.get("PIP_CONFIG_FILE"):
        files.insert(0, Path(os.environ["PIP_CONFIG_FILE"]))
    for file in files:
        settings = configparser.RawConfigParser()
        try:
            settings.read(file)
        except configparser.Error:
            continue
        address = settings.get("global", "index-url", fallback=None)
        if address:
            return address
    return None


def find_uv(root: Path) -> Path | None:
    """A usable uv: on PATH and new enough, or from an earlier set-up."""
    on_path = shutil.which("uv")
    candidates = [Path(on_path)] if on_path else []
    candidates += [root / ".setup" / "uv" / "bin" / "uv"]
    return next((path for path in candidates if _usable(path)), None)


def _usable(path: Path) -> bool:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    match = re.match(r"uv (\d+)\.(\d+)", done.stdout)
    return done.returncode == 0 and match is not None and (int(match[1]), int(match[2])) >= OLDEST_UV


def get_uv(root: Path) -> Path:
    """Installs uv below .setup/uv, by the first way that works here; raises SetupError with each failure."""
    folder, locked = root / ".setup" / "uv", locked_uv(root)
    ways: list[tuple[str, Callable[[Path, LockedUv], None]]] = [
        ("pip into a private folder", _by_pip_target),
        ("pip in a private environment", _by_venv),
        ("the wheel itself", _by_download),
    ]
    failures = []
    for name, way in ways:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            way(folder, locked)
        except (SetupError, OSError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
            failures.append(f"{name}: {error}")
            continue
        program = folder / "bin" / "uv"
        if _usable(program):
            return program
        failures.append(f"{name}: {program} does not start")
    raise SetupError(
        "uv, which installs the Python packages, could not be had.\n  "
        + "\n  ".join(failures)
        + "\n  Next: install uv yourself, or say where packages come from (PIP_INDEX_URL, HTTPS_PROXY, SSL_CERT_FILE)."
    )


def _requirements(folder: Path, locked: LockedUv) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "uv.txt"
    hashes = " ".join(f"--hash=sha256:{digest}" for _address, digest in locked.wheels.values())
    file.write_text(f"uv=={locked.version} {hashes}\n")
    return file


def _pip(python: Path | str, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise SetupError(lines[-1] if lines else f"pip ended with {done.returncode}")


def _by_venv(folder: Path, locked: LockedUv) -> None:
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise SetupError("this Python has no ensurepip")
    command = [sys.executable, "-m", "venv", str(folder)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    _pip(folder / "bin" / "python", "--only-binary=:all:", "-r", str(_requirements(folder, locked)))


def _by_pip_target(folder: Path, locked: LockedUv) -> None:
    if find_spec("pip") is None:
        raise SetupError("this Python has no pip")
    _pip(sys.executable, "--only-binary=:all:", "--target", str(folder), "-r", str(_requirements(folder, locked)))


def _by_download(folder: Path, locked: LockedUv) -> None:
    name = wheel_for(locked, sys.platform, platform.machine(), platform.libc_ver()[0])
    address, digest = locked.wheels[name]
    index = mirror()
    content = _fetch(address_on_mirror(index, name) if index else address, pinned=not index)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise SetupError(f"{name} has the checksum {found}; uv.lock says {digest}")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(content)
    program = folder / "bin" / "uv"
    program.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(file) as wheel:
        member = next(item for item in wheel.namelist() if item.endswith(".data/scripts/uv"))
        program.write_bytes(wheel.read(member))
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    file.unlink()


def wheel_for(locked: LockedUv, system: str, machine: str, libc: str) -> str:
    """The name of the locked wheel that fits this operating system, processor and C library."""
    processor = {"amd64": "x86_64", "AMD64": "x86_64"}.get(machine, machine)
    if system == "darwin":
        kinds = [f"macosx_.*_{'arm64' if processor in ('arm64', 'aarch64') else processor}"]
    else:
        kinds = [f"manylinux.*_{processor}"] if libc == "glibc" else [f"musllinux.*_{processor}"]
    for kind in kinds:
        for name in locked.wheels:
            if re.search(kind + r"(\.|$)", name.removesuffix(".whl")):
                return name
    raise SetupError(f"uv.lock has no uv for {system} on {machine}")


def address_on_mirror(index: str, name: str) -> str:
    """Where a mirror's simple index keeps the file."""
    page_address = index.rstrip("/") + "/uv/"
    page = _fetch(page_address).decode("utf-8", "replace")
    for link in re.findall(r"""href=["']([^"']+)["']""", page):
        address = urldefrag(urljoin(page_address, html.unescape(link))).url
        if urlsplit(address).path.endswith("/" + name):
            return address
    raise SetupError(f"the index {_without_password(index)} has no {name}")


def _fetch(address: str, *, pinned: bool = False) -> bytes:
    """What the address serves. ``pinned``: its checksum is known, so that a machine without any
    certificates (Debian without ca-certificates) may fetch it too: the checksum says if it is the file.
    """
    if urlsplit(address).scheme not in ("https", "http", "file"):
        raise SetupError(f"{_without_password(address)} is no web address")
    context = ssl.create_default_context(cafile=certificates())
    if pinned and not context.get_ca_certs() and certificates() is None and not ssl_folder_has_files():
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS, context=context) as answer:
        return bytes(answer.read())


def certificates() -> str | None:
    """The file of certificates that this machine trusts: the environment's word, else the system's."""
    default = ssl.get_default_verify_paths().cafile
    return os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT") or default


def ssl_folder_has_files() -> bool:
    folder = os.environ.get("SSL_CERT_DIR") or ssl.get_default_verify_paths().openssl_capath
    return any(Path(folder).glob("*.0"))


def _without_password(address: str) -> str:
    return re.sub(r"//[^@/]*@", "//", address)
