"""From readings to rollups and to what is true now."""

from __future__ import annotations

from wayside.domain import count, maximum, mean, minimum
from wayside_domains.devices.feeds import processed

rollup = processed.window(
    "device_rollup",
    by=["device_id", "sensor"],
    every="10s",
    lateness="2s",
    count=count(),
    average=mean("value"),
    minimum=minimum("value"),
    maximum=maximum("value"),
)
latest = processed.table("device_latest", by=["device_id", "sensor"], search=["device_id", "sensor"])
