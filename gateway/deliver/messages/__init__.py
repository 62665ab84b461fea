"""Message formats: a journal entry and its subject in, bytes out; pure and deterministic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gateway.deliver.destination import Outgoing
from gateway.model import Entry, Subject

Renderer: TypeAlias = Callable[[Entry, Subject | None], Outgoing]
"""Made once a destination from its settings, so that static strings are escaped once: `pcd01.renderer(settings, gateway)`."""
