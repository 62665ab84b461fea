"""wardlink.toml: TOML to frozen pydantic models; every error names file, line, key, what was got and what was expected."""

from __future__ import annotations

import codecs
import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from gateway import clashes, explain
from gateway.clashes import Problem
from gateway.errors import ConfigError
from gateway.model import DeviceIdentity, Location, Subject
from gateway.positions import Place, Positions
from gateway.settings import Settings, TlsSettings
from gateway.settings.destinations import DESTINATIONS, AnyDestination, Name
from gateway.settings.disk import DiskSettings
from gateway.settings.metrics import MetricsSettings
from gateway.settings.orders import OrderSettings
from gateway.settings.unknown import UnknownSettings

DEFAULT_PATH = Path("/etc/wardlink/wardlink.toml")
SIZE_MAX = 4 * 1024 * 1024
"""Bytes of a configuration: thousands of devices fit; a disk image given by mistake does not."""
PROBLEMS_MAX = 100
"""Problems that one message lists: a file that is wrong throughout is one mistake, not a thousand."""


def _zone(name: str) -> str:
    if name not in available_timezones():
        near = difflib.get_close_matches(name, available_timezones(), 1)
        raise ValueError(f"expected a time zone of the IANA list{f', did you mean {near[0]}' if near else ''}")
    return name


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a time between the years 1 and 9999 in UTC") from None


Zone = Annotated[str, AfterValidator(_zone)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
Eui64 = Annotated[str, StringConstraints(pattern=explain.EUI64)]


class GatewayConfig(Settings):
    """The box itself."""

    name: Name = "wardlink"
    """What people and receivers know the box by: MSH-3, and the head of every screen."""
    eui64: Eui64 | None = None
    """16 upper-case hex digits; made at the first start and kept in the journal when absent."""
    timezone: Zone = "UTC"
    """For devices that name none of their own."""
    data: Path = Path("/var/lib/wardlink")
    """Folder of the journal."""
    keep_days: int = Field(default=30, ge=1, le=3650)
    """Days that reports stay in the journal after every destination is done with them, for replay and export."""
    disk: DiskSettings = DiskSettings()
    """How much of the disk the journal has, and what is given up as it fills (docs/disk.md)."""
    terms: Path | None = None
    """Folder of the site's own terminology rows (docs/terms.md); checked like ours, and refused as a whole when one is wrong."""
    metrics: MetricsSettings | None = None
    """The Prometheus endpoint; none without this table."""
    orders: OrderSettings | None = None
    """Where laboratory systems send orders; none are taken without this table (docs/orders.md)."""
    unknown: UnknownSettings | None = None
    """Where devices that nobody configured may call; without this table they are turned away (docs/unknown.md)."""


class LocationConfig(Settings):
    """Where a device stands (PV1-3)."""

    point_of_care: str = ""
    """Ward or unit, as the hospital's own systems write it."""
    room: str = ""
    """Room."""
    bed: str = ""
    """Bed."""
    facility: str = ""
    """Hospital or site."""


class DeviceConfig(Settings):
    """One device on one link."""

    id: Name
    """The asset tag: what people call it, on the label and on every screen."""
    driver: str
    """A driver's id, see `wardlink drivers`."""
    link: str
    """A dial string, see docs/links.md: serial:// tcp:// tcp-listen:// rfc2217:// udp:// trace://"""
    tls: TlsSettings | None = None
    """Files for mutual TLS on a tcp-listen:// link: the device shows a certificate signed by `ca`; `cert` and `key` are ours."""
    profile: str = ""
    """The analyzer, for a driver that has profiles: a name of `wardlink drivers ID`, or a file's absolute path."""
    timezone: Zone | None = None
    """The zone the device's own clock shows."""
    location: LocationConfig = LocationConfig()
    """Where it stands (PV1-3): point_of_care, room, bed, facility."""
    maker: str = ""
    """Who made it, where the driver's own word is too general."""
    model: str = ""
    """The model on its label. Given, it stands; otherwise what the device says of itself is taken."""
    serial: str = ""
    """The serial number on its label. Given, it stands; otherwise what the device says of itself is taken."""
    eui64: Eui64 | None = None
    """The device's own EUI-64, 16 upper-case hex digits."""
    udi: str = ""
    """The unique device identifier on its label."""
    interval_s: float = Field(default=0, ge=0)
    """Vital signs closer together than this are dropped by policy and counted; 0: everything is sent."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The driver's own options, see `wardlink drivers ID`."""

    def identity(self) -> DeviceIdentity:
        """The part of the device's identity that a person configured."""
        return DeviceIdentity(
            id=self.id, maker=self.maker, model=self.model, serial=self.serial, eui64=self.eui64 or "", udi=self.udi
        )

    def place(self) -> Location | None:
        """Where it stands, or None when nobody said."""
        return Location(**self.location.model_dump()) if self.location != LocationConfig() else None


class PatientConfig(Settings):
    """A patient for a fixed association."""

    patient_id: str = Field(min_length=1)
    """The number, as the hospital writes it (PID-3.1)."""
    assigner: str = ""
    """Who assigned it (PID-3.4): a namespace, or namespace&oid&ISO."""
    id_type: str = "MR"
    """What kind of number it is (PID-3.5, HL7 table 0203): MR medical record number."""
    family_name: str = ""
    """A second factor for the receiver (PID-5.1)."""
    given_name: str = ""
    """PID-5.2"""
    birth_date: Annotated[str, StringConstraints(pattern=explain.BIRTH_DATE)] = ""
    """YYYYMMDD"""
    sex: Literal["", "M", "F", "O", "U", "A", "N"] = ""
    """HL7 table 0001."""
    visit_id: str = ""
    """The visit or case number (PV1-19)."""

    def subject(self) -> Subject:
        """The same as the model has it."""
        return Subject(**self.model_dump())


class AssociationConfig(Settings):
    """A fixed association, for a bench or a single-patient room."""

    device: Name
    """The device's id."""
    patient: PatientConfig
    """Who wears it."""
    since: Moment | None = None
    """When it began, with an offset. Without it: at each start of the gateway, unless the patient wears it already."""


class Config(Settings):
    """The whole file."""

    gateway: GatewayConfig = GatewayConfig()
    """What the box is called and where it keeps what it has."""
    device: tuple[DeviceConfig, ...] = ()
    """The devices it reads, a table [[device]] each."""
    destination: tuple[AnyDestination, ...] = ()
    """Where readings go, a table [[destination]] each."""
    association: tuple[AssociationConfig, ...] = ()
    """Who wears what for good, a table [[association]] each."""
    _name: str = PrivateAttr("wardlink.toml")
    _positions: Positions = PrivateAttr(default_factory=lambda: Positions(""))

    def zone(self, device: DeviceConfig) -> ZoneInfo:
        """The zone of a device's clock."""
        return ZoneInfo(device.timezone or self.gateway.timezone)

    def problem(self, path: Place, what: str) -> str:
        """`what` is wrong at `path`: one line with file, line and key."""
        return f"{self._name}:{self._positions.line(path)}: {explain.key_of(path)}: {what}"


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError that lists everything wrong with it, a line each."""
    return parse(decode(read(path), path), str(path))


def read(path: Path) -> bytes:
    """What the file holds. Raises ConfigError when it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}. Give another file with --config.") from None
    if len(data) > SIZE_MAX:
        raise ConfigError(f"{path}: more than {SIZE_MAX} bytes; expected a configuration")
    return data


