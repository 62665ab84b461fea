"""What may be set of an AU analyzer: the schema of the files in beckman_au_analyzers/, see docs/drivers/beckman-au.md."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drivers.lab.shared_options import STANDARD_ABSENT, Absent, AnalyteOptions, Letter, Pattern, Unit
from drivers.lab.values import Reading
from gateway.driver import Options
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

SPECIMENS = {" ": "Serum/Plasma", "U": "Urine", "X": "Other"}
"""Sample type, column 9 (AU2700 & AU5400 On-line Specifications, alarms 13 to 16)."""


def _plain(analytes: dict[str, AnalyteOptions]) -> dict[str, AnalyteOptions]:
    return {code.lstrip("0"): known for code, known in analytes.items()}


class AuLinkOptions(Options):
    """The switches of the line: the fields of protocols.vendor.beckman_au.LineProfile, which explains them."""

    start: Mark = tuple(_LINE.start)
    end: Mark = tuple(_LINE.end)
    block_end: Mark = tuple(_LINE.block_end)
    check: Check = _LINE.check
    handshake: Handshake = _LINE.handshake
    text_max: int = Field(default=_LINE.text_max, ge=64)
    reply_s: float = Field(default=_LINE.reply_s, gt=0)
    tries: int = Field(default=_LINE.tries, ge=1, le=10)
    quiet_s: float = Field(default=_LINE.quiet_s, gt=0)
    pause_s: float = Field(default=_LINE.pause_s, ge=0)

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
    rack: int = Field(default=_COLUMNS.rack, ge=1, le=8)
    cup: int = Field(default=_COLUMNS.cup, ge=1, le=4)
    number: int = Field(default=_COLUMNS.number, ge=1, le=8)
    sample_id: int | None = Field(default=_COLUMNS.sample_id, ge=0, le=ID_MAX)
    dummy: int = Field(default=_COLUMNS.dummy, ge=0, le=8)
    about: bool | None = _COLUMNS.about
    info: tuple[Annotated[int, Field(ge=0, le=20)], ...] | None = Field(default=_COLUMNS.info, max_length=6)
    test: Literal[2, 3] | None = None
    dilution: Literal[0, 1] = 0
    value: int | None = Field(default=_COLUMNS.value, ge=4, le=12)
    marks: int | None = Field(default=_COLUMNS.marks, ge=1, le=MARKS_MAX)

    def layout(self) -> Layout:
        """The same in the protocol's own words."""
        return Layout(**self.model_dump())


class AuOrderOptions(Options):
    """How the analyzer is told its orders."""

    answer: bool = True
    tests: dict[str, str] = Field(default_factory=dict)


class AuOptions(Options):
    """One analyzer."""

    maker: str = "Beckman"
    models: tuple[str, ...] = ()
    evidence: Literal["capture", "document", "general"] = "general"
    source: str = ""

    link: AuLinkOptions = AuLinkOptions()
    columns: ColumnOptions = ColumnOptions()
    orders: AuOrderOptions = AuOrderOptions()

    analytes: Annotated[dict[str, AnalyteOptions], AfterValidator(_plain)] = Field(default_factory=dict)
    names: dict[str, str] = Field(default_factory=dict)
    units: dict[str, Unit] = Field(default_factory=dict)
    specimens: dict[str, str] = SPECIMENS
    number_is_id: bool = False
    patient_id: int = Field(default=0, ge=0, le=6)
    patient_name: int = Field(default=0, ge=0, le=6)
    status: Letter = "R"
    flags: dict[str, str] = FLAGS
    meanings: dict[str, str] = MEANINGS
    doubtful_flags: tuple[str, ...] = DOUBTFUL
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    control_ids: Pattern | None = None

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        return Reading(tuple((re.compile(way.text), way.why) for way in self.absent), decimal_comma=False, scientific=False)

    @cached_property
    def layout(self) -> Layout:
        """The columns."""
        return self.columns.layout()
