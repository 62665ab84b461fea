"""Files of operators and patients, as a hospital's system writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.errors import ActError
from gateway.lists import files
from gateway.model import Location, Subject
from gateway.rolls import Operator, Secret


def test_a_table_of_operators() -> None:
    data = (
        b"\xef\xbb\xbfid;family_name;level;methods;where;password;valid_until\r\n"
        b"5047;Example;supervisor;Glu Ket;4E;1234;2027-01-01T00:00:00+00:00\r\n5048;;;;;;\r\n"
    )
    assert files.operators(data) == [
        Operator(
            id="5047", family_name="Example", level="supervisor", methods=("Glu", "Ket"), where=("4E",), password=Secret("1234"),
            valid_until=datetime(2027, 1, 1, tzinfo=UTC),
        ),
        Operator(id="5048"),
    ]  # fmt: skip


def test_the_same_as_json() -> None:
    data = b'[{"id": 5047, "methods": ["Glu 2"], "where": ["4E"]}, {"id": "5048", "password": null}]'
    assert files.operators(data) == [Operator(id="5047", methods=("Glu 2",), where=("4E",)), Operator(id="5048")]


def test_patients_with_their_places() -> None:
    data = b"patient_id,family_name,given_name,birth_date,sex,point_of_care,room,bed\nSYN-1,Test,Anna,1970-01-31,F,4E,402,1\nSYN-2,,,,,,,\n"
    assert files.patients(data) == [
        Subject(
            patient_id="SYN-1", family_name="Test", given_name="Anna", birth_date="19700131", sex="F",
            location=Location(point_of_care="4E", room="402", bed="1"),
        ),
        Subject(patient_id="SYN-2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"id,colour\n1,red\n", "line 2: got colour; expected only id, family_name"),
        (b"id,level\n,user\n", "line 2: got no id, expected one"),
        (b"id\n1,2\n", "line 2: got more than the head has; expected only id, family_name"),
        (b"colour\nred\n", "line 1: got 'colour'; expected a head with the column id"),
        (b'[{"id": "1"}, 7]', "entry 2: got int, expected an object"),
        (b'[{"id": "1"', "not JSON"),
        (b"id,valid_until\n1,tomorrow\n", "line 2: got the time 'tomorrow', expected ISO 8601 with an offset"),
        (b"id,valid_until\n1,2027-01-01T00:00:00\n", "expected ISO 8601 with an offset"),
        (b"id\n\xff\n", "byte 3: got 0xff; expected CSV or JSON in UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(data: bytes, told: str) -> None:
    with pytest.raises(ActError) as caught:
        files.operators(data)
    assert told in str(caught.value)
