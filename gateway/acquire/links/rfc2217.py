"""rfc2217://HOST:PORT: a serial server whose line is set from here (RFC 2217), as ser2net and most concentrators offer it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gateway.acquire.clock import Clock
from gateway.acquire.links.dial import Dial
from gateway.acquire.links.serial import line_settings, line_text
from gateway.acquire.links.stream import StreamConnection
from gateway.acquire.links.tcp import KEEPALIVE_S, TcpSpec, connect
from gateway.acquire.links.telnet import Telnet
from gateway.driver import LineSettings
from gateway.errors import LinkError


@dataclass(frozen=True, slots=True)
class Rfc2217Spec:
    """Where the server is, how its line is to be set, seconds to wait until it has."""

    tcp: TcpSpec
    line: LineSettings
    settle_s: float = 5.0

    def link(self) -> Rfc2217Link:
        return Rfc2217Link(self)


def parse(dial: Dial, line: LineSettings | None) -> Rfc2217Spec:
    """The spec of an rfc2217:// dial string."""
    host, port = dial.address
    tcp = TcpSpec(host, port, dial.number("connect_s", 5.0, 0.1, 60), dial.integer("keepalive_s", KEEPALIVE_S, 0, 7200))
    spec = Rfc2217Spec(tcp, line_settings(dial, line), dial.number("settle_s", 5.0, 0.1, 60))
    dial.done()
    return spec


class Rfc2217Link:
    """A remote serial port. `open` returns when the server has confirmed the line settings."""

    passive = False

    def __init__(self, spec: Rfc2217Spec) -> None:
        self._spec = spec

    async def open(self) -> Rfc2217Connection:
        reader, writer = await connect(self._spec.tcp)
        connection = Rfc2217Connection(StreamConnection(reader, writer, self.describe()), Telnet(self._spec.line))
        try:
            async with asyncio.timeout(self._spec.settle_s):
                await connection.settle()
        except TimeoutError:
            await connection.close()
            text = f"{self.describe()}: the line settings were not confirmed in {self._spec.settle_s:g} s; does it do RFC 2217?"
            raise LinkError(text) from None
        except BaseException:
            await connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Nothing is kept between connections."""

    def describe(self) -> str:
        return f"rfc2217 {self._spec.tcp.host}:{self._spec.tcp.port} {line_text(self._spec.line)}"


class Rfc2217Connection:
    """The line's bytes over Telnet."""

    clock: Clock | None = None

    def __init__(self, stream: StreamConnection, telnet: Telnet) -> None:
        self._stream, self._telnet = stream, telnet
        self._plain = bytearray()

    async def settle(self) -> None:
        """Negotiate until the line is set; bytes that come meanwhile are kept for `read`. Raises LinkError."""
        await self._stream.write(self._telnet.data_to_send())
        while not self._telnet.settled:
            data = await self._stream.read()
            if not data:
                raise LinkError(f"{self.describe()}: closed while it was being set; is another program connected?")
            await self._take(data)
            if self._telnet.refusal:
                raise LinkError(f"{self.describe()}: {self._telnet.refusal}")

    async def read(self) -> bytes:
        while not self._plain:
            data = await self._stream.read()
            if not data:
                break
            await self._take(data)
        plain = bytes(self._plain)
        self._plain.clear()
        return plain

    async def write(self, data: bytes) -> None:
        await self._stream.write(self._telnet.data_to_send() + self._telnet.escape(data))

    async def close(self) -> None:
        await self._stream.close()

    def describe(self) -> str:
        return self._stream.describe()

    async def _take(self, data: bytes) -> None:
        self._plain += self._telnet.receive(data)  # kept before the await: a cancelled read loses no byte
        if answer := self._telnet.data_to_send():
            await self._stream.write(answer)
