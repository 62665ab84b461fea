"""What a person may set of an MLLP receiver: where it is, how it is protected, what its answers mean."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from gateway.settings import Settings, TlsSettings
from protocols.hl7v2.ack import Code


class Verdict(StrEnum):
    """What an acknowledgement makes of the message."""

    ACCEPT = "accept"
    """The receiver has it."""
    RETRY = "retry"
    """Not now: the same message is sent again after a pause."""
    REFUSE = "refuse"
    """The receiver will never take it: it is parked and shown."""


ACK_POLICY = {
    Code.AA: Verdict.ACCEPT,
    Code.CA: Verdict.ACCEPT,
    Code.AE: Verdict.RETRY,
    Code.CE: Verdict.RETRY,
    Code.AR: Verdict.REFUSE,
    Code.CR: Verdict.REFUSE,
}
"""Field practice: an error is the receiver's trouble, a reject is the message's."""

ERROR_POLICY = {
    "100": Verdict.REFUSE,  # segment sequence error
    "101": Verdict.REFUSE,  # required field missing
    "102": Verdict.REFUSE,  # data type error
    "103": Verdict.REFUSE,  # table value not found
    "104": Verdict.REFUSE,  # value too long
    "198": Verdict.REFUSE,  # non-conformant cardinality
    "199": Verdict.REFUSE,  # other HL7 error
    "200": Verdict.REFUSE,  # unsupported message type
    "201": Verdict.REFUSE,  # unsupported event code
    "202": Verdict.REFUSE,  # unsupported processing id
    "203": Verdict.REFUSE,  # unsupported version id
    "204": Verdict.REFUSE,  # unknown key identifier
    "205": Verdict.REFUSE,  # duplicate key identifier
    "206": Verdict.RETRY,  # application record locked
}
"""ERR-3 by HL7 table 0357 (104 since v2.7, 198 and 199 since v2.9). 207, application internal error, is left to MSA-1:
receivers use it for passing trouble and for lasting trouble."""

ErrorCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,20}$")]


class MllpSettings(Settings):
    """One receiver over MLLP."""

    address: str
    """host:port, an IPv6 address in brackets."""
    tls: TlsSettings | None = None
    """Files for TLS; needed unless the receiver is on this machine or `plain` is set."""
    plain: bool = False
    """Send unencrypted over the network. Shown as PLAINTEXT wherever the destination is shown."""
    connect_timeout_s: float = Field(default=10.0, gt=0, le=120)
    """For name, connection and TLS handshake together."""
    ack_timeout_s: float = Field(default=30.0, gt=0, le=600)
    """How long the receiver may take to answer; the connection is closed then, so that a late answer finds nobody."""
    gap_s: float = Field(default=0.0, ge=0, le=60)
    """Pause between messages: some receivers lose the second of two that come at once."""
    one_message_a_connection: bool = False
    """Open a connection for each message: for receivers that never clear their buffer."""
    ack_policy: dict[Code, Verdict] = Field(default_factory=dict)
    """What MSA-1 means, where it differs from the default: { AE = "refuse" }."""
    error_policy: dict[ErrorCode, Verdict] = Field(default_factory=dict)
    """What ERR-3 means when MSA-1 is no acceptance, where it differs from the default: { "205" = "accept" }."""

    @field_validator("address")
    @classmethod
    def _address(cls, address: str) -> str:
        split(address)
        return address

    @model_validator(mode="after")
    def _protected(self) -> MllpSettings:
        if self.tls is not None and self.plain:
            raise ValueError("tls and plain = true contradict each other: remove one of them")
        if self.tls is None and not self.plain and not is_loopback(self.host):
            raise ValueError(
                f"{self.address} is another machine and no tls = {{ ca, cert, key }} is given: messages would travel readable "
                "for anyone on the network; give tls, or write plain = true if that is meant"
            )
        return self

    @property
    def host(self) -> str:
        """The address' host, without brackets."""
        return split(self.address)[0]

    @property
    def port(self) -> int:
        """The address' port."""
        return split(self.address)[1]

    def ack_verdict(self, code: Code) -> Verdict:
        """What this MSA-1 means here."""
        return self.ack_policy.get(code, ACK_POLICY[code])

    def error_verdict(self, code: str) -> Verdict | None:
        """What this ERR-3 means here; None: nothing, MSA-1 decides."""
        return self.error_policy.get(code, ERROR_POLICY.get(code))


def split(address: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[IPv6]:port"; ValueError says what was expected."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("expected an IPv6 address in brackets, [2001:db8::1]:2575")
    if not colon or not host or any(c.isspace() or c in "/@[]" for c in host):
        raise ValueError("expected host:port, for example engine.hospital.example:2575")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError("expected a port from 1 to 65535 after the colon, MLLP's own is 2575")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine: localhost (RFC 6761) or a loopback address; a name is never looked up for this."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
