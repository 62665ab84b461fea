"""What the disk's watch counts in the journal: how much was received, how much waits, how many rows there are."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

_BY_DEVICE = """
SELECT coalesce(sum(received), 0), coalesce(sum(waiting), 0), coalesce(sum(received_each), 0), coalesce(sum(waiting_each), 0)
FROM (
  SELECT max(received) AS received, max(waiting) AS waiting, sum(received) AS received_each, sum(waiting) AS waiting_each
  FROM (
    SELECT device, sum(n) FILTER (WHERE what = 'received') AS received,
      sum(CASE WHEN what = 'received' THEN n WHEN what = 'delivered' OR what GLOB '*:*' THEN -n ELSE 0 END) AS waiting
    FROM tally GROUP BY device, destination)
  GROUP BY device)
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts of reports, from the tally: the rows themselves are too many to be counted every two seconds."""

    received: int
    """That some destination takes; of several destinations of a device the one with most."""
    waiting: int
    """Of these, not done with at the destination that is furthest behind."""
    received_each: int
    """Once for each destination."""
    waiting_each: int


def facts(conn: sqlite3.Connection) -> Facts:
    """The counts now."""
    return Facts(*(max(0, int(n)) for n in conn.execute(_BY_DEVICE).fetchone()))


def rows(conn: sqlite3.Connection) -> int:
    """Reports that the journal holds; a tenth of a second a million."""
    (found,) = conn.execute("SELECT count(*) FROM reports").fetchone()
    return int(found)
