"""Is this machine, this installation and this data folder all right? Looks only; changes nothing."""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from wayside.errors import WaysideError
from wayside.files import REAL
from wayside.runtime.folder import FORMAT, Folder
from wayside.settings import Settings

Level = Literal["pass", "warn", "fail"]
GIB = 1 << 30
EXTRAS = {
    "kafka": ("confluent_kafka", "the log in Kafka"),
    "spark": ("pyspark", "the Spark engine"),
    "postgres": ("psycopg", "the hot store in Postgres"),
    "learners": ("lightgbm", "forecasts"),
    "mlflow": ("mlflow", "the model registry"),
    "dagster": ("dagster", "batch schedules"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, and what mends it."""

    level: Level
    name: str
    what: str
    fix: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings; a check that itself fails is a finding too."""
    checks: list[Callable[[Settings], Iterator[Finding]]] = [python, sqlite, page, domains, data, port, limits, extras]
    for check in checks:
        try:
            yield from check(settings)
        except WaysideError as error:
            yield Finding("fail", check.__name__, " ".join(filter(None, (error.what, error.why))), error.next)
        except Exception as error:  # the doctor must never be what is ill
            yield Finding("fail", check.__name__, f"The check itself failed: {type(error).__name__}: {error}")


def python(_: Settings) -> Iterator[Finding]:
    """The interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    yield Finding("pass" if ok else "fail", "python", found, "" if ok else "Install Python 3.11 or newer.")


def sqlite(_: Settings) -> Iterator[Finding]:
    """The SQLite library, which must not have the WAL-reset bug (fixed in 3.51.3)."""
    import apsw

    found = apsw.sqlite_lib_version()
    ok = tuple(map(int, found.split("."))) >= (3, 51, 3)
    fix = "" if ok else "pip install -U apsw: SQLite before 3.51.3 can corrupt its write-ahead log."
    yield Finding("pass" if ok else "fail", "sqlite", found, fix)


def page(_: Settings) -> Iterator[Finding]:
    """The built page."""
    import wayside

    index = Path(wayside.__file__).parent / "web" / "dist" / "index.html"
    if index.is_file():
        yield Finding("pass", "page", "built")
    else:
        yield Finding("warn", "page", "The page is not built; the API works without it.", "Run `make setup-run`.")


def domains(settings: Settings) -> Iterator[Finding]:
    """The domains and their plan."""
    from wayside.runtime.chosen import chosen_plan

    plan = chosen_plan(settings.domains)
    names = ", ".join(domain.name for domain in plan.domains)
    yield Finding("pass", "domains", f"{names}: {len(plan.feeds)} feeds, {len(plan.windows)} windows")


def data(settings: Settings) -> Iterator[Finding]:
    """The data folder: whose it is, of which format, and how much space there is."""
    root = settings.data_dir
    existing = next(path for path in (root, *root.parents) if path.exists())
    free = REAL.free(existing)
    level: Level = "pass" if free > GIB else "warn" if free > GIB // 16 else "fail"
    fix = "" if level == "pass" else "Free some space, or choose another --data-dir."
    yield Finding(level, "disk", f"{free / GIB:.1f} GiB free at {existing}", fix)
    if not root.exists():
        yield Finding("pass", "data folder", f"{root} will be made at the first start")
        return
    found = Folder(root).format()
    if found in (None, FORMAT):
        yield Finding("pass", "data folder", f"{root}, format {found or 'none yet'}")
    else:
        yield Finding("fail", "data folder", f"{root} is of format {found}", "Run `wayside migrate`.")


def port(settings: Settings) -> Iterator[Finding]:
    """The port: free, ours already, or somebody else's."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if settings.port == 0 or probe.connect_ex((settings.host, settings.port)) != 0:
            yield Finding("pass", "port", f"{settings.host}:{settings.port} is free")
            return
    try:
        url = f"http://{settings.host}:{settings.port}/v1/status"
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - the address is our own, over http
            running = json.load(answer)
    except (OSError, ValueError):
        yield Finding("warn", "port", f"{settings.port} is in use by another program", "Choose another with --port.")
        return
    problems = running.get("problems", [])
    if problems:
        yield Finding("warn", "port", f"Wayside runs here, and says: {problems[0]['what']}", problems[0]["next"])
    else:
        yield Finding("pass", "port", f"Wayside {running.get('version')} is running here")


def limits(_: Settings) -> Iterator[Finding]:
    """Open files, of which each client and each segment takes one."""
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ok = soft >= 1024
    yield Finding("pass" if ok else "warn", "open files", f"{soft} allowed", "" if ok else "Run `ulimit -n 4096`.")


def extras(_: Settings) -> Iterator[Finding]:
    """What the base installation does without."""
    for extra, (module, what) in EXTRAS.items():
        if find_spec(module) is None:
            yield Finding(
                "warn", extra, f"not installed; it is for {what}", f"pip install 'wayside[{extra}]' if you need it"
            )
        else:
            yield Finding("pass", extra, versioned(module))


def versioned(module: str) -> str:
    """The version of an installed module."""
    try:
        return version(module.replace("_", "-"))
    except PackageNotFoundError:
        return "installed"
