"""What may be set of a bioMérieux instrument: the schema of the files in vidas_analyzers/, explained in docs/drivers/vidas.md."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal

from pydantic import Field

from drivers.lab.shared_options import STANDARD_ABSENT, STANDARD_FAILED, Absent, AnalyteOptions, Letter, Pattern, Unit
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
    checksum: Checksum = _LINE.checksum
    message_max: int = Field(default=_LINE.message_max, ge=1024)
    silence_s: float = Field(default=_LINE.silence_s, gt=0)
    reply_s: float = Field(default=_LINE.reply_s, gt=0)

    def line_profile(self) -> BciProfile:
        """The same in the protocol's own words."""
        return BciProfile(
            framing=self.framing,
            checksum=self.checksum,
            message_max=self.message_max,
            silence_s=self.silence_s,
            reply_s=self.reply_s,
        )


class VidasOptions(Options):
    """One instrument."""

    maker: str = "bioMérieux"
    models: tuple[str, ...] = ()
    evidence: Literal["capture", "document", "general"] = "general"
    source: str = ""

    link: BciLinkOptions = BciLinkOptions()
    date: Literal["auto", "MDY", "DMY", "YMD"] = "auto"
    analytes: dict[str, AnalyteOptions] = Field(default_factory=dict)
    units: dict[str, Unit] = UNITS
    flags: dict[str, str] = Field(default_factory=dict)
    specimen: str = ""
    status: Letter = "R"
    doubtful: Pattern = "(?!valid$).+"
    decimal_comma: bool = False
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    failed: Pattern = STANDARD_FAILED
    control_ids: Pattern = CONTROLS

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        return Reading(tuple((re.compile(way.text), way.why) for way in self.absent), self.decimal_comma, scientific=False)
