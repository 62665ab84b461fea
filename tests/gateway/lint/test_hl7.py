"""The linter against a clean message, NIST's own faulty sample, real senders' habits, and one seeded fault a rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.lint import Severity, lint_hl7
from gateway.lint.finding import RULES

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> str:
    """A sample; the files hold LF so that people can read them."""
    return (SAMPLES / f"{name}.hl7").read_text(encoding="utf-8").replace("\n", "\r")


GOOD = sample("good")
"""Written from the rules of TF-2 appendix B, in the manner of the blood pressure example of appendix E.1.2."""

NIST = sample("nist")
"""The NIST validator's own sample, its demographics replaced: errors were planted in its OBX."""


def test_a_clean_message_has_no_finding_but_the_private_code() -> None:
    assert [(one.rule, one.field) for one in lint_hl7(GOOD.encode())] == [("obx-3-private", "OBX[8]-3.3")]


def test_the_planted_errors_of_the_nist_sample_are_found() -> None:
    errors = [one for one in lint_hl7(NIST.encode()) if one.severity is Severity.ERROR]
    assert [(one.rule, one.field, one.got, one.expected) for one in errors] == [
        ("obx-3-code", "OBX[5]-3", "150034^MDC_PREeSS_BLD_ART_DIA", "150034^MDC_PRESS_BLD_ART_DIA"),
        ("obx-6-code", "OBX[6]-6.1", "266016^MDC_DdIM_MMHG", "266016^MDC_DIM_MMHG^MDC"),
        ("obx-1", "OBX[8]-1", "13", "8, or 8 within its OBR"),
        ("obx-4-order", "OBX[8]-4", "1.1.2.7", "numeric dictionary order, or all device rows before all metrics"),
        ("obx-6-text", "OBX[8]-6.4", "ml", "mL"),
        ("obx-6-text", "OBX[8]-6.5", "ml", "mL"),
    ]


def test_the_codes_that_the_first_tf_example_gets_wrong_are_found() -> None:
    """TF-2 E.1.1 has two context-dependent codes and a name that is not the code's; NIST's validator says the same."""
    found = [one for one in lint_hl7(sample("tf-e-1-1").encode()) if one.rule.startswith("obx-3")]
    assert [(one.rule, one.field, one.expected) for one in found] == [
        ("obx-3-context", "OBX[7]-3.1", "69798"),
        ("obx-3-context", "OBX[8]-3.1", "69799"),
        ("obx-3-code", "OBX[11]-3", "147236^MDC_ECG_TIME_PD_QT_CORR_GL"),
    ]


def test_the_second_tf_example_lacks_nothing_but_the_offsets_that_c_4_asks() -> None:
    text = sample("tf-e-1-2")
    errors = [(one.rule, one.field) for one in lint_hl7(text.encode()) if one.severity is Severity.ERROR]
    assert errors == [("dtm-offset", f"OBX[{n}]-14") for n in (3, 4, 5, 6, 7)]
    mended = text.replace("|20110602045842|", "|20110602045842+0000|").replace("|20110602045842\r", "|20110602045842+0000\r")
    assert [one for one in lint_hl7(mended.encode()) if one.severity is Severity.ERROR] == []


