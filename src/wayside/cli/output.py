"""How commands speak: data on stdout (rows or JSON), everything for people on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from wayside.errors import WaysideError

if TYPE_CHECKING:
    from wayside.settings import Loaded, Settings

RUN, LOOK, DATA, BUILD = "Run", "Look", "Data", "Build and mend"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", "-d", help="Data folder instead of the configured one.")]


@dataclass(frozen=True)
class State:
    """What the options before the command said."""

    config: Path | None
    debug: bool

    def load(self, **given: Any) -> Loaded:
        """Settings with the command line's own values on top. Raises ConfigError."""
        from wayside import settings

        return settings.load(given, file=self.config)

    def settings(self, **given: Any) -> Settings:
        """The same, with the logs set up as they say."""
        from wayside import logs

        found = self.load(**given).settings
        logs.configure("debug" if self.debug else found.log_level, found.log_format)
        return found


def fail(error: WaysideError) -> None:
    """Say what happened, where, why and what to do next, on stderr."""
    from wayside.logs import safe

    mark = paint("error:", "31;1", sys.stderr)
    lines = [f"{mark} {printable(error.what)}"]
    for label, said in (("where", error.where), ("why", error.why), ("next", error.next)):
        if said:
            lines.append(f"  {paint(f'{label:<5}', '2', sys.stderr)}  {safe(said)}")
    print("\n".join(lines), file=sys.stderr)


def printable(said: str) -> str:
    """Text from anywhere, safe for a terminal; its own line ends stay."""
    from wayside.logs import safe

    return "\n  ".join(safe(line) for line in said.splitlines())


def paint(said: str, code: str, stream: TextIO) -> str:
    """Colour on a terminal that has not asked for none (NO_COLOR)."""
    return f"\x1b[{code}m{said}\x1b[0m" if stream.isatty() and not os.environ.get("NO_COLOR") else said


def note(said: str) -> None:
    """A line for people, on stderr."""
    print(printable(said), file=sys.stderr, flush=True)


def say(said: str, end: str = "\n") -> None:
    """Text on stdout, at once."""
    sys.stdout.write(said + end)
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """One JSON document on stdout; times as ISO 8601, anything else as text."""
    json.dump(value, sys.stdout, ensure_ascii=False, default=plain, indent=None if not sys.stdout.isatty() else 2)
    sys.stdout.write("\n")
    sys.stdout.flush()


def print_line(value: Mapping[str, Any]) -> None:
    """One object per line (NDJSON) on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=plain) + "\n")
    sys.stdout.flush()


def plain(value: Any) -> Any:
    """What JSON has no word for."""
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout: drawn on a terminal, tab-separated for a pipe."""
    shown = [[printable(cell(value)) for value in row] for row in rows]
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for row in shown:
            print("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in shown:
        table.add_row(*(Text(value) for value in row))
    Console().print(table)


def cell(value: Any) -> str:
    """A value in a table; nothing for null."""
    if value is None:
        return ""
    return str(plain(value)) if hasattr(value, "isoformat") or isinstance(value, bytes) else str(value)


def state(ctx: typer.Context) -> State:
    """What the options before the command said."""
    found = ctx.find_root().obj
    assert isinstance(found, State)
    return found
