"""The MLLP destination: one connection, one message in flight, and an answer believed only when it names the message.

A late answer taken for the next message's loses that message silently. So MSA-2 must equal MSH-10, and after anything but a
matching answer the connection is closed: what still comes on it finds nobody.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.deliver.destinations.mllp_line import CLOSE_S, Line
from gateway.deliver.destinations.mllp_policy import outcome
from gateway.errors import ConfigError, LocalProtocolError
from gateway.security import certificates
from gateway.security.certificates import Certificate
from gateway.security.explain import LOOK_TIMEOUT_S, Peer, explain, is_tls_record, look, speaks_tls
from gateway.security.tls import client_context
from gateway.settings.mllp import MllpSettings, is_loopback
from protocols.hl7v2 import ack
from protocols.hl7v2.ack import Ack
from protocols.hl7v2.mllp import BadBlock, encode

_log = logging.getLogger(__name__)

_ID_SHOWN = 40
"""Characters of a peer's MSA-2 in a sentence; MSH-10 has at most 20, or 199 since v2.7."""
_WANTS_TLS = "it speaks TLS on this port: give tls = { ca, cert, key }"


class MllpDestination:
    """Where messages go over MLLP. Raises ConfigError when the TLS files cannot be used.

    The connection is opened by the first `send` and kept; a receiver that closes it between messages is no fault.
    """

    def __init__(
        self, settings: MllpSettings, name: str = "mllp", *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.name = name
        self._settings = settings
        self._sleep = sleep
        self._peer = Peer(settings.host, settings.port, settings.tls)
        self._line: Line | None = None
        self._shown: bytes | None = None
        self._last_id = ""
        self._quiet_until = 0.0
        self._busy = False
        self._answered = False
        self._asked = False
        self._state = ""
        self._context()  # a wrong file is told at the start, not at the first message
        if self.plaintext:
            _log.warning("destination %s: %s", name, self.describe())

    @property
    def plaintext(self) -> bool:
        """Whether messages leave this machine unencrypted."""
        return self._settings.tls is None and not is_loopback(self._settings.host)

    @property
    def connected(self) -> bool:
        """Whether a connection is open now."""
        return self._line is not None and self._line.open

    def describe(self) -> str:
        """Receiver and protection, for people."""
        if self._settings.tls is not None:
            mutual = "mutual TLS" if self._settings.tls.cert else "TLS"
            return f"MLLP to {self._peer.address}, {mutual}"
        return f"MLLP to {self._peer.address}, " + ("PLAINTEXT over the network" if self.plaintext else "this machine")

    def peer_certificate(self) -> Certificate | None:
        """The receiver's certificate as last seen, over TLS."""
        try:
            return certificates.from_der(self._shown) if self._shown else None
        except ValueError:  # OpenSSL reads more sloppily than cryptography
            return None

    async def send(self, message: Outgoing) -> Outcome:
        """Deliver one message and wait for the receiver's word; never raises for what the peer or the network does."""
        try:
            frame = encode(message.body)
        except ValueError as error:
            return Refused(f"cannot be sent over MLLP: {error}")
        if self._busy:
            raise LocalProtocolError("send was called while a message is in flight; expected one at a time")
        self._busy = True
        try:
            await self._pause()
            result = await self._deliver(message, frame)
        except BaseException:
            self._drop()
            raise
        finally:
            self._busy = False
        self._quiet_until = asyncio.get_running_loop().time() + self._settings.gap_s
        return result

    async def close(self) -> None:
        """Close the connection; a later `send` opens a new one."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def _pause(self) -> None:
        left = self._quiet_until - asyncio.get_running_loop().time()
        if left > 0:
            await self._sleep(left)

    async def _deliver(self, message: Outgoing, frame: bytes) -> Outcome:
        unsent = True
        while True:
            line = await self._ready()
            if not isinstance(line, Line):
                return replace(line, unsent=unsent)
            unsent = False
            reused = line.served > 0
            result = await self._exchange(line, message, frame)
            if result is not None:
                return result
            # A receiver that closes after each answer may do so just while we write. The same bytes under the same id go
            # again once; a fresh connection that is closed is an answer of its own.
            if not reused:
                return self._fail(await self._closed(line))
            self._drop()

    async def _ready(self) -> Line | Retry:
        """A connection on which nothing is unread."""
        line = self._line
        if line is not None and line.open and not self._strays(line):
            return line
        self._drop()
        return await self._connect()

    async def _connect(self) -> Line | Retry:
        line = Line()
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._open(line)
        except (OSError, ValueError, ConfigError) as error:  # ValueError: a host name that no resolver takes
            shown = await look(self._peer) if isinstance(error, ssl.SSLCertVerificationError) else None
            peer = Peer(self._peer.host, self._peer.port, self._peer.tls, shown)
            return self._fail(Retry(explain(error, peer), link=True))
        self._line = line
        self._shown = line.peer_certificate() or self._shown
        self._last_id = ""
        return line

    async def _open(self, line: Line) -> None:
        loop, host, port = asyncio.get_running_loop(), self._peer.host, self._peer.port
        context = self._context()
        if context is None:
            await loop.create_connection(lambda: line, host, port, happy_eyeballs_delay=0.25)
            return
        await loop.create_connection(
            lambda: line,
            host,
            port,
            ssl=context,
            server_hostname=self._peer.wanted,
            ssl_handshake_timeout=self._settings.connect_timeout_s,
            ssl_shutdown_timeout=CLOSE_S,
            happy_eyeballs_delay=0.25,
        )

    def _context(self) -> ssl.SSLContext | None:
        # made anew for each connection: a renewed certificate is used without a restart
        return client_context(self._settings.tls) if self._settings.tls is not None else None

    async def _exchange(self, line: Line, message: Outgoing, frame: bytes) -> Outcome | None:
        """Send and take the answer; None: the connection ended without one."""
        if message.id == self._last_id:
            self._last_id = ""  # sent again after a refusal: its answer is wanted now
        line.write(frame)
        try:
            async with asyncio.timeout(self._settings.ack_timeout_s):
                return await self._answer(line, message)
        except TimeoutError:
            said = "; ".join(_not_a_block(bad) for bad in line.leftovers() if isinstance(bad, BadBlock))
            why = f"{self._peer.address}: no answer within {self._settings.ack_timeout_s:g} s"
            return self._fail(Retry(f"{why}; {said}" if said else why))

    async def _answer(self, line: Line, message: Outgoing) -> Outcome | None:
        garbage: BadBlock | None = None
        while garbage is None or line.waiting:
            block = await line.block()
            if block is None:
                return None
            if isinstance(block, BadBlock):
                garbage = block
                continue
            said = ack.read(block)
            if said is None:
                why = f"the answer is no acknowledgement ({len(block)} bytes without MSA)"
                return self._fail(Retry(f"{self._peer.address}: {why}"))
            if not self._is_repeat(said):
                return self._judge(line, message, said)
        return self._fail(Retry(f"{self._peer.address}: {_not_a_block(garbage)}", link=is_tls_record(garbage.raw)))

    def _judge(self, line: Line, message: Outgoing, said: Ack) -> Outcome:
        if said.control_id != message.id:
            why = f"the answer is for message {_shown(said.control_id)}, not for {message.id}: not taken, connection closed"
            return self._fail(Retry(f"{self._peer.address}: {why}"))
        line.served += 1
        self._answered = True
        self._last_id = message.id
        result = outcome(said, self._settings)
        if self._settings.one_message_a_connection:
            self._drop()
        self._change("taking messages" if isinstance(result, Accepted) else "")
        return result

    def _strays(self, line: Line) -> bool:
        """Whether something lies unread that is more than a second answer to the last message."""
        return any(isinstance(block, BadBlock) or not self._is_repeat(ack.read(block)) for block in line.leftovers())

    def _is_repeat(self, said: Ack | None) -> bool:
        """A second answer to the last message (CA, then AA): known to be answered, so it cannot be taken for another's."""
        if said is None or not self._last_id or said.control_id != self._last_id:
            return False
        if not said.accepted:
            _log.warning("destination %s: %s after the message had been answered", self.name, said.code.value)
        return True

    async def _closed(self, line: Line) -> Retry:
        """What to say of a connection that ended with the first message on it."""
        if isinstance(line.error, ssl.SSLError):
            return Retry(explain(line.error, self._peer), link=True)
        if await self._wants_tls():
            return Retry(f"{self._peer.address}: {_WANTS_TLS}", link=True)
        if line.error is not None:
            return Retry(explain(line.error, self._peer))
        hint = "; it may not accept our certificate" if self._settings.tls is not None else ""
        return Retry(f"{self._peer.address}: closed the connection without an answer{hint}")

    async def _wants_tls(self) -> bool:
        """Ask a plain receiver that hung up and has never answered, once: a TLS greeting is noise to a true MLLP port."""
        if self._settings.tls is not None or self._answered or self._asked:
            return False
        wants = await speaks_tls(self._peer, min(self._settings.connect_timeout_s, LOOK_TIMEOUT_S))
        self._asked = not wants
        return wants

    def _fail(self, retry: Retry) -> Retry:
        self._drop()
        self._change(retry.why)
        return retry

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.abort()

    def _change(self, state: str) -> None:
        """Say a change of state once."""
        if state and state != self._state:
            _log.info("destination %s: %s", self.name, state, extra={"event": "receiver", "destination": self.name})
            self._state = state


def _not_a_block(bad: BadBlock) -> str:
    if is_tls_record(bad.raw):
        return _WANTS_TLS
    what = {"too long": "an answer that is too long", "truncated": "half an answer"}.get(
        bad.reason, "something that is no MLLP block"
    )
    return f"it sent {what} ({bad.size} bytes)"


def _shown(text: str) -> str:
    return repr(text[:_ID_SHOWN])
