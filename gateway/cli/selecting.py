"""The options by which a person says which messages are meant; the same for every act on the queue."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.show import moment
from gateway.errors import ActError, ConfigError
from gateway.store import queued
from gateway.store.selection import Selection


class StateWord(StrEnum):
    """The states that can be asked for."""

    WAITING = "waiting"
    HELD = "held"
    DUE = "due"
    RETRY = "retry"
    PARKED = "parked"
    DELIVERED = "delivered"


Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="report numbers, message ids (MSH-10), FHIR identifiers")
]
DestinationOption = Annotated[str, typer.Option("--destination", "-d", help="only this destination")]
StateOption = Annotated[list[StateWord] | None, typer.Option("--state", help="only these states; may be given several times")]
ReasonOption = Annotated[str, typer.Option(help="only with these words in the reason, or this code")]
DeviceOption = Annotated[str, typer.Option(help="only of this device")]
PatientOption = Annotated[str, typer.Option(help="only of the patient with this number")]
SinceOption = Annotated[str, typer.Option(help="received at or after this; ISO 8601 with offset")]
UntilOption = Annotated[str, typer.Option(help="received before this")]
AllOption = Annotated[bool, typer.Option("--all", help="all of them: needed where nothing else says which")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="say how many it would be, do nothing")]


@dataclass(frozen=True, slots=True)
class Selecting:
    """What a person gave."""

    ids: list[str] | None
    destination: str
    reason: str
    device: str
    patient: str
    since: str
    until: str
    every: bool = False

    @property
    def narrow(self) -> bool:
        """Whether single messages are meant, and not whole destinations."""
        return bool(self.ids or self.reason or self.device or self.patient or self.since or self.until)

    def check_explicit(self) -> None:
        """An act on many messages must say on which. ConfigError."""
        if not (self.narrow or self.destination or self.every):
            raise ConfigError("say which messages: ids, --destination, --reason, --device, --patient, --since, --until; or --all")

    def selections(self, conn: sqlite3.Connection) -> list[Selection]:
        """What is meant, destination by destination. ActError for an id or a destination that the journal does not know."""
        known = queued.destinations(conn)
        if self.destination and self.destination not in known:
            raise ActError(f"the journal knows no destination {self.destination!r}; there are: {', '.join(known) or 'none'}")
        reports = tuple(queued.named(conn, word).report for word in self.ids) if self.ids else None
        return [
            Selection(
                destination=one,
                reports=reports,
                reason=self.reason,
                device=self.device,
                patient=self.patient,
                since=moment(self.since),
                until=moment(self.until),
            )
            for one in known
            if self.destination in {"", one}
        ]
