"""Where laboratory systems send orders: MLLP, each message answered once what it says is durable (ORL^O22, ORL^O34, ORR^O02)."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from gateway.errors import ActError, ConfigError, StoreError
from gateway.orders import hl7
from gateway.orders.hl7 import Command
from gateway.security.tls import server_context
from gateway.settings.orders import OrderSettings
from gateway.store.orders import Outcome
from protocols.hl7v2 import ack
from protocols.hl7v2.ack import Code, Error
from protocols.hl7v2.message import Message, parse
from protocols.hl7v2.mllp import MllpDecoder, encode

_log = logging.getLogger(__name__)

MESSAGE_MAX = 1024 * 1024
"""Bytes of one message: a thousand orders have some 300 kB."""
CONNECTIONS_MAX = 16
"""Connections at a time: a laboratory has a few systems, each with a line or two."""
IDLE_S = 3600.0
"""A connection on which nothing was said for so long is closed: its other end may be long gone; a living one dials again."""
READ_MAX = 65536
RETRY_S = 60.0
"""Between two tries to get the address."""
NAME_MAX = 64
"""Characters of a sender's own name in the audit trail."""

_UNREADABLE: tuple[Error, ...] = (Error("100", text="no message that can be read"),)

CarryOut = Callable[[Sequence[Command], str], Awaitable[list[Outcome]]]


class Door:
    """Takes orders and hands them to `carry_out(commands, by)`; `now` is the time of answers (aware)."""

    def __init__(self, carry_out: CarryOut, now: Callable[[], datetime]) -> None:
        self._carry_out, self._now = carry_out, now
        self._talks: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)

    async def run(self, settings: OrderSettings | None) -> None:
        """Serve until cancelled. An address that cannot be had is told and tried again: results go on without orders."""
        while settings is not None:
            try:
                server = await self.serve(settings)
            except ConfigError as error:
                _log.error("no orders are taken for now: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            _log.info("orders are taken on %s", settings.listen)
            try:
                await asyncio.Event().wait()
            finally:
                await self._close(server)
        await asyncio.Event().wait()

    async def serve(self, settings: OrderSettings) -> asyncio.Server:
        """Listen. Raises ConfigError when the address cannot be had or the TLS files cannot be used."""
        context = server_context(settings.tls) if settings.tls is not None else None

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connected(settings, reader, writer)

        try:
            server = await asyncio.start_server(connected, settings.host, settings.port, ssl=context, limit=READ_MAX)
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(f"gateway.orders.listen: {settings.listen}: {why}; choose another address or port") from None
        if settings.open_to_all and not settings.allow:
            _log.warning("anybody on the network can send orders to %s: plain = true, and allow is empty", settings.listen)
        return server

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, settings: OrderSettings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        try:
            if len(self._talks) <= CONNECTIONS_MAX and _allowed(settings, peer):
                await self._talk(peer, reader, writer)
            else:
                _log.warning("orders: a connection from %s was refused: not in allow, or too many", peer)
        except (OSError, TimeoutError):
            pass  # the sender is gone, or silent for too long: there is nobody to tell
        except asyncio.CancelledError:
            pass  # the gateway stops or reloads; what was not answered is sent again
        finally:
            self._talks.discard(task)
            writer.transport.abort()

    async def _talk(self, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = MllpDecoder(max_bytes=MESSAGE_MAX)
        while True:
            async with asyncio.timeout(IDLE_S):
                data = await reader.read(READ_MAX)
            if not data:
                return
            for block in decoder.feed(data):
                if isinstance(block, bytes):
                    writer.write(encode(await self.answer(block, peer)))
                    await writer.drain()

    async def answer(self, body: bytes, peer: str) -> bytes:
        """Carry out what a message says; the answer to it."""
        message = parse(body)
        if message is None:
            code, errors = Code.AR, _UNREADABLE
        else:
            code, errors = await self._done(message, peer)
        if code is not Code.AA:
            _log.warning("orders: a message of %s was answered %s", peer, code.value)
        return ack.build(message, code, control_id=f"W{next(self._ids)}", time=self._now(), errors=errors)

    async def _done(self, message: Message, peer: str) -> tuple[Code, tuple[Error, ...]]:
        by = f"{message.text('MSH', 3) or 'HL7'}@{peer}"[:NAME_MAX]
        try:
            commands = hl7.commands(message)
            outcomes = await self._carry_out(commands, "".join(char for char in by if char.isprintable()))
        except ActError as error:
            code = "200" if (message.text("MSH", 9), message.text("MSH", 9, 2)) not in hl7.TYPES else "103"
            return Code.AR, (Error(code, text=str(error)),)
        except StoreError as error:
            return Code.AE, (Error("207", text=f"not kept, send it again: {error}"),)
        pairs = zip(commands, outcomes, strict=True)
        return Code.AA, tuple(_warning(one, outcome) for one, outcome in pairs if outcome in {Outcome.DEAD, Outcome.UNKNOWN})


def _warning(command: Command, outcome: Outcome) -> Error:
    """What changed nothing: the message is accepted, and this is told (ERR-4 W)."""
    return Error("204", severity="W", text=f"order {command.order.placer}: {outcome}")


def _allowed(settings: OrderSettings, peer: str) -> bool:
    if not settings.allow:
        return True
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in settings.allow)
