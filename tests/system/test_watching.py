"""What people and machines see of a real gateway with patients: metrics, status, statement by day, log; and that no patient is in them."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import World

NAME, GIVEN, NUMBER, BORN = "Zwiebelhuber", "Kunigunde", "SYN-9876543", "19410203"
SPECIMEN, VALUE, OTHER = "SPEC-77XYZ", "41.739", "Quastenflosser"
PULSE = "239"
SECRETS = [NAME, GIVEN, NUMBER, BORN, SPECIMEN, VALUE, OTHER]
WORDS = f"unknown patient {NAME}^{GIVEN} born {BORN}, number {NUMBER}, specimen {SPECIMEN}"
CONFIG = """
[gateway.metrics]
listen = "127.0.0.1:{metrics}"

[[device]]
id = "OXI"
driver = "masimo"
link = "tcp-listen://127.0.0.1:{oxi}"

[[device]]
id = "LAB"
driver = "astm"
profile = "generic"
link = "tcp-listen://127.0.0.1:{lab}"

[[association]]
device = "OXI"
since = 2020-01-01T00:00:00Z
patient = {{ patient_id = "SYN-9876543", family_name = "Zwiebelhuber", given_name = "Kunigunde", birth_date = "19410203" }}

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
address = "127.0.0.1:{port}"
order = "strict"
retry_base_s = 0.05
retry_cap_s = 0.1

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
address = "127.0.0.1:{port}"
retry_base_s = 0.05
retry_cap_s = 0.1
"""


class Rude:
    """A receiver that says AE to the first message of each kind, AR to the second result, and names the patient in all it says."""

    def __init__(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self._said: dict[str, int] = {}
        self.bodies: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        data = b""
        with line:
            while part := line.recv(65536):
                data += part
                while b"\x1c\r" in data:
                    block, _, data = data.partition(b"\x1c\r")
                    line.sendall(self._judge(block.lstrip(b"\x0b").decode()))

    def _judge(self, body: str) -> bytes:
        self.bodies.append(body)
        fields = body.split("\r", maxsplit=1)[0].split("|")
        kind = "lab" if SPECIMEN in body else "vitals"
        n = self._said[kind] = self._said.get(kind, 0) + 1
        code = {("vitals", 1): "AE", ("lab", 1): "AE", ("lab", 2): "AR"}.get((kind, n), "AA")
        head = f"MSH|^~\\&|X|Y|||{fields[6]}||ACK|{n}|P|2.6"
        return f"\x0b{head}\rMSA|{code}|{fields[9]}|{WORDS}\r\x1c\r".encode()

    def close(self) -> None:
        self._server.close()


def frame(text: bytes) -> bytes:
    """An ASTM frame, with the checksum of E1381-95 6.3.1.4."""
    return b"\x02" + text + b"%02X" % (sum(text) % 256) + b"\r\n"


def result(value: str, *, whole: bool = True) -> list[bytes]:
    """What an analyzer writes, each part answered with ACK; without its end when it is not `whole`."""
    text = (
        f"1H|\\^&|||Test^1||||||||LIS2-A2|20261121080000\rP|1||{NUMBER}||{NAME}^{GIVEN}||{BORN}|F\r"
        f"O|1|{SPECIMEN}||^^^GLU\rR|1|^^^GLU|{value}|mmol/L\r"
    ).encode()
    return [b"\x05", frame(text + (b"L|1|N\r\x03" if whole else b"\x17"))]


def send(port: int, parts: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        for part in parts:
            line.sendall(part)
            assert line.recv(1) == b"\x06"
        line.sendall(b"\x04")


def oximeter(pulse: str) -> bytes:
    at = datetime.now(UTC).strftime("%m/%d/%y %H:%M:%S")
    line = f"{at} SN=0000012345 SPO2=097% BPM={pulse:>03} PI=02.50% SPCO=--.-% SPMET=--.-% DESAT=-- PIDELTA=+-- "
    return f"{line}ALARM=0000 EXC=000800\r\n".encode()


def scrape(port: int, path: str = "/metrics", accept: str = "") -> tuple[int, str]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    line.request("GET", path, headers={"Accept": accept} if accept else {})
    answer = line.getresponse()
    return answer.status, answer.read().decode()


def sample(text: str, name: str, **labels: str) -> float:
    """A sample's value, read without our own code; an assertion fails where there is not exactly one."""
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    found = [
        value
        for got, inside, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.MULTILINE)
        if got == name and wanted <= set(re.findall(r'\w+="[^"]*"', inside))
    ]
    assert len(found) == 1, (name, labels, found)
    return float(found[0])


@pytest.fixture
def ports(world: World) -> dict[str, int]:
    return {name: world.port() for name in ("metrics", "oxi", "lab", "port")}


@pytest.fixture
def rude(ports: dict[str, int]) -> Iterator[Rude]:
    receiver = Rude(ports["port"])
    yield receiver
    receiver.close()


