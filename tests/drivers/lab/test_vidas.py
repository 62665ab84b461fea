"""BCI results: verdict and number, units in two languages, days by profile, controls, isolates with their antibiotics, repeats."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.lab.vidas import DRIVER
from drivers.lab.vidas_profile import VidasOptions
from drivers.lab.vidas_results import day
from gateway.driver import Context
from gateway.model import Category, DeviceIdentity, Kind, Report, Validity
from protocols.sansio import Message
from protocols.vendor.vidas import parse

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def context(**keys: Any) -> Context[VidasOptions]:
    return DRIVER.context(
        DeviceIdentity(id="VIDAS-1"),
        VidasOptions.model_validate(keys),
        wall=lambda at: START + timedelta(seconds=at),
        timezone=ZoneInfo("Europe/Paris"),
    )


def report(text: str, at: float = 0.0, **keys: Any) -> Report:
    (found,) = DRIVER.interpret(Message(parse(text.encode()), text.encode(), at), context(**keys))
    return found


def seen(fields: str, **keys: Any) -> list[tuple[str | None, str, str | None, str, str]]:
    found = report(f"mtrsl|ciSYN-1|rtTSH|rnTSH|{fields}|", **keys)
    return [(o.value, o.comparator, o.unit, o.vendor_unit, o.sub_id) for o in found.observations]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param("ql|qn274.0 IU/ml", [("274.0", "", "[IU]/mL", "IU/ml", "")], id="a number and its unit"),
        pytest.param(
            "ql|qn28,94mUI/ml|y3mUI/ml", [("28.94", "", "m[IU]/mL", "mUI/ml", "")], id="a decimal comma, the unit in French"
        ),
        pytest.param(
            "qlPositif|qn0.05", [("Positif", "", None, "", "ql"), ("0.05", "", None, "", "qn")], id="a verdict and its test value"
        ),
        pytest.param("qlNegative|qn", [("Negative", "", None, "", "")], id="a verdict alone"),
        pytest.param("ql|qn>500,00mUI/ml", [("500.00", ">", "m[IU]/mL", "mUI/ml", "")], id="above the range"),
        pytest.param("ql|qn< 0.10 ng/ml", [("0.10", "<", "ng/mL", "ng/ml", "")], id="below the range, with blanks"),
        pytest.param("ql|qn12 furlongs", [("12", "", None, "furlongs", "")], id="a unit that nobody knows stays as it is"),
        pytest.param("ql|qn", [(None, "", None, "", "")], id="nothing at all"),
        pytest.param("qlInvalid|qn", [("Invalid", "", None, "", "")], id="a result that could not be obtained"),
    ],
)
def test_a_result(fields: str, expected: list[tuple[str | None, str, str | None, str, str]]) -> None:
    assert seen(fields) == expected


def test_what_could_not_be_obtained_has_status_x() -> None:
    assert [o.status for o in report("mtrsl|rtTSH|qlInvalid|").observations] == ["X"]
    (nothing,) = report("mtrsl|rtTSH|ql|qn|").observations
    assert (nothing.status, nothing.validity) == ("X", Validity.NOT_AVAILABLE)


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("05/24/11", "auto", date(2011, 5, 24)),
        ("13/01/2022", "auto", date(2022, 1, 13)),
        ("2018/05/02", "auto", date(2018, 5, 2)),
        ("12/07/21", "auto", date(2021, 12, 7)),
        ("08/01/2013", "auto", date(2013, 1, 8)),
        ("08/01/2013", "MDY", date(2013, 8, 1)),
        ("08/01/13", "DMY", date(2013, 1, 8)),
        ("2018/05/02", "MDY", date(2018, 5, 2)),
        ("01/02/85", "MDY", date(1985, 1, 2)),
        ("31/31/2020", "auto", None),
        ("", "auto", None),
        ("yesterday", "auto", None),
    ],
)
def test_days(text: str, order: str, expected: date | None) -> None:
    assert day(text, VidasOptions.model_validate({"date": order})) == expected


def test_a_time_is_the_instruments_and_without_day_or_hour_there_is_none() -> None:
    def times(fields: str) -> list[datetime | None]:
        return [o.time for o in report(f"mtrsl|rtTSH|qn1.5|{fields}").observations]

    assert times("tt18:35|td10/25/24|") == [datetime(2024, 10, 25, 18, 35, tzinfo=ZoneInfo("Europe/Paris"))]
    assert times("tt18:35|") == times("td10/25/24|") == times("tt25:00|td10/25/24|") == [None]


def test_patient_instrument_operator_and_specimen() -> None:
    found = report(
        "mtrsl|piSYN-P1|pnSYN, ANNA|pb12/01/1963|psF|plICU|ciSYN-1|ssSp|s5Sputum|rtTSH|qn1.5|ncvalid|snVN1|m4SYN-OP|", date="DMY"
    )
    given = found.given
    assert (given.patient_id, given.family_name, given.given_name, given.birth_date, given.sex, given.location) == (
        "SYN-P1", "SYN", "ANNA", "19630112", "F", "ICU",
    )  # fmt: skip
    assert (found.device.serial, found.specimen and found.specimen.type) == ("VN1", "Sputum")
    assert [(o.operator, o.notes) for o in found.observations] == [("SYN-OP", ())]


@pytest.mark.parametrize(
    ("fields", "validity", "notes"),
    [
        ("ncvalid|qd1", Validity.OK, ()),
        ("nccalexp|qd1:1", Validity.QUESTIONABLE, ("calibration: calexp",)),
        ("qd4", Validity.OK, ("dilution 4",)),
        ("x1strange", Validity.OK, ("x1: strange",)),
    ],
)
def test_what_is_said_beside_a_result(fields: str, validity: Validity, notes: tuple[str, ...]) -> None:
    (only,) = report(f"mtrsl|rtTSH|qn1.5|{fields}|").observations
    assert (only.validity, only.notes, only.value) == (validity, notes, "1.5")


@pytest.mark.parametrize(
    ("fields", "category"),
    [
        ("ciC1|rtTSH", Category.QC),
        ("cis1|rtTSH", Category.QC),
        ("ciQC|rtQCV", Category.QC),
        ("ciS0913-024|rtTSH", Category.LAB),
        ("ciC12|rtTSH", Category.LAB),
    ],
)
def test_controls_and_standards_are_no_patients(fields: str, category: Category) -> None:
    assert report(f"mtrsl|{fields}|qn1.5|").category is category


def test_several_tests_of_a_message_are_told_apart() -> None:
    found = report("mtrsl|ciSYN-1|rtTSH|rnTSH|qn1.5|rtFSH|rnFSH|qn30.1|zz|")
    assert [(o.vendor_code, o.value) for o in found.observations] == [("TSH", "1.5"), ("FSH", "30.1")]


ISOLATE = (
    "mtrsl|iiV2|isSYN-9|ciSYN-1|ta|rtAST-N204|t11|o1klepne|o2Klebsiella pneumoniae|afQUINOLONES|apWILD|"
    "ra|a1am|a2Ampicillin|a3>=32|a4R|anR|ra|a1amc|a2Amoxicillin|a34|a4S|anI|ra|a1esbl|a2ESBL|a3Neg|a4-|an-|ra|a1x|a2Not done|a3|a4|ra|a1ctx|a2Cefotaxime|a3|a4R|anR|zz|"
)


def test_an_isolate_has_its_organism_and_each_antibiotic_its_concentration_and_category() -> None:
    found = report(ISOLATE)
    assert (found.device.model, found.device.serial) == ("V2", "SYN-9")
    organism, *drugs = found.observations
    assert (organism.kind, organism.value, organism.coding) == (
        Kind.CODED,
        "Klebsiella pneumoniae",
        ("klepne", "Klebsiella pneumoniae", "99BMX"),
    )
    assert organism.notes == ("phenotype of QUINOLONES: WILD",)
    assert {o.sub_id for o in found.observations} == {"1"}
    assert [(o.vendor_code, o.vendor_text, o.comparator, o.value, o.flags, o.status) for o in drugs] == [
        ("am", "Ampicillin", ">=", "32", ("R",), "R"),
        ("amc", "Amoxicillin", "", "4", ("I",), "R"),
        ("esbl", "ESBL", "", "Neg", (), "R"),
        ("x", "Not done", "", None, (), "X"),
        ("ctx", "Cefotaxime", "", "R", ("R",), "R"),
    ]
    assert drugs[1].notes == ("category before the expert system: S",)
    assert [drug.notes for drug in drugs if drug is not drugs[1]] == [()] * 4


def test_a_message_that_is_no_result_is_kept_and_shown() -> None:
    found = report("mtmpr|piSYN-P1|ciSYN-1|rtTSH|")
    assert (found.category, found.notes[-1]) == (Category.EVENTS, "mtmpr|piSYN-P1|ciSYN-1|rtTSH")


@pytest.mark.parametrize(
    ("other", "later_s", "same"),
    [
        pytest.param("mtrsl|ciSYN-1|rtTSH|tt18:35|td10/25/24|qn1.5|", 86_400.0, True, id="sent again, whenever"),
        pytest.param("mtrsl|ciSYN-1|rtTSH|tt18:55|td10/25/24|qn1.5|", 0.0, False, id="measured again"),
        pytest.param("mtrsl|ciSYN-1|rtTSH|tt18:35|td10/25/24|qn1.6|", 0.0, False, id="another value"),
    ],
)
def test_what_is_a_repeat(other: str, later_s: float, same: bool) -> None:
    first = report("mtrsl|ciSYN-1|rtTSH|tt18:35|td10/25/24|qn1.5|")
    assert (report(other, later_s).identity == first.identity) is same
