"""What a containment tree remembers of readings must never show in one that was said otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.driver import _USUAL_LENGTH, _USUAL_MAX, Channel, Mds, Metric, Vmd
from gateway.model import Validity

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def tree() -> Mds:
    metrics = (Metric("SPO2", "MDC_PULS_OXIM_SAT_O2", "%"), Metric("HR", "MDC_PULS_OXIM_PULS_RATE", "/min"))
    return Mds("MDC_DEV_ANALY_SAT_O2_MDS", Vmd("", Channel("", *metrics)))


def test_the_same_reading_is_the_same_object(tree: Mds) -> None:
    assert tree.observe("SPO2", "97") is tree.observe("SPO2", "97")


def test_a_code_has_its_own_readings(tree: Mds) -> None:
    tree.observe("SPO2", "97")
    assert tree.observe("HR", "97").refid == "MDC_PULS_OXIM_PULS_RATE"


def test_leading_zeros_are_another_spelling_of_the_same_value(tree: Mds) -> None:
    assert [tree.observe("SPO2", text).value for text in ("097", "97", "097")] == ["97", "97", "97"]


def test_a_text_that_is_no_number_leaves_no_note_on_no_value(tree: Mds) -> None:
    bad, none = tree.observe("SPO2", "9?"), tree.observe("SPO2", None)
    assert (bad.value, bad.validity, bad.notes) == (None, Validity.INVALID, ("device sent '9?'",))
    assert (none.value, none.validity, none.notes) == (None, Validity.NOT_AVAILABLE, ())


def test_what_is_said_of_one_reading_is_not_said_of_the_next(tree: Mds) -> None:
    plain = tree.observe("SPO2", "97")
    marked = tree.observe("SPO2", "97", validity=Validity.QUESTIONABLE, flags=("L",), time=NOON, unit="1", notes=("x",))
    assert (marked.validity, marked.flags, marked.time, marked.unit, marked.notes) == (
        Validity.QUESTIONABLE,
        ("L",),
        NOON,
        "1",
        ("x",),
    )
    assert tree.observe("SPO2", "97") == plain
    assert (plain.validity, plain.flags, plain.time, plain.unit, plain.notes) == (Validity.OK, (), None, "%", ())


def test_what_is_remembered_has_a_limit(tree: Mds) -> None:
    for number in range(_USUAL_MAX + 2):
        assert tree.observe("HR", str(number)).value == str(number)
    assert len(tree._usual) <= _USUAL_MAX
    long = "1" * (_USUAL_LENGTH + 1)
    assert tree.observe("HR", long).value == long
    assert ("HR", long) not in tree._usual


def test_codes_that_no_tree_knows_are_not_remembered(tree: Mds) -> None:
    assert tree.observe("XYZ", "1").refid is None
    assert not any(code == "XYZ" for code, _ in tree._usual)
