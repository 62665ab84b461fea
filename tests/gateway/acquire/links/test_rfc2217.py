"""RFC 2217 against pyserial's server (another's code) on a real pty, and by the RFC's own bytes."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import tty
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import serial
import serial.rfc2217
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.acquire.links import parse_link
from gateway.acquire.links.telnet import Telnet
from gateway.driver import LineSettings
from gateway.errors import LinkError

LINE = LineSettings(2400, 7, "E", 2, "none")
IAC_SB_COM, IAC_SE = b"\xff\xfa\x2c", b"\xff\xf0"


class Port(serial.Serial):
    """pyserial's port, noting what it is set to; a pty only takes the speed."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.wanted: dict[str, Any] = {}
        super().__init__(*args, **more)

    def _reconfigure_port(self, **more: Any) -> None:
        self.wanted = self.get_settings()
        on_a_pty = {"_bytesize": 8, "_parity": "N", "_stopbits": 1}
        asked = {name: getattr(self, name) for name in on_a_pty}
        vars(self).update(on_a_pty)
        super()._reconfigure_port(**more)  # type: ignore[misc]  # typeshed leaves it out
        vars(self).update(asked)

    def get_modem_lines(self) -> tuple[bool, ...]:
        return (False,) * 4

    cts = dsr = ri = cd = property(lambda _: False)

    def _update_dtr_state(self) -> None: ...

    def _update_rts_state(self) -> None: ...


class Server:
    """A serial server: pyserial's PortManager between one TCP connection and a pty."""

    async def start(self) -> int:
        self.device, slave = os.openpty()
        tty.setraw(slave)
        self.port = Port(os.ttyname(slave), timeout=0)
        os.close(slave)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        manager = serial.rfc2217.PortManager(cast("Any", self.port), cast("Any", writer))
        loop = asyncio.get_running_loop()
        loop.add_reader(self.port.fileno(), lambda: writer.write(b"".join(manager.escape(self.port.read(4096)))))
        while data := await reader.read(4096):
            plain = b"".join(manager.filter(data))
            if plain:
                self.port.write(plain)
        loop.remove_reader(self.port.fileno())
        writer.close()

    async def stop(self) -> None:
        self._server.close()
        self.port.close()
        os.close(self.device)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, int]]:
    one = Server()
    yield one, await one.start()
    await one.stop()


async def test_the_remote_line_is_set_and_every_byte_value_passes_both_ways(server: tuple[Server, int]) -> None:
    one, port = server
    before = threading.active_count()
    connection = await parse_link(f"rfc2217://127.0.0.1:{port}", LINE).link().open()
    assert threading.active_count() == before
    wanted = one.port.wanted
    assert (wanted["baudrate"], wanted["bytesize"], wanted["parity"], wanted["stopbits"]) == (2400, 7, "E", 2)
    every = bytes(range(256))
    os.write(one.device, every)
    got = b""
    async with asyncio.timeout(5):
        while len(got) < 256:
            got += await connection.read()
    assert got == every
    await connection.write(every)
    back = b""
    async with asyncio.timeout(5):
        while len(back) < 256:
            back += await asyncio.to_thread(os.read, one.device, 256)
    assert back == every
    assert connection.describe() == f"rfc2217 127.0.0.1:{port} 2400 7E2"
    await connection.close()


async def refused(answer: bytes | None, text: str = "") -> str:
    """What is said of a server that answers everything with `answer` (None: it hangs up)."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(100)
        if answer is None:
            writer.close()
        else:
            writer.write(answer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    with pytest.raises(LinkError) as caught:
        await parse_link(f"rfc2217://127.0.0.1:{port}?{text}").link().open()
    for writer in writers:
        writer.close()
    listening.close()
    return str(caught.value)


async def test_servers_that_cannot_do_it_are_named() -> None:
    assert "the server does not do RFC 2217; use tcp:// and set the line on the server" in await refused(b"\xff\xfe\x2c")
    assert "closed while it was being set; is another program connected?" in await refused(None)
    assert "were not confirmed in 0.2 s; does it do RFC 2217?" in await refused(b"raw data", "settle_s=0.2")
    slow = IAC_SB_COM + b"\x65\x00\x00\x04\xb0" + IAC_SE
    assert "the server set baudrate to 1200; expected 9600" in await refused(slow)


def test_the_commands_are_the_rfcs() -> None:
    """RFC 2217 section 3: SET-BAUDRATE 1 (four bytes, high first), SET-DATASIZE 2, SET-PARITY 3 (3 EVEN), SET-STOPSIZE 4 (2 TWO)."""
    telnet = Telnet(LINE)
    assert telnet.data_to_send() == b"\xff\xfb\x00\xff\xfd\x00\xff\xfb\x03\xff\xfd\x03\xff\xfb\x2c\xff\xfd\x2c"
    assert telnet.receive(b"\xff\xfd\x2c") == b""
    said = telnet.data_to_send()
    for command in (b"\x01\x00\x00\x09\x60", b"\x02\x07", b"\x03\x03", b"\x04\x02", b"\x05\x01"):
        assert IAC_SB_COM + command + IAC_SE in said


def test_a_setting_that_holds_the_byte_255_is_doubled_and_its_answer_undoubled() -> None:
    telnet = Telnet(LineSettings(baud=0xFF))
    telnet.receive(b"\xff\xfd\x2c")
    assert IAC_SB_COM + b"\x01\x00\x00\x00\xff\xff" + IAC_SE in telnet.data_to_send()
    answers = b"\x65\x00\x00\x00\xff\xff", b"\x66\x08", b"\x67\x01", b"\x68\x01"
    for answer in answers:
        assert not telnet.settled
        telnet.receive(IAC_SB_COM + answer + IAC_SE)
    assert (telnet.settled, telnet.refusal) == (True, "")


def test_offers_are_answered_once_and_unknown_ones_refused() -> None:
    telnet = Telnet(LINE)
    telnet.data_to_send()
    telnet.receive(b"\xff\xfb\x01\xff\xfd\x18" * 3)
    assert telnet.data_to_send() == b"\xff\xfe\x01\xff\xfc\x18"


WIRE = b"ab\xff\xffc\xff\xfb\x00" + IAC_SB_COM + b"\x6b\xff\xff" + IAC_SE + b"d\xff\xf1e\xff\xfd\x2c" + b"f"


@settings(max_examples=200, deadline=None)
@given(cuts=st.lists(st.integers(1, len(WIRE) - 1)))
def test_any_split_gives_the_same_line_bytes_and_answers(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(WIRE)]
    telnet = Telnet(LINE)
    plain = b"".join(telnet.receive(WIRE[a:b]) for a, b in itertools.pairwise(edges))
    assert plain == b"ab\xffcdef"
    whole = Telnet(LINE)
    whole.receive(WIRE)
    assert telnet.data_to_send() == whole.data_to_send()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000))
def test_no_bytes_make_it_raise_or_hold_more_than_a_command(data: bytes) -> None:
    telnet = Telnet(LINE)
    telnet.receive(b"\xff\xfa" + data)
    assert len(telnet._buffer) <= 1024 + 2
    telnet.receive(IAC_SE + b"\xff\xf0")
    assert telnet.receive(b"after").endswith(b"after")
