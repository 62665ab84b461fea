"""The MLLP destination against peers that answer well, badly, late, twice, for another, half and not at all."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.deliver.destinations.mllp import MllpDestination
from gateway.deliver.destinations.mllp_line import ACK_MAX
from gateway.errors import ConfigError, LocalProtocolError
from gateway.settings import TlsSettings
from gateway.settings.mllp import MllpSettings
from simulators.pki import BadPki, Pki

Answer = Callable[[bytes], bytes | None]
"""The bytes to say to a frame; None: hang up."""

SHORT_S = 0.05


def message(id_: str = "M1") -> Outgoing:
    return Outgoing(id_, f"MSH|^~\\&|A|B|C|D|20261121101500+0100||ORU^R01^ORU_R01|{id_}|P|2.6|||AL|NE\rPID|||SYN-1\r".encode())


def ack(id_: str, code: str = "AA", more: str = "") -> bytes:
    return f"\x0bMSH|^~\\&|C|D|A|B|20261121101500+0100||ACK^R01^ACK|R1|P|2.6\rMSA|{code}|{id_}\r{more}\x1c\r".encode()


class Peer:
    """A receiver of the test's own: keeps what came in, by connection, and answers with the next of its answers."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.connections: list[list[bytes]] = []
        self.ended: asyncio.Queue[int] = asyncio.Queue()
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, frames = len(self.connections), list[bytes]()
        self.connections.append(frames)
        try:
            while True:
                frames.append(await reader.readuntil(b"\x1c\r"))
                answer = self.answers.pop(0) if self.answers else b""
                if answer is None:
                    break
                writer.write(answer)
                if answer.endswith(b"<close>"):
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.ended.put_nowait(number)
            writer.transport.abort() if not self.answers else writer.close()


@asynccontextmanager
async def listening(peer: Peer, context: Any = None) -> AsyncIterator[Peer]:
    server = await asyncio.start_server(peer.talk, "127.0.0.1", 0, ssl=context)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def sending(port: int, **settings: Any) -> AsyncIterator[MllpDestination]:
    destination = MllpDestination(MllpSettings.model_validate({"address": f"127.0.0.1:{port}", "ack_timeout_s": 5, **settings}))
    try:
        yield destination
    finally:
        await destination.close()


async def exchange(*answers: bytes | None, **settings: Any) -> tuple[Outcome, bool]:
    """The outcome of one message and whether the connection is still open."""
    async with listening(Peer(*answers)) as peer, sending(peer.port, **settings) as destination:
        return await destination.send(message()), destination.connected


ERR = "ERR||{location}|{code}^^HL70357|{severity}\r"


def err(code: str, severity: str = "E", location: str = "") -> str:
    return ERR.format(code=code, severity=severity, location=location)


# --- what an answer makes of the message: the table of docs/destinations/mllp.md ---------------------------------------


@pytest.mark.parametrize(
    ("code", "more", "kind"),
    [
        pytest.param("AA", "", Accepted, id="original mode: application accept"),
        pytest.param("CA", "", Accepted, id="enhanced mode: commit accept"),
        pytest.param("AA", err("0"), Accepted, id="accept with the always-sent code 0"),
        pytest.param("AA", err("101", "W"), Accepted, id="accept with a warning"),
        pytest.param("AE", "", Retry, id="application error without reason is the receiver's trouble"),
        pytest.param("CE", "", Retry, id="commit error without reason is the receiver's trouble"),
        pytest.param("AE", err("206"), Retry, id="record locked passes"),
        pytest.param("CE", err("206"), Retry, id="record locked passes, enhanced mode"),
        pytest.param("AE", err("207"), Retry, id="internal error is left to MSA-1: AE"),
        pytest.param("AR", err("207"), Refused, id="internal error is left to MSA-1: AR"),
        pytest.param("AR", err("206"), Retry, id="a reject because of a lock passes too"),
        *[
            pytest.param("AE", err(c), Refused, id=f"lasting error {c} is the message's")
            for c in ["100", "101", "102", "103", "104", "198", "199", "200", "201", "202", "203", "204", "205"]
        ],
        pytest.param("CE", err("101"), Refused, id="lasting error, enhanced mode"),
        pytest.param("AE", err("101", "W"), Retry, id="a warning beside an error decides nothing"),
        pytest.param("AE", err("206") + err("103"), Refused, id="one lasting error among passing ones is enough"),
        pytest.param("AE", err("999"), Retry, id="an unknown code is left to MSA-1"),
        pytest.param("AR", "", Refused, id="application reject"),
        pytest.param("CR", "", Refused, id="commit reject"),
    ],
)
async def test_outcome(code: str, more: str, kind: type) -> None:
    result, connected = await exchange(ack("M1", code, more))
    assert isinstance(result, kind), result
    assert connected
    if not isinstance(result, Retry):
        assert result.code == code
    else:
        assert not result.link  # the message was understood: it uses up a try


