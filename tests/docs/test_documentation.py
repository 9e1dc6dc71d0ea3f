"""The examples of the documentation do what it says.

A block marked ``python`` runs after those before it; one marked ``sh`` runs beside a Wayside, and the block after it
is what it must print, where … stands for anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.running import Running, up, wait_for

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("tutorial", "how-to")
PAGES = [Path("README.md"), *sorted(p.relative_to(ROOT) for f in FOLDERS for p in (ROOT / "docs" / f).glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))]


def having(kind: str) -> list[Path]:
    return [page for page in PAGES if any(found == kind for found, _ in blocks(page))]


@pytest.mark.parametrize("page", having("python"), ids=str)
def test_python_examples(page: Path, tmp_path: Path) -> None:
    code = "\n".join(text for kind, text in blocks(page) if kind == "python")
    script = tmp_path / f"{page.stem.replace('-', '_')}.py"
    script.write_text(code, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path, env={**os.environ}
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", having("sh"), ids=str)
def test_shell_examples(page: Path, tmp_path: Path) -> None:
    with up(tmp_path) as running:
        found = blocks(page)
        for (kind, text), (next_kind, expected) in zip(found, [*found[1:], ("", "")], strict=True):
            if kind == "sh":
                check(running, tmp_path, text, expected if next_kind in ("text", "json") else None)


def check(running: Running, folder: Path, text: str, expected: str | None) -> None:
    """Run an example until it prints what it should: the engine works while we ask."""
    printed = ""

    def as_expected() -> bool:
        nonlocal printed
        printed = run(running, folder, text)
        return expected is None or matches(expected, printed)

    once = " -d " in text or "--data-binary" in text
    ok = as_expected() if once else wait_for_quietly(as_expected)
    assert ok, f"{text}\nprinted\n{printed}\nand not\n{expected}"


def wait_for_quietly(found: Callable[[], bool]) -> bool:
    try:
        return bool(wait_for(found, 10))
    except AssertionError:
        return False


def run(running: Running, folder: Path, text: str) -> str:
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "WAYSIDE_DATA_DIR": str(folder / "data"),
        "WAYSIDE_PORT": running.address.rpartition(":")[2],
    }
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text.replace(ADDRESS, running.address)],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, f"{text}\n{result.stdout}{result.stderr}"
    return result.stdout


def matches(expected: str, printed: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def test_what_is_generated_is_current() -> None:
    from write_reference import pages

    stale = [path.name for path, content in pages().items() if path.read_text(encoding="utf-8") != content]
    assert stale == [], "run python scripts/write_reference.py"


def test_links_within_the_documentation_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
