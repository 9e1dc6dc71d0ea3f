"""Work that a domain does every so often beside everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wayside.durations import duration


def unchanging() -> object:
    """The version of work that transforms do not depend on."""
    return None


@dataclass(frozen=True)
class Chore:
    """Something to do at the start and then `every` so often, like reading again what a domain looks things up in.

    `work` is given a folder of the domain's own, which outlives the process and need not be there yet. What it raises
    is told to the operator until a later turn succeeds, and it is tried again soon, then ever more rarely. Each process
    does its chores, whatever its role; nothing is computed before they were done once, unless they take very long.

    `version` tells in which state the work has left what transforms look things up in. An engine whose transforms run
    in other processes sends them there anew when it has changed, so what they refer to must travel with its content.
    """

    name: str
    every: str
    work: Callable[[Path], object]
    version: Callable[[], object] = unchanging

    @property
    def seconds(self) -> float:
        """The time between two turns. Raises ConfigError for what is no duration."""
        return duration(self.every).total_seconds()
