"""The receiver's MLLP door: takes messages on any number of connections and answers as its script says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

from protocols.hl7v2 import ack
from protocols.hl7v2.ack import Code
from protocols.hl7v2.message import Message, parse
from protocols.hl7v2.mllp import MllpDecoder, encode
from simulators.receiving.behaviour import Act, Behaviour, Script
from simulators.receiving.keeping import Keeping

GARBAGE = b"\x00HTTP/1.1 200 OK\r\n\r\nthis is no acknowledgement\x1c\r"
ON_COMMAND = ack.Error("207", text="refused on command")
"""Application internal error: it says nothing of the message, so that MSA-1 alone decides at the sender."""
UNREADABLE = ack.Error("100", text="no message that can be read")
CONNECTIONS_MAX = 200
"""One hospital's senders; more is a mistake that should show."""


class MllpDoor:
    """Connections and what is said on them. `now` gives MSH-7 of the answers (aware)."""

    def __init__(self, keeping: Keeping, script: Script, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keeping = keeping
        self._script = script
        self._now = now
        self._answers = 0
        self._former: Message | None = None
        self._talks: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    async def open(self, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port, which the system chooses when 0 is given."""
        self._server = await asyncio.start_server(self._connected, host, port, ssl=context)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
        talks = list(self._talks.items())
        for writer, _ in talks:
            writer.transport.abort()
        await asyncio.gather(*(talk for _, talk in talks), return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # not a coroutine: a connection is known from its first moment, so that none outlives `close`
        if len(self._talks) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._talks[writer] = asyncio.create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except OSError:
            pass  # the sender went away: it knows
        finally:
            self._talks.pop(writer, None)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = MllpDecoder()
        while data := await reader.read(65536):
            for block in decoder.feed(data):
                if not isinstance(block, bytes):
                    continue
                answer, stay = self._answer(block)
                if answer:
                    writer.write(answer)
                    await writer.drain()
                if not stay:
                    await _close(writer)
                    return

    def _answer(self, body: bytes) -> tuple[bytes, bool]:
        """The bytes to say to a message, and whether the connection stays."""
        behaviour, message = self._script.next(), parse(body)
        code = _code(behaviour, message)
        former, self._former = self._former, message
        names = message if behaviour.act is not Act.LATE else former
        said = _said(behaviour, code, late=former is not None)
        accepted = behaviour.act in (Act.ACK, Act.CLOSE_AFTER) and message is not None
        id_ = message.text("MSH", 10) if message else ""
        self._keeping.add("mllp", id_, _device(message), body, accepted=accepted, answer=said)
        if behaviour.act in (Act.STALL, Act.CLOSE) or (behaviour.act is Act.LATE and former is None):
            return b"", behaviour.act is not Act.CLOSE
        if behaviour.act is Act.GARBAGE:
            return GARBAGE, True
        wrong = behaviour.act is Act.WRONG_ID
        return encode(self._build(names, code, wrong=wrong)), behaviour.act is not Act.CLOSE_AFTER

    def _build(self, message: Message | None, code: Code, *, wrong: bool) -> bytes:
        self._answers += 1
        errors = () if code in (Code.AA, Code.CA) else (ON_COMMAND if message is not None else UNREADABLE,)
        body = ack.build(message, code, control_id=f"R{self._answers}", time=self._now(), errors=errors)
        if wrong and message is not None:
            id_ = message.text("MSH", 10).encode()
            body = body.replace(b"|" + id_ + b"\r", b"|not-" + id_ + b"\r")
        return body


def _code(behaviour: Behaviour, message: Message | None) -> Code:
    """MSA-1: commit accept where the sender asks for that alone (MSH-15 AL, MSH-16 NE), else application accept."""
    if behaviour.act is Act.REFUSE:
        return Code(behaviour.code) if behaviour.code in ("AE", "AR", "CE", "CR") else _from_status(int(behaviour.code))
    if message is None:
        return Code.AR
    return Code.CA if (message.text("MSH", 15), message.text("MSH", 16)) == ("AL", "NE") else Code.AA


def _from_status(status: int) -> Code:
    return Code.AE if status >= 500 or status in (408, 409, 412, 429) else Code.AR


def _said(behaviour: Behaviour, code: Code, *, late: bool) -> str:
    if behaviour.act in (Act.STALL, Act.CLOSE) or (behaviour.act is Act.LATE and not late):
        return "nothing"
    if behaviour.act is Act.GARBAGE:
        return "garbage"
    lie = behaviour.act in (Act.LATE, Act.WRONG_ID)
    return f"{code.value} for another message" if lie else code.value


def _device(message: Message | None) -> str:
    """The device a message is about: the first OBX-18 (its last repetition: LAW says the model first), else the sender."""
    if message is None:
        return ""
    named = (obx.text(18, 1, max(1, len(obx.repeats(18)))) for obx in message.every("OBX"))
    return next((name for name in named if name), message.text("MSH", 3))


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()
