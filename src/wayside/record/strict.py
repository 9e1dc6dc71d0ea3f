"""Strictness that fast JSON readers do not give: no key twice, no nesting beyond 32 levels.

A line without surprises has exactly two quotes per key and per text value. Only lines with more quotes, which have
undeclared or repeated keys, explicit nulls or escapes, are read a second time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import polars as pl

DEPTH = 32
FEW = 256


class RepeatedKeyError(ValueError):
    """An object names a key twice."""


def broken_structure(
    frame: pl.DataFrame, rows: pl.Series, lines: Sequence[bytes], texts: list[str]
) -> dict[int, tuple[str, str]]:
    """Rule and message by row number for the accepted rows whose line repeats a key or is nested too deeply."""
    if frame.is_empty():
        return {}
    chosen = lines if len(rows) == len(lines) else [lines[row] for row in rows]
    quotes = list(map(bytes.count, chosen, repeat(b'"')))
    least = 2 * (frame.width + len(texts))
    if max(quotes) == least and not any(column.null_count() for column in frame):
        return {}
    expected = wanted_quotes(frame, texts)
    unusual = [row for row, have, want in zip(rows, quotes, expected, strict=True) if have > want]
    verdicts = ((row, inspect_line(lines[row])) for row in unusual)
    return {row: verdict for row, verdict in verdicts if verdict is not None}


def wanted_quotes(frame: pl.DataFrame, texts: list[str]) -> list[int]:
    """How many quotes a line without surprises has for each row: two per key and per text value."""
    weights = [4 if name in texts else 2 for name in frame.columns]
    if frame.height < FEW:
        return [sum(w for cell, w in zip(row, weights, strict=True) if cell is not None) for row in frame.rows()]
    given = (pl.col(name).is_not_null() * weight for name, weight in zip(frame.columns, weights, strict=True))
    return frame.select(pl.sum_horizontal(given)).to_series().to_list()


def inspect_line(line: bytes) -> tuple[str, str] | None:
    """The structural rule that a line breaks, if any."""
    if line.count(b"[") + line.count(b"{") > DEPTH and depth(line) > DEPTH:
        return "json.depth", f"The line is nested deeper than {DEPTH} levels."
    try:
        json.loads(line.decode(), object_pairs_hook=distinct)
    except RepeatedKeyError as error:
        return "json.repeated_key", f"The key {error} appears twice."
    except (ValueError, RecursionError):
        return "json.syntax", "The line is not valid JSON."
    return None


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary of pairs whose keys differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise RepeatedKeyError(repr(key[:80]))
            seen.add(key)
    return found


def depth(line: bytes) -> int:
    """Deepest nesting of brackets outside of strings."""
    deepest = level = 0
    quoted = escaped = False
    for byte in line:
        if quoted:
            escaped, quoted = (False, True) if escaped else (byte == 0x5C, byte != 0x22)
        elif byte == 0x22:
            quoted = True
        elif byte in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif byte in b"]}":
            level -= 1
    return deepest
