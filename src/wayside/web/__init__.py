"""What people see: the built page. Its source is in `web/` at the root of the repository."""

from __future__ import annotations

from pathlib import Path

DIST = Path(__file__).parent / "dist"


def page_folder() -> Path | None:
    """The folder of the built page, or null where it has not been built (then `make setup` builds it)."""
    return DIST if (DIST / "index.html").is_file() else None
