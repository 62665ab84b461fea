"""What receivers of PCD-01 want differently; the defaults meet IHE PCD TF-2."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.hl7 import Encoded, Hl7Settings

SyncProtocol = Literal["", "NONE", "NTPV3", "NTPV4", "SNTPV4", "SNTPV4330", "BTV1", "HL7_NCK", "EBWW", "GPS"]


class Pcd01Settings(Hl7Settings):
    """A PCD-01 destination's format keys. Every default is the rule of TF-2; each other value is a receiver that was seen."""

    version: Literal["2.6", "2.5.1", "2.5", "2.4", "2.3.1"] = "2.6"
    """MSH-12. TF-2 B.1 says 2.6; engines that compare it with what they expect exist."""
    language: Encoded = "en^English^ISO639"
    """MSH-19: the language of the texts in the message."""
    profile: Encoded = "IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
    """MSH-21."""

    unknown_patient: Literal["pid", "omit"] = "pid"
    """When the destination sends without a patient (hold = false): `pid` says so (PID-5 `^^^^^^U`, PID-31 Y) and PV1 says where;
    `omit` leaves PID and PV1 out. A patient is never invented."""
    unknown_id: Encoded = ""
    """PID-3 for that, agreed with the receiver after a risk analysis (TF-2 B.5), e.g. `UNKNOWN^^^HOSP^PI`."""
    unknown_name: Encoded = "^^^^^^U"
    """PID-5 for that. Name type U: the name is not known."""

    service: Annotated[Encoded, Field(min_length=1)] = "182777000^monitoring of patient^SCT"
    """OBR-4; `mds` writes the device's own MDC code. Receivers filter on it."""
    placer: bool = True
    """OBR-2: the filler's number once more, since nobody ordered the monitoring (TF-2 B.7); off leaves it empty."""

    alternate: Literal["loinc", "vendor", "none"] = "loinc"
    """OBX-3.4 to .6 beside the MDC code: the LOINC code where one is known, the maker's code, or nothing."""
    units: Literal["mdc+ucum", "mdc", "ucum"] = "mdc+ucum"
    """OBX-6: both triplets, or one of them."""
    method: Literal["always", "not-measured"] = "always"
    """OBX-17: always, or only where it is not AMEAS, which is what its absence means."""
    observation_time: Literal["episodic", "always"] = "episodic"
    """OBX-14: TF-2 B.8.14 gives it to episodic values only; `always` is for receivers that file nothing without it."""
    analysis_time: bool = False
    """OBX-19: a copy of OBX-14."""
    device_row: Literal["mds", "every"] = "mds"
    """OBX-18: on the highest device row, whence the others inherit it, or on every row."""
    device_label: bool = False
    """OBX-18.1: the asset tag, by which a receiver may file, instead of the EUI-64 or serial number. EI-3 stays what it is."""
    device_clock: bool = True
    """The row MDC_ATTR_TIME_ABS: what the device's clock showed, and the gateway's time beside it (TF-2 B.8.7). For a device
    without a clock it is the gateway's own, at the gateway's level 0.0.0."""
    sync_protocol: SyncProtocol = ""
    """The row MDC_TIME_SYNC_PROTOCOL of the gateway's own clock, where the site can vouch for it."""
    sync_accuracy_s: Annotated[str, Field(pattern=r"^(\d{1,6}(\.\d{1,6})?)?$")] = ""
    """The row MDC_TIME_SYNC_ACCURACY: seconds that the gateway's clock may be wrong by."""
    correct_times: bool = True
    """Times that the device noted are put on the gateway's clock by the measured offset (TF-2 B.8.8); off sends them as noted."""
