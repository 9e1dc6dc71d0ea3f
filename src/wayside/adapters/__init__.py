"""How the outside world is read: the sources that a domain declares, and the door that their records pass."""

from wayside.adapters.sources import Files, HttpPush, Mqtt, Simulation, Simulator

__all__ = ["Files", "HttpPush", "Mqtt", "Simulation", "Simulator"]
