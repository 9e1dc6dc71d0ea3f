"""Recent commits in SQLite, for a store that other processes follow; the embedded profile keeps none."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from wayside.hot import commits
from wayside.values import Commit

CREATE = """
CREATE TABLE IF NOT EXISTS recent_commits (
    consumers TEXT NOT NULL, sequence INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (consumers, sequence)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Recent:
    """Keeps the last `number` commits of each group."""

    number: int = 0

    def keep(self, connection: apsw.Connection, group: str, commit: Commit) -> None:
        """Store a commit, and let the oldest go."""
        connection.execute(
            "INSERT OR REPLACE INTO recent_commits VALUES (?, ?, ?)", (group, commit.sequence, commits.pack(commit))
        )
        connection.execute(
            "DELETE FROM recent_commits WHERE consumers = ? AND sequence <= ?", (group, commit.sequence - self.number)
        )


def after(connection: apsw.Connection, group: str, sequence: int, limit: int) -> list[Commit]:
    """Kept commits behind a sequence number."""
    found = connection.execute(
        "SELECT body FROM recent_commits WHERE consumers = ? AND sequence > ? ORDER BY sequence LIMIT ?",
        (group, sequence, limit),
    )
    return [commits.unpack(body) for (body,) in found]