SEEDED = [
    ("message", "MSH|^~\\&|", "MHS|^~\\&|"),
    ("segment-end", "\rPID", "\nPID"),
    ("segment-unknown", "\rPV1", "\rXYZ|1\rPV1"),
    ("segment-local", "\rPV1", "\rZPV|1\rPV1"),
    ("segment-forbidden", "\rOBR", "\rORC|RE\rOBR"),
    ("segment-order", "\rPID|||SYN", "\rOBX|9|ST|A^b^L|1.1.1.1|x||||||R\rPID|||SYN"),
    ("patient-missing", "\rPID", "\rZID"),
    ("obr-missing", "\rOBR|1", "\rZBR|1"),
    ("nte-repeated", "NTE|1||zeroing", "NTE|1||zeroing\rNTE|2||again"),
    ("structure", "^SCT|||2026", "^SCT^^^^^^^^^^^^^^^^^^^^^^^x|||2026"),
    ("charset", "UNICODE UTF-8", "ASCII"),
    ("control-character", "zeroing", "zero\x02ing"),
    ("escape", "zeroing", "zero\\ing"),
    ("null", "4E^402^1", '4E^""^1'),
    ("dtm-form", "20261121120001+0000", "20261321120001+0000"),
    ("dtm-form", "20261121130003+0100", "2026-11-21 13:00"),
    ("dtm-seconds", "20261121120001+0000", "202611211200+0000"),
    ("dtm-offset", "20261121120001+0000", "20261121120001"),
    ("msh-delimiters", "MSH|^~\\&|", "MSH|^~\\&#|"),
    ("msh-3", "ACME_Gateway^080019FFFE3ED02D^EUI-64|ACME", "|ACME"),
    ("msh-3-universal", "ACME_Gateway^080019FFFE3ED02D^EUI-64|ACME", "ACME_Gateway|ACME"),
    ("msh-hd", "EUI-64|ACME|", "EUI-64|^1.2.3^ISO|"),
    ("msh-7", "20261121120001+0000|", "|"),
    ("msh-forbidden", "20261121120001+0000||", "20261121120001+0000|secret|"),
    ("msh-unused", "2.6|||", "2.6|1||"),
    ("msh-9", "ORU^R01^ORU_R01", "ORU^R01"),
    ("msh-10", "0104ef190d604db188c3", ""),
    ("msh-10-length", "0104ef190d604db188c3", 200 * "x"),
    ("msh-11", "|P|2.6", "|X|2.6"),
    ("msh-12", "|P|2.6", "|P|2.4"),
    ("msh-15", "|AL|NE|", "|NE|NE|"),
    ("msh-16", "|AL|NE|", "|AL|AL|"),
    ("msh-17", "|DEU", "|DE"),
    ("msh-18", "UNICODE UTF-8", "KLINGON"),
    ("msh-21", ".1.6.1.1.1^ISO", ".1.6.1.3.1^ISO"),
    ("pid-forbidden", "PID|||", "PID|1||"),
    ("pid-3", "SYN-0001^^^HOSP&1.2.3.4&ISO^MR", ""),
    ("pid-3-id", "SYN-0001^^^HOSP", "^^^HOSP"),
    ("pid-3-authority", "SYN-0001^^^HOSP&1.2.3.4&ISO^MR", "SYN-0001"),
    ("pid-3-count", "SYN-0001^^^HOSP&1.2.3.4&ISO^MR", "~".join(7 * ["SYN-0001^^^HOSP^MR"])),
    ("pid-5", "Test^Patient^^^^^L", ""),
    ("pid-5-type", "Test^Patient^^^^^L", "Test^Patient"),
    ("pid-5-nist", "Test^Patient^^^^^L", "Test^Patient^^^^^D"),
    ("pid-unknown", "1 Test St^^Testville^^^^M", 20 * "|" + "Y"),
    ("pid-8", "|19700101|F", "|19700101|female"),
    ("pid-11", "Testville^^^^M", "Testville^^^^H"),
    ("pid-13", "Testville^^^^M", "Testville^^^^M||1~2~3"),
    ("pv1-forbidden", "PV1||I", "PV1|1|I"),
    ("pv1-2", "PV1||I", "PV1||"),
    ("pv1-51", "V-0001^^^HOSP^VN", "V-0001^^^HOSP^VN" + 32 * "|" + "X"),
    ("obr-1", "OBR|1|", "OBR|2|"),
    ("obr-2", "OBR|1|0104ef19^ACME_Gateway^080019FFFE3ED02D^EUI-64|", "OBR|1||"),
    ("obr-3", "|0104ef19^ACME_Gateway^080019FFFE3ED02D^EUI-64|1827", "||1827"),
    ("obr-3-authority", "|0104ef19^ACME_Gateway^080019FFFE3ED02D^EUI-64|1827", "|0104ef19|1827"),
    ("obr-3-unique", "NTE|1||zeroing", "OBR|2|a^b|0104ef19^ACME_Gateway^080019FFFE3ED02D^EUI-64|1^x^SCT|||20261121120000+0000"),
    ("obr-4", "182777000^monitoring of patient^SCT", ""),
    ("obr-forbidden", "SCT|||2026", "SCT|S||2026"),
    ("obr-7", "SCT|||20261121120000+0000", "SCT"),
    ("obr-8", "SCT|||20261121120000+0000", "SCT|||20261121120000+0000|20261121120000+0000"),
    ("ei-type", "^080019FFFE134535^EUI-64", "^080019FFFE134535^EUI64"),
    ("eui64", "ACME_Gateway^080019FFFE3ED02D^EUI-64|ACME", "ACME_Gateway^08-00-19-FF-FE-3E-D0-2D^EUI-64|ACME"),
    ("obx-1", "OBX|6||", "OBX|5||"),
    ("obx-2", "OBX|5|NM|", "OBX|5||"),
    ("obx-2-type", "OBX|5|NM|", "OBX|5|XX|"),
    ("obx-3", "150034^MDC_PRESS_BLD_ART_DIA^MDC", ""),
    ("obx-3-system", "150034^MDC_PRESS_BLD_ART_DIA^MDC", "150034^MDC_PRESS_BLD_ART_DIA"),
    ("obx-3-code", "150034^MDC_PRESS_BLD_ART_DIA^MDC", "150035^MDC_PRESS_BLD_ART_DIA^MDC"),
    ("obx-3-code", "150034^MDC_PRESS_BLD_ART_DIA^MDC", "MDC_PRESS_BLD_ART_DIA^150034^MDC"),
    ("obx-3-context", "69854^MDC_DEV_METER_PRESS_BLD_VMD^MDC", "4318^MDC_DEV_METER_PRESS_BLD_VMD^MDC"),
    ("obx-3-unknown", "150034^MDC_PRESS_BLD_ART_DIA^MDC", "4294900000^MDC_NOT_HERE^MDC"),
    ("obx-4", "|1.13.1.1|", "|1.13.1|"),
    ("obx-4", "|1.13.1.1|", "||"),
    ("obx-4-length", "|1.13.1.1|", "|1.13.1.111111111111111|"),
    ("obx-4-unique", "|1.13.1.2|", "|1.13.1.1|"),
    ("obx-4-order", "|1.13.1.4|", "|1.12.1.4|"),
    ("obx-5", "|1.13.1.1|108|", "|1.13.1.1||"),
    ("obx-5-device", "|1.13.0.0||", "|1.13.0.0|7|"),
    ("obx-5-unavailable", "|1.13.1.2||", "|1.13.1.2|73|"),
    ("obx-5-number", "|108|", "|1O8|"),
    ("obx-5-structured", "|>^300|", "|>300|"),
    ("obx-5-array", "|ST|ALARM^alarm line^99ACME|1.99.0.1|none|", "|NA|ALARM^alarm line^99ACME|1.99.0.1|1^x^3|"),
    ("obx-5-coded", "|ST|ALARM^alarm line^99ACME|1.99.0.1|none|", "|CWE|ALARM^alarm line^99ACME|1.99.0.1|none|"),
    ("obx-5-sentinel", "|108|", "|-100|"),
    ("obx-6", "|108|266016^MDC_DIM_MMHG^MDC^mm[Hg]^mm[Hg]^UCUM", "|108|"),
    ("obx-6", "264864^MDC_DIM_BEAT_PER_MIN^MDC^/min^/min^UCUM", "264864^MDC_DIM_BEAT_PER_MIN"),
    ("obx-6-code", "266016^MDC_DIM_MMHG^MDC", "266017^MDC_DIM_MMHG^MDC"),
    ("obx-6-text", "mm[Hg]^mm[Hg]^UCUM", "mmHg^mmHg^UCUM"),
    ("obx-6-allowed", "266016^MDC_DIM_MMHG^MDC^mm[Hg]^mm[Hg]^UCUM", "264864^MDC_DIM_BEAT_PER_MIN^MDC"),
    ("obx-6-ucum", "266016^MDC_DIM_MMHG^MDC^mm[Hg]^mm[Hg]^UCUM", "mmHg^mmHg^UCUM"),
    ("obx-7", "|90-140|", "|from 90 to 140|"),
    ("obx-8", "|H~ALACT|", "|H~HIGHISH|"),
    ("obx-8-reason", "||||NAV|||X", "|||||||X"),
    ("obx-11", "UCUM|90-140|H~ALACT|||R|", "UCUM|90-140|H~ALACT||||"),
    ("obx-11-table", "UCUM|90-140|H~ALACT|||R|", "UCUM|90-140|H~ALACT|||Q|"),
    ("obx-11-device", "|1.13.1.0|||||||X", "|1.13.1.0|||||||R"),
    ("obx-11-state", "UCUM|90-140|H~ALACT|||R|", "UCUM|90-140|H~INV|||R|"),
    ("obx-14-periodic", "UCUM|||||R", "UCUM|||||R|||20261121120000+0000"),
    ("obx-17", "AMEAS^auto-measurement^MDC", "APERIODIC"),
    ("obx-18", "080019FFFE134535^^080019FFFE134535^EUI-64", ""),
    ("obx-18-authority", "080019FFFE134535^^080019FFFE134535^EUI-64", "080019FFFE134535^MODEL"),
    ("obx-18-count", "080019FFFE134535^^080019FFFE134535^EUI-64", "A^^080019FFFE134535^EUI-64~B^^080019FFFE134536^EUI-64"),
    ("obx-forbidden", "|H~ALACT|||R", "|H~ALACT|5||R"),
    ("time-sync", "67975^MDC_ATTR_TIME_ABS", "0^MDCX_ATTR_TIME"),
]


