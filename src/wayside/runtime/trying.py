"""What a feed would make of messages, without storing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from wayside.adapters.convert import Converted, Converter
from wayside.adapters.reading import chunks, regular
from wayside.adapters.sources import Files
from wayside.clock import SYSTEM
from wayside.domain import Feed


@dataclass(frozen=True)
class Tried:
    """A part of the messages, of which `first` is the number of the first, and what they become."""

    first: int
    messages: int
    converted: Converted


def tried(feed: Feed, file: Path | None, stdin: BinaryIO) -> Iterator[Tried]:
    """Convert the messages of a file, as the feed would read it, or lines of JSON from `stdin`."""
    converter = Converter(feed)
    now = SYSTEM.now()
    if file is None:
        lines = [line for line in stdin.read().splitlines() if line.strip()]
        yield Tried(0, len(lines), converter.lines(lines, now))
        return
    source = feed.source if isinstance(feed.source, Files) else Files()
    for chunk in chunks(regular(file), source, feed.wire):
        content = chunk.content
        found = converter.frame(content, now) if isinstance(content, pl.DataFrame) else converter.lines(content, now)
        yield Tried(chunk.first, len(chunk), found)
