"""Real processes in a folder of their own: gateways, receivers, simulated devices, each ended by its own handle."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gateway import control
from simulators import pki
from simulators.receiving.control import tell
from simulators.receiving.keeping import FILE, Row, rows
from tests.faults.shim import Shim

WARDLINK = str(Path(sys.executable).with_name("wardlink"))
PATIENCE_S = 30.0
"""How long a condition may take to come true: two cores shared with other tests, and still bounded."""
POLL_S = 0.02
EUI64 = "02AABBCCDDEEFF01"

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """The condition's first true answer; a failure that says `what` did not happen after `patience_s`."""
    end = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < end, f"did not happen in {patience_s:g} s: {what}"
        time.sleep(POLL_S)
    return found


class Process:
    """A command of ours that runs until it is told to stop; what it says is in its log."""

    def __init__(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def pid(self) -> int:
        return self._popen.pid

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def told(self) -> list[dict[str, Any]]:
        """The whole JSON lines among what it said."""
        return [
            json.loads(line) for line in self.said().splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")
        ]

    def kill(self) -> None:
        """kill -9, and the corpse is taken away."""
        self._popen.kill()
        self._popen.wait(PATIENCE_S)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        if self.running:
            self._popen.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Its exit code; killed when it does not end by itself in time."""
        try:
            return self._popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Receiver(Process):
    """A `wardlink receive`, told what to do while it runs; its books stay when it is killed and started again."""

    def __init__(self, folder: Path, name: str, arguments: Sequence[str]) -> None:
        self.kept = folder / f"{name}-kept"
        self._control = folder / f"{name}.sock"
        super().__init__(
            [WARDLINK, "receive", *arguments, "--json", "--keep", str(self.kept), "--control", str(self._control)],
            folder / f"{name}.log",
        )

    def rows(self, door: str = "") -> list[Row]:
        """All that came, in order; with `door` (mllp, fhir) what came there."""
        return [row for row in rows(self.kept / FILE) if door in ("", row.door)]

    def accepted(self) -> dict[str, str]:
        """The text of what was accepted, by message id."""
        return {row.id: row.body.decode() for row in self.rows() if row.accepted}

    def tell(self, line: str) -> str:
        return tell(self._control, line)

    def summary(self) -> dict[str, Any]:
        """Its books: received, unique, accepted, repeats, changed, in_order …"""
        found: dict[str, Any] = json.loads(self.tell("summary"))
        return found


class World:
    """A folder, a configuration, and the processes that work on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "w.toml"
        self.data = folder / "data"
        self._processes: list[Process] = []
        self._ports = _free_ports()
        self._names = itertools.count(1)
        self.shim: Shim | None = None
        """Around every process that works on the data, once `watch` was called."""

    def watch(self) -> Shim:
        """From now on the data folder is watched, the clock can be set, the gateway can be killed at an act of its own."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.shim = Shim(self.folder, self.data)
        return self.shim

    @functools.cached_property
    def pki(self) -> tuple[pki.Pki, pki.BadPki]:
        """Certificates, good and bad."""
        return pki.make_with_bad(self.folder / "pki")

    def port(self) -> int:
        """A port that nobody has now."""
        return next(self._ports)

    @staticmethod
    def is_taken(port: int) -> bool:
        """Whether somebody listens there."""
        return not _is_free(port)

    def configure(self, *parts: str, eui64: str = EUI64, zone: str = "UTC") -> None:
        """Write the configuration: a [gateway] on this folder, then `parts`."""
        gateway = f'[gateway]\nname = "system-test"\neui64 = "{eui64}"\ntimezone = "{zone}"\ndata = "{self.data}"\n'
        self.config.write_text("\n".join([gateway, *parts]))

    def run(self, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """A `wardlink` command to its end."""
        environment = {**os.environ, **(self.shim.environment if self.shim else {})}
        return subprocess.run(
            [WARDLINK, *arguments], input=stdin, capture_output=True, timeout=PATIENCE_S, check=False, env=environment
        )

    def ask(self, *arguments: str, expect: int = 0) -> str:
        """A command on this configuration to its end, which must be `expect`; what it said on stdout."""
        done = self.run(*arguments, "--config", str(self.config))
        assert done.returncode == expect, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout.decode()

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Process:
        """A `wardlink` command that runs beside the test."""
        log = self.folder / f"{next(self._names)}-{arguments[0]}.log"
        return self._started(Process([WARDLINK, *arguments], log, environment))

    def run_beside(self, command: Sequence[str], name: str) -> Process:
        """Any command, beside the test; its log is named after `name`."""
        return self._started(Process(command, self.folder / f"{next(self._names)}-{name}.log"))

    def gateway(self, *, wait: bool = True) -> Process:
        """Start the gateway; with `wait`, until it answers for itself."""
        environment = self.shim.mortal if self.shim else None
        process = self.start("run", "--config", str(self.config), environment=environment)
        if wait:
            until(lambda: self.status() is not None or not process.running, "the gateway is up")
            assert process.running, process.said()
        return process

    def receiver(
        self,
        name: str = "receiver",
        behave: str = "ack",
        *,
        port: int = 0,
        tls: bool = False,
        fhir: int = 0,
        protection: Sequence[str] = (),
    ) -> Receiver:
        """Start a receiver of MLLP, with `fhir` (a port) of FHIR too, and wait until it listens. `tls`: mutual, of our PKI."""
        if tls:
            good = self.pki[0]
            protection = ("--ca", str(good.ca), "--cert", str(good.server.cert), "--key", str(good.server.key))
        doors = ("--mllp", f"127.0.0.1:{port}", *(("--fhir", f"127.0.0.1:{fhir}") if fhir else ()))
        receiver = Receiver(self.folder, name, [*doors, "--behave", behave, *protection])
        self._started(receiver)
        until(lambda: not receiver.running or _answers(receiver), f"the receiver {name} is up")
        assert receiver.running, receiver.said()
        return receiver

    def status(self) -> dict[str, Any] | None:
        """What the gateway says of itself; None while it does not."""
        with contextlib.suppress(ValueError):
            said = control.ask(self.data, "status")
            return said if isinstance(said, dict) and "journal" in said else None
        return None

    def device(self, device_id: str) -> dict[str, Any]:
        """A device's live status; {} while there is none."""
        status = self.status() or {"devices": []}
        return next((one for one in status["devices"] if one["id"] == device_id), {})

    def destination(self, destination_id: str) -> dict[str, Any]:
        """What the journal and the dispatcher say of a destination, in one table; {} while they do not."""
        status = self.status()
        if status is None:
            return {}
        found: dict[str, Any] = {}
        for table in (status["journal"]["destinations"], status["destinations"]):
            found |= next((one for one in table if one["id"] == destination_id), {})
        return found

    def account(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The conservation statement's lines by device and destination; it must balance."""
        told = json.loads(self.ask("account", "--json"))
        assert told["balanced"] is True, told
        return {(line["device"], line["destination"]): line for line in told["lines"]}

    def drained(self, destination_id: str) -> bool:
        """Whether nothing waits for a destination any more."""
        return self.destination(destination_id).get("waiting") == 0

    @staticmethod
    def until(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
        """The condition's first true answer; a failure that says `what` did not happen in time."""
        return until(condition, what, patience_s)

    @staticmethod
    async def eventually(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
        """The same for a test whose own tasks must go on meanwhile."""
        end = time.monotonic() + patience_s
        while not (found := condition()):
            assert time.monotonic() < end, f"did not happen in {patience_s:g} s: {what}"
            await asyncio.sleep(POLL_S)
        return found

    def close(self) -> None:
        """Nothing outlives its test."""
        for process in reversed(self._processes):
            if process.running:
                process.kill()
        if self.shim is not None:
            self.shim.close()

    def _started(self, process: Process) -> Process:
        self._processes.append(process)
        return process


def _free_ports() -> Iterator[int]:
    """Ports below those of outgoing connections: one of these could take a port that is still wanted.

    What works beside this process has ports of its own: a port is free until its gateway begins to listen.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    for port in itertools.count(10_000 + worker * 5_000 + os.getpid() * 7 % 4_000):
        if _is_free(port):
            yield port


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def _answers(receiver: Receiver) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return bool(receiver.summary())
    return False


@contextlib.contextmanager
def in_a_world() -> Iterator[World]:
    """A world in a folder with a short name: a control socket's path holds 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="wl-"))
    made = World(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
