"""Sets Wayside up: uv, Python packages, Node where needed, and the page. Done steps are skipped.

    python scripts/bootstrap.py run      what running needs
    python scripts/bootstrap.py dev      what tests and linters need too
    python scripts/bootstrap.py node     a Node that can build and check the page
    python scripts/bootstrap.py uv ...   runs the uv that set-up found

Needs Python 3.11 with its standard library only. Everything goes into .venv and .setup below the
root; nothing outside is touched but uv's and npm's caches.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before an older Python fails below
    sys.exit(f"Wayside needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).")

import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bootstrap_uv
import web_build
from bootstrap_uv import SetupError

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / ".setup"
VENV = ROOT / ".venv"
STAMP = SETUP / "packages"
NEWER_PYTHON = "\n  Some libraries are not yet built for this Python; have python3.11 to python3.14 on PATH."


@contextmanager
def step(text: str) -> Iterator[None]:
    """One line per step: what is being done, and how long it took once it is done."""
    began, done = time.monotonic(), threading.Event()
    is_terminal = sys.stdout.isatty()
    print(f"set-up: {text} ...", end="", flush=True)

    def tick() -> None:
        while not done.wait(1):
            print(f"\rset-up: {text} ... {time.monotonic() - began:.0f} s", end="", flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    if is_terminal:
        ticker.start()
    try:
        yield
    except BaseException:
        done.set()
        print(" failed", flush=True)
        raise
    done.set()
    if is_terminal:
        ticker.join()
        print(f"\rset-up: {text}", end="")
    print(f" done in {time.monotonic() - began:.1f} s", flush=True)


def base_python() -> str:
    """The interpreter below any virtual environment that this runs in."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def environment(**changes: str) -> dict[str, str]:
    """The environment for uv: this machine's own settings, and nothing of another project's."""
    result = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    if trusted := bootstrap_uv.certificates():  # else uv's own list
        result["SSL_CERT_FILE"] = trusted
    result |= {"UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": str(VENV), "UV_NO_PROGRESS": "1"}
    return result | changes


