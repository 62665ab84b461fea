"""Telnet with the COM port option, client side, without IO: line bytes out of a stream that has commands in it.

RFC 854 (IAC and the commands), RFC 856 (binary transmission), RFC 2217 (COM port control: commands 1 to 12, the server's answers
are 100 higher). A line byte 255 travels as 255 255. Seen on real serial servers: a notification in the middle of data, a
command cut by the end of a read, options nobody asked for.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from gateway.driver import LineSettings

IAC, SE, SB, WILL, WONT, DO, DONT = 255, 240, 250, 251, 252, 253, 254
BINARY, ECHO, SGA, COM_PORT = 0, 1, 3, 44
_WANTED_FROM_SERVER = frozenset({BINARY, SGA, COM_PORT})
_OFFERED = frozenset({BINARY, SGA, COM_PORT})
_SUBNEGOTIATION_MAX = 1024
"""Bytes of a subnegotiation: a COM port command has five, a server's signature a line."""


class Com(IntEnum):
    """COM port commands (RFC 2217)."""

    BAUDRATE = 1
    DATASIZE = 2
    PARITY = 3
    STOPSIZE = 4
    CONTROL = 5
    PURGE = 12


_PARITY = {"N": 1, "O": 2, "E": 3}
_FLOW = {"none": 1, "xonxoff": 2, "rtscts": 3}
_ANSWER = 100
_SET = (Com.BAUDRATE, Com.DATASIZE, Com.PARITY, Com.STOPSIZE)


class Telnet:
    """One connection: `receive` takes the server's bytes and returns the line's; `data_to_send` holds what answers them.

    `settled`: the server has confirmed every line setting. `refusal`: why it never will, in words.
    """

    def __init__(self, line: LineSettings) -> None:
        self._line = line
        self._buffer = bytearray()
        self._out = bytearray()
        self._asked: set[tuple[int, int]] = set()
        self._open = {*_SET}
        self.settled = False
        self.refusal = ""
        for option in (BINARY, SGA, COM_PORT):
            self._say(WILL, option)
            self._say(DO, option)

    def receive(self, data: bytes) -> bytes:
        """The line's bytes in `data`, which may be cut anywhere."""
        self._buffer += data
        plain = bytearray()
        while self._buffer:
            start = self._buffer.find(IAC)
            if start:
                end = len(self._buffer) if start < 0 else start
                plain += self._buffer[:end]
                del self._buffer[:end]
                continue
            size = self._command(plain)
            if not size:
                break
            del self._buffer[:size]
        return bytes(plain)

    def data_to_send(self) -> bytes:
        """The bytes to write now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def escape(self, data: bytes) -> bytes:
        """Line bytes as they travel."""
        return data.replace(b"\xff", b"\xff\xff")

    def _command(self, plain: bytearray) -> int:
        buffer = self._buffer
        if len(buffer) < 2:
            return 0
        match buffer[1]:
            case 255:
                plain.append(IAC)
                return 2
            case 251 | 252 | 253 | 254 as verb:
                if len(buffer) < 3:
                    return 0
                self._negotiate(verb, buffer[2])
                return 3
            case 250:
                return self._subnegotiation()
        return 2

    def _subnegotiation(self) -> int:
        at = 2
        while (at := self._buffer.find(IAC, at)) >= 0 and at + 1 < len(self._buffer):
            if self._buffer[at + 1] == SE:
                self._take(bytes(self._buffer[2:at]).replace(b"\xff\xff", b"\xff"))
                return at + 2
            at += 2
        return 2 if len(self._buffer) > _SUBNEGOTIATION_MAX else 0

    def _negotiate(self, verb: int, option: int) -> None:
        if verb in {WILL, DO}:
            known = _WANTED_FROM_SERVER if verb == WILL else _OFFERED
            yes, no = (DO, DONT) if verb == WILL else (WILL, WONT)
            self._say(yes if option in known else no, option)
        if verb == DO and option == COM_PORT:
            self._set_line()
        if verb == DONT and option == COM_PORT:
            self.refusal = "the server does not do RFC 2217; use tcp:// and set the line on the server"

    def _say(self, verb: int, option: int) -> None:
        if (verb, option) not in self._asked:  # answered once: two ends that repeat themselves would never stop
            self._asked.add((verb, option))
            self._out += bytes((IAC, verb, option))

    def _set_line(self) -> None:
        line = self._line
        for command in _SET:
            self._com(command, self._wanted(command))
        self._com(Com.CONTROL, bytes((_FLOW[line.flow],)))
        for switch in (8, 11):  # DTR on, RTS on (RFC 2217, SET-CONTROL): many devices send nothing without
            self._com(Com.CONTROL, bytes((switch,)))
        self._com(Com.PURGE, b"\x01")

    def _wanted(self, command: int) -> bytes:
        line = self._line
        match command:
            case Com.BAUDRATE:
                return struct.pack("!I", line.baud)
            case Com.DATASIZE:
                return bytes((line.bits,))
            case Com.PARITY:
                return bytes((_PARITY[line.parity],))
            case _:
                return bytes((line.stop,))

    def _com(self, command: int, value: bytes) -> None:
        self._out += bytes((IAC, SB, COM_PORT, command)) + self.escape(value) + bytes((IAC, SE))

    def _take(self, said: bytes) -> None:
        if len(said) < 3 or said[0] != COM_PORT or said[1] - _ANSWER not in self._open:
            return
        command = Com(said[1] - _ANSWER)
        if said[2:] != self._wanted(command):
            wanted, got = (int.from_bytes(value, "big") for value in (self._wanted(command), said[2:]))
            self.refusal = f"the server set {command.name.lower()} to {got}; expected {wanted}"
            return
        self._open.discard(command)
        self.settled = not self._open
