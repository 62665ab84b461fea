"""What a person decides about codes: resolve, ignore, reopen, accept what makers suggest. Checked, recorded, audited.

Each function works on a connection that may write and makes its own transaction, or joins the caller's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway import terms
from gateway.errors import ActError
from gateway.mapping import Decision, Key, Kind, Overlay
from gateway.mapping.decisions import covers, normal_unit
from gateway.mapping.fitting import kind_fault, property_of, unit_fault
from gateway.mapping.livd import Suggestion, contradiction, decisions
from gateway.store import livd, mappings
from gateway.store.database import joined
from gateway.store.livd import Row, State
from gateway.store.unmapped import Seen
from gateway.terms import properties

BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What was decided, which results that are kept it is about, and which of the code it leaves as they are."""

    decision: Decision | None
    """None: it stood so already."""
    about: tuple[Seen, ...]
    left: tuple[Seen, ...]


def resolve(conn: sqlite3.Connection, wanted: Sequence[Resolved], *, by: str) -> list[Resolved]:
    """Record what was judged, all of it or nothing; those that stood so already have no decision any more."""
    said = [one.decision for one in wanted if one.decision is not None]
    kept = {one.key: one for one in mappings.say(conn, said, by=by)}
    return [replace(one, decision=kept.get(one.decision.key) if one.decision is not None else None) for one in wanted]


def judge(wanted: Decision, codes: Sequence[Seen]) -> Resolved:
    """A decision, held against the codes that the journal holds (unmapped.seen): read before any transaction, that takes long.

    ActError when no result can be meant, when devices differ, or LOINC and unit do not agree.
    """
    seen = [one for one in codes if one.key.code == wanted.key.code]
    key = _told_apart(replace(wanted.key, unit=normal_unit(wanted.key.unit)), seen)
    meant = [one for one in seen if covers(key, one.key, one.unit)]
    wanted = replace(wanted, key=key, source=wanted.source or BY_HAND)
    wanted = wanted if wanted.ignores else _checked(wanted, meant)
    about = [one for one in meant if _concerns(wanted, one)]
    if meant and not about:
        raise ActError(_why_none(wanted, meant[0]))
    left = [one for one in seen if one.unmapped and one not in about]
    return Resolved(wanted, tuple(about), tuple(left))


def _told_apart(key: Key, seen: Sequence[Seen]) -> Key:
    """The key; where it names no device, the one maker and model that sends the code."""
    if key.device or key.maker or key.model:
        return key
    found = {(one.key.maker, one.key.model) for one in seen if one.unmapped} or {(one.key.maker, one.key.model) for one in seen}
    if not found:
        raise ActError(f"the journal holds no result {key.code!r}: say whose it is with --device, or --maker and --model")
    if len(found) > 1:
        named = "; ".join(sorted(f"{maker} {model}".strip() or "a device that does not say what it is" for maker, model in found))
        raise ActError(f"{key.code!r} is sent by {named}: say which with --device, or --maker and --model")
    maker, model = next(iter(found))
    if not (maker or model):
        devices = sorted({one.key.device for one in seen})
        raise ActError(f"{key.code!r} is sent by {', '.join(devices)}, which do not say what they are: give --device")
    return replace(key, maker=maker, model=model)


def _checked(wanted: Decision, meant: Sequence[Seen]) -> Decision:
    """The decision with its LOINC's property. ActError when LOINC, unit and sort of result do not agree."""
    wanted = replace(wanted, prop=property_of(wanted.loinc, wanted.prop))
    if terms.loinc(wanted.loinc) is None and not wanted.name:
        raise ActError(
            f"LOINC {wanted.loinc} is none that the terms hold: give its name (--name), as LOINC asks for one beside it"
        )
    if wanted.ucum and (fault := unit_fault(wanted.loinc, wanted.prop, wanted.ucum)):
        raise ActError(fault)
    if wanted.ucum and (known := next((one for one in meant if one.ucum), None)):
        raise ActError(f"the terms know the unit {known.unit!r} ({known.ucum}): leave --ucum out")
    if wanted.key.unit and not wanted.ucum and (fault := unit_fault(wanted.loinc, wanted.prop, wanted.key.unit)):
        raise ActError(fault)
    if fault := kind_fault(wanted.loinc, wanted.prop, wanted.key.result):
        raise ActError(fault)
    return wanted


