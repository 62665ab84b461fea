"""The tables of unknown devices: what was taken from whom nobody configured, kept byte for byte until a person decides.

    received = quarantined + assigned + dismissed + lost

`received`, `assigned`, `dismissed` and `lost` are counters, written with what they count; `quarantined` is counted from the rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.model import Caller
from gateway.store import audit, checksums
from gateway.store.times import from_text, to_text

BY = "wardlink"
"""Who notes a new one in the audit trail: nobody asked for it."""
PEERS_MAX = 64
"""Unknown devices that wait for a person: a laboratory has fewer analyzers; a port scan must not fill the list."""
PEERS_OF_ONE = 8
"""Of one address: a serial server has so many analyzers behind it; who has a new name each time must not fill the list."""
PART_OVERHEAD = 64
"""Bytes that a row costs beside what it holds: a device that sends single bytes must come to an end, too."""

_PEER = (
    "SELECT p.id, address, door, protocol, says, first_at, last_at, p.status, device, reason, received, assigned, dismissed,"
    " lost, refused, bytes, coalesce(sum(x.messages), 0), held"
    " FROM unknown_peers p LEFT JOIN unknown_parts x ON x.peer = p.id AND x.status = 'kept'"
)

_ROOM = (
    f"(SELECT coalesce(sum(length(raw) + {PART_OVERHEAD}), 0) FROM unknown_parts x"  # noqa: S608 - our own words
    " WHERE x.peer = unknown_peers.id AND x.status {} 'kept')"
)


class Taken(StrEnum):
    """What became of a part."""

    KEPT = "kept"
    FULL = "no room"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Caps:
    """How many bytes are kept of one, and of all together."""

    peer_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Peer:
    """An unknown device. `quarantined` messages wait for a person; with the room of their rows they take `held` bytes."""

    id: int
    caller: Caller
    first_at: datetime
    last_at: datetime
    status: str
    device: str
    reason: str
    received: int
    assigned: int
    dismissed: int
    lost: int
    refused: int
    bytes: int
    quarantined: int
    held: int

    @property
    def balanced(self) -> bool:
        """Whether everything that was taken from it is accounted for."""
        return self.received == self.quarantined + self.assigned + self.dismissed + self.lost

    def as_json(self) -> dict[str, Any]:
        """For status, metrics and scripts; never what it sent."""
        return {
            "id": self.id,
            "address": self.caller.address,
            "door": self.caller.door,
            "protocol": self.caller.protocol,
            "says": self.caller.says,
            "status": self.status,
            "device": self.device,
            "reason": self.reason,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "received": self.received,
            "quarantined": self.quarantined,
            "assigned": self.assigned,
            "dismissed": self.dismissed,
            "lost": self.lost,
            "refused": self.refused,
            "bytes": self.bytes,
            "balanced": self.balanced,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of one call. `sound`: they are what was kept."""

    id: int
    call: int
    received_at: datetime
    raw: bytes
    messages: int
    sound: bool


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes of a caller that came at `at`, and how many whole messages they complete. `call`: the number of its connection."""

    raw: bytes
    at: datetime
    messages: int
    call: int | None = None


def keep(conn: sqlite3.Connection, caller: Caller, said: Said, caps: Caps) -> tuple[Taken, int | None]:
    """Keep what somebody said, inside the caller's transaction; and the number of the call. Without `raw` it is only noted."""
    call, raw, at, messages = said.call, said.raw, said.at, said.messages
    found = _peer_of(conn, caller)
    if found is None:
        waiting, its = conn.execute(
            "SELECT count(*), coalesce(sum(address = ?), 0) FROM unknown_peers WHERE status = 'open'", (caller.address,)
        ).fetchone()
        if waiting >= PEERS_MAX or its >= PEERS_OF_ONE:
            return Taken.FULL, call
        found = _new(conn, caller, at), "open"
    peer, status = found
    conn.execute("UPDATE unknown_peers SET last_at = max(last_at, ?) WHERE id = ?", (to_text(at), peer))
    taken = Taken.DISMISSED if status == "dismissed" else _room(conn, peer, len(raw), caps) if raw else Taken.KEPT
    if taken is not Taken.KEPT:
        conn.execute("UPDATE unknown_peers SET refused = refused + ? WHERE id = ?", (messages, peer))
    elif raw or messages:
        call = _next_call(conn) if call is None else call
        _add(conn, peer, call, said)
    return taken, call


