"""Orders over MLLP: answered once they are durable, refused with what was wrong, only from whom they may come."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.errors import ConfigError, StoreError
from gateway.model import Category, DeviceIdentity, Report
from gateway.orders.book import Book
from gateway.orders.door import CONNECTIONS_MAX, Door
from gateway.security.tls import client_context
from gateway.settings import TlsSettings
from gateway.settings.orders import OrderSettings
from gateway.store import audit, orders
from gateway.store.journal import Journal
from simulators import pki

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def order(control: str = "NW", placer: str = "A-1", id_: str = "77", kind: str = "OML^O33^OML_O33") -> bytes:
    lines = [
        f"MSH|^~\\&|LIS|LAB|GW|EAST|20261121080000||{kind}|{id_}|P|2.5.1",
        "PID|1||SYN-7||Patient^Test",
        "SPM|1|SYN-1",
        f"ORC|{control}|{placer}",
        f"OBR||{placer}||GLU",
    ]
    return "\r".join(lines).encode() + b"\r"


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path / "data", name="bench", reserve_bytes=65536)
    yield opened
    await opened.close()


@pytest.fixture
async def door(journal: Journal) -> Door:
    return Door(Book(journal, lambda: NOON).carry_out, lambda: NOON)


async def said(door: Door, body: bytes) -> list[list[str]]:
    """The answer's segments, each as its fields."""
    return [line.split("|") for line in (await door.answer(body, "192.0.2.7")).decode().split("\r")[:-1]]


async def placers(journal: Journal) -> list[tuple[str, str]]:
    rows = await journal.read(lambda conn: orders.rows(conn, every=True))
    return [(row.order.placer, row.status) for row in rows]


@pytest.mark.parametrize(
    ("kind", "answered"),
    [("OML^O33^OML_O33", "ORL^O34^ORL_O34"), ("OML^O21^OML_O21", "ORL^O22^ORL_O22"), ("ORM^O01", "ORR^O02")],
)
async def test_an_order_is_kept_audited_and_answered_in_its_own_kind(
    door: Door, journal: Journal, kind: str, answered: str
) -> None:
    head, msa = await said(door, order(kind=kind))
    assert head[2:6] == ["GW", "EAST", "LIS", "LAB"]
    assert head[8] == answered
    assert msa[:3] == ["MSA", "AA", "77"]
    assert await placers(journal) == [("A-1", "open")]
    (act,) = await journal.read(audit.acts)
    assert (act.by, act.act, act.object, act.detail["source"]) == ("LIS@192.0.2.7", "order", "A-1", "hl7")


