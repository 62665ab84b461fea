"""Which run of a gateway gave out which report numbers: a message id is the run's epoch and the report's number.

An epoch belongs to one run, and is noted with the first report that the run keeps. So a journal that comes back from a backup,
from a copy or out of a salvage goes on under an epoch that was never used: whatever numbers were given out after the copy was
made, no message id is ever used for two reports. Reports keep their epoch, so what is sent again has its old id.
"""

from __future__ import annotations

import secrets
import sqlite3
from bisect import bisect_right

_NEXT = (
    "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'reports'), 0),"
    " coalesce((SELECT max(id) FROM reports), 0)) + 1"
)


NO_END = 2**63 - 1
"""Beyond every report number."""


def new() -> str:
    """An epoch that no run has had: 8 random hex digits."""
    return secrets.token_hex(4)


def begin(conn: sqlite3.Connection, epoch: str) -> None:
    """From the next report on it is `epoch`, inside the caller's transaction."""
    (first,) = conn.execute(_NEXT).fetchone()
    conn.execute("INSERT OR REPLACE INTO epochs (first, epoch) VALUES (?, ?)", (first, epoch))


class Epochs:
    """The epochs of the reports from `first` to `last`, of one consistent state."""

    def __init__(self, conn: sqlite3.Connection, first: int, last: int) -> None:
        self._firsts: list[int] = []
        self._epochs: list[str] = []
        for begun, epoch in conn.execute("SELECT first, epoch FROM epochs WHERE first <= ? ORDER BY first DESC", (last,)):
            self._firsts.insert(0, begun)
            self._epochs.insert(0, epoch)
            if begun <= first:
                break

    def of(self, report: int) -> str:
        """The epoch of a report; KeyError when the journal does not say."""
        index = bisect_right(self._firsts, report)
        if not index:
            raise KeyError(report)
        return self._epochs[index - 1]
