"""One browser and one demo for each file of tests; every test has a context of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.sites import FLAGS, Site, running


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium. Closed with the file: Playwright's event loop must not outlive it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`wayside demo`, with history enough for a few closed windows."""
    with running(tmp_path_factory.mktemp("demo"), "demo") as site:
        time.sleep(0.5)
        yield site


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`wayside up` that generates nothing. The tests of a file share it: each posts a kind of series of its own."""
    folder = tmp_path_factory.mktemp("quiet")
    with running(folder, "up", "--data-dir", str(folder / "data")) as site:
        yield site


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Site]:
    """`wayside up` without any record."""
    with running(tmp_path, "up", "--data-dir", str(tmp_path / "data")) as site:
        yield site
