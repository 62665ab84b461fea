"""What a destination is: one message in; accepted, retry or refused out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered message: `id` is its stable id (MSH-10, Bundle identifier), `body` the exact bytes, the same at a resend."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver has taken responsibility; `code` as it said it (AA, CA, 201 …)."""

    code: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: `why` in words for people; `after_s` where the receiver asked for a pause (Retry-After)."""

    why: str
    after_s: float | None = None
    link: bool = False
    """The peer was not reached at all: this says nothing of the message, so it never uses up its tries."""
    quoted: bool = False
    """`why` holds the receiver's own words: they may name the patient, so they are shown and kept, and never logged."""
    unsent: bool = False
    """No byte of it has left this machine: it may go out otherwise, with its patient put right, under the same id."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver said no to this message: park it. `code` as it said it (AR, CE, 422 …)."""

    why: str
    code: str = ""


Outcome: TypeAlias = Accepted | Retry | Refused


class Destination(Protocol):
    """Where messages go. One `send` at a time; it never raises for what the peer or the network does."""

    async def send(self, message: Outgoing) -> Outcome:
        """Deliver one message and wait for the receiver's word."""
        ...

    async def close(self) -> None:
        """Close the connection; a later `send` opens a new one."""
        ...