async def test_the_answer_comes_after_the_commit() -> None:
    committed = asyncio.Event()

    async def slow(commands: object, by: str) -> list[Any]:
        await committed.wait()
        return [orders.Outcome.NEW]

    answering = asyncio.create_task(Door(slow, lambda: NOON).answer(order(), "192.0.2.7"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not answering.done()
    committed.set()
    assert b"MSA|AA|77" in await answering


async def test_a_repeat_changes_nothing_and_a_cancellation_stays(door: Door, journal: Journal) -> None:
    for _ in range(2):
        assert (await said(door, order()))[1][1] == "AA"
    assert (await said(door, order("CA")))[1][1] == "AA"
    _, msa, err = await said(door, order())
    assert (msa[1], err[3], err[4], err[8]) == ("AA", "204^^HL70357", "W", "order A-1: cancelled before")
    assert await placers(journal) == [("A-1", "cancelled")]
    unknown = await said(door, order("CA", "A-9"))
    assert unknown[2][8] == "order A-9: unknown"


@pytest.mark.parametrize(
    ("body", "code", "error"),
    [
        (b"hello", "AR", "100"),
        (order(kind="ORU^R01"), "AR", "200"),
        (order("HD"), "AR", "103"),
        (order(placer="A" * 81), "AR", "103"),
    ],
    ids=["no HL7", "another message", "a control code that is not served", "an id that fits no frame"],
)
async def test_what_cannot_be_carried_out_is_refused(door: Door, journal: Journal, body: bytes, code: str, error: str) -> None:
    _, msa, err = await said(door, body)
    assert (msa[1], err[3].split("^")[0]) == (code, error)
    assert await placers(journal) == []


async def test_of_a_message_with_one_mistake_nothing_is_kept(door: Door, journal: Journal) -> None:
    body = order() + b"ORC|HD|A-2\rOBR||A-2||NA\r"
    assert (await said(door, body))[1][1] == "AR"
    assert await placers(journal) == []


async def test_a_journal_that_cannot_keep_it_asks_for_it_again() -> None:
    async def fails(commands: object, by: str) -> list[Any]:
        raise StoreError("disk full")

    _, msa, err = await said(Door(fails, lambda: NOON), order())
    assert (msa[1], err[3].split("^")[0]) == ("AE", "207")


async def test_while_only_the_room_for_acknowledgements_is_left_orders_are_sent_again_later(tmp_path: Path) -> None:
    full = await Journal.open(tmp_path / "full", name="bench", max_bytes=4 * 2**20, reserve_bytes=2**20)
    report = Report(
        device=DeviceIdentity(id="LAB-1"),
        driver="astm",
        category=Category.LAB,
        received_at=NOON,
        observations=(),
        raw=bytes(2**18),
    )
    with contextlib.suppress(StoreError):
        for _ in range(100):
            await full.keep([report], device_id="LAB-1")
    _, msa, err = await said(Door(Book(full, lambda: NOON).carry_out, lambda: NOON), order())
    assert (msa[1], err[3].split("^")[0]) == ("AE", "207")
    assert await placers(full) == []
    await full.close()


# ---- the socket


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
async def opened(door: Door) -> AsyncIterator[Callable[..., Any]]:
    """`await opened(**settings)`: the door on a port of its own; the port."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_(**settings: Any) -> int:
            port = _port()
            server = await door.serve(OrderSettings(listen=f"127.0.0.1:{port}", **settings))
            stack.push_async_callback(door._close, server)
            return port

        yield open_


async def ask(
    port: int, data: bytes, context: ssl.SSLContext | None = None, *, until: bytes = b"\x1c\r", count: int = 1
) -> bytes:
    """What comes back, up to `count` answers or the end."""
    name = "localhost" if context else None
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        try:
            writer.write(data)
            await writer.drain()
            return b"".join([await reader.readuntil(until) for _ in range(count)])
        finally:
            writer.transport.abort()


async def test_several_messages_on_one_connection_are_answered_in_turn(opened: Any, journal: Journal) -> None:
    port = await opened()
    both = b"".join(b"\x0b" + order(placer=f"A-{n}", id_=str(n)) + b"\x1c\r" for n in (1, 2))
    answers = await ask(port, both, count=2)
    assert answers.index(b"MSA|AA|1\r") < answers.index(b"MSA|AA|2\r")
    assert len(await placers(journal)) == 2


async def test_who_is_not_allowed_is_not_heard(opened: Any, journal: Journal) -> None:
    port = await opened(allow=["192.0.2.0/24"])
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await ask(port, b"\x0b" + order() + b"\x1c\r")
    assert await placers(journal) == []


async def test_with_tls_only_who_shows_a_certificate(opened: Any, journal: Journal, tmp_path: Path) -> None:
    made = pki.make(tmp_path / "pki")
    port = await opened(tls=TlsSettings(ca=made.ca, cert=made.server.cert, key=str(made.server.key)))
    stranger = client_context(TlsSettings(ca=made.ca))
    with pytest.raises((asyncio.IncompleteReadError, OSError)):
        await ask(port, b"\x0b" + order() + b"\x1c\r", stranger)
    known = client_context(TlsSettings(ca=made.ca, cert=made.client.cert, key=str(made.client.key)))
    assert b"MSA|AA|77" in await ask(port, b"\x0b" + order() + b"\x1c\r", known)
    assert await placers(journal) == [("A-1", "open")]


async def test_connections_are_bounded(opened: Any) -> None:
    port = await opened()
    async with asyncio.timeout(20):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS_MAX)]
        for reader, writer in held:
            writer.write(b"\x0b" + order() + b"\x1c\r")
            await reader.readuntil(b"\x1c\r")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ask(port, b"\x0b" + order() + b"\x1c\r")
        for _, writer in held:
            writer.transport.abort()


async def test_an_address_that_somebody_has_is_named(door: Door) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"gateway.orders.listen: 127.0.0.1:{port}: .*choose another"):
            await door.serve(OrderSettings(listen=f"127.0.0.1:{port}"))


def test_the_network_needs_tls_or_a_plain_word() -> None:
    with pytest.raises(ValidationError, match="can be reached from the network"):
        OrderSettings(listen="0.0.0.0:2576")
    assert OrderSettings(listen="0.0.0.0:2576", plain=True).open_to_all
