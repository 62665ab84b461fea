"""Serial ports on real ptys: settings, sharing, unplugging and plugging in again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.acquire.links import parse_link
from gateway.acquire.links.descriptor import DescriptorConnection
from gateway.acquire.links.serial import SerialLink
from gateway.driver import LineSettings
from gateway.errors import LinkError


class Pty:
    """The device's end of a cable that can be pulled."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.plug()

    def plug(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self.name.unlink(missing_ok=True)
        self.name.symlink_to(self.port)
        self._slave: int | None = slave

    def let_go(self) -> None:
        """Leave the slave to the gateway alone."""
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None

    def pull(self) -> None:
        self.let_go()
        os.close(self.master)
        self.name.unlink()


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[Pty]:
    one = Pty(tmp_path / "usb-FTDI_FT232R_A10K-if00-port0")
    yield one
    one.let_go()
    with contextlib.suppress(OSError):
        os.close(one.master)


def link(pty: Pty, line: LineSettings | None = None) -> SerialLink:
    found = parse_link(f"serial://{pty.name}", line).link()
    assert isinstance(found, SerialLink)
    return found


async def exactly(connection: DescriptorConnection, count: int) -> bytes:
    data = b""
    async with asyncio.timeout(5):
        while len(data) < count:
            data += await connection.read()
    return data


async def test_bytes_pass_unchanged_both_ways_every_value_of_them(pty: Pty) -> None:
    every = bytes(range(256))
    connection = await link(pty).open()
    os.write(pty.master, every)
    assert await exactly(connection, 256) == every
    await connection.write(every)
    assert os.read(pty.master, 1000) == every
    await connection.close()
    await connection.close()


async def test_one_byte_at_a_time_arrives_whole(pty: Pty) -> None:
    connection = await link(pty).open()
    reading = asyncio.ensure_future(exactly(connection, 10))
    for byte in b"0123456789":
        os.write(pty.master, bytes([byte]))
        await asyncio.sleep(0)
    assert await reading == b"0123456789"
    await connection.close()


async def test_the_line_is_raw_and_never_our_controlling_terminal(pty: Pty) -> None:
    connection = await link(pty, LineSettings(19200)).open()
    pty_fd = os.open(pty.port, os.O_RDWR | os.O_NOCTTY)
    iflag, oflag, _, lflag, ispeed, ospeed, _ = termios.tcgetattr(pty_fd)
    os.close(pty_fd)
    assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert not iflag & (termios.ICRNL | termios.INLCR | termios.IXON)
    assert not oflag & termios.OPOST
    assert (ispeed, ospeed) == (termios.B19200, termios.B19200)
    await connection.close()
    code = (
        "import asyncio, os, sys; os.setsid()\n"
        "from gateway.acquire.links import parse_link\n"
        "async def main():\n"
        "    line = await parse_link('serial://' + sys.argv[1]).link().open()\n"
        "    try: os.open('/dev/tty', os.O_RDWR)\n"
        "    except OSError as error: return error.errno\n"
        "sys.exit(asyncio.run(main()) != 6)"  # ENXIO: a session without a controlling terminal
    )
    ended = subprocess.run([sys.executable, "-c", code, pty.port], check=False, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize(
    "line", [LineSettings(1200, 7, "E", 2, "rtscts"), LineSettings(38400, 8, "O", 1, "xonxoff"), LineSettings(250000)]
)
async def test_a_pty_takes_settings_that_only_a_wire_has(pty: Pty, line: LineSettings) -> None:
    connection = await link(pty, line).open()
    os.write(pty.master, b"\x11\x13x")
    assert await exactly(connection, 3) == b"\x11\x13x"
    await connection.close()


async def test_the_description_names_port_and_settings(pty: Pty) -> None:
    connection = await link(pty, LineSettings(2400, 7, "E", 1, "rtscts")).open()
    assert connection.describe() == f"{pty.name} 2400 7E1 rtscts"
    await connection.close()


async def test_a_port_in_use_is_named_and_free_again_after_close(pty: Pty) -> None:
    first = await link(pty).open()
    with pytest.raises(
        LinkError, match=r"in use by another program or another device of this configuration; `fuser -v .*` names it"
    ):
        await link(pty).open()
    await first.close()
    again = await link(pty).open()
    await again.close()


async def test_a_port_locked_by_another_process_is_in_use(pty: Pty) -> None:
    code = "import serial, sys; p = serial.Serial(sys.argv[1], exclusive=True); print('locked', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, pty.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(LinkError, match="in use"):
            await link(pty).open()
        other.communicate()
    await (await link(pty).open()).close()


@pytest.mark.parametrize("held", ["by another too", "by us alone"])
async def test_a_pulled_cable_ends_a_waiting_read_and_a_replugged_one_is_found_by_its_name(pty: Pty, held: str) -> None:
    one = link(pty)
    connection = await one.open()
    if held == "by us alone":
        pty.let_go()
    reading = asyncio.ensure_future(connection.read())
    await asyncio.sleep(0)
    old = pty.port
    pty.pull()
    with pytest.raises(LinkError, match="cable or adapter gone"):
        async with asyncio.timeout(5):
            await reading
    with pytest.raises(LinkError, match="cable or adapter gone"):
        await connection.write(b"x")
    with pytest.raises(LinkError, match="no such port; is the adapter plugged in"):
        await one.open()
    spare = os.openpty()  # takes the old number, so that the name must be looked up anew
    await connection.close()
    pty.plug()
    assert pty.port != old or spare
    connection = await one.open()
    os.write(pty.master, b"back")
    assert await exactly(connection, 4) == b"back"
    await connection.close()
    for fd in spare:
        os.close(fd)


async def test_what_was_said_before_the_cable_was_pulled_is_still_read(pty: Pty) -> None:
    connection = await link(pty).open()
    os.write(pty.master, b"last words")
    assert await exactly(connection, 10) == b"last words"
    pty.pull()
    with pytest.raises(LinkError):
        await connection.read()
    await connection.close()


async def test_closing_ends_a_waiting_read(pty: Pty) -> None:
    connection = await link(pty).open()
    reading = asyncio.ensure_future(connection.read())
    await asyncio.sleep(0)
    await connection.close()
    async with asyncio.timeout(5):
        assert await reading == b""


async def test_a_cancelled_read_loses_no_byte(pty: Pty) -> None:
    connection = await link(pty).open()
    for _ in range(3):
        reading = asyncio.ensure_future(connection.read())
        await asyncio.sleep(0)
        os.write(pty.master, b"ab")
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await exactly(connection, 2) == b"ab"
    await connection.close()


async def test_a_line_that_takes_nothing_is_named_stuck(pty: Pty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.acquire.links.descriptor.WRITE_TIMEOUT_S", 0.05)
    connection = await link(pty).open()
    with pytest.raises(LinkError, match=r"takes no bytes for 0\.05 s; is flow control right"):
        await connection.write(bytes(1_000_000))
    await connection.close()


async def test_a_long_write_waits_for_room(pty: Pty) -> None:
    connection = await link(pty).open()
    data = bytes(range(256)) * 200
    writing = asyncio.ensure_future(connection.write(data))
    got = b""
    async with asyncio.timeout(5):
        while len(got) < len(data):
            got += await asyncio.to_thread(os.read, pty.master, 65536)
        await writing
    assert got == data
    await connection.close()


async def test_what_is_no_port_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("x")
    cases = [
        (tmp_path / "absent", "no such port; is the adapter plugged in"),
        (file, "is no serial port or cannot do 9600 8N1"),
        (tmp_path, "Is a directory"),
        (Path("/dev/null"), "is no serial port"),
    ]
    for path, said in cases:
        with pytest.raises(LinkError, match=said):
            await parse_link(f"serial://{path}").link().open()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open any port")
async def test_a_forbidden_port_names_the_group(pty: Pty) -> None:
    Path(pty.port).chmod(stat.S_IWUSR * 0)
    with pytest.raises(LinkError, match="must be in the group that owns the port"):
        await link(pty).open()


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=1, max_size=200), max_size=12))
def test_any_split_of_what_is_sent_arrives_in_order(pty: Pty, parts: list[bytes]) -> None:
    async def run() -> None:
        connection = await link(pty).open()
        reading = asyncio.ensure_future(exactly(connection, sum(map(len, parts))))
        for part in parts:
            os.write(pty.master, part)
            await asyncio.sleep(0)
        assert await reading == b"".join(parts)
        await connection.close()

    asyncio.run(run())
