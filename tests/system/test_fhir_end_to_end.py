"""Device bytes to a FHIR server over mutual TLS: resources, conditional creates, the same Bundle again after a fault."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Analyzer, Receiver, World

CONFIG = """
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
patient = {{ patient_id = "SYN-0001", assigner = "TEST", family_name = "Test", given_name = "Anna" }}

[[destination]]
id = "fhir"
kind = "fhir"
url = "https://localhost:{fhir}"
takes = ["vitals", "lab"]
retry_base_s = 0.05
retry_cap_s = 0.2
tls = {{ ca = "{ca}", cert = "{cert}", key = "{key}" }}
"""
RAD8 = "11/21/26 08:00:{n:02d} SN=0000012345 SPO2=09{n}% BPM=10{n} PI=02.50% SPCO=--.-% SPMET=--.-% DESAT=-- PIDELTA=+-- "
LINES = 4
RESULTS = 3
PULSE, SATURATION = "8867-4", "59408-5"
"""LOINC: heart rate; oxygen saturation in arterial blood by pulse oximetry (beside 2708-6, which the vital signs profile wants)."""


def resources(receiver: Receiver) -> list[dict[str, Any]]:
    """The newest version of every resource on the server."""
    found = {}
    for line in (receiver.kept / "resources.jsonl").read_text().splitlines():
        one = json.loads(line)
        one = one.get("resource", one)
        found[one["resourceType"], one["id"]] = one
    return list(found.values())


def of(kind: str, everything: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in everything if one["resourceType"] == kind]


def loinc(observation: dict[str, Any]) -> set[str]:
    return {coding["code"] for coding in observation["code"]["coding"] if coding.get("system") == "http://loinc.org"}


@pytest.mark.parametrize("behave", ["ack", "refuse:503*1,close*1,garbage*1,ack"], ids=["a good server", "a server with faults"])
async def test_readings_and_results_become_resources_once(world: World, analyzer: type[Analyzer], behave: str) -> None:
    good = world.pki[0]
    ports = {"oxi": world.port(), "lab": world.port(), "fhir": world.port()}
    world.configure(CONFIG.format(ca=good.ca, cert=good.client.cert, key=good.client.key, **ports))
    receiver = world.receiver(behave=behave, tls=True, fhir=ports["fhir"])
    world.gateway()
    lab = analyzer(ports["lab"], seed=3, profile="generic", interval_s="0.01", count=str(RESULTS))
    lab.start()
    with socket.create_connection(("127.0.0.1", ports["oxi"])) as line:
        for n in range(LINES):
            line.sendall((RAD8.format(n=n) + "ALARM=0000 EXC=000800\r\n").encode())
        await world.eventually(lambda: world.device("OXI").get("reports", 0) >= LINES, "the lines are kept")
    await world.eventually(lambda: len(lab.device.acknowledged) == RESULTS, "the results are acknowledged")
    await world.eventually(lambda: world.drained("fhir"), "the server has all")
    await lab.stop()

    everything = resources(receiver)
    (patient,) = [one for one in of("Patient", everything) if {"SYN-0001"} & {i["value"] for i in one.get("identifier", [])}]
    vitals = [one for one in of("Observation", everything) if loinc(one) & {PULSE, SATURATION}]
    shown = sorted((PULSE if PULSE in loinc(one) else SATURATION, str(one["valueQuantity"]["value"])) for one in vitals)
    assert shown == sorted([(SATURATION, f"9{n}") for n in range(LINES)] + [(PULSE, f"10{n}") for n in range(LINES)])
    assert {one["subject"]["reference"] for one in vitals} == {f"Patient/{patient['id']}"}
    results = {r for one in lab.device.acknowledged for r in values(one.text)}
    assert results <= sent_digits(receiver), "every value of the analyzer is there, digit for digit"
    books = receiver.summary()
    assert (books["changed"], books["accepted"]) == (0, books["unique"])
    lines = world.account()
    assert lines["LAB", "fhir"]["delivered"] == RESULTS
    assert lines["OXI", "fhir"]["delivered"] == LINES


def sent_digits(receiver: Receiver) -> set[str]:
    """Every number of an Observation as it stood on the wire, zeros at the end too."""
    found = set()
    for row in receiver.rows("fhir"):
        for entry in json.loads(row.body, parse_float=str, parse_int=str)["entry"]:
            if "valueQuantity" in entry["resource"]:
                found.add(entry["resource"]["valueQuantity"]["value"])
    return found


def values(text: bytes) -> list[str]:
    """The values of a message's R records (LIS02-A2 10.1.4), read without our own parser."""
    return [record.split("|")[3] for record in text.decode().split("\r") if record.startswith("R|")]
