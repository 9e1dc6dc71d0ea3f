"""What the page draws."""

from __future__ import annotations

from wayside.domain import Layer

devices = Layer(
    "devices",
    "Devices",
    table="device_latest",
    thing="device_id",
    series="sensor",
    value="value",
    time="timestamp",
    unit="unit",
    window="device_rollup",
)
