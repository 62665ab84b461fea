"""Where POCT1-A devices differ in their conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from protocols.poct1a.stream import DOCUMENT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationProfile:
    """The switches of a conversation, as most devices have them."""

    ask: bool = True
    """Ask for results after DST (REQ ROBS). Off: the device sends them unasked."""
    ask_always: bool = False
    """Ask even when DST announces none."""
    events: bool = True
    """Ask for device events too (REQ RDEV), where the device has the topic D_EV."""
    continuous: bool = True
    """Then START_CONTINUOUS, where the device supports that directive."""
    end: bool = True
    """END when everything was asked and told and the device is not in the continuous profile."""
    end_note: str = ""
    """TRM.note_txt of our END (Nova: "RECONNECT:10" has the meter call again after ten minutes)."""
    set_time: bool = False
    """Set the device's clock (DTV SET_TIME), where it supports that directive."""
    directives: tuple[tuple[str, str], ...] = ()
    """A maker's own directives to be given after DST: (message, command), where HEL names the message as a topic or the command
    as a directive."""
    ack_eot: bool = False
    """Acknowledge the device's EOT although it answers our REQ."""
    ack_type: str = "ACK.type_cd"
    """The field of our acknowledgement that says AA, AE or AR."""
    ack_id: str = "ACK.ack_control_id"
    """The field of our acknowledgement that names the message."""
    refusal: Literal["AE", "AR"] = "AR"
    """What to answer when nothing can be kept: the device must keep the result."""
    idle_s: float = 300.0
    """Silence after which the host sends a keep-alive (KPA); 0: never."""
    document_max: int = DOCUMENT_MAX
