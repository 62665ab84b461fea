"""The lists that point-of-care devices are told: who may use them, which patients there are; and what each was told of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from gateway.model import Subject

OPERATORS, PATIENTS = "operators", "patients"
"""The lists by name."""
LEVELS = ("user", "supervisor", "administrator")
"""What an operator may be, in words: devices number them differently, so a profile has its maker's numbers for them."""


class Secret(msgspec.Struct, frozen=True):
    """A text that shows in no log and no traceback."""

    text: str

    def __repr__(self) -> str:
        return "Secret(...)"


class Operator(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who may use devices."""

    id: str
    """What the badge says or a person types."""
    family_name: str = ""
    given_name: str = ""
    level: str = LEVELS[0]
    """One of LEVELS, or the maker's own code, which is sent as it is."""
    methods: tuple[str, ...] = ()
    """The tests that they may do, by the device's names; empty: all."""
    password: Secret | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    where: tuple[str, ...] = ()
    """Device ids and points of care (PV1-3.1); empty: everywhere."""

    def may_use(self, device: str, point_of_care: str, at: datetime) -> bool:
        """Whether a device's list holds them: they may use it, now or from a day to come."""
        here = not self.where or device in self.where or (bool(point_of_care) and point_of_care in self.where)
        return here and (self.valid_until is None or at < self.valid_until)


class ListTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a device has of one list since it acknowledged it."""

    serial: str
    """The device's own: another one on the same port has nothing yet."""
    at: datetime
    """The version: what EOT.update_dttm said, to the second."""
    entries: Mapping[str, str]
    """By id: a digest of the entry as it was written for this device."""
    fresh: bool = False
    """It was told in the conversation under way: what the device said of its list before is out of date."""


class Lists(msgspec.Struct, frozen=True, kw_only=True):
    """The lists of one device as they are now, and what it was told of each."""

    operators: tuple[Operator, ...] = ()
    patients: tuple[Subject, ...] = ()
    told: Mapping[str, ListTold] = {}