def peers(conn: sqlite3.Connection) -> list[Peer]:
    """All of them, the latest first."""
    return [_peer(row) for row in conn.execute(f"{_PEER} GROUP BY p.id ORDER BY p.last_at DESC, p.id DESC").fetchall()]


def peer(conn: sqlite3.Connection, number: int) -> Peer | None:
    """One of them."""
    row = conn.execute(f"{_PEER} WHERE p.id = ? GROUP BY p.id", (number,)).fetchone()
    return None if row is None else _peer(row)


def parts(conn: sqlite3.Connection, number: int, statuses: Collection[str] = ("kept",), most: int = -1) -> list[Part]:
    """What was taken from one, in order; with `most` the first of them."""
    marks = ", ".join("?" * len(statuses))
    rows = conn.execute(
        "SELECT id, call, received_at, raw, messages, crc FROM unknown_parts"  # noqa: S608 - question marks
        f" WHERE peer = ? AND status IN ({marks}) ORDER BY id LIMIT ?",
        (number, *statuses, most),
    ).fetchall()
    return [_part(number, row) for row in rows]


def decide(conn: sqlite3.Connection, number: int, ids: Sequence[int], status: str) -> int:
    """These parts of one are `status` now (assigned, dismissed, kept), inside the caller's transaction; their messages."""
    total = 0
    for one in ids:
        sql = "SELECT status, messages, length(raw) FROM unknown_parts WHERE id = ? AND peer = ?"
        row = conn.execute(sql, (one, number)).fetchone()
        if row is None or row[0] == status:
            continue
        former, messages, size = row
        conn.execute("UPDATE unknown_parts SET status = ? WHERE id = ?", (status, one))
        _count(conn, number, former, -messages, -size - PART_OVERHEAD)
        _count(conn, number, status, messages, size + PART_OVERHEAD)
        total += messages
    return total


def settle(conn: sqlite3.Connection, number: int, status: str, *, device: str = "", reason: str = "") -> None:
    """What a person decided about one, inside the caller's transaction."""
    conn.execute("UPDATE unknown_peers SET status = ?, device = ?, reason = ? WHERE id = ?", (status, device, reason, number))


def forget(conn: sqlite3.Connection, before: datetime) -> int:
    """Delete what was decided and is older than `before`, and devices of which nothing is left; how many parts went."""
    text = to_text(before)
    gone = conn.execute("DELETE FROM unknown_parts WHERE status <> 'kept' AND received_at < ?", (text,)).rowcount
    if gone:
        conn.execute(f"UPDATE unknown_peers SET decided = {_ROOM.format('<>')}")  # noqa: S608 - our own words
    conn.execute(
        "DELETE FROM unknown_peers WHERE last_at < ? AND NOT EXISTS (SELECT 1 FROM unknown_parts WHERE peer = unknown_peers.id)"
        " AND received = assigned + dismissed + lost",
        (text,),
    )
    return gone


def mend(conn: sqlite3.Connection) -> int:
    """After a salvage: give parts whose device is lost one, and count as lost what is nowhere any more; how many messages."""
    conn.execute(
        "INSERT INTO unknown_peers (id, address, door, protocol, says, first_at, last_at, status)"
        " SELECT peer, '?', '?', 'raw', 'its row was damaged', min(received_at), max(received_at), 'open' FROM unknown_parts"
        " WHERE peer NOT IN (SELECT id FROM unknown_peers) GROUP BY peer"
    )
    conn.execute(f"UPDATE unknown_peers SET held = {_ROOM.format('=')}, decided = {_ROOM.format('<>')}")  # noqa: S608 - our own words
    lost = 0
    for one in peers(conn):
        missing = one.received - (one.quarantined + one.assigned + one.dismissed + one.lost)
        column = "lost" if missing > 0 else "received"
        conn.execute(f"UPDATE unknown_peers SET {column} = {column} + ? WHERE id = ?", (abs(missing), one.id))  # noqa: S608 - our own
        lost += max(0, missing)
    return lost


def n_damaged(conn: sqlite3.Connection) -> int:
    """Parts whose checksum fails."""
    rows = conn.execute("SELECT crc, peer, call, received_at, messages, raw FROM unknown_parts")
    return sum(crc != checksums.of_unknown(*told) for crc, *told in rows)


