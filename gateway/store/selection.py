"""Which messages a person means: by number, state, reason, device, patient, time. The same words for every act and list."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from gateway.store.items import State
from gateway.store.times import to_text

_WINDOW = "(:since IS NULL OR {r}.received_at >= :since) AND (:until IS NULL OR {r}.received_at < :until)"
_WHO = (
    "EXISTS (SELECT 1 FROM associations a WHERE a.device = {r}.device AND a.patient_id = :patient AND a.superseded_at IS NULL"
    " AND a.valid_from <= {r}.received_at AND (a.valid_to IS NULL OR a.valid_to > {r}.received_at))"
)
BEHIND = (
    "b.destination = :destination AND b.report > :after AND b.state IN (SELECT value FROM json_each(:states))"  # noqa: S608 - constants
    " AND (:reports IS NULL OR b.report IN (SELECT value FROM json_each(:reports)))"
    " AND (:reason = '' OR b.code = :reason OR instr(lower(b.reason), lower(:reason)) > 0)"
    " AND (:device = '' OR b.device = :device)"
    f" AND {_WINDOW.format(r='b')}"
    f" AND (:patient = '' OR substr(b.patient, -1 - length(:patient)) = '^' || :patient OR {_WHO.format(r='b')})"
)
"""The condition on `behind b`, with `Selection.values`."""
HAD = (
    "d.destination = :destination AND d.report > :after"  # noqa: S608 - constants
    " AND (:reports IS NULL OR d.report IN (SELECT value FROM json_each(:reports)))"
    " AND (:reason = '' OR d.code = :reason)"
    " AND (:device = '' OR r.device = :device)"
    f" AND {_WINDOW.format(r='r')}"
    f" AND (:patient = '' OR {_WHO.format(r='r')}"
    " OR EXISTS (SELECT 1 FROM associations a WHERE a.id = d.association AND a.patient_id = :patient))"
)
"""The condition on `deliveries d JOIN reports r ON r.id = d.report`, with `Selection.values`."""
DELIVERED = f"{HAD} AND NOT EXISTS (SELECT 1 FROM behind b WHERE b.destination = d.destination AND b.report = d.report)"  # noqa: S608 - constants
"""The condition on `deliveries d JOIN reports r ON r.id = d.report`, with `Selection.values`: what is not under way again."""
_COUNT_BEHIND = f"SELECT b.state, count(*) FROM behind b WHERE {BEHIND} GROUP BY b.state"  # noqa: S608 - a constant
_COUNT_DELIVERED = f"SELECT count(*) FROM deliveries d JOIN reports r ON r.id = d.report WHERE {DELIVERED}"  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Messages of one destination; what is not given does not narrow. `reason`: part of the words, or the whole code."""

    destination: str
    states: frozenset[State] = field(default_factory=frozenset)
    """DELIVERED is what the destination has; the others stand in `behind`."""
    reports: tuple[int, ...] | None = None
    reason: str = ""
    device: str = ""
    patient: str = ""
    """The patient's number, as known now or as the message was made."""
    since: datetime | None = None
    until: datetime | None = None
    """Received in [since, until)."""

    def values(self, after: int = 0) -> dict[str, Any]:
        """What BEHIND and DELIVERED ask for; only reports beyond `after`."""
        return {
            "destination": self.destination,
            "states": msgspec.json.encode(sorted(self.states)).decode(),
            "reports": None if self.reports is None else msgspec.json.encode(self.reports).decode(),
            "reason": self.reason,
            "device": self.device,
            "patient": self.patient,
            "since": None if self.since is None else to_text(self.since),
            "until": None if self.until is None else to_text(self.until),
            "after": after,
        }

    def told(self) -> Mapping[str, str]:
        """What was asked for, for the audit trail."""
        given = self.values()
        wanted = {key: given[key] for key in ("reports", "reason", "device", "patient", "since", "until") if given[key]}
        return {**wanted, "states": ", ".join(sorted(self.states))}


def count(conn: sqlite3.Connection, selection: Selection) -> dict[State, int]:
    """How many messages a selection means, by state."""
    values = selection.values()
    found = {State(state): n for state, n in conn.execute(_COUNT_BEHIND, values).fetchall()}
    if State.DELIVERED in selection.states:
        found[State.DELIVERED] = conn.execute(_COUNT_DELIVERED, values).fetchone()[0]
    return {state: n for state, n in found.items() if n}