def decode(data: bytes, path: Path) -> str:
    """The text of a file. Raises ConfigError."""
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: file: got the byte {data[error.start]:#04x}; expected text in UTF-8") from None


def parse(text: str, name: str = "wardlink.toml") -> Config:
    """The configuration in `text`; `name` stands for the file in errors. Raises ConfigError."""
    data, positions = _read(text, name)
    problems = list(clashes.no_arrays(data))
    config = None if problems else _validated(data, problems)
    if config is None or problems:
        raise ConfigError(_listed(problems, name, positions))
    config._name, config._positions = name, positions  # noqa: SLF001 - made here and nowhere else
    return config


def schema() -> dict[str, Any]:
    """JSON Schema of the file, for editors."""
    return TypeAdapter(Config).json_schema()


def _read(text: str, name: str) -> tuple[dict[str, Any], Positions]:
    try:
        return tomllib.loads(text), Positions(text)
    except RecursionError:
        raise ConfigError(f"{name}:1: file: nests too deeply; a configuration needs four levels") from None
    except ValueError as error:
        raise ConfigError(_not_toml(str(error), text, name)) from None


def _not_toml(said: str, text: str, name: str) -> str:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", said, re.DOTALL)
    if found is None:  # a number with more digits than Python reads
        return f"{name}:1: file: not TOML: {said}"
    line = found[2] or str(text.count("\n") + 1)
    return f"{name}:{line}: {f'column {found[3]}' if found[3] else 'end of file'}: not TOML: {found[1]}"


def _listed(problems: list[Problem], name: str, positions: Positions) -> str:
    told = sorted((positions.line(path), explain.key_of(path), what) for path, what in problems)
    lines = [f"{name}:{line}: {key}: {what}" for line, key, what in told[:PROBLEMS_MAX]]
    return "\n".join(lines + [f"{name}: … and {len(told) - PROBLEMS_MAX} more"] * (len(told) > PROBLEMS_MAX))


def _validated(data: dict[str, Any], problems: list[Problem]) -> Config | None:
    """The configuration, as far as it can be made; what is wrong is added to `problems`."""
    problems += clashes.clashes(data)
    chosen = [_destination(index, table, problems) for index, table in enumerate(data.get("destination", []))]
    try:
        return Config.model_validate({**data, "destination": tuple(one for one in chosen if one is not None)})
    except ValidationError as error:
        problems += _problems(error, (), Config)
        return None


def _destination(index: int, table: Mapping[str, Any], problems: list[Problem]) -> AnyDestination | None:
    where = ("destination", index)
    kind, fmt = table.get("kind"), table.get("format", "fhir" if table.get("kind") == "fhir" else None)
    cls = next((cls for pair, cls in DESTINATIONS.items() if pair == (kind, fmt)), None)
    if cls is None:
        known = " or ".join(f'kind = "{k}" with format = "{f}"' for k, f in DESTINATIONS)
        key = "kind" if kind not in [k for k, _ in DESTINATIONS] else "format"
        given = explain.shown(table[key]) if key in table else "none"
        problems.append(((*where, key), f"got {given}; expected {known}"))
        return None
    try:
        return cls.model_validate(table)
    except ValidationError as error:
        problems += _problems(error, where, cls)
    return None


def _problems(error: ValidationError, where: Place, model_: type[Settings]) -> Iterator[Problem]:
    for item in error.errors(include_url=False):
        yield (*where, *item["loc"]), explain.say(item, model_, where)
