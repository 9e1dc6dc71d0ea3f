"""Devices that measure: one reading per message, 10 s rollups, and the latest value of everything."""

from wayside.domain import Domain
from wayside_domains.devices import layers
from wayside_domains.devices.endpoints import QUERIES, SWITCHES
from wayside_domains.devices.flow import latest, rollup

domain = Domain(
    "devices",
    "Devices",
    flow=[rollup, latest],
    layers=[layers.devices],
    endpoints=[*QUERIES, *SWITCHES],
)
