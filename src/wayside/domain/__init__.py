"""The words in which a domain is declared: topics, feeds, streams, windows, tables, layers, maps, boards,
reports, endpoints."""

from wayside.domain.aggregates import count, maximum, mean, minimum, total
from wayside.domain.boards import Board
from wayside.domain.catalog import Domain, discover
from wayside.domain.chores import Chore
from wayside.domain.feeds import SILENT_AFTER, Feed, Source
from wayside.domain.flow import Flow, Previous, Stream, Table, Topic, Window
from wayside.domain.instants import AT, as_asked, dated, wrong_instant
from wayside.domain.maps import Band, Calls, Fact, Lines, Map, Places, State
from wayside.domain.plan import Plan
from wayside.domain.views import Answer, Drawn, Endpoint, Geometry, Handler, Layer, Place, Queries, Report, problem

__all__ = [
    "AT",
    "SILENT_AFTER",
    "Answer",
    "Band",
    "Board",
    "Calls",
    "Chore",
    "Domain",
    "Drawn",
    "Endpoint",
    "Fact",
    "Feed",
    "Flow",
    "Geometry",
    "Handler",
    "Layer",
    "Lines",
    "Map",
    "Place",
    "Places",
    "Plan",
    "Previous",
    "Queries",
    "Report",
    "Source",
    "State",
    "Stream",
    "Table",
    "Topic",
    "Window",
    "as_asked",
    "count",
    "dated",
    "discover",
    "maximum",
    "mean",
    "minimum",
    "problem",
    "total",
    "wrong_instant",
]
