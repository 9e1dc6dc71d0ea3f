"""Vehicles that run on lines by a timetable: where they are, how late they are, and what leaves a stop next."""

from wayside_domains.transit import city
from wayside_domains.transit.declare import Transit
from wayside_domains.transit.networks import Network

halcyon = Transit("transit", "Transit", Network(city.NETWORK, "Halcyon", city.timetable), zone=city.ZONE)
halcyon.simulate(city.NETWORK, vehicles=90, demo=True)
domain = halcyon.domain()

__all__ = ["Network", "Transit", "domain", "halcyon"]
