"""Our sender against MLLP servers that others wrote, plain and over mutual TLS; what arrives there parses in both libraries."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import hl7
import hl7.mllp
import pytest
from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message

from gateway.deliver.destination import Accepted, Outgoing
from gateway.deliver.destinations.mllp import MllpDestination
from gateway.settings import TlsSettings
from gateway.settings.mllp import MllpSettings
from simulators.pki import Pki

COUNT = 12


def message(number: int) -> Outgoing:
    id_ = f"0A1B2C3D{number:012d}"
    segments = [
        f"MSH|^~\\&|WARDLINK^0123456789ABCDEF^EUI-64||ENGINE||20261121101500+0100||ORU^R01^ORU_R01|{id_}|P|2.6|||AL|NE||UNICODE UTF-8",
        "PID|||SYN-1^^^HOSP^MR||Test^Patient-Ää^^^^^L",
        "OBR|1||A^B^0123456789ABCDEF^EUI-64|182777000^monitoring of patient^SCT|||20261121101500+0100",
        "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97|262688^MDC_DIM_PERCENT^MDC^%^%^UCUM|||||R",
    ]
    return Outgoing(id_, "".join(f"{segment}\r" for segment in segments).encode())


def server_tls(pki: Pki) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pki.server)
    context.load_verify_locations(pki.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def python_hl7(context: ssl.SSLContext | None, got: list[Any]) -> AsyncIterator[int]:
    """The server of the package hl7: keeps its connections."""

    talking: set[asyncio.Task[Any]] = set()

    async def talk(reader: Any, writer: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        got.append("connection")
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                came = await reader.readmessage()
                got.append(came)
                writer.writemessage(came.create_ack("AA"))
                await writer.drain()
        writer.transport.abort()

    server = await hl7.mllp.start_hl7_server(talk, "127.0.0.1", 0, encoding="utf-8", ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        if talking:  # Python 3.13.0 waits for ever when a server is closed before its connections
            await asyncio.wait(talking, timeout=5)
        server.close()
        await server.wait_closed()


class Handler(AbstractHandler):  # type: ignore[misc]
    def __init__(self, incoming: str, got: list[str]) -> None:
        super().__init__(incoming)
        got.append(incoming)

    def reply(self) -> str:
        id_ = parse_message(self.incoming_message).msh.msh_10.to_er7()
        return f"\x0bMSH|^~\\&|HL7APY||||20261121101500||ACK^R01^ACK|1|P|2.6\rMSA|AA|{id_}\r\x1c\r"


class Server(MLLPServer):  # type: ignore[misc]
    daemon_threads = False
    context: ssl.SSLContext | None = None

    def get_request(self) -> Any:
        sock, address = super().get_request()
        return (self.context.wrap_socket(sock, server_side=True) if self.context else sock), address


@contextmanager
def hl7apy_server(context: ssl.SSLContext | None, got: list[str]) -> Iterator[int]:
    """The server of hl7apy: closes after each answer."""
    with Server("127.0.0.1", 0, {"ORU^R01^ORU_R01": (Handler, got)}, timeout=10) as server:
        server.context = context
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def settings(port: int, tls: TlsSettings | None) -> MllpSettings:
    return MllpSettings(address=f"localhost:{port}" if tls else f"127.0.0.1:{port}", tls=tls)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "mutual TLS"])
async def test_python_hl7_takes_every_message_on_one_connection(pki: Pki, tls: TlsSettings, secure: bool) -> None:
    got: list[Any] = []
    async with python_hl7(server_tls(pki) if secure else None, got) as port:
        destination = MllpDestination(settings(port, tls if secure else None))
        for number in range(COUNT):
            assert await destination.send(message(number)) == Accepted("AA")
        await destination.close()
    assert got.count("connection") == 1
    came = [one for one in got if one != "connection"]
    assert [str(one["MSH.F10"]) for one in came] == [message(number).id for number in range(COUNT)]
    assert str(came[0].segment("PID")[5][0][1]) == "Patient-Ää"
    assert str(came[0].segment("OBX")[5]) == "97"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "mutual TLS"])
async def test_hl7apy_takes_every_message_and_closes_after_each(pki: Pki, tls: TlsSettings, secure: bool) -> None:
    got: list[str] = []
    with hl7apy_server(server_tls(pki) if secure else None, got) as port:
        destination = MllpDestination(settings(port, tls if secure else None))
        for number in range(COUNT):
            assert await destination.send(message(number)) == Accepted("AA")
        await destination.close()
        await asyncio.sleep(0)
    assert [one.encode() for one in got] == [message(number).body for number in range(COUNT)]
    parsed = parse_message(got[-1], find_groups=False)
    assert [segment.name for segment in parsed.children] == ["MSH", "PID", "OBR", "OBX"]
    assert parsed.pid.pid_5.xpn_2.to_er7() == "Patient-Ää"


@pytest.mark.parametrize("code", ["AA", "AE", "AR"])
async def test_python_hl7_s_other_answers_are_understood(code: str) -> None:
    async def talk(reader: Any, writer: Any) -> None:
        came = await reader.readmessage()
        writer.writemessage(came.create_ack(code))
        await writer.drain()
        writer.transport.abort()

    server = await hl7.mllp.start_hl7_server(talk, "127.0.0.1", 0, encoding="utf-8")
    destination = MllpDestination(settings(server.sockets[0].getsockname()[1], None))
    result = await destination.send(message(1))
    assert type(result).__name__ == {"AA": "Accepted", "AE": "Retry", "AR": "Refused"}[code]
    await destination.close()
    server.close()
    await server.wait_closed()
