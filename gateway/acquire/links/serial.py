"""serial:///dev/…: a serial port or pty, opened for us alone, never as our controlling terminal."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import termios
from dataclasses import dataclass
from pathlib import Path

import serial

from gateway.acquire.links.descriptor import DescriptorConnection
from gateway.acquire.links.dial import Dial
from gateway.driver import LineSettings
from gateway.errors import LinkError

BAUD_MAX = 4_000_000
"""The fastest rate Linux names (termios B4000000)."""
_PTY_MAJORS = range(136, 144)
"""Device numbers of Unix98 pty slaves (Linux, admin-guide/devices)."""


@dataclass(frozen=True, slots=True)
class SerialSpec:
    """The port's path and the line's settings."""

    path: str
    line: LineSettings

    def link(self) -> SerialLink:
        return SerialLink(self)


def parse(dial: Dial, line: LineSettings | None) -> SerialSpec:
    """The spec of a serial:// dial string."""
    spec = SerialSpec(dial.path, line_settings(dial, line))
    dial.done()
    return spec


def line_settings(dial: Dial, line: LineSettings | None) -> LineSettings:
    """The driver's settings with what the dial string's parameters override."""
    usual = line or LineSettings()
    return LineSettings(
        baud=dial.integer("baud", usual.baud, 50, BAUD_MAX),
        bits=dial.integer("bits", usual.bits, 5, 8),
        parity=dial.choice("parity", usual.parity, ("N", "E", "O")),
        stop=dial.integer("stop", usual.stop, 1, 2),
        flow=dial.choice("flow", usual.flow, ("none", "rtscts", "xonxoff")),
    )


def line_text(line: LineSettings) -> str:
    """The settings as people write them: 9600 8N1."""
    flow = f" {line.flow}" if line.flow != "none" else ""
    return f"{line.baud} {line.bits}{line.parity}{line.stop}{flow}"


class SerialLink:
    """A serial port. Every `open` looks its path up anew, so that a by-id name finds an adapter that was plugged in again."""

    passive = False

    def __init__(self, spec: SerialSpec) -> None:
        self._spec = spec

    async def open(self) -> DescriptorConnection:
        port = open_port(self._spec)
        return DescriptorConnection(port.fd, self.describe(), port.close)

    async def close(self) -> None:
        """Nothing is kept between connections."""

    def describe(self) -> str:
        return f"{self._spec.path} {line_text(self._spec.line)}"


class _Port:
    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self.fd = int(port.fileno())

    def close(self) -> None:
        with contextlib.suppress(OSError):  # an adapter that is gone cannot be asked any more
            fcntl.ioctl(self.fd, termios.TIOCNXCL)
        with contextlib.suppress(OSError, serial.SerialException):
            self._port.close()


def open_port(spec: SerialSpec) -> _Port:
    """The port, set and locked. Raises LinkError that says what to do."""
    try:
        pty = _is_pty(spec.path)
        line = _pty_line(spec.line) if pty else spec.line
        port = serial.Serial(
            spec.path,
            baudrate=line.baud,
            bytesize=line.bits,
            parity=line.parity,
            stopbits=line.stop,
            rtscts=line.flow == "rtscts",
            xonxoff=line.flow == "xonxoff",
            exclusive=True,
            inter_byte_timeout=0,  # pyserial's way to VMIN 1, VTIME 0: then an empty read can only mean a hang-up
        )
    except (OSError, ValueError, termios.error) as error:
        raise LinkError(f"{spec.path}: {_cause(spec, error)}") from None
    if not pty:  # a pty's flag outlives us as long as its master, and would lock out the next start after a crash
        with contextlib.suppress(OSError):  # the lock holds all the same
            fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
    return _Port(port)


def _is_pty(path: str) -> bool:
    return os.major(Path(path).stat().st_rdev) in _PTY_MAJORS


def _pty_line(line: LineSettings) -> LineSettings:
    # A pty has no wire: Linux clears size and parity, and glibc's tcsetattr answers EINVAL to what did not stick.
    return LineSettings(baud=line.baud, flow="none")


def _cause(spec: SerialSpec, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return f"no such port; is the adapter plugged in? There is now: {_present()}"
    if number in {errno.EBUSY, errno.EWOULDBLOCK}:
        return f"in use by another program or another device of this configuration; `fuser -v {spec.path}` names it"
    if number in {errno.EACCES, errno.EPERM}:
        return "not permitted; the gateway's user must be in the group that owns the port (usually dialout)"
    if number is None or number in {errno.ENOTTY, errno.EINVAL}:
        return f"is no serial port or cannot do {line_text(spec.line)}; check path and line settings ({error})"
    return f"cannot be opened: {os.strerror(number)}"


def _present() -> str:
    names = sorted(str(path) for path in Path("/dev/serial/by-id").glob("*"))[:8]
    return ", ".join(names) or "no USB serial adapter at all"
