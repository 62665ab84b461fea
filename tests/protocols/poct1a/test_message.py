"""Documents as objects and fields; the texts are of Nova's DML interface specification and of the standard's own examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.poct1a.message import NotAMessage, document, leaf, parse

NOVA = b"""<OBS.R01>
  <HDR>
    <HDR.message_type V="OBS.R01"/>
    <HDR.control_id V="10003"/>
  </HDR>
  <SVC>
    <SVC.role_cd V="OBS"/>
    <PT>
      <PT.patient_id V="SYN-222"/>
      <OBS>
        <OBS.observation_id V="2341-6" DN="Glu" SN="LN" />
        <OBS.value V="145" U="mg/dL"/>
        <OBS.normal_lo-hi_limit V="[80;120]" U="mg/dL"/>
      </OBS>
    </PT>
    <RGT><RGT.name V="">TY=TS</RGT.name></RGT>
    <NTE><NTE.text V="New strip">TY=C^CH=1^FL=0</NTE.text></NTE>
  </SVC>
</OBS.R01>"""


def test_a_message_has_its_root_its_control_id_and_its_objects() -> None:
    found = parse(NOVA)
    assert (found.type, found.control_id) == ("OBS.R01", "10003")
    (obs,) = found.root.walk("OBS")
    value, code = obs.field("OBS.value"), obs.field("OBS.observation_id")
    assert value is not None
    assert code is not None
    assert (value.v, value.unit) == ("145", "mg/dL")
    assert (code.v, code.display, code.system) == ("2341-6", "Glu", "LN")
    assert obs.value("OBS.normal_lo_hi_limit", "OBS.normal_lo-hi_limit") == "[80;120]"


def test_a_value_may_stand_in_the_text_and_text_beside_a_value_is_kept() -> None:
    root = parse(NOVA).root
    (reagent,), (note,) = root.walk("RGT"), root.walk("NTE")
    assert reagent.value("RGT.name") == "TY=TS"
    text = note.field("NTE.text")
    assert text is not None
    assert (text.v, text.text) == ("New strip", "TY=C^CH=1^FL=0")


def test_a_field_that_is_null_says_why_and_a_translation_is_kept() -> None:
    raw = b'<OBS.R01><OBS><OBS.value NULL="NI"/><OBS.observation_id V="GLU"><TRANSLTN V="2345-7" SN="LN"/></OBS.observation_id></OBS></OBS.R01>'
    (obs,) = parse(raw).root.walk("OBS")
    value, code = obs.field("OBS.value"), obs.field("OBS.observation_id")
    assert value is not None
    assert code is not None
    assert (value.v, value.null) == ("", "NI")
    assert [(one.v, one.system) for one in code.translations] == [("2345-7", "LN")]


GUESSED = ("text in no encoding it could claim, read as ISO 8859-1",)


@pytest.mark.parametrize(
    ("declared", "written", "name", "told"),
    [
        ("utf-8", "utf-8", "Zürich", ()),
        ("utf-8", "utf-8-sig", "Zürich", ()),
        ("iso-8859-1", "latin-1", "Zürich", ()),
        ("windows-1252", "cp1252", "Zürich", ()),
        ("utf8", "utf-8", "Zürich", ()),
        ("utf-16", "utf-8", "Zürich", ()),  # a .NET StringWriter's
        ("us-ascii", "utf-8", "Zürich", ()),
        ("utf-16", "utf-16", "Zürich", ()),
        ("utf-8", "utf-16-le", "Zürich", ()),
        ("GB2312", "gb2312", "王小明", ()),
        ("Shift_JIS", "shift_jis", "\u80fd\u8868", ()),  # 94 5C 95 5C: a backslash behind each lead byte
        ("utf-7", "ascii", "+ADw-", ()),
        ("utf-8", "latin-1", "Zürich", GUESSED),
        ("", "utf-8", "Zürich", ()),
        ("", "latin-1", "Zürich", GUESSED),
    ],
)
def test_text_is_read_in_the_set_it_is_in(declared: str, written: str, name: str, told: tuple[str, ...]) -> None:
    prolog = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    found = parse(f'{prolog}<HEL.R01><DEV><DEV.device_name V="{name}"/></DEV></HEL.R01>'.encode(written))
    assert [device.value("DEV.device_name") for device in found.root.walk("DEV")] == [name]
    assert found.problems == told


@pytest.mark.parametrize(
    ("written", "read"),
    [("A&B &amp; Zürich &#65;", "A&B & Zürich A"), ("<5", "<5"), ("a < b & c", "a < b & c")],
)
def test_what_xml_wants_written_otherwise_is_read_as_it_stands(written: str, read: str) -> None:
    found = parse(f'<HEL.R01><DEV a="1"><DEV.device_name V="{written}"/><DEV.x V="y"/></DEV></HEL.R01>'.encode())
    assert [device.value("DEV.device_name") for device in found.root.walk("DEV")] == [read]
    assert found.problems == ("an & or < that XML wants written otherwise, read as such",)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"<OBS.R01><A></B></OBS.R01>", "not well-formed"),
        (b"<OBS.R01>&nobody;</OBS.R01>", "not well-formed"),
        (b"<OBS.R01>" + b"<A>" * 40 + b"</A>" * 40 + b"</OBS.R01>", "too deep"),
        (b"<OBS.R01>" + b"<A/>" * 20_001 + b"</OBS.R01>", "too deep"),
        (b"<html><body/></html>", "no message"),
    ],
    ids=[
        "tags that do not match",
        "an entity that nobody declared",
        "objects without end",
        "more elements than any",
        "a web page",
    ],
)
def test_what_is_no_message_is_refused_with_a_word(raw: bytes, why: str) -> None:
    with pytest.raises(NotAMessage, match=why):
        parse(raw)


def test_a_makers_own_message_is_one_when_it_has_a_header() -> None:
    assert parse(b'<NOVA.X><HDR><HDR.control_id V="9"/></HDR></NOVA.X>').control_id == "9"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=20))
def test_what_we_write_reads_back(text: str) -> None:
    found = parse(document("DTV.R01", "7", "2026-11-21T08:00:00+01:00", f"<DTV>{leaf('DTV.command_cd', text)}</DTV>"))
    assert (found.type, found.control_id) == ("DTV.R01", "7")
    assert [one.value("DTV.command_cd") for one in found.root.walk("DTV")] == [text.strip()]


def test_a_name_has_its_parts() -> None:
    raw = b'<PTL.R01><PT><PT.name V="Jane Doe"><FAM V="Doe"/><GIV V="Jane"/></PT.name><PT.name><FAM V="X"/></PT.name></PT></PTL.R01>'
    (about,) = parse(raw).root.objects
    first, second = about.all("PT.name")
    assert (first.v, first.part("FAM"), first.part("GIV"), first.part("MID")) == ("Jane Doe", "Doe", "Jane", "")
    assert second.part("FAM") == "X"