def run_uv(uv: Path, *arguments: str, **changes: str) -> None:
    """Runs uv quietly; raises SetupError with the end of what it said when it fails."""
    done = subprocess.run(
        [uv, *arguments], cwd=ROOT, env=environment(**changes), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n  ".join(done.stdout.strip().splitlines()[-15:])
        hint = NEWER_PYTHON if sys.version_info >= (3, 15) else ""
        raise SetupError(f"'uv {' '.join(arguments)}' failed:\n  {tail}{hint}")


def ensure_uv() -> Path:
    uv = bootstrap_uv.find_uv(ROOT)
    if uv is None:
        with step(f"getting uv {bootstrap_uv.locked_uv(ROOT).version}"):
            uv = bootstrap_uv.get_uv(ROOT)
    return uv


def ensure_node() -> web_build.Node:
    """Node from PATH, else from the package index into .setup/node."""
    node = web_build.find_node(ROOT)
    if node is None:
        uv = ensure_uv()
        with step("getting Node (60 MB)"):
            install(uv, ["--only-group", "node"], str(SETUP / "node"), with_project=False)
            node = web_build.find_node(ROOT)
    if node is None:
        raise SetupError("Node from the package index does not start here; it needs libstdc++ (Debian: libstdc++6).")
    return node


def ensure_page(groups: str) -> None:
    """Builds the page where its sources have changed; ``dev`` has its linters and test tools too."""
    page = web_build.Page(ROOT)
    if not page.has_sources():
        if not page.is_built():
            print("set-up: there is no page to build (web/package.json is missing)")
        return
    if groups == "dev" and not web_build.packages_are_current(page, everything=True):
        node = ensure_node()
        with step("installing the page's packages"):
            web_build.install_packages(page, node, everything=True)
    if not page.is_current():
        node = ensure_node()
        with step(f"building the page with Node {node.version.removeprefix('v')}"):
            web_build.build(page, node)


def wanted_packages(groups: str) -> str:
    """What STAMP holds when .venv has what the lock says, for this place and this Python."""
    total = hashlib.sha256()
    for name in ("uv.lock", "pyproject.toml"):
        total.update((ROOT / name).read_bytes())
    total.update(f"{ROOT} {base_python()} {sys.version} {tested_extras() if groups == 'dev' else []}".encode())
    return f"{groups} {total.hexdigest()}"


def packages_are_current(groups: str) -> bool:
    if not ((VENV / "bin" / "wayside").exists() and (VENV / "bin" / "python").exists() and STAMP.is_file()):
        return False
    stamp = STAMP.read_text()
    return stamp == wanted_packages(groups) or (groups == "run" and stamp == wanted_packages("dev"))


def was_moved() -> bool:
    """Whether .venv was made for another folder: its programs name the Python of that place."""
    program = VENV / "bin" / "wayside"
    return program.is_file() and str(VENV) not in program.read_text(errors="replace")[:500]


def ensure_packages(groups: str) -> None:
    """Installs exactly what uv.lock says; what ``dev`` has installed is left there for ``run``."""
    if packages_are_current(groups):
        return
    has_dev = STAMP.is_file() and STAMP.read_text().startswith("dev ") and VENV.is_dir()
    groups = "dev" if has_dev else groups
    uv = ensure_uv()
    if was_moved():
        shutil.rmtree(VENV)
    with step(f"installing Python packages ({'1,000' if groups == 'dev' else '300'} MB the first time)"):
        install(uv, ["--no-dev"] if groups == "run" else tested_extras(), str(VENV), with_project=True)
        STAMP.write_text(wanted_packages(groups))


def tested_extras() -> list[str]:
    """The extras that tests use; Spark is of no use without a JVM, and large."""
    names = ["kafka", "postgres", "transit", *(["spark"] if shutil.which("java") else [])]
    return [word for name in names for word in ("--extra", name)]


def install(uv: Path, selection: list[str], target: str, *, with_project: bool) -> None:
    """Fills an environment from the lock: from the addresses in it, or from this machine's mirror.

    Bytecode is made at once: where Python keeps none by itself, every start would compile 700 files again.
    """
    index = bootstrap_uv.mirror()
    compiled = {"UV_COMPILE_BYTECODE": "1"}
    if index is None:
        # Inexact: an extra that somebody added by hand stays.
        arguments = ["sync", "--frozen", "--inexact", "--python", base_python(), *selection]
        run_uv(uv, *arguments, UV_PROJECT_ENVIRONMENT=target, **compiled)
        return
    # The lock's addresses are the public ones; its checksums hold for a mirror's files as well.
    listed = str(SETUP / "requirements.txt")
    run_uv(uv, "export", "--frozen", "--no-emit-project", "--quiet", *selection, "--output-file", listed)
    run_uv(uv, "venv", "--allow-existing", "--python", base_python(), target)
    python = f"{target}/bin/python"
    from_index = {"UV_DEFAULT_INDEX": index}
    run_uv(uv, "pip", "install", "--python", python, "--require-hashes", "-r", listed, **from_index, **compiled)
    if with_project:
        run_uv(uv, "pip", "install", "--python", python, "--no-deps", "--editable", ".", **from_index)


def set_up(groups: str) -> None:
    """The whole of it, one process at a time."""
    SETUP.mkdir(exist_ok=True)
    with (SETUP / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if groups == "node":
            ensure_node()
            return
        try:
            ensure_page(groups)
        except (SetupError, web_build.PageError) as error:
            if groups == "run" or os.environ.get("CI"):
                raise
            print(f"set-up: {error}\nset-up: so there is no page, and the browser's tests are left out")
        ensure_packages(groups)


def main(arguments: list[str]) -> int:
    try:
        if arguments in (["run"], ["dev"], ["node"]):
            set_up(arguments[0])
            return 0
        if arguments[:1] == ["uv"]:
            uv = ensure_uv()
            os.chdir(ROOT)
            os.execve(uv, [str(uv), *arguments[1:]], environment())
    except (SetupError, web_build.PageError) as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up: interrupted; run it again to go on", file=sys.stderr)
        return 130
    print("usage: bootstrap.py run | dev | node | uv ARGUMENTS...", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
