"""What may be set of an AU analyzer: the schema of the files in beckman_au_analyzers/, see docs/drivers/beckman-au.md."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drivers.lab.shared_options import STANDARD_ABSENT, Absent, AnalyteOptions, AnalyzerOptions, Letter, Pattern, Unit
from drivers.lab.values import Reading
from gateway.driver import Options
from gateway.model import Validity
from protocols.vendor.beckman_au import Check, Handshake, LineProfile
from protocols.vendor.beckman_au_columns import ID_MAX, MARKS_MAX, Layout

_LINE = LineProfile()
_COLUMNS = Layout()

Mark = Annotated[tuple[Annotated[int, Field(ge=1, le=31)], ...], Field(min_length=1, max_length=2)]
"""One or two control characters that begin or end a text."""

MEANINGS = {
    "/": "test not performed",
    "S": "result taken over from a rerun",
    "?": "could not be calculated",
    "R": "reagent level",
    "#": "sample level",
    "!": "photometry fault",
    ">": "absorbance above range",
    "<": "absorbance below range",
    "-": "result below zero",
    "U": "reagent blank below range",
    "u": "reagent absorbance below range",
    "Y": "reagent blank above range",
    "y": "reagent absorbance above range",
    "@": "absorbance too high at every wavelength",
    "$": "linearity could not be judged",
    "D": "reaction above the absorbance range",
    "B": "reaction below the absorbance range",
    "*": "not linear",
    "&": "data check 2",
    "Z": "data check 1",
    "F": "above the dynamic range",
    "G": "below the dynamic range",
    "p": "beyond the panic limit",
    "T": "fails the check between tests",
    "W": "photometer not calibrated",
    "J": "above the rerun range",
    "K": "below the rerun range",
}
"""The analyzers' flags as a host program for them explains them; H and L need no word, others (r, n, e, …) nobody told."""

DOUBTFUL = ("?", "R", "#", "!", ">", "<", "U", "u", "Y", "y", "@", "$", "D", "B", "*", "&", "Z", "W")
"""Those that cast doubt on the measurement itself."""

FLAGS = {"F": ">", "G": "<", "p": "AA", "P": "POS", "N": "NEG", **dict.fromkeys("RSDUBW<>", "")}
"""HL7 table 0078 where it has the same; nothing where it has the letter in another meaning (S: susceptible): words then."""

ABSENT = (*STANDARD_ABSENT, Absent(text=r"[/?]+", why=Validity.INVALID))
"""A flag alone in a value's columns: the test was not performed, or could not be calculated."""

SPECIMENS = {" ": "Serum/Plasma", "U": "Urine", "X": "Other"}
"""Sample type, column 9 (AU2700 & AU5400 On-line Specifications, alarms 13 to 16)."""


def _plain(analytes: dict[str, AnalyteOptions]) -> dict[str, AnalyteOptions]:
    return {code.lstrip("0"): known for code, known in analytes.items()}


class AuLinkOptions(Options):
    """The switches of the line: the fields of protocols.vendor.beckman_au.LineProfile, which explains them."""

    start: Mark = tuple(_LINE.start)
    """The byte, or two, that begins a text."""
    end: Mark = tuple(_LINE.end)
    """The byte, or two, that ends it."""
    block_end: Mark = tuple(_LINE.block_end)
    """The byte, or two, that ends a block of a text of several."""
    check: Check = _LINE.check
    """required: a check byte stands behind every text; none; if-present: goes by what comes."""
    handshake: Handshake = _LINE.handshake
    """class-b: texts are answered with ACK or NAK; class-a: nobody answers."""
    text_max: int = Field(default=_LINE.text_max, ge=64)
    """Bytes of a text."""
    reply_s: float = Field(default=_LINE.reply_s, gt=0)
    """Seconds to wait for an answer to a text of ours."""
    tries: int = Field(default=_LINE.tries, ge=1, le=10)
    """How often a text of ours is said."""
    quiet_s: float = Field(default=_LINE.quiet_s, gt=0)
    """Silence that settles whether a check byte follows."""
    pause_s: float = Field(default=_LINE.pause_s, ge=0)
    """Seconds after its text in which the analyzer is deaf (t1 and t3 of the specification: up to 0.5)."""

    def line_profile(self) -> LineProfile:
        """The same in the protocol's own words."""
        return LineProfile(
            start=bytes(self.start),
            end=bytes(self.end),
            block_end=bytes(self.block_end),
            check=self.check,
            handshake=self.handshake,
            text_max=self.text_max,
            reply_s=self.reply_s,
            tries=self.tries,
            quiet_s=self.quiet_s,
            pause_s=self.pause_s,
        )


