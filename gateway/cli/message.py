"""The message of a report for a destination, as it was sent or as it would be sent now; and which of these it is."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass

from msgspec.structs import replace

from gateway import config
from gateway.deliver import making
from gateway.deliver.messages import UnsuitedError
from gateway.model import Category
from gateway.settings.destinations import AnyDestination
from gateway.settings.dispatch import DispatchSettings
from gateway.store import identity, mappings
from gateway.store.queued import Fate, Kept
from gateway.store.times import utc_now

PINNED = "the bytes that were sent and are not answered yet"
EDITED = "the edited message that was sent"
SAME = "rendered now: the very bytes that were delivered (SHA-256)"
OTHER = "rendered now: it reads OTHERWISE than what was delivered (SHA-256); patient, mapping or settings changed since"
NOW = "rendered now, as it would be sent"


@dataclass(frozen=True, slots=True)
class Message:
    """A message and where its bytes come from; `body` None: `how` says why there is none."""

    id: str
    body: bytes | None
    how: str


def message(conn: sqlite3.Connection, found: config.Config, kept: Kept, fate: Fate) -> Message:
    """The message that stands for the report at a destination."""
    if fate.pin is not None:
        return Message(fate.pin.message_id, fate.pin.body, PINNED)
    current = fate.delivery.message_id if fate.delivery is not None else kept.entry.key
    edited = next((one for one in fate.edits if one.message_id == current), None)
    if edited is not None:
        return Message(edited.message_id, edited.body, EDITED)
    settings = next((one for one in found.destination if one.id == fate.destination), None)
    if settings is None:
        return Message(current, None, f"{fate.destination} is not in the configuration, so nothing says how to render it")
    return _rendered(conn, settings, kept, fate)


def _rendered(conn: sqlite3.Connection, settings: AnyDestination, kept: Kept, fate: Fate) -> Message:
    subject = None if kept.worn is None or kept.category == Category.QC else kept.worn.subject
    decided = mappings.now(conn) if fate.delivery is None else mappings.at(conn, fate.delivery.mapping)
    report = decided.apply(kept.entry.report).report
    entry = replace(kept.entry, report=report, late=_late(settings, kept, fate) and settings.mark_late)
    try:
        made = making.make_renderer(settings, identity.read(conn))(entry, subject)
    except UnsuitedError as error:
        return Message(entry.key, None, f"is not sent in this format: {error}")
    except Exception as error:  # noqa: BLE001 - a renderer's bug is shown, as it parks a message when it is sent
        return Message(entry.key, None, f"cannot be rendered: {type(error).__name__}")
    if fate.delivery is None:
        return Message(made.id, made.body, NOW)
    same = hashlib.sha256(made.body).digest() == fate.delivery.sha256
    return Message(made.id, made.body, SAME if same else OTHER)


def _late(settings: DispatchSettings, kept: Kept, fate: Fate) -> bool:
    if fate.delivery is not None:
        return fate.delivery.late
    return (utc_now() - kept.received_at).total_seconds() > settings.late_after_s
