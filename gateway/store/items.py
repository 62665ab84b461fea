"""A report on its way to one destination, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from gateway.model import Category, Entry
from gateway.store.associations import Association

Order: TypeAlias = Literal["device", "patient", "strict"]
"""What waits behind a message that the receiver did not want yet: its device's, its patient's, everything."""


UNMAPPED = "unmapped"
"""The code (where a receiver's stands otherwise) of what is held because nobody knows one of its codes."""


class State(StrEnum):
    """What became of a report for a destination; the first is counted, the others are rows in `behind`."""

    DELIVERED = "delivered"
    HELD = "held"
    DUE = "due"
    RETRY = "retry"
    PARKED = "parked"
    GONE = "gone"
    """Given up for want of room while it was about to be sent, and counted where that was done."""


class Lane(StrEnum):
    """How a report came to be next."""

    LINE = "line"
    """It is the next one behind the cursor."""
    LIVE = "live"
    """It is fresh, and goes past a backlog."""
    BACKLOG = "backlog"
    """It is the next one behind the cursor, and fresh ones go past it."""
    ASIDE = "aside"
    """It had stepped aside, and its time has come."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The bytes a report was first sent with, what they were made with, and what its own refusals have cost."""

    message_id: str
    body: bytes
    tries: int = 0
    spent_s: float = 0.0
    association: int | None = None
    late: bool = False
    mapping: int | None = None
    """The moment of the decisions about codes that it was rendered with; None: before there were any, or a person wrote it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was delivered before: a replay must be these bytes."""

    sha256: bytes
    late: bool
    mapping: int = 0
    """The moment of the decisions about codes that it was rendered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A report that is next for a destination. `entry` None: the row cannot be read, `fault` says why."""

    report: int
    device: str
    category: Category
    received_at: str
    entry: Entry | None
    worn: Association | None
    """Who wore the device at its time; None where nobody is known, and where the pinned bytes say it already."""
    pin: Pin | None
    state: State | None
    """Its state in `behind`; None: it comes from the journal."""
    lane: Lane = Lane.LINE
    patient: str = ""
    """Whom it is for, as a key to keep a patient's messages in order; empty where nobody is known."""
    again: Sent | None = None
    """It was delivered before."""
    fault: str = ""
    mapping: int = 0
    """The moment of the decisions about codes that `entry` shows."""
    unmapped: tuple[str, ...] = ()
    """Its codes that nobody knows and nobody decided about."""
    stale: bool = False
    """It corrects codes, and these were decided about otherwise since it was made."""

    def line(self, order: Order) -> str:
        """What its order is kept in: its device, or its patient where one is known."""
        return self.patient or self.device if order == "patient" else self.device


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is next, read from one consistent state of the journal."""

    items: list[Item]
    acts: int
    """The latest act of a person when this was read."""
    held: int
    parked: int
    blocked: frozenset[str]
    """Lines (devices or patients) that wait behind a report that the receiver did not want yet."""
    next_retry: datetime | None
    backlog: bool = False
    """Fresh reports go past a backlog now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an item. `not_before`: when a retry is due; `code` and `reason` as the receiver gave them."""

    item: Item
    state: State
    code: str = ""
    reason: str = ""
    not_before: datetime | None = None
    tries: int = 0
    spent_s: float = 0.0
    unpin: bool = False
    """The bytes need not be kept: accepted or refused, or never sent."""
    sent: Pin | None = None
    """What was delivered, or what the receiver did not take yet."""
    at: datetime | None = None
    """When it was acknowledged."""


def patient_key(worn: Association | None) -> str:
    """A patient as a key; never a device's id, which holds no ^."""
    return "" if worn is None else f"{worn.subject.assigner}^{worn.subject.patient_id}"