class ColumnOptions(Options):
    """The widths of the site's columns: the fields of protocols.vendor.beckman_au_columns.Layout; none given: found."""

    unit: Literal[0, 2] | None = None
    """0, or 2 columns of unit number."""
    rack: int = Field(default=_COLUMNS.rack, ge=1, le=8)
    """Columns of the rack."""
    cup: int = Field(default=_COLUMNS.cup, ge=1, le=4)
    """Columns of the place in it."""
    number: int = Field(default=_COLUMNS.number, ge=1, le=8)
    """Columns of the sample's number."""
    sample_id: int | None = Field(default=_COLUMNS.sample_id, ge=0, le=ID_MAX)
    """Columns of the sample's id; found from what comes when not given."""
    dummy: int = Field(default=_COLUMNS.dummy, ge=0, le=8)
    """Columns before the block mark."""
    about: bool | None = _COLUMNS.about
    """Whether sex (1), years (3) and months (2) are there; found when not given."""
    info: tuple[Annotated[int, Field(ge=0, le=20)], ...] | None = Field(default=_COLUMNS.info, max_length=6)
    """Columns of each text about the patient; found when not given and blank."""
    test: Literal[2, 3] | None = None
    """Columns of a test number, 2 or 3; found when not given."""
    dilution: Literal[0, 1] = 0
    """1: a dilution digit behind the test number. It cannot be found."""
    value: int | None = Field(default=_COLUMNS.value, ge=4, le=12)
    """Columns of a value; found when not given."""
    marks: int | None = Field(default=_COLUMNS.marks, ge=1, le=MARKS_MAX)
    """Columns of its flags; found when not given."""

    def layout(self) -> Layout:
        """The same in the protocol's own words."""
        return Layout(**self.model_dump())


class AuOrderOptions(Options):
    """How the analyzer is told its orders."""

    answer: bool = True
    """Answer questions for orders; false: they are acknowledged and nothing is sent."""
    tests: dict[str, str] = Field(default_factory=dict)
    """The laboratory system's code → online test number; where any is given, other tests are left to other analyzers."""


class AuOptions(AnalyzerOptions):
    """One analyzer."""

    maker: str = "Beckman"
    """The maker: for the terms and the device's name."""

    link: AuLinkOptions = AuLinkOptions()
    """The switches of the line."""
    columns: ColumnOptions = ColumnOptions()
    """Where things stand in a text, in columns."""
    orders: AuOrderOptions = AuOrderOptions()
    """How it asks for orders and is told them."""

    analytes: Annotated[dict[str, AnalyteOptions], AfterValidator(_plain)] = Field(default_factory=dict)
    """A table a code: what the profile knows of it."""
    names: dict[str, str] = Field(default_factory=dict)
    """Test number → the test's name."""
    units: dict[str, Unit] = Field(default_factory=dict)
    """The device's unit → UCUM, before the terms are asked; "" says that it is no unit."""
    specimens: dict[str, str] = SPECIMENS
    """Sample type → the terms' word."""
    number_is_id: bool = False
    """A sample without an id is known by its number."""
    patient_id: int = Field(default=0, ge=0, le=6)
    """Which of the texts about the patient holds the id; 0: none."""
    patient_name: int = Field(default=0, ge=0, le=6)
    """Which of them holds the name; 0: none."""
    status: Letter = "R"
    """OBX-11 of every result: no text says whether anybody looked at it."""
    flags: dict[str, str] = FLAGS
    """Flag → HL7 table 0078; "" says nothing."""
    meanings: dict[str, str] = MEANINGS
    """Flag → words for a note."""
    doubtful_flags: tuple[str, ...] = DOUBTFUL
    """Flags that make a value questionable."""
    absent: tuple[Absent, ...] = ABSENT
    """Ways to write that there is no value: a regular expression, and why."""
    control_ids: Pattern | None = None
    """A regular expression: samples of such ids are controls."""

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        return Reading(tuple((re.compile(way.text), way.why) for way in self.absent), decimal_comma=False, scientific=False)

    @cached_property
    def layout(self) -> Layout:
        """The columns."""
        return self.columns.layout()
