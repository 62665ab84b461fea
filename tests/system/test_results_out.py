"""Results and controls of one message leave in every format, once, with the order's number, through a kill of the gateway."""

from __future__ import annotations

import json
import socket
from typing import Any

CONFIG = """
[[device]]
id = "CHEM"
driver = "hl7-lab"
profile = "generic"
link = "tcp-listen://127.0.0.1:{port}?allow=127.0.0.1"

[[destination]]
id = "lis"
kind = "mllp"
format = "law"
takes = ["lab", "qc"]
address = "127.0.0.1:{lis}"

[[destination]]
id = "chart"
kind = "mllp"
format = "poct"
address = "127.0.0.1:{chart}"

[[destination]]
id = "controls"
kind = "mllp"
format = "lab"
takes = ["qc"]
address = "127.0.0.1:{controls}"

[[destination]]
id = "fhir"
kind = "fhir"
url = "http://127.0.0.1:{fhir}"
takes = ["lab", "qc"]
"""
BODY = (
    "PID|1||SYN-9||Test^Patient",
    "SPM|1|SYN-4711||SER|||||||P^^HL70369",
    "OBR|1|A-77.2||CRP",
    "ORC|OK||||CM",
    "OBX|1|NM|CRP^^99X|1|5.40|mg/L||HH|||F|||||SYN-OP||M^X~S^X|20261121080000",
    "INV|R1|OK^^HL70383|SR^^HL70384|||||||||20271030||||L-7",
    "SPM|2|LEVEL2||SER|||||||Q^^HL70369",
    "SAC|||LEVEL2",
    "INV|C1|OK^^HL70383|CO^^HL70384|||||||||20281231||||C-77",
    'OBR|2|""||CRP',
    "ORC|SC||||CM",
    "OBX|1|NM|CRP^^99X|1|9.10|mg/L|||||F|||||SYN-OP||M^X~S^X|20261121080100",
)
"""A patient's specimen and a control in one LAB-29, as cobas analyzers send both; the order number is a step's."""


def tell(port: int, id_: str) -> list[str]:
    """Send the message; the MSA that comes back."""
    head = f"MSH|^~\\&|CHEM|X|||20261121080200||OUL^R22^OUL_R22|{id_}|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-29^IHE"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"\x0b" + "\r".join((head, *BODY)).encode() + b"\r\x1c\r")
        came = b""
        while b"\x1c\r" not in came:
            came += (more := line.recv(4096))
            assert more, came
    return next(text.split("|") for text in came.decode().split("\r") if text.startswith("MSA"))


def test_patients_and_controls_go_their_ways_once(world: Any, fields: Any) -> None:
    ports = {name: world.port() for name in ("port", "lis", "chart", "controls", "fhir")}
    world.configure(CONFIG.format(**ports))
    gateway = world.gateway()
    world.ask("orders", "add", "SYN-4711", "GLU", "CRP", "--placer", "A-77")
    world.until(lambda: world.device("CHEM").get("state"), "the analyzer's port is open")
    assert tell(ports["port"], "M-1")[1:3] == ["AA", "M-1"]
    gateway.kill()
    gateway = world.gateway()
    world.until(lambda: world.device("CHEM").get("state"), "the analyzer's port is open again")
    assert tell(ports["port"], "M-2")[1:3] == ["AA", "M-2"], "the analyzer never heard the first answer"
    receivers = {
        name: world.receiver(name, port=ports[name], fhir=ports["fhir"] if name == "lis" else 0)
        for name in ("lis", "chart", "controls")
    }
    for name in ("lis", "chart", "controls", "fhir"):
        world.until(lambda name=name: world.drained(name), f"{name} has everything")

    patient, control = (row.body.decode() for row in receivers["lis"].rows("mllp"))
    assert [fields(patient, *at) for at in (("MSH", 9), ("PID", 3), ("OBR", 2), ("OBX", 5), ("INV", 16))] == [
        ["OUL^R22^OUL_R22"],
        ["SYN-9^^^^MR"],
        ["A-77"],
        ["5.40"],
        ["L-7"],
    ]
    assert [fields(control, *at) for at in (("PID", 3), ("SPM", 11), ("OBR", 2), ("INV", 16))] == [
        [],
        ["Q^Control specimen^HL70369"],
        ['""'],
        ["C-77"],
    ]
    (chart,) = (row.body.decode() for row in receivers["chart"].rows())
    assert [fields(chart, *at) for at in (("MSH", 9), ("ORC", 2), ("OBX", 8))] == [["ORU^R32^ORU_R30"], ["A-77"], ["HH"]]
    (own,) = (row.body.decode() for row in receivers["controls"].rows())
    assert [fields(own, *at) for at in (("MSH", 9), ("PID", 3), ("OBX", 5))] == [["ORU^R01^ORU_R01"], [], ["9.10"]]
    bundles = [json.loads(row.body) for row in receivers["lis"].rows("fhir")]
    kinds = [{one["resource"]["resourceType"] for one in bundle["entry"]} for bundle in bundles]
    assert kinds == [
        {"Device", "Specimen", "Substance", "Observation", "DiagnosticReport"},
        {"Device", "Specimen", "Substance", "Observation"},
    ]
    lines = world.account()
    assert {name: line["delivered"] for (_, name), line in lines.items()} == {"lis": 2, "chart": 1, "controls": 1, "fhir": 2}
    assert gateway.stop() == 0
