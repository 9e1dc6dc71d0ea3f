"""One field of a record: its type, its constraints, its unit and its words."""

from __future__ import annotations

import re
import types
import typing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Union
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from wayside.errors import DeclarationError
from wayside.specs import TIME

Kind = Literal["str", "int", "float", "bool", "time"]
KINDS: dict[type, Kind] = {str: "str", int: "int", float: "float", bool: "bool", datetime: "time"}
POLARS: dict[Kind, pl.DataType] = {
    "str": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "time": TIME,
}
KEY_LENGTH = 128
TEXT_LENGTH = 262_144


@dataclass(frozen=True)
class FieldSpec:
    """What is known of a field once its record is declared. Lengths count characters."""

    name: str = ""
    kind: Kind = "str"
    optional: bool = False
    choices: tuple[str, ...] = ()
    doc: str = ""
    unit: str = ""
    ge: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    zone: str | None = None
    example: Any = None

    @property
    def polars(self) -> pl.DataType:
        return POLARS[self.kind]


def field(
    *,
    doc: str = "",
    unit: str = "",
    ge: float | None = None,
    le: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    zone: str | None = None,
    example: Any = None,
) -> Any:
    """Describe a field beyond its type.

    `unit` is a UCUM code. `ge` and `le` bound a number, both included. Lengths count characters, `pattern` is a
    regular expression that the whole text must match. `zone` is the IANA time zone in which times without an offset
    are understood; without it such times are rejected.
    """
    return FieldSpec(
        doc=doc,
        unit=unit,
        ge=ge,
        le=le,
        min_length=min_length,
        max_length=max_length,
        pattern=pattern,
        zone=zone,
        example=example,
    )


def resolve(owner: str, name: str, annotation: Any, given: FieldSpec) -> FieldSpec:
    """The spec of a declared field. Raises DeclarationError when type and constraints do not fit each other."""
    where = f"{owner}.{name}"
    inner, optional = unwrap(annotation)
    choices: tuple[str, ...] = ()
    if typing.get_origin(inner) is Literal:
        choices = typing.get_args(inner)
        if not all(isinstance(choice, str) for choice in choices):
            raise DeclarationError("A Literal of a record may hold strings only.", where=where, why=f"Got {inner}.")
        inner = str
    if inner not in KINDS:
        raise DeclarationError(
            f"A record cannot have a field of type {getattr(inner, '__name__', inner)!r}.",
            where=where,
            why=f"Required: one of {', '.join(t.__name__ for t in KINDS)} or a Literal of strings, or `| None`.",
            next="Split nested data into fields, or keep it as text.",
        )
    spec = replace(given, name=name, kind=KINDS[inner], optional=optional, choices=choices)
    check(spec, where)
    return spec


def unwrap(annotation: Any) -> tuple[Any, bool]:
    """`float | None` is (float, True)."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        rest = [part for part in typing.get_args(annotation) if part is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False


def check(spec: FieldSpec, where: str) -> None:
    """Refuse constraints that the type cannot carry."""
    numeric = spec.kind in ("int", "float")
    if (spec.ge is not None or spec.le is not None) and not numeric:
        raise DeclarationError("`ge` and `le` bound numbers only.", where=where, why=f"The field is {spec.kind}.")
    if spec.ge is not None and spec.le is not None and spec.ge > spec.le:
        raise DeclarationError("`ge` is greater than `le`: no value can pass.", where=where)
    lengths = (spec.min_length, spec.max_length, spec.pattern)
    if any(bound is not None for bound in lengths) and spec.kind != "str":
        raise DeclarationError("Lengths and patterns are for text only.", where=where, why=f"The field is {spec.kind}.")
    if spec.pattern is not None:
        check_pattern(spec.pattern, where)
    if spec.unit and not numeric:
        raise DeclarationError("Only numbers carry a unit.", where=where, why=f"The field is {spec.kind}.")
    if spec.zone is not None:
        if spec.kind != "time":
            raise DeclarationError("Only times have a zone.", where=where, why=f"The field is {spec.kind}.")
        try:
            ZoneInfo(spec.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise DeclarationError(f"{spec.zone!r} is not an IANA time zone.", where=where) from error


def check_pattern(pattern: str, where: str) -> None:
    """The pattern must be valid both for Python (JSON Schema) and for the frame engine."""
    try:
        re.compile(pattern)
        pl.Series(["x"]).str.contains(pattern)
    except (re.error, pl.exceptions.PolarsError) as error:
        raise DeclarationError(f"The pattern {pattern!r} is not valid: {error}.", where=where) from error
