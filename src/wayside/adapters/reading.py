"""Files as chunks of messages: NDJSON, CSV and Parquet, compressed or not, in bounded memory."""

from __future__ import annotations

import csv
import difflib
import hashlib
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from wayside.adapters.sources import Files
from wayside.errors import WaysideError
from wayside.record import Record

ROWS = 5_000
"""Messages of a chunk. Ids of hand-overs depend on it, so that a later version must not change it."""
READ = 1 << 20
LONGEST = 8 << 20
"""A line longer than this is cut off here, and refused as what it then is."""
LINES = (".ndjson", ".jsonl", ".json")
TABLES = (".csv", ".tsv", ".txt")
PACKED = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Chunk:
    """Messages of a file from number `first` on, and the share of the file that was read with them."""

    first: int
    content: list[bytes] | pl.DataFrame
    done: float

    def __len__(self) -> int:
        return self.content.height if isinstance(self.content, pl.DataFrame) else len(self.content)


def regular(path: Path) -> Path:
    """The path itself. Raises WaysideError when it does not lead to a regular file."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise WaysideError(f"The file cannot be read: {error.strerror}.", where=str(path)) from error
    if not stat.S_ISREG(mode):
        raise WaysideError(
            "Only regular files are replayed.", where=str(path), why="This is a folder, a pipe or the like."
        )
    return path


def fingerprint(path: Path) -> str:
    """A name for the content of a file, whatever the file is called."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=9)).hexdigest()


def chunks(path: Path, source: Files, wire: type[Record]) -> Iterator[Chunk]:
    """The messages of a file in order. Raises WaysideError for a file that is not what its name says."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packing = PACKED.get(suffixes[-1]) if suffixes else None
    kind = (suffixes[-2] if len(suffixes) > 1 else "") if packing else (suffixes[-1] if suffixes else "")
    try:
        if kind == ".parquet" and packing is None:
            yield from of_parquet(path, source, wire)
            return
        if kind not in (*LINES, *TABLES):
            raise WaysideError(
                f"The format of {path.name!r} is not known.",
                where=str(path),
                why=f"Known endings: {', '.join((*LINES, *TABLES, '.parquet'))}, also with .gz or .zst (not Parquet).",
            )
        with path.open("rb") as raw:
            size = max(1, path.stat().st_size)
            opened: Any = pa.CompressedInputStream(pa.PythonFile(raw, "r"), packing) if packing else raw
            reader = of_lines if kind in LINES else of_table
            yield from reader(opened, lambda: min(1.0, raw.tell() / size), source, wire)
    except WaysideError as error:
        error.where = error.where or str(path)
        raise
    except (pa.ArrowException, csv.Error, OSError, EOFError) as error:
        raise WaysideError(
            "The file cannot be read to its end.", where=str(path), why=" ".join(str(error).split())[:300]
        ) from error


def of_lines(file: BinaryIO, done: Callable[[], float], source: Files, wire: type[Record]) -> Iterator[Chunk]:
    """JSON objects, one per line; blank lines are none."""
    first = 0
    ready: list[bytes] = []
    for line in lines(file):
        if line and not line.isspace():
            ready.append(line)
            if len(ready) == ROWS:
                yield Chunk(first, ready, done())
                first, ready = first + len(ready), []
    if ready:
        yield Chunk(first, ready, 1.0)


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without their newlines; of one that is too long only its beginning."""
    tail, skipping = b"", False
    while piece := file.read(READ):
        *whole, tail = (tail + piece).split(b"\n")
        if skipping and whole:
            skipping = False
            del whole[0]
        yield from whole
        if skipping:
            tail = b""
        elif len(tail) > LONGEST:
            yield tail
            tail, skipping = b"", True
    if tail:
        yield tail


