"""The Record class: the class body is the schema."""

from __future__ import annotations

import inspect
import sys
import typing
from datetime import datetime
from typing import Any, ClassVar

import polars as pl

from wayside.errors import DeclarationError
from wayside.record.fields import FieldSpec, resolve
from wayside.record.rules import Rule, field_rules, time_rule


class Record:
    """A typed, documented row. Subclass it and name its key and event time:

        class Reading(Record, key=("thing", "property"), time="at"):
            "One value of one property of one thing."
            thing: str = field(max_length=64)
            property: str
            at: datetime
            value: float = field(unit="Cel")

    The class itself is the description; rows live in frames of `Record.schema()`, never in instances.
    """

    fields: ClassVar[dict[str, FieldSpec]] = {}
    key: ClassVar[tuple[str, ...]] = ()
    time: ClassVar[str | None] = None
    row_rules: ClassVar[tuple[Rule, ...]] = ()

    def __init_subclass__(cls, *, key: str | tuple[str, ...] = (), time: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if not cls.__doc__:
            raise DeclarationError(
                f"The record {cls.__name__} has no docstring.",
                where=place(cls),
                next="Say in one sentence what one row of it tells.",
            )
        cls.fields = read_fields(cls)
        cls.key = (key,) if isinstance(key, str) else tuple(key)
        cls.time = time
        check_names(cls)
        cls.row_rules = tuple(read_rules(cls))
        check_rules(cls)

    @classmethod
    def schema(cls) -> pl.Schema:
        """Polars schema: one column per field, times as microseconds in UTC."""
        return pl.Schema({name: spec.polars for name, spec in cls.fields.items()})

    @classmethod
    def empty(cls) -> pl.DataFrame:
        """A frame of this record without rows."""
        if cls not in EMPTY:
            EMPTY[cls] = pl.DataFrame(schema=cls.schema())
        return EMPTY[cls].clone()

    @classmethod
    def rules(cls, received: datetime | None = None) -> list[Rule]:
        """All constraints in the order of judgement. With `received`, event times are bounded by that moment."""
        rules = [rule for name, spec in cls.fields.items() for rule in field_rules(spec, key=name in cls.key)]
        if received is not None and cls.time is not None:
            rules.append(time_rule(cls.time, received))
        return [*rules, *cls.row_rules]

    @classmethod
    def units(cls) -> dict[str, str]:
        """Unit by field, for the fields that carry one."""
        return {name: spec.unit for name, spec in cls.fields.items() if spec.unit}


EMPTY: dict[type[Record], pl.DataFrame] = {}
"""Frames without rows, made once: it takes as long as judging a small batch does."""


def place(cls: type) -> str:
    """`module.Class`, the way errors name a record."""
    return f"{cls.__module__}.{cls.__qualname__}"


def read_fields(cls: type[Record]) -> dict[str, FieldSpec]:
    """Fields of the bases first, then those of the class body."""
    found: dict[str, FieldSpec] = {}
    for base in reversed(cls.__mro__):
        own = inspect.get_annotations(base) if issubclass(base, Record) and base is not Record else {}
        for name, text in own.items():
            annotation = evaluate(base, text)
            if typing.get_origin(annotation) is ClassVar:
                continue
            given = base.__dict__.get(name, FieldSpec())
            if not isinstance(given, FieldSpec):
                raise DeclarationError(
                    f"The field {name!r} has a default value, which a record cannot have.",
                    where=f"{place(cls)}.{name}",
                    next="Use `| None` for a field that may be absent, and field(...) for constraints.",
                )
            found[name] = resolve(place(cls), name, annotation, given)
    if not found:
        raise DeclarationError(f"The record {cls.__name__} has no fields.", where=place(cls))
    return found


def evaluate(base: type, annotation: Any) -> Any:
    """Resolve an annotation that `from __future__ import annotations` left as text."""
    if not isinstance(annotation, str):
        return annotation
    scope = {**vars(typing), "datetime": datetime, **vars(sys.modules[base.__module__])}
    try:
        return eval(annotation, scope)  # noqa: S307  # the text is the class body's own source, not input
    except NameError as error:
        raise DeclarationError(
            f"The annotation {annotation!r} cannot be resolved: {error}.", where=place(base)
        ) from error


def check_names(cls: type[Record]) -> None:
    """Key and time must be fields, of fitting types and not optional."""
    known = ", ".join(cls.fields)
    for name in cls.key:
        spec = cls.fields.get(name)
        if spec is None:
            raise DeclarationError(f"The key {name!r} is not a field.", where=place(cls), why=f"Fields: {known}.")
        if spec.optional or spec.kind not in ("str", "int"):
            raise DeclarationError(f"The key {name!r} must be a required str or int.", where=place(cls))
    if cls.time is None:
        return
    spec = cls.fields.get(cls.time)
    if spec is None or spec.kind != "time" or spec.optional:
        found = "no such field" if spec is None else f"{'optional ' if spec.optional else ''}{spec.kind}"
        raise DeclarationError(
            f"The event time {cls.time!r} must be a required datetime.",
            where=place(cls),
            why=f"Found: {found}. Fields: {known}.",
        )


def read_rules(cls: type[Record]) -> list[Rule]:
    """Row rules of the class body, named after their functions."""
    rules = []
    for name, member in inspect.getmembers(cls, predicate=inspect.isfunction):
        if getattr(member, "__wayside_rule__", False):
            text = inspect.getdoc(member) or name.replace("_", " ")
            rules.append(Rule(name, text, member()))
    return rules


def check_rules(cls: type[Record]) -> None:
    """Every rule must be a boolean over the record's own columns."""
    for rule in cls.row_rules:
        try:
            found = cls.empty().select(rule.keeps.alias("keeps")).schema["keeps"]
        except pl.exceptions.PolarsError as error:
            raise DeclarationError(
                f"The rule {rule.name!r} cannot be computed: {error}.",
                where=place(cls),
                why=f"Fields: {', '.join(cls.fields)}.",
            ) from error
        if found != pl.Boolean:
            raise DeclarationError(
                f"The rule {rule.name!r} must be true or false.", where=place(cls), why=f"Got {found}."
            )
