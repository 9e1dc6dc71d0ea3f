"""Keeps concrete worlds out of the core, and this or that machine out of the repository.

1. Nothing below src/wayside says a word of a concrete domain: not in an identifier, a string, a
   comment or a file's name. The core serves every domain, so it may know none.
2. No file names an absolute path of somebody's machine.
3. Lock files name no registry but the public one of Python packages: who installs from a mirror
   says so in the environment, and npm's lock names none at all.

    python scripts/check_words.py [ROOT]
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

# Singular forms; a plural in -s is found too.
DOMAIN_WORDS = {
    "barometer", "bike", "bus", "cattle", "cow", "device", "farm", "farmer", "herd", "humidity",
    "hygrometer", "kerb", "locomotive", "metro", "milk", "milking", "neighbourhood", "paai", "parking",
    "passenger", "railway", "sensor", "subway", "temperature", "thermostat", "train", "tram", "transit",
    "turnstile", "vehicle", "wearable",
}  # fmt: skip

# (file pattern, word, pattern of the line, why): a word that means something else there.
ALLOWED = (
    ("src/wayside/models/*", "train", ".*", "to train a model"),
    ("src/wayside/cli*", "train", ".*", "the command that trains a model"),
    ("src/wayside/domain*", "train", ".*", "a declaration says how its model is trained"),
    ("src/wayside/*", "transit", r"in transit", "data on its way"),
    ("src/wayside/*", "bus", r"(event|message) bus", "a channel between threads"),
    ("src/wayside/*", "device", r"width=device-width", "the width of a screen, in HTML"),
)

CORE = Path("src/wayside")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
CORE_TEXT = {".py", ".pyi", ".toml", ".json", ".html", ".sql", ".j2", ".txt", ".md", ".tmpl"}

# Split, so that this file does not accuse itself.
MACHINE_PATH = re.compile(
    r"(?<![\w.~$}/-])/(?:" + "|".join(("wor" + "k/", "roo" + "t/", "hom" + r"e/\w+/", "Use" + r"rs/\w+/")) + ")"
)
HOST = re.compile(r"https?://([^/\s\"']+)")
PUBLIC_HOSTS = {"pypi" + ".org", "files.python" + "hosted.org"}
PATHS_ALLOWED = {"deploy/*": "paths inside an image or a cluster, not of a machine"}
BINARY = {
    ".png",
    ".jpg",
    ".ico",
    ".woff2",
    ".parquet",
    ".gz",
    ".zst",
    ".arrow",
    ".pb",
    ".pbf",
    ".pmtiles",
    ".zip",
}


def words_of(text: str) -> Iterator[str]:
    """Lower-case words of a text; snake_case, camelCase and SCREAMING names are taken apart."""
    for match in WORD.finditer(text):
        yield match[0].lower()


def domain_word(word: str) -> str | None:
    """The listed word that this one is, in the singular or plural."""
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in DOMAIN_WORDS:
            return form
    return None


def is_allowed(path: str, word: str, line: str) -> bool:
    return any(
        word == allowed and fnmatch(path, pattern) and re.search(context, line, re.IGNORECASE)
        for pattern, allowed, context, _why in ALLOWED
    )


def check_core_file(path: str, text: str) -> Iterator[str]:
    for number, line in [(1, Path(path).name), *enumerate(text.splitlines(), 1)]:
        for word in {found for raw in words_of(line) if (found := domain_word(raw))}:
            if not is_allowed(path, word, line):
                yield f"{path}:{number}: '{word}' is a word of a concrete domain; the core knows none"


def check_paths(path: str, text: str) -> Iterator[str]:
    if any(fnmatch(path, pattern) for pattern in PATHS_ALLOWED):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if match := MACHINE_PATH.search(line):
            yield f"{path}:{number}: '{match[0]}' is a path of one machine; make it relative or configurable"


def check_lock(path: str, text: str) -> Iterator[str]:
    """uv.lock may name the public registry only; package-lock.json names none."""
    name = Path(path).name
    if name == "uv.lock":
        for number, line in enumerate(text.splitlines(), 1):
            for host in HOST.findall(line):
                if host not in PUBLIC_HOSTS:
                    yield f"{path}:{number}: the lock names {host}; lock again against the public registry"
    elif name == "package-lock.json":
        for package, entry in json.loads(text).get("packages", {}).items():
            if "resolved" in entry and not entry.get("link"):
                yield f"{path}:1: {package} names its registry; lock with omit-lockfile-registry-resolved"


def check_settings(path: str, text: str) -> Iterator[str]:
    """No committed setting chooses a registry: that is the machine's business."""
    if Path(path).suffix not in {".toml", ".cfg", ".ini", ".npmrc", ""} and Path(path).name != ".npmrc":
        return
    chooses = re.compile(r"^\s*(?:extra-)?(?:index-url|index|registry|find-links|default-index)\s*=", re.MULTILINE)
    for match in chooses.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"{path}:{line}: '{match[0].strip()}' chooses a package registry; leave that to the environment"


def committed_files(root: Path) -> list[str]:
    """Paths that git knows or would add, else (outside a clone) every file below the root."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        names = done.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [file.relative_to(root).as_posix() for file in root.rglob("*")]
    return sorted({name for name in names if name and (root / name).is_file()})


def check_tree(root: Path) -> list[str]:
    problems: list[str] = []
    for path in committed_files(root):
        if Path(path).suffix in BINARY:
            continue
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if Path(path).is_relative_to(CORE) and Path(path).suffix in CORE_TEXT:
            problems += check_core_file(path, text)
        problems += check_paths(path, text)
        problems += check_lock(path, text)
        problems += check_settings(path, text)
    return problems


def main(arguments: list[str]) -> int:
    root = Path(arguments[0] if arguments else Path(__file__).parent.parent).resolve()
    problems = check_tree(root)
    for problem in problems:
        print(problem)
    print(f"words: {len(problems)} problems" if problems else "words: the core is neutral, the files are portable")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
