"""TLS where devices connect to us: each must show a certificate; until it has, it takes nobody's place and costs little."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TypeAlias

from gateway.acquire.links import READ_MAX
from gateway.errors import ConfigError, LinkError
from gateway.security.tls import server_context, stamp
from gateway.settings import TlsSettings

_log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
"""Seconds for the handshake: a slow analyzer needs one; who says nothing must not hold a place."""
HANDSHAKES_MAX = 8
"""Connections of one device that are still shaking hands: it has one, and perhaps a dead one; the rest is a scan."""
HANDSHAKES_OF_ONE = 2
"""Of these from one address; the oldest goes: a device that was reset does not say goodbye."""

_NO_TLS = ("HTTP_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Secure:
    """Shakes hands on the connections of one device."""

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._made: ssl.SSLContext | None = None
        self._stamp = stamp(None)
        self._shaking: list[tuple[str, asyncio.WriteTransport]] = []

    def check(self) -> None:
        """Read the files. Raises LinkError that names the one that cannot be used."""
        self._made = None
        try:
            self._context()
        except ConfigError as error:
            raise LinkError(f"tls: {error}; nobody can connect until then") from None

    async def shake(self, writer: asyncio.StreamWriter, peer: str) -> Streams:
        """The connection in TLS; nothing may have been read of it, and `writer` must live as long. Raises LinkError: why not."""
        mine = [transport for other, transport in self._shaking if other == peer]
        for transport in mine[: max(0, len(mine) - HANDSHAKES_OF_ONE + 1)]:
            transport.abort()
        if len(self._shaking) - len(mine) >= HANDSHAKES_MAX:
            raise LinkError("too many connections that have not shown a certificate")
        entry = peer, writer.transport
        self._shaking.append(entry)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                return await _shaken(writer.transport, self._renewed())
        except (OSError, TimeoutError) as error:
            raise LinkError(_why(error)) from None
        finally:
            self._shaking.remove(entry)

    def cut(self) -> None:
        """End whatever is still shaking hands."""
        for _, transport in self._shaking:
            transport.abort()

    def _renewed(self) -> ssl.SSLContext:
        """With the files as they are now: a certificate that was renewed is used from the next connection on."""
        try:
            return self._context()
        except ConfigError as error:
            _log.warning("tls: %s; going on with what was read before", error)
            assert self._made is not None
            return self._made

    def _context(self) -> ssl.SSLContext:
        found = stamp(self._settings)
        if self._made is None or found != self._stamp:
            self._stamp = found
            self._made = server_context(self._settings)
        return self._made


async def _shaken(raw: asyncio.WriteTransport, context: ssl.SSLContext) -> Streams:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(READ_MAX)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport = await loop.start_tls(raw, protocol, context, server_side=True)
    if transport is None:  # as Python says that the other side hung up in the midst of it
        raise ConnectionResetError
    protocol.connection_made(transport)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        reason = str(error.reason or error)
        if reason in _NO_TLS:
            return "it does not speak TLS: switch it on there, or remove tls here"
        if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            return "it showed no certificate: install one on it that the authority in tls.ca has signed"
        return f"TLS: {reason.replace('_', ' ').lower()}"
    if isinstance(error, TimeoutError):
        return f"no TLS within {HANDSHAKE_S:g} s"
    return "it hung up before it had shown a certificate"
