"""The wheel's build hook: a wheel without its page is refused, never shipped."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

import web_build


class PageHook(BuildHookInterface):  # type: ignore[misc]  # the build backend is not installed where types are checked
    """Builds the page into src/wayside/web/dist before a wheel or source distribution is packed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node as a Python package, only where the page must be built and Node is missing."""
        page = web_build.Page(Path(self.root))
        if page.is_current() or not page.has_sources() or web_build.find_node(page.root) is not None:
            return []
        return [web_build.NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds where needed; an editable install serves what ``make setup`` has built."""
        if version == "editable":
            return
        page = web_build.Page(Path(self.root))
        web_build.build(page, web_build.find_node(page.root))
        if not page.is_built():
            raise web_build.PageError(f"{page.dist}/index.html is missing; a wheel without it is refused.")
