"""Columns of AU texts: widths found in real texts of several sites, given widths, and texts that must not be guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.vendor.beckman_au_columns import Layout, Sample, head, read, sample_id

TEN = "D 003401 0019          1013002058    E      32   1.4  26  0.81H 02  3.32L "
ELEVEN = "D 001102 0009    B5488820    E017  23.5r 080    25r 099   104r "


def values(sample: Sample | None) -> list[tuple[str, str, str]]:
    assert sample is not None
    return [(result.test, result.value, result.marks) for result in sample.results]


@pytest.mark.parametrize(
    ("text", "specimen", "block", "expected"),
    [
        pytest.param(TEN, "1013002058", "E", [("32", "1.4", ""), ("26", "0.81", "H"), ("02", "3.32", "L")], id="tests of two columns"),
        pytest.param(ELEVEN, "B5488820", "E", [("017", "23.5", "r"), ("080", "25", "r"), ("099", "104", "r")], id="tests of three"),
        pytest.param(
            "D 000101 E005 23072410646    E011144.58  013    14  ",
            "23072410646", "E", [("011", "144.58", ""), ("013", "14", "")], id="a value that touches its test",
        ),
        pytest.param("D 000102 0002                   2    E016  0.14n", "2", "E", [("016", "0.14", "n")], id="the last blank is lost"),
        pytest.param(
            "D 000101 0001SYN-1         0001  5.20  002   141H ",
            "SYN-1", "0", [("001", "5.20", ""), ("002", "141", "H")], id="a block that is not the last",
        ),
        pytest.param(
            "D 000101 0001SYN-1         E 23   101   24     2  ", "SYN-1", "E", [("23", "101", ""), ("24", "2", "")],
            id="test numbers with blanks before them",
        ),
        pytest.param(
            "D 000101 0001SYN-1         E001       ? 002   141  ", "SYN-1", "E", [("001", "", "?"), ("002", "141", "")],
            id="a flag and no value",
        ),
        pytest.param("D 000101 0001SYN-1         E", "SYN-1", "E", [], id="no tests at all"),
        pytest.param(
            "D 000101 0001SYN-1         E001     23.5r       002      104  n     ", "SYN-1", "E",
            [("001", "23.5", "r"), ("002", "104", "n")], id="values of nine columns, flags of eight",
        ),
    ],
)  # fmt: skip
def test_widths_are_found(text: str, specimen: str, block: str, expected: list[tuple[str, str, str]]) -> None:
    sample = read(text, Layout())
    assert sample is not None
    assert (sample.sample_id, sample.block) == (specimen, block)
    assert values(sample) == expected


def test_the_head_of_a_real_text() -> None:
    sample = read("D 000101 E005 23072410646    E002  4.15  ", Layout())
    assert sample is not None
    assert sample.head[:5] == ("", "0001", "01", " ", "E005")


def test_a_unit_number_shifts_all_that_follows() -> None:
    sample = read("D 02000101U0001SYN-1         E001  4.15  ", Layout())
    assert sample is not None
    assert sample.head[:5] == ("02", "0001", "01", "U", "0001")


@pytest.mark.parametrize(
    ("about", "sex", "years", "months", "info"),
    [
        ("M045 6", "M", "045", "6", ()),
        ("0     ", "0", "", "", ()),
        ("F067  " + " " * 40, "F", "067", "", ()),
    ],
)
def test_columns_about_the_patient_are_found(about: str, sex: str, years: str, months: str, info: tuple[str, ...]) -> None:
    sample = read(f"D 000101 0001SYN-1         E{about}014    33n 015    64n ", Layout())
    assert sample is not None
    assert (sample.sex, sample.years, sample.months, sample.info) == (sex, years, months, info)
    assert values(sample) == [("014", "33", "n"), ("015", "64", "n")]


def test_given_widths_cut_the_texts_about_the_patient() -> None:
    text = "D 000101 0001SYN-1         EF067  " + "SYN-P1".ljust(20) + "SYN,ANNA".ljust(20) + "014    33n "
    sample = read(text, Layout(about=True, info=(20, 20)))
    assert sample is not None
    assert sample.info == ("SYN-P1", "SYN,ANNA")


def test_a_dilution_column_has_to_be_said() -> None:
    sample = read("D 000101 0001SYN-1         E160  45.0  171  12.5  ", Layout(test=2, dilution=1, value=6, marks=2))
    assert sample is not None
    assert [result[:3] for result in sample.results] == [("16", "0", "45.0"), ("17", "1", "12.5")]


def test_given_widths_take_any_word_for_a_value_and_any_flag() -> None:
    sample = read("D 000101 0001SYN-1         E016   POS1Q", Layout(test=3, value=6, marks=2))
    assert values(sample) == [("016", "POS", "1Q")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("D 000101 0001SYN-1         E016   POS  ", id="a word in the place of a number"),
        pytest.param("D 000101 0001SYN-1         E017  23.5r 080   25r ", id="a column was lost in the middle"),
        pytest.param("D 000101 0001SYN-1         E017  23.5r  080    25r 099   104r ", id="a column too many"),
        pytest.param("D 000101 0001SYN-1     117  23.5r ", id="no block mark"),
        pytest.param(
            "D 000101 0001SYN-1         EF067  SYN-P1              017  23.5r ", id="a text about the patient of unknown width"
        ),
        pytest.param("D 00010", id="not even a head"),
        pytest.param("DXABCDEFGHIJKLMNOPQ    E017  23.5r ", id="a head of letters"),
    ],
)
def test_what_does_not_fit_is_not_read(text: str) -> None:
    assert read(text, Layout()) is None


def test_what_could_mean_two_things_is_not_read() -> None:
    # Where a blank value ends nobody knows, and it does not matter; a "-" may be a value or the flag behind it, and that does.
    assert read("D 000101 0001SYN-1         E017        r", Layout()) is not None
    assert read("D 000101 0001SYN-1         E017        -", Layout()) is None


@given(st.integers(0, len(ELEVEN) - 1))
def test_a_lost_character_never_becomes_another_value(at: int) -> None:
    """Whatever is read of a damaged text is what the text says of other tests, never a value in another test's place."""
    sample = read(ELEVEN[:at] + ELEVEN[at + 1 :], Layout())
    if sample is not None and at >= 29:  # the block mark and all behind it
        assert {found[:2] for found in values(sample)} <= {said[:2] for said in values(read(ELEVEN, Layout()))}


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=120))
def test_no_text_makes_it_raise(text: str) -> None:
    read("D " + text, Layout())


@pytest.mark.parametrize(
    ("text", "number", "specimen"),
    [("R 000201 00041911040056", "0004", "1911040056"), ("R 003201 0018          1013002058", "0018", "1013002058"), ("R 000101 0001", "0001", "")],
)  # fmt: skip
def test_an_inquiry_ends_with_the_id(text: str, number: str, specimen: str) -> None:
    found = head(text, Layout())
    assert found is not None
    assert (found.number, sample_id(text, found)) == (number, specimen)
