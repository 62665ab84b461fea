"""What a person may set of FHIR: what goes into a Bundle, and the server that takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from gateway.settings import Settings, TlsSettings
from gateway.settings.mllp import is_loopback

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_OURS: Final = frozenset(
    {"accept", "authorization", "connection", "content-length", "content-type", "expect", "host", "if-none-exist", "prefer"}
    | {"cookie", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
)


def _uri(text: str) -> str:
    """An absolute URI, or nothing."""
    if text and not _URI.fullmatch(text):
        raise ValueError("expected an absolute URI such as urn:oid:1.2.276.0.76.3.1.999 or https://hospital.example/sid/mrn")
    return text


def _unit(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("expected a UCUM unit such as kPa")
    return text


Uri = Annotated[str, Field(max_length=200), AfterValidator(_uri)]
Unit = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_unit)]


class FhirMessageSettings(Settings):
    """A FHIR destination's format keys. With the defaults a Bundle stands alone and a resend changes nothing."""

    patient: Literal["create", "search", "identifier"] = "create"
    """How a Bundle points at the patient. `create`: a Patient entry that is made only where none with the identifier exists;
    `search`: a conditional reference, which a server that does not know the patient refuses; `identifier`: a logical one."""
    patient_details: bool = True
    """Whether a Patient that has to be made gets name, birth date and sex, or the identifier alone (PoCD: temporary Patient)."""
    patient_system: Uri = ""
    """Identifier system of patients whose assigning authority is not known by OID or in `assigners`. Empty: one of this gateway's
    own, so that two hospitals' numbers never meet on one server; two gateways of one hospital should share one."""
    assigners: Annotated[Mapping[str, Uri], Field(max_length=200)] = {}
    """Assigning authority = identifier system, where a server knows it by another URI than its OID."""

    device: Literal["create", "update"] = "create"
    """`create` makes Device and DeviceMetric once and leaves alone what the hospital adds to them; `update` is PoCD's conditional
    update: the server follows the device's firmware, and a replay of old messages turns it back."""
    metrics: bool = True
    """Send a DeviceMetric for each MDC metric (it holds the MDC unit, which an Observation may not). Off: Observations name the
    Device itself."""
    panels: bool = True
    """Systolic, diastolic and mean pressure of one measurement as one Observation with components, as the blood pressure profile
    wants it; off sends each on its own."""

    corrections: Literal["add", "update"] = "add"
    """A laboratory result that the analyzer corrects. `add`: a resource of its own, with the name of what it corrects beside its
    identity; `update`: a conditional update of the one with that name, for servers that show every resource. The server refuses
    that where several have it (a preliminary and a final one)."""
    raw_status: Literal["final", "preliminary"] = "final"
    """Observation.status of a bedside value that nobody validated (OBX-11 R). The device profiles (PHD, PoCD) say final; a site
    whose staff validates may want preliminary. Raw laboratory results are always preliminary."""
    correct_times: bool = True
    """Times that the device noted are put on the gateway's clock by the measured offset; off sends them as noted."""
    clock_note_s: Annotated[float, Field(ge=0)] = 60.0
    """Laboratory times stay the device's own; a note tells of a clock that differs from the gateway's by more than this."""

    inferred: bool = False
    """Send LOINC codes too whose match to a device's code is inferred. A terminologist of the site should have looked at them."""
    vendor_system: Uri = ""
    """Code system of codes that only the maker knows. Empty: urn:x-wardlink:code: and the maker's name."""
    identifier_system: Uri = ""
    """Identifier system of the resources that the gateway makes. Empty: urn:x-wardlink:gateway: and its EUI-64."""
    specimen_system: Uri = ""
    """System of the specimen's number (accession identifier). Empty: none is claimed."""
    service_request: Literal["create", "search", "identifier"] = "create"
    """How a Bundle points at the order that a report answers, where the device repeats its number. `create`: a ServiceRequest
    that is made only where none with the number exists; `search`: a conditional reference; `identifier`: a logical one, which is
    also what goes where no patient is known."""
    order_system: Uri = ""
    """System of the placer's order number. Empty: one of this gateway's own with a ServiceRequest, else none is claimed."""
    convert: Annotated[Mapping[str, Unit], Field(max_length=500)] = {}
    """Units this receiver wants: REFID or LOINC = UCUM unit. Only listed linear conversions are done; otherwise the device's unit
    travels."""
    notes: bool = True
    """Send the device's comments as Observation.note."""


class FhirServerSettings(Settings):
    """One FHIR server."""

    url: Annotated[str, Field(max_length=500)]
    """The service base, such as https://fhir.hospital.example/r4; Bundles are posted to it as it stands."""
    tls: TlsSettings | None = None
    """Files for TLS; needed unless the server is on this machine or `plain` is set."""
    plain: bool = False
    """Send unencrypted over the network. Shown as PLAINTEXT wherever the destination is shown."""
    token: Annotated[str, Field(max_length=500)] = ""
    """Bearer token for Authorization: path of a file that holds it, or credential:NAME for a systemd credential. Read for each
    message, so that a renewed token needs no restart. Never the token itself."""
    headers: Annotated[Mapping[str, str], Field(max_length=20)] = {}
    """Further headers, such as a tenant's name. They are shown and exported with the configuration: no secrets."""
    connect_timeout_s: float = Field(default=10.0, gt=0, le=120)
    """For name, connection and TLS handshake together."""
    answer_timeout_s: float = Field(default=60.0, gt=0, le=600)
    """How long the server may take from the first byte sent to the last one received."""

    @field_validator("url")
    @classmethod
    def _base(cls, url: str) -> str:
        parts = urlsplit(url)
        port = parts.port  # raises ValueError for a port that is none
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise ValueError("expected the server's base, for example https://fhir.hospital.example/r4")
        if parts.username is not None or parts.password is not None:
            raise ValueError('a name or password in the address is shown everywhere: give token = "credential:NAME" instead')
        if parts.query or parts.fragment or any(c.isspace() for c in url):
            raise ValueError("expected the base alone, without ? or # or spaces")
        return url.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _plain_headers(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{name!r} is no header's name")
            if name.lower() in _OURS:
                where = "give token instead" if "auth" in name.lower() else "the gateway writes it"
                raise ValueError(f"{name} cannot be set here: {where}")
            if not value.isascii() or not value.isprintable() or len(value) > 500:
                raise ValueError(f"the value of {name} must be printable ASCII of at most 500 characters")
        return headers

    @field_validator("token")
    @classmethod
    def _not_the_secret(cls, token: str) -> str:
        if token and not token.startswith(("credential:", "/")):
            raise ValueError(
                "expected credential:NAME or the absolute path of a file that holds the token, never the token itself"
            )
        return token

    @model_validator(mode="after")
    def _protected(self) -> FhirServerSettings:
        secure = urlsplit(self.url).scheme == "https"
        if secure and self.tls is None:
            raise ValueError("https needs tls = { ca = FILE }: which authorities may have signed the server's certificate")
        if not secure and self.tls is not None:
            raise ValueError(f"tls is given, but {self.url} is not https: write https:// or remove tls")
        if secure and self.plain:
            raise ValueError("https and plain = true contradict each other: remove one of them")
        if not secure and not self.plain and not is_loopback(self.host):
            raise ValueError(
                f"{self.url} is another machine without TLS: messages would travel readable for anyone on the network; "
                "write https:// and give tls, or write plain = true if that is meant"
            )
        return self

    @property
    def host(self) -> str:
        """The server's name or address, without brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The server's port."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)
