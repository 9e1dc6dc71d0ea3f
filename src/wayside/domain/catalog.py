"""Domains, and how they are found: any installed package can offer one through an entry point."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from wayside.domain.boards import Board
from wayside.domain.checks import check_columns
from wayside.domain.chores import Chore
from wayside.domain.flow import Flow, Table, Window
from wayside.domain.maps import Map
from wayside.domain.views import Endpoint, Geometry, Layer, Report
from wayside.errors import DeclarationError, NotFoundError

GROUP = "wayside.domains"
ASKED = "wayside.domains.asked"
"""Domains that run only where they are named."""
Node = Flow | Window | Table


@dataclass(frozen=True)
class Domain:
    """One kind of world: everything that is declared for it.

    `flow` lists the windows, tables and streams that matter; what they follow from is found from them.
    """

    name: str
    title: str
    flow: Sequence[Node]
    layers: Sequence[Layer] = field(default_factory=tuple)
    reports: Sequence[Report] = field(default_factory=tuple)
    endpoints: Sequence[Endpoint] = field(default_factory=tuple)
    zone: str = "UTC"
    geometries: Sequence[Geometry] = field(default_factory=tuple)
    maps: Sequence[Map] = field(default_factory=tuple)
    boards: Sequence[Board] = field(default_factory=tuple)
    chores: Sequence[Chore] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        names = {node.name for node in self.flow}
        self.check_places()
        for layer in self.layers:
            for part in filter(None, (layer.table, layer.window)):
                if part not in names:
                    raise DeclarationError(
                        f"The layer {layer.name!r} draws {part!r}, which the domain does not list.",
                        where=f"domain {self.name!r}",
                        why=f"Listed: {', '.join(sorted(names))}.",
                        next="Add it to flow=.",
                    )
        self.check_totals()
        tables = {node.name: node.spec.schema for node in self.flow if isinstance(node, Table)}
        windows = {node.name: list(node.spec.aggregates) for node in self.flow if isinstance(node, Window)}
        for board in self.boards:
            board.check([each.path for each in self.endpoints if each.method == "GET"], windows)
        for map in self.maps:
            map.check(tables, windows, {geometry.name: geometry.kind for geometry in self.geometries})

    def check_totals(self) -> None:
        """What is drawn over time cannot be a running total."""
        endless = {node.name for node in self.flow if isinstance(node, Window) and node.spec.endless}
        drawn = [(layer.name, layer.window) for layer in self.layers] + [(map.name, map.window) for map in self.maps]
        for name, window in drawn:
            if window in endless:
                raise DeclarationError(
                    f"{name!r} draws {window!r} over time, which is one sum over all time.",
                    where=f"domain {self.name!r}",
                    next="Declare a window of a length beside it.",
                )

    def check_places(self) -> None:
        """A layer's place names columns of its table, and a geometry of the domain; names are used once."""
        known = [geometry.name for geometry in self.geometries]
        taken = [*known, *(layer.name for layer in self.layers)]
        for name in taken:
            if taken.count(name) > 1:
                raise DeclarationError(f"Two layers are named {name!r}.", where=f"domain {self.name!r}")
        tables = {node.name: node.spec.schema for node in self.flow if isinstance(node, Table)}
        for layer in self.layers:
            place = layer.place
            if place is None or layer.table not in tables:
                continue
            where = f"layer {layer.name!r} of domain {self.name!r}"
            columns = (place.latitude, place.longitude, place.bearing, place.line, place.along)
            check_columns(tuple(filter(None, columns)), tables[layer.table], "The place", where)
            if place.on is not None and place.on not in known:
                raise DeclarationError(f"The place lies on {place.on!r}, which the domain does not draw.", where=where)


def discover(names: Sequence[str] | None = None) -> list[Domain]:
    """The installed domains, or those named, in the order of their names.

    A domain that is offered in the group `wayside.domains.asked` is found only when it is named.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    wanted = sorted(found) if names is None else list(names)
    if names is not None:
        found |= {point.name: point for point in entry_points(group=ASKED)}
    for name in wanted:
        if name not in found:
            raise NotFoundError(
                f"No domain {name!r} is installed.",
                why=f"Installed: {', '.join(sorted(found)) or 'none'}.",
                next=f"Install the package that offers the entry point {GROUP!r}: {name}.",
            )
    return [load(found[name]) for name in wanted]


def load(point: EntryPoint) -> Domain:
    """The Domain that an entry point leads to: a Domain, or a module with an attribute `domain`."""
    target = point.load() if ":" in point.value else importlib.import_module(point.value)
    domain = getattr(target, "domain", target)
    if not isinstance(domain, Domain):
        raise DeclarationError(
            f"The entry point {point.name!r} does not lead to a Domain.",
            where=point.value,
            next="Write `domain = Domain(...)` in that module.",
        )
    return domain
