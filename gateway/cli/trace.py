"""wardlink trace record | show: what a line carries."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.acquire import registry
from gateway.acquire.links import Connection, parse_link
from gateway.acquire.links.trace import RecordedLink, TraceHeader, TraceWriter, read_trace
from gateway.cli.show import JsonOption, new_app, print_json, say
from gateway.errors import LinkError
from protocols.sansio import Codec, Fragment, Message

app = new_app()

PAUSE_S = 1.0
"""Between two attempts to open a link: a person stands beside it."""


@app.callback(no_args_is_help=True)
def _group() -> None:
    """Record what a line carries, show a recording."""


@app.command()
def record(
    out: Annotated[Path, typer.Argument(help="the file to make; never overwritten")],
    link: Annotated[str, typer.Option(help="a dial string, see docs/links.md")],
    driver: Annotated[
        str, typer.Option(help="poll as this driver does; what the device then sends is refused, never acknowledged")
    ] = "",
    profile: Annotated[str, typer.Option(help="analyzer profile, for a driver that has profiles")] = "",
    seconds: Annotated[float, typer.Option("--for", help="stop after this many seconds; 0: until Ctrl-C")] = 0,
) -> None:
    """Record both directions with their times. Nothing is acknowledged: the device keeps what it has."""
    declaration = registry.load(driver) if driver else None
    codec: Codec[Any] | None = declaration.codec(registry.options(declaration, profile, {})) if declaration else None
    way = parse_link(link, declaration.line if declaration else None).link()
    writer = TraceWriter(out, TraceHeader("", driver, profile, link, datetime.now(UTC)), time.monotonic())
    try:
        asyncio.run(_record(RecordedLink(way, writer), codec, seconds))
    finally:
        writer.close()
    say(f"{out}: recorded")


async def _record(link: RecordedLink, codec: Codec[Any] | None, seconds: float) -> None:
    task = asyncio.ensure_future(_lines(link, codec))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait([task], timeout=seconds or None)
    task.cancel()
    await asyncio.wait([task])
    await link.close()


async def _lines(link: RecordedLink, codec: Codec[Any] | None) -> None:
    while True:
        try:
            connection = await link.open()
            say(f"recording {connection.describe()}")
            await _line(connection, codec)
        except LinkError as error:
            say(str(error))
        await asyncio.sleep(PAUSE_S)


async def _line(connection: Connection, codec: Codec[Any] | None) -> None:
    try:
        if codec is not None:
            codec.start(time.monotonic())
        while await _step(connection, codec):
            pass
    finally:
        await connection.close()


async def _step(connection: Connection, codec: Codec[Any] | None) -> bool:
    """One read or one deadline; whether the line is still up."""
    deadline = None
    if codec is not None:
        if out := codec.data_to_send():
            await connection.write(out)
        deadline = codec.deadline()
    try:
        async with asyncio.timeout(None if deadline is None else max(0.0, deadline - time.monotonic())):
            data = await connection.read()
    except TimeoutError:
        if codec is not None:
            codec.on_deadline(time.monotonic())
        return True
    if codec is not None:
        _refuse(codec, data)
    return bool(data)


def _refuse(codec: Codec[Any], data: bytes) -> None:
    for event in codec.receive(data, time.monotonic()):
        if isinstance(event, Message | Fragment) and event.token is not None:
            codec.reject(event.token)


@app.command()
def show(file: Annotated[Path, typer.Argument(help="a recording")], as_json: JsonOption = False) -> None:
    """Print a recording: seconds since the start, direction, bytes, text."""
    trace = read_trace(file)
    if as_json:
        rows = [{"t": r.t_s, "sent": r.sent, "hex": r.data.hex()} for r in trace.records]
        print_json({"started": trace.header.started, "driver": trace.header.driver, "link": trace.header.link, "records": rows})
        return
    print(f"{trace.header.started.isoformat()} {trace.header.link} {trace.header.driver}")
    for one in trace.records:
        for at in range(0, len(one.data), 16):
            part = one.data[at : at + 16]
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
            sys.stdout.write(f"{one.t_s:12.6f} {'→' if one.sent else '←'} {part.hex(' '):48} {text}\n")
