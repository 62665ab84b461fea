"""Who wore which device when: the rules, without IO.

An association is true in [valid_from, valid_to) and known from the moment it is recorded. A device has one wearer at a time:

- A start ends what was true at that instant: the former wearer's time ends there.
- A back-dated start never reaches past what was recorded of later times. Inside somebody's time it takes over until that
  one's end; where nobody wore the device it reaches to the next known start, or stays open where there is none.
- A start at the very instant another began replaces it: that is how a wrong patient is corrected.
- The same patient again, over a time that is already theirs, changes nothing.
- A release ends what was true at that instant; inside a time that already has an end it moves the end forward. A release at
  the very start says that it never was.
- Nothing can be said of the future.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from gateway.errors import ActError
from gateway.model import Subject
from gateway.store.associations import Association


@dataclass(frozen=True, slots=True)
class Change:
    """What a start or a release does to the current versions: `ended` are superseded, `begun` take their place."""

    ended: tuple[Association, ...] = ()
    begun: tuple[Association, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A statement about a device: what was so from `at` on, who said it, when, and how it was captured."""

    device: str
    at: datetime
    now: datetime
    by: str
    source: str
    reason: str = ""


def wearer(known: Sequence[Association], at: datetime) -> Association | None:
    """The association of `known` (current versions of one device) that was true at `at`."""
    return next((one for one in known if one.covers(at)), None)


def start(known: Sequence[Association], subject: Subject, said: Said) -> Change:
    """`subject` wears the device from `said.at` on. ActError for a time that has not come, or a patient without a number."""
    if not subject.patient_id.strip():
        raise ActError(f"{said.device}: got no patient number, expected one")
    _check_time(said)
    former = wearer(known, said.at)
    if former is not None and former.subject == subject:
        return Change()
    begun = Association(
        device=said.device,
        subject=subject,
        valid_from=said.at,
        valid_to=_next_start(known, said.at) if former is None else former.valid_to,
        recorded_at=said.now,
        source=said.source,
        by=said.by,
        reason=said.reason,
    )
    if former is None:
        return Change(begun=(begun,))
    return Change(ended=(former,), begun=(*_shortened(former, said), begun))


def release(known: Sequence[Association], said: Said) -> Change:
    """Nobody wears the device from `said.at` on. ActError for a time that has not come, or when nobody wore it then."""
    _check_time(said)
    former = wearer(known, said.at)
    if former is None:
        raise ActError(f"{said.device}: nobody wore it at {said.at.isoformat()}, so there is nothing to release")
    return Change(ended=(former,), begun=_shortened(former, said))


def _shortened(former: Association, said: Said) -> tuple[Association, ...]:
    """What is left of `former` before `said.at`: nothing where it began there."""
    if former.valid_from >= said.at:
        return ()
    return (replace(former, valid_to=said.at, recorded_at=said.now, superseded_at=None),)


def _next_start(known: Sequence[Association], at: datetime) -> datetime | None:
    return min((one.valid_from for one in known if one.valid_from > at), default=None)


def _check_time(said: Said) -> None:
    if said.at > said.now:
        raise ActError(f"{said.device}: got the time {said.at.isoformat()}, expected one not later than {said.now.isoformat()}")
