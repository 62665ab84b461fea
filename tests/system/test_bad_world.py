"""A good configuration in a bad world: busy ports, a taken folder, certificates that must not be believed; named, and survived."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from simulators.pki import Pair

if TYPE_CHECKING:
    from tests.system.conftest import World

LAB = """
[[device]]
id = "{id}"
driver = "astm"
profile = "generic"
link = "tcp-listen://127.0.0.1:{port}"
"""
LIS = """
[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
address = "{address}"
retry_base_s = 0.1
retry_cap_s = 0.3
connect_timeout_s = 5
ack_timeout_s = 2
tls = {{ {tls} }}
"""
RESULT = b"\x05\x021H|\\^&|||Test^1||||||||LIS2-A2|20261121080000\rP|1\rO|1|SYN-1||^^^GLU\rR|1|^^^GLU|5.1|mmol/L\rL|1|N\r\x03"


def checksum(frame: bytes) -> bytes:
    """E1381-95 6.3.1.4: the sum modulo 256 of all that stands between STX and the checksum, in two hex digits."""
    return b"%02X" % (sum(frame[frame.index(b"\x02") + 1 :]) % 256)


def send_result(port: int) -> None:
    """One small result, as an analyzer sends it; both answers are awaited."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(RESULT[:1])
        assert line.recv(1) == b"\x06"
        line.sendall(RESULT[1:] + checksum(RESULT) + b"\r\n")
        assert line.recv(1) == b"\x06"
        line.sendall(b"\x04")


def test_a_busy_port_stops_its_own_device_only_and_is_taken_when_it_is_free(world: World) -> None:
    busy, free = world.port(), world.port()
    world.configure(LAB.format(id="BUSY", port=busy), LAB.format(id="FREE", port=free))
    with socket.create_server(("127.0.0.1", busy)):
        world.gateway()
        world.until(lambda: world.device("BUSY").get("state") == "down", "the busy port is noticed")
        assert f"127.0.0.1:{busy}: the port is in use" in world.device("BUSY")["reason"]
        send_result(free)
        assert world.device("FREE")["reports"] == 1
    world.until(lambda: world.device("BUSY")["state"] == "connecting", "the port is taken when it is free")
    send_result(busy)
    assert world.device("BUSY")["reports"] == 1


def test_two_devices_on_one_port_are_named_and_one_of_them_works(world: World) -> None:
    port = world.port()
    world.configure(LAB.format(id="ONE", port=port), LAB.format(id="TWO", port=port))
    world.gateway()
    world.until(lambda: "down" in {world.device("ONE").get("state"), world.device("TWO").get("state")}, "one is refused")
    down = next(one for one in (world.device("ONE"), world.device("TWO")) if one["state"] == "down")
    assert "in use; by another device of this configuration" in down["reason"]


def test_a_data_folder_of_another_gateway_is_refused_and_its_gateway_goes_on(world: World) -> None:
    port = world.port()
    world.configure(LAB.format(id="LAB", port=port))
    world.gateway()
    second = world.run("run", "--config", str(world.config))
    assert second.returncode == 2
    assert str(world.data) in second.stderr.decode()
    assert b"Traceback" not in second.stderr
    send_result(port)
    assert world.device("LAB")["reports"] == 1


def tls(ca: Path, own: Pair | None) -> str:
    return f'ca = "{ca}"' + (f', cert = "{own.cert}", key = "{own.key}"' if own else "")


SHOWN = {
    "expired": ("expired", ("the certificate expired on",)),
    "not valid yet": ("not_yet", ("the certificate is not valid before",)),
    "for another host": ("other_host", ("the certificate is for lab.example", "not for localhost")),
    "of an unknown authority": ("unknown_authority", ("signed by", "Another authority", "which is no authority of")),
}


@pytest.mark.parametrize(("which", "words"), SHOWN.values(), ids=SHOWN)
def test_a_receiver_with_a_certificate_that_must_not_be_believed_gets_nothing(
    world: World, which: str, words: tuple[str, ...]
) -> None:
    good, bad = world.pki
    shown: Pair = getattr(bad, which)
    receiver = world.receiver(protection=("--cert", str(shown.cert), "--key", str(shown.key)))
    check_named(world, receiver.told()[0]["port"], tls(good.ca, good.client), words)
    assert receiver.rows() == []


class StrictServer:
    """A TLS server that wants a certificate and says why it takes none, as OpenSSL does on a blocking socket.

    asyncio's server, on which our receiver stands, drops the line before its alert has left.
    """

    def __init__(self, ca: Path, own: Pair) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(own.cert, own.key)
        self._context.load_verify_locations(ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.let_in = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                self._greet(line)

    def _greet(self, line: socket.socket) -> None:
        with line.dup() as raw, self._context.wrap_socket(line, True, do_handshake_on_connect=False) as protected:
            with contextlib.suppress(OSError):
                protected.settimeout(5)
                protected.do_handshake()
                self.let_in += 1
            with contextlib.suppress(OSError):
                raw.shutdown(socket.SHUT_WR)
                raw.settimeout(5)
                while raw.recv(65536):  # what lies unread when a socket closes makes it a reset, which overtakes the alert
                    pass

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)


OURS = {
    "missing": (None, ("it refuses our certificate", "missing")),
    "expired": ("expired_client", ("it refuses our certificate", "expired")),
    "of an authority unknown to the receiver": ("unknown_client", ("it refuses our certificate", "authority it does not know")),
}


@pytest.fixture
def strict_server(world: World) -> Iterator[StrictServer]:
    good, _ = world.pki
    made = StrictServer(good.ca, good.server)
    yield made
    made.close()


@pytest.mark.parametrize(("which", "words"), OURS.values(), ids=OURS)
def test_our_own_certificate_that_the_receiver_does_not_take_is_named(
    world: World, strict_server: StrictServer, which: str | None, words: tuple[str, ...]
) -> None:
    good, bad = world.pki
    check_named(world, strict_server.port, tls(good.ca, getattr(bad, which) if which else None), words)
    assert strict_server.let_in == 0


def check_named(world: World, port: int, protection: str, words: tuple[str, ...]) -> None:
    """A result waits, status and log say why in `words`, and the account knows of it."""
    lab = world.port()
    world.configure(LAB.format(id="LAB", port=lab), LIS.format(address=f"localhost:{port}", tls=protection))
    gateway = world.gateway()
    send_result(lab)
    world.until(lambda: words[0] in world.destination("lis")["trouble"], f"status says {words[0]!r}")
    trouble = world.destination("lis")["trouble"]
    assert [word for word in words if word not in trouble] == [], trouble
    assert f"localhost:{port}" in trouble
    assert f"destination lis: {trouble}" in gateway.said(), "the log says it too"
    line = world.account()["LAB", "lis"]
    assert (line["received"], line["waiting"]) == (1, 1)


def test_a_certificate_that_is_put_right_ends_the_trouble(world: World) -> None:
    good, bad = world.pki
    port = world.port()
    receiver = world.receiver(port=port, protection=("--cert", str(bad.expired.cert), "--key", str(bad.expired.key)))
    check_named(world, port, tls(good.ca, good.client), ("the certificate expired on",))
    receiver.kill()
    receiver = world.receiver(port=port, tls=True)
    world.until(lambda: world.drained("lis"), "the result is delivered over TLS")
    assert len(receiver.accepted()) == 1
    assert world.account()["LAB", "lis"]["delivered"] == 1


def test_a_tls_file_that_is_not_there_is_named_before_anything_begins(world: World) -> None:
    world.configure(LIS.format(address="localhost:2575", tls='ca = "/nowhere/ca.pem"'))
    done = world.run("run", "--config", str(world.config))
    assert done.returncode == 2
    assert b"/nowhere/ca.pem" in done.stderr
    assert b"Traceback" not in done.stderr


def test_plain_mllp_over_the_network_that_was_allowed_is_logged_and_shown(world: World) -> None:
    world.configure(LIS.format(address="192.0.2.1:2575", tls="").replace("tls = {  }", "plain = true"))
    gateway = world.gateway()
    assert world.destination("lis")["plaintext"] is True
    assert "PLAINTEXT" in world.destination("lis")["describe"]
    assert "plain = true: messages travel unencrypted over the network" in gateway.said()
    assert "PLAINTEXT" in "".join(world.ask("status").split())
