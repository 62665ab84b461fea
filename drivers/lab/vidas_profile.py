"""What may be set of a bioMérieux instrument: the schema of the files in vidas_analyzers/, explained in docs/drivers/vidas.md."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal

from pydantic import Field

from drivers.lab.shared_options import (
    STANDARD_ABSENT,
    STANDARD_FAILED,
    Absent,
    AnalyteOptions,
    AnalyzerOptions,
    Letter,
    Pattern,
    Unit,
)
from drivers.lab.values import Reading
from gateway.driver import Options
from protocols.vendor.vidas import BciProfile, Checksum, Framing

_LINE = BciProfile()

UNITS = {
    "mUI/ml": "m[IU]/mL",
    "UI/ml": "[IU]/mL",
    "µUI/ml": "u[IU]/mL",
    "uUI/ml": "u[IU]/mL",
    "mUI/mL": "m[IU]/mL",
    "UI/mL": "[IU]/mL",
}
"""Instruments set to French write UI (unités internationales)."""

CONTROLS = "(?i:C[123]|S[12]|QCV)"
"""Sample names of a kit's controls and standards, and of the pipette and optics check."""


class BciLinkOptions(Options):
    """The switches of the line: the fields of protocols.vendor.vidas.BciProfile, which explains them."""

    framing: Framing = _LINE.framing
    """Which protocol carries the texts: bci, astm, or auto, by the bytes."""
    checksum: Checksum = _LINE.checksum
    """required; if-present: a message without one is heard; none: never looked at."""
    message_max: int = Field(default=_LINE.message_max, ge=1024)
    """Bytes of a message."""
    silence_s: float = Field(default=_LINE.silence_s, gt=0)
    """Seconds of silence after which half a message is given up."""
    reply_s: float = Field(default=_LINE.reply_s, gt=0)
    """Seconds after which an acknowledgement comes too late."""

    def line_profile(self) -> BciProfile:
        """The same in the protocol's own words."""
        return BciProfile(
            framing=self.framing,
            checksum=self.checksum,
            message_max=self.message_max,
            silence_s=self.silence_s,
            reply_s=self.reply_s,
        )


class VidasOptions(AnalyzerOptions):
    """One instrument."""

    maker: str = "bioMérieux"
    """The maker: for the terms and the device's name."""

    link: BciLinkOptions = BciLinkOptions()
    """The switches of the line."""
    date: Literal["auto", "MDY", "DMY", "YMD"] = "auto"
    """MDY, DMY, YMD; auto: by what is above twelve, else by the length of the year. A year in front is always one."""
    analytes: dict[str, AnalyteOptions] = Field(default_factory=dict)
    """A table a code: what the profile knows of it."""
    units: dict[str, Unit] = UNITS
    """The device's unit → UCUM, before the terms are asked; "" says that it is no unit."""
    flags: dict[str, str] = Field(default_factory=dict)
    """Category of an antibiotic → flag."""
    specimen: str = ""
    """What was examined when the device does not say."""
    status: Letter = "R"
    """OBX-11 of every result."""
    doubtful: Pattern = "(?!valid$).+"
    """A regular expression: states of calibration that make a value questionable."""
    decimal_comma: bool = False
    """"1,234" is 1.234; what can only be a decimal is one anyway."""
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    """Ways to write that there is no value: a regular expression, and why."""
    failed: Pattern = STANDARD_FAILED
    """A regular expression for words that stand for a result that could not be obtained: status X."""
    control_ids: Pattern = CONTROLS
    """A regular expression: names of samples and tests that are no patient's."""

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        return Reading(tuple((re.compile(way.text), way.why) for way in self.absent), self.decimal_comma, scientific=False)
