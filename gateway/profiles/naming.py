"""Words that a device's name for itself and a profile's names for it have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_WORD = re.compile(r"[a-z]+|\d+")
_NOT_TELLING = frozenset({"any", "analyzer", "analyzers", "that", "to", "the", "and", "astm", "hl", "of", "a", "series", "all"})


def in_common(says: str, names: Sequence[str]) -> tuple[str, ...]:
    """Words, and numbers with the word before them ("xn 550")."""
    mine, theirs = (set(_words(text)) for text in (says, " ".join(names)))
    return tuple(sorted(mine & theirs))


def _words(text: str) -> Iterator[str]:
    parts = _WORD.findall(text.lower())
    for n, part in enumerate(parts):
        if part.isalpha() and len(part) > 1 and part not in _NOT_TELLING:
            yield part
        elif part.isdigit() and n and parts[n - 1].isalpha():
            yield f"{parts[n - 1]} {part}"
