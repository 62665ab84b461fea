"""INV segments: the lots that results were made with or checked against."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from drivers.lab.hl7_places import NULL
from drivers.lab.places import FIELD_MAX
from drivers.lab.results import NOTES_MAX
from drivers.lab.values import shown
from gateway.model import Material
from protocols.hl7v2.message import Segment

_DIGITS = re.compile(r"\d{8}(?:\d{6})?")


def materials(attached: Iterable[Segment]) -> tuple[Material, ...]:
    """The lots that INV segments name."""
    found = (_material(segment) for segment in attached if segment.name == "INV")
    return tuple(islice((one for one in found if one.name or one.lot), NOTES_MAX))


def _material(inv: Segment) -> Material:
    """INV-1 what, INV-3 of which sort, INV-12 until when, INV-16 which lot; HL7's null is nothing."""
    name, text, kind, lot = (
        "" if said == NULL else said[:FIELD_MAX]
        for said in (inv.text(1).strip(), inv.text(1, 2).strip(), inv.text(3).strip(), inv.text(16).strip())
    )
    expires = _DIGITS.match(inv.text(12).strip())
    return Material(name=name or text, kind=kind, lot=lot, expires=expires[0] if expires else "")


def material_words(inv: Segment) -> str:
    """The same for people."""
    lot, expires = inv.text(16).strip(), inv.text(12).strip()[:8]
    parts = [inv.text(1).strip(), inv.text(1, 2).strip(), lot and f"lot {lot}", expires and f"expires {expires}"]
    said = " ".join(part for part in parts if part and part != NULL)
    return shown(f"material: {said}") if said else ""
