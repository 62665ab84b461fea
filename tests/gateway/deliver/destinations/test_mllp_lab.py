"""Laboratory transactions through the MLLP server of the PyPI package hl7: what arrives, and the answers each transaction brings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import hl7
import hl7.mllp
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from gateway.deliver.destination import Accepted, Outgoing, Refused, Retry
from gateway.deliver.destinations.mllp import MllpDestination
from gateway.deliver.messages import lab, law, poct
from gateway.model import (
    Category,
    DeviceIdentity,
    Entry,
    Gateway,
    Given,
    Kind,
    Material,
    Observation,
    Report,
    Specimen,
)
from gateway.settings.lab import LabSettings, LawSettings, PoctSettings
from gateway.settings.mllp import MllpSettings

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BOX = Gateway(name="4-EAST-1", eui64="0123456789ABCDEF")
MESSAGES = {
    "ORU^R01": lab.renderer(LabSettings(), BOX),
    "OUL^R22": law.renderer(LawSettings(materials=False, instance=False, observation_type=False), BOX),
    "ORU^R30": poct.renderer(PoctSettings(), BOX),
}


def message(kind: str) -> Outgoing:
    report = Report(
        device=DeviceIdentity(id="LAB-02", maker="Sysmex", model="XN-550", serial="SYN-11"),
        driver="astm",
        category=Category.LAB,
        received_at=NOON,
        given=Given(patient_id="SYN-9", family_name="Ärztin"),
        specimen=Specimen(id="SYN-4711"),
        observations=(
            Observation(
                kind=Kind.NUMERIC, vendor_code="GLU", value="5.50", comparator=">", status="F", materials=(Material(lot="L7"),)
            ),
        ),
    )
    return MESSAGES[kind](Entry(id=7, epoch="a1b2c3d4", stored_at=NOON, report=report), None)


def answer(trigger: str, code: str, error: str = "") -> str:
    lines = [f"MSH|^~\\&|LIS||||20261121120002||ACK^{trigger}^ACK|1|P|2.5.1", f"MSA|{code}|{{id}}"]
    return "\r".join([*lines, *([f"ERR|||{error}^x^HL70357|E"] if error else [])]) + "\r"


@asynccontextmanager
async def receiver(said: str, got: list[Any]) -> AsyncIterator[MllpDestination]:
    async def talk(reader: Any, writer: Any) -> None:
        came = await reader.readmessage()
        got.append(came)
        writer.writemessage(hl7.parse(said.replace("{id}", str(came["MSH.F10"]))))
        await writer.drain()
        writer.transport.abort()

    server = await hl7.mllp.start_hl7_server(talk, "127.0.0.1", 0, encoding="utf-8")
    destination = MllpDestination(MllpSettings(address=f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    try:
        yield destination
    finally:
        await destination.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("kind", "trigger", "code"),
    [
        ("ORU^R01", "R01", "CA"),
        ("OUL^R22", "R22", "AA"),
        ("OUL^R22", "R22", "CA"),
        ("ORU^R30", "R33", "AA"),
        ("ORU^R30", "R33", "CA"),
    ],
)
async def test_each_transaction_arrives_whole_and_its_answer_is_taken(kind: str, trigger: str, code: str) -> None:
    got: list[Any] = []
    async with receiver(answer(trigger, code), got) as destination:
        assert await destination.send(message(kind)) == Accepted(code)
    (came,) = got
    assert str(came.segment("MSH")[9]).startswith(f"{kind}^")
    assert str(came.segment("OBX")[5]) == ">^5.50"
    assert str(came.segment("PID")[5][0][0]) == "Ärztin"
    parsed = parse_message(str(came) if str(came).endswith("\r") else f"{came}\r", validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate() is True


@pytest.mark.parametrize(
    ("code", "error", "outcome"),
    [
        pytest.param("AE", "", Retry, id="not now"),
        pytest.param(
            "AE", "204", Refused, id="the patient or order is not known there: for a person (cobas Liat's hosts say so)"
        ),
        pytest.param("AR", "", Refused, id="never"),
        pytest.param("CE", "206", Retry, id="a record is locked"),
        pytest.param("CR", "", Refused, id="the message is not taken"),
    ],
)
@pytest.mark.parametrize(("kind", "trigger"), [("OUL^R22", "R22"), ("ORU^R30", "R33")])
async def test_its_other_answers_mean_what_they_mean_everywhere(
    kind: str, trigger: str, code: str, error: str, outcome: type[Any]
) -> None:
    async with receiver(answer(trigger, code, error), []) as destination:
        assert isinstance(await destination.send(message(kind)), outcome)
