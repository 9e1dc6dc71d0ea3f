"""Does a clean clone work on a fresh machine, and what does it cost? Prints one table.

Clones HEAD into an empty folder with an empty home (so without caches), then runs ``make demo``
twice, ``make test``, and the wheel alone in an environment of its own, each time measuring seconds
until the page answers, the peak memory of all processes together, and disk.

    python scripts/fresh_check.py [--folder EMPTY] [--hide node,npm,uv] [--no-tests] [--seconds 15]

``--hide`` leaves these programs out of PATH, as on a machine that has none of them.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"http://[\w.\[\]:-]+:\d+")


@dataclass
class Run:
    """One measured command. Times in seconds from its start, memory in MB."""

    name: str
    code: int = 0
    seconds: float = 0
    address_after: float | None = None
    page_after: float | None = None
    peak: float = 0
    last_line: str = ""


def memory_of_session(session: int) -> float:
    """MB that the session's processes use together; pages that they share count once (PSS)."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) != session:
                continue
            found = re.search(r"^Pss:\s+(\d+)", (folder / "smaps_rollup").read_text(), re.MULTILINE)
        except OSError:  # the process has just ended
            continue
        total += int(found[1]) if found else 0
    return total / 1024


def page_answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1) as answer:
            return answer.status == 200 and b"<html" in answer.read(4096).lower()
    except (urllib.error.URLError, OSError):
        return False


def measure(name: str, command: list[str], folder: Path, environment: dict[str, str]) -> Run:
    """Runs the command in a session of its own and watches it from outside."""
    run, began, lines = Run(name), time.monotonic(), []
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    found: list[str] = []

    def read() -> None:
        for line in process.stdout or ():
            print(f"    {line}", end="", flush=True)
            lines.append(line.strip())
            if not found and (match := ADDRESS.search(line)):
                found.append(match[0])
                run.address_after = time.monotonic() - began

    reader = threading.Thread(target=read)
    reader.start()
    while process.poll() is None:
        run.peak = max(run.peak, memory_of_session(process.pid))
        if found and run.page_after is None and page_answers(found[0]):
            run.page_after = time.monotonic() - began
        time.sleep(0.2)
    reader.join()
    run.code, run.seconds = process.returncode, time.monotonic() - began
    run.last_line = next((line for line in reversed(lines) if line), "")
    return run


def size(path: Path) -> float:
    """MB on disk; a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _folders, names in os.walk(path):
        for name in names:
            stat = os.lstat(os.path.join(folder, name))
            seen[stat.st_dev, stat.st_ino] = stat.st_blocks * 512
    return sum(seen.values()) / 1e6


def path_without(hidden: set[str], folder: Path) -> str:
    """A PATH of one folder that links to every program but the hidden ones."""
    folder.mkdir()
    for place in os.environ.get("PATH", "/usr/bin:/bin").split(os.pathsep):
        for program in Path(place).glob("*") if place else ():
            link = folder / program.name
            if program.name not in hidden and not link.exists() and os.access(program, os.X_OK):
                link.symlink_to(program.resolve() if "shims" not in place else program)
    (folder / "python3").unlink(missing_ok=True)
    (folder / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
    return str(folder)


def check(base: Path, options: argparse.Namespace) -> tuple[list[Run], dict[str, float]]:
    clone, home = base / "wayside", base / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(clone)], check=True)
    keep = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "PIP_INDEX_URL", "HTTPS_PROXY", "LANG")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    hidden = {name for name in options.hide.split(",") if name}
    environment |= {"HOME": str(home), "PATH": path_without(hidden, base / "bin")}
    data = Path(os.environ.get("WAYSIDE_REAL_DATA") or ROOT.parent / "shared" / "data")
    if data.is_dir():
        environment["WAYSIDE_REAL_DATA"] = str(data)
    disk = {"clone": size(clone)}
    demo = environment | {"DEMO_SECONDS": str(options.seconds)}
    runs = [measure("make demo, first", ["make", "demo"], clone, demo)]
    disk |= {"after make demo": size(clone), "caches of uv and npm": size(home)}
    runs.append(measure("make demo, second", ["make", "demo"], clone, demo))
    if not options.no_tests:
        runs.append(measure("make test", ["make", "test"], clone, environment))
        disk["after make test"] = size(clone)
    wheel_runs, disk["environment of the wheel alone"] = check_wheel(base, clone, environment, demo)
    return runs + wheel_runs, disk


def check_wheel(base: Path, clone: Path, environment: dict[str, str], demo: dict[str, str]) -> tuple[list[Run], float]:
    """The wheel, installed into an empty environment, runs from a folder that knows nothing of the clone."""
    alone, elsewhere = base / "alone", base / "elsewhere"
    elsewhere.mkdir()
    python = getattr(sys, "_base_executable", sys.executable)
    uv = [python, str(clone / "scripts" / "bootstrap.py"), "uv"]
    runs = [measure("make wheel", ["make", "wheel"], clone, environment)]
    if runs[0].code != 0:
        return runs, 0
    wheels = sorted(str(file) for file in (clone / "dist").glob("*.whl"))
    subprocess.run([*uv, "venv", "--quiet", "--python", python, str(alone)], env=environment, check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(alone / "bin" / "python"), *wheels]
    runs.append(measure("install the wheel", install, elsewhere, environment))
    if runs[-1].code != 0:
        return runs, size(alone)
    runs.append(measure("wheel: wayside demo", [str(alone / "bin" / "wayside"), "demo"], elsewhere, demo))
    return runs, size(alone)


def report(runs: list[Run], disk: dict[str, float]) -> None:
    def seconds(value: float | None) -> str:
        return "" if value is None else f"{value:.1f} s"

    print("\n| run | exit | took | address after | page after | peak memory | last line |")
    print("|---|---|---|---|---|---|---|")
    for run in runs:
        times = f"{seconds(run.seconds)} | {seconds(run.address_after)} | {seconds(run.page_after)}"
        print(f"| {run.name} | {run.code} | {times} | {run.peak:.0f} MB | {run.last_line[:100]} |")
    print("\n| disk | MB |\n|---|---|")
    for name, megabytes in disk.items():
        print(f"| {name} | {megabytes:.0f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description="Clone HEAD into an empty folder, run it, and measure.")
    parser.add_argument("--folder", type=Path, help="an empty folder to use and keep")
    parser.add_argument("--hide", default="", help="programs to leave out of PATH, comma-separated")
    parser.add_argument("--seconds", type=int, default=15, help="how long each demo runs")
    parser.add_argument("--no-tests", action="store_true", help="leave make test out")
    options = parser.parse_args()
    base = options.folder or Path(tempfile.mkdtemp(prefix="wayside-fresh-"))
    base.mkdir(parents=True, exist_ok=True)
    if any(base.iterdir()):
        parser.error(f"{base} is not empty")
    try:
        runs, disk = check(base.resolve(), options)
    finally:
        if options.folder is None:
            shutil.rmtree(base, ignore_errors=True)
    report(runs, disk)
    return 0 if all(run.code == 0 for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