@pytest.mark.parametrize(
    ("settings", "code", "more", "kind"),
    [
        ({"ack_policy": {"AE": "refuse"}}, "AE", "", Refused),
        ({"ack_policy": {"CE": "refuse"}}, "CE", "", Refused),
        ({"ack_policy": {"AR": "retry"}}, "AR", "", Retry),
        ({"ack_policy": {"CR": "retry"}}, "CR", "", Retry),
        ({"ack_policy": {"AE": "accept"}}, "AE", "", Accepted),
        ({"ack_policy": {"AA": "retry"}}, "AA", "", Retry),
        ({"error_policy": {"205": "accept"}}, "AE", err("205"), Accepted),
        ({"error_policy": {"205": "accept"}}, "AE", err("205") + err("101"), Refused),
        ({"error_policy": {"207": "refuse"}}, "AE", err("207"), Refused),
        ({"error_policy": {"E42": "retry"}}, "AR", err("E42"), Retry),
    ],
)
async def test_every_code_may_be_set(settings: dict[str, Any], code: str, more: str, kind: type) -> None:
    result, _ = await exchange(ack("M1", code, more), **settings)
    assert isinstance(result, kind), result


async def test_a_refusal_says_code_place_and_the_receivers_words() -> None:
    result, _ = await exchange(ack("M1", "AE", "ERR||OBX^1^3|103^Table value not found^HL70357|E||||unknown code\r"))
    assert result == Refused("receiver says AE (ERR-3 103 at OBX^1^3) unknown code", "AE")


# --- answers that are none: the connection is closed, the message is kept ------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(ack("OTHER"), "the answer is for message 'OTHER', not for M1", id="another message's id"),
        pytest.param(ack(""), "the answer is for message '', not for M1", id="no id"),
        pytest.param(ack("m1"), "the answer is for message 'm1', not for M1", id="the id in another case"),
        pytest.param(b"\x0bMSH|^~\\&|C|D\rMSA|AL|M1\r\x1c\r", "no acknowledgement", id="a code that table 0008 lacks"),
        pytest.param(b"\x0bMSH|^~\\&|C|D|A|B\rPID|||SYN-1\r\x1c\r", "no acknowledgement", id="a message without MSA"),
        pytest.param(b"\x0bthis is no HL7\x1c\r", "no acknowledgement", id="a block of something else"),
        pytest.param(b"\x0b\x1c\r", "no acknowledgement", id="an empty block"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n<close>", "no MLLP block", id="garbage, then closed"),
        pytest.param(b"\x0bMSH|^~\\&|C<close>", "half an answer", id="half an answer, then closed"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x46<close>", "it speaks TLS on this port: give tls", id="a TLS alert"),
        pytest.param(b"\x0b" + b"x" * (ACK_MAX + 10), "an answer that is too long", id="an endless answer"),
        pytest.param(b"y" * (ACK_MAX + 10), "no MLLP block", id="endless garbage"),
        pytest.param(None, "closed the connection without an answer", id="closed"),
    ],
)
async def test_what_is_no_answer_to_the_message_is_not_taken(answer: bytes | None, why: str) -> None:
    # one that hangs up is asked whether it speaks TLS, and this one does not answer
    settings = {} if answer is not None else {"connect_timeout_s": 1}
    result, connected = await exchange(answer, **settings)
    assert isinstance(result, Retry), result
    assert why in result.why
    assert not connected


async def test_a_good_answer_behind_garbage_in_the_same_read_counts() -> None:
    result, _ = await exchange(b"noise" + ack("M1"))
    assert result == Accepted("AA")


async def test_line_ends_between_blocks_are_no_garbage() -> None:
    async with listening(Peer(b"\r\n" + ack("M1") + b"\r\n", ack("M2"))) as peer, sending(peer.port) as destination:
        assert await destination.send(message("M1")) == Accepted("AA")
        assert await destination.send(message("M2")) == Accepted("AA")
        assert len(peer.connections) == 1


@pytest.mark.parametrize("answer", [b"", b"\x0bMSH|^~\\&|half", b"no block"])
async def test_silence_ends_with_a_closed_socket_so_that_a_late_answer_finds_nobody(answer: bytes) -> None:
    async with listening(Peer(answer, ack("M1"))) as peer, sending(peer.port, ack_timeout_s=SHORT_S) as destination:
        result = await destination.send(message())
        assert isinstance(result, Retry)
        assert "no answer within 0.05 s" in result.why
        assert not result.link
        assert not destination.connected
        assert await asyncio.wait_for(peer.ended.get(), 5) == 0  # the peer sees the end of the first connection
        assert await destination.send(message()) == Accepted("AA")
        assert [len(frames) for frames in peer.connections] == [1, 1]


