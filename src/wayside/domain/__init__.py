"""The words in which a domain is declared: topics, feeds, streams, windows, tables, layers, reports, endpoints."""

from wayside.domain.aggregates import count, maximum, mean, minimum, total
from wayside.domain.catalog import Domain, discover
from wayside.domain.feeds import Feed, Source
from wayside.domain.flow import Flow, Stream, Table, Topic, Window
from wayside.domain.plan import Plan
from wayside.domain.views import Answer, Endpoint, Geometry, Layer, Place, Queries, Report

__all__ = [
    "Answer",
    "Domain",
    "Endpoint",
    "Feed",
    "Flow",
    "Geometry",
    "Layer",
    "Place",
    "Plan",
    "Queries",
    "Report",
    "Source",
    "Stream",
    "Table",
    "Topic",
    "Window",
    "count",
    "discover",
    "maximum",
    "mean",
    "minimum",
    "total",
]
