"""Instants as the journal writes them: UTC text of one width, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.errors import DamagedError, LocalProtocolError


def utc_now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)


def to_text(at: datetime) -> str:
    """The journal's text, such as 2026-11-21T08:15:30.123456Z; LocalProtocolError for a time without an offset."""
    if at.tzinfo is None:
        raise LocalProtocolError(f"got the time {at.isoformat()} without an offset, expected an aware one")
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def from_text(text: str) -> datetime:
    """The instant again, aware, UTC. DamagedError for what the journal never wrote."""
    try:
        return datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise DamagedError("the journal holds a time that it never wrote") from None
