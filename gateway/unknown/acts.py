"""What a person decides about an unknown device: it is that device, or nobody's. In one transaction, audited, taken once."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.errors import ActError
from gateway.store import audit, intake, unknown
from gateway.store.database import joined
from gateway.store.journal import Journal
from gateway.store.times import utc_now
from gateway.store.unknown import Part, Peer
from gateway.store.writer import Transaction
from gateway.unknown import replay
from gateway.unknown.replay import Reader, Replay

NOT_READ = "not read by the profile that it was assigned with"
REASON_MAX = 200


@dataclass(slots=True)
class Assigned:
    """What an assignment did. `stored` reports are new; `repeats` the journal held already; `unread` messages were not read."""

    peer: int
    device: str
    messages: int = 0
    stored: int = 0
    repeats: int = 0
    unread: int = 0
    damaged: int = 0
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "id": self.peer,
            "device": self.device,
            "messages": self.messages,
            "stored": self.stored,
            "repeats": self.repeats,
            "unread": self.unread,
            "damaged": self.damaged,
            "faults": self.faults,
        }


def find(conn: sqlite3.Connection, number: int) -> Peer:
    """The device of that number. Raises ActError."""
    found = unknown.peer(conn, number)
    if found is None:
        raise ActError(f"there is no unknown device {number}; `wardlink unknown list --all` shows their numbers")
    return found


async def assign(journal: Journal, number: int, how: Reader, *, by: str, anyway: bool = False) -> Assigned:
    """Replay what is kept of a device into the journal as the reports of another; stored once, however often it is said.

    Raises ActError when nothing is kept, or when the profile does not read all of it and that is not accepted (`anyway`).
    """
    peer, parts = await journal.read(lambda conn: (find(conn, number), _waiting(conn, number)))
    if not parts:
        done = f"it was assigned to {peer.device} before" if peer.status == "assigned" else "nothing of it is kept"
        raise ActError(f"unknown device {number} has nothing to assign: {done}")
    sound = [one for one in parts if one.sound]
    made = await asyncio.to_thread(replay.read, sound, how)
    result = Assigned(number, how.identity.id, damaged=len(parts) - len(sound), faults=list(made.lines()))
    result.messages = sum(one.messages for one in parts)
    result.unread = max(0, sum(one.messages for one in sound) - made.messages)
    if (result.unread or not made.messages or made.doubts) and not anyway:
        raise ActError(_refusal(result, made, how))
    detail = {"device": how.identity.id, "driver": how.driver.id, "profile": how.profile, "messages": str(result.messages)}

    def note(tx: Transaction) -> None:
        _take(tx, number, parts, how.identity.id)
        if result.unread or not made.messages or result.damaged:
            _keep_whole(tx, parts, how.identity.id)
        for broken in (one for faults in made.faults for one in faults.incomplete):
            at = parts[0].received_at
            intake.keep_evidence(tx, how.identity.id, broken.raw, at, f"unknown device: {broken.reason}")
        audit.record(tx.conn, at=utc_now(), by=by, act="assign unknown device", object_id=f"unknown {number}", detail=detail)

    ids = await journal.keep(made.reports, device_id=how.identity.id, act=note)
    result.stored = sum(one is not None for one in ids)
    result.repeats = len(ids) - result.stored
    return result


def dismiss(conn: sqlite3.Connection, number: int, *, by: str, reason: str, now: datetime | None = None) -> int:
    """Give up what is kept of a device, and refuse it from now on; how many messages. Raises ActError."""
    if not reason.strip():
        raise ActError("say why it is dismissed: --reason")
    with joined(conn):
        peer = find(conn, number)
        if peer.status == "dismissed":
            raise ActError(f"unknown device {number} was dismissed before: {peer.reason}")
        ids = [one.id for one in unknown.parts(conn, number)]
        messages = unknown.decide(conn, number, ids, "dismissed")
        unknown.settle(conn, number, "dismissed", reason=reason[:REASON_MAX])
        detail = {"address": peer.caller.address, "messages": str(messages), "reason": reason[:REASON_MAX]}
        at = now or utc_now()
        audit.record(conn, at=at, by=by, act="dismiss unknown device", object_id=f"unknown {number}", detail=detail)
    return messages


def _waiting(conn: sqlite3.Connection, number: int) -> list[Part]:
    """What may be assigned: what waits, and what a dismissal gave up and is still there."""
    return unknown.parts(conn, number, ("kept", "dismissed"))


def _take(tx: Transaction, number: int, parts: list[Part], device: str) -> None:
    """These parts are the device's now; ActError when somebody else was quicker."""
    ids = [one.id for one in parts]
    if not {one.id for one in _waiting(tx.conn, number)}.issuperset(ids):
        raise ActError(f"unknown device {number} was assigned by somebody else meanwhile; `wardlink unknown list` shows it")
    unknown.decide(tx.conn, number, ids, "assigned")
    unknown.settle(tx.conn, number, "assigned", device=device)


def _keep_whole(tx: Transaction, parts: list[Part], device: str) -> None:
    """What the profile did not read stays as evidence beside the device's other transmissions that came to nothing."""
    for call in sorted({one.call for one in parts}):
        mine = [one for one in parts if one.call == call]
        intake.keep_evidence(tx, device, b"".join(one.raw for one in mine), mine[0].received_at, NOT_READ)


def _refusal(result: Assigned, made: Replay, how: Reader) -> str:
    which = f"{how.driver.id}{f' with profile {how.profile}' if how.profile else ''}"
    read = f"{made.messages} of {result.messages} messages, {len(made.reports)} reports"
    wrong = [f"{made.doubts} values without a code, or results without a specimen and a patient"] if made.doubts else []
    wrong += result.faults[:3]
    return (
        f"{which} does not read all of it: {'; '.join([read, *wrong])}. Nothing was changed. "
        f"`wardlink unknown show {result.peer}` suggests profiles; --anyway takes what is read and keeps the rest as evidence"
    )
