"""What is set of a driver: by a person, by an analyzer's profile, and of its serial line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """What a person may set of a driver in the configuration or an analyzer profile; a driver derives its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @property
    def zone(self) -> tzinfo | None:
        """The zone in which such a device says its times, where it is the same at every site; None: the site's."""
        return None


@dataclass(frozen=True, slots=True)
class LineSettings:
    """A serial line's settings: the device's factory default. `parity` is N, E or O; `flow` none, rtscts or xonxoff."""

    baud: int = 9600
    bits: int = 8
    parity: str = "N"
    stop: int = 1
    flow: str = "none"
