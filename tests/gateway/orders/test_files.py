"""Files of orders: tables as people make them, and what is told of those that are none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.errors import ActError
from gateway.model import Subject
from gateway.orders import files


def test_a_table_with_commas() -> None:
    data = b"specimen,tests,placer,priority,patient_id,collected_at\nSYN-1,GLU NA,P1,S,SYN-7,2026-11-21T08:00:00+01:00\n"
    (one,) = files.read(data)
    order = one.order
    assert (order.placer, order.specimen, order.tests, order.priority) == ("P1", "SYN-1", ("GLU", "NA"), "S")
    assert order.patient == Subject(patient_id="SYN-7")
    assert order.collected_at == datetime(2026, 11, 21, 7, tzinfo=UTC)


def test_a_table_with_semicolons_as_spreadsheets_of_half_of_europe_write_it() -> None:
    one, two = files.read("\ufeffspecimen;tests;family_name\r\nSYN-1;GLU NA;Müller\r\nSYN-2;K;\r\n".encode())
    assert one.order.patient == Subject(patient_id="", family_name="Müller")
    assert (two.order.tests, two.order.patient) == (("K",), None)


def test_a_list_of_objects() -> None:
    one, two = files.read(b'[{"specimen": "SYN-1", "tests": ["GLU"]}, {"specimen": 2, "tests": "NA;K"}]')
    assert (one.order.specimen, one.order.tests) == ("SYN-1", ("GLU",))
    assert (two.order.specimen, two.order.tests) == ("2", ("NA", "K"))


def test_without_a_number_the_same_row_is_the_same_order() -> None:
    row = b'{"specimen": "SYN-1", "tests": ["GLU"]}'
    other = b'{"specimen": "SYN-1", "tests": ["NA"]}'
    numbers = [files.read(data)[0].order.placer for data in (row, row, other)]
    assert numbers[0] == numbers[1] != numbers[2]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a,b\n1,2\n", "line 1: got 'a,b'; expected a head with the columns specimen and tests"),
        (b"specimen,tests,colour\nSYN-1,GLU,red\n", "line 2: got colour; expected only specimen, tests"),
        (b"specimen,tests,collected_at\nSYN-1,GLU,yesterday\n", "line 2: got the time 'yesterday'"),
        (b"[1]", "entry 1: got int, expected an object"),
        (b'{"specimen": "SYN-1", "tests": 5}', "entry 1: got tests as int"),
        (b"[", "not JSON"),
        (b"specimen,tests\nSYN-1,\xff\n", "byte 21: got 0xff"),
    ],
    ids=["no head", "unknown column", "no time", "no object", "no list", "no JSON", "no text"],
)
def test_what_is_no_order_is_named_with_its_place(data: bytes, told: str) -> None:
    with pytest.raises(ActError, match=told):
        files.read(data)