async def test_a_resend_has_the_same_bytes() -> None:
    async with listening(Peer(ack("M0"), ack("M1", "AE"), ack("M1"))) as peer, sending(peer.port) as destination:
        for _ in range(3):
            result = await destination.send(message())
        assert result == Accepted("AA")
        frames = [frame for connection in peer.connections for frame in connection]
        assert frames == [b"\x0b" + message().body + b"\x1c\r"] * 3


async def test_a_late_answer_to_the_former_message_is_not_taken_for_the_next() -> None:
    """The loss that Mirth's users reported: an answer to M1 comes while M2 waits for its own."""
    async with listening(Peer(b"", ack("M1"), ack("M2"))) as peer, sending(peer.port, ack_timeout_s=SHORT_S) as destination:
        assert isinstance(await destination.send(message("M1")), Retry)
        second = await destination.send(message("M2"))
        assert isinstance(second, Retry)
        assert "for message 'M1', not for M2" in second.why
        assert await destination.send(message("M2")) == Accepted("AA")
        assert len(peer.connections) == 3


# --- answers that come while nothing is asked ------------------------------------------------------------------------------


async def test_a_second_answer_to_the_same_message_is_harmless() -> None:
    """CA, then AA on the same connection: both name a message that has been answered."""
    async with listening(Peer(ack("M1", "CA") + ack("M1"), ack("M2"))) as peer, sending(peer.port) as destination:
        assert await destination.send(message("M1")) == Accepted("CA")
        assert await destination.send(message("M2")) == Accepted("AA")
        assert len(peer.connections) == 1


async def test_a_second_answer_that_comes_while_the_next_is_asked_is_harmless() -> None:
    async with listening(Peer(ack("M1", "CA"), ack("M1") + ack("M2", "CA"))) as peer, sending(peer.port) as destination:
        assert await destination.send(message("M1")) == Accepted("CA")
        assert await destination.send(message("M2")) == Accepted("CA")
        assert len(peer.connections) == 1


async def test_a_second_answer_that_refuses_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(Peer(ack("M1", "CA") + ack("M1", "AE"), ack("M2"))) as peer, sending(peer.port) as destination:
        await destination.send(message("M1"))
        assert await destination.send(message("M2")) == Accepted("AA")
    assert "AE after the message had been answered" in caplog.text


@pytest.mark.parametrize("stray", [ack("M9"), b"noise\x0bx", b"\x0bhalf an answ"])
async def test_what_lies_unread_costs_the_connection_and_never_a_message(stray: bytes) -> None:
    async with listening(Peer(ack("M1") + stray, ack("M2"))) as peer, sending(peer.port) as destination:
        assert await destination.send(message("M1")) == Accepted("AA")
        assert await destination.send(message("M2")) == Accepted("AA")
        assert [len(frames) for frames in peer.connections] == [1, 1]


async def test_a_peer_that_floods_is_hung_up_on() -> None:
    async with listening(Peer(ack("X") * 50)) as peer, sending(peer.port) as destination:
        assert isinstance(await destination.send(message()), Retry)
        assert not destination.connected


# --- connections -----------------------------------------------------------------------------------------------------------


async def test_one_connection_carries_all_messages() -> None:
    async with listening(Peer(*(ack(f"M{n}") for n in range(20)))) as peer, sending(peer.port) as destination:
        for n in range(20):
            assert await destination.send(message(f"M{n}")) == Accepted("AA")
        assert len(peer.connections) == 1


async def test_a_peer_that_closes_after_each_answer_is_no_error() -> None:
    peer = Peer(*(ack(f"M{n}") + b"<close>" for n in range(5)))
    async with listening(peer), sending(peer.port) as destination:
        for n in range(5):
            assert await destination.send(message(f"M{n}")) == Accepted("AA")
        assert [len(frames) for frames in peer.connections] == [1] * 5


async def test_a_kept_connection_that_dies_while_we_write_is_replaced_once() -> None:
    async with listening(Peer(ack("M1"), None, ack("M2"))) as peer, sending(peer.port) as destination:
        await destination.send(message("M1"))
        assert await destination.send(message("M2")) == Accepted("AA")
        assert [len(frames) for frames in peer.connections] == [2, 1]


