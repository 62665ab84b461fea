"""What makes two messages the same: by the standard's sense, and by a profile's own key."""

from __future__ import annotations

from typing import Any

import pytest

H = "H|\\^&|7||Analyzer|||||||P|1|20261121080000"
O1 = "O|1|SYN-1|4|^^^GLU|R"
R1 = "R|1|^^^GLU|5.1|mmol/L||N||F||op||20261121075900"
KEY = ["O.3", "R.3.4", "R.4", "R.13"]


def same(device: Any, first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    (one,), (other,) = device.read(*first), device.read(*second)
    return bool(one.identity == other.identity)


OTHERWISE = {
    "the message's id": (H.replace("|7|", "|8|"), O1, R1, True),
    "the sending time": (H.replace("0800", "0905"), O1, R1, True),
    "the analyzer's own number": (H, O1.replace("|4|", "|5|"), R1, True),
    "a flag": (H, O1, R1.replace("|N|", "|H|"), True),
    "the operator": (H, O1, R1.replace("op", "po"), True),
    "the specimen": (H, O1.replace("SYN-1", "SYN-2"), R1, False),
    "the value": (H, O1, R1.replace("5.1", "5.2"), False),
    "the result's time: a rerun": (H, O1, R1.replace("075900", "085900"), False),
    "the processing id": (H.replace("|P|", "|Q|"), O1, R1, False),
}


@pytest.mark.parametrize(("head", "order", "result", "expected"), OTHERWISE.values(), ids=OTHERWISE.keys())
def test_only_what_the_key_names_tells_a_repeat_from_a_rerun(
    head: str, order: str, result: str, expected: bool, analyzer: Any
) -> None:
    assert same(analyzer(duplicate_key=KEY), (H, O1, R1), (head, order, result)) is expected


def test_without_a_key_a_flag_makes_it_another_message(analyzer: Any) -> None:
    assert not same(analyzer(), (H, O1, R1), (H, O1, R1.replace("|N|", "|H|")))


def test_a_key_reads_every_result_and_their_order(analyzer: Any) -> None:
    device, r2 = analyzer(duplicate_key=KEY), R1.replace("GLU", "NA")
    assert same(device, (H, O1, R1, r2), (H, O1, R1, r2))
    assert not same(device, (H, O1, R1, r2), (H, O1, R1))
    assert not same(device, (H, O1, R1, r2), (H, O1, r2, R1))


def test_a_key_may_look_at_what_hangs_on_a_result(analyzer: Any) -> None:
    device = analyzer(duplicate_key=["O.3", "R.4", "M.4"])
    assert same(device, (H, O1, R1, "M|1|RUN|12|x"), (H, O1, R1, "M|1|RUN|12|y"))
    assert not same(device, (H, O1, R1, "M|1|RUN|12|x"), (H, O1, R1, "M|1|RUN|13|x"))