def test_a_whole_day_with_patients_is_seen_by_all_and_names_none_of_them(world: World, ports: dict[str, int], rude: Rude) -> None:
    world.configure(CONFIG.format(**ports))
    gateway = world.start("run", "--config", str(world.config), "--log-format", "json", "--log-level", "DEBUG")
    world.until(lambda: world.status() is not None, "the gateway is up")
    with socket.create_connection(("127.0.0.1", ports["oxi"])) as line:
        line.sendall(f"{NAME} {GIVEN} is no line of an oximeter\r\n".encode() + oximeter("61"))
        world.until(lambda: len(rude.bodies) >= 2, "the first reading was taken at the second try")
        line.sendall(oximeter(PULSE) * 3)
        send(ports["lab"], result(VALUE))
        send(ports["lab"], result("38.2"))
        send(ports["lab"], result(OTHER, whole=False))
        world.until(lambda: _settled(world), "everything is delivered or parked")
        _look(world, ports, rude)
    assert gateway.stop() == 0
    told = gateway.told()
    assert any("the receiver says not now" in one["message"] for one in told)
    assert [secret for secret in SECRETS for one in told if secret in json.dumps(one)] == []
    assert [secret for secret in SECRETS if secret in gateway.said()] == []
    states = {(one.get("device"), one.get("destination"), one["event"]) for one in told}
    assert {("OXI", None, "device state"), (None, "engine", "destination state"), (None, "lis", "receiver")} <= states
    assert any(secret in body for secret in SECRETS for body in rude.bodies), "patients travelled, so there was something to leak"


def _settled(world: World) -> bool:
    engine, lis = world.destination("engine"), world.destination("lis")
    return engine.get("delivered") == 4 and lis.get("delivered") == 1 and lis["parked"] == 1


def _look(world: World, ports: dict[str, int], rude: Rude) -> None:
    code, text = scrape(ports["metrics"])
    assert code == 200
    assert sample(text, "wardlink_device_reports_total", device="OXI") == 5  # four lines, and once the state of the alarms
    assert sample(text, "wardlink_device_bad_frames_total", device="OXI") == 1
    assert sample(text, "wardlink_device_reports_total", device="LAB") == 2
    assert sample(text, "wardlink_device_up", device="OXI") == 1
    assert sample(text, "wardlink_destination_delivered_total", destination="engine", device="OXI") == 4
    assert sample(text, "wardlink_destination_parked", destination="lis") == 1
    assert sample(text, "wardlink_destination_retries_total", destination="lis", reason="not now") == 1
    assert sample(text, "wardlink_destination_refusals_total", destination="lis") == 1
    assert sample(text, "wardlink_destination_ack_seconds_count", destination="engine") == 4  # AE is no answer to be timed
    assert sample(text, "wardlink_unaccounted", destination="engine", device="OXI") == 0
    assert sample(text, "wardlink_journal_commit_seconds_count") > 0
    assert sample(text, "process_resident_memory_bytes") > 10e6
    assert scrape(ports["metrics"], accept="application/openmetrics-text")[1].endswith("# EOF\n")
    assert scrape(ports["metrics"], "/healthz") == (200, "ok\n")
    assert [secret for secret in SECRETS if secret in text] == []
    shown = world.ask("status", expect=1)
    assert "lis: 1 parked" in shown
    assert "a transmission broke off" in shown
    day = json.loads(world.ask("account", "--day", "today", "--json"))
    assert {(one["device"], one["destination"]): (one["received"], one["delivered"], one["parked"]) for one in day["lines"]} == {
        ("OXI", "engine"): (4, 4, 0), ("LAB", "lis"): (2, 1, 1),
    }  # fmt: skip
    assert json.loads(world.ask("account", "--json"))["days_wrong"] == []
    assert world.ask("account", "--day", "2001-01-01").startswith("Received on 2001-01-01")


def test_the_text_of_a_real_gateway_is_read_by_the_client_of_prometheus(world: World, ports: dict[str, int]) -> None:
    parser: Any = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed: no second opinion")
    openmetrics: Any = pytest.importorskip("prometheus_client.openmetrics.parser")
    world.configure(CONFIG.format(**ports))
    world.gateway()
    read: list[tuple[Callable[[str], Any], str]] = [
        (parser.text_string_to_metric_families, ""),
        (openmetrics.text_string_to_metric_families, "application/openmetrics-text"),
    ]
    for parse, accept in read:
        families = {one.name: one for one in parse(scrape(ports["metrics"], accept=accept)[1])}
        assert families["wardlink_device_up"].type == "gauge"
        assert families["wardlink_device_reports"].type == "counter"
        assert families["wardlink_destination_ack_seconds"].type == "histogram"
        assert {one.labels["device"] for one in families["wardlink_device_up"].samples} == {"OXI", "LAB"}
