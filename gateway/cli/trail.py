"""One message and its history, for people and programs: what went out, what came back, who did what about it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gateway import config
from gateway.cli.message import Message, message
from gateway.cli.show import table
from gateway.deliver import editing
from gateway.store.queued import Edited, Fate, Kept

HEX_ROW = 16


def as_json(conn: sqlite3.Connection, found: config.Config, kept: Kept, fate: Fate) -> dict[str, Any]:
    """A report's fate at one destination, for a program."""
    made = message(conn, found, kept, fate)
    return {
        "report": kept.entry.id,
        "device": kept.device,
        "destination": fate.destination,
        "state": fate.state,
        "message": {
            "id": made.id,
            "how": made.how,
            "sha256": hashlib.sha256(made.body).hexdigest() if made.body is not None else None,
            "text": editing.shown(made.body) if made.body is not None else None,
        },
        "raw": kept.entry.report.raw.hex(),
        "answer": _answer(fate),
        "edits": [_edit(one) for one in fate.edits],
        "history": [{"at": at, "what": what} for at, what in history(kept, fate)],
    }


def _answer(fate: Fate) -> dict[str, Any] | None:
    """The receiver's last word."""
    if fate.delivery is not None and fate.queued is None:
        got = fate.delivery
        told = {
            "message_id": got.message_id,
            "sha256": got.sha256.hex(),
            "tries": got.tries,
            "late": got.late,
            "replayed": got.again,
            "mapping": got.mapping,
        }
        return {"code": got.code, "reason": "", "at": got.again_at or got.acked_at, **told}
    if fate.queued is None or not (fate.queued.code or fate.queued.reason):
        return None
    tries = fate.pin.tries if fate.pin is not None else None
    return {"code": fate.queued.code, "reason": fate.queued.reason, "at": fate.queued.since, "tries": tries}


def _edit(one: Edited) -> dict[str, Any]:
    return {
        "message_id": one.message_id,
        "replaces": one.replaces,
        "at": one.at,
        "by": one.by,
        "reason": one.reason,
        "patient_changed": one.patient_changed,
        "mapping": one.mapping,
        "diff": one.diff,
    }


def _verb(one: Edited) -> str:
    """A person wrote it, or it was rendered anew because codes were decided about."""
    return "edited" if one.mapping is None else "corrected"


def history(kept: Kept, fate: Fate) -> list[tuple[datetime, str]]:
    """What happened to it, in the order of time."""
    return sorted(_events(kept, fate), key=lambda event: event[0])


def _events(kept: Kept, fate: Fate) -> Iterator[tuple[datetime, str]]:
    yield kept.received_at, "the device's first byte arrived"
    yield kept.entry.stored_at, "durable in the journal"
    if fate.pinned_at is not None and fate.pin is not None:
        yield fate.pinned_at, f"bytes pinned before they were sent as {fate.pin.message_id}"
    if fate.queued is not None:
        words = f"{fate.queued.state}: {fate.queued.code} {fate.queued.reason}".replace("  ", " ").rstrip(": ")
        yield fate.queued.since or kept.received_at, words
    for one in fate.edits:
        yield one.at, f"{_verb(one)} by {one.by} ({one.reason}): {one.message_id} takes the place of {one.replaces}"
    for act in fate.acts:
        if act.act not in {"edit", "correct"}:
            note = f" ({act.detail['note']})" if act.detail.get("note") else ""
            yield act.at, f"{act.act} by {act.by}{note}"
    if fate.delivery is not None:
        got = fate.delivery
        yield got.acked_at, f"acknowledged: {got.code}" + (", sent late" if got.late else "")
        if got.again_at is not None:
            yield got.again_at, f"acknowledged again: {got.code}, {got.message_id}"


def print_message(conn: sqlite3.Connection, found: config.Config, kept: Kept, fate: Fate) -> None:
    """The same for people."""
    made = message(conn, found, kept, fate)
    print(f"report {kept.entry.id} of {kept.device} for {fate.destination}: {fate.state}")
    print_body(made)
    print(f"\nWhat the device sent ({len(kept.entry.report.raw)} bytes)")
    print("\n".join(hexdump(kept.entry.report.raw)))
    for one in fate.edits:
        print(f"\n{_verb(one).capitalize()} {one.at.isoformat()} by {one.by}: {one.reason}")
        print(one.diff)
    table("History", ("when", "what"), [(at.isoformat(), what) for at, what in history(kept, fate)])


def print_body(made: Message) -> None:
    """A message with where its bytes come from, a segment a line."""
    print(f"\nMessage {made.id}: {made.how}")
    if made.body is not None:
        print(editing.shown(made.body), end="")


def hexdump(raw: bytes) -> Iterator[str]:
    """Offset, hex and text, as hexdump -C shows them."""
    for start in range(0, len(raw), HEX_ROW):
        part = raw[start : start + HEX_ROW]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):<{HEX_ROW * 3 - 1}}  |{shown}|"
