"""What the registry decides: which schema may be registered, which version there is, what may be deleted."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from wayside.server.compat import RefusalError
from wayside.server.registry import refusals
from wayside.server.registry.state import Change, State, Version
from wayside.wire.canonical import canonical
from wayside.wire.compatibility import differences
from wayside.wire.nodes import AvroError, Node, parse

LEVELS = (
    "NONE", "BACKWARD", "FORWARD", "FULL", "BACKWARD_TRANSITIVE", "FORWARD_TRANSITIVE", "FULL_TRANSITIVE",
)  # fmt: skip
MODES = ("READWRITE", "READONLY", "READONLY_OVERRIDE")
LATEST = -1
LONGEST_SUBJECT = 255
LONGEST_SCHEMA = 256 * 1024
MOST_TEXT = 64 * 1024 * 1024
"""Letters of all schemas together, which are kept in memory."""
_VERSION = re.compile(r"[0-9]{1,10}")
Decision = tuple[Sequence[Change], Any]


class Registered(NamedTuple):
    """Id and version of a schema, and whether it is new."""

    id: int
    version: int


cached_parse = functools.lru_cache(maxsize=64)(parse)


def schema_text(text: str) -> str:
    """The canonical text of a schema. Raises RefusalError 42201, 42209."""
    if len(text) > LONGEST_SCHEMA:
        raise RefusalError(42209, f"Schema is too large: it has {len(text):,} letters, {LONGEST_SCHEMA:,} are allowed.")
    return canonical(node_of(text))


def node_of(text: str) -> Node:
    """The schema that a text holds. Raises RefusalError 42201."""
    try:
        return cached_parse(text)
    except AvroError as error:
        raise refusals.invalid_schema(f"{error.what}{f' At {error.where}.' if error.where else ''}") from error


def check_subject(subject: str) -> None:
    """Raise RefusalError 42208 for a name that cannot be a subject."""
    if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise refusals.invalid_subject(subject)


def version_number(text: str) -> int:
    """`latest` and -1 are the newest. Raises RefusalError 42202."""
    if text in ("latest", "-1"):
        return LATEST
    if not _VERSION.fullmatch(text) or not 0 < int(text) < 2**31:
        raise refusals.invalid_version(text)
    return int(text)


# -- finding -----------------------------------------------------------------------------------------------------------


def find(state: State, subject: str, version: int, *, deleted: bool = False) -> Version:
    """A version of a subject. Raises RefusalError 40401, 40402."""
    found = state.versions(subject, deleted=deleted)
    if not found:
        raise refusals.no_subject(subject)
    if version == LATEST:
        return found[-1]
    for each in found:
        if each.version == version:
            return each
    raise refusals.no_version(version)


def lookup(state: State, subject: str, text: str, *, deleted: bool = False) -> Version:
    """The version of a subject that has this schema. Raises RefusalError 40401, 40403."""
    found = state.versions(subject, deleted=deleted)
    if not found:
        raise refusals.no_subject(subject)
    for each in reversed(found):
        if state.texts[each.id] == text:
            return each
    raise refusals.no_schema()


# -- registering -------------------------------------------------------------------------------------------------------


def register(subject: str, text: str) -> Callable[[State], Decision]:
    """Make a schema the newest version of a subject; what is there already is left as it is."""
    check_subject(subject)

    def decide(state: State) -> Decision:
        for each in reversed(state.versions(subject)):
            if state.texts[each.id] == text:
                return [], Registered(each.id, each.version)
        writable(state, subject)
        if text not in state.ids and state.size + len(text) > MOST_TEXT:
            raise RefusalError(42209, f"The registry is full: its schemas have {state.size:,} letters already.")
        details = problems(state, subject, text, state.versions(subject))
        if details:
            raise refusals.incompatible(subject, details)
        version = max((each.version for each in state.versions(subject, deleted=True)), default=0) + 1
        found = Registered(state.ids.get(text, state.next_id), version)
        return [Change("schema", subject, version, found.id, text)], found

    return decide


def problems(state: State, subject: str, text: str, earlier: Sequence[Version]) -> list[str]:
    """Why a schema cannot follow the earlier versions at the level that holds for its subject; newest first."""
    level = state.level(subject)
    if level == "NONE" or not earlier:
        return []
    chosen = earlier if level.endswith("_TRANSITIVE") else earlier[-1:]
    for version in reversed(chosen):
        old = state.texts[version.id]
        found = [str(each) for each in compare(level, text, old)]
        if found:
            return [
                *found,
                f"{{oldSchemaVersion: {version.version}}}",
                f"{{oldSchema: '{old}'}}",
                f"{{compatibility: '{level}'}}",
            ]
    return []


def compare(level: str, new: str, old: str) -> Iterable[Any]:
    """Differences that matter at a level."""
    new_node, old_node = node_of(new), cached_parse(old)
    if level.startswith(("BACKWARD", "FULL")):
        yield from differences(new_node, old_node)
    if level.startswith(("FORWARD", "FULL")):
        yield from differences(old_node, new_node, reader_is_new=False)


def compatible(state: State, subject: str, text: str, version: int | None) -> list[str]:
    """Problems of a schema with one version of a subject, or with those that its level names.

    Raises RefusalError 40401, 40402; a subject without versions is compatible with everything as its latest.
    """
    if version in (None, LATEST) and not state.versions(subject):
        return []
    earlier = state.versions(subject) if version is None else [find(state, subject, version)]
    return problems(state, subject, text, earlier)


# -- deleting ----------------------------------------------------------------------------------------------------------


def delete_subject(subject: str, *, permanent: bool) -> Callable[[State], Decision]:
    """Delete all versions; the result are their numbers."""

    def decide(state: State) -> Decision:
        every, live = state.versions(subject, deleted=True), state.versions(subject)
        if not every:
            raise refusals.no_subject(subject)
        writable(state, subject)
        if permanent:
            if live:
                raise refusals.not_soft_deleted(subject)
            return [Change("erase", subject, each.version) for each in every], [each.version for each in every]
        if not live:
            raise refusals.soft_deleted(subject)
        changes = [Change("delete", subject, each.version) for each in live]
        changes += [Change("config", subject)] if subject in state.levels else []
        changes += [Change("mode", subject)] if subject in state.modes else []
        return changes, [each.version for each in live]

    return decide


def delete_version(subject: str, version: int, *, permanent: bool) -> Callable[[State], Decision]:
    """Delete one version; the result is its number."""

    def decide(state: State) -> Decision:
        found = find(state, subject, version, deleted=version != LATEST)
        writable(state, subject)
        if permanent:
            if not found.deleted:
                raise refusals.not_soft_deleted(subject, found.version)
            return [Change("erase", subject, found.version)], found.version
        if found.deleted:
            raise refusals.soft_deleted(subject, found.version)
        return [Change("delete", subject, found.version)], found.version

    return decide


# -- settings ----------------------------------------------------------------------------------------------------------


def set_level(subject: str, level: Any) -> Callable[[State], Decision]:
    """Set the compatibility level of a subject, or with an empty subject of all. Raises RefusalError 42203."""
    wanted = level.upper() if isinstance(level, str) else ""
    if wanted not in LEVELS:
        raise RefusalError(42203, refusals.INVALID_LEVEL)
    return lambda state: ([Change("config", subject, body=wanted)], wanted)


def unset_level(subject: str) -> Callable[[State], Decision]:
    """Take a level away; the result is the one that held. Raises RefusalError 40408."""

    def decide(state: State) -> Decision:
        if subject and subject not in state.levels:
            raise refusals.no_level(subject)
        return [Change("config", subject)], state.level(subject)

    return decide


def set_mode(subject: str, mode: Any) -> Callable[[State], Decision]:
    """Set the mode of a subject, or with an empty subject of all. Raises RefusalError 42204, 42205."""
    wanted = mode.upper() if isinstance(mode, str) else ""
    if wanted in ("IMPORT", "FORWARD"):
        raise RefusalError(42205, f"The mode {wanted} is not supported: ids are given by this registry alone.")
    if wanted not in MODES:
        raise RefusalError(42204, refusals.INVALID_MODE)
    return lambda state: ([Change("mode", subject, body=wanted)], wanted)


def unset_mode(subject: str) -> Callable[[State], Decision]:
    """Take a mode away; the result is the one that held. Raises RefusalError 40409."""

    def decide(state: State) -> Decision:
        if subject not in state.modes:
            raise refusals.no_mode(subject)
        return [Change("mode", subject)], state.mode(subject)

    return decide


def writable(state: State, subject: str) -> None:
    """Raise RefusalError 42205 where nothing may be changed."""
    if state.mode(subject) != "READWRITE":
        raise refusals.read_only(subject)
