"""A report about to be sent: its message, or why it has none."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from gateway.deliver.destination import Outgoing
from gateway.deliver.messages import Renderer, UnsuitedError
from gateway.deliver.messages.values import analyte_loinc
from gateway.model import Category, Entry, Report
from gateway.settings.dispatch import DispatchSettings
from gateway.settings.hl7 import Hl7Settings
from gateway.store.items import UNMAPPED, Item, Pin, Result, State
from gateway.store.times import to_text

log = logging.getLogger(__name__)

RENDERED_A_TURN = 4
"""Messages rendered in one turn of the event loop: some 0.2 ms here, 1 or 2 ms on a slow core; a turn costs 0.02 ms."""

HOLDABLE = frozenset({Category.VITALS, Category.EVENTS, Category.WAVEFORMS})
"""What means nothing without a patient; lab and QC results travel on their specimen id."""
LABORATORY = frozenset({Category.LAB, Category.QC})
NAMED_MAX = 8
"""Codes that a reason names: enough to see what it is about."""
NO_PATIENT = "no patient is known for its time"
OTHERWISE = (
    "would read otherwise than what was delivered (patient, terms or settings changed since): `wardlink queue edit` sends it"
)
"""Why a replay is not sent: other content under an id that the receiver has filed is worse than none."""
STALE = "corrects codes that were decided about otherwise since: `wardlink queue replay --remap` makes it anew"
"""Why a correction is not sent: what somebody took back must not reach a chart."""


@dataclass(slots=True)
class Job:
    """An item and what is known of it before it is sent: its message, or why there is none."""

    item: Item
    message: Outgoing | None = None
    instead: Result | None = None
    late: bool = False
    sent: bool = False

    @property
    def fresh(self) -> bool:
        """Whether its bytes were made just now, and not for an earlier try."""
        return self.message is not None and self.item.pin is None

    def pin(self) -> Pin:
        """Its bytes and what they were made with."""
        if self.item.pin is not None:
            return self.item.pin
        assert self.message is not None
        worn, own = self.item.worn, self.item.mapping
        return Pin(self.message.id, self.message.body, association=None if worn is None else worn.id, late=self.late, mapping=own)


class Preparation:
    """Makes the message of an item: its pinned bytes, or rendered now for the patient of its time."""

    def __init__(self, destination_id: str, renderer: Renderer, settings: DispatchSettings) -> None:
        self._id, self._renderer, self._settings = destination_id, renderer, settings
        self._late_after = timedelta(seconds=settings.late_after_s)

    async def jobs(self, items: Sequence[Item], now: datetime) -> list[Job]:
        """Those of a batch. The devices get turns between: rendering a whole batch would keep them waiting for it."""
        found: list[Job] = []
        for item in items:
            found.append(self.job(item, now))
            if len(found) % RENDERED_A_TURN == 0:
                await asyncio.sleep(0)
        return found

    def job(self, item: Item, now: datetime) -> Job:
        """The item's message; or why it has none."""
        if item.stale:
            return Job(item, instead=parked(item, STALE))
        if item.pin is not None:
            return Job(item, Outgoing(id=item.pin.message_id, body=item.pin.body))
        if item.entry is None:
            return Job(item, instead=parked(item, item.fault))
        if item.worn is None and self._settings.hold and item.category in HOLDABLE:
            return Job(item, instead=_without_patient(item))
        if self._settings.unmapped == "hold" and item.again is None and (codes := self._nameless(item, item.entry.report)):
            return Job(item, instead=_unmapped(item, codes))
        late = item.again.late if item.again is not None else item.received_at < to_text(now - self._late_after)
        return self._rendered(item, item.entry, late=late)

    def _nameless(self, item: Item, report: Report) -> tuple[str, ...]:
        """The codes of a laboratory report that nobody knows, and for which nothing is inferred either."""
        if item.category not in LABORATORY or not item.unmapped:
            return ()
        inferred = isinstance(self._settings, Hl7Settings) and self._settings.inferred
        known = {one.vendor_code for one in report.observations if analyte_loinc(one, report, inferred=inferred)}
        return tuple(code for code in item.unmapped if code not in known)

    def _rendered(self, item: Item, entry: Entry, *, late: bool) -> Job:
        marked = replace(entry, late=True) if late and self._settings.mark_late else entry
        try:
            message = self._renderer(marked, item.worn.subject if item.worn is not None else None)
        except UnsuitedError as error:
            return Job(item, instead=parked(item, f"is not sent in this format: {error}"))
        except Exception as error:  # noqa: BLE001 - a renderer's bug must cost one message, not the destination
            tell_bug(self._id, f"report {item.report} cannot be rendered", error)
            return Job(item, instead=parked(item, f"cannot be rendered: {type(error).__name__}"))
        if item.again is not None and hashlib.sha256(message.body).digest() != item.again.sha256:
            return Job(item, instead=parked(item, OTHERWISE))
        return Job(item, message, late=late)


def parked(item: Item, reason: str, code: str = "") -> Result:
    """It waits for a person."""
    return Result(item=item, state=State.PARKED, reason=reason, code=code, unpin=True)


def _without_patient(item: Item) -> Result:
    """Held until a patient is known; a replay is not: what was delivered had one."""
    return parked(item, NO_PATIENT) if item.again is not None else Result(item=item, state=State.HELD, reason=NO_PATIENT)


def _unmapped(item: Item, codes: Sequence[str]) -> Result:
    """Held until somebody has decided what its codes mean."""
    named = ", ".join(codes[:NAMED_MAX]) + (f" and {len(codes) - NAMED_MAX} more" if len(codes) > NAMED_MAX else "")
    return Result(item=item, state=State.HELD, code=UNMAPPED, reason=f"unmapped {named}: `wardlink unmapped list`")


def tell_bug(destination_id: str, what: str, error: Exception) -> None:
    """Type and traceback without the error's own text: that may hold patient data."""
    trace = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: %s: %s\n%s", destination_id, what, type(error).__name__, trace)
