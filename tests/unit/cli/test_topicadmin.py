"""`topic alter` and `topic delete` on the embedded log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from wayside.broker import EmbeddedBroker
from wayside.cli.app import app
from wayside.specs import TopicSpec

SPEC = TopicSpec("leftover", pl.Schema({"x": pl.Int64()}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    broker = EmbeddedBroker(tmp_path / "log")
    broker.create(SPEC)
    broker.append("leftover", pl.DataFrame({"x": [1, 2]})).result(30)
    broker.close()
    return tmp_path


def run(*words: str, folder: Path) -> int:
    return CliRunner().invoke(app, [*words, "--data-dir", str(folder)]).exit_code


def specs(folder: Path) -> dict[str, TopicSpec]:
    return EmbeddedBroker.reader(folder / "log").topics()


def test_retention_is_changed(folder: Path) -> None:
    assert run("topic", "alter", "leftover", "--keep", "12h", "--keep-bytes", "1000", folder=folder) == 0
    spec = specs(folder)["leftover"]
    assert (spec.retention_age, spec.retention_bytes) == (timedelta(hours=12), 1000)
    assert run("topic", "alter", "leftover", "--keep", "forever", folder=folder) == 0
    assert specs(folder)["leftover"].retention_age is None
    assert run("topic", "alter", "leftover", "--keep", "soon", folder=folder) != 0
    assert run("topic", "alter", "nothing", "--keep", "1h", folder=folder) != 0


def test_a_topic_is_deleted_unless_it_is_declared(folder: Path) -> None:
    assert run("topic", "delete", "processed_messages", "--yes", folder=folder) != 0
    assert "leftover" in specs(folder)
    assert run("topic", "delete", "leftover", "--yes", folder=folder) == 0
    assert specs(folder) == {}
