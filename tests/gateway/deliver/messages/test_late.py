"""Late data say so in each format's own place, and the message stays one that the linter accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.deliver.messages import LATE, fhir, lab, law, pcd01, poct
from gateway.lint import Severity, lint_hl7
from gateway.lint.fhir import lint_fhir
from gateway.model import Entry, Gateway, Subject
from gateway.settings.fhir import FhirMessageSettings
from gateway.settings.lab import LabSettings, LawSettings, PoctSettings
from gateway.settings.pcd01 import Pcd01Settings
from protocols.hl7v2.message import parse

MakeEntry = Callable[..., Entry]


def late(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, late=True)


def segments(body: bytes) -> list[str]:
    return [line.split("|", 1)[0] for line in body.decode().split("\r") if line]


@pytest.mark.parametrize("notes", [True, False], ids=["with the device's notes", "also where its notes are not sent"])
def test_pcd01_says_it_in_the_note_under_the_first_obr(
    oximeter: MakeEntry, gateway: Gateway, subject: Subject, notes: bool
) -> None:
    entry = oximeter(notes=("probe off at 07:59",))
    render = pcd01.renderer(Pcd01Settings(notes=notes), gateway)
    body = render(late(entry), subject).body
    message = parse(body)
    assert message is not None
    order = segments(body)
    assert order[order.index("OBR") + 1] == "NTE", "IHE PCD TF-2 3.1.4.1.1: NTE behind OBR"
    told = message.text("NTE", 3).split("~")[0]
    assert told == LATE
    assert message.every("NTE")[0].repeats(3) == ((LATE, "probe off at 07:59") if notes else (LATE,))
    assert [one for one in lint_hl7(body) if one.severity is Severity.ERROR] == []
    assert LATE.encode() not in render(entry, subject).body


@pytest.mark.parametrize("name", ["lab", "law", "poct"])
def test_a_lab_message_says_it_in_a_note_of_the_order(name: str, analyzer: MakeEntry, gateway: Gateway, subject: Subject) -> None:
    render = {
        "lab": lab.renderer(LabSettings(), gateway),
        "law": law.renderer(LawSettings(), gateway),
        "poct": poct.renderer(PoctSettings(), gateway),
    }[name]
    body = render(late(analyzer()), subject).body.decode()
    assert f"||{LATE}\r".replace("||", "|L|") in body
    assert LATE not in render(analyzer(), subject).body.decode()


def test_fhir_says_it_in_a_tag_of_every_observation(oximeter: MakeEntry, gateway: Gateway, subject: Subject) -> None:
    render = fhir.renderer(FhirMessageSettings(), gateway)
    body = render(late(oximeter()), subject).body
    found: list[dict[str, Any]] = [one["resource"] for one in json.loads(body)["entry"]]
    seen = [one["meta"]["tag"] for one in found if one["resourceType"] == "Observation"]
    assert seen
    assert all(tag == [{"system": "urn:x-wardlink:tag", "code": "late", "display": LATE}] for tag in seen)
    assert [one for one in lint_fhir(body) if one.severity is Severity.ERROR] == []
    assert b"tag" not in render(oximeter(), subject).body
