from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wayside.cli.app import run
from wayside.cli.output import fail, print_table
from wayside.errors import WaysideError

COMMANDS = [
    "up", "demo", "check", "doctor", "config", "feed", "topic", "replay", "sql", "export", "simulate", "migrate",
    "rebuild", "new-domain", "bench", "version",
]  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("COLUMNS", "110")


def test_help_names_every_command_in_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert f" {name} " in text, name
    for section in ("Run", "Look", "Data", "Build and mend"):
        assert section in text
    for later in ("train", "backtest", "models", "report", "batch"):
        assert f" {later} " not in text


def test_help_imports_nothing_heavy() -> None:
    heavy = ["polars", "pyarrow", "duckdb", "fastapi", "pydantic", "deltalake", "structlog", "numpy", "wayside.runtime"]
    code = (
        "import sys\nfrom wayside.cli.app import run\nrun(['--help'])\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stderr.strip() == "[]"


def test_a_wrong_command_line_exits_with_2_and_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demp"]) == 2
    assert "demo" in capsys.readouterr().err
    assert run(["up", "--prot", "1"]) == 2


def test_config_show_tells_value_and_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wayside.toml").write_text("port = 9000\n")
    monkeypatch.setenv("WAYSIDE_HOST", "localhost")
    assert run(["config", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "port\t9000\twayside.toml" in lines
    assert "host\tlocalhost\tWAYSIDE_HOST" in lines
    assert run(["config", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["port"] == {"value": "9000", "origin": "wayside.toml"}


def test_a_wrong_setting_exits_with_78_and_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WAYSIDE_PROT", "1")
    assert run(["config", "show"]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "error: There is no setting 'WAYSIDE_PROT'."
    assert "Did you mean 'WAYSIDE_PORT'?" in err


def test_an_error_is_what_where_why_next_and_safe_for_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    fail(WaysideError("It \x1b[31mbroke.", where="a\nb", why="c", next="d"))
    assert capsys.readouterr().err.splitlines() == [
        "error: It \\x1b[31mbroke.",
        "  where  a\\nb",
        "  why    c",
        "  next   d",
    ]


def test_debug_lets_the_traceback_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_PORT", "many")
    with pytest.raises(WaysideError):
        run(["--debug", "config", "show"])


def test_a_defect_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("wayside.settings.load", broken)
    assert run(["config", "show"]) == 1
    err = capsys.readouterr().err
    assert "error: Something unexpected happened: ZeroDivisionError: by zero" in err
    assert "--debug" in err
    with pytest.raises(ZeroDivisionError):
        run(["--debug", "config", "show"])


def test_a_table_for_a_pipe_is_one_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [(1, None), ("x\x1b", 2.5)])
    assert capsys.readouterr().out == "a\tb\n1\t\nx\\x1b\t2.5\n"


def test_check_prints_the_plan_and_doctor_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check"]) == 0
    assert "-> window" in capsys.readouterr().out
    assert run(["check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    assert document["edges"]
    assert run(["check", "nope"]) == 1
    assert "No domain 'nope' is installed." in capsys.readouterr().err
    assert run(["doctor", "--json"]) in (0, 1)
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["sqlite"]["level"] == "pass"
    assert all(finding["fix"] for finding in findings.values() if finding["level"] != "pass")
