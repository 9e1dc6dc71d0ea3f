"""Boards: everything in its groups and in a fixed order, each thing on one row, as a display on a wall has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wayside.durations import duration
from wayside.errors import DeclarationError


@dataclass(frozen=True)
class Board:
    """A page that a domain's endpoint fills, asked again every few seconds.

    `GET path` answers an object:

        {"now": "...", "heard": "...", "clock": "...", "facts": [{"title": "...", "value": "...", "note": "..."}],
         "notes": ["A sentence about the numbers."],
         "columns": [{"name": "east", "title": "East", "kind": "event"}, {"name": "n", "title": "N", "kind": "number"}],
         "groups": [{"id": "a", "title": "A", "color": "#336699", "rows": [
             {"id": "1", "name": "...", "note": "...", "tags": ["..."],
              "east": [{"text": "...", "at": "...", "here": true, "note": "..."}], "n": 12}]}]}

    `notes` may be left out. `heard` is when anything was last heard of, `clock` the time of the world that is shown
    where that is not now (or null); both and `at` are ISO 8601. A cell of the kind `event` lists what is there (`here`)
    or was there last, one of the kind `number` holds a number; null is nothing. What was heard of longer ago than
    `stale` and `dead` is said to be so. `thing_word` is what a row is, `window` the one whose rows the page exports.
    With `past`, the endpoint takes `?at=`, an instant of the past, and answers as things were then.
    """

    name: str
    title: str
    path: str
    thing_word: str = "thing"
    window: str = ""
    stale: str = "90s"
    dead: str = "5m"
    past: bool = False

    def check(self, paths: Iterable[str], windows: Iterable[str]) -> None:
        """Raise DeclarationError for an endpoint or window that the domain does not have."""
        where = f"board {self.name!r}"
        if self.path not in paths:
            raise DeclarationError(f"The domain has no endpoint GET {self.path}.", where=where, next="Add it.")
        if self.window and self.window not in windows:
            raise DeclarationError(f"The domain does not list the window {self.window!r}.", where=where)
        if duration(self.stale) > duration(self.dead):
            raise DeclarationError("What is dead is stale before.", where=where, why=f"{self.stale} > {self.dead}.")
