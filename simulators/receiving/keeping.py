"""What the receiver got, in an append-only file: a JSON object a line, read back at the next start."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from simulators.receiving.ledger import Arrival, Ledger

FILE = "received.jsonl"


@dataclass(frozen=True, slots=True)
class Row:
    """A message as it was kept. `answer` is what was said to it: AA, CR, 422, "nothing", "AA for another message" …"""

    time: str
    door: str
    id: str
    device: str
    sha256: str
    accepted: bool
    answer: str
    arrival: str
    body: bytes


class Keeping:
    """The ledger, and with a folder the file behind it. A row is in the file before its answer is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self.ledger = Ledger()
        self._file: BinaryIO | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / FILE
            for row in rows(path):
                self.ledger.add(row.id, row.device, row.body, accepted=row.accepted)
            self._file = _appending(path)

    def add(self, door: str, id_: str, device: str, body: bytes, *, accepted: bool, answer: str) -> Arrival:
        """Keep a message; `door` is mllp or fhir."""
        arrival = self.ledger.add(id_, device, body, accepted=accepted)
        if self._file is not None:
            row = {"time": datetime.now(UTC).isoformat(), "door": door, "id": id_, "device": device}
            row |= {"sha256": hashlib.sha256(body).hexdigest(), "answer": answer, "arrival": arrival.value, **_text(body)}
            self._file.write(json.dumps({**row, "accepted": accepted}, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
        return arrival

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def rows(path: Path) -> Iterator[Row]:
    """The rows of a file; a last line that a kill cut off is passed over."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                yield _row(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue


def _row(data: dict[str, str | bool]) -> Row:
    coded = data.get("body_base64")
    body = base64.b64decode(str(coded)) if coded is not None else str(data["body"]).encode()
    return Row(
        time=str(data["time"]),
        door=str(data["door"]),
        id=str(data["id"]),
        device=str(data["device"]),
        sha256=str(data["sha256"]),
        accepted=bool(data["accepted"]),
        answer=str(data["answer"]),
        arrival=str(data["arrival"]),
        body=body,
    )


def _text(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _appending(path: Path) -> BinaryIO:
    path.touch(mode=0o600)
    file = path.open("ab+")
    if file.tell() > 0:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")  # end the line that a kill cut off
    return file
