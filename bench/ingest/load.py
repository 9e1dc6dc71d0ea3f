"""Loads a URL: wrk where it is installed, for it costs least; `pyload.py` for constant rates and elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import places

PYLOAD = Path(__file__).with_name("pyload.py")
LUA = """
local requests, at = {}, 0
function init(args)
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "failures": %d, "p50_ms": %.3f, "p99_ms": %.3f}\\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


def generator() -> str:
    """What makes the load."""
    return "wrk" if shutil.which("wrk") else "Python (no wrk here: single records are limited by the generator)"


def closed_loop(url: str, bodies: Path, *, connections: int, seconds: float) -> dict[str, Any]:
    """As many requests as the server takes, one in flight per connection."""
    if not shutil.which("wrk"):
        return _python(url, bodies, connections=connections, seconds=seconds, rate=0)
    script = places.folder("ingest") / "bodies.lua"
    script.write_text(LUA)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), url, "--", str(bodies)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(told.removeprefix("RESULT "))


def constant_rate(url: str, bodies: Path, *, connections: int, seconds: float, rate: float) -> dict[str, Any]:
    """So many requests per second; latency counts from when each was due."""
    return _python(url, bodies, connections=connections, seconds=seconds, rate=rate)


def _python(url: str, bodies: Path, *, connections: int, seconds: float, rate: float) -> dict[str, Any]:
    options = ["--connections", str(connections), "--seconds", str(seconds), "--rate", str(rate)]
    command = [sys.executable, str(PYLOAD), url, str(bodies), *options]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
