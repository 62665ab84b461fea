"""Who wears what by the configuration: each association is recorded once, then left to the people at the bedside."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from gateway import loaded
from gateway.config import AssociationConfig, Config
from gateway.errors import ActError, ConfigError
from gateway.known_good import Kept
from gateway.patients import acts

SOURCE = "configuration"


def new_since(kept: Kept | None, settings: Config) -> list[AssociationConfig]:
    """Those that the configuration which ran before did not have; none where it is not known."""
    if kept is None:
        return []
    try:
        before = loaded.parse(kept.text, kept.path).settings.association
    except ConfigError:  # of an older wardlink
        return []
    return [one for one in settings.association if one not in before]


def record(conn: sqlite3.Connection, settings: Config, new: Collection[AssociationConfig]) -> None:
    """Record those of `settings` that never were, and those in `new`, which the configuration before did not have.

    Inside the caller's transaction. Raises ConfigError naming file, line and key for one that cannot be.
    """
    said = acts.history(conn, every_version=True)
    known = {(one.device, one.subject.patient_id) for one in said if one.source == SOURCE}
    for index, fixed in enumerate(settings.association):
        if fixed not in new and (fixed.device, fixed.patient.patient_id) in known:
            continue
        try:
            acts.associate(conn, fixed.device, fixed.patient.subject(), at=fixed.since, by=SOURCE, source=SOURCE)
        except ActError as error:
            raise ConfigError(settings.problem(("association", index, "since"), str(error))) from None