def _peer_of(conn: sqlite3.Connection, caller: Caller) -> tuple[int, str] | None:
    """Who is meant: the same address, door and protocol, and what it says of itself, as far as that is known on both sides."""
    rows = conn.execute(
        "SELECT id, status, says FROM unknown_peers WHERE address = ? AND door = ? AND protocol = ?"
        " ORDER BY last_at DESC, id DESC",
        (caller.address, caller.door, caller.protocol),
    ).fetchall()
    same = [row for row in rows if row[2] == caller.says] or [row for row in rows if not row[2] or not caller.says]
    if not same:
        return None
    number, status, says = same[0]
    if caller.says and not says:
        conn.execute("UPDATE unknown_peers SET says = ? WHERE id = ?", (caller.says, number))
    return int(number), str(status)


def _new(conn: sqlite3.Connection, caller: Caller, at: datetime) -> int:
    cursor = conn.execute(
        "INSERT INTO unknown_peers (address, door, protocol, says, first_at, last_at, status) VALUES (?, ?, ?, ?, ?, ?, 'open')",
        (caller.address, caller.door, caller.protocol, caller.says, to_text(at), to_text(at)),
    )
    number = cursor.lastrowid or 0
    detail = {"address": caller.address, "door": caller.door, "protocol": caller.protocol}
    audit.record(conn, at=at, by=BY, act="unknown device", object_id=f"unknown {number}", detail=detail)
    return number


def _room(conn: sqlite3.Connection, peer: int, size: int, caps: Caps) -> Taken:
    """Whether there is room; what was decided long ago makes some."""
    size += PART_OVERHEAD
    (mine,) = conn.execute("SELECT held FROM unknown_peers WHERE id = ?", (peer,)).fetchone()
    held, decided = conn.execute("SELECT sum(held), sum(decided) FROM unknown_peers").fetchone()
    if mine + size > caps.peer_bytes or held + size > caps.total_bytes:
        return Taken.FULL
    if held + decided + size > caps.total_bytes:
        conn.execute("DELETE FROM unknown_parts WHERE status <> 'kept'")
        conn.execute("UPDATE unknown_peers SET decided = 0")
    return Taken.KEPT


def _next_call(conn: sqlite3.Connection) -> int:
    """A number that no call had: the next part's."""
    return int(conn.execute("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'unknown_parts'").fetchone()[0])


def _add(conn: sqlite3.Connection, peer: int, call: int, said: Said) -> None:
    text, raw, messages = to_text(said.at), said.raw, said.messages
    crc = checksums.of_unknown(peer, call, text, messages, raw)
    conn.execute(
        "INSERT INTO unknown_parts (peer, call, received_at, raw, messages, status, crc) VALUES (?, ?, ?, ?, ?, 'kept', ?)",
        (peer, call, text, raw, messages, crc),
    )
    conn.execute(
        "UPDATE unknown_peers SET received = received + ?, bytes = bytes + ?, held = held + ? WHERE id = ?",
        (messages, len(raw), len(raw) + PART_OVERHEAD, peer),
    )


def _count(conn: sqlite3.Connection, number: int, status: str, messages: int, room: int) -> None:
    changes = f"decided = max(0, decided + :room), {status} = {status} + :messages" if status != "kept" else "held = held + :room"
    sql = f"UPDATE unknown_peers SET {changes} WHERE id = :id"  # noqa: S608 - our own words
    conn.execute(sql, {"room": room, "messages": messages, "id": number})


def _peer(row: tuple[int | str, ...]) -> Peer:
    number, address, door, protocol, says, first_at, last_at, status, device, reason, *counts = row
    caller = Caller(address=str(address), door=str(door), protocol=str(protocol), says=str(says))
    times = from_text(str(first_at)), from_text(str(last_at))
    return Peer(int(number), caller, *times, str(status), str(device), str(reason), *map(int, counts))


def _part(peer: int, row: tuple[int, int, str, bytes, int, int]) -> Part:
    number, call, received_at, raw, messages, crc = row
    sound = crc == checksums.of_unknown(peer, call, received_at, messages, raw)
    return Part(number, call, from_text(received_at), raw, messages, sound)
