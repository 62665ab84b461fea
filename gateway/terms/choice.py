"""Choosing among the meanings of a maker's code: specimen, unit class, then the maker's own row before one for all makers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.terms.analytes import Meaning
from gateway.terms.ucum import dimension

_ORDINARY = frozenset({"blood", "serum/plasma", "serum", "plasma", "ppp"})
"""What an analyzer's unnamed sample may be. Urine, CSF, arterial, venous or capillary blood must be said."""

_SPECIMENS: dict[str, frozenset[str]] = {
    "bld": frozenset({"blood"}),
    "wb": frozenset({"blood"}),
    "whole blood": frozenset({"blood"}),
    "blda": frozenset({"arterial blood"}),
    "bldv": frozenset({"venous blood"}),
    "bldc": frozenset({"capillary blood"}),
    "ser": frozenset({"serum", "serum/plasma"}),
    "serum": frozenset({"serum", "serum/plasma"}),
    "plas": frozenset({"plasma", "ppp", "serum/plasma"}),
    "plasma": frozenset({"plasma", "ppp", "serum/plasma"}),
    "serum/plasma": frozenset({"serum", "plasma", "serum/plasma"}),
    "ser/plas": frozenset({"serum", "plasma", "serum/plasma"}),
    "ppp": frozenset({"ppp"}),
    "ur": frozenset({"urine"}),
    "uri": frozenset({"urine"}),
}

_WORD = re.compile(r"[^\W_]+")


def choose(meanings: Sequence[Meaning], maker: str, ucum: str | None, specimen: str, *, inferred: bool) -> Meaning | None:
    """The one meaning that remains, or None: unknown, of another unit class, or more than one."""
    wanted = specimens(specimen)
    near = [m for m in meanings if _is_maker(m.maker, maker) and m.specimen.casefold() in wanted]
    if ucum is None:
        if len({m.dimensions for m in near}) > 1:
            return None
    else:
        measured = dimension(ucum)
        near = [m for m in near if measured in m.dimensions]
    near = [m for m in near if inferred or m.loinc.confidence != "inferred"]
    most = max((len(m.maker) for m in near), default=0)
    best = [m for m in near if len(m.maker) == most]
    return best[0] if len(best) == 1 else None


def written(ucum: str, meaning: Meaning) -> str:
    """`ucum` as the analyte's property writes it: arbitrary units of hormones and markers, U of enzymes. The number stays."""
    if dimension(ucum) == dimension(meaning.ucum) or "/" not in ucum:
        return ucum
    for theirs, ours in (("U/", "[IU]/"), ("[IU]/", "U/"), ("U/", "[arb'U]/")):
        respelt = ucum.replace(theirs, ours, 1)
        if dimension(respelt) == dimension(meaning.ucum):
            return respelt
    return ucum


def specimens(text: str) -> frozenset[str]:
    """What of the tables' specimens a text may be; not said: an ordinary one."""
    text = text.strip().casefold()
    return _SPECIMENS.get(text, frozenset({text})) if text else _ORDINARY


def _is_maker(row_maker: str, maker: str) -> bool:
    """Whether the row's maker ("sysmex", "roche e411") is among the words of what the profile says ("Sysmex XN-550")."""
    if not row_maker:
        return True
    said, wanted = _WORD.findall(maker.casefold()), _WORD.findall(row_maker)
    return any(said[at : at + len(wanted)] == wanted for at in range(len(said)))
