"""The columns of a Beckman Coulter AU text: where sample, tests, values and flags stand, as far as the site's widths are known.

    D .[uu]rrrrcctnnnn<id ……>dddd<b>[s yyy mm <info …>] ttt vvvvvv ff  ttt vvvvvv ff …       (no blanks between the columns)
       │   │   │ ││    │      │   │  └ sex, years, months, up to six texts about the patient: each can be switched off
       │   │   │ ││    │      │   └ block: E the last or only one, 0, 1, … those before it
       │   │   │ ││    │      └ four columns that mean nothing
       │   │   │ ││    └ sample id, 10 to 26 columns      └ (no. of sample: nnnn, or Ennn emergency, Pnnn stat)
       │   │   │ │└ sample number                          ttt  online test number, 2 or 3 columns; a dilution digit may follow
       │   │   │ └ sample type: blank serum, U urine, X other     vvvvvv  6 or 9 columns, right-justified
       │   │   └ cup position                                     ff  flags, 2 columns or more
       └ unit number, where there are several

Every site sets these widths in the analyzer's menu, and no text says them. Where the profile does not, they are found: the
widths must fit every column of the text, to its end, in one way only. A text that fits in no way, or in two that mean
different things, is not read at all. Found widths take only blank texts about the patient, and a block that is not the last
only with two tests or more: what a lost character leaves must not pass for a text of another site.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

BLOCKS = "E0123456789"
ID_MAX = 26
"""Columns of a sample id: the widest the analyzers offer."""
MARKS_MAX = 8
"""Columns of flags behind a value: the widest seen."""
ABOUT = (1, 3, 2)
"""Sex, years, months: columns."""
INFO_MAX = 6 * 20
"""Columns of all texts about the patient: six of 20, the most the analyzers offer."""
_TESTS, _VALUES = (3, 2), (6, 9)
_RACK = re.compile(r"[0-9A-Z ]*\Z")
_CUP = re.compile(r"[0-9 ]*\Z")
_KIND = re.compile(r"[A-Z ]\Z")
_NUMBER = re.compile(r"[ A-Z]{0,2}[0-9 ]*\Z")
_VALUE = re.compile(r" *(?:[-+<>]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)|[-+*/?]*)\Z")
_MARKS = re.compile(r"[^0-9.]*\Z")
_ABOUT = re.compile(r"[0 MFU][0-9 ]{3}[0-9 ]{2}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The widths of one site, in columns. None: found in each text."""

    unit: int | None = None
    rack: int = 4
    cup: int = 2
    number: int = 4
    sample_id: int | None = None
    dummy: int = 4
    about: bool | None = None
    """Whether sex, years and months are there."""
    info: tuple[int, ...] | None = None
    test: int | None = None
    dilution: int = 0
    value: int | None = None
    marks: int | None = None

    @property
    def known(self) -> bool:
        """Whether the widths of a test's columns are given and need not be found."""
        return None not in (self.test, self.value, self.marks)


class Head(NamedTuple):
    """Whose the text is, as the analyzer counts: `kind` is the sample type, `size` the columns up to the sample id."""

    unit: str
    rack: str
    cup: str
    kind: str
    number: str
    size: int


class TestResult(NamedTuple):
    """One test's columns without the blanks around: online test number, dilution, value, flags."""

    test: str
    dilution: str
    value: str
    marks: str


class Sample(NamedTuple):
    """What a result text says. `info` are the texts about the patient, none where their widths are not known."""

    head: Head
    sample_id: str
    block: str
    sex: str
    years: str
    months: str
    info: tuple[str, ...]
    results: tuple[TestResult, ...]


def head(text: str, layout: Layout) -> Head | None:
    """The columns that every text about a sample begins with; None where they are not."""
    for unit in (0, 2) if layout.unit is None else (layout.unit,):
        at, parts = 2, []
        for width in (unit, layout.rack, layout.cup, 1, layout.number):
            parts.append(text[at : at + width])
            at += width
        if len(text) >= at and _is_head(parts):
            return Head(parts[0], parts[1].strip(), parts[2].strip(), parts[3], parts[4].strip(), at)
    return None


def sample_id(text: str, found: Head) -> str:
    """The id of a text that ends with it (an inquiry)."""
    return text[found.size :].strip()


