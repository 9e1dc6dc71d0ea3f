"""Wayside turns live feeds into a live map, rollups, forecasts and reports."""

__version__ = "0.1.0"
