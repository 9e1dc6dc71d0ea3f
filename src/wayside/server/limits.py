"""What one client may cost: every bound of the server, all of them on by default."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds, everything else in pieces."""

    header_bytes: int = 16 * KIB
    header_count: int = 100
    header_seconds: float = 10.0
    request_seconds: float = 30.0
    """From the end of the headers to the end of the body."""
    body_rate: int = KIB
    """Bytes per second that a body must bring, counted from `body_grace` seconds on."""
    body_grace: float = 10.0
    keep_alive_seconds: int = 15
    connections: int = 2_000
    backlog: int = 512
    send_buffer: int = 64 * KIB
    """Kernel memory for what a connection has not yet taken."""
    send_seconds: float = 14.0
    """A reader that takes nothing for this long is cut off. One whose kernel takes a last little just before the end of
    that time gets it once more, and must be gone within 30 s all the same."""

    body_single: int = MIB
    body_batch: int = 8 * MIB
    batch_records: int = 5_000
    ratio: int = 100
    """Bytes that one compressed byte may become, once `ratio_after` bytes have come out."""
    ratio_after: int = MIB
    pending_bytes: int = 64 * MIB
    """Bodies that are being read or wait for their durable write, all clients together."""

    subscribers: int = 1_000
    queue_events: int = 256
    queue_bytes: int = 256 * KIB
    heartbeat_seconds: float = 15.0
    life_seconds: float = 3_600.0
    ring_events: int = 2_048
    ring_bytes: int = 32 * MIB

    consumers: int = 200
    """Consumers that clients of the REST Proxy have open at once."""
    consumer_seconds: float = 300.0
    """A consumer that is not asked for this long is gone."""

    query_seconds: float = 10.0
    query_threads: int = 4
    query_waiting: int = 64
    rows: int = 100_000
    range_days: int = 400