def _concerns(wanted: Decision, one: Seen) -> bool:
    """Whether a decision changes what is meant, or stands for it already."""
    if not wanted.override and one.loinc and one.decided is None:
        return False
    return wanted.ignores or not _fault(wanted, one)


def _fault(wanted: Decision, one: Seen) -> str:
    if one.unit and not one.ucum and not wanted.ucum:
        return f"the terms do not know the unit {one.unit!r}: say what it means with --ucum"
    if fault := kind_fault(wanted.loinc, wanted.prop, one.key.result):
        return fault
    return unit_fault(wanted.loinc, wanted.prop, one.ucum or wanted.ucum)


def _why_none(wanted: Decision, one: Seen) -> str:
    if not wanted.override and one.loinc and one.decided is None:
        return f"{one.key.code!r} is LOINC {one.loinc} already, by the terms or its driver: --override says otherwise"
    return _fault(wanted, one)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted, the decisions that came of it, and what was left with the reason."""

    rows: tuple[Row, ...]
    decisions: tuple[Decision, ...]
    left: tuple[tuple[Row, str], ...]
    meant: int
    """How many codes of devices, that the journal holds results of, the decisions are about."""


def accept(
    conn: sqlite3.Connection,
    rows: Sequence[Row],
    codes: Sequence[Seen],
    *,
    by: str,
    about: Key | None = None,
    doubtful: bool = False,
    reason: str = "",
) -> Accepted:
    """Take makers' suggestions for decisions; doubtful ones only where they are meant one by one.

    `about`: which device, maker or model they are for, where the analyzer calls itself otherwise than its maker's file.
    """
    good, left, decided = [], [], mappings.now(conn)
    for one in rows:
        why = _objection(one, decided, doubtful=doubtful)
        if why:
            left.append((one, why))
        else:
            good.append(one)
    others: dict[str, list[Suggestion]] = {}
    for other in livd.rows(conn):
        others.setdefault(other.said.code, []).append(other.said)
    said = [
        replace(found, reason=reason)
        for row in good
        for found in decisions(row.said, others[row.said.code], _about(row, about), f"livd {row.id}: {row.file} {row.said.place}")
    ]
    meant = _meant(said, codes)
    with joined(conn):  # what takes long is done: devices commit meanwhile
        kept = mappings.say(conn, said, by=by)
        livd.settle(conn, [row.id for row in good], State.ACCEPTED, by=by)
    return Accepted(tuple(good), tuple(kept), tuple(left), meant)


def _meant(said: Sequence[Decision], codes: Sequence[Seen]) -> int:
    """How many codes of devices some of the decisions are about."""
    overlay = Overlay(said)
    return sum(any(covers(one.key, seen.key, seen.unit) for one in overlay.about(seen.key.code)) for seen in codes)


def _about(row: Row, about: Key | None) -> Key:
    if about is None or not (about.device or about.maker or about.model):
        return Key(code=row.said.code, maker=row.said.maker, model=row.said.model)
    if about.device:
        return Key(code=row.said.code, device=about.device)
    return Key(code=row.said.code, maker=about.maker or row.said.maker, model=about.model or row.said.model)


def _objection(row: Row, decided: Overlay, *, doubtful: bool) -> str:
    if row.state is not State.SUGGESTED and not doubtful:
        return f"is {row.state} already"
    if not properties.known(row.said.prop):
        return "its property is not known, so no unit can be checked: `wardlink unmapped resolve` with --property"
    if terms.loinc(row.said.loinc) is None and not row.said.name:
        return "the file gives no LOINC name beside its code: `wardlink unmapped resolve` with --name"
    if row.said.kind is Kind.ANY and not row.said.units and row.said.result and not doubtful:
        return "its result names no unit that is known"
    return "" if doubtful else "; ".join(filter(None, (*row.said.doubts, contradiction(row.said, decided.about(row.said.code)))))
