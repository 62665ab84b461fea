"""A receiver in this process that marks each message in the shim's log before it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulators.receiving.behaviour import Script
from simulators.receiving.keeping import FILE, Keeping, Row, rows
from simulators.receiving.ledger import Arrival
from simulators.receiving.mllp import MllpDoor


class _Telling(Keeping):
    """Keeps as any receiver does, and says so before the answer goes out."""

    def __init__(self, folder: Path, told: Callable[[str], None]) -> None:
        super().__init__(folder)
        self._told = told

    def add(self, door: str, id_: str, device: str, body: bytes, *, accepted: bool, answer: str) -> Arrival:
        arrival = super().add(door, id_, device, body, accepted=accepted, answer=answer)
        self._told(id_)
        return arrival


@dataclass(slots=True)
class Witness:
    """An MLLP receiver; `told` is called with each message id before the answer."""

    folder: Path
    door: MllpDoor
    keeping: Keeping
    port: int

    @classmethod
    async def open(cls, folder: Path, behave: str, seed: int, told: Callable[[str], None], port: int = 0) -> Witness:
        """Listen on loopback; books that are in `folder` are gone on with."""
        keeping = _Telling(folder, told)
        door = MllpDoor(keeping, Script(behave, seed))
        return cls(folder, door, keeping, await door.open("127.0.0.1", port))

    def rows(self) -> list[Row]:
        """All that came, in order."""
        return list(rows(self.folder / FILE))

    async def close(self) -> None:
        """Stop listening, close the books."""
        await self.door.close()
        self.keeping.close()
