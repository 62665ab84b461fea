"""R.4, R.6, R.7 and R.9 by rule; the cases are LIS02-A2's and what analyzers were seen to send."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.lab import values
from drivers.lab.profile import AstmOptions
from drivers.lab.shared_options import STANDARD_ABSENT
from drivers.lab.times import device_time
from drivers.lab.values import Reading, Value
from gateway.model import Kind, Validity
from protocols.astm.records import Record

PLAIN = AstmOptions().reading
COMMA = PLAIN._replace(decimal_comma=True)
SCIENTIFIC = PLAIN._replace(scientific=True)

N, T = Kind.NUMERIC, Kind.TEXT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("8.13", Value(N, "8.13"), id="a decimal"),
        pytest.param("36.60", Value(N, "36.60"), id="precision stays"),
        pytest.param("  5.5", Value(N, "5.5"), id="Sysmex pads with blanks"),
        pytest.param("-2.0", Value(N, "-2.0"), id="GeneXpert EndPt below zero"),
        pytest.param("007", Value(N, "7"), id="leading zeros go"),
        pytest.param(">1500", Value(N, "1500", ">"), id="Access 2 beyond its range"),
        pytest.param("> 15000.00", Value(N, "15000.00", ">"), id="Architect with a blank"),
        pytest.param("<15", Value(N, "15", "<"), id="VITROS below its range"),
        pytest.param("<=0.1", Value(N, "0.1", "<="), id="two characters"),
        pytest.param("≥ 5", Value(N, "5", ">="), id="a typographic sign"),
        pytest.param("<LLOQ", Value(T, "<LLOQ"), id="a sign before a word is text"),
        pytest.param("POSITIVE", Value(T, "POSITIVE"), id="a word"),
        pytest.param("1:160", Value(T, "1:160"), id="a titre is no number"),
        pytest.param("-", Value(T, "-"), id="one dash is a negative strip"),
        pytest.param("+++", Value(T, "+++"), id="pluses are a strip's grade"),
        pytest.param("16,92", Value(N, "16.92"), id="XN-350 with a Russian keyboard: a comma that can only be decimal"),
        pytest.param("  0,2", Value(N, "0.2"), id="XP-100 with a Vietnamese one"),
        pytest.param("0,123", Value(N, "0.123"), id="no thousands begin with 0"),
        pytest.param("1,234", Value(T, "1,234"), id="1.234 or 1234: never guessed"),
        pytest.param("1,2,3", Value(T, "1,2,3"), id="two commas are no decimal"),
        pytest.param("1 250,00", Value(N, "1250.00"), id="GeneXpert in French: thousands that can be nothing else"),
        pytest.param("> 10\u00a0000", Value(N, "10000", ">"), id="with a hard blank, behind a sign"),
        pytest.param("1.234,5", Value(N, "1234.5"), id="a point of thousands before a decimal comma"),
        pytest.param("12,345,678.9", Value(N, "12345678.9"), id="and the other way round"),
        pytest.param("1 250", Value(T, "1 250"), id="a soft blank may part two numbers"),
        pytest.param("1 25,0", Value(T, "1 25,0"), id="two digits are no thousands"),
        pytest.param("173.", Value(N, "173"), id="IMMULITE writes the point and nothing behind it"),
        pytest.param("1.2.", Value(T, "1.2."), id="two points are no decimal"),
        pytest.param(".....", Value(T, None, "", Validity.NOT_AVAILABLE), id="Radiometer dots"),
        pytest.param(">>>>>", Value(T, None, "", Validity.OVER), id="CELL-DYN: more than it can count"),
        pytest.param("<<<", Value(T, None, "", Validity.UNDER), id="less than it can count"),
        pytest.param("1.5E3", Value(T, "1.5E3"), id="an exponent is none unless the profile says so"),
        pytest.param("1.45E+03", Value(N, "1450"), id="unless it can be nothing else"),
        pytest.param("4.0E-02", Value(N, "0.040"), id="the same below one, its digits kept"),
        pytest.param("8.42E+1", Value(N, "84.2"), id="AMPLILINK: one digit of exponent"),
        pytest.param("> 1.70E+8", Value(N, "170000000", ">"), id="AMPLILINK above its range"),
        pytest.param("2E+1", Value(T, "2E+1"), id="without a point it may be a name"),
        pytest.param("?7.412", Value(N, "7.412", "", Validity.QUESTIONABLE), id="Radiometer doubts it"),
        pytest.param("?<0.3", Value(N, "0.3", "<", Validity.QUESTIONABLE), id="and its bound"),
        pytest.param("?", Value(T, "?"), id="a doubt of nothing is text"),
        pytest.param("?weak D", Value(T, "?weak D"), id="a doubt of a word is text"),
        pytest.param("\u0663.\u0665", Value(T, "\u0663.\u0665"), id="another script's digits are text"),
        pytest.param("", Value(T, None, "", Validity.NOT_AVAILABLE), id="empty"),
        pytest.param("   ", Value(T, None, "", Validity.NOT_AVAILABLE), id="blank"),
        pytest.param("---", Value(T, None, "", Validity.NOT_AVAILABLE), id="Atellica dashes"),
        pytest.param("-----", Value(T, None, "", Validity.NOT_AVAILABLE), id="Pentra dashes"),
        pytest.param("***.**", Value(T, None, "", Validity.INVALID), id="Mindray stars"),
        pytest.param("****", Value(T, None, "", Validity.INVALID), id="stars"),
    ],
)
def test_a_text_is_a_value(text: str, expected: Value) -> None:
    assert values.value(text, PLAIN) == expected


@pytest.mark.parametrize(
    ("text", "how", "expected"),
    [
        pytest.param("1,5", COMMA, Value(N, "1.5"), id="decimal comma"),
        pytest.param("<0,05", COMMA, Value(N, "0.05", "<"), id="decimal comma behind a sign"),
        pytest.param("1,234,567", COMMA, Value(T, "1,234,567"), id="two commas are no decimal"),
        pytest.param("1.50E+03", SCIENTIFIC, Value(N, "1500"), id="E+03 written out"),
        pytest.param("2.5e-2", SCIENTIFIC, Value(N, "0.025"), id="e-2 written out"),
        pytest.param("1E999999", SCIENTIFIC, Value(T, "1E999999"), id="a hostile exponent stays text"),
    ],
)
def test_a_profile_may_have_numbers_read_otherwise(text: str, how: Reading, expected: Value) -> None:
    assert values.value(text, how) == expected


@pytest.mark.parametrize(
    ("parts", "order", "expected"),
    [
        pytest.param(("NOT DETECTED", ""), (), ("NOT DETECTED", ()), id="GeneXpert qualitative"),
        pytest.param(("", "24.7"), (), ("24.7", ()), id="GeneXpert quantitative"),
        pytest.param(("0.24", "Non-React."), (), ("0.24", ("Non-React.",)), id="Access 2 with its interpretation"),
        pytest.param(("DETECTED", "4523"), (), ("4523", ("DETECTED",)), id="the number goes first, the word is kept"),
        pytest.param(("-1", "0.118"), (2, 1), ("0.118", ("-1",)), id="the profile names the component"),
        pytest.param(("4.208448", "", "", "", ""), (), ("4.208448", ()), id="Mispa with empty components"),
        pytest.param((), (), (None, ()), id="nothing"),
    ],
)
def test_one_component_is_the_value_and_none_is_lost(
    parts: tuple[str, ...], order: tuple[int, ...], expected: tuple[str | None, tuple[str, ...]]
) -> None:
    found, others = values.choose(parts, order, PLAIN)
    assert (found.text, others) == expected


@pytest.mark.parametrize(
    ("mantissa", "exponent", "expected"),
    [("1.23", "4", "12300"), ("1.23", "-2", "0.0123"), ("1.23", "0", "1.23"), ("1.23", "x", "1.23"), ("1.23", "400", "1.23")],
)
def test_a_mantissa_is_scaled_exactly(mantissa: str, exponent: str, expected: str) -> None:
    assert values.scaled(Value(N, mantissa), exponent).text == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param("84.0 - 94.0^REFERENCE_RANGE", ("84.0-94.0", ()), id="Yumizen"),
        pytest.param("0.35 TO 4.94", ("0.35-4.94", ()), id="Architect"),
        pytest.param("180 to 914^normal", ("180-914", ()), id="LIS02-A2"),
        pytest.param("3.5-5.1", ("3.5-5.1", ()), id="as OBX-7 has it"),
        pytest.param("-2 to 3", ("-2-3", ()), id="below zero"),
        pytest.param("< 5", ("<5", ()), id="an upper bound"),
        pytest.param("≥40", (">=40", ()), id="a lower bound"),
        pytest.param("negative", ("negative", ()), id="a word"),
        pytest.param("3.9 - 5.5\\2.5 - 20^critical", ("3.9-5.5", ("range: 2.5-20 critical",)), id="a second range is kept"),
        pytest.param("222 to 1439^normal", ("222-1439", ()), id="Access 2"),
        pytest.param("5.6^99.9", ("5.6-99.9", ()), id="Mindray: two bounds, two components"),
        pytest.param("0.270^4.20", ("0.270-4.20", ()), id="cobas e 411: the same"),
        pytest.param("^14", ("<14", ()), id="cobas e 411: an upper bound alone, as OBX-7 writes one"),
        pytest.param("^", ("", ()), id="Mindray: neither"),
        pytest.param("^DEFAULT", ("", ()), id="XL-640: a range's name without a range"),
        pytest.param(
            "4.5\\.4^12.5\\24", ("4.5-12.5", ("range: .4-24",)), id="IMMULITE's T4: what is normal of what it can measure"
        ),
        pytest.param("0.400\\0.004^4.00\\75.0", ("0.400-4.00", ("range: 0.004-75.0",)), id="its TSH"),
        pytest.param(".5\\.5^1500\\1500", (".5-1500", ("range: .5-1500",)), id="its ferritin: both are one"),
        pytest.param("4.5\\5^12.5\\24", ("4.5\\5^12.5\\24", ()), id="what is normal must lie within"),
        pytest.param("4.5\\x^12.5\\24", ("4.5\\x^12.5\\24", ()), id="a lone number is no range, so all of it stays"),
        pytest.param("20.0\\30.0", ("20.0-30.0", ()), id="cobas c 111: two bounds, two repeats"),
        pytest.param(
            "1.0\\0.9\\1.0", ("1.0\\0.9\\1.0", ()), id="cobas c 111's controls: three numbers, and no word which is which"
        ),
        pytest.param("30.0\\20.0", ("30.0\\20.0", ()), id="two numbers that are no interval"),
        pytest.param("-", ("", ()), id="Dimension Vista: a dash is no range"),
        pytest.param("3.5~5.1", ("3.5-5.1", ()), id="a tilde, as written in East Asia"),
        pytest.param("3.5--5.1", ("3.5-5.1", ()), id="two dashes"),
        pytest.param("-2--1", ("-2--1", ()), id="a dash and a sign"),
        pytest.param("[3.5 - 5.1]", ("3.5-5.1", ()), id="brackets"),
        pytest.param("3,5 - 5,1", ("3.5-5.1", ()), id="commas that can only be decimal"),
        pytest.param("1,500 - 5,100", ("1,500 - 5,100", ()), id="commas that may be thousands stay"),
        pytest.param("1,500^5,100", ("1,500-5,100", ()), id="also in two components"),
        pytest.param("0,500 - 1,500", ("0.500-1.500", ()), id="one that can only be decimal says what the other is"),
        pytest.param("0,500^1,500", ("0.500-1.500", ()), id="also in two components, both bounds"),
        pytest.param("0,400\\0,004^4,00\\75,0", ("0.400-4.00", ("range: 0.004-75.0",)), id="IMMULITE's with decimal commas"),
        pytest.param("1,234,567 - 2,345,678", ("1,234,567 - 2,345,678", ()), id="millions are no decimals"),
        pytest.param("", ("", ()), id="none"),
    ],
)
def test_a_range_is_written_as_obx_7_has_it(field: str, expected: tuple[str, tuple[str, ...]]) -> None:
    record = Record("R", f"R|1|^^^X|1|u|{field}")
    assert values.reference_range(record, 6, decimal_comma=False) == expected


def test_a_range_with_commas_follows_the_profile() -> None:
    record = Record("R", "R|1|^^^X|1|u|3,500 - 5,100")
    assert values.reference_range(record, 6, decimal_comma=True) == ("3.500-5.100", ())


@pytest.mark.parametrize(
    ("field", "mapped", "expected"),
    [
        ("N", {}, ("N",)),
        ("HH", {}, ("HH",)),
        ("EXP^<", {}, ("EXP", "<")),
        ("^0^NQ", {"0": ""}, ("NQ",)),
        ("H\\A", {}, ("H", "A")),
        ("*", {"*": "A"}, ("A",)),
        ("", {}, ()),
    ],
)
def test_flags_are_told_and_translated(field: str, mapped: dict[str, str], expected: tuple[str, ...]) -> None:
    assert values.flags(Record("R", f"R|1|^^^X|1|u||{field}"), 7, mapped) == expected


@pytest.mark.parametrize(
    ("said", "mapped", "report_type", "expected"),
    [
        pytest.param("F", {}, "", "F", id="final"),
        pytest.param("C", {}, "", "C", id="corrected"),
        pytest.param("P", {}, "F", "P", id="the result's word goes before the order's"),
        pytest.param("", {}, "F", "F", id="no word of its own: the order's"),
        pytest.param("", {}, "", "R", id="no word at all: not verified"),
        pytest.param("V", {}, "", "R", id="verified is final only by profile"),
        pytest.param("V", {"V": "F"}, "", "F", id="verified by profile"),
        pytest.param("W", {}, "", "R", id="ASTM's W is questionable, HL7's W is posted wrongly"),
        pytest.param("R", {}, "", "R", id="ASTM's R is sent before, HL7's R is not verified"),
        pytest.param("?", {}, "", "R", id="an unknown letter"),
    ],
)
def test_a_status_promises_no_more_than_the_device(said: str, mapped: dict[str, str], report_type: str, expected: str) -> None:
    assert values.status(said, mapped, report_type) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("20240627135407", "2024-06-27T13:54:07", id="to the second"),
        pytest.param("202406271354", "2024-06-27T13:54:00", id="Bayer: to the minute"),
        pytest.param("20240627 13:54:07", "2024-06-27T13:54:07", id="with colons"),
        pytest.param("20240627135407+0530", "2024-06-27T13:54:07+05:30", id="with its offset"),
        pytest.param("2024-06-27 13:54:07", "2024-06-27T13:54:07", id="as ISO 8601 has it"),
        pytest.param("2024/06/27 13:54", "2024-06-27T13:54:00", id="with slashes"),
        pytest.param("20240831 16:35.16", "2024-08-31T16:35:16", id="Accre8: seconds behind a point"),
        pytest.param("20240831 16:35:16.5", "2024-08-31T16:35:16", id="a fraction behind a point"),
        pytest.param("20120327153803-04:00", "2012-03-27T15:38:03-04:00", id="i-STAT: an offset with a colon"),
        pytest.param("2024-06-27", None, id="a day with dashes is no moment either"),
        pytest.param("20240627", None, id="a day is no moment"),
        pytest.param("20240000", None, id="no month"),
        pytest.param("00000000000000", None, id="zeros"),
        pytest.param("18991230000000", None, id="OLE zero"),
        pytest.param("21060207062815", None, id="DxC: a clock with all bits set"),
        pytest.param("0231115103722", None, id="a digit lost"),
        pytest.param("20240230120000", None, id="no such day"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_time_is_a_moment_or_none(text: str, expected: str | None) -> None:
    found = device_time(text)
    assert (found and found.isoformat()) == expected


def test_the_ways_to_write_no_value_are_the_schemas() -> None:
    texts = ("--", "***", "....", "<>", ">>", "<<")
    assert [[re.fullmatch(way.text, text) is not None for text in texts].index(True) for way in STANDARD_ABSENT] == [*range(6)]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_no_text_makes_a_value_raise_and_a_number_is_a_decimal(text: str) -> None:
    found = values.value(text, COMMA._replace(scientific=True))
    assert (found.text is None) == (found.validity is not Validity.OK)
    if found.kind is Kind.NUMERIC:
        assert found.text is not None
        assert re.fullmatch(r"-?\d+(\.\d+)?", found.text)
    device_time(text)
