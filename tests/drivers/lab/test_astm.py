"""The ASTM driver: which records make which report, and when two messages say the same."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Category, Kind, Validity
from gateway.readings import readings
from protocols.astm.frames import frame

H = "H|\\^&|M-1||Analyzer^1.0|||||||P|LIS2-A2|20261121080000"
O1 = "O|1|SYN-1||^^^GLU|R||||||N||||||||||||||F"
R1 = "R|1|^^^GLU|5.1|mmol/L|3.9 to 5.5|N||F||op||20261121075500"


@pytest.mark.parametrize(
    ("profile", "order", "expected"),
    [
        pytest.param("generic", "O|1|SYN-1^2^3", "SYN-1", id="O.3"),
        pytest.param("generic", "O|1|    SYN-1   ", "SYN-1", id="padding goes"),
        pytest.param("generic", "O|1|^M^1|SYN-2", "SYN-2", id="Celltak: O.3 starts empty, O.4 has it"),
        pytest.param("generic", "O|1||5", "5", id="Afinion: O.4"),
        pytest.param("generic", "O|1||1^4^        SYN-3^B", "SYN-3", id="Sysmex without its profile"),
        pytest.param("generic", "O|1||Sample #^259", "259", id="Radiometer: a word, then the running number"),
        pytest.param("generic", "O|1||", "", id="none"),
        pytest.param("sysmex-xn", "O|1||1^4^        SYN-3^B", "SYN-3", id="Sysmex: never the rack"),
        pytest.param("horiba-yumizen", "O|1|SYN-4^^038749^1", "SYN-4", id="Yumizen"),
        pytest.param("roche-cobas-c311", "O|1|      SYN-5|0^50011^011^^S1^SC", "SYN-5", id="cobas: O.3 alone"),
        pytest.param("roche-cobas-c311", "O|1|11625^SYN-6   ^1^^004|R1", "SYN-6", id="cobas: number^id"),
        pytest.param("roche-cobas-c311", "O|1|11625^      ^1^^004|R1", "", id="cobas: a number is no id"),
        pytest.param("roche-cobas-c111", "O|1||SYN 7 A^^3", "SYN 7 A", id="c 111: O.4"),
    ],
)
def test_the_specimen_id_is_where_the_profile_says(profile: str, order: str, expected: str, analyzer: Any) -> None:
    (report,) = analyzer(profile).read(H, order, R1)
    assert report.specimen is not None
    assert report.specimen.id == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [("O|796|9058^1^11|8766097", "8766097"), ("O|476|8^^|08454131", "08454131"), ("O|1|9058^1^11|", "9058")],
)
def test_mindray_has_its_running_number_where_others_have_the_id(order: str, expected: str, analyzer: Any) -> None:
    (report,) = analyzer().read("H|\\^&|||Mindry^^|||||||PR|1394-97|20260704001046", order, R1)
    assert report.specimen is not None
    assert report.specimen.id == expected


@pytest.mark.parametrize("word", ["ERROR", "INVALID", "NO RESULT", "No Result", "Cancelled", "ABN"])
def test_a_word_for_no_result_is_kept_and_never_final(word: str, analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, f"R|1|^^^GLU|{word}|mmol/L||A||F")
    (seen,) = report.observations
    assert (seen.value, seen.status, seen.validity) == (word, "X", Validity.QUESTIONABLE)


@pytest.mark.parametrize("word", ["NOT DETECTED", "NEGATIVE", "Positive", "Trace"])
def test_a_word_that_is_a_result_keeps_its_status(word: str, analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, f"R|1|^^^GLU|{word}|||||F")
    (seen,) = report.observations
    assert (seen.value, seen.status, seen.validity) == (word, "F", Validity.OK)


@pytest.mark.parametrize(
    ("value", "expected", "notes"),
    [
        ("48.9^RAW", "48.9", ("RAW",)),
        ("NIL^MAINFORMAT", "NIL", ("MAINFORMAT",)),
        ("^RAW", None, ("RAW",)),
        ("RAWHIDE", "RAWHIDE", ()),
    ],
)
def test_the_word_for_a_values_form_is_never_the_value(
    value: str, expected: str | None, notes: tuple[str, ...], analyzer: Any
) -> None:
    (report,) = analyzer().read(H, O1, f"R|1|^^^EC^A^1^S|{value}|||N")
    (seen,) = report.observations
    assert (seen.value, seen.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("said", "unit"),
    [("10e3/uL^9^1", "10*3/uL"), ("mm^9^0", "mm"), ("10^9/L", "10*9/L"), ("10^7/L", None), ("^9^0", None)],
)
def test_a_unit_may_have_its_width_behind_it(said: str, unit: str | None, analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, f"R|1|^^^X|4.8|{said}|||N")
    (seen,) = report.observations
    assert (seen.unit, seen.vendor_unit) == (unit, said)


def test_elecsys_verdict_stands_before_the_number_that_the_unit_belongs_to(analyzer: Any) -> None:
    (report,) = analyzer("roche-cobas-c311").read(H, O1, "R|1|^^^400/|-1^0.303|COI||N||F||admin|||P1", "C|1|I|45|I")
    (seen,) = report.observations
    assert (seen.value, seen.unit, seen.notes) == ("0.303", "{COI}", ("-1", "45"))


@pytest.mark.parametrize(
    ("value", "expected", "notes"),
    [
        ("-1^0.324", "0.324", ("-1",)),
        ("1^12.50", "12.50", ("1",)),
        ("1^3", "1", ("3",)),
        ("1^1.300^Positive", "1", ("1.300", "Positive")),
        ("17.500^2^Positive", "17.500", ("2", "Positive")),
        ("-1", "-1", ()),
    ],
)
def test_a_verdict_is_not_the_number_it_rests_on(value: str, expected: str, notes: tuple[str, ...], analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, f"R|1|^^^440^^0|{value}|COI|^|N||F")
    (seen,) = report.observations
    assert (seen.value, seen.notes) == (expected, notes)


@pytest.mark.parametrize("profile", ["generic", "beckman-dxc"])
@pytest.mark.parametrize(("value", "flag", "expected"), [("^13", "SU", None), ("^13", "IC", None), ("6.8", "SU", "6.8")])
def test_the_reason_of_a_withheld_result_is_no_value(
    profile: str, value: str, flag: str, expected: str | None, analyzer: Any
) -> None:
    (report,) = analyzer(profile).read(H, O1, f"R|1|^^^07D^1|{value}|g/dL|6.0 to 8.0^NR|{flag}||F")
    (seen,) = report.observations
    assert (seen.value, seen.status) == (expected, "F" if expected else "X")
    assert ("13" in seen.notes) is (expected is None)


def test_a_loinc_is_not_given_for_a_unit_nobody_knows(analyzer: Any) -> None:
    known, unknown = (
        analyzer().read("H|\\^&|||STAGO", O1, f"R|1|^^^PT|12.5|{unit}||N||F")[0].observations[0] for unit in ("sec", "furlongs")
    )
    assert (known.loinc, known.unit) == ("5902-2", "s")
    assert (unknown.loinc, unknown.unit, unknown.vendor_unit) == (None, None, "furlongs")


@pytest.mark.parametrize(
    ("sender", "code", "loinc"),
    [("Maglumi User", "TSH", "3016-3"), ("Alinity i^3.4.1", "TSH", "3016-3"), ("Pretender", "TSH", None)],
)
def test_a_product_of_only_one_maker_tells_the_maker(sender: str, code: str, loinc: str | None, analyzer: Any) -> None:
    (report,) = analyzer().read(f"H|\\^&|||{sender}", O1, f"R|1|^^^{code}|1.42|uIU/mL||N||F")
    assert report.observations[0].loinc == loinc


@pytest.mark.parametrize(
    ("profile", "order", "expected"),
    [
        ("sysmex-xn", "O|1||12^4^        SYN-3^B", "12^4"),
        ("horiba-yumizen", "O|1|SYN-4^^038749^1", "038749^1"),
        ("roche-cobas-c311", "O|1|SYN-5|0^50011^011^^S1^SC", "50011^011"),
        ("roche-cobas-c311", "O|1|11625^SYN-6^1^^004|R1", "1^004"),
    ],
)
def test_the_position_is_rack_and_place(profile: str, order: str, expected: str, analyzer: Any) -> None:
    (report,) = analyzer(profile).read(H, order, R1)
    assert report.specimen is not None
    assert report.specimen.position == expected


@pytest.mark.parametrize(
    ("patient", "expected"),
    [("P|1|A|B|C", "A"), ("P|1||B|C", "B"), ("P|1|||C^D", "C"), ("P|1", ""), ("P|1|   ||C", "C")],
)
def test_the_patient_id_is_the_first_of_three_fields_that_is_not_blank(patient: str, expected: str, analyzer: Any) -> None:
    (report,) = analyzer().read(H, patient, O1, R1)
    assert report.given.patient_id == expected


def test_demographics_are_the_patient_records(analyzer: Any) -> None:
    (report,) = analyzer("sysmex-xn").read("H|\\^&|||XN", "P|1|||SYN-1|^Test^Patient||19870626|M|||||||||||||||||^^^WEST", O1, R1)
    given_ = report.given
    assert (given_.given_name, given_.family_name, given_.birth_date, given_.sex) == ("Test", "Patient", "19870626", "M")
    assert given_.location == "WEST"


def test_an_age_is_no_birth_date(analyzer: Any) -> None:
    (report,) = analyzer().read(H, "P|1||SYN-1||^test||^25^Y|X", O1, R1)
    assert (report.given.birth_date, report.given.sex) == ("", "")


@pytest.mark.parametrize(
    ("profile", "test_id", "code", "sub_id"),
    [
        pytest.param("generic", "^^^WBC", "WBC", "", id="component 4"),
        pytest.param("generic", "^^^^WBC^1", "WBC", "1", id="component 5"),
        pytest.param("generic", "ABO", "ABO", "", id="component 1"),
        pytest.param("generic", "^MTB", "MTB", "", id="component 2"),
        pytest.param("generic", "^GLUCOSE POD^^F", "GLUCOSE POD", "F", id="Mispa: F is no code beside a name"),
        pytest.param("generic", "^^^F", "F", "", id="Mispa: F alone is all there is"),
        pytest.param("generic", "SGOT^Aspartate Aminotransferase^^F", "SGOT", "F", id="Mindray: code, name, kind of value"),
        pytest.param("generic", "^^^1.000000+032+1", "032", "1.000000++1", id="VITROS ECi: whole dilutions"),
        pytest.param("generic", "4^Test4^1^I", "4", "1^I", id="Mindray: an interpretation"),
        pytest.param("generic", "^^^685/", "685", "", id="Roche: the slash goes"),
        pytest.param("generic", "^^^10/1/not", "10", "1/not", id="Roche e 411: dilution and treatment"),
        pytest.param("generic", "^^^A/G", "A/G", "", id="a ratio is a name"),
        pytest.param("generic", "^^^1.0000+950+1.0", "950", "1.0000++1.0", id="VITROS: between its dilutions"),
        pytest.param("sysmex-xn", "^^^^NEUT%^5", "NEUT%", "5", id="Sysmex: dilution behind"),
        pytest.param("roche-cobas-c311", "^^^687/2/dec", "687", "2/dec", id="cobas"),
        pytest.param("horiba-pentra", "^^^WBC^804-5^1", "WBC", "1", id="Pentra: its LOINC is not trusted"),
        pytest.param("horiba-yumizen", "^^^WBC^6690-2", "WBC", "", id="Yumizen: its LOINC is a LOINC"),
    ],
)
def test_a_code_is_found_and_nothing_beside_it_is_lost(profile: str, test_id: str, code: str, sub_id: str, analyzer: Any) -> None:
    (report,) = analyzer(profile).read(H, O1, f"R|1|{test_id}|5.1|x||N||F")
    assert [(seen.vendor_code, seen.sub_id) for seen in report.observations] == [(code, sub_id)]


@pytest.mark.parametrize(
    ("profile", "result", "loinc", "why"),
    [
        ("horiba-yumizen", "^^^WBC^6690-2|2.1|10E3/uL", "6690-2", "the terms know it"),
        ("horiba-yumizen", "^^^XYZ^6690-2|2.1|10E3/uL", "6690-2", "the device's, in a unit of its class"),
        ("horiba-yumizen", "^^^XYZ^6690-2|2.1|g/dL", None, "the device's is of another unit class"),
        ("horiba-yumizen", "^^^XYZ^6690-3|2.1|10E3/uL", None, "a wrong check digit"),
        ("generic", "^^^XYZ^804-5|2.1|10E3/uL", None, "a manual count, which the terms do not hold"),
        ("horiba-pentra", "^^^XYZ^6690-2|2.1|1", None, "this analyzer's claims are not trusted"),
        ("generic", "^^^XYZ|2.1|10E3/uL", None, "nobody knows it"),
    ],
)
def test_a_loinc_is_the_terms_or_a_credible_claim(profile: str, result: str, loinc: str | None, why: str, analyzer: Any) -> None:
    (report,) = analyzer(profile).read(H, O1, f"R|1|{result}||N||F")
    assert [seen.loinc for seen in report.observations] == [loinc], why


@pytest.mark.parametrize(
    ("profile", "kind", "loinc"),
    [
        pytest.param("roche-cobas-c311", "1", "2160-0", id="cobas: 1 is serum"),
        pytest.param("roche-cobas-c311", "", "2160-0", id="not said: what it usually is"),
        pytest.param("roche-cobas-c311", "2", None, id="cobas: 2 is urine"),
        pytest.param("roche-cobas-c311", "5", None, id="cobas: 5 is something else"),
    ],
)
def test_serums_loinc_is_not_claimed_for_another_specimen(profile: str, kind: str, loinc: str | None, analyzer: Any) -> None:
    (report,) = analyzer(profile).read(H, f"O|1|SYN-1|||||||||||||{kind}", "R|1|^^^CREJ2/|0.85|mg/dl||N||F")
    assert [seen.loinc for seen in report.observations] == [loinc]


def test_what_nobody_knows_is_kept_as_it_is(analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, "R|1|^^^ZZZ|7.5|furlong||N||F")
    (seen,) = report.observations
    assert (seen.vendor_code, seen.value, seen.unit, seen.vendor_unit, seen.mapped) == ("ZZZ", "7.5", None, "furlong", False)


def test_a_missing_unit_is_the_profiles_and_an_odd_one_too(analyzer: Any) -> None:
    device = analyzer("horiba-pentra", analytes={"HGB": {"unit": "g/dL"}})
    (report,) = device.read(
        H, O1, "R|1|^^^HGB^717-9^1|14.0|1||||F", "R|2|^^^HGB^717-9^1|14.0|||||F", "R|3|^^^MCH^785-6^1|30.1|1||||F"
    )
    assert [(seen.unit, seen.vendor_unit, seen.loinc) for seen in report.observations] == [
        ("g/dL", "1", "718-7"),
        ("g/dL", "", "718-7"),
        (None, "1", "785-6"),
    ]


def test_an_absent_value_of_a_measured_analyte_is_a_number_that_is_missing(analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, "R|1|^^^HCT|---|%||N||F", "R|2|^^^Finding||||A||F")
    assert [(seen.kind, seen.value, seen.status, seen.validity) for seen in report.observations] == [
        (Kind.NUMERIC, None, "X", Validity.NOT_AVAILABLE),
        (Kind.TEXT, None, "X", Validity.NOT_AVAILABLE),
    ]


@pytest.mark.parametrize("mode", ["T", "D"])
def test_a_training_message_is_no_patients(mode: str, analyzer: Any) -> None:
    (report,) = analyzer().read(H.replace("|P|LIS2", f"|{mode}|LIS2"), O1, R1)
    assert (report.category, report.observations[0].validity) == (Category.QC, Validity.TEST)


def test_a_control_among_patients_is_told_apart_by_its_own_order_or_id(analyzer: Any) -> None:
    rules = [{"rule": "SPECIMEN_ID_PREFIX", "value": "CTL-"}, {"rule": "SPECIMEN_ID_REGEX", "value": "^QC[0-9]{3}$"}]
    device = analyzer(qc=rules)
    orders = ("O|1|SYN-1||^^^WBC", "O|2|CTL-3||^^^WBC", "O|3|QC007||^^^WBC", "O|4|SYN-2||^^^WBC|||||||Q", "O|5|SYN-3||^^^WBC")
    found = device.read(H, "P|1||SYN-9", *(line for order in orders for line in (order, R1)))
    assert [(report.specimen.id, report.category.value) for report in found] == [
        ("SYN-1", "lab"),
        ("CTL-3", "qc"),
        ("QC007", "qc"),
        ("SYN-2", "qc"),
        ("SYN-3", "lab"),
    ]


def test_a_questionable_result_says_so(analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, "R|1|^^^WBC|8.5|10*3/uL||||W")
    assert (report.observations[0].status, report.observations[0].validity) == ("R", Validity.QUESTIONABLE)


@pytest.mark.parametrize(("profile", "doubted"), [("sysmex-xn", Validity.QUESTIONABLE), ("generic", Validity.OK)])
def test_sysmex_w_is_a_doubt_of_the_value(profile: str, doubted: Validity, analyzer: Any) -> None:
    (report,) = analyzer(profile).read(
        H, "O|1||^^   SYN-1^M", "R|1|^^^^PLT^1|  245|10*3/uL||W||F", "R|2|^^^^WBC^1|9.24|10*3/uL||N||F"
    )
    platelets, leukocytes = report.observations
    assert (platelets.value, platelets.status, platelets.validity, platelets.flags) == ("245", "F", doubted, ("W",))
    assert leukocytes.validity is Validity.OK


@pytest.mark.parametrize(
    ("profile", "results", "expected"),
    [
        ("generic", ("R|1|^^^WBC|7.4|%||3.8 to 11.8|A||F||SYS||20211028082826",), [("3.8-11.8", ("A",), "F", 26)]),
        (
            "generic",
            ("R|1|^^^UWBC|7.4|%|||||P||SYS||20211028082826", "R|2|^^^WBC|7.4|%||3.8 to 11.8|||F||SYS||20211028082826"),
            [("", (), "P", 26), ("3.8-11.8", (), "F", 26)],
        ),
        ("generic", ("R|1|^^^WBC|7.4|%|3.8 to 11.8|A||F||SYS||20211028082826",), [("3.8-11.8", ("A",), "F", 26)]),
        (
            "generic",
            ("R|1|^^^WBC|7.4|%|1 to 2|3 to 4||F||SYS||20211028082826",),
            [("1-2", ("3 to 4",), "F", 26)],
        ),
        ("beckman-dxh", ("R|1|^^^UWBC|7.4|%|||||P||SYS||20211028082826",), [("", (), "P", 26)]),
    ],
    ids=["seen", "seen in another result", "as the standard has it", "a range before it", "always"],
)
def test_an_empty_field_before_the_range_shifts_nothing(
    profile: str, results: tuple[str, ...], expected: list[tuple[str, tuple[str, ...], str, int]], analyzer: Any
) -> None:
    (report,) = analyzer(profile).read(H, O1, *results)
    seen = [(o.range, o.flags, o.status, o.time.second) for o in report.observations]
    assert seen == expected
    assert all(o.operator == "SYS" for o in report.observations)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("146^  H ", ("146", ("A", "H"), Validity.OK)),
        ("0.2^ R ", ("0.2", ("A", "R"), Validity.QUESTIONABLE)),
        ("7", ("7", ("A",), Validity.OK)),
    ],
)
def test_flags_may_stand_beside_the_value(value: str, expected: tuple[str, tuple[str, ...], Validity], analyzer: Any) -> None:
    (report,) = analyzer("beckman-dxh").read(H, O1, f"R|1|^^^HGB|{value}|g/L||109 to 143|A||F")
    (seen,) = report.observations
    assert (seen.value, seen.flags, seen.validity) == expected
    assert seen.notes == ()


def test_a_comment_on_a_patient_is_not_told_of_another(analyzer: Any) -> None:
    reports = analyzer().read(
        H, "P|1|101", "C|1|L|isolate|G", O1, R1, "O|2|SYN-9", R1, "P|2|102", "O|1|SYN-10", R1, "P|3|103", "C|1|L|no test|G"
    )
    assert [(report.category, report.given.patient_id, report.notes) for report in reports] == [
        (Category.EVENTS, "", ("no test",)),
        (Category.LAB, "101", ("isolate",)),
        (Category.LAB, "101", ("isolate",)),
        (Category.LAB, "102", ()),
    ]


@pytest.mark.parametrize(
    ("value", "unit", "kind", "text"),
    [
        ("+2", "", Kind.TEXT, "+2"),
        ("+2", "mmol/L", Kind.NUMERIC, "2"),
        ("+2.3", "", Kind.NUMERIC, "2.3"),
        ("2", "", Kind.NUMERIC, "2"),
        ("2+", "", Kind.TEXT, "2+"),
    ],
)
def test_a_grade_of_a_urine_strip_is_no_number(value: str, unit: str, kind: Kind, text: str, analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, f"R|1|^^^LEU|{value}|{unit}")
    assert [(one.kind, one.value) for one in report.observations] == [(kind, text)]


def test_a_code_may_be_declared_text_although_it_looks_like_a_number(analyzer: Any) -> None:
    (report,) = analyzer(analytes={"HIV": {"kind": "text"}}).read(H, O1, "R|1|^^^HIV|1|||N||F")
    assert (report.observations[0].kind, report.observations[0].value) == (Kind.TEXT, "1")


def test_a_power_of_ten_beside_the_mantissa_is_applied_where_the_profile_says(analyzer: Any) -> None:
    (report,) = analyzer(value=[1], exponent=2).read(H, O1, "R|1|^^^VL|1.23^4|cp/mL||N||F")
    assert (report.observations[0].value, report.observations[0].notes) == ("12300", ())


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("R|1|^^^X|1|||||F||||20261121070000", "2026-11-21T07:00:00+01:00"),
        ("R|1|^^^X|1|||||F|||20261121065900|20261121070000", "2026-11-21T07:00:00+01:00"),
        ("R|1|^^^X|1|||||F|||20261121065900|00000000000000", "2026-11-21T06:59:00+01:00"),
        ("R|1|^^^X|1|||||F||||20260621070000", "2026-06-21T07:00:00+02:00"),
        ("R|1|^^^X|1|||||F||||20261121070000+0530", "2026-11-21T07:00:00+05:30"),
        ("R|1|^^^X|1|||||F", "2026-11-21T08:00:00+01:00"),
    ],
)
def test_a_results_time_is_its_own_in_the_devices_zone_else_the_messages(result: str, expected: str, analyzer: Any) -> None:
    (report,) = analyzer(zone=ZoneInfo("Europe/Berlin")).read(H, O1, result)
    assert [reading["time"] for reading in readings(report)] == [expected]


@pytest.mark.parametrize(
    ("profile", "records", "expected"),
    [
        pytest.param("generic", (H, O1), Category.LAB, id="a patient's"),
        pytest.param("generic", (H.replace("|P|LIS2", "|Q|LIS2"), O1), Category.QC, id="H.12 Q"),
        pytest.param("generic", (H, O1.replace("|N|||", "|Q|||")), Category.QC, id="O.12 Q"),
        pytest.param("horiba-yumizen", (H, "O|1|PX||^^^DIF|||||||||||CTRL^^LOW"), Category.QC, id="O.16 CTRL"),
        pytest.param("roche-cobas-c311", (H, "O|1|47-CR18|3070^30098^098^^QC^SC"), Category.QC, id="O.4 QC"),
        pytest.param("roche-cobas-c311", (H, "O|1|SYN-1|3070^30098^098^^S1^SC"), Category.LAB, id="O.4 S1"),
        pytest.param(
            "generic", (H, "O|1|1226741641|0^30001^1^^QC^SC^not|^^^12^1|R||||||P"), Category.QC, id="cobas 8000, O.12 P"
        ),
        pytest.param("generic", (H.replace("|P|LIS2", "|QR|1394"), O1), Category.QC, id="Mindray H.12 QR"),
        pytest.param("generic", (H.replace("|P|LIS2", "|CR|1394"), O1), Category.QC, id="Mindray H.12 CR"),
        pytest.param("generic", (H.replace("|P|LIS2", "|PR|1394"), O1), Category.LAB, id="Mindray H.12 PR"),
        pytest.param("generic", (H, "O|1||QC #^34"), Category.QC, id="Radiometer QC #"),
        pytest.param("generic", (H, "O|1||Sample #^34"), Category.LAB, id="Radiometer Sample #"),
        pytest.param("beckman-dxc", (H, "O|1|QC1   ^10^1^14191^LYPHOCHEK"), Category.QC, id="DxC: a control has a name"),
        pytest.param("beckman-dxc", (H, "O|1|11022500060^44^3"), Category.LAB, id="DxC: a specimen has none"),
        pytest.param("sysmex-xn", (H, "O|1||^^        QC-11010811^M"), Category.QC, id="Sysmex QC-"),
        pytest.param("sysmex-xn", (H, "O|1||^^        CAL-1^M"), Category.QC, id="Sysmex CAL-"),
        pytest.param("sysmex-xn", (H, "O|1||^^        QCC-1^M"), Category.LAB, id="Sysmex QCC-"),
    ],
)
def test_quality_control_is_never_a_patients_result(
    profile: str, records: tuple[str, ...], expected: Category, analyzer: Any
) -> None:
    (report,) = analyzer(profile).read(*records, R1)
    assert report.category is expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"rule": "SPECIMEN_ID_PREFIX", "value": "SYN"}, Category.QC),
        ({"rule": "SPECIMEN_ID_PREFIX", "value": "YN"}, Category.LAB),
        ({"rule": "SPECIMEN_ID_REGEX", "value": r"^SYN-\d$"}, Category.QC),
        ({"rule": "SPECIMEN_ID_REGEX", "value": r"^\d$"}, Category.LAB),
        ({"rule": "FIELD_EQUALS", "field": "R.11", "value": "op"}, Category.QC),
        ({"rule": "FIELD_EQUALS", "field": "R.11", "value": "o"}, Category.LAB),
        ({"rule": "FIELD_CONTAINS", "field": "R.11", "value": "p"}, Category.QC),
        ({"rule": "FIELD_CONTAINS", "field": "C.4", "value": "control"}, Category.QC),
        ({"rule": "FIELD_PRESENT", "field": "C.4"}, Category.QC),
        ({"rule": "FIELD_PRESENT", "field": "C.6"}, Category.LAB),
    ],
)
def test_a_site_may_say_what_its_controls_look_like(rule: dict[str, str], expected: Category, analyzer: Any) -> None:
    (report,) = analyzer(qc=[rule]).read(H, O1, R1, "C|1|I|a control|G")
    assert report.category is expected


def test_a_background_check_is_left_out_by_name_and_shown(analyzer: Any) -> None:
    (report,) = analyzer("sysmex-xn").read(
        "H|\\^&|||XN-550", "O|1||^^       BACKGROUNDCHECK^C", "R|1|^^^^WBC^1|0.00|10*3/uL||N||F"
    )
    (seen,) = report.observations
    assert report.category is Category.EVENTS
    assert (seen.kind, seen.vendor_code, seen.value) == (
        Kind.EVENT,
        "BACKGROUNDCHECK",
        "results left out by the policy background-check",
    )


def test_one_report_an_order(analyzer: Any) -> None:
    reports = analyzer().read(
        H, "P|1|SYN-A", O1, R1, O1.replace("SYN-1", "SYN-2"), R1, "P|2|SYN-B", O1.replace("SYN-1", "SYN-3"), R1
    )
    assert [(r.given.patient_id, r.specimen.id, len(r.observations)) for r in reports] == [
        ("SYN-A", "SYN-1", 1),
        ("SYN-A", "SYN-2", 1),
        ("SYN-B", "SYN-3", 1),
    ]


def test_results_without_an_order_are_kept(analyzer: Any) -> None:
    (report,) = analyzer().read(H, "P|1|SYN-A", R1)
    assert (report.specimen, report.order, len(report.observations)) == (None, None, 1)


def test_results_before_the_order_are_not_given_to_it(analyzer: Any) -> None:
    before, after = analyzer().read(H, "P|1|SYN-A", R1, O1)
    assert (before.specimen, len(before.observations)) == (None, 1)
    assert (after.specimen.id, len(after.observations)) == ("SYN-1", 0)


def test_an_order_that_cannot_be_done_says_so_for_each_test(analyzer: Any) -> None:
    (report,) = analyzer().read(H, "O|1|SYN-1||^^^HIV\\^^^HCV|R||||||||||||||||||||X", "C|1|I|aspiration error|G")
    assert [(seen.vendor_code, seen.value, seen.status) for seen in report.observations] == [
        ("HIV", None, "X"),
        ("HCV", None, "X"),
    ]
    assert report.notes == ("aspiration error",)


def test_comments_hang_on_the_record_before_them(analyzer: Any) -> None:
    (report,) = analyzer().read(
        H, "P|1|SYN-A", "C|1|I|of P|G", O1, "C|1|I|of O|G", R1, "C|1|I|first\\^&second|G", "M|1|curve|1\\2"
    )
    assert report.notes == ("of P", "of O")
    assert report.observations[0].notes == ("first", "&second", "M|1|curve|1\\2")


def test_an_unknown_record_and_an_early_end_are_told(analyzer: Any) -> None:
    device = analyzer()
    (report,) = device.hear(f"{H}\r{O1}\rZ|1|vendor\r{R1}\rL|1|T\r".encode())
    assert report.notes == ("Z|1|vendor", "message ended with T: the analyzer broke off")


def test_manufacturer_records_and_images_may_be_left_out_and_it_is_said(analyzer: Any) -> None:
    picture = "R|2|^^^BMP|" + "QkFTRTY0" * 40 + "|||||F"
    (kept,) = analyzer().read(H, O1, R1, "M|1|HISTOGRAM|AAAA", picture)
    (left,) = analyzer(manufacturer_records="drop", images="drop").read(H, O1, R1, "M|1|HISTOGRAM|AAAA", picture)
    assert [seen.kind for seen in kept.observations] == [Kind.NUMERIC, Kind.TEXT]
    assert kept.observations[0].notes == ("M|1|HISTOGRAM|AAAA",)
    assert len(left.observations) == 1
    assert left.observations[0].notes == ()
    assert left.notes == ("images left out by the profile: 1", "manufacturer records left out by the profile: 1")


def test_hl7_in_astm_frames_is_read_as_hl7(analyzer: Any) -> None:
    """GeneXpert 6.5 after a change of protocol: what it had queued as HL7 comes in ASTM frames, and is acknowledged."""
    text = b"MSH|^~\\&|GeneXpert PC||LIS||20240102030405||ORU^R32^ORU_R30|X1|P|2.5\rPID|1||SYN-1\rOBX|1|ST|MTB^^LN||NEGATIVE\r"
    (report,) = analyzer().hear(b"\x05" + frame(1, text, last=True) + b"\x04")
    (seen,) = report.observations
    assert (report.driver, report.category, report.message_id) == ("astm", Category.LAB, "X1")
    assert (seen.vendor_code, seen.value) == ("MTB", "NEGATIVE")
    assert report.given.patient_id == "SYN-1"
    assert text in report.raw


def test_hl7_in_astm_frames_that_cannot_be_read_is_an_event_not_nothing(analyzer: Any) -> None:
    text = b"MSH^^^^LIS\rOBX|1|ST|MTB^^LN||NEGATIVE\r"
    (report,) = analyzer().hear(b"\x05" + frame(1, text, last=True) + b"\x04")
    (seen,) = report.observations
    assert report.category is Category.EVENTS
    assert (seen.kind, seen.value) == (Kind.EVENT, "records that belong to no specimen: 2")
    assert report.notes[1] == "OBX|1|ST|MTB^^LN||NEGATIVE"


def test_a_calibration_without_a_specimen_is_an_event(analyzer: Any) -> None:
    (report,) = analyzer().read(H, "M|1|CAL|5.1", "C|1|I|slope low|G")
    assert (report.category, report.notes) == (Category.EVENTS, ("M|1|CAL|5.1", "slope low"))


def test_a_patient_alone_gives_no_report(analyzer: Any) -> None:
    assert analyzer().read(H, "P|1|SYN-A") == []


def test_an_empty_session_gives_no_report(analyzer: Any) -> None:
    assert analyzer().read(H) == []


def test_the_device_says_who_it_is_and_the_configuration_goes_before(analyzer: Any) -> None:
    (report,) = analyzer("roche-cobas-c111").read("H|\\^&|||LAB^Roche^c111^4.2.2.1730^1^13147", O1, R1)
    device = report.device
    assert (device.id, device.maker, device.model, device.firmware, device.serial) == (
        "astm",
        "Roche",
        "c111",
        "4.2.2.1730",
        "13147",
    )


def identity(analyzer: Any, *records: str) -> str:
    (report,) = analyzer().read(*records)
    assert report.identity
    return str(report.identity)


LATER = H.replace("20261121080000", "20261121093000").replace("M-1", "M-2")
UNTIMED = "R|1|^^^GLU|5.1|mmol/L||N||F"


def test_a_message_sent_again_has_the_identity_of_the_first(analyzer: Any) -> None:
    assert identity(analyzer, H, O1, R1) == identity(analyzer, LATER, O1, R1)
    assert identity(analyzer, H, O1, R1) == identity(analyzer, H, O1, R1.replace("R|1|", "R|17|"))


def test_a_rerun_has_an_identity_of_its_own(analyzer: Any) -> None:
    assert identity(analyzer, H, O1, R1) != identity(analyzer, H, O1, R1.replace("20261121075500", "20261121080100"))
    assert identity(analyzer, H, O1, R1) != identity(analyzer, H, O1, R1.replace("5.1", "5.2"))
    assert identity(analyzer, H, O1, R1) != identity(analyzer, H, O1.replace("SYN-1", "SYN-2"), R1)


def test_without_result_times_the_messages_time_tells_a_rerun(analyzer: Any) -> None:
    assert identity(analyzer, H, O1, UNTIMED) != identity(analyzer, LATER, O1, UNTIMED)
    assert identity(analyzer, H, O1, UNTIMED) == identity(analyzer, H.replace("M-1", "M-2"), O1, UNTIMED)


def test_two_orders_alike_in_one_message_are_two(analyzer: Any) -> None:
    first, second = analyzer().read(H, O1, R1, O1, R1)
    assert first.identity != second.identity


RECORD = st.builds(
    lambda kind, fields: "|".join((kind, *fields)),
    st.sampled_from("PORCMQSZLH"),
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12), max_size=28),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORD, min_size=1, max_size=12), profile=st.sampled_from(["generic", "sysmex-xn", "roche-cobas-c311"]))
def test_no_records_make_the_driver_raise_and_no_result_is_lost(records: list[str], profile: str, analyzer: Any) -> None:
    lines = [line for line in records if not line.startswith(("H", "L"))]
    reports = analyzer(profile).read(H, *lines)
    shown = sum(len(report.observations) for report in reports if report.category is not Category.EVENTS)
    assert shown >= sum(line.startswith("R|") for line in lines)


def test_an_analyzer_that_names_its_maker_is_taken_at_its_word(analyzer: Any) -> None:
    (report,) = analyzer().read("H|\\^&|||b 101^Roche^b101", O1, "R|1|^^^HbA1c|5.9|%||N||F")
    assert report.observations[0].loinc == "4548-4"


def test_a_hostile_field_neither_swells_a_report_nor_stalls_it(analyzer: Any) -> None:
    much = "0" * 500_000 + "x"
    (report,) = analyzer().read(H, f"P|1|{much}", f"O|1|{much}||^^^{much}", f"R|1|^^^{much}^{much}|1|{much}|{much}|{much}||F")
    (seen,) = report.observations
    texts = (
        seen.vendor_code,
        seen.vendor_unit,
        seen.range,
        seen.sub_id,
        *seen.flags,
        report.given.patient_id,
        report.specimen.id,
    )
    assert max(map(len, texts)) <= 250


def test_comments_without_end_are_told_once(analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, R1, *(f"C|{n}|I|alarm {n}|I" for n in range(5000)))
    assert len(report.observations[0].notes) == 101
    assert report.observations[0].notes[-1] == "more notes are in the raw message"


def test_times_are_in_the_zone_that_a_profile_says_they_always_are_in(analyzer: Any) -> None:
    records = ("O|1|SYN-1", "R|1|^^^GLU|5.1|mmol/L||N||F||||20260701120000")
    (site,) = analyzer(zone=ZoneInfo("Europe/Berlin")).read(*records)
    (profile,) = analyzer(zone=ZoneInfo("Europe/Berlin"), timezone="UTC").read(*records)
    times = [one.observations[0].time.isoformat() for one in (site, profile)]
    assert times == ["2026-07-01T12:00:00+02:00", "2026-07-01T12:00:00+00:00"]
