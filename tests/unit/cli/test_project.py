from __future__ import annotations

from pathlib import Path

import pytest

from wayside import __version__
from wayside.cli.app import run


def test_new_domain_again_changes_nothing_and_other_work_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new-domain", "wells", "--in", str(tmp_path)]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == 9
    assert run(["new-domain", "wells", "--in", str(tmp_path)]) == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    (tmp_path / "wells" / "wells" / "flow.py").write_text("mine = True\n")
    assert run(["new-domain", "wells", "--in", str(tmp_path)]) == 1
    assert "holds other work" in capsys.readouterr().err
    assert (tmp_path / "wells" / "wells" / "flow.py").read_text() == "mine = True\n"


@pytest.mark.parametrize("name", ["Wells", "1st", "class", "wayside", "a" * 60, "a b", "../a"])
def test_a_name_that_python_cannot_import_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["new-domain", name, "--in", str(tmp_path)]) == 1
    assert "cannot be named" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_version_is_data_and_its_parts_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    out, err = capsys.readouterr()
    assert out == f"wayside {__version__}\n"
    assert "polars" in err
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"wayside {__version__}\n"
