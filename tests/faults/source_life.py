"""A service with a polled and a streamed source, in a process of its own: tells its table at each line of its input.

python source_life.py FOLDER POLLED_URL STREAMED_URL
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from wayside.runtime.chosen import plan_of
from wayside.runtime.service import Service
from wayside.settings import Settings
from wayside_domains.transit import Network, Transit


def main(folder: str, polled: str, streamed: str) -> None:
    """Run until the end of the input."""
    transit = Transit("x", "X", Network("p", "Polled"), Network("s", "Streamed"), zone="UTC")
    transit.poll("p", positions=f"{polled}.json", every=0.2)
    transit.listen("s", vehicles=streamed)
    settings = Settings(data_dir=Path(folder), lake=False)
    with Service(plan_of([transit.domain()]), settings) as service:
        service.start()
        while service.readiness():
            time.sleep(0.02)
        print("told ready", flush=True)
        for _ in sys.stdin:
            rows = service.store.table("vehicles").select("network", "vehicle_id").rows()
            print("told", json.dumps(sorted(map(list, rows))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