@pytest.mark.parametrize(("rule", "old", "new"), [pytest.param(*seed, id=f"{seed[0]} {n}") for n, seed in enumerate(SEEDED)])
def test_a_seeded_fault_is_caught_by_its_own_rule(rule: str, old: str, new: str) -> None:
    text = GOOD.replace("zeroing", "Prüfung") if rule == "charset" else GOOD
    assert old in text
    found = [one for one in lint_hl7(text.replace(old, new, 1).encode()) if one.rule == rule]
    assert found
    assert all((one.severity, one.source) == RULES[rule] and one.expected for one in found)
    assert rule not in {one.rule for one in lint_hl7(GOOD.encode())}


def test_every_rule_has_a_seeded_fault() -> None:
    seeded = {rule for rule, _, _ in SEEDED}
    assert set(RULES) - seeded == {"msh-10-unique", "obx-3-private"}


def test_an_id_used_twice_is_found_but_a_resend_is_not() -> None:
    other = GOOD.replace("|108|", "|109|")
    found = [one.field for one in lint_hl7((GOOD + other).encode()) if one.rule == "msh-10-unique"]
    assert found == ["2:MSH[1]-10"]
    assert not [one for one in lint_hl7((GOOD + GOOD).encode()) if one.rule == "msh-10-unique"]


