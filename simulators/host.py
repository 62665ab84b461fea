"""wardlink simulate: gives a simulated device a pty or a socket, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from gateway.acquire.clock import Clock, SystemClock
from gateway.acquire.links import Connection, Link, parse_link
from gateway.errors import ConfigError, LinkError
from simulators.bad_line import BadLine
from simulators.contract import Simulation, Simulator
from simulators.pty import PtyLink
from simulators.scenario import Scenario

GROUP = "wardlink.simulators"
RECONNECT_S = 1.0
"""Pause of a simulated device before it dials again, as an analyzer makes one."""

Tell = Callable[[str, str], None]
"""Called with "up" or "down" and a description, once per change."""


def simulation(name: str) -> Simulation:
    """The simulation registered as `name`. Raises ConfigError that lists those there are."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise ConfigError(f"simulator {name!r}: expected one of {', '.join(sorted(points))}")
    found = points[name].load()
    if not isinstance(found, Simulation):
        raise ConfigError(f"simulator {name!r}: {points[name].value} is a {type(found).__name__}; expected a Simulation")
    return found


def build(what: Simulation, scenario: Scenario, options: Mapping[str, str]) -> Simulator:
    """A fresh device. Raises ConfigError for an option it does not have or a value it does not take."""
    for key in options.keys() - what.options_help.keys():
        raise ConfigError(f"option {key!r}: the simulator {what.id} has {', '.join(sorted(what.options_help)) or 'none'}")
    try:
        return what.build(scenario, options)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"simulator {what.id}: {error}") from None


def where(text: str) -> Link:
    """The device's end of a line: pty:///PATH makes a serial port of that name, all else is a dial string of docs/links.md."""
    scheme, separator, path = text.partition("://")
    if scheme != "pty" or not separator:
        return parse_link(text).link()
    if path and not path.startswith("/"):
        raise ConfigError(f"link {text!r}: expected an absolute path after three slashes, such as pty:///tmp/monitor")
    return PtyLink(Path(path) if path else None)


async def host(simulator: Simulator, link: Link, *, clock: Clock | None = None, tell: Tell | None = None) -> None:
    """Run a device on a link until cancelled; a line that is lost comes again after a pause."""
    time, tell = clock or SystemClock(), tell or _silent
    try:
        while True:
            try:
                await _connect(simulator, link, time, tell)
            except LinkError as error:
                tell("down", str(error))
                await time.sleep(RECONNECT_S)
    finally:
        await link.close()


async def _connect(simulator: Simulator, link: Link, clock: Clock, tell: Tell) -> None:
    connection = await link.open()
    try:
        tell("up", connection.describe())
        simulator.start(clock.monotonic())
        await _serve(simulator, connection, clock)
    finally:
        await connection.close()
    raise LinkError(f"{link.describe()}: the gateway closed the connection")


async def _serve(simulator: Simulator, connection: Connection, clock: Clock) -> None:
    while True:
        if data := simulator.data_to_send():
            await connection.write(data)
        said = await _read(connection, clock, simulator.deadline())
        if said is None:
            said = await _read(connection, clock, clock.monotonic())  # a line is heard, however late the program looks
        if said is None:
            simulator.on_deadline(clock.monotonic())
            continue
        if not said:
            return
        simulator.receive(said, clock.monotonic())
        deadline = simulator.deadline()
        if deadline is not None and deadline <= clock.monotonic():
            simulator.on_deadline(clock.monotonic())


async def _read(connection: Connection, clock: Clock, deadline: float | None) -> bytes | None:
    """What came until `deadline`; None: nothing."""
    try:
        async with clock.timeout(deadline):
            return await connection.read()
    except TimeoutError:
        return None


def _silent(change: str, text: str) -> None:
    del change, text


def command(
    simulator: Annotated[str, typer.Argument(help="which device: nonin, masimo, pb840, astm, …")],
    *,
    link: Annotated[str, typer.Option(help="pty:///PATH, tcp://HOST:PORT, tcp-listen://ADDRESS:PORT, serial:///DEV")] = "pty://",
    seed: Annotated[int, typer.Option(help="the same seed tells the same story")] = 1,
    option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of the simulator, repeatable")] = None,
    start: Annotated[datetime | None, typer.Option(help="the device's clock at the start, UTC; default: now")] = None,
    for_s: Annotated[float, typer.Option("--for", min=0, help="end after this many seconds; 0: when told to")] = 0,
    garble: Annotated[float, typer.Option(min=0, max=1, help="chance that a message has a changed byte")] = 0,
    drop: Annotated[float, typer.Option(min=0, max=1, help="chance that a message lacks a byte")] = 0,
    noise: Annotated[float, typer.Option(min=0, max=1, help="chance of random bytes after a message")] = 0,
    lose: Annotated[float, typer.Option(min=0, max=1, help="chance that an answer of the gateway is lost")] = 0,
    trickle: Annotated[bool, typer.Option("--trickle", help="one byte at a time")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Play a device on a pty or a socket: real bytes of a synthetic patient, with line faults on demand."""
    scenario = Scenario(seed, (start or datetime.now(UTC)).replace(tzinfo=UTC), garble=garble, drop=drop, noise=noise)
    device = build(simulation(simulator), scenario, _pairs(option or ()))
    if lose or trickle:
        device = BadLine(device, lose=lose, trickle=trickle, seed=seed)
    line = where(link)
    printer = _Printer(simulator, as_json=as_json)
    asyncio.run(_until_told(host(device, line, tell=printer), for_s))


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--option {text!r}: expected KEY=VALUE")
        pairs[key] = value
    return pairs


class _Printer:
    """A line for each change, at once: a person or a script waits for the line that says that the link is up."""

    def __init__(self, name: str, *, as_json: bool) -> None:
        self._name, self._json = name, as_json
        self._last = ""

    def __call__(self, change: str, text: str) -> None:
        if change == "down" and self._last == "down":
            return
        self._last = change
        told = (
            json.dumps({"simulator": self._name, "state": change, "link": text})
            if self._json
            else f"{self._name} {change}: {text}"
        )
        typer.echo(told)


async def _until_told(work: object, for_s: float) -> None:
    assert asyncio.iscoroutine(work)
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        async with asyncio.timeout(for_s or None):
            await task
