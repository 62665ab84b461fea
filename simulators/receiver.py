"""wardlink receive: a receiver for demo and tests that acknowledges, refuses, stalls or lies on command and keeps what it got."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import ssl
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Self

import typer

from gateway.errors import ConfigError, LinkError
from simulators.receiving.behaviour import Script
from simulators.receiving.control import Control, tell
from simulators.receiving.keeping import Keeping
from simulators.receiving.mllp import MllpDoor


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where to listen ("host:port"; port 0: any), how it is protected, and what is kept where."""

    mllp: str = ""
    fhir: str = ""
    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    keep: Path | None = None
    control: Path | None = None


class Receiver:
    """A running receiver. `ports` says where it listens."""

    def __init__(self, doors: Doors, script: Script) -> None:
        self.doors = doors
        self.script = script
        self.keeping = Keeping(doors.keep)
        self.ports: dict[str, int] = {}
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._open.callback(self.keeping.close)
        try:
            await self._listen()
        except OSError as error:
            await self._open.aclose()
            raise LinkError(f"cannot listen: {error}") from None
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def _listen(self) -> None:
        context = server_context(self.doors)
        if self.doors.mllp:
            mllp = MllpDoor(self.keeping, self.script)
            self._open.push_async_callback(mllp.close)
            self.ports["mllp"] = await mllp.open(*_split(self.doors.mllp), context)
        if self.doors.fhir:
            from simulators.receiving.fhir import FhirDoor

            fhir = FhirDoor(self.keeping, self.script, self.doors.keep)
            self._open.push_async_callback(fhir.close)
            self.ports["fhir"] = await fhir.open(*_split(self.doors.fhir), context)
        if self.doors.control is not None:
            control = Control(self.keeping, self.script)
            self._open.push_async_callback(control.close)
            await control.open(self.doors.control)


def server_context(doors: Doors) -> ssl.SSLContext | None:
    """TLS as `doors` say: None without a certificate; with `ca` the sender must show a certificate. Raises ConfigError."""
    if doors.cert is None and doors.key is None and doors.ca is None:
        return None
    if doors.cert is None or doors.key is None:
        raise ConfigError("--cert and --key belong together, and --ca needs them")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(doors.cert, doors.key)
        if doors.ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(doors.ca)
    except OSError as error:
        raise ConfigError(f"{doors.cert}, {doors.key}, {doors.ca}: cannot be used: {error}") from None
    return context


def command(  # noqa: PLR0917 - typer makes options of arguments
    mllp: Annotated[str, typer.Option(help="HOST:PORT to take HL7 v2 at; port 0: any")] = "",
    fhir: Annotated[str, typer.Option(help="HOST:PORT to take FHIR transactions at")] = "",
    behave: Annotated[str, typer.Option(help="script, such as ack*10,refuse:AE*3,stall*1,ack (docs/receiver.md)")] = "ack",
    seed: Annotated[int, typer.Option(help="a flaky receiver with the same seed fails at the same messages")] = 1,
    pki: Annotated[Path | None, typer.Option(help="folder of a throw-away PKI for mutual TLS; made when absent")] = None,
    cert: Annotated[Path | None, typer.Option(help="own certificate, PEM")] = None,
    key: Annotated[Path | None, typer.Option(help="its key, PEM")] = None,
    ca: Annotated[Path | None, typer.Option(help="authorities of the senders, PEM: mutual TLS")] = None,
    keep: Annotated[Path | None, typer.Option(help="folder for what is received; appended to")] = None,
    control: Annotated[Path | None, typer.Option(help="Unix socket that takes commands")] = None,
    say: Annotated[str, typer.Option("--tell", help="say this to the receiver at --control, print its answer and end")] = "",
    for_s: Annotated[float, typer.Option("--for", min=0, help="end after this many seconds; 0: when told to")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,  # noqa: FBT002 - typer's flags are booleans
) -> None:
    """Receive MLLP and FHIR, answer as told, keep everything and sum up at the end."""
    if say:
        _print(_tell(control, say))
        return
    if not mllp and not fhir:
        raise ConfigError("nothing to listen at: give --mllp HOST:PORT, --fhir HOST:PORT or both")
    if pki is not None:
        cert, key, ca = _pki(pki)
    try:
        script = Script(behave, seed)
    except ValueError as error:
        raise ConfigError(f"--behave: {error}") from None
    doors = Doors(mllp=mllp, fhir=fhir, cert=cert, key=key, ca=ca, keep=keep, control=control)
    asyncio.run(_run(doors, script, for_s, as_json=as_json))


async def _run(doors: Doors, script: Script, for_s: float, *, as_json: bool) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with Receiver(doors, script) as receiver:
        for door, port in receiver.ports.items():
            up = {"receiver": door, "state": "up", "port": port}
            _print(json.dumps(up) if as_json else f"{door} up: port {port}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(for_s or None):
                await told.wait()
    summary = asdict(receiver.keeping.ledger.summary())
    _print(json.dumps({"summary": summary}) if as_json else _words(summary))


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command speaks; at once, because a script waits for the line


def _words(summary: dict[str, object]) -> str:
    counts = ", ".join(f"{summary[key]} {key}" for key in ("received", "unique", "accepted", "repeats", "changed", "nameless"))
    return f"{counts}; {'in order' if summary['in_order'] else 'NOT in order'}"


def _tell(control: Path | None, line: str) -> str:
    if control is None:
        raise ConfigError("--tell needs --control: the socket of the receiver that is meant")
    try:
        return tell(control, line)
    except OSError as error:
        raise LinkError(f"{control}: no receiver answers there: {error}") from None


def _pki(folder: Path) -> tuple[Path, Path, Path]:
    if not (folder / "ca.pem").exists():
        from simulators.pki import make

        make(folder)
    return folder / "server.pem", folder / "server.key", folder / "ca.pem"


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ConfigError(f"{address!r}: expected HOST:PORT")
    return host.strip("[]"), int(port)