def test_mllp_bytes_around_messages_are_no_fault() -> None:
    wrapped = b"\x0b" + GOOD.encode() + b"\x1c\r"
    assert {one.rule for one in lint_hl7(wrapped + wrapped)} == {"obx-3-private"}


def test_the_line_end_of_a_file_is_not_the_messages() -> None:
    """`wardlink decode` ends each message with a line end, so that a person's tools see a message a line."""
    assert {one.rule for one in lint_hl7(GOOD.encode() + b"\n")} == {"obx-3-private"}


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        pytest.param(("+0000", ""), {"dtm-offset"}, id="GE and Mindray leave the offset out"),
        pytest.param(("|AL|NE|", "|NE|AL|"), {"msh-15", "msh-16"}, id="GE asks for the old acknowledgement"),
        pytest.param(("\r", "\n"), {"segment-end"}, id="GE ends segments with LF"),
    ],
)
def test_real_senders_habits_are_told_apart(change: tuple[str, str], rules: set[str]) -> None:
    found = {one.rule for one in lint_hl7(GOOD.replace(*change).encode())}
    assert found - {"obx-3-private"} == rules


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_bytes_make_it_raise(data: st.DataObject) -> None:
    text = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 40))] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"|", b"^", b"~", b"\r", b"9" * 30])
        )
    for one in lint_hl7(bytes(text)):
        assert one.rule in RULES


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_no_message(noise: bytes) -> None:
    assert lint_hl7(b"#" + noise.replace(b"MSH", b"")) != []
