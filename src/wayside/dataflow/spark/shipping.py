"""The plan on its way to the workers: pickled by reference where they can import it, and by value where they cannot."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from wayside.domain import Feed, Plan, Stream
from wayside.errors import DeclarationError, MissingExtraError


def pickled(plan: Plan) -> bytes:
    """The plan as bytes. What stands in a module that has no place on the module path travels by value."""
    library = cloudpickle()
    added = [module for module in modules(plan) if not importable(module)]
    for module in added:
        library.register_pickle_by_value(module)
    try:
        content = written(plan, library)
    except Exception as error:  # whatever a transform closes over may refuse
        raise DeclarationError(
            "The plan cannot be sent to Spark's workers.",
            why=f"A function of it refers to something that cannot be pickled: {error}.",
            next="Let transforms refer to plain values and to functions of modules.",
        ) from error
    finally:
        for module in added:
            library.unregister_pickle_by_value(module)
    return content


class Parcel:
    """A plan as tasks are given it: pickled once, and anew when what its transforms look things up in has changed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._chores = [chore for domain in plan.domains for chore in domain.chores]
        self._versions = self._now()
        self._content = pickled(plan)

    def content(self) -> bytes:
        """The plan of now. Raises DeclarationError when it cannot be pickled."""
        now = self._now()  # before the pickling: what changes in between is sent the next time
        if now != self._versions:
            self._content, self._versions = pickled(self._plan), now
        return self._content

    def _now(self) -> list[object]:
        return [chore.version() for chore in self._chores]


def written(plan: Plan, library: Any) -> bytes:
    """What tasks need of a plan. Feeds, pages and endpoints stay here: they may hold locks and connections."""

    class Pickler(library.CloudPickler):  # type: ignore[misc]  # the library has no types
        def reducer_override(self, thing: Any) -> Any:
            return (type(None), ()) if isinstance(thing, Feed) else super().reducer_override(thing)

    sink = io.BytesIO()
    Pickler(sink).dump(replace(plan, domains=()))
    return sink.getvalue()


def cloudpickle() -> Any:
    """The pickler that comes with Spark. Raises MissingExtraError."""
    try:
        from pyspark import cloudpickle as library
    except ImportError as error:
        raise MissingExtraError(
            "The Spark engine needs the package pyspark.", next="Install wayside with the extra: wayside[spark]."
        ) from error
    return library


def modules(plan: Plan) -> list[ModuleType]:
    """The modules in which the records and transforms of a plan stand."""
    names = {flow.record.__module__ for flow in plan.flows.values()}
    names |= {getattr(flow.transform, "__module__", "") for flow in plan.flows.values() if isinstance(flow, Stream)}
    return [sys.modules[name] for name in sorted(names) if name in sys.modules and name != "__main__"]


def importable(module: ModuleType) -> bool:
    """Whether a fresh interpreter with our module path would find the module's package."""
    return PathFinder.find_spec(module.__name__.partition(".")[0]) is not None
