"""Loads each server with the same bodies and writes one table."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench import environments, machine, measure, places, report
from bench.ingest import load, servers

BATCH = 1000
KINDS = {"one": (1, 64), "many": (BATCH, 8)}  # records per request, connections
RATE, RATE_CONNECTIONS = 1000, 64
GOAL, GOAL_P99_MS = 0.3, 15.0
BAD_BODY = b'{"device_id": 1}'
NAMES = {"bare": "bare Starlette + msgspec", "fastapi": "FastAPI", "wayside": "Wayside, durable"}
HEAD = ("", "start s", "single records/s", "p99 ms", "of bare", "1,000-record batches, records/s", "of bare",
        f"p99 ms at {RATE:,}/s", "server CPU, cores", "MB after", "failures")  # fmt: skip


@dataclasses.dataclass
class Options:
    """What a run was asked for."""

    seconds: float = 10
    url: str = ""
    command: str = ""
    topic: str = "processed_messages"
    only: str = ""


def message(number: int, now: dt.datetime) -> dict[str, Any]:
    """A reading that both the yardsticks and the devices domain take."""
    at = now + dt.timedelta(milliseconds=number)
    value = number * 31 % 200 / 10 + 10
    return {
        "device_id": str(number * 7919 % 10_000),
        "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sensor": "temperature",
        "value": value,
        "unit": "Cel",
    }


def bodies() -> dict[str, Path]:
    """Files with one body a line: 4,000 single records, and 32 arrays of 1,000."""
    folder, now = places.folder("ingest"), dt.datetime.now(dt.UTC)
    encode = lambda data: json.dumps(data, separators=(",", ":"))  # noqa: E731 - a name for two uses
    one, many = folder / "one.txt", folder / "many.txt"
    one.write_text("\n".join(encode(message(i, now)) for i in range(4000)))
    arrays = ([message(b * BATCH + i, now) for i in range(BATCH)] for b in range(32))
    many.write_text("\n".join(map(encode, arrays)))
    return {"one": one, "many": many}


def check(server: servers.Server, files: dict[str, Path]) -> str:
    """What is wrong with a server's answers; empty when a good body is accepted and a bad one refused."""
    for kind, url in (("one", server.one), ("many", server.many)):
        status = servers.post(url, files[kind].read_bytes().splitlines()[0])
        if status not in (200, 201, 202):
            return f"a good body ({kind}) was answered with {status}"
    status = servers.post(server.one, BAD_BODY)
    return "" if 400 <= status < 500 else f"a bad body was answered with {status}"


def measure_server(server: servers.Server, files: dict[str, Path], seconds: float) -> dict[str, Any]:
    """All loads on one server. Rates count accepted records only."""
    result: dict[str, Any] = {"name": server.name, "start_s": round(server.start_s, 2), "failures": 0}
    wrong = check(server, files)
    if wrong:
        return result | {"error": wrong}
    cpu, began = measure.tree_cpu_s(server.pid) if server.pid else 0.0, time.perf_counter()
    for kind, (records, connections) in KINDS.items():
        url = getattr(server, kind)
        load.closed_loop(url, files[kind], connections=connections, seconds=2)
        told = load.closed_loop(url, files[kind], connections=connections, seconds=seconds)
        accepted = (told["requests"] - told["failures"]) / told["seconds"]
        result[kind] = {"records_s": round(accepted * records), "p50_ms": told["p50_ms"], "p99_ms": told["p99_ms"]}
        result["failures"] += told["failures"]
    told = load.constant_rate(server.one, files["one"], connections=RATE_CONNECTIONS, seconds=seconds, rate=RATE)
    result["paced"] = {"requests_s": told["requests"] / seconds, "p50_ms": told["p50_ms"], "p99_ms": told["p99_ms"]}
    result["failures"] += told["failures"]
    if server.pid:
        result["cores"] = round((measure.tree_cpu_s(server.pid) - cpu) / (time.perf_counter() - began), 2)
        result["resident_mb"] = round(measure.tree_resident_mb(server.pid))
    return result


def run(options: Options) -> tuple[list[dict[str, Any]], str]:
    """Figures of every server, and the table."""
    files, results, disturbance = bodies(), [], machine.disturbance()
    for name in NAMES:
        if options.only and name not in options.only.split(","):
            continue
        try:
            with _server(name, options) as server:
                results.append(measure_server(server, files, options.seconds))
        except environments.NotAvailableError as error:
            results.append({"name": name, "error": str(error)})
        print(f"· ingest {results[-1]}", file=sys.stderr, flush=True)
    (places.folder("results") / "ingest.json").write_text(json.dumps(results, indent=1))
    return results, render(results, disturbance)


def _server(name: str, options: Options) -> contextlib.AbstractContextManager[servers.Server]:
    if name != "wayside":
        return servers.yardstick(name)
    if options.url:
        return contextlib.nullcontext(servers.at(options.url, options.topic))
    return servers.wayside(options.command or servers.default_command(), options.topic)


def render(results: list[dict[str, Any]], disturbance: str) -> str:
    """The table, with the goals below it."""
    bare = next((r for r in results if r["name"] == "bare" and "one" in r), None)
    lines = []
    for r in results:
        if "error" in r:
            lines.append([NAMES[r["name"]], *["–"] * (len(HEAD) - 2), f"not measured: {r['error']}"])
            continue
        share = [report.times(r[k]["records_s"] / bare[k]["records_s"] if bare else None) for k in KINDS]
        lines.append(
            [
                NAMES[r["name"]],
                f"{r['start_s']}" if r["start_s"] else "–",
                f"{r['one']['records_s']:,}",
                f"{r['one']['p99_ms']}",
                share[0],
                f"{r['many']['records_s']:,}",
                share[1],
                f"{r['paced']['p99_ms']}",
                f"{r.get('cores', '–')}",
                f"{r.get('resident_mb', '–')}",
                f"{r['failures']:,}",
            ]
        )
    note = (
        f"One server process each; load by {load.generator()} on the same machine; a constant rate by Python. "
        f"Goals for Wayside: ≥ {GOAL:g}× bare for single records and for batches; "
        f"p99 ≤ {GOAL_P99_MS:g} ms at {RATE:,} requests per second; ready within 3 s.{disturbance}"
    )
    return f"### HTTP ingest\n\n{report.table(HEAD, lines)}\n\n{note}\n\n{report.footer()}"