async def test_a_peer_that_always_hangs_up_is_told_after_two_tries() -> None:
    async with listening(Peer(ack("M1"), None, None)) as peer, sending(peer.port) as destination:
        await destination.send(message("M1"))
        assert isinstance(await destination.send(message("M2")), Retry)
        assert [len(frames) for frames in peer.connections] == [2, 1]


async def test_one_message_a_connection_when_asked_for() -> None:
    settings = {"one_message_a_connection": True}
    async with listening(Peer(ack("M1"), ack("M2"))) as peer, sending(peer.port, **settings) as destination:
        assert await destination.send(message("M1")) == Accepted("AA")
        assert not destination.connected
        assert await destination.send(message("M2")) == Accepted("AA")
        assert [len(frames) for frames in peer.connections] == [1, 1]


async def test_a_gap_between_messages_when_asked_for() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with listening(Peer(ack("M1"), ack("M2"))) as peer:
        settings = MllpSettings(address=f"127.0.0.1:{peer.port}", gap_s=60)
        destination = MllpDestination(settings, sleep=sleep)
        await destination.send(message("M1"))
        assert waits == []
        await destination.send(message("M2"))
        assert len(waits) == 1
        assert 0 < waits[0] <= 60
        await destination.close()


async def test_nothing_listening_says_nothing_of_the_message() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with sending(port) as destination:
        result = await destination.send(message())
    assert isinstance(result, Retry)
    assert result.link
    assert "nothing listens there" in result.why


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
async def test_a_name_that_nobody_knows_says_nothing_of_the_message(host: str) -> None:
    destination = MllpDestination(MllpSettings(address=f"{host}:2575", plain=True))
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert result.link
    assert f"the name {host} is not known" in result.why


async def test_a_quiet_connection_is_asked_after_by_the_kernel() -> None:
    async with listening(Peer(ack("M1"))) as peer, sending(peer.port) as destination:
        await destination.send(message())
        assert destination._line is not None
        assert destination._line._transport is not None
        sock = destination._line._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


async def test_a_half_open_connection_ends_when_the_kernel_gives_up() -> None:
    """What asyncio does when keepalive fails: connection_lost with ETIMEDOUT, while nothing is asked."""
    async with listening(Peer(ack("M1"), ack("M2"))) as peer, sending(peer.port) as destination:
        await destination.send(message("M1"))
        line = destination._line
        assert line is not None
        line.connection_lost(TimeoutError(110, "Connection timed out"))
        assert await destination.send(message("M2")) == Accepted("AA")
        assert len(peer.connections) == 2
        line.abort()


async def test_a_frame_is_written_once_and_exactly() -> None:
    writes: list[bytes] = []
    async with listening(Peer(ack("M1"), ack("M2"))) as peer, sending(peer.port) as destination:
        await destination.send(message("M1"))
        line = destination._line
        assert line is not None
        real = line.write
        line.write = lambda frame: writes.append(frame) or real(frame)  # type: ignore[method-assign,func-returns-value]
        await destination.send(message("M2"))
    assert writes == [b"\x0b" + message("M2").body + b"\x1c\r"]


@pytest.mark.parametrize("byte", [b"\x0b", b"\x1c"])
async def test_a_body_that_holds_framing_is_refused_before_the_network(byte: bytes) -> None:
    async with listening(Peer()) as peer, sending(peer.port) as destination:
        result = await destination.send(Outgoing("M1", b"MSH|" + byte))
        assert isinstance(result, Refused)
        assert peer.connections == []


async def test_two_sends_at_once_are_our_own_fault() -> None:
    async with listening(Peer(b"")) as peer, sending(peer.port) as destination:
        first = asyncio.create_task(destination.send(message("M1")))
        await asyncio.sleep(0)
        with pytest.raises(LocalProtocolError):
            await destination.send(message("M2"))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_cancelled_send_leaves_no_connection_behind() -> None:
    async with listening(Peer(b"", ack("M2"))) as peer, sending(peer.port) as destination:
        task = asyncio.create_task(destination.send(message("M1")))
        async with asyncio.timeout(5):
            while not (peer.connections and peer.connections[0]):
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not destination.connected
        assert await destination.send(message("M2")) == Accepted("AA")


async def test_closing_and_sending_again_opens_a_new_connection() -> None:
    async with listening(Peer(ack("M1"), ack("M2"))) as peer, sending(peer.port) as destination:
        await destination.send(message("M1"))
        await destination.close()
        await destination.close()
        assert await destination.send(message("M2")) == Accepted("AA")
        assert len(peer.connections) == 2


# --- protection ------------------------------------------------------------------------------------------------------------


