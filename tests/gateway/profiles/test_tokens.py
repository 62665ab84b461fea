"""A message taken apart: every place has the name that a maker's document gives it, and can be put otherwise, and nothing else."""

from __future__ import annotations

import pytest

from gateway.profiles.tokens import Token, joined, tokens
from gateway.profiles.tracing import offset, shifted
from protocols.astm import records
from protocols.hl7v2 import message as hl7
from protocols.poct1a import message as poct
from protocols.vendor.beckman_au import AuText
from protocols.vendor.vidas import BciMessage

ASTM = b"H|\\^&|||M7^1.0\rO|1|S1^R2||^^^GLU\\^^^NA\rR|1|^^^GLU|5.1|mmol/L\rL|1|N\r"
HL7 = b"MSH|^~\\&|BC|Mindray\rOBX|1|NM|WBC^White~X||5.1|10*9/L\r"
POCT = b'<OBS.R01><HDR><HDR.control_id V="7"/></HDR><SVC><PT><OBS><OBS.value V="5" U="mg/dL"/></OBS></PT></SVC></OBS.R01>'


def told(found: list[Token]) -> list[tuple[str, int, str]]:
    return [(one.place, one.nth, one.text) for one in found]


def test_astm_records_have_fields_components_and_repeats_counted_from_one() -> None:
    (body,) = records.parse(ASTM)
    assert told(list(tokens(body))) == [
        ("H.5.1", 1, "M7"),
        ("H.5.2", 1, "1.0"),
        ("O.2.1", 2, "1"),
        ("O.3.1", 2, "S1"),
        ("O.3.2", 2, "R2"),
        ("O.5.4", 2, "GLU"),
        ("O.5[2].4", 2, "NA"),
        ("R.2.1", 3, "1"),
        ("R.3.4", 3, "GLU"),
        ("R.4.1", 3, "5.1"),
        ("R.5.1", 3, "mmol/L"),
        ("L.2.1", 4, "1"),
        ("L.3.1", 4, "N"),
    ]


def test_hl7_segments_are_counted_as_the_standard_has_them() -> None:
    body = hl7.parse(HL7)
    assert body is not None
    found = [one for one in told(list(tokens(body))) if one[0].startswith(("MSH", "OBX"))]
    assert found == [
        ("MSH-3.1", 1, "BC"),
        ("MSH-4.1", 1, "Mindray"),
        ("OBX-1.1", 2, "1"),
        ("OBX-2.1", 2, "NM"),
        ("OBX-3.1", 2, "WBC"),
        ("OBX-3.2", 2, "White"),
        ("OBX-3[2].1", 2, "X"),
        ("OBX-5.1", 2, "5.1"),
        ("OBX-6.1", 2, "10*9/L"),
    ]


def test_poct1a_fields_have_their_attributes() -> None:
    found = told(list(tokens(poct.parse(POCT))))
    assert ("OBS.value", 0, "5") in found
    assert ("OBS.value U", 0, "mg/dL") in found


def test_named_texts_go_by_their_names_and_columns_by_their_numbers() -> None:
    assert told(list(tokens(BciMessage((("rt", "TSH"), ("qn", "2.5")))))) == [("rt", 0, "TSH"), ("qn", 0, "2.5")]
    found = list(tokens(AuText("D 12.5  7")))
    assert told(found)[:2] == [("column 1", 0, "D"), ("column 3", 0, "1")]
    assert [(one.place, one.text) for one in joined(found[1:])] == [("column 3 to 6", "12.5"), ("column 9", "7")]


@pytest.mark.parametrize("body", [records.parse(ASTM)[0], hl7.parse(HL7), poct.parse(POCT), AuText("D 12.5  7")])
def test_a_place_put_otherwise_changes_that_place_alone(body: object) -> None:
    before = list(tokens(body))
    for n, token in enumerate(before):
        changed = "Q" * len(token.text)
        after = told(list(tokens(token.put(changed))))
        assert after == [*told(before[:n]), (token.place, token.nth, changed), *told(before[n + 1 :])]


@pytest.mark.parametrize(
    ("raw", "body"),
    [(b"noise" + ASTM, records.parse(ASTM)[0]), (b"noise" + HL7, hl7.parse(HL7)), (b"noise" + POCT, poct.parse(POCT))],
)
def test_a_place_is_pointed_at_where_it_stands(raw: bytes, body: object) -> None:
    for token in tokens(body):
        at = offset(token, raw, 5, len(raw))
        assert at is not None, token
        assert raw[at : at + len(token.text)] == token.text.encode()


def test_what_a_frame_s_end_cuts_in_two_is_not_pointed_at() -> None:
    (body,) = records.parse(ASTM)
    cut = ASTM.replace(b"GLU|5", b"GLU\x17A1\r\n\x022|5")
    value = next(one for one in tokens(body) if one.place == "R.4.1")
    assert offset(value, cut, 0, len(cut)) is None


@pytest.mark.parametrize(
    ("text", "other"),
    [("5.19", "6.20"), ("GLU", "HMV"), ("zZ9", "aA0"), ("---", "---1"), ("mmol/L", "nnpm/M"), ("20261121", "31372232")],
)
def test_another_text_has_the_same_form(text: str, other: str) -> None:
    assert shifted(text) == other
