"""What differs between simulated analyzers that speak HL7: how they ask, how they are told, how they report."""

from __future__ import annotations

import random
from datetime import datetime
from typing import NamedTuple, Protocol

from protocols.hl7v2.message import Message


class Told(NamedTuple):
    """What the host says of a specimen: tests with their numbers; none: there is no order."""

    specimen: str
    tests: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


class Dialect(Protocol):
    """How one kind of analyzer talks. Times are its own clock's."""

    heartbeat: bytes
    """Said now and then while there is nothing else to say; empty: it keeps silent."""

    def question(self, specimen: str, id_: str, at: datetime) -> bytes:
        """What is to be done with it?"""
        ...

    def told(self, message: Message, asked: str) -> list[Told] | None:
        """What a message of the host says of specimens, `asked` about or not; None: nothing."""
        ...

    def result(self, specimen: str, id_: str, at: datetime, told: Told | None, dice: random.Random, *, control: bool) -> bytes:
        """A report; `told`: what was ordered, None where nobody was asked."""
        ...
