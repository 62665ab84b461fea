"""What may be set of a POCT1-A device: the schema of the files in poct_devices/, explained in docs/drivers/poct1a.md."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal

from pydantic import Field

from drivers.lab.shared_options import STANDARD_ABSENT, STANDARD_FAILED, Absent, AnalyteOptions, AnalyzerOptions, Pattern, Unit
from drivers.lab.values import Reading
from gateway.driver import Options
from protocols.poct1a.profile import ConversationProfile

_TALK = ConversationProfile()
_NAME = r"^[A-Za-z_][\w.-]*$"
"""An element's name in XML."""

NOT_PATIENTS = ("LQC", "EQC", "AQC", "QC", "PRF", "CAL", "CVR", "LIN")
"""SVC.role_cd of what no patient gave: liquid and electronic controls, proficiency, calibration, its verification, linearity."""


class ConversationOptions(Options):
    """The switches of the conversation: the fields of protocols.poct1a.profile.ConversationProfile, which explains them."""

    ask: bool = _TALK.ask
    """Ask for results after DST; false: the device sends them unasked."""
    ask_always: bool = _TALK.ask_always
    """Ask even when DST announces none."""
    events: bool = _TALK.events
    """Ask for events too, where the device has the topic D_EV."""
    continuous: bool = _TALK.continuous
    """START_CONTINUOUS, where the device supports it."""
    end: bool = _TALK.end
    """END when everything was asked and told, and the device is not continuous; never where it sends unasked."""
    end_note: str = _TALK.end_note
    """The note of our END: RECONNECT:10 has a Nova meter call again after ten minutes."""
    set_time: bool = _TALK.set_time
    """Set the device's clock, where it supports that."""
    directives: tuple[tuple[str, str], ...] = _TALK.directives
    """A maker's own, after DST: [["DTV.SIEM.DVCMD", "…"]], where HEL names the message as a topic or the command as a
    directive."""
    ack_eot: bool = _TALK.ack_eot
    """Acknowledge an EOT that answers our REQ."""
    ack_type: str = Field(default=_TALK.ack_type, pattern=_NAME)
    """The field of our acknowledgement that says AA or AE."""
    ack_id: str = Field(default=_TALK.ack_id, pattern=_NAME)
    """The field of our acknowledgement that repeats the message's id."""
    refusal: Literal["AE", "AR"] = _TALK.refusal
    """The answer when nothing can be kept: AR or AE."""
    idle_s: float = Field(default=_TALK.idle_s, ge=0)
    """Silence after which a keep-alive is sent; 0: never."""
    document_max: int = Field(default=_TALK.document_max, ge=1024)
    """Bytes of a document."""


class ListOptions(Options):
    """How the device is told lists: docs/lists.md."""

    operators: bool = True
    """Tell it the list of operators, where HEL names the topic."""
    patients: bool = True
    """Tell it the list of patients, where HEL names the topic."""
    incremental: bool = True
    """Changes alone, where HEL names that topic; false: the whole list each time (Sofia)."""
    eot_topic: Literal["message", "topic"] = "message"
    """What ends a list: message (OPL, PTL) or topic (OP_LST, PT_LST)."""
    levels: dict[str, str] = Field(default_factory=dict)
    """The maker's numbers for user, supervisor, administrator."""
    patient_query: str = Field(default="", pattern=r"^(DTV\.[A-Z0-9_.]+)?$")
    """The message that answers a HEL which asks for a patient (GeneXpert: DTV.CEPHEID.PTQRY)."""


class Poct1aOptions(AnalyzerOptions):
    """One device type."""

    maker: str = ""
    """The maker: for the terms and the device's name."""

    conversation: ConversationOptions = ConversationOptions()
    """The switches of the conversation."""
    lists: ListOptions = ListOptions()
    """How it is told lists of operators and patients."""

    analytes: dict[str, AnalyteOptions] = Field(default_factory=dict)
    """A table a code: what the profile knows of it."""
    units: dict[str, Unit] = Field(default_factory=dict)
    """The device's unit → UCUM, before the terms are asked; "" says that it is no unit."""
    flags: dict[str, str] = Field(default_factory=dict)
    """The device's flag → HL7 table 0078; "" says that it is no flag."""
    specimens: dict[str, str] = Field(default_factory=dict)
    """The device's word for a specimen → the terms' ("Blood", "Serum/Plasma", "Urine")."""
    specimen: str = ""
    """What was examined when the device does not say."""
    decimal_comma: bool = False
    """"1,234" is 1.234; what can only be a decimal is one anyway."""
    absent: tuple[Absent, ...] = STANDARD_ABSENT
    """Ways to write that there is no value: a regular expression, and why."""
    failed: Pattern = STANDARD_FAILED
    """A regular expression for words that stand for a result that could not be obtained: status X."""
    qc_roles: tuple[str, ...] = NOT_PATIENTS
    """Values of SVC.role_cd of what no patient gave."""
    nobody: tuple[str, ...] = ()
    """Values of PT.patient_id that name no patient (Nova: UNKNOWN beside an accession number)."""
    temperature_note: bool = False
    """A result with a number for a note is the one at the patient's temperature (i-STAT)."""
    silent_notes: tuple[str, ...] = ()
    """Notes that say nothing."""
    flag_notes: tuple[str, ...] = ()
    """Notes of a result that are flags (HemoScreen: *)."""

    @cached_property
    def reading(self) -> Reading:
        """How values are read."""
        absent = tuple((re.compile(way.text), way.why) for way in self.absent)
        return Reading(absent, self.decimal_comma, scientific=False)

    def conversation_profile(self) -> ConversationProfile:
        """The conversation's settings in the protocol's own words."""
        return ConversationProfile(**self.conversation.model_dump())
