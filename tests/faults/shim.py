"""The shim around a process: compiled once, its log and its controls on this side."""

from __future__ import annotations

import atexit
import functools
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.tools import need

_RECORD = struct.Struct("<cxHIq")
_CONTROL = struct.Struct("<qQc3xi")
_SOURCE = Path(__file__).with_name("shim.c")


@functools.cache
def library() -> Path:
    """The compiled shim. Raises tools.Missing without a C compiler."""
    compiler = need("cc", "gcc libc6-dev")
    folder = Path(tempfile.mkdtemp(prefix="wl-shim-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", folder / "shim.so", _SOURCE, "-ldl"], check=True, timeout=60)
    return folder / "shim.so"


@dataclass(frozen=True, slots=True)
class Act:
    """A record of the log; kinds as in shim.c. `end` is the log's length after it."""

    kind: str
    path: str
    data: bytes
    offset: int
    end: int


class Shim:
    """The log and the controls of the processes that run with `environment`."""

    def __init__(self, folder: Path, data: Path) -> None:
        self._log, control = folder / "shim.log", folder / "shim.control"
        control.write_bytes(bytes(_CONTROL.size))
        with control.open("r+b") as file:
            self._control = mmap.mmap(file.fileno(), _CONTROL.size)
        self._marks = os.open(self._log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self.environment = {
            "LD_PRELOAD": str(library()),
            "FAULT_FOLDER": str(data),
            "FAULT_LOG": str(self._log),
            "FAULT_CONTROL": str(control),
        }
        self.mortal = {**self.environment, "FAULT_MORTAL": "1"}
        """The environment of a process that `die_before` may kill."""

    def die_before(self, act: int, kind: str = "\0") -> None:
        """The mortal process is killed (as by kill -9) when it is about to do its `act`th act from now, or of that kind.

        Kinds as in shim.c: W write, S sync, A acknowledge a device, N send a message … `act` 0: not any more.
        """
        self._control[8:17] = struct.pack("<Qc", act, kind.encode())

    def set_clock(self, ahead_s: float) -> None:
        """The wall clock of every process with the shim, seconds ahead of this machine's."""
        self._control[:8] = struct.pack("<q", int(ahead_s * 1e9))

    def fail(self, error: int) -> None:
        """From now on the disk answers every write and sync of the data folder with this errno; 0: it works again."""
        self._control[20:24] = struct.pack("<i", error)

    def mark(self, text: str) -> int:
        """Write a mark into the log: all that is before it has happened. The log's length with it."""
        data = text.encode()
        os.write(self._marks, _RECORD.pack(b"M", 0, len(data), 0) + data)
        return os.fstat(self._marks).st_size

    def read(self, start: int = 0) -> Iterator[Act]:
        """The records from `start` on; one that is being written is left for the next time."""
        with self._log.open("rb") as file:
            file.seek(start)
            while len(head := file.read(_RECORD.size)) == _RECORD.size:
                kind, path_size, data_size, offset = _RECORD.unpack(head)
                with_data = data_size if kind in b"WRM" else 0
                body = file.read(path_size + with_data)
                if len(body) < path_size + with_data:
                    return
                start += _RECORD.size + len(body)
                yield Act(kind.decode(), body[:path_size].decode(), body[path_size:], offset, start)

    def close(self) -> None:
        """Let go of log and controls."""
        self._control.close()
        os.close(self._marks)
