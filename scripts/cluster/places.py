"""Where the cluster's server programs are kept: outside the tree, in one cache folder."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """The cache folder: `$XDG_CACHE_HOME/wayside-cluster`, or `~/.cache/wayside-cluster`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "wayside-cluster"
