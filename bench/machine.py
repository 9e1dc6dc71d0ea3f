"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path


def describe() -> str:
    """One line: processor, cores, memory, system, Python, Java."""
    words = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*:\s*(.+)", words)
    parts = [
        f"{model.group(1) if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        f"{platform.system()} {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
    ]
    try:
        told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
        parts.append(f"Java {told.split(chr(34))[1]}")
    except (OSError, IndexError):
        pass  # a machine without Java: the table says which peers did not run
    return "; ".join(parts)


def disturbance() -> str:
    """A sentence for the table when other programs are busy, to be asked for before a measurement begins."""
    load = os.getloadavg()[0]
    return f" **The machine was not quiet**: its load was {load:.1f} before this began." if load > 0.5 else ""
