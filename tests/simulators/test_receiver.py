"""The receiver as a sender sees it: every act at the MLLP door, with our destination and with plain sockets, and as a command."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import hl7
import pytest

from gateway.deliver.destination import Accepted, Outgoing, Refused, Retry
from gateway.deliver.destinations.mllp import MllpDestination
from gateway.errors import ConfigError, LinkError
from gateway.settings import TlsSettings
from gateway.settings.mllp import MllpSettings
from simulators.pki import make
from simulators.receiver import Doors, Receiver
from simulators.receiving.behaviour import Script
from simulators.receiving.control import tell


def message(id_: str, modes: str = "AL|NE", device: str = "4E-044") -> Outgoing:
    msh = f"MSH|^~\\&|WARDLINK||ENGINE||20261121101500+0100||ORU^R01^ORU_R01|{id_}|P|2.6|||{modes}\r"
    obx = f"OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97||||||R|||||||{device}^^0123456789ABCDEF^EUI-64\r"
    return Outgoing(id_, (msh + obx).encode())


@asynccontextmanager
async def receiving(script: str = "ack", **doors: Any) -> AsyncIterator[Receiver]:
    async with Receiver(Doors(mllp="127.0.0.1:0", **doors), Script(script)) as receiver:
        yield receiver


@asynccontextmanager
async def sending(receiver: Receiver, **settings: Any) -> AsyncIterator[MllpDestination]:
    address = f"127.0.0.1:{receiver.ports['mllp']}"
    destination = MllpDestination(
        MllpSettings.model_validate({"address": address, "ack_timeout_s": 0.05, "connect_timeout_s": 2, **settings})
    )
    try:
        yield destination
    finally:
        await destination.close()


async def say(receiver: Receiver, *bodies: bytes) -> bytes:
    """Send blocks with a plain socket; everything that comes back until the receiver is quiet or closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.ports["mllp"])
    writer.write(b"".join(b"\x0b" + body + b"\x1c\r" for body in bodies))
    writer.write_eof()
    said = await asyncio.wait_for(reader.read(), 5)
    writer.transport.abort()
    return said


@pytest.mark.parametrize(
    ("modes", "code"),
    [
        pytest.param("AL|NE", "CA", id="enhanced mode, accept level only: CA"),
        pytest.param("|", "AA", id="original mode: AA"),
        pytest.param("NE|AL", "AA", id="application level only: AA"),
        pytest.param("AL|AL", "AA", id="both levels: AA"),
    ],
)
async def test_the_acknowledgement_is_of_the_level_the_sender_asks_for(modes: str, code: str) -> None:
    async with receiving() as receiver:
        said = hl7.parse((await say(receiver, message("A1", modes).body)).decode()[1:-2])
    assert str(said["MSA.F1"]) == code
    assert str(said["MSA.F2"]) == "A1"
    assert str(said.segment("MSH")[9]) == "ACK^R01^ACK"


@pytest.mark.parametrize(
    ("script", "kind", "why", "accepted", "answer"),
    [
        ("ack", Accepted, "", True, "CA"),
        ("close-after", Accepted, "", True, "CA"),
        ("refuse:AE", Retry, "receiver says AE", False, "AE"),
        ("refuse:CE", Retry, "receiver says CE", False, "CE"),
        ("refuse:AR", Refused, "receiver says AR", False, "AR"),
        ("refuse:CR", Refused, "receiver says CR", False, "CR"),
        ("refuse:503", Retry, "receiver says AE", False, "AE"),
        ("refuse:422", Refused, "receiver says AR", False, "AR"),
        ("stall", Retry, "no answer within", False, "nothing"),
        ("late", Retry, "no answer within", False, "nothing"),
        ("wrong-id", Retry, "the answer is for message 'not-A1', not for A1", False, "CA for another message"),
        ("close", Retry, "closed the connection without an answer", False, "nothing"),
        ("garbage", Retry, "no MLLP block", False, "garbage"),
    ],
)
async def test_every_act_is_seen_by_the_sender_and_entered_in_the_books(
    tmp_path: Path,
    script: str,
    kind: type,
    why: str,
    accepted: bool,
    answer: str,
) -> None:
    async with receiving(script, keep=tmp_path) as receiver, sending(receiver) as destination:
        result = await destination.send(message("A1"))
    assert isinstance(result, kind), result
    assert why in getattr(result, "why", "")
    row = json.loads((tmp_path / "received.jsonl").read_text())
    assert (row["id"], row["device"], row["accepted"], row["answer"]) == ("A1", "4E-044", accepted, answer)
    assert row["body"].encode() == message("A1").body


async def test_a_late_receiver_answers_the_former_message_and_is_not_believed() -> None:
    async with receiving("late*2,ack") as receiver, sending(receiver) as destination:
        assert isinstance(await destination.send(message("A1")), Retry)
        second = await destination.send(message("A2"))
        assert isinstance(second, Retry)
        assert "for message 'A1', not for A2" in second.why
        assert await destination.send(message("A2")) == Accepted("CA")
        assert receiver.keeping.ledger.summary().accepted == 1


async def test_a_flaky_receiver_gets_everything_in_the_end_once_and_in_order() -> None:
    async with receiving("flaky:0.4") as receiver, sending(receiver) as destination:
        for number in range(40):
            for _ in range(50):
                if isinstance(await destination.send(message(f"A{number:03d}")), Accepted):
                    break
        summary = receiver.keeping.ledger.summary()
    assert (summary.unique, summary.accepted, summary.changed) == (40, 40, 0)
    assert summary.repeats > 0
    assert summary.in_order
    assert summary.devices == {"4E-044": {"unique": 40, "out_of_order": 0}}


