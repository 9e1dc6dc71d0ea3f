"""A feed of a Wayside that runs in another process: records go to it over HTTP, as any client's do."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode

import polars as pl

from wayside.clock import SYSTEM, Clock
from wayside.errors import OverloadedError, WaysideError
from wayside.record import Record
from wayside.values import Appended, Receipt, Rejection

RECORDS, BYTES = 5_000, 4 << 20
"""What one request carries at most: within the server's own bounds."""
WAITING = 8
"""Hand-overs that may wait to be sent."""
PATIENCE = 60.0
"""Seconds for which a busy server is asked again."""
NUMERIC = {"float": pl.Float64, "int": pl.Int64}


class RemoteIntake:
    """The `Intake` of a feed behind `base`, an address like `http://127.0.0.1:8000`."""

    def __init__(self, base: str, feed: str, topic: str, wire: type[Record], *, clock: Clock = SYSTEM) -> None:
        self._address = f"{base.rstrip('/')}/v1/topics/{quote(topic)}/records?{urlencode({'feed': feed})}"
        self._feed = feed
        self._topic = topic
        self._wire = wire
        self._clock = clock
        self._room = threading.Semaphore(WAITING)
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="sender")
        self.error: BaseException | None = None

    @property
    def feed(self) -> str:
        return self._feed

    @property
    def topic(self) -> str:
        return self._topic

    def submit(self, lines: Sequence[bytes], *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """See `Intake.submit`. Several ids stand for the whole hand-over: repeat it with the same bounds."""
        if not self._room.acquire(blocking=False):
            raise OverloadedError("The server takes records more slowly than they come.", retry_after=0.05)
        try:
            sent = self._sender.submit(self._send, list(lines), ids[0] if ids else None)
        except BaseException:
            self._room.release()
            raise
        sent.add_done_callback(self._sent)
        return sent

    def submit_block(self, ndjson: bytes, *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """See `Intake.submit_block`."""
        return self.submit([line for line in ndjson.split(b"\n") if line and not line.isspace()], ids=ids)

    def submit_frame(self, frame: pl.DataFrame, *, ids: Sequence[str] | None = None) -> Future[Receipt]:
        """See `Intake.submit_frame`; numbers that came as text travel as numbers where they are."""
        return self.submit(lines_of(frame, self._wire), ids=ids)

    def _sent(self, done: Future[Receipt]) -> None:
        self._room.release()
        if not done.cancelled() and (error := done.exception()) is not None:
            self.error = error

    def close(self) -> None:
        """Send what waits, and end."""
        self._sender.shutdown(wait=True)

    def _send(self, lines: list[bytes], key: str | None) -> Receipt:
        receipts = [self._post(part, f"{key}@{first}" if key else None, first) for first, part in parts(lines)] or [
            Receipt(Appended(pl.Series([], dtype=pl.Int64), pl.Series([], dtype=pl.Int64)))
        ]
        appended = Appended(
            pl.concat([receipt.appended.partitions for receipt in receipts]),
            pl.concat([receipt.appended.offsets for receipt in receipts]),
            sum(receipt.appended.duplicates for receipt in receipts),
        )
        rejections = tuple(rejection for receipt in receipts for rejection in receipt.rejections)
        return Receipt(appended, rejections, sum(receipt.rejected for receipt in receipts))

    def _post(self, lines: list[bytes], key: str | None, first: int) -> Receipt:
        """Send one request, again while the server is busy. Raises WaysideError."""
        headers = {"content-type": "application/x-ndjson"} | ({"idempotency-key": key[-250:]} if key else {})
        until = self._clock.monotonic() + PATIENCE
        while True:
            request = urllib.request.Request(self._address, b"\n".join(lines), headers)  # noqa: S310 - http by the user's word
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
                    return receipt_of(json.load(answer), first)
            except urllib.error.HTTPError as error:
                told = problem(error)
                if error.code == 422 and "errors" in told:
                    return receipt_of({"accepted": 0, "rejected": len(lines), **told}, first)
                if error.code not in (429, 503) or self._clock.monotonic() > until:
                    raise WaysideError(
                        str(told.get("detail") or error), where=self._address, why=told.get("why", "")
                    ) from error
                self._clock.sleep(float(error.headers.get("retry-after") or 1))
            except OSError as error:
                raise unreachable(self._address, error) from error


def problem(error: urllib.error.HTTPError) -> dict[str, Any]:
    """The problem details of an answer, or nothing when it has none."""
    try:
        told = json.load(error)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def unreachable(address: str, error: OSError) -> WaysideError:
    """No Wayside answers there."""
    return WaysideError(
        "No Wayside answers.",
        where=address.split("/v1/")[0],
        why=str(getattr(error, "reason", error)),
        next="Start one with `wayside up`, or say where it runs with --to http://HOST:PORT.",
    )


def receipt_of(told: dict[str, Any], first: int) -> Receipt:
    """An answer as a receipt; rejected rows beyond those that the answer lists are only counted."""
    ranges = told.get("offsets", [])
    partitions = [r["partition"] for r in ranges for _ in range(r["count"])]
    offsets = [r["first"] + n for r in ranges for n in range(r["count"])]
    duplicates = int(told.get("duplicates", 0))
    return Receipt(
        Appended(
            pl.Series([*partitions, *[0] * duplicates], dtype=pl.Int64),
            pl.Series([*offsets, *[-1] * duplicates], dtype=pl.Int64),
            duplicates,
        ),
        tuple(Rejection(first + e["row"], e["rule"], e["message"]) for e in told.get("errors", [])),
        int(told["rejected"]),
    )


def parts(lines: list[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Lines cut into requests, each with the number of its first line."""
    first = size = 0
    for index, line in enumerate(lines):
        if index > first and (index - first == RECORDS or size + len(line) > BYTES):
            yield first, lines[first:index]
            first, size = index, 0
        size += len(line) + 1
    if first < len(lines):
        yield first, lines[first:]


def lines_of(frame: pl.DataFrame, wire: type[Record]) -> list[bytes]:
    """One JSON object per row. Text that is no number of its field's kind stays text, for the server to judge."""
    casts: list[pl.Expr] = []
    odd: list[pl.Expr] = [pl.lit(False)]
    for name, dtype in frame.schema.items():
        spec = wire.fields.get(name)
        kind = NUMERIC.get(spec.kind) if spec is not None else None
        if kind is None or dtype != pl.String:
            casts.append(pl.col(name))
            continue
        number = pl.col(name).str.strip_chars().cast(kind, strict=False)
        casts.append(number)
        odd.append(number.is_null() & pl.col(name).is_not_null())
    strange = frame.select(pl.any_horizontal(odd)).to_series()
    lines = frame.select(casts).write_ndjson().encode().splitlines()
    for index in strange.arg_true():
        lines[index] = json.dumps(frame.row(index, named=True), default=str).encode()
    return lines
