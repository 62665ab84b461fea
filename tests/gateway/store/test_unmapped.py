"""Which codes the journal holds, counted from its reports: what they are called now, and that nobody knows."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.mapping import Decision, Key, Kind
from gateway.model import Category, DeviceIdentity, Observation, Report, Specimen
from gateway.model import Kind as Sort
from gateway.store import mappings, unmapped
from gateway.store.journal import Journal
from gateway.store.unmapped import Seen

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def result(code: str, value: str | None = "1.5", **more: Any) -> Observation:
    return Observation(
        **{"kind": Sort.NUMERIC, "vendor_code": code, "value": value, "unit": "mg/dL", "vendor_unit": "mg/dl", **more}
    )


async def keep(
    journal: Journal, minute: int, *results: Observation, device: str = "LAB-1", category: Category = Category.LAB
) -> None:
    report = Report(
        device=DeviceIdentity(id=device, maker="Acme", model="X1"),
        driver="astm",
        category=category,
        received_at=START + timedelta(minutes=minute),
        observations=results,
        specimen=Specimen(type="Serum"),
    )
    await journal.keep([report], device_id=device)


async def seen(journal: Journal, **more: Any) -> list[Seen]:
    return await journal.read(lambda conn: unmapped.seen(conn, **more))


async def test_a_code_is_counted_with_its_first_and_last_report_and_an_example(journal: Journal) -> None:
    for minute, value in ((0, "1.5"), (7, "2.5")):
        await keep(
            journal,
            minute,
            result("QQQ", value, comparator="<" if minute else "", vendor_text="Quux"),
            result("HGB", loinc="718-7"),
        )
    known, one = sorted(await seen(journal), key=lambda found: found.key.code)
    assert one.key == Key(
        code="QQQ", device="LAB-1", maker="Acme", model="X1", unit="mg/dL", specimen="Serum", result=Kind.NUMBER
    )
    assert (one.text, one.n, one.report, one.example, one.unit, one.ucum) == ("Quux", 2, 2, "<2.5", "mg/dl", "mg/dL")
    assert (one.first_at, one.last_at) == (START, START + timedelta(minutes=7))
    assert (one.unmapped, one.loinc) == (True, "")
    assert (known.key.code, known.unmapped, known.loinc) == ("HGB", False, "718-7")


async def test_unit_device_and_sort_of_result_are_told_apart(journal: Journal) -> None:
    await keep(journal, 0, result("QQQ"), result("QQQ", unit="mmol/L", vendor_unit="mmol/L"))
    await keep(journal, 1, result("QQQ"), device="LAB-2")
    await keep(journal, 2, result("QQQ", "POS", kind=Sort.CODED, unit=None, vendor_unit=""))
    found = await seen(journal)
    assert sorted((one.key.device, one.key.unit, one.key.result) for one in found) == [
        ("LAB-1", "", Kind.WORDS),
        ("LAB-1", "mg/dL", Kind.NUMBER),
        ("LAB-1", "mmol/L", Kind.NUMBER),
        ("LAB-2", "mg/dL", Kind.NUMBER),
    ]
    assert [one.key.device for one in await seen(journal, device="LAB-2")] == ["LAB-2"]


async def test_of_words_only_the_length_is_shown(journal: Journal) -> None:
    await keep(journal, 0, result("NAME", "Test^Patient", kind=Sort.TEXT, unit=None, vendor_unit=""))
    (one,) = await seen(journal)
    assert one.example == "text of 12"


async def test_what_was_decided_is_no_longer_open(journal: Journal) -> None:
    await keep(journal, 0, result("A"), result("B"), result("C"))
    said = [
        Decision(id=0, key=Key(code="A"), loinc="2345-7", prop="MCnc"),
        Decision(id=0, key=Key(code="B"), loinc="", reason="a flag"),
    ]
    await journal.act(lambda conn: mappings.say(conn, said, by="t"))
    assert {one.key.code: (one.loinc, one.unmapped) for one in await seen(journal)} == {
        "A": ("2345-7", False),
        "B": ("", False),
        "C": ("", True),
    }


async def test_only_laboratory_results_unless_others_are_asked_for(journal: Journal) -> None:
    await keep(journal, 0, result("SPO2"), category=Category.VITALS)
    await keep(journal, 1, result("QC"), category=Category.QC)
    assert [one.key.code for one in await seen(journal)] == ["QC"]
    assert [one.key.code for one in await seen(journal, categories={Category.VITALS})] == ["SPO2"]


async def test_a_report_that_cannot_be_read_does_not_hide_the_others(journal: Journal) -> None:
    await keep(journal, 0, result("A"))
    await keep(journal, 1, result("B"))
    await journal.write(lambda tx: _damage(tx.conn))
    assert [one.key.code for one in await seen(journal)] == ["B"]


def _damage(conn: sqlite3.Connection) -> None:
    conn.execute("UPDATE reports SET payload = '{' WHERE id = 1")