async def test_a_switched_script_holds_from_the_next_message_on() -> None:
    async with receiving() as receiver, sending(receiver) as destination:
        assert isinstance(await destination.send(message("A1")), Accepted)
        receiver.script.switch("refuse:AR*1")
        assert isinstance(await destination.send(message("A2")), Refused)
        assert isinstance(await destination.send(message("A3")), Accepted)


async def test_several_messages_in_one_write_are_answered_in_turn() -> None:
    async with receiving() as receiver:
        said = await say(receiver, *(message(f"A{n}").body for n in range(3)))
    assert [part.split("\r")[1] for part in said.decode().split("\x0b")[1:]] == ["MSA|CA|A0", "MSA|CA|A1", "MSA|CA|A2"]


@pytest.mark.parametrize("body", [b"", b"hello", b"PID|1\r", b"\xff\xfe\x00"])
async def test_what_is_no_message_is_rejected_and_kept(body: bytes) -> None:
    async with receiving() as receiver:
        said = await say(receiver, body)
        summary = receiver.keeping.ledger.summary()
    assert b"\rMSA|AR\rERR|||100^^HL70357|E||||no message that can be read\r" in said
    assert (summary.received, summary.nameless, summary.accepted) == (1, 1, 0)


async def test_a_sender_without_a_certificate_is_not_let_in(tmp_path: Path) -> None:
    pki = make(tmp_path / "pki")
    doors: dict[str, Any] = {"cert": pki.server.cert, "key": pki.server.key, "ca": pki.ca}
    async with receiving(**doors) as receiver:
        async with sending(receiver, tls=TlsSettings(ca=pki.ca, cert=pki.client.cert, key=str(pki.client.key))) as known:
            assert await known.send(message("A1")) == Accepted("CA")
        async with sending(receiver, tls=TlsSettings(ca=pki.ca)) as stranger:
            assert isinstance(await stranger.send(message("A2")), Retry)
        assert receiver.keeping.ledger.summary().received == 1


async def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(LinkError, match="cannot listen"):
        async with Receiver(Doors(mllp=f"127.0.0.1:{taken.getsockname()[1]}"), Script()):
            pass


@pytest.mark.parametrize("address", ["2575", "localhost", "localhost:x", "localhost:99999"])
async def test_a_wrong_address_is_named(address: str) -> None:
    with pytest.raises(ConfigError, match="expected HOST:PORT"):
        async with Receiver(Doors(mllp=address), Script()):
            pass


async def test_control_switches_the_script_and_tells_the_books(tmp_path: Path) -> None:
    control = tmp_path / "control"
    async with receiving(control=control) as receiver, sending(receiver) as destination:
        assert await asyncio.to_thread(tell, control, "refuse:AR*1") == "ok"
        assert isinstance(await destination.send(message("A1")), Refused)
        assert isinstance(await destination.send(message("A2")), Accepted)
        assert (await asyncio.to_thread(tell, control, "dance")).startswith("error: 'dance': expected one of ack")
        assert json.loads(await asyncio.to_thread(tell, control, "summary"))["accepted"] == 1
    assert not control.exists()


async def test_a_control_socket_that_a_killed_receiver_left_is_replaced(tmp_path: Path) -> None:
    control = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(control))
    async with receiving(control=control):
        assert await asyncio.to_thread(tell, control, "stall") == "ok"


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    program = "from gateway.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "receive", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    return json.loads(await asyncio.wait_for(process.stdout.readline(), 20))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_says_where_it_listens_and_sums_up_when_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    pki, control = tmp_path / "pki", tmp_path / "control"
    options = ["--mllp", "localhost:0", "--pki", str(pki), "--keep", str(tmp_path / "kept"), "--control", str(control), "--json"]
    async with running(*options) as process:
        up = await line(process)
        assert (up["receiver"], up["state"]) == ("mllp", "up")
        tls = TlsSettings(ca=pki / "ca.pem", cert=pki / "client.pem", key=str(pki / "client.key"))
        destination = MllpDestination(MllpSettings(address=f"localhost:{up['port']}", tls=tls))
        for _ in range(2):
            assert await destination.send(message("A1")) == Accepted("CA")
        await destination.close()
        async with running("--control", str(control), "--tell", "summary") as asking:
            assert (await line(asking))["repeats"] == 1
        process.send_signal(number)
        summary = (await line(process))["summary"]
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert (summary["received"], summary["unique"], summary["accepted"], summary["repeats"]) == (2, 1, 1, 1)
    assert summary["in_order"] is True


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "nothing to listen at"),
        (["--mllp", "127.0.0.1:0", "--behave", "nod"], "--behave: 'nod': expected one of ack"),
        (["--mllp", "127.0.0.1:0", "--cert", "x.pem"], "--cert and --key belong together"),
        (["--mllp", "127.0.0.1:0", "--cert", "x.pem", "--key", "x.key"], "cannot be used"),
        (["--tell", "summary"], "--tell needs --control"),
        (["--tell", "summary", "--control", "/nonexistent/control"], "no receiver answers there"),
    ],
)
async def test_a_wrong_command_line_is_one_clear_message(arguments: list[str], why: str) -> None:
    async with running(*arguments) as process:
        _, error = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 2
        assert why in error.decode()
        assert "Traceback" not in error.decode()
