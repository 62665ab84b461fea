"""Lots in words, for messages that have no segment for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.model import Material

_KINDS: Final = {"CO": "control", "RC": "calibrator", "DI": "diluent"}
"""HL7 table 0384; everything else is a reagent to who reads it."""


def in_words(materials: Iterable[Material], notes: Sequence[str]) -> list[str]:
    """Each lot that no note tells already."""
    return [_words(one) for one in materials if one.lot and not any(one.lot in note for note in notes)]


def _words(material: Material) -> str:
    level = f"level {material.level}" if material.level else ""
    day = material.expires[:8]
    expires = f"expires {day[:4]}-{day[4:6]}-{day[6:]}" if len(day) == 8 else ""
    told = " ".join(filter(None, (material.name, f"lot {material.lot}", level, expires)))
    return f"{_KINDS.get(material.kind, 'reagent')}: {told}"
