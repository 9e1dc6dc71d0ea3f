"""Lines on the ground: how far along a line a place is, and where on a line a distance is.

Latitudes and longitudes are degrees (WGS 84), distances metres, bearings degrees clockwise from north. A line is laid
out on a plane around its own middle; for lines of up to a few hundred kilometres the error is below one per mille.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

RADIUS = 6_371_008.8
"""Mean radius of the earth."""
Numbers = NDArray[np.float64]


def distance(lat: ArrayLike, lon: ArrayLike, other_lat: ArrayLike, other_lon: ArrayLike) -> Numbers:
    """Great-circle distances between places and others, in metres."""
    a, b = np.radians(np.asarray(lat, float)), np.radians(np.asarray(other_lat, float))
    half = np.sin((b - a) / 2) ** 2
    turn = np.radians(np.asarray(other_lon, float) - np.asarray(lon, float))
    root = half + np.cos(a) * np.cos(b) * np.sin(turn / 2) ** 2
    return np.asarray(2 * RADIUS * np.arcsin(np.sqrt(np.clip(root, 0.0, 1.0))))


@dataclass(frozen=True)
class Placed:
    """A place on a line: metres from the line's start, and metres from the line to the place that was asked about."""

    along: float
    off: float


class LineString:
    """A line through at least two places. Raises ValueError for fewer, or for numbers that are not finite."""

    def __init__(self, lat: ArrayLike, lon: ArrayLike) -> None:
        self.lat: Numbers = np.asarray(lat, float)
        self.lon: Numbers = np.asarray(lon, float)
        if self.lat.shape != self.lon.shape or self.lat.ndim != 1 or len(self.lat) < 2:
            raise ValueError("A line needs as many latitudes as longitudes, and two at least.")
        if not (np.isfinite(self.lat).all() and np.isfinite(self.lon).all()):
            raise ValueError("A line's places must be finite numbers.")
        self._origin = (float(self.lat.mean()), float(self.lon.mean()))
        self._x, self._y = self._plane(self.lat, self.lon)
        steps = np.hypot(np.diff(self._x), np.diff(self._y))
        self.along: Numbers = np.concatenate([[0.0], np.cumsum(steps)])

    def __len__(self) -> int:
        return len(self.lat)

    @property
    def length(self) -> float:
        """Metres from the first place to the last."""
        return float(self.along[-1])

    def at(self, along: ArrayLike) -> tuple[Numbers, Numbers, Numbers]:
        """Latitudes, longitudes and bearings at distances along the line; those beyond an end are at that end."""
        wanted = np.clip(np.asarray(along, float), 0.0, self.length)
        lat, lon = np.interp(wanted, self.along, self.lat), np.interp(wanted, self.along, self.lon)
        part = np.clip(np.searchsorted(self.along, wanted, side="right") - 1, 0, len(self._bearings) - 1)
        return lat, lon, self._bearings[part]

    def locate(self, lat: float, lon: float, *, after: float = 0.0, before: float | None = None) -> Placed:
        """The nearest place of the part of the line between two distances (the whole line unless given).

        Where a line passes the same spot twice, `after` and `before` say which of the passes is meant.
        """
        low = float(np.clip(after, 0.0, self.length))
        high = self.length if before is None else float(np.clip(before, low, self.length))
        alongs, offs = self._project(lat, lon, low, high)
        best = int(np.argmin(offs))
        return Placed(float(alongs[best]), float(offs[best]))

    def passes(self, lat: float, lon: float, within: float) -> list[Placed]:
        """Where the line comes by within so many metres of a place: each nearest spot between going away again."""
        alongs, offs = self._project(lat, lon, 0.0, self.length)
        coming = np.concatenate([[True], offs[1:] <= offs[:-1]])
        going = np.concatenate([offs[:-1] < offs[1:], [True]])
        nearest = np.flatnonzero(coming & going & (offs <= within))
        return [Placed(float(alongs[index]), float(offs[index])) for index in nearest]

    def part(self, start: float, end: float) -> tuple[Numbers, Numbers]:
        """The places of the line between two distances, both ends included."""
        inner = (self.along > start) & (self.along < end)
        lat, lon, _ = self.at([start, end])
        return (
            np.concatenate([lat[:1], self.lat[inner], lat[1:]]),
            np.concatenate([lon[:1], self.lon[inner], lon[1:]]),
        )

    @cached_property
    def _bearings(self) -> Numbers:
        """The direction of each segment; one of no length goes on in the direction of the one before."""
        x, y = np.diff(self._x), np.diff(self._y)
        found = np.degrees(np.arctan2(x, y)) % 360.0
        still = (x == 0.0) & (y == 0.0)
        if still.any() and not still.all():
            known = np.where(still, -1, np.arange(len(x)))
            found = found[np.maximum(np.maximum.accumulate(known), int(np.argmin(still)))]
        return np.asarray(found)

    def _plane(self, lat: ArrayLike, lon: ArrayLike) -> tuple[Numbers, Numbers]:
        """Metres east and north of the line's middle."""
        middle_lat, middle_lon = self._origin
        x = np.radians(np.asarray(lon, float) - middle_lon) * RADIUS * np.cos(np.radians(middle_lat))
        return np.asarray(x), np.asarray(np.radians(np.asarray(lat, float) - middle_lat) * RADIUS)

    def _project(self, lat: float, lon: float, low: float, high: float) -> tuple[Numbers, Numbers]:
        """For each segment: the distance of its nearest place within [low, high] along the line, and metres to it."""
        x, y = self._plane(lat, lon)
        dx, dy = np.diff(self._x), np.diff(self._y)
        square = dx * dx + dy * dy
        share = ((x - self._x[:-1]) * dx + (y - self._y[:-1]) * dy) / np.where(square > 0, square, 1.0)
        size = np.sqrt(square)
        along = np.clip(self.along[:-1] + np.clip(share, 0.0, 1.0) * size, low, high)
        inside = np.clip((along - self.along[:-1]) / np.where(size > 0, size, 1.0), 0.0, 1.0)
        off = np.hypot(x - self._x[:-1] - inside * dx, y - self._y[:-1] - inside * dy)
        outside = (self.along[1:] < low) | (self.along[:-1] > high)
        return along, np.asarray(np.where(outside, np.inf, off))


def rounded(line: LineString, tolerance: float) -> tuple[Numbers, Numbers]:
    """The line with fewer places, none of those left out further than `tolerance` metres from it (Douglas-Peucker)."""
    keep = np.zeros(len(line), bool)
    keep[[0, -1]] = True
    waiting = [(0, len(line) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        x, y = line._x[first : last + 1], line._y[first : last + 1]
        dx, dy = x[-1] - x[0], y[-1] - y[0]
        square = float(dx * dx + dy * dy)
        share = np.clip(((x - x[0]) * dx + (y - y[0]) * dy) / (square or 1.0), 0.0, 1.0)
        off = np.hypot(x - x[0] - share * dx, y - y[0] - share * dy)
        worst = int(np.argmax(off))
        if off[worst] > tolerance:
            keep[first + worst] = True
            waiting += [(first, first + worst), (first + worst, last)]
    return line.lat[keep], line.lon[keep]
