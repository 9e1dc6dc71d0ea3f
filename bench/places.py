"""Where the benchmark keeps things: everything that is made is outside the tree, in one cache folder."""

from __future__ import annotations

import os
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
PERFORMANCE_PAGE = ROOT / "docs" / "performance.md"


def cache() -> Path:
    """The cache folder: `$WAYSIDE_BENCH_DIR`, or `~/.cache/wayside-bench`."""
    return Path(os.environ.get("WAYSIDE_BENCH_DIR") or Path.home() / ".cache" / "wayside-bench").absolute()


def folder(*names: str) -> Path:
    """A folder below the cache folder, made when it is missing."""
    path = cache().joinpath(*names)
    path.mkdir(parents=True, exist_ok=True)
    return path
