"""Message formats: a journal entry and its subject in, bytes out; pure and deterministic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from gateway.deliver.destination import Outgoing
from gateway.model import Entry, Subject

LATE: Final = "late data: sent long after it was received"
"""What a message says of an entry that is late. No times: a replay must read the same, whenever it happens."""


class UnsuitedError(ValueError):
    """The format has no place for this report; the message says why, for people, without patient data."""


Renderer: TypeAlias = Callable[[Entry, Subject | None], Outgoing]
"""Made once a destination from its settings, so that static strings are escaped once: `pcd01.renderer(settings, gateway)`."""
