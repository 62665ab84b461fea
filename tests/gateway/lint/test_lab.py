"""Laboratory messages judged by their own transactions: real analyzers' LAB-29, our own, and one seeded fault a rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lint import Severity, lint_hl7
from gateway.lint.lab_rules import LAB_RULES

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> str:
    """A sample; the files hold LF so that people can read them."""
    return (SAMPLES / f"{name}.hl7").read_text(encoding="utf-8").replace("\n", "\r")


LAW, CONTROL, POCT, LAB = sample("law"), sample("law-control"), sample("poct"), sample("lab")
"""Written from the structure of LAB-29 as cobas analyzers send it, of ORU_R30 in HL7 2.5 and of ORU_R01 in 2.5.1."""
COBAS = sample("law-cobas-pro")
"""What a cobas pro sent, its ids replaced: a patient's result with its double, calibration and reagents."""


@pytest.mark.parametrize("text", [LAW, CONTROL, POCT, LAB], ids=["patient", "control", "point of care", "ORU^R01"])
def test_a_clean_message_has_no_finding(text: str) -> None:
    assert [(one.rule, one.field, one.got) for one in lint_hl7(text.encode())] == []


def test_a_real_analyzers_message_has_no_fault_and_lacks_offsets() -> None:
    found = lint_hl7(COBAS.encode())
    assert [one for one in found if one.severity is Severity.ERROR] == []
    assert {one.rule for one in found} == {"time-offset"}


FAULTS = [
    ("law", "message", "MSH|^~\\&|", "MHS|^~\\&|"),
    ("law", "segment-end", "\rSPM", "\nSPM"),
    ("law", "segment-unknown", "\rSAC", "\rXYZ|1\rSAC"),
    ("law", "segment-local", "\rSAC", "\rZAC|1\rSAC"),
    ("law", "segment-order", "\rOBR|1|ORD-1", "\rORC|OK||||CM\rOBR|1|ORD-1"),
    ("law", "segment-missing", "\rSPM|1", "\rZPM|1"),
    ("law", "structure", "SYN-4711&LAB||", "SYN-4711&LAB^1^2^3||"),
    ("law", "charset", "UNICODE UTF-8", "ASCII"),
    ("law", "control-character", "hämolysed", "häm\x02olysed"),
    ("law", "escape", "hämolysed", "häm\\olysed"),
    ("law", "null", "hämolysed", '""'),
    ("law", "dtm-form", "20271030", "30.10.27"),
    ("law", "time-offset", "20261121115900+0000||SYN", "20261121115900||SYN"),
    ("law", "msh-9", "OUL^R22^OUL_R22", "OUL^R22"),
    ("law", "msh-10", "|M-1|", "||"),
    ("law", "msh-11", "|P|2.5.1", "|Q|2.5.1"),
    ("law", "msh-12", "|P|2.5.1", "|P|2.4"),
    ("law", "msh-15", "|NE|AL|", "|AL|AL|"),
    ("law", "msh-16", "|NE|AL|", "|NE|NE|"),
    ("law", "law-msh-21", "LAB-29^IHE", "LAB-29^IH"),
    ("law", "pid-3", "SYN-0001^^^HOSP^MR", ""),
    ("law", "control-patient", "P^Patient", "Q^Control"),
    ("law", "control-material", "P^Patient", "C^Calibrator"),
    ("law", "spm-4", "|SER^Serum^HL70487|", "||"),
    ("law", "spm-11", "P^Patient", "Z^Zebra"),
    ("law", "inv-1", "|OK^^HL70383|", "||"),
    ("law", "inv-lot", "|256616", "|"),
    ("law", "obr-2", "|ORD-1|", "||"),
    ("law", "obr-4", "OBR|1|ORD-1||GLU^Glucose^99X", "OBR|1|ORD-1"),
    ("law", "orc", "\rORC|OK||||CM", ""),
    ("law", "orc-1", "ORC|OK", "ORC|NW"),
    ("law", "orc-5", "ORC|OK||||CM", "ORC|OK||||XX"),
    ("law", "tq1-9", "S^^HL70485", "X^^HL70485"),
    ("law", "obx-1", "OBX|2|SN", "OBX||SN"),
    ("law", "obx-2", "OBX|2|SN", "OBX|2|"),
    ("law", "obx-3", "CRP^^99X", "CRP"),
    ("law", "obx-4-run", "99X|1|>^5", "99X||>^5"),
    ("law", "obx-4-unique", "CRP^^99X", "14749-6^Glucose^LN^GLU^Glucose^99X"),
    ("law", "obx-5", ">^5.0", ""),
    ("law", "obx-5-number", "|5.50|", "|>5.50|"),
    ("law", "obx-5-structured", ">^5.0", ">5.0"),
    ("law", "obx-6", "|5.50|mmol/L^mmol/L^UCUM|", "|5.50||"),
    ("law", "obx-6-ucum", "mmol/L^mmol/L^UCUM", "mmols^mmols^UCUM"),
    ("law", "obx-11", "|HH|||F|", "|HH|||Z|"),
    ("law", "obx-11-value", "|HH|||F|", "|HH|||X|"),
    ("law", "obx-14", "|F|||20261121115900+0000||SYN-OP||c503^ROCHE|20261121115900+0000", "|F|||||SYN-OP||c503^ROCHE|"),
    ("law", "obx-18", "c503^ROCHE|20261121115900+0000||I-1", "|20261121115900+0000||I-1"),
    ("law", "obx-21-unique", "||I-2^BOX", "||I-1^BOX"),
    ("law", "obx-29", "RSLT", "XXXX"),
    ("law-control", "spm-id", "|20391||", "|||"),
    ("lab", "segment-order", "\rORC|RE|ORD-1|F-1", "\rNTE|1||x\rORC|RE|ORD-1|F-1"),
    ("lab", "segment-missing", "\rOBR|1", "\rZBR|1"),
    ("lab", "pid-3", "SYN-0001^^^HOSP^MR", ""),
    ("lab", "obr-4", "GLU^Glucose^99X|||2026", "|||2026"),
    ("lab", "time-offset", "F|||20261121115900+0000||SYN", "F|||20261121115900||SYN"),
    ("lab", "obx-5-number", "|5.50|", "|>5.50|"),
    ("lab", "spm-4", "SER^Serum^HL70487", ""),
    ("lab", "control-patient", "P^Patient", "Q^Control"),
    ("lab", "structure", "|SYN-4711||", "|SYN-4711^1^2^3||"),
    ("poct", "segment-later", "\rOBX|1", "\rOBX|2|NM|X^^L||1|%^^UCUM|||||F|||20261121||||D\rSPM|1|S||SER\rOBX|1"),
    ("poct", "segment-missing", "\rORC|", "\rZRC|"),
    ("poct", "msh-9", "ORU^R32^ORU_R30", "ORU^R32^ORU_R32"),
    ("poct", "msh-12", "|P|2.5", "|P|2.4"),
    ("poct", "pid-3", "SYN-0001^^^HOSP^MR", ""),
    ("poct", "orc-1", "ORC|RE", "ORC|NW"),
    ("poct", "order-number", "|ORD-1|", "||"),
    ("poct", "one-order", "\rOBX|1", "\rORC|RE|O\rOBR|2|O||X^^L\rOBX|1"),
    ("poct", "obr-4", "GLU^Glucose^99X|||2026", "|||2026"),
]


