"""What analyzers write beside the standard, one rule a case; each is some device's way, which the id names."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.lab.hl7 import DRIVER
from drivers.lab.hl7_profile import Hl7LabOptions, Hl7OrderOptions, LineOptions
from drivers.lab.meaning import is_loinc
from gateway import terms
from gateway.driver import Context
from gateway.model import Category, DeviceIdentity, Kind, Report, Validity
from protocols.hl7v2.mllp import encode
from protocols.sansio import Message

MSH = "MSH|^~\\&|CNT|SYN|||20261121130030||ORU^R01^ORU_R01|M1|P|2.5.1||||||UNICODE UTF-8"
OUL = MSH.replace("ORU^R01^ORU_R01", "OUL^R22^OUL_R22")
OBR = "OBR|1||T1|PANEL"
assert DRIVER.profiles is not None
PROFILES = sorted(DRIVER.profiles.glob("*.toml"))
PAGE = Path(__file__).parents[3] / "docs" / "drivers" / "hl7-lab.md"


def reports(*segments: str, **options: Any) -> list[Report]:
    context: Context[Any] = DRIVER.context(
        DeviceIdentity(id="LAB-7"), Hl7LabOptions.model_validate(options), wall=lambda _: datetime(2026, 11, 21, 12, tzinfo=UTC)
    )
    line, found = context.codec(), list[Report]()
    line.start(0.0)
    for event in line.receive(encode("".join(f"{one}\r" for one in segments).encode()), 0.0):
        assert isinstance(event, Message), event
        found += DRIVER.interpret(event, context)
    return found


@pytest.mark.parametrize(
    ("obx", "options", "expected"),
    [
        pytest.param("OBX|1|NM|^^^WBC||7.5|10*3/uL", {}, {"vendor_code": "WBC", "loinc": "26464-8"}, id="OBX-3 as ASTM has it"),
        pytest.param("OBX|1|NM|^^^^HGB^L||13.5|g/dL", {}, {"vendor_code": "HGB"}, id="the alternate's name alone"),
        pytest.param("OBX|1|NM|||13.5|g/dL", {}, {"vendor_code": "PANEL"}, id="no name but the order's"),
        pytest.param("OBX|1|NM||MAU|23.7|mg/L", {}, {"vendor_code": "MAU", "sub_id": ""}, id="a name in OBX-4 alone is the code"),
        pytest.param(
            "OBX|1|NM|5|ALT|98|U/L",
            {"code": ["OBX-4.1", "OBX-3.1"], "name": ["OBX-3.2"], "sub_id": ["OBX-3.1"]},
            {"vendor_code": "ALT", "sub_id": "5"},
            id="Mindray BS: a number in OBX-3",
        ),
        pytest.param("OBX|1|NM|GLU^Glucose|1|5", {}, {"vendor_code": "GLU", "sub_id": "1"}, id="LAW: a run in OBX-4"),
        pytest.param(
            "OBX|1|ST|&GBS TC&GBS&4||NEGATIVE^",
            {"code": ["OBX-3.1.2"], "name": ["OBX-3.1.3"]},
            {"vendor_code": "GBS TC", "vendor_text": "GBS", "value": "NEGATIVE"},
            id="GeneXpert: subcomponents",
        ),
        pytest.param("OBX|1|ST|X||^12.5|IU/mL", {}, {"kind": Kind.NUMERIC, "value": "12.5", "notes": ()}, id="the second component alone"),
        pytest.param(
            "OBX|1|ST|X||DETECTED^12.5|IU/mL",
            {},
            {"kind": Kind.NUMERIC, "value": "12.5", "notes": ("DETECTED",)},
            id="a word and its number: the number, the word beside it",
        ),
        pytest.param("OBX|1||X||4.53^|uIU/mL^", {}, {"value": "4.53", "unit": "u[IU]/mL"}, id="Maglumi: an empty component behind"),
        pytest.param(
            "OBX|1|ST|X||161,152|^Copies/mL",
            {"thousands_comma": True},
            {"value": "161152", "vendor_unit": "Copies/mL"},
            id="Alinity m: thousands",
        ),
        pytest.param(
            "OBX|1|ST|X||> 10,000,000", {"thousands_comma": True}, {"value": "10000000", "comparator": ">"}, id="thousands compared"
        ),
        pytest.param("OBX|1|ST|X||161,152", {}, {"kind": Kind.TEXT, "value": "161,152"}, id="thousands that nobody vouches for"),
        pytest.param(
            "OBX|1|ST|X||3.26E+05 cp/mL|1/mL^^UCUM",
            {"value_pattern": r"(?P<value>\d\.\d+E[+-]\d\d) \S+"},
            {"value": "326000", "unit": "1/mL", "notes": ("3.26E+05 cp/mL",)},
            id="cobas 4800: a unit within the value",
        ),
        pytest.param(
            "OBX|1|NM|X||367|10*-1.{copies}/mL^^UCUM", {}, {"value": "367", "unit": "10*-1.{copies}/mL"}, id="a mantissa as it was sent"
        ),
        pytest.param(
            "OBX|1|NM|X||367|10*-1.{copies}/mL^^UCUM",
            {"power_of_ten": "multiply"},
            {"value": "36.7", "unit": "{copies}/mL", "vendor_unit": "{copies}/mL"},
            id="a mantissa multiplied, by hand 36.7",
        ),
        pytest.param(
            "OBX|1|NM|X||130|10*2.{copies}/mL^^UCUM", {"power_of_ten": "multiply"}, {"value": "13000"}, id="by hand 13000"
        ),
        pytest.param(
            "OBX|1|ST|X||Target Not Detected|10*2.{copies}/mL^^UCUM",
            {"power_of_ten": "multiply"},
            {"value": "Target Not Detected"},
            id="words are not multiplied",
        ),
        pytest.param("OBX|1|NM|X||5|furlong^^UCUM", {}, {"unit": None}, id="what claims to be UCUM and is none"),
        pytest.param(
            "OBX|1|NM|WBC||8.21|10^9/L|4.00-10.00|N",
            {},
            {"unit": "10*9/L", "vendor_unit": "10^9/L"},
            id="URIT, Mythic: a power of ten with the mark between components",
        ),
        pytest.param("OBX|1|NM|WBC||8.21|x10^3/mm^3", {}, {"unit": "10*3/uL", "vendor_unit": "x10^3/mm^3"}, id="two powers"),
        pytest.param("OBX|1|NM|WBC||8.21|10^3/uL^^UCUM", {}, {"unit": "10*3/uL", "vendor_unit": "10^3/uL"}, id="a power and a system"),
        pytest.param(
            "OBX|1|NM|EGFR||90|mL/min/1.73m^2",
            {},
            {"unit": "mL/min/{1.73_m2}", "vendor_unit": "mL/min/1.73m^2"},
            id="the square of a metre",
        ),
        pytest.param("OBX|1|NM|X||90|mm^millimeter^ISO+", {}, {"unit": "mm", "vendor_unit": "mm"}, id="no power but a name"),
        pytest.param("OBX|1|NM|WBC||8.21|10^6cells/mL", {}, {"unit": None, "vendor_unit": "10^6cells/mL"}, id="a power of nothing known"),
        pytest.param("OBX|1|NM|WBC||8.21|10*9/L^10*9/L^UCUM", {}, {"unit": "10*9/L", "vendor_unit": "10*9/L"}, id="a code and its text"),
        pytest.param("OBX|1|NM|6690-2^WBC^99MRC||7.2|10^9/L", {}, {"loinc": "6690-2"}, id="Hemat 60: a LOINC under the maker's system"),
        pytest.param("OBX|1|NM|6690-3^WBC^99MRC||7.2|10*9/L", {}, {"loinc": None, "notes": ()}, id="a maker's code of that form"),
        pytest.param(
            "OBX|1|ST|TGT1||ValueNotSet|||NEG^^99ROC|||F",
            {"absent": [{"text": "ValueNotSet"}], "verdicts": "NEG|POS"},
            {"kind": Kind.TEXT, "value": "NEG", "validity": Validity.OK, "status": "F", "flags": ("NEG",)},
            id="cobas 6800: the judgement is the result, and final",
        ),
        pytest.param(
            "OBX|1||X|||||U06T^Clot seen^99ROC~NEG|||X", {"verdicts": "NEG"}, {"value": None, "status": "X"}, id="a failure is no judgement"
        ),
        pytest.param(
            'OBX|1|CE|HCV||""|||POS^Positive^HL70078|||F',
            {},
            {"value": "POS", "status": "F", "flags": ("POS",)},
            id="table 0078: a judgement alone (v2.5.1 7.4.2.5)",
        ),
        pytest.param(
            "OBX|1|CWE|X||A^Alpha^L~B^Beta^L", {}, {"value": "Alpha", "notes": ("Beta",)}, id="a second code is not lost"
        ),
        pytest.param("OBX|1|CWE|X||^^^^^^^^in words", {}, {"value": "in words", "status": "R"}, id="CWE.9: the original text"),
        pytest.param("OBX|1|NA|X||41.47^^37.53", {}, {"kind": Kind.TEXT, "value": "41.47^^37.53"}, id="NA: no number stands for all"),
        pytest.param(
            "OBX|1|DR|X||20260612163740^20260612194324",
            {},
            {"kind": Kind.TEXT, "value": "20260612163740^20260612194324"},
            id="DR: a span is no number",
        ),
        pytest.param("OBX|1|SN|X||=^5|mg/dL", {}, {"kind": Kind.NUMERIC, "value": "5", "comparator": ""}, id="SN: equal"),
        pytest.param(
            "OBX|1|NM|1^Na||<>|mmol/L|138-146||||F",
            {},
            {"value": None, "status": "X", "validity": Validity.INVALID},
            id="i-STAT: it rests on what is out of range",
        ),
        pytest.param("OBX|1|NM|X||.....|%||N|||F", {}, {"value": None, "status": "X", "flags": ("N",)}, id="normal is no result"),
        pytest.param("OBX|1|NM|X||12|||POS|||F", {"verdicts": "POS"}, {"value": "12", "flags": ("POS",)}, id="a number needs none"),
        pytest.param("OBX|1|CE|X||INV^Invalid.^99LIS||||||F", {}, {"value": "Invalid.", "status": "X"}, id="a failure with a full stop"),
        pytest.param("OBX|1|NM|X||78.1↑|mmol/mol", {}, {"value": "78.1", "flags": ("H",)}, id="Finecare: an arrow"),
        pytest.param("OBX|1|NM|X||5|||H~N", {}, {"flags": ("H",)}, id="Mindray: high, not suspected"),
        pytest.param("OBX|1|NM|X||5|||L~A", {}, {"flags": ("L", "A")}, id="Mindray: low and suspected"),
        pytest.param("OBX|1|NM|X||5|||~N", {}, {"flags": ("N",)}, id="Dymind: normal in the second repeat"),
        pytest.param(
            "OBX|1||X|||||U06T^Clot seen^99ROC~U06T^Clot seen^99ROC|||X",
            {},
            {"value": None, "flags": ("U06T",), "notes": ("U06T Clot seen",)},
            id="cobas 5800: a flag in words, once",
        ),
        pytest.param("OBX|1|NM|X||5|||N^Normal^HL70078", {}, {"flags": ("N",), "notes": ()}, id="the standard's flag needs no words"),
        pytest.param('OBX|1|NM|X||5|||""^""^HL70078', {}, {"flags": (), "notes": ()}, id="Atellica: no flag, and no words for it"),
        pytest.param("OBX|1|NM|X||5|g/mL|-", {}, {"range": ""}, id="Mindray BS: a dash for no range"),
        pytest.param("OBX|1|NM|X||5|ng/mL|[1.00;30.00]", {}, {"range": "1.00-30.00"}, id="BioNote: brackets"),
        pytest.param("OBX|1|NM|X||5||||||F|||||~~|^Name", {}, {"operator": ""}, id="an empty operator"),
        pytest.param("OBX|1|NM|X||5||||||F|||||^Syn Operator", {}, {"operator": "Syn Operator"}, id="GeneXpert: a name, no number"),
    ],
)  # fmt: skip
def test_what_an_observation_says(obx: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    (report,) = reports(MSH, OBR, obx, **options)
    assert {name: getattr(report.observations[0], name) for name in expected} == expected


SUPPLEMENTAL = "OBX|2|NM|PT^Pipetting^99ROC^S_OTHER^Other Supplemental^IHELAW|1|20250701|||||||F"
GLU = "OBX|1|NM|GLU^Glucose^99X|1|5.4|mmol/L||N|||F|||20261121125900"


def test_what_law_calls_supplemental_is_a_note_or_a_result_where_the_profile_says_so() -> None:
    (report,) = reports(MSH, OBR, GLU, SUPPLEMENTAL)
    assert [one.vendor_code for one in report.observations] == ["GLU"]
    assert report.notes == ("PT Pipetting: 20250701",)
    (report,) = reports(MSH, OBR, GLU, SUPPLEMENTAL, supplemental="result")
    assert [one.vendor_code for one in report.observations] == ["GLU", "PT"]


def test_a_note_of_what_is_no_result_names_all_of_its_code_and_a_comment_twice_is_told_once() -> None:
    lines = [
        "OBX|1|NM|FT3.RLU^FT3||149870",
        "NTE|1|Z|Below Check",
        "OBX|2|NM|02001^Mode||1",
        "OBX|3|NM|FT3.DOSE^FT3||3.5",
        "NTE|1|Z|A",
        "NTE|2|Z|A",
    ]
    (report,) = reports(MSH, OBR, *lines, not_results=[".*RLU", "02001"])
    assert report.notes == ("FT3.RLU: 149870", "Mode: 1", "Below Check")
    assert report.observations[0].notes == ("A",)


def test_a_time_that_is_said_once_is_that_of_all_that_follow_in_the_order() -> None:
    timed = "OBX|{}|NM|X{}||1||||||F|||{}"
    lines = [timed.format(n, n, at) for n, at in enumerate(("", "20261121070000", "", "20261121073000", ""), 1)]
    first, second = reports(MSH, "OBR|1||SYN-1|A", *lines, "OBR|2||SYN-1|B", timed.format(1, 1, ""))
    assert [one.time.strftime("%H%M") if one.time else "" for one in first.observations] == ["", "0700", "0700", "0730", "0730"]
    assert second.observations[0].time is None


def test_lots_behind_a_result_that_is_left_out_belong_to_the_one_before_it() -> None:
    echo = "OBX|2|CE|GLU^Glucose^99X|1|^^99ROC||||||F"
    inv = "INV|2034001|OK|R1|||||||||20260531||||861168"
    (report,) = reports(OUL, "SPM|1|S1", OBR, GLU, echo, "TCD|GLU", inv, SUPPLEMENTAL, inv.replace("861168", "861169"))
    (glucose,) = report.observations
    assert [one.lot for one in glucose.materials] == ["861168", "861169"]


def test_results_that_are_glued_together_are_parted_where_names_and_values_agree() -> None:
    glued = "OBX|1|NM||HbA1c  eAG   IFCC|9.3 %  220.2 mg/dl  78.1 mmol/mol↑|%|0.0-6.5|||||||20240821113113"
    (report,) = reports(MSH, OBR, glued, "NTE|1||card two", glued="[ ]{2,}")
    assert [(one.vendor_code, one.value, one.vendor_unit, one.range, one.flags) for one in report.observations] == [
        ("HbA1c", "9.3", "%", "0.0-6.5", ()),
        ("eAG", "220.2", "mg/dl", "", ()),
        ("IFCC", "78.1", "mmol/mol", "", ("H",)),
    ]
    assert [one.notes for one in report.observations] == [("card two",), (), ()]
    (whole,) = reports(MSH, OBR, glued.replace("  eAG", ""), glued="[ ]{2,}")
    assert [one.value for one in whole.observations] == ["9.3 %  220.2 mg/dl  78.1 mmol/mol"], (
        "two names, three values: as it came"
    )


CONTROL = {
    "when": [{"field": "MSH-16", "values": ["2"]}],
    "specimen": "OBR-13.1",
    "code": "OBR-2.1",
    "name": "OBR-3.1",
    "value": "OBR-20.1",
    "unit": "OBR-21.1",
    "time": "OBR-6.1",
}
IN_ITS_OBR = "OBR|1|7|GLU|M^BS||20070720120143|||||||QUAL1|1111|||H|5.0|2.0|0.11029|g/L"


def test_a_result_that_stands_in_its_order_is_read_when_the_profile_says_when() -> None:
    msh = "MSH|^~\\&|Mindray|BS-200E|||20070720120202||ORU^R01|1|P|2.3.1||||2||ASCII"
    qc = [{"field": "MSH-16", "values": ["1", "2"]}]
    notes = {"lot": "OBR-14.1", "level": "OBR-17.1"}
    (report,) = reports(msh, IN_ITS_OBR, order_result=CONTROL, qc=qc, control_notes=notes)
    (result,) = report.observations
    assert (result.vendor_code, result.value, result.unit) == ("7", "0.11029", "g/L")
    assert report.category is Category.QC
    assert report.specimen is not None
    assert report.specimen.id == "QUAL1"
    assert report.notes == ("lot 1111", "level H")
    (event,) = reports(msh.replace("||||2||", "||||1||"), IN_ITS_OBR, order_result=CONTROL, qc=qc)
    assert event.category is Category.EVENTS, "a calibration has no result"


def test_the_control_of_a_run_is_told_nothing_of_the_patient_beside_it() -> None:
    patient, control = reports(OUL, "PID|1||SYN-77", "SPM|1|T1||SER|||||||P", OBR, GLU, "SPM|2|MCC1|||||||||Q", OBR, GLU)
    assert (patient.category, patient.given.patient_id) == (Category.LAB, "SYN-77")
    assert (control.category, control.given.patient_id, control.notes) == (Category.QC, "", ())


@pytest.mark.parametrize("upload", ["PCUPL", "ICUPL", "ECUPL"])
def test_a_cobas_8000s_calibration_is_no_patients(upload: str) -> None:
    msh = f"MSH|^~\\&|cobas 8000||host||20100430161525||OUL^R22^{upload}|13009||2.5||||ER||UNICODE UTF-8|"
    (report,) = reports(msh, "SPM||CFAS||S1||not", "OBR|1|||685|", "OBX|1||685||1.1|mmol/L||N|||F")
    assert report.category is Category.QC


@pytest.mark.parametrize(("role", "expected"), [("Q", Category.QC), ("P", Category.LAB), ("", Category.LAB)])
def test_a_control_may_be_told_by_the_specimens_role_of_before_2_5(role: str, expected: Category) -> None:
    (report,) = reports(MSH, f"OBR|1||SYN-1|ALL|||||||||||^^^^^^{role}", "OBX|1|NM|X||1")
    assert report.category is expected


def test_a_control_is_nobody_and_its_number_is_told() -> None:
    (report,) = reports(MSH.replace("|P|", "|Q|"), "PID|1||LOT001||Some^Body", "OBR|1||QC_FILE|X", GLU)
    assert (report.given.patient_id, report.given.family_name) == ("", "")
    assert report.notes == ("control material LOT001",)


@pytest.mark.parametrize(
    ("nte", "note"),
    [
        ("NTE|1|L|hemolysed", "hemolysed"),
        ("NTE|1||first~second", "first second"),
        ("NTE|1|||Sample Type=MIX||20110529130917-04:00", "Sample Type=MIX"),
        ("NTE|1|L|Error^2008^Syringe pressure^details^20260101120000", "Error 2008 Syringe pressure details 20260101120000"),
    ],
    ids=["the standard", "repeats", "i-STAT: NTE-4", "GeneXpert: components"],
)
def test_comments(nte: str, note: str) -> None:
    (report,) = reports(MSH, OBR, GLU, nte)
    assert report.observations[0].notes == (note,)


def test_places_may_name_a_repeat_and_what_is_unknown_is_nothing() -> None:
    obx = "OBX|1|NM|GLU||5||||||F|||||||e801^ROCHE~2037-06^ROCHE~1^ROCHE"
    assert reports(MSH, OBR, obx)[0].device.serial == "2037-06"
    assert reports(MSH, OBR, obx.replace("2037-06", "Unknown"))[0].device.serial == ""
    assert reports(MSH, OBR, obx, serial=["OBX-18[3].1"])[0].device.serial == "1"


def test_times_of_an_order_stand_behind_it_or_before_it() -> None:
    wanted = datetime(2006, 1, 24, 14, 25, 51, tzinfo=UTC)
    behind = (OBR, "TQ1|||||||20060124131136|20060124142551|R", "OBX|1|ST|X||NEG")
    (report,) = reports(MSH, *behind, result_time=["TQ1-8.1"])
    assert report.observations[0].time == wanted
    first, second = reports(MSH, *behind, "OBR|2||T2", "OBX|1|ST|X||NEG", result_time=["TQ1-8.1"])
    assert (first.observations[0].time, second.observations[0].time) == (wanted, None), "of one order, not of the next"


@pytest.mark.parametrize("word", ["Male", "MALE", "M"])
def test_a_sex_in_words(word: str) -> None:
    assert reports(MSH, f"PID|1||SYN-1|||||{word}", OBR, GLU)[0].given.sex == "M"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"code": ["3"]}, "no place in a message"),
        ({"serial": ["OBX-18[0].1"]}, "no place in a message"),
        ({"value_pattern": r"\d+"}, "a group named value"),
        ({"glued": "["}, "no regular expression"),
        ({"power_of_ten": "divide"}, "'keep' or 'multiply'"),
        ({"line": {"echo": [9]}}, "greater than or equal to 15"),
        ({"order_result": {"when": []}}, "Field required"),
    ],
)
def test_a_wrong_profile_is_refused_and_told_why(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Hl7LabOptions.model_validate(keys)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_says_its_source_and_only_known_codes(path: Path) -> None:
    options = Hl7LabOptions.model_validate(tomllib.loads(path.read_text("utf-8")))
    assert options.source
    assert options.models or path.stem == "generic"
    for code, analyte in options.analytes.items():
        assert is_loinc(code) or terms.analyte(options.maker, analyte.term or code, analyte.unit or None) is not None


@pytest.mark.parametrize("schema", [Hl7LabOptions, LineOptions, Hl7OrderOptions], ids=lambda schema: schema.__name__)
def test_every_key_of_a_profile_is_explained(schema: type[Hl7LabOptions]) -> None:
    page = PAGE.read_text("utf-8")
    assert [key for key in schema.model_fields if not re.search(rf"`(?:line\.)?{key}`|`\[{key}\]`|`{key}\.", page)] == []