def of_table(file: BinaryIO, done: Callable[[], float], source: Files, wire: type[Record]) -> Iterator[Chunk]:
    """Rows of a CSV file, all cells as text. A row with too few or too many cells is handed on as its text."""
    broken: list[bytes] = []

    def keep(row: Any) -> str:
        broken.append(row.text.encode())
        return "skip"

    names = distinct(header(file, source), source, wire)
    peeked = file.read(1)
    if not peeked:
        return
    reader = pyarrow.csv.open_csv(
        pa.PythonFile(Behind(peeked, file), "r"),
        read_options=pyarrow.csv.ReadOptions(
            column_names=names, block_size=READ, use_threads=False, encoding=source.encoding
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=source.separator, newlines_in_values=True, invalid_row_handler=keep
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=list(source.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    first = 0
    for chunk in rechunked(pl.DataFrame(batch) for batch in reader):
        yield Chunk(first, fitted(chunk, source, wire), done())
        first += chunk.height
    if broken:
        yield Chunk(first, broken, 1.0)


class Behind:
    """A file whose first byte has been read already."""

    closed = False

    def __init__(self, first: bytes, file: BinaryIO) -> None:
        self._first = first
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        first, self._first = self._first, b""
        return first or self._file.read(size)

    def close(self) -> None:
        """The file belongs to who opened it."""


def header(file: BinaryIO, source: Files) -> list[str]:
    """Names of the columns, from the first line; the file then stands at the second."""
    line = bytearray()
    while (byte := file.read(1)) and byte != b"\n":
        line += byte
        if len(line) > READ:
            break
    text = bytes(line).decode(source.encoding, errors="replace").removeprefix("\ufeff").rstrip("\r")
    return [cell.strip() for cell in next(csv.reader([text], delimiter=source.separator), [])]


def distinct(names: list[str], source: Files, wire: type[Record]) -> list[str]:
    """Names that differ. Raises WaysideError when two columns stand for one field."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            if source.columns.get(name, name) in wire.fields:
                raise WaysideError(f"The file has two columns {name!r}.", why="Which of them is meant cannot be known.")
            names[number] = f"{name} ({number})"
        seen.add(names[number])
    return names


def of_parquet(path: Path, source: Files, wire: type[Record]) -> Iterator[Chunk]:
    """Rows of a Parquet file."""
    with pyarrow.parquet.ParquetFile(path) as file:
        total = max(1, file.metadata.num_rows)
        first = 0
        for chunk in rechunked(pl.DataFrame(batch) for batch in file.iter_batches(batch_size=ROWS)):
            yield Chunk(first, fitted(chunk, source, wire), (first + chunk.height) / total)
            first += chunk.height


def rechunked(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in frames of `ROWS` rows; only the last has fewer."""
    waiting: pl.DataFrame | None = None
    for frame in frames:
        waiting = frame if waiting is None else pl.concat([waiting, frame])
        start = 0
        while waiting.height - start >= ROWS:
            yield waiting.slice(start, ROWS)
            start += ROWS
        waiting = waiting.slice(start)
    if waiting is not None and waiting.height:
        yield waiting


def fitted(frame: pl.DataFrame, source: Files, wire: type[Record]) -> pl.DataFrame:
    """The wire record's columns of a file. Raises WaysideError when one that every message needs is not there."""
    names = {source.columns.get(name, name): name for name in frame.columns}
    for name, spec in wire.fields.items():
        if name not in names and name not in source.constants and not spec.optional:
            asked = next((theirs for theirs, ours in source.columns.items() if ours == name), name)
            near = difflib.get_close_matches(asked, frame.columns, n=1)
            raise WaysideError(
                f"The file has no column {asked!r}, which every {wire.__name__} needs.",
                where=f"field {name!r}",
                why=f"Columns: {', '.join(frame.columns)}.",
                next=f"Did you mean {near[0]!r}? Name it in Files(columns=...)." if near else "Is it the right file?",
            )
    chosen = {name: frame[names[name]] for name in wire.fields if name in names}
    fixed = {name: pl.Series([text]).new_from_index(0, frame.height) for name, text in source.constants.items()}
    if not chosen and not fixed:
        fixed = {next(iter(wire.fields)): pl.Series([None] * frame.height, dtype=pl.String)}
    return pl.DataFrame({**chosen, **fixed})
