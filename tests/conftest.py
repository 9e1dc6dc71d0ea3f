"""Tiers: which tests this machine can run, and a plain word about those that it cannot.

A test without a tier's marker is in the default tier and runs everywhere. A test with a marker runs
where the machine has what the tier needs, else it is skipped with the reason; ``slow`` runs only
when it is asked for.

    pytest                       everything that this machine can run
    pytest --tier browser        only these (comma-separated; ``default`` and ``all`` are names too)
    pytest -m servers            pytest's own selection works as well
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from cluster.kafka import KafkaNode
    from cluster.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile(
    "ci", max_examples=200, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))


def real_data_folder() -> Path:
    """Recorded data: the folder in WAYSIDE_REAL_DATA, else shared/data beside the repository."""
    return Path(os.environ.get("WAYSIDE_REAL_DATA") or ROOT.parent / "shared" / "data")


def browser_program() -> str | None:
    """Chromium: the program in CHROMIUM, else the first known name on PATH."""
    names = (os.environ.get("CHROMIUM", ""), *BROWSERS)
    return next((found for name in names if name and (found := shutil.which(name))), None)


def _servers() -> str | None:
    if shutil.which("mosquitto") is None:
        return "mosquitto is not on PATH (Debian: apt-get install mosquitto)"
    return None


def _browser() -> str | None:
    if browser_program() is None:
        return "Chromium is not on PATH (Debian: apt-get install chromium)"
    if find_spec("playwright") is None:
        return "playwright is not installed (run 'make setup')"
    if not (ROOT / "src/wayside/web/dist/index.html").is_file():
        return "the page is not built (run 'make setup')"
    return None


def _faults() -> str | None:
    return None if sys.platform == "linux" else f"fault injection needs Linux; this is {sys.platform}"


def _realdata() -> str | None:
    folder = real_data_folder()
    return None if folder.is_dir() else f"there is no {folder}; set WAYSIDE_REAL_DATA to the recorded data"


@dataclass(frozen=True)
class Tier:
    """One marker, and why this machine cannot run its tests (None when it can)."""

    name: str
    missing: Callable[[], str | None]


TIERS = {
    tier.name: tier
    for tier in (
        Tier("servers", _servers),
        Tier("browser", _browser),
        Tier("realdata", _realdata),
        Tier("faults", _faults),
        Tier("slow", lambda: "takes minutes (ask for it with --tier slow or -m slow)"),
    )
}


@dataclass
class Selection:
    """Which tiers are wanted in this run, what each lacks, and how many of its tests were met."""

    wanted: set[str] | None  # None: all that the machine can run, without the slow ones
    missing: dict[str, str]
    met: Counter[str]


SELECTION = pytest.StashKey[Selection]()
MET = "tests met, by tier"
"""Under this name a worker of pytest-xdist tells how many tests of each tier it has seen."""


def pytest_addoption(parser: pytest.Parser) -> None:
    names = ", ".join(["default", *TIERS, "all"])
    parser.addoption("--tier", action="append", default=[], help=f"run only these tiers: {names}")


def pytest_configure(config: pytest.Config) -> None:
    asked = {name.strip() for text in config.getoption("--tier") for name in text.split(",") if name.strip()}
    unknown = asked - {"default", "all", *TIERS}
    if unknown:
        names = ", ".join(["default", *TIERS, "all"])
        raise pytest.UsageError(f"There is no tier {', '.join(sorted(unknown))}; there are {names}.")
    wanted = {"default", *TIERS} if "all" in asked else asked or None
    missing = {name: reason for name, tier in TIERS.items() if (reason := tier.missing())}
    if (wanted and "slow" in wanted) or "slow" in (config.getoption("markexpr") or ""):
        missing.pop("slow", None)
    config.stash[SELECTION] = Selection(wanted, missing, Counter())
    for name in [name for name in os.environ if name.startswith("WAYSIDE_") and name != "WAYSIDE_REAL_DATA"]:
        del os.environ[name]  # a developer's own settings must not change what tests see


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The demo that browser tests share runs from the first of them to the end: the others have the machine without it.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
    selection = config.stash[SELECTION]
    kept, left_out = [], []
    for item in items:
        tiers = {marker.name for marker in item.iter_markers() if marker.name in TIERS}
        selection.met.update(tiers or {"default"})
        if selection.wanted is not None and not selection.wanted & (tiers or {"default"}):
            left_out.append(item)
            continue
        kept.append(item)
        for tier in sorted(tiers & selection.missing.keys()):
            item.add_marker(pytest.mark.skip(reason=f"tier {tier}: {selection.missing[tier]}"))
        # With several workers (-n), tests that start servers and browsers go one after the other, beside all others.
        if config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group("heavy" if tiers else item.location[0]))
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    if hasattr(config, "workeroutput"):
        config.workeroutput[MET] = dict(selection.met)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The run that hands tests to workers has collected none itself: each worker has met them all."""
    node.config.stash[SELECTION].met.update(Counter(node.workeroutput.get(MET, {})) - node.config.stash[SELECTION].met)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    selection = config.stash[SELECTION]
    lines = []
    for name in ("default", *TIERS):
        count = f"{selection.met[name]} test{'' if selection.met[name] == 1 else 's'}"
        if selection.wanted is not None and name not in selection.wanted:
            lines.append(f"{name}: left out ({count}), not asked for")
        elif name in selection.missing:
            lines.append(f"{name}: left out ({count}): {selection.missing[name]}")
        elif selection.met[name]:
            lines.append(f"{name}: run ({count})")
    terminalreporter.section("tiers")
    for line in lines:
        terminalreporter.line(line, yellow="left out" in line)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of recorded data; only for tests marked ``realdata``."""
    return real_data_folder()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaNode]:
    """A node of Kafka for all tests of this run; each takes a prefix of its own. Only for tests marked ``servers``."""
    from cluster.kafka import KafkaNode, missing

    if reason := missing():
        pytest.skip(f"tier servers: {reason}")
    node = KafkaNode(tmp_path_factory.mktemp("kafka"))
    try:
        yield node.start()
    finally:
        node.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser; only for tests marked ``browser``."""
    program = browser_program()
    assert program is not None, "mark the test with pytest.mark.browser"
    return program


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that all tests of a run share, each in a schema of its own; only for tests marked ``servers``."""
    from cluster.postgres import Postgres, missing

    if (reason := missing()) is not None:
        pytest.skip(reason)
    server = Postgres.create()
    yield server
    server.remove()
