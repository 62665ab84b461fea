"""E1394 records: what LIS02-A2 says of delimiters and escapes, and what analyzers have been seen to send."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.astm.records import RECORDS_MAX, STANDARD, Delimiters, Field, Record, encode, parse


def _record(text: str, delimiters: Delimiters = STANDARD) -> Record:
    return Record(text[0], text, delimiters)


def test_delimiters_are_read_from_the_header_not_assumed(genexpert: bytes) -> None:
    message = parse(genexpert[2:-5])[0]
    assert message.records[0].delimiters == Delimiters("|", "@", "^", "\\")
    assert [record.type for record in message.records] == list("HPORRRRCL")
    result = message.records[3]
    assert result.component(3, 5) == "Xpert MTB-RIF Ultra"
    assert result.components(4) == ("NOT DETECTED", "")
    assert result.field(11) == "John @Doe"
    assert message.records[4].field(7) == "A@B"
    assert message.records[5].field(15) == "EXTRA"
    assert message.terminated
    assert message.problems == ()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("H|\\^&|||x", Delimiters("|", "\\", "^", "&")),
        ("H|`^&|||Erba", Delimiters("|", "`", "^", "&")),
        ("H|\\!~|||e411", Delimiters("|", "\\", "!", "~")),
        ("H|~^\\|||x", Delimiters("|", "~", "^", "\\")),
    ],
)
def test_delimiters_seen_in_the_field(header: str, expected: Delimiters) -> None:
    (message,) = parse(f"{header}\rL|1\r".encode())
    assert message.records[0].delimiters == expected
    assert message.problems == ()


def test_an_escape_that_is_not_declared_is_none() -> None:
    (message,) = parse(b"H|\\^||PASSWORD|DPC\rR|1|^^^X|a&F&b\\c\rL|1\r")
    assert message.records[0].delimiters == Delimiters("|", "\\", "^", "")
    assert message.records[0].field(5) == "DPC"
    assert message.records[1].components(4) == ("a&F&b",)
    assert message.problems == ()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("H", STANDARD),
        ("H|", STANDARD),
        ("H|\\", STANDARD),
        ("H|\\^", STANDARD),
        ("H|||||", STANDARD),
        ("H|^^&|||x", Delimiters("|", "^", "", "&")),
        ("H|&&&", Delimiters("|", "&", "^", "")),
        ("H|\x01\x02\x03", STANDARD),
        ("H|abc", STANDARD),
        ("H   |", Delimiters("", "\\", "^", "|")),
    ],
)
def test_hostile_delimiters_are_a_problem_and_the_data_stay(header: str, expected: Delimiters) -> None:
    (message,) = parse(f"{header}\rR|1|^^^GLU|5.1\rL|1|N\r".encode())
    assert message.records[0].delimiters == expected
    assert any("unusable delimiters" in problem for problem in message.problems)
    assert [record.text for record in message.records] == [header, "R|1|^^^GLU|5.1", "L|1|N"]
    assert message.terminated
    for record in message.records:
        assert [record.components(n) for n in range(-1, 8)]


def test_fields_count_from_the_type_and_missing_ones_are_empty() -> None:
    record = _record("O|1|SID13|SID3^A123^5|^^^123\\^^^124|R")
    assert [record.field(n) for n in (0, 1, 2, 3, 6, 7, -1)] == ["", "O", "1", "SID13", "R", "", ""]
    assert record.field(5) == "^^^123\\^^^124"
    assert record.components(4) == ("SID3", "A123", "5")
    assert [record.component(4, c) for c in (0, 1, 3, 4)] == ["", "SID3", "5", ""]
    assert [record.component(5, 4, repeat) for repeat in (0, 1, 2, -1)] == ["123", "124", "", ""]
    assert [record.repeats(n) for n in (3, 5, 7)] == [1, 2, 0]
    assert record.components(3, 1) == ()
    assert record.components(7) == ()
    assert len(record) == 6


def test_the_delimiter_field_is_not_taken_apart() -> None:
    record = _record("H|\\^&|||c311^1")
    assert record.field(2) == "\\^&"
    assert record.components(2) == ("\\^&",)
    assert record.repeats(2) == 1
    assert record.component(5, 1) == "c311"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("a&F&b", "a|b"),
        ("a&S&b", "a^b"),
        ("a&R&b", "a\\b"),
        ("a&E&b", "a&b"),
        ("PNG&R&20240628&R&WDF.PNG", "PNG\\20240628\\WDF.PNG"),
        ("one&X0A&two", "one\ntwo"),
        ("&X414243&", "ABC"),
        ("5 &XC2B5&L", "5 µL"),
        ("5 &XB5&L", "5 µL"),
        ("&H&bold&N& plain", "bold plain"),
        ("&Zabc&", "&Zabc&"),
        ("&X4&", "&X4&"),
        ("&Q&", "&Q&"),
        ("Smith & Jones & Co", "Smith & Jones & Co"),
        ("& &F&", "& |"),
        ("&E&F&E&", "&F&"),
        ("&", "&"),
    ],
)
def test_escapes_mean_what_the_standard_says_and_the_rest_stays(sent: str, meant: str) -> None:
    record = _record(f"C|1|I|{sent}|G")
    assert record.field(4) == meant
    assert record.components(4) == (meant,)


def test_an_escaped_delimiter_does_not_separate() -> None:
    record = _record("C|1|I|a&S&b^c&R&d|G")
    assert record.components(4) == ("a^b", "c\\d")
    assert record.field(4) == "a&S&b^c&R&d"


@pytest.mark.parametrize("separator", [b"\r", b"\n", b"\r\n", b"\r\r", b"\r\x00"])
def test_records_end_with_cr_lf_or_both(separator: bytes) -> None:
    (message,) = parse(separator.join([b"H|\\^&", b"P|1", b"L|1|N", b""]))
    assert [record.text for record in message.records] == ["H|\\^&", "P|1", "L|1|N"]


def test_lf_may_be_text_where_the_analyzer_says_so() -> None:
    (message,) = parse(b"H|\\^&\rC|1|I|one\ntwo\rL|1\r", lf_separates=False)
    assert message.records[1].field(4) == "one\ntwo"


def test_blanks_before_a_record_and_a_byte_order_mark_are_dropped() -> None:
    (message,) = parse("\ufeffH|\\^&\r   P|1\r\tR|1|^^^K|4.1  \r L||N\r".encode())
    assert [record.type for record in message.records] == list("HPRL")
    assert message.records[2].field(4) == "4.1  "
    assert message.terminated


def test_records_that_no_header_stands_before_have_the_delimiters_that_are_known() -> None:
    (message,) = parse(b"R|1|^^^A@^^^B|5\r", assumed=Delimiters("|", "@", "^", "\\"))
    (record,) = message.records
    assert (record.repeats(3), record.component(3, 4, 1)) == (2, "B")
    (headed,) = parse(b"H|\\^&\rR|1|^^^A@^^^B|5\rL|1\r", assumed=Delimiters("|", "@", "^", "\\"))
    assert headed.records[1].repeats(3) == 1


def test_a_types_letter_may_be_small() -> None:
    (message,) = parse(b"h|\\^&|||A\rp|1||7\rO|1|SYN-1\rr|1|^^^GLU|5.1\rl|1|N\r")
    assert [record.type for record in message.records] == ["H", "P", "O", "R", "L"]
    assert (message.terminated, message.problems) == (True, ())
    assert message.records[3].text == "r|1|^^^GLU|5.1"


def test_each_header_begins_a_message_with_its_own_delimiters() -> None:
    first, second = parse(b"H|\\^&\rR|1|^^^K|4.1\rH|@!~\rR|1|!!!Na|140\rL|1|N\r")
    assert (first.terminated, second.terminated) == (False, True)
    assert first.records[1].component(3, 4) == "K"
    assert second.records[1].component(3, 4) == "Na"
    assert first.problems == ("no L record",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"R|1|^^^K|4.1\rL|1|N\r", "no H record"),
        (b"H|\\^&\rR|1|^^^K|4.1\r", "no L record"),
        (b"H|\\^&\rL|1|N\rR|1|^^^K|4.1\r", "records after the L record"),
        (b"H|\\^&\rthis is no record\rL|1|N\r", "lines that are no records: 1"),
        (b"H|\\^&\rC|1|I|\x84\rL|1\r", "text read as iso-8859-1, which may be wrong"),
        (b"H|\\\\^&|||x\rL|1\r", "H record writes its repeat delimiter twice, as program text does; it is taken once"),
    ],
)
def test_what_is_odd_is_named_and_kept(text: bytes, problem: str) -> None:
    (message,) = parse(text)
    assert problem in message.problems
    assert len(message.records) == text.count(b"\r")


@pytest.mark.parametrize(
    ("text", "declared", "used", "shown", "problems"),
    [
        ("µL".encode(), None, "utf-8", "µL", 0),
        ("µL".encode("iso-8859-1"), None, "iso-8859-1", "µL", 0),
        ("µL".encode("iso-8859-1"), "iso-8859-1", "iso-8859-1", "µL", 0),
        ("试验".encode("gbk"), "gbk", "gbk", "试验", 0),
        ("試験".encode("shift_jis"), "shift_jis", "shift_jis", "試験", 0),
        ("Ł".encode(), "ascii", "utf-8", "Ł", 1),
        (b"\xff", "no such encoding", "iso-8859-1", "ÿ", 2),
        (b"\xff", "utf-8", "iso-8859-1", "ÿ", 2),
        (b"\x84", None, "iso-8859-1", "\x84", 1),
        (b"x", "a\0b", "utf-8", "x", 1),
    ],
)
def test_text_is_decoded_as_declared_then_utf8_then_latin1(
    text: bytes, declared: str | None, used: str, shown: str, problems: int
) -> None:
    (message,) = parse(b"H|\\^&\rC|1|I|" + text + b"|G\rL|1|N\r", encoding=declared)
    assert message.records[1].field(4) == shown
    assert message.encoding == used
    assert len(message.problems) == problems


def test_a_second_byte_that_looks_like_a_delimiter_does_not_separate() -> None:
    """GBK and Shift JIS letters end in 5C or 7C: only decoding before splitting reads them."""
    letter = b"\x83\x7c"
    assert letter.decode("shift_jis") == "ポ"
    (message,) = parse(b"H|\\^&\rC|1|I|" + letter + b"|G\rL|1\r", encoding="shift_jis")
    assert message.records[1].field(4) == "ポ"
    assert message.records[1].field(5) == "G"


def test_a_flood_of_records_is_cut_and_said() -> None:
    (message,) = parse(b"H|\\^&\r" + b"C\r" * RECORDS_MAX)
    assert len(message.records) == RECORDS_MAX
    assert any(str(RECORDS_MAX + 1) in problem for problem in message.problems)


def test_nothing_gives_no_message() -> None:
    assert parse(b"") == ()
    assert parse(b"\r\n \r") == ()


def test_encode_writes_what_a_person_would() -> None:
    written = encode(
        [
            ["H", "", "", "", ("XN-550", "00-24")],
            ["O", "1", "A|B", "", [("", "", "", "K"), ("", "", "", "Na")], "R", "", ""],
            ["C", "1", "I", "5^6\\7&8\r9"],
            ["L", "1", "N"],
        ]
    )
    assert written == b"H|\\^&|||XN-550^00-24\rO|1|A&F&B||^^^K\\^^^Na|R\rC|1|I|5&S&6&R&7&E&8&X0D&9\rL|1|N\r"


def test_encode_says_in_hex_what_the_encoding_cannot() -> None:
    assert encode([["C", "1", "I", "µ€"]]) == b"C|1|I|\xb5&XE282AC&\r"


@pytest.mark.parametrize(
    "marks", [Delimiters("|", "|", "^", "&"), Delimiters("|", "", "^", "&"), Delimiters("|", "\\", "^", "&&")]
)
def test_encode_refuses_delimiters_that_cannot_be_told_apart(marks: Delimiters) -> None:
    with pytest.raises(ValueError, match="four different"):
        encode([["H"]], marks)


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=12)
_marks = st.permutations("|\\^&@!~`").map(lambda marks: Delimiters(*marks[:4]))


@settings(deadline=None, max_examples=150)
@given(_marks, st.lists(st.lists(_texts, min_size=2, max_size=3).map(tuple), min_size=1, max_size=4))
def test_what_is_encoded_is_parsed_again(marks: Delimiters, fields: list[tuple[str, ...]]) -> None:
    record: list[Field] = ["X", *fields, "end"]
    text = encode([["H", "", ""], record, ["L", "1"]], marks, encoding="utf-8")
    (message,) = parse(text)
    assert message.problems == ()
    assert [message.records[1].components(n) for n in range(2, len(fields) + 2)] == [
        parts if any(parts) or len(parts) > 1 else () for parts in fields
    ]


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from([b"H", b"L", b"|", b"\\", b"^", b"&", b"\r", b"\n", b"\x00", b" ", b"X0D", b"\xff"])).map(
        b"".join
    ),
    st.sampled_from([None, "utf-8", "gbk", "utf-16", "idna", "hex"]),
)
def test_no_bytes_make_it_raise(text: bytes, encoding: str | None) -> None:
    for message in parse(text, encoding=encoding):
        assert message.records
        for record in message.records:
            assert record.text
            for n in range(record.text.count("|") + 3):
                record.field(n)
                assert [record.components(n, repeat) for repeat in range(-1, record.repeats(n) + 1)]