def server_tls(pki: Pki, pair: Any) -> Any:
    from gateway.security.tls import server_context

    return server_context(TlsSettings(ca=pki.ca, cert=pair.cert, key=str(pair.key)))


async def test_mutual_tls_carries_messages_and_shows_the_receivers_certificate(pki: Pki, tls: TlsSettings) -> None:
    async with listening(Peer(ack("M1")), server_tls(pki, pki.server)) as peer, sending(peer.port, tls=tls) as destination:
        assert destination.peer_certificate() is None
        assert await destination.send(message()) == Accepted("AA")
        certificate = destination.peer_certificate()
        assert certificate is not None
        assert certificate.subject == "localhost"
        assert destination.describe() == f"MLLP to 127.0.0.1:{peer.port}, mutual TLS"


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("other_host", "is for lab.example, www.lab.example, 192.0.2.7, not for 127.0.0.1"),
        ("expired", "the certificate expired on "),
        ("not_yet", "the certificate is not valid before "),
        ("unknown_authority", "signed by Another authority, which is no authority of"),
    ],
)
async def test_a_wrong_certificate_is_named_and_no_message_is_sent(
    pki: Pki, bad: BadPki, tls: TlsSettings, which: str, why: str
) -> None:
    async with listening(Peer(), server_tls(pki, getattr(bad, which))) as peer, sending(peer.port, tls=tls) as destination:
        result = await destination.send(message())
        assert isinstance(result, Retry)
        assert result.link
        assert why in result.why
    assert [frame for frames in peer.connections for frame in frames] == []


async def test_a_plain_receiver_on_the_tls_port_is_suspected(tls: TlsSettings) -> None:
    async with listening(Peer()) as peer, sending(peer.port, tls=tls, connect_timeout_s=SHORT_S) as destination:
        result = await destination.send(message())
    assert isinstance(result, Retry)
    assert result.link
    assert "or a plain port" in result.why


@pytest.mark.parametrize("mutual", [True, False], ids=["mutual TLS", "TLS"])
async def test_a_tls_receiver_on_the_plain_port_is_named(pki: Pki, mutual: bool) -> None:
    """OpenSSL's servers hang up on plain text without a word, so the port is asked."""
    context = server_tls(pki, pki.server)
    if not mutual:
        context.verify_mode = 0
    async with listening(Peer(), context) as peer, sending(peer.port) as destination:
        result = await destination.send(message())
        assert isinstance(result, Retry)
        assert result.link
        assert "it speaks TLS on this port: give tls = { ca, cert, key }" in result.why


async def test_a_renewed_certificate_is_used_without_a_restart(pki: Pki, bad: BadPki, tls: TlsSettings, tmp_path: Any) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(bad.other_ca.read_bytes())
    late = tls.model_copy(update={"ca": ca})
    async with listening(Peer(ack("M1")), server_tls(pki, pki.server)) as peer, sending(peer.port, tls=late) as destination:
        assert isinstance(await destination.send(message()), Retry)
        ca.write_bytes(pki.ca.read_bytes())
        assert await destination.send(message()) == Accepted("AA")


async def test_a_file_that_breaks_while_running_is_named_and_waited_for(pki: Pki, tls: TlsSettings, tmp_path: Any) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pki.ca.read_bytes())
    destination = MllpDestination(MllpSettings(address="127.0.0.1:9", tls=tls.model_copy(update={"ca": ca})))
    ca.write_bytes(b"")
    result = await destination.send(message())
    assert isinstance(result, Retry)
    assert result.link
    assert "ca.pem: holds no PEM certificate" in result.why


def test_wrong_tls_files_are_told_at_the_start(pki: Pki, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=r"none\.pem: cannot be read"):
        MllpDestination(MllpSettings(address="127.0.0.1:9", tls=TlsSettings(ca=tmp_path / "none.pem")))


def test_plaintext_over_the_network_is_warned_of_once_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    destination = MllpDestination(MllpSettings(address="engine.example:2575", plain=True), "engine")
    assert destination.plaintext
    assert destination.describe() == "MLLP to engine.example:2575, PLAINTEXT over the network"
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "destination engine: MLLP to engine.example:2575, PLAINTEXT over the network"
    ]


def test_plain_to_this_machine_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    destination = MllpDestination(MllpSettings(address="localhost:2575"))
    assert not destination.plaintext
    assert destination.describe() == "MLLP to localhost:2575, this machine"
    assert caplog.records == []


async def test_a_state_is_logged_once_and_holds_no_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with sending(port) as destination:
        for _ in range(3):
            await destination.send(message())
    assert len(caplog.records) == 1
    assert "SYN-1" not in caplog.text
