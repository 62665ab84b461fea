"""Messages that were delivered under other codes than are decided now: found, rendered again under new ids, sent as corrections.

A correction says the same values, times and patient; its results have the identifiers they had, so that a receiver puts the new
code in the place of the old. What was final is marked as corrected (OBX-11 C, Observation.status corrected).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from gateway.deliver import editing, making
from gateway.deliver.messages import Renderer
from gateway.mapping import Overlay
from gateway.model import Gateway, Order, Report, Subject
from gateway.model import decode as decode_report
from gateway.settings.destinations import AnyDestination
from gateway.settings.hl7 import Hl7Settings
from gateway.store import identity, mappings, queued, remedies
from gateway.store.associations import Association
from gateway.store.items import State
from gateway.store.mappings import Remembered
from gateway.store.queued import Delivery, Fate, Kept
from gateway.store.remedies import By, Edit
from gateway.store.selection import HAD, Selection

AT_ONCE = 100
"""Corrections made in one transaction: some 0.1 s with their rendering before it, so that no device waits long."""
LOOKED_AT = 500
"""Deliveries read in one query."""

BY_HAND = "were written by a person: left as they are"
ANOTHER_PATIENT = "are for another patient now: `wardlink queue edit` sends these"
NOT_RENDERED = "cannot be rendered"
WITHDRAWN = "corrections that were not taken are given up: the receiver has what they would say"
UNDER_WAY = "are under way again: try once more"

_WITH_CODES = (
    "SELECT d.report, coalesce(d.mapping, 0), b.state, e.mapping, CAST(r.payload AS BLOB)"  # noqa: S608 - a constant
    " FROM deliveries d JOIN reports r ON r.id = d.report"
    " LEFT JOIN behind b ON b.destination = d.destination AND b.report = d.report LEFT JOIN edits e ON e.id = b.edit"
    f" WHERE {HAD} AND EXISTS (SELECT 1 FROM json_each(:codes) c WHERE instr(r.payload, c.value) > 0)"
    " ORDER BY d.report LIMIT :limit"
)


@dataclass(slots=True)
class Corrected:
    """What became of the messages of one destination. `left`: why to how many; `example`: what the first correction changes."""

    destination: str
    n: int = 0
    left: Counter[str] = field(default_factory=Counter)
    example: str = ""


class _Delivered(NamedTuple):
    """A report that was delivered under other codes, or of which a correction is parked that says what was delivered."""

    report: int
    under_way: bool = False
    obsolete: bool = False


def affected(conn: sqlite3.Connection, selection: Selection, codes: Sequence[str] = ()) -> Iterator[_Delivered]:
    """The reports of a selection that its destination has under other codes than are decided now; only for `codes`, if given."""
    wanted = list(codes) or sorted({one.key.code for one in mappings.history(conn)})
    texts = [f'"vendor_code":{msgspec.json.encode(code).decode()}' for code in wanted]
    decided, present, after = Remembered(), mappings.now(conn), 0

    def judged(report: int, then: int, aside: str | None, correction: int | None, payload: bytes) -> _Delivered | None:
        said, now = decode_report(payload), present
        parked = aside == State.PARKED and correction is not None
        if not _differ(said, decided.at(conn, then), now):
            return _Delivered(report, obsolete=True) if parked else None
        if correction is not None and not _differ(said, decided.at(conn, correction), now):
            return None  # the correction that is needed is under way, or was refused
        return _Delivered(report, under_way=aside is not None and not parked)

    while True:
        values = {**selection.values(after), "codes": msgspec.json.encode(texts).decode(), "limit": LOOKED_AT}
        rows = conn.execute(_WITH_CODES, values).fetchall()
        yield from filter(None, (judged(*row) for row in rows))
        if len(rows) < LOOKED_AT:
            return
        after = rows[-1][0]


def count(conn: sqlite3.Connection, selections: Sequence[Selection], codes: Sequence[str] = ()) -> dict[str, int]:
    """Destination to how many messages it has under other codes."""
    found = {one.destination: sum(not each.obsolete for each in affected(conn, one, codes)) for one in selections}
    return {destination: n for destination, n in found.items() if n}


def correct(
    conn: sqlite3.Connection,
    settings: AnyDestination,
    selection: Selection,
    by: By,
    *,
    codes: Sequence[str] = (),
    told: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Corrected:
    """Send corrections of the messages of a selection, in small transactions; with `dry_run` nothing is sent."""
    done = Corrected(selection.destination)
    maker = _Maker(conn, settings, identity.read(conn), done)
    waiting: list[Edit] = []

    def send() -> None:
        if waiting and not dry_run:
            kept = remedies.correct(conn, waiting, by, told or {})
            done.left[UNDER_WAY] += len(waiting) - kept
            done.n += kept - len(waiting)
        waiting.clear()

    found = list(affected(conn, selection, codes))
    if (obsolete := [one.report for one in found if one.obsolete]) and not dry_run:
        remedies.withdraw(conn, selection.destination, obsolete, by)
    for one in found:
        edit = maker.edit(one)
        if edit is None:
            continue
        done.n += 1
        done.example = done.example or edit.diff
        waiting.append(edit)
        if len(waiting) >= AT_ONCE:
            send()
    send()
    done.left = +done.left
    return done


class _Maker:
    """Makes the corrections of one destination."""

    def __init__(self, conn: sqlite3.Connection, settings: AnyDestination, gateway: Gateway, done: Corrected) -> None:
        self._conn, self._settings, self._done = conn, settings, done
        self._render: Renderer = making.make_renderer(settings, gateway)
        self._decided = Remembered()
        self._present = self._decided.at(conn)
        self._finals = _finals(settings)

    def edit(self, one: _Delivered) -> Edit | None:
        """The correction of a report; None, and the reason counted, where there is none."""
        if one.obsolete or one.under_way:
            self._leave(WITHDRAWN if one.obsolete else UNDER_WAY)
            return None
        kept = queued.kept(self._conn, one.report)
        fate = next(fate for fate in kept.fates if fate.destination == self._settings.id)
        assert fate.delivery is not None
        former = next((edit for edit in fate.edits if edit.message_id == fate.delivery.message_id), None)
        if former is not None and former.mapping is None:
            self._leave(BY_HAND)
            return None
        if not _same_patient(fate.delivery.association, kept.worn):
            self._leave(ANOTHER_PATIENT)
            return None
        try:
            return self._made(kept, fate, fate.delivery, former.body if former is not None else None)
        except Exception:  # noqa: BLE001 - a renderer's bug costs one correction, as it costs one message
            self._leave(NOT_RENDERED)
            return None

    def _made(self, kept: Kept, fate: Fate, delivery: Delivery, before: bytes | None) -> Edit:
        subject = delivery.association.subject if delivery.association is not None else None
        then = self._decided.at(self._conn, delivery.mapping).apply(kept.entry.report).report
        report, changed = corrected(then, self._present.apply(kept.entry.report).report, self._finals)
        new = remedies.new_message_id()
        entry = msgspec.structs.replace(kept.entry, late=delivery.late and self._settings.mark_late)
        marked = msgspec.structs.replace(entry, report=report, number=new, corrected=changed)
        body = self._render(marked, subject).body
        former = before or self._render(msgspec.structs.replace(entry, report=then), subject).body
        return Edit(
            destination=fate.destination,
            report=kept.entry.id,
            message_id=new,
            replaces=delivery.message_id,
            body=body,
            diff=editing.difference(former, body),
            mapping=self._present.state,
        )

    def _leave(self, why: str) -> None:
        self._done.left[why] += 1


def corrected(then: Report, now: Report, finals: frozenset[str]) -> tuple[Report, tuple[int, ...]]:
    """The report as it is decided now, what was final and reads otherwise marked as a correction; which results these are."""
    changed = tuple(n for n, pair in enumerate(zip(then.observations, now.observations, strict=True)) if pair[0] != pair[1])
    observations = list(now.observations)
    for n in changed:
        if observations[n].status in finals:
            observations[n] = msgspec.structs.replace(observations[n], status="C")
    marked = any(observations[n].status == "C" for n in changed)
    return msgspec.structs.replace(now, observations=tuple(observations), order=_order(now.order, marked=marked)), changed


def _order(order: Order | None, *, marked: bool) -> Order | None:
    """A report that the device called final is corrected with its results."""
    if order is None or not marked or order.report_type != "F":
        return order
    return msgspec.structs.replace(order, report_type="C")


def _finals(settings: AnyDestination) -> frozenset[str]:
    """The result statuses that this destination is sent as final."""
    validated = isinstance(settings, Hl7Settings) and settings.result_status == "F"
    return frozenset({"F", "R"} if validated else {"F"})


def _differ(report: Report, then: Overlay, now: Overlay) -> bool:
    return then.apply(report).report != now.apply(report).report


def _same_patient(then: Association | None, now: Association | None) -> bool:
    """Whether the message's patient is still the one of its time; what had none needs none."""
    return then is None or (now is not None and _whom(then.subject) == _whom(now.subject))


def _whom(subject: Subject) -> tuple[str, str]:
    return subject.assigner, subject.patient_id
