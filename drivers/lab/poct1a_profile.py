"""What may be set of a POCT1-A device: the schema of the files in poct_devices/, explained in docs/drivers/poct1a.md."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal

from pydantic import Field

from drivers.lab.shared_options import STANDARD_ABSENT, STANDARD_FAILED, Absent, AnalyteOptions, Pattern, Unit
from drivers.lab.values import Reading
from gateway.driver import Options
from protocols.poct1a.profile import ConversationProfile

_TALK = ConversationProfile()
_NAME = r"^[A-Za-z_][\w.-]*$"
"""An element's name in XML."""

NOT_PATIENTS = ("LQC", "EQC", "QC", "PRF", "CAL", "CVR", "LIN")
"""SVC.role_cd of what no patient gave: controls liquid and electronic, proficiency, calibration and its verification, linearity."""


class ConversationOptions(Options):
    """The switches of the conversation: the fields of protocols.poct1a.profile.ConversationProfile, which explains them."""

    ask: bool = _TALK.ask
    ask_always: bool = _TALK.ask_always
    events: bool = _TALK.events
    continuous: bool = _TALK.continuous
    end: bool = _TALK.end
    end_note: str = _TALK.end_note
    set_time: bool = _TALK.set_time
    directives: tuple[tuple[str, str], ...] = _TALK.directives
    ack_eot: bool = _TALK.ack_eot
    ack_type: str = Field(default=_TALK.ack_type, pattern=_NAME)
    ack_id: str = Field(default=_TALK.ack_id, pattern=_NAME)
    refusal: Literal["AE", "AR"] = _TALK.refusal
    idle_s: float = Field(default=_TALK.idle_s, ge=0)
    document_max: int = Field(default=_TALK.document_max, ge=1024)


class ListOptions(Options):
    """How the device is told lists: docs/lists.md."""

    operators: bool = True
    patients: bool = True
    incremental: bool = True
    eot_topic: Literal["message", "topic"] = "message"
    levels: dict[str, str] = Field(default_factory=dict)
    patient_query: str = Field(default="", pattern=r"^(DTV\.[A-Z0-9_.]+)?$")


class Poct1aOptions(Options):
    """One device type."""

    maker: str = ""
    models: tuple[str, ...] = ()
    evidence: Literal["capture", "document", "general"] = "general"
    source: str = ""

    conversation: ConversationOptions = ConversationOptions()
    lists: ListOptions = ListOptions()

    analytes: dict[str, AnalyteOptions] = Field(default_factory=dict)
    units: dict[str, Unit] = Field(default_factory=dict)
    flags: dict[str, str] = Field(default_factory=dict)
    specimens: dict[str, str] = Field(default_factory=dict)
    specimen: str = ""
    decimal_comma: bool = False
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    failed: Pattern = STANDARD_FAILED
    qc_roles: tuple[str, ...] = NOT_PATIENTS
    nobody: tuple[str, ...] = ()
    temperature_note: bool = False
    silent_notes: tuple[str, ...] = ()
    flag_notes: tuple[str, ...] = ()

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        absent = tuple((re.compile(way.text), way.why) for way in self.absent)
        return Reading(absent, self.decimal_comma, scientific=False)

    def conversation_profile(self) -> ConversationProfile:
        """The conversation's settings in the protocol's own words."""
        return ConversationProfile(**self.conversation.model_dump())
