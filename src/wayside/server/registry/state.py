"""What the registry knows: the fold of its topic's rows. Every replica that folds the same log knows the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import msgspec
import polars as pl

from wayside.specs import TIME, TopicSpec

TOPIC = "_schemas"
SPEC = TopicSpec(
    name=TOPIC,
    schema=pl.Schema({"revision": pl.Int64(), "at": TIME, "changes": pl.String()}),
    time="at",
    retention_age=None,  # ids are never given twice, so nothing of this log may be forgotten
    dedup_horizon=timedelta(hours=1),
)
Kind = Literal["schema", "delete", "erase", "config", "mode"]
DEFAULT_LEVEL = "BACKWARD"
DEFAULT_MODE = "READWRITE"


class Change(msgspec.Struct, array_like=True, frozen=True):
    """One change. `schema` gives version `version` of a subject the schema `id` with the text `body`; `delete` and
    `erase` take that version away, softly or for good; `config` and `mode` set `body`, or take the setting away when it
    is empty. The empty subject stands for all.
    """

    kind: Kind
    subject: str
    version: int = 0
    id: int = 0
    body: str = ""


decode = msgspec.json.Decoder(list[Change]).decode


@dataclass
class Version:
    """One version of a subject."""

    version: int
    id: int
    deleted: bool = False


@dataclass
class State:
    """Subjects with their versions, schemas by id, and settings by subject."""

    revision: int = 0
    next_id: int = 1
    size: int = 0
    texts: dict[int, str] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    subjects: dict[str, dict[int, Version]] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)

    def apply(self, revision: int, changes: str) -> bool:
        """Take a row of the topic in: changes that belong together, as JSON, and the revision that their author saw.

        False when somebody else's came before them, and then they never happened.
        """
        if revision != self.revision:
            return False
        self.revision += 1
        for change in decode(changes):
            self.take(change)
        return True

    def take(self, change: Change) -> None:
        """Make one change."""
        match change.kind:
            case "schema":
                self.size += 0 if change.id in self.texts else len(change.body)
                self.texts[change.id] = change.body
                self.ids[change.body] = change.id
                self.next_id = max(self.next_id, change.id + 1)
                versions = self.subjects.setdefault(change.subject, {})
                versions[change.version] = Version(change.version, change.id)
            case "delete":
                self.subjects[change.subject][change.version].deleted = True
            case "erase":
                versions = self.subjects[change.subject]
                del versions[change.version]
                if not versions:
                    del self.subjects[change.subject]
            case "config":
                put(self.levels, change)
            case "mode":
                put(self.modes, change)

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """The versions of a subject in order."""
        found = self.subjects.get(subject, {})
        return [found[number] for number in sorted(found) if deleted or not found[number].deleted]

    def places(self, schema_id: int, *, deleted: bool = False) -> Iterable[tuple[str, Version]]:
        """Subjects and versions that have a schema."""
        for subject in sorted(self.subjects):
            for version in self.versions(subject, deleted=deleted):
                if version.id == schema_id:
                    yield subject, version

    def level(self, subject: str) -> str:
        """The compatibility level that holds for a subject."""
        return self.levels.get(subject) or self.levels.get("") or DEFAULT_LEVEL

    def mode(self, subject: str) -> str:
        """The mode that holds for a subject."""
        return self.modes.get(subject) or self.modes.get("") or DEFAULT_MODE


def put(settings: dict[str, str], change: Change) -> None:
    """Set or take away a setting."""
    if change.body:
        settings[change.subject] = change.body
    else:
        settings.pop(change.subject, None)
