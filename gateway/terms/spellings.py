"""Unit texts as devices write them, and the UCUM unit each means."""

from __future__ import annotations

from functools import cache

from gateway.terms import checks
from gateway.terms.entries import Spelling
from gateway.terms.reading import rows

TABLE = "unit_spellings.csv"
COLUMNS = ("spelling", "ucum", "danger", "note", "source")


@cache
def spellings() -> dict[str, Spelling]:
    """Spellings by their exact text. Raises ConfigError for a text that stands there twice or means no UCUM unit."""
    found: dict[str, Spelling] = {}
    for row in rows(TABLE, COLUMNS):
        text, ucum, danger, note, _ = row.fields
        if text.strip() in found:
            raise row.wrong("the spelling stands there twice")
        if ucum:
            checks.unit_dimension(row, ucum)
        found[text.strip()] = Spelling(ucum or None, ": ".join(part for part in (danger, note if danger else "") if part))
    return found
