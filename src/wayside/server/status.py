"""How things are, in one answer: `GET /v1/status`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from wayside.server import logs
from wayside.server.frames import iso
from wayside.server.plan import nodes
from wayside.server.services import Services
from wayside.server.silence import silent

HOUR = timedelta(hours=1)


def status(services: Services, started: datetime) -> dict[str, Any]:
    """Version, clock, feeds, newest record, rejects and troubles."""
    now = services.clock.now()
    known = nodes(services)
    feeds = [node for node in known if node.kind == "feed"]
    down = [node for node in feeds if node.last_error]
    # A feed that has never brought anything is not silent: nobody has used it yet.
    used = [node for node in feeds if not node.last_error and node.last_record]
    quiet = silent(services.plan, used, now)
    live = [node for node in used if node.name not in quiet]
    newest = [node.last_record for node in known if node.last_record is not None]
    zones = [domain.zone for domain in services.plan.domains]
    return {
        "version": services.version,
        "now": iso(now),
        "started": iso(started),
        "zone": zones[0] if zones else "UTC",
        "feeds": {"live": len(live), "silent": len(used) - len(live), "down": len(down)},
        "newest": iso(max(newest, default=None)),
        "rejected_last_hour": rejected_since(services, now - HOUR),
        "background": services.background.told(),
        "data_dir_problem": services.data_problem(),
        "problems": [
            {"since": iso(trouble.since), "what": trouble.what, "next": trouble.next} for trouble in services.troubles()
        ],
    }


def rejected_since(services: Services, moment: datetime) -> int:
    """Records that went into quarantine from a moment on."""
    broker, topic = services.broker, services.quarantine
    if topic not in broker.topics():
        return 0
    count = 0
    for info in broker.partitions(topic):
        first = max(info.start, broker.seek(topic, info.partition, moment, by="append"))
        count += max(0, info.end - first)
        if first < info.end:
            # The entry that the moment falls into also holds older rows.
            _, rows = logs.LogReader(broker, topic, info.partition).read(first, info.end)
            if rows is not None:
                count -= rows.filter(pl.col("_appended") < moment).height
    return count
