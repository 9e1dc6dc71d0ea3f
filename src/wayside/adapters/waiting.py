"""How long to wait before a source is asked again: politely, and ever longer while it fails."""

from __future__ import annotations

import email.utils
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_ASKED = 3_600.0
"""A source that asks to be left alone for longer is asked again after this many seconds all the same."""
SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class Backoff:
    """Between `shortest` and ever longer, up to `longest` seconds: doubled with each failure, with full jitter."""

    shortest: float = 1.0
    longest: float = 300.0

    def seconds(self, failures: int, chance: random.Random) -> float:
        """Seconds to wait after so many failures in a row (at least one)."""
        most = min(self.longest, self.shortest * 2.0 ** min(failures, 40))
        return chance.uniform(self.shortest, max(self.shortest, most))


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date; null for none that can be understood."""
    if not header:
        return None
    text = header.strip()
    if SECONDS.fullmatch(text):
        return min(float(text), LONGEST_ASKED)
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    moment = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_ASKED)
