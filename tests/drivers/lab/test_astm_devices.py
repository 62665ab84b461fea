"""What profiles say of a device beside its values: who measured, how, with what, when; and how single makers bend the records."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import drivers.lab
from gateway.model import Category, Kind, Material, Method, Validity

CAPTURES = Path(__file__).parents[2] / "captures" / "astm"
H = "H|\\^&|||Analyzer|||||||P|LIS2-A2|20260101120000"
O1 = "O|1|SYN-1||^^^NA"


@pytest.mark.parametrize(
    ("capture", "who"),
    [
        ("cepheid-genexpert/rif-in-nine-frames", ("Cepheid", "GeneXpert", "802426", "4.4a")),
        ("nihon-kohden-celltac/mek-7300", ("Nihon Kohden", "MEK-7300", "01592", "V02-14")),
        ("ortho-vitros/vitros-5600-indices", ("Ortho", "", "5602030", "")),
        ("radiometer-abl90/abl80-gases-failed", ("Radiometer", "ABL80 BASIC", "319053", "")),
        ("radiometer-abl90/abl9-soh", ("Radiometer", "ABL9", "402843", "")),
        ("werfen-gem/gem-3500-arterial", ("Werfen", "GEM 3500", "12345", "V1.0")),
        ("mindray-bs/patients-control-mispa", ("Mindray", "Mindry", "", "")),
        ("bio-rad-d-10/peaks", ("Bio-Rad", "D10", "", "3.00")),
    ],
)
def test_a_device_says_who_it_is(capture: str, who: tuple[str, ...], analyzer: Any) -> None:
    report = analyzer(capture.split("/", maxsplit=1)[0]).hear((CAPTURES / capture / "wire.bin").read_bytes())[0]
    device = report.device
    assert (device.maker, device.model, device.serial, device.firmware) == who


def test_the_second_result_may_say_what_the_first_does_not(analyzer: Any) -> None:
    (report,) = analyzer(serial=["R.14.2"]).read(H, O1, "R|1|^^^NA|140", f"R|2|^^^K|4.1{'|' * 10}pc^777")
    assert report.device.serial == "777"


def test_a_lot_travels_with_the_result_it_was_used_for(analyzer: Any) -> None:
    report = analyzer("cepheid-genexpert").hear((CAPTURES / "cepheid-genexpert/viral-load-off-scale/wire.bin").read_bytes())[0]
    assert report.observations[0].materials == (Material(kind="SR", lot="12902", expires="20230618"),)
    assert report.observations[2].materials == ()


def test_a_controls_lot_travels_with_its_specimen(analyzer: Any) -> None:
    reports = analyzer("mindray-bs").hear((CAPTURES / "mindray-bs/patients-control-mispa/wire.bin").read_bytes())
    (control,) = [report for report in reports if report.category is Category.QC]
    assert control.materials == (Material(name="mlt cntrl2", kind="CO", lot="059425004", expires="20270201", level="2"),)
    assert control.specimen is not None
    assert control.specimen.role == "Q"


def test_an_architect_tells_the_lot_of_its_reagent_and_of_its_control(analyzer: Any) -> None:
    order = "O|1|CTRL-L|CTRL-L^A123^5|^^^123^Assay1^UNDILUTED^P|R||20010223081223||||Q||||||||||||||F"
    result = "R|1|^^^123^Assay1^UNDILUTED^P^47331M100^00788^C0017^F|7.1|mIU/mL|3.0 TO 6.0|HIGH\\1-2s\\CNTL||F"
    (report,) = analyzer("abbott-architect").read(H, order, result)
    (told,) = report.observations
    assert (report.category, told.flags[0], told.sub_id) == (Category.QC, "H", "UNDILUTED^F")
    assert told.notes == ("reagent lot: 47331M100", "control lot: C0017")


def test_how_a_result_came_about_is_told(analyzer: Any) -> None:
    device = analyzer(method="R.3.5", methods={"M": "AMEAS", "C": "ACALC", "I": "MSET"})
    (report,) = device.read(H, O1, "R|1|^^^pH^M|7.4", "R|2|^^^pH^C|7.4", "R|3|^^^T^I|37.0", "R|4|^^^T^?|37.0")
    told = [seen.method for seen in report.observations]
    assert told == [Method.AUTO_MEASURED, Method.AUTO_CALCULATED, Method.MANUAL_SET, Method.AUTO_MEASURED]


def test_results_carry_time_and_operator_on_where_the_analyzer_says_them_once(analyzer: Any) -> None:
    rows = (
        H,
        "O|1|A||^^^NA",
        f"R|1|^^^NA|140{'|' * 7}tech||20260101110000",
        "R|2|^^^K|4.1",
        f"R|3|^^^CL|99{'|' * 9}20260101113000",
    )
    (carried,) = analyzer(carry=True).read(*rows)
    at = [datetime(2026, 1, 1, 11, minute, tzinfo=UTC) for minute in (0, 0, 30)]
    assert [(seen.operator, seen.time) for seen in carried.observations] == [("tech", when) for when in at]
    (plain,) = analyzer().read(*rows)
    assert [(seen.operator, seen.time) for seen in plain.observations] == [("tech", at[0]), ("", None), ("", at[2])]


def test_nothing_is_carried_from_one_specimen_to_the_next(analyzer: Any) -> None:
    second = analyzer(carry=True).read(
        H, "O|1|A||^^^NA", f"R|1|^^^NA|140{'|' * 7}tech||20260101110000", "O|2|B||^^^NA", "R|1|^^^NA|141"
    )[1]
    assert (second.observations[0].operator, second.observations[0].time) == ("", None)


@pytest.mark.parametrize(
    ("record", "value", "flags", "status"),
    [
        pytest.param("R|1|^^^NA|140|mmol/L||H||F", "140", ("H",), "F", id="a whole record"),
        pytest.param("R|1|^^^NA|140||H||F", "140", ("H",), "F", id="a field left out"),
        pytest.param("R|1|^^^NA|140|mmol/L|1-9|H|R", "140", ("H",), "R", id="R.8 may be R, the nature of the range"),
    ],
)
def test_a_status_in_r8_says_that_a_field_is_missing(
    record: str, value: str, flags: tuple[str, ...], status: str, analyzer: Any
) -> None:
    (report,) = analyzer(status_in_8=True).read(H, O1, record)
    (seen,) = report.observations
    assert (seen.value, seen.flags, seen.status) == (value, flags, status)


@pytest.mark.parametrize(
    ("value", "flag", "why"),
    [
        ("", "<", Validity.UNDER),
        ("^", ">", Validity.OVER),
        ("", "H", Validity.NOT_AVAILABLE),
        ("---", "<", Validity.NOT_AVAILABLE),
    ],
)
def test_an_empty_value_beyond_the_scale_says_on_which_side(value: str, flag: str, why: Validity, analyzer: Any) -> None:
    (report,) = analyzer().read(H, O1, f"R|1|^^^VL|{value}|copies/mL||{flag}||F")
    (seen,) = report.observations
    assert (seen.value, seen.validity, seen.status, seen.flags) == (None, why, "X", (flag,))


@pytest.mark.parametrize(("said", "letter"), [("F", "F"), ("F\\C", "C"), ("C\\F", "C"), ("Q\\F", "F"), ("Q\\I", "I"), ("", "F")])
def test_of_several_status_letters_the_telling_one_counts(said: str, letter: str, analyzer: Any) -> None:
    (report,) = analyzer().read(H, f"O|1|SYN-1||^^^NA{'|' * 21}Q\\F", f"R|1|^^^NA|140|||||{said}")
    assert report.observations[0].status == letter


def test_a_unit_is_found_behind_width_and_decimals_and_in_brackets(analyzer: Any) -> None:
    rows = ("R|1|^^^A|1|10^9/L^9^1", "R|2|^^^B|1|mm^9^0", "R|3|^^^C|1|[uIU/mL]", "R|4|^^^D|1|10^9/L")
    (report,) = analyzer().read(H, O1, *rows)
    assert [(seen.unit, seen.vendor_unit) for seen in report.observations] == [
        ("10*9/L", "10^9/L^9^1"),
        ("mm", "mm^9^0"),
        ("u[IU]/mL", "[uIU/mL]"),
        ("10*9/L", "10^9/L"),
    ]


def test_words_for_nobody_are_nobody(analyzer: Any) -> None:
    (report,) = analyzer("cepheid-genexpert").read(
        "H|@^\\|1||GX^GeneXpert^6.4", "P|1|||<None>|<None>^", "O|1|SYN-1||^^^MTB", "R|1|^^^MTB|NEG^|||||F||<None>"
    )
    assert (report.given.patient_id, report.given.family_name, report.given.operator) == ("", "", "")
    assert report.observations[0].operator == ""


def test_a_text_typed_as_specimen_id_stays_whole(analyzer: Any) -> None:
    (report,) = analyzer("cepheid-genexpert").read(
        "H|@^\\|1||GX^GeneXpert^6.4", "P|1", "O|1|Jane Doe ward 3||^^^MTB", "R|1|^^^MTB|NEG^"
    )
    assert report.specimen.id == "Jane Doe ward 3"


@pytest.mark.parametrize(
    ("value", "number"),
    [("^27,7", "27.7"), ("^1\u00a0250,00", "1250.00"), ("^-1,0", "-1.0"), ("^20385215991,41", "20385215991.41"), ("^0", "0")],
)
def test_a_genexpert_in_french_writes_numbers_with_comma_and_hard_blank(value: str, number: str, analyzer: Any) -> None:
    (report,) = analyzer("cepheid-genexpert").read("H|@^\\|1||GX^GeneXpert^6.4", "O|1|S||^^^MTB", f"R|1|^^^MTB^^^SPC^Ct|{value}|")
    (seen,) = report.observations
    assert (seen.kind, seen.value, seen.sub_id) == (Kind.NUMERIC, number, "SPC^Ct")


@pytest.mark.parametrize(
    ("action", "category"), [("", Category.LAB), ("Q", Category.QC)], ids=["a patient's", "a control (O.12 Q)"]
)
def test_a_genexperts_controls_are_no_patients(action: str, category: Category, analyzer: Any) -> None:
    (report,) = analyzer("cepheid-genexpert").read(
        "H|@^\\|1||GX^GeneXpert^6.4", "P|1", f"O|1|S||^^^MTB|R||||||{action}", "R|1|^^^MTB^Xpert MTB^1^^|NEGATIVE^|||||F"
    )
    assert report.category is category


@pytest.mark.parametrize("words", ["QC #^12", "Cal #^7"])
def test_a_blood_gas_analyzers_controls_and_calibrations_are_no_patients(words: str, analyzer: Any) -> None:
    for profile in ("radiometer-abl90", "radiometer-abl800"):
        (report,) = analyzer(profile).read("H|\\^&|||ABL90^1", "P|1", f"O|1||{words}", "R|1|^^^pH^M|7.402")
        assert (report.category, report.specimen.role) == (Category.QC, "Q")


def test_what_was_examined_decides_the_blood_gas(analyzer: Any) -> None:
    """2703-7 is oxygen in arterial, 2705-2 in venous, 2704-5 in capillary blood."""
    found = {}
    for word in ("Arterial", "Venous", "Capillary"):
        (report,) = analyzer("radiometer-abl90").read(
            "H|\\^&|||ABL90^1", f"O|1||Sample #^1{'|' * 12}{word}^", "R|1|^^^pO2^M|95|mmHg"
        )
        found[word] = report.observations[0].loinc
    assert found == {"Arterial": "2703-7", "Venous": "2705-2", "Capillary": "2704-5"}


def test_hl7_in_frames_is_read_as_the_hl7_profile_of_the_same_analyzer_reads_it() -> None:
    """A TOML file cannot point at another; so this holds the two together."""
    profiles = Path(drivers.lab.__file__).parent
    own = tomllib.loads((profiles / "analyzers" / "cepheid-genexpert.toml").read_text("utf-8"))["hl7"]
    theirs = tomllib.loads((profiles / "hl7_analyzers" / "cepheid-genexpert.toml").read_text("utf-8"))
    about = ("maker", "models", "evidence", "source", "line", "orders")
    assert own == {key: value for key, value in theirs.items() if key not in about}


def test_the_same_results_downloaded_again_are_the_same_wherever_they_have_their_time(analyzer: Any) -> None:
    """A meter sends all that it holds at every download, under another time of sending."""
    row = "R|1|^^^Glucose|7.9|mmol/L^P||B||201011281949"
    one, two = (
        analyzer("bayer-contour").read(f"H|\\^&|||Bayer7390|||||||P|1|{sent}", "O|1", row)
        for sent in ("202601010800", "202601020800")
    )
    assert one[0].identity == two[0].identity
    (later,) = analyzer("bayer-contour").read("H|\\^&|||Bayer7390|||||||P|1|202601020800", "O|1", row.replace("1949", "1950"))
    assert later.identity != one[0].identity


def test_a_place_may_be_in_another_repeat_of_its_field(analyzer: Any) -> None:
    (report,) = analyzer(serial=["H.5[3].2"]).read("H|\\^&|||Bayer7390^01.20\\01.04\\04.02.19^7390-77^7396-", O1, "R|1|^^^NA|140")
    assert report.device.serial == "7390-77"


def test_results_may_stand_in_other_fields_and_without_an_order(analyzer: Any) -> None:
    rows = (
        "H|\\^&|||HS100^V1.0",
        "P|1||SYN-1|Dep|Test|Max|20000101|MALE",
        "R|1|GLU|||||5.4|mmol/L",
        "P|2||SYN-2",
        "R|1|GLU|||||6.1|mmol/L",
    )
    first, second = analyzer("human-humastar").read(*rows)
    assert (first.specimen.id, first.observations[0].value, first.observations[0].unit) == ("SYN-1", "5.4", "mmol/L")
    assert (first.given.family_name, first.given.given_name, first.given.birth_date, first.given.sex) == (
        "Test",
        "Max",
        "20000101",
        "M",
    )
    assert (second.specimen.id, second.observations[0].value) == ("SYN-2", "6.1")


@pytest.mark.parametrize(
    ("profile", "header", "order"),
    [
        ("radiometer-abl90", "H|\\^&|||ABL90^1", f"O|1||Sample #^1{'|' * 12}Arterial^"),
        ("werfen-gem", "H|\\^&|||GEM 3500^V1.0^1", f"O|1|S1{'|' * 13}A"),
    ],
)
def test_arterial_electrolytes_have_codes_of_their_own(profile: str, header: str, order: str, analyzer: Any) -> None:
    """LOINC: 32717-1 sodium, 32713-0 potassium, 41650-3 chloride, 2518-9 lactate, 41651-1 glucose in mg/dL, of arterial blood."""
    rows = (
        "R|1|^^^Na+|142|mmol/L",
        "R|2|^^^K+|4.2|mmol/L",
        "R|3|^^^Cl-|104|mmol/L",
        "R|4|^^^Lac|1.5|mmol/L",
        "R|5|^^^Glu|95|mg/dL",
    )
    (report,) = analyzer(profile).read(header, order, *rows)
    assert [seen.loinc for seen in report.observations] == ["32717-1", "32713-0", "41650-3", "2518-9", "41651-1"]


def test_a_saturation_without_a_unit_is_a_part_of_one(analyzer: Any) -> None:
    rows = ("R|1|^^^sO2^M|0.973", "R|2|^^^sO2^M|97.3|%")
    (report,) = analyzer("radiometer-abl800").read("H|\\^&|||ABL837^1", "O|1||Sample #^1", *rows)
    assert [(seen.value, seen.unit) for seen in report.observations] == [("0.973", "1"), ("97.3", "%")]


@pytest.mark.parametrize(
    ("said", "value", "flags", "notes"),
    [
        ("0.5^^S", "0.5", ("S",), ()),
        ("^<=2^^S", "2", ("S",), ()),
        ("0.5^^R^S^S^bnf", "0.5", ("R",), ("bnf", "S")),
        ("^^^S^R^bnf", "R", ("R",), ("bnf", "S")),
        ("4^^N", "4", ("NS",), ()),
        ("4^^X", "4", (), ()),
        ("^^^^^bnf", None, (), ("bnf",)),
    ],
)
def test_an_antibiotics_judgement_is_a_flag_and_the_value_where_there_is_no_concentration(
    said: str, value: str | None, flags: tuple[str, ...], notes: tuple[str, ...], analyzer: Any
) -> None:
    records = (r"H|\^&|||BLA", "P|1", "O|1|A1^2^EC||^^^ISOLATE RESULT", f"R|1|^^^AST^^CIP^,|{said}|||||F")
    (seen,) = analyzer("bd-epicenter").read(*records)[0].observations
    assert (seen.value, seen.sub_id) == (value, "2^AST")
    assert tuple(flag for flag in seen.flags if flag != "NAV") == flags
    assert seen.notes[: len(notes)] == notes


@pytest.mark.parametrize(
    ("said", "value"), [("A^POS^^^^^^^", "A^POS"), ("0^POS^^^^^^^", "0^POS"), ("^^NEG^^^^^^", "NEG"), ("^^^", None)]
)
def test_a_blood_group_is_a_text_with_all_its_parts_and_group_0_no_number(said: str, value: str | None, analyzer: Any) -> None:
    records = (r"H|\^&|||Bio-Rad|IH v5.0", "P|1", "O|1||A1", f"R|1|^^^Result^MO31^Group^|{said}|C||||R")
    (seen,) = analyzer("bio-rad-ih").read(*records)[0].observations
    assert (seen.kind, seen.value) == (Kind.TEXT, value)


@pytest.mark.parametrize(
    ("said", "flags", "validity"),
    [
        ("", (), Validity.OK),
        ("N", ("negative threshold",), Validity.OK),
        ("M\\R", ("manual", "expired"), Validity.QUESTIONABLE),
        ("T", ("simulated",), Validity.QUESTIONABLE),
    ],
)
def test_a_visions_letters_are_words_and_never_hl7s(said: str, flags: tuple[str, ...], validity: Validity, analyzer: Any) -> None:
    records = (r"H|\^&|||OCD^VISION^5.14^J6", "P|1", "O|1|S1||XM", f"R|1|XM^DONOR-1|0|||{said}||R||Automatic")
    (seen,) = analyzer("ortho-vision").read(*records)[0].observations
    assert (seen.flags, seen.validity, seen.status, seen.sub_id) == (flags, validity, "F", "DONOR-1")
