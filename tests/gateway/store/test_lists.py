"""Operators and patients in the journal: who is on which device's list, and what a device was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import DamagedError
from gateway.model import Subject, WorkOrder
from gateway.patients import acts as patients
from gateway.rolls import Lists, ListTold, Operator, Secret
from gateway.store import lists, orders
from gateway.store.journal import Journal

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NURSE = Operator(id="5047", family_name="Example", level="supervisor", password=Secret("1234"))
ANNA = Subject(patient_id="SYN-1", family_name="Test")


async def do(journal: Journal, change: Any, *args: Any) -> Any:
    return await journal.write(lambda tx: change(tx.conn, *args))


async def of(journal: Journal, device: str = "POCT-1", place: str = "4E", at: datetime = NOON) -> Lists:
    return await journal.read(lambda conn: lists.lists(conn, device, place, at))


async def wear(journal: Journal, number: str) -> None:
    about = Subject(patient_id=number, family_name="Worn")
    await journal.act(lambda conn: patients.associate(conn, f"BED-{number}", about, by="t", source="t"))


async def test_an_operator_comes_back_as_said_and_the_same_again_is_no_change(journal: Journal) -> None:
    assert await do(journal, lists.put_operator, NURSE, NOON) is True
    assert await do(journal, lists.put_operator, NURSE, NOON) is False
    assert (await of(journal)).operators == (NURSE,)
    assert await do(journal, lists.put_operator, replace(NURSE, level="user"), NOON) is True
    assert [one.level for one in (await of(journal)).operators] == ["user"]
    assert await do(journal, lists.drop_operator, "5047") is True
    assert await do(journal, lists.drop_operator, "5047") is False
    assert (await of(journal)).operators == ()


@pytest.mark.parametrize(
    ("operator", "here"),
    [
        (Operator(id="1"), True),
        (Operator(id="1", where=("POCT-1",)), True),
        (Operator(id="1", where=("3W", "4E")), True),
        (Operator(id="1", where=("3W",)), False),
        (Operator(id="1", valid_until=NOON + timedelta(seconds=1)), True),
        (Operator(id="1", valid_until=NOON), False),
        (Operator(id="1", valid_from=NOON + timedelta(days=1)), True),
    ],
    ids=["everywhere", "this device", "this ward", "another ward", "still", "no more", "soon: the device is told from when"],
)
async def test_who_is_on_a_devices_list(journal: Journal, operator: Operator, here: bool) -> None:
    await do(journal, lists.put_operator, operator, NOON)
    assert bool((await of(journal)).operators) == here


async def test_a_device_without_a_ward_is_in_no_ward(journal: Journal) -> None:
    await do(journal, lists.put_operator, Operator(id="1", where=("",)), NOON)
    assert (await of(journal, place="")).operators == ()


async def test_patients_are_those_who_wear_a_device_and_those_who_were_listed_each_once(journal: Journal) -> None:
    await do(journal, lists.put_patient, ANNA, "list", NOON)
    await do(journal, lists.put_patient, replace(ANNA, patient_id="SYN-0"), "list", NOON)
    for number in ("SYN-1", "SYN-2"):
        await wear(journal, number)
    assert [(one.patient_id, one.family_name) for one in (await of(journal)).patients] == [
        ("SYN-0", "Test"),
        ("SYN-1", "Test"),
        ("SYN-2", "Worn"),
    ]
    await journal.act(lambda conn: patients.release(conn, "BED-SYN-2", by="t", source="t"))
    assert [one.patient_id for one in (await of(journal)).patients] == ["SYN-0", "SYN-1"]


async def test_a_census_has_room_beside_what_a_person_listed(journal: Journal) -> None:
    await do(journal, lists.put_patient, ANNA, "list", NOON)
    await do(journal, lists.put_patient, ANNA, "adt", NOON)
    assert await do(journal, lists.drop_patient, "SYN-1", "list") is True
    assert [one.patient_id for one in (await of(journal)).patients] == ["SYN-1"]
    assert await do(journal, lists.drop_patient, "SYN-1", "adt", "ELSEWHERE") is False
    assert await do(journal, lists.drop_patient, "SYN-1", "adt", "") is True
    assert (await of(journal)).patients == ()


async def test_a_patient_is_found_by_number_by_visit_and_by_the_specimen_that_was_ordered(journal: Journal) -> None:
    await do(journal, lists.put_patient, replace(ANNA, visit_id="V-9"), "list", NOON)
    for placer, about in (("P1", Subject(patient_id="SYN-8")), ("P2", Subject(patient_id="SYN-9"))):
        await do(journal, orders.place, WorkOrder(placer=placer, specimen="T-77", tests=("CBC",), patient=about), NOON)

    async def find(number: str) -> str | None:
        found = await journal.read(lambda conn: lists.find_patient(conn, number))
        return None if found is None else found.patient_id

    assert [await find(one) for one in ("SYN-1", "V-9", "T-77", "T-78", "")] == ["SYN-1", "SYN-1", "SYN-9", None, None]


async def test_what_a_device_was_told_is_known_by_device_and_list(journal: Journal) -> None:
    then = ListTold(serial="S1", at=NOON, entries={"5047": "ab"})
    await do(journal, lists.note_told, "POCT-1", "operators", then)
    assert (await of(journal)).told == {"operators": then}
    assert (await of(journal, "POCT-2")).told == {}
    newer = replace(then, entries={})
    await do(journal, lists.note_told, "POCT-1", "operators", newer)
    assert await journal.read(lists.told) == {("POCT-1", "operators"): newer}


async def test_an_entry_that_was_never_written_so_is_damage(journal: Journal) -> None:
    await journal.write(lambda tx: tx.conn.execute("INSERT INTO operators VALUES ('1', '{}', ?)", (NOON.isoformat(),)))
    with pytest.raises(DamagedError, match="an entry of a list"):
        await journal.read(lists.operators)


def test_a_password_shows_nowhere() -> None:
    assert "1234" not in f"{NURSE!r} {NURSE} {NURSE.password!s}"
