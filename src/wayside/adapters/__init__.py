"""How the outside world is read: the sources that a domain declares, and the door that their records pass."""

from wayside.adapters.entities import Change, UnusableBodyError
from wayside.adapters.sources import EventStream, Files, HttpPush, Mqtt, Polling, Simulation, Simulator, SqlTable

__all__ = [
    "Change",
    "EventStream",
    "Files",
    "HttpPush",
    "Mqtt",
    "Polling",
    "Simulation",
    "Simulator",
    "SqlTable",
    "UnusableBodyError",
]
