"""Numbers as devices write them, as plain decimals with their precision kept."""

from __future__ import annotations

import re
from functools import lru_cache

_DECIMAL = re.compile(r"([+-]?)(\d*)(\.\d+)?", re.ASCII)
_SHORT = 16
"""Characters of a text that is worth remembering: readings come again and again, and none is longer."""


def decimal_text(text: str) -> str | None:
    """`text` as a plain decimal with its precision kept, or None when it is none.

    "098" gives "98", "+1.50" gives "1.50", ".5" gives "0.5"; no exponent, no digit grouping, no other script's digits.
    """
    return _remembered(text) if len(text) <= _SHORT else _decimal_text(text)


def _decimal_text(text: str) -> str | None:
    match = _DECIMAL.fullmatch(text.strip(" "))
    if match is None:
        return None
    sign, whole, fraction = match.groups(default="")
    if not whole and not fraction:
        return None
    digits = (whole.lstrip("0") or "0") + fraction
    return f"-{digits}" if sign == "-" else digits


_remembered = lru_cache(maxsize=4096)(_decimal_text)  # a ward's readings take a few thousand values: half a megabyte
