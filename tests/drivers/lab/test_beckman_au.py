"""AU results and questions: QC and blanks are no patient's, repeats are known, flags in HL7's words, answers in the site's columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.lab.beckman_au import DRIVER
from drivers.lab.beckman_au_profile import AuOptions
from gateway.driver import Context
from gateway.model import Category, DeviceIdentity, Kind, Report, Subject, Validity, WorkOrder
from protocols.sansio import Message
from protocols.vendor.beckman_au import AuText

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def context(**keys: Any) -> Context[AuOptions]:
    return DRIVER.context(
        DeviceIdentity(id="AU-1"), AuOptions.model_validate(keys), wall=lambda at: START + timedelta(seconds=at)
    )


def message(text: str, at: float = 0.0) -> Message[AuText]:
    return Message(AuText(text), text.encode(), at)


def reports(text: str, at: float = 0.0, **keys: Any) -> list[Report]:
    return list(DRIVER.interpret(message(text, at), context(**keys)))


RESULT = "000101 0001      SYN-0001    E016  45.0H 017  12.5  "


@pytest.mark.parametrize(
    ("kind", "category", "role"),
    [
        ("D ", Category.LAB, ""),
        ("DH", Category.LAB, ""),
        ("d ", Category.LAB, ""),
        ("dH", Category.LAB, ""),
        ("DQ", Category.QC, "Q"),
        ("DA", Category.QC, "C"),
        ("DR", Category.QC, ""),
    ],
)
def test_what_no_patient_gave_goes_its_own_way(kind: str, category: Category, role: str) -> None:
    (report,) = reports(kind + RESULT)
    assert (report.category, report.specimen.role if report.specimen else None) == (category, role)
    assert [(o.vendor_code, o.value, o.flags) for o in report.observations] == [("016", "45.0", ("H",)), ("017", "12.5", ())]


def test_a_control_is_also_told_by_its_id() -> None:
    (report,) = reports("D " + RESULT, control_ids="SYN-00.*")
    assert report.category is Category.QC


@pytest.mark.parametrize("text", ["DB", "DE", "RB", "RE", "R 000101 0001SYN", "S 000101 0001SYN    E"])
def test_what_is_only_talk_is_no_reading(text: str) -> None:
    assert reports(text) == []


@pytest.mark.parametrize(("kind", "category"), [("D ", Category.EVENTS), ("DQ", Category.QC), ("XX", Category.EVENTS)])
def test_a_text_that_cannot_be_read_is_kept_and_shown(kind: str, category: Category) -> None:
    (report,) = reports(kind + "000101 0001      SYN-0001    Efoo")
    assert report.category is category
    (seen,) = report.observations
    assert (seen.kind, "was not read" in (seen.value or "")) == (Kind.EVENT, True)
    assert "Efoo" in report.notes[0]


def test_names_units_and_terms_come_from_the_profile_with_or_without_zeros() -> None:
    (report,) = reports(
        "D " + RESULT, names={"16": "ALT", "017": "Na"}, analytes={"016": {"unit": "U/L"}, "17": {"unit": "mmol/L"}}
    )
    assert [(o.vendor_text, o.unit, o.vendor_unit) for o in report.observations] == [("ALT", "U/L", ""), ("Na", "mmol/L", "")]


@pytest.mark.parametrize(
    ("mark", "flags", "validity", "note"),
    [
        ("F ", (">",), Validity.OK, "flag F: above the dynamic range"),
        ("G ", ("<",), Validity.OK, "flag G: below the dynamic range"),
        ("S ", (), Validity.OK, "flag S: result taken over from a rerun"),
        ("* ", ("*",), Validity.QUESTIONABLE, "flag *: not linear"),
        ("@H", ("@", "H"), Validity.QUESTIONABLE, "flag @: absorbance too high at every wavelength"),
        ("r ", ("r",), Validity.OK, None),
        ("N ", ("NEG",), Validity.OK, None),
    ],
)
def test_flags_in_the_words_of_table_0078_and_never_in_another_meaning(
    mark: str, flags: tuple[str, ...], validity: Validity, note: str | None
) -> None:
    (report,) = reports(f"D 000101 0001      SYN-0001    E016  45.0{mark}017  12.5  ")
    seen = report.observations[0]
    assert (seen.flags, seen.validity, seen.value) == (flags, validity, "45.0")
    assert seen.notes == ((note,) if note else ())


def test_a_test_without_a_value_has_none() -> None:
    (report,) = reports("D 000101 0001      SYN-0001    E016      / 017  12.5  ")
    assert [(o.value, o.status, o.validity) for o in report.observations] == [
        (None, "X", Validity.NOT_AVAILABLE),
        ("12.5", "R", Validity.OK),
    ]


@pytest.mark.parametrize("mark", ["/", "?"])
def test_a_flag_in_the_columns_of_a_value_is_no_value(mark: str) -> None:
    (report,) = reports(f"D 000101 0001      SYN-0001    E016     {mark}  017  12.5  ")
    assert [(o.value, o.status, o.validity) for o in report.observations] == [
        (None, "X", Validity.INVALID),
        ("12.5", "R", Validity.OK),
    ]


def test_a_sample_without_an_id_has_none_but_where_the_site_works_by_numbers() -> None:
    text = "D 000101 0001                  E016  45.0  "
    (plain,), (numbered,) = reports(text), reports(text, number_is_id=True)
    assert plain.specimen is not None
    assert (plain.specimen.id, plain.specimen.instrument_id, plain.specimen.position) == ("", "0001", "0001^01")
    assert numbered.specimen is not None
    assert numbered.specimen.id == "0001"


def test_columns_about_the_patient_are_evidence() -> None:
    text = "D 000101 0001      SYN-0001    EF067  " + "SYN-P1".ljust(20) + "SYN ANNA".ljust(20) + "016  45.0  "
    (report,) = reports(text, columns={"about": True, "info": [20, 20]}, patient_id=1, patient_name=2)
    assert (report.given.patient_id, report.given.family_name, report.given.given_name, report.given.sex) == (
        "SYN-P1",
        "SYN",
        "ANNA",
        "F",
    )
    assert "age: 67 years" in report.notes


# Repeats


DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("first", "second", "later_s", "same"),
    [
        pytest.param("D " + RESULT, "D " + RESULT, 2.0, True, id="sent again"),
        pytest.param("D " + RESULT, "D " + RESULT, DAY_S, True, id="sent again from the menu, a day later: the id says whose"),
        pytest.param("d " + RESULT, "D " + RESULT, 60.0, True, id="sent ahead, then with the others"),
        pytest.param("D " + RESULT, "DH" + RESULT, 60.0, False, id="a rerun"),
        pytest.param("D " + RESULT, "D " + RESULT.replace("12.5", "12.6"), 60.0, False, id="another value"),
        pytest.param("D 000101 0001                  E016  45.0  ", "D 000101 0001                  E016  45.0  ", 2.0, True, id="no id, sent again"),
        pytest.param("D 000101 0001                  E016  45.0  ", "D 000101 0001                  E016  45.0  ", DAY_S, False, id="no id, tomorrow's sample 0001"),
        pytest.param("DQ000101 Q001                  E016  45.0  ", "DQ000101 Q001                  E016  45.0  ", DAY_S, False, id="tomorrow's control"),
    ],
)  # fmt: skip
def test_what_is_a_repeat(first: str, second: str, later_s: float, same: bool) -> None:
    (one,), (other,) = reports(first), reports(second, later_s)
    assert (one.identity == other.identity) is same


# Orders


def order(*tests: str, specimen: str = "1911040056", patient: str = "", cancelled: bool = False) -> WorkOrder:
    who = Subject(patient_id=patient) if patient else None
    return WorkOrder(placer=f"P-{tests}-{patient}", specimen=specimen, tests=tests, patient=who, cancelled=cancelled)


def answered(text: str, *orders: WorkOrder, **keys: Any) -> tuple[str, int]:
    assert DRIVER.ordering is not None
    said = DRIVER.ordering.answer(message(text), orders, context(**keys), START)
    return said.text.decode("latin-1"), len(said.orders)


def test_the_answer_of_a_real_host() -> None:
    """A hospital's program and its AU480: R 000201 00041911040056 is answered by S 000201 00041911040056    E015."""
    assert answered("R 000201 00041911040056", order("15")) == ("S 000201 00041911040056    E015", 1)