def read(text: str, layout: Layout) -> Sample | None:
    """A result text; None where its columns are not those of the layout, or nobody can know which they are."""
    found = head(text, layout)
    if found is None:
        return None
    for block_at in _blocks(text, found.size, layout):
        sample = _sample(text, found, block_at, layout)
        if sample is not None:
            return sample
    return None


def _is_head(parts: list[str]) -> bool:
    unit, rack, cup, kind, number = parts
    grammar = ((_CUP, unit), (_RACK, rack), (_CUP, cup), (_KIND, kind), (_NUMBER, number))
    return all(rule.match(part) for rule, part in grammar) and number.strip() != ""


def _blocks(text: str, begin: int, layout: Layout) -> Iterator[int]:
    """Where the block mark may stand: E before digits, for a digit is also what blanks before a value end in."""
    if layout.sample_id is not None:
        at = begin + layout.sample_id + layout.dummy
        if text[at : at + 1] and text[at] in BLOCKS:
            yield at
        return
    blank = " " * layout.dummy
    ends = range(begin + layout.dummy, min(begin + ID_MAX + layout.dummy, len(text) - 1) + 1)
    places = [at for at in ends if text[at] in BLOCKS and text[at - layout.dummy : at] == blank]
    yield from sorted(places, key=lambda at: text[at] != "E")


def _sample(text: str, found: Head, block_at: int, layout: Layout) -> Sample | None:
    rest = text[block_at + 1 :]
    for size in _abouts(rest, text[block_at], layout):
        results = _results(rest[size:], layout)
        if results is not None and (text[block_at] == "E" or len(results) > 1 or layout.known):
            about = rest[: sum(ABOUT)] if size else ""
            sex, years, months = about[:1].strip(), about[1:4].strip(), about[4:6].strip()
            info = tuple(_cut(rest[len(about) : size], layout.info or ()))
            name = text[found.size : block_at - layout.dummy].strip()
            return Sample(found, name, text[block_at], sex, years, months, info, results)
    return None


def _abouts(rest: str, block: str, layout: Layout) -> Iterator[int]:
    """Columns between block mark and tests, fewest first: none, those of the person, and texts about the patient."""
    if layout.about is not True and not layout.info:
        yield 0
    if layout.about is False or not _ABOUT.match(rest[: sum(ABOUT)]):
        return
    if layout.info is not None:
        yield sum(ABOUT) + sum(layout.info)
        return
    blank = len(rest) - len(rest[sum(ABOUT) :].lstrip()) if block == "E" else 0
    yield from range(sum(ABOUT), max(sum(ABOUT), min(blank, sum(ABOUT) + INFO_MAX)) + 1)


def _results(text: str, layout: Layout) -> tuple[TestResult, ...] | None:
    """The tests, where the widths fit in one way only; () where there are none."""
    if not text.strip():
        return () if layout.test is not None or not text else None
    readings = {
        found
        for test in ((layout.test,) if layout.test else _TESTS)
        for value in ((layout.value,) if layout.value else _VALUES)
        for marks in ((layout.marks,) if layout.marks is not None else range(1, MARKS_MAX + 1))
        if (found := _groups(text, (test, layout.dilution, value, marks), known=layout.known)) is not None
    }
    return readings.pop() if len(readings) == 1 else None


def _groups(text: str, widths: tuple[int, int, int, int], *, known: bool) -> tuple[TestResult, ...] | None:
    """The tests in these widths; where they are only tried (not `known`), value and flags must look like such, too."""
    test, dilution, _, marks = widths
    size = sum(widths)
    missing = -len(text) % size
    if missing > marks:
        return None
    text += " " * missing
    found = []
    for at in range(0, len(text), size):
        code, diluted = text[at : at + test], text[at + test : at + test + dilution]
        value, flags = text[at + test + dilution : at + size - marks], text[at + size - marks : at + size]
        if not code.lstrip().isdigit() or not (known or (_VALUE.match(value) and _MARKS.match(flags))):
            return None
        found.append(TestResult(code.strip(), diluted.strip(), value.strip(), flags.strip()))
    return tuple(found)


def _cut(text: str, widths: tuple[int, ...]) -> Iterator[str]:
    at = 0
    for width in widths:
        yield text[at : at + width].strip()
        at += width