@pytest.mark.parametrize(("name", "rule", "right", "wrong"), FAULTS, ids=[f"{name}-{rule}" for name, rule, *_ in FAULTS])
def test_each_rule_finds_its_fault(name: str, rule: str, right: str, wrong: str) -> None:
    good = sample(name)
    assert right in good
    found = {one.rule for one in lint_hl7(good.replace(right, wrong).encode())}
    if name == "law-control":  # its id stands in SAC-3 too
        found = {one.rule for one in lint_hl7(good.replace(right, wrong).replace("SAC|||20391", "SAC|").encode())}
    assert rule in found


def test_an_oru_r01_that_claims_pcd01_is_judged_by_that() -> None:
    claim = "UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
    found = {one.rule for one in lint_hl7(LAB.replace("UNICODE UTF-8", claim).encode())}
    assert "segment-forbidden" in found, "PCD-01 has neither ORC nor SPM"


def test_two_messages_with_one_id_that_differ_are_told() -> None:
    found = [one.rule for one in lint_hl7((LAW + LAW.replace("5.50", "5.60")).encode())]
    assert found == ["msh-10-unique"]


def test_every_rule_has_its_fault() -> None:
    assert {rule for _, rule, *_ in FAULTS} | {"msh-10-unique"} == set(LAB_RULES)


def test_an_order_without_orc_is_told_with_its_place() -> None:
    (found,) = [one for one in lint_hl7(re.sub("\rORC[^\r]*", "", LAW).encode()) if one.rule == "orc"]
    assert (found.field, found.severity) == ("OBR[1]-2", Severity.ERROR)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([LAW, POCT, LAB]),
    st.lists(
        st.tuples(st.integers(0, 1200), st.sampled_from(["|", "^", "\r", "~", "\\", "&", '""', "9", "OBX|", "\r\r", ""])),
        max_size=6,
    ),
)
def test_nothing_makes_it_raise(text: str, cuts: list[tuple[int, str]]) -> None:
    for at, piece in cuts:
        text = text[:at] + piece + text[at + 1 :]
    lint_hl7(text.encode())