@pytest.mark.parametrize(
    ("keys", "orders", "expected"),
    [
        pytest.param({}, [], "S 000201 00041911040056    E", id="no order"),
        pytest.param({}, [order("GLU")], "S 000201 00041911040056    E", id="a test that is another analyzer's"),
        pytest.param({"orders": {"tests": {"GLU": "1"}}}, [order("GLU", "TSH")], "S 000201 00041911040056    E001", id="the site's codes"),
        pytest.param({"columns": {"test": 2}}, [order("1", "15")], "S 000201 00041911040056    E0115", id="tests of two columns"),
        pytest.param({"columns": {"dilution": 1}}, [order("15", "16")], "S 000201 00041911040056    E01500160", id="dilution digits"),
        pytest.param({"columns": {"about": True}}, [order("15")], "S 000201 00041911040056    E      015", id="blank columns for sex and age"),
        pytest.param({}, [order("15"), order("16", "15")], "S 000201 00041911040056    E015016", id="two orders, a test once"),
        pytest.param({}, [order("15", patient="A"), order("16", patient="B")], "S 000201 00041911040056    E016", id="a barcode used again"),
        pytest.param({}, [order("15", cancelled=True)], "S 000201 00041911040056    E", id="cancelled"),
    ],
)  # fmt: skip
def test_an_answer_repeats_the_question_and_names_the_tests(keys: dict[str, Any], orders: list[WorkOrder], expected: str) -> None:
    assert answered("R 000201 00041911040056", *orders, **keys)[0] == expected


def test_a_rerun_is_answered_as_one() -> None:
    assert answered("RH000201 00041911040056", order("15"))[0] == "SH000201 00041911040056    E015"


@pytest.mark.parametrize(
    ("text", "keys", "specimens"),
    [
        ("R 000201 00041911040056", {}, ("1911040056",)),
        ("RH000201 0004     SYN-9", {}, ("SYN-9",)),
        ("R 000201 0004", {}, ()),
        ("R 000201 0004", {"number_is_id": True}, ("0004",)),
        ("R foo", {}, ()),
    ],
)
def test_what_a_question_asks_for(text: str, keys: dict[str, Any], specimens: tuple[str, ...]) -> None:
    assert DRIVER.ordering is not None
    asked = DRIVER.ordering.asks(message(text), context(**keys))
    assert asked is not None
    assert asked.specimens == specimens


@pytest.mark.parametrize(("text", "keys"), [("D " + RESULT, {}), ("RB", {}), ("R 000201 0004SYN", {"orders": {"answer": False}})])
def test_what_asks_for_nothing(text: str, keys: dict[str, Any]) -> None:
    assert DRIVER.ordering is not None
    assert DRIVER.ordering.asks(message(text), context(**keys)) is None
