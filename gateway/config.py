"""wardlink.toml: TOML to frozen pydantic models; every error names file, line, key, what was got and what was expected."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from gateway import model
from gateway.errors import ConfigError
from gateway.model import Category
from gateway.settings import Settings
from gateway.settings.dispatch import DispatchSettings
from gateway.settings.fhir import FhirMessageSettings, FhirServerSettings
from gateway.settings.lab import LabSettings
from gateway.settings.mllp import MllpSettings
from gateway.settings.pcd01 import Pcd01Settings

DEFAULT_PATH = Path("/etc/wardlink/wardlink.toml")
SIZE_MAX = 4 * 1024 * 1024
"""Bytes of a configuration: thousands of devices fit; a disk image given by mistake does not."""


def _zone(name: str) -> str:
    if name not in available_timezones():
        near = difflib.get_close_matches(name, available_timezones(), 1)
        raise ValueError(f"expected a time zone of the IANA list{f', did you mean {near[0]}' if near else ''}")
    return name


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
"""An id people write on labels: letters, digits and . _ : - ; 64 characters fit every label and message field."""
Zone = Annotated[str, AfterValidator(_zone)]
Eui64 = Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{16}$")]


class GatewayConfig(Settings):
    """The box itself."""

    name: Name = "wardlink"
    eui64: Eui64 | None = None
    """16 upper-case hex digits; made at the first start and kept in the journal when absent."""
    timezone: Zone = "UTC"
    """For devices that name none of their own."""
    data: Path = Path("/var/lib/wardlink")
    """Folder of the journal."""
    keep_days: int = Field(default=30, ge=1, le=3650)
    """Days that reports stay in the journal after every destination is done with them, for replay and export."""
    terms: Path | None = None
    """Folder of the site's own terminology rows (docs/terms.md); checked like ours, and refused as a whole when one is wrong."""


class LocationConfig(Settings):
    """Where a device stands (PV1-3)."""

    point_of_care: str = ""
    room: str = ""
    bed: str = ""
    facility: str = ""


class DeviceConfig(Settings):
    """One device on one link."""

    id: Name
    """The asset tag: what people call it, on the label and on every screen."""
    driver: str
    link: str
    """A dial string, see docs/links.md: serial:// tcp:// tcp-listen:// rfc2217:// udp:// trace://"""
    profile: str = ""
    timezone: Zone | None = None
    """The zone the device's own clock shows."""
    location: LocationConfig = LocationConfig()
    maker: str = ""
    model: str = ""
    serial: str = ""
    eui64: Eui64 | None = None
    udi: str = ""
    interval_s: float = Field(default=0, ge=0)
    """Vital signs closer together than this are dropped by policy and counted; 0: everything is sent."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The driver's own options, see `wardlink drivers ID`."""

    def identity(self) -> model.DeviceIdentity:
        """The part of the device's identity that a person configured."""
        return model.DeviceIdentity(
            id=self.id, maker=self.maker, model=self.model, serial=self.serial, eui64=self.eui64 or "", udi=self.udi
        )

    def place(self) -> model.Location | None:
        """Where it stands, or None when nobody said."""
        return model.Location(**self.location.model_dump()) if self.location != LocationConfig() else None


class PatientConfig(Settings):
    """A patient for a fixed association."""

    patient_id: str = Field(min_length=1)
    assigner: str = ""
    id_type: str = "MR"
    family_name: str = ""
    given_name: str = ""
    birth_date: Annotated[str, StringConstraints(pattern=r"^(\d{8})?$")] = ""
    """YYYYMMDD"""
    sex: Literal["", "M", "F", "O", "U", "A", "N"] = ""
    visit_id: str = ""

    def subject(self) -> model.Subject:
        """The same as the model has it."""
        return model.Subject(**self.model_dump())


class AssociationConfig(Settings):
    """A fixed association, for a bench or a single-patient room."""

    device: Name
    patient: PatientConfig
    since: datetime | None = None
    """When it began; the gateway's first start with it when absent. With an offset."""


class DestinationConfig(DispatchSettings):
    """What every destination has: a name, what it takes, how it is spoken to."""

    id: Name
    kind: Literal["mllp", "fhir"]
    format: Literal["pcd01", "lab", "fhir"]
    takes: frozenset[Category] = frozenset({Category.VITALS})


class MllpPcd01(DestinationConfig, MllpSettings, Pcd01Settings):
    """PCD-01 over MLLP."""

    kind: Literal["mllp"]
    format: Literal["pcd01"]


class MllpLab(DestinationConfig, MllpSettings, LabSettings):
    """Laboratory ORU^R01 over MLLP."""

    kind: Literal["mllp"]
    format: Literal["lab"]
    takes: frozenset[Category] = frozenset({Category.LAB})


class FhirServer(DestinationConfig, FhirServerSettings, FhirMessageSettings):
    """FHIR R4 transaction Bundles over HTTPS."""

    kind: Literal["fhir"]
    format: Literal["fhir"] = "fhir"
    takes: frozenset[Category] = frozenset({Category.VITALS, Category.LAB})


AnyDestination = MllpPcd01 | MllpLab | FhirServer
_DESTINATIONS: dict[tuple[str, str], type[AnyDestination]] = {
    ("mllp", "pcd01"): MllpPcd01,
    ("mllp", "lab"): MllpLab,
    ("fhir", "fhir"): FhirServer,
}


class Config(Settings):
    """The whole file."""

    gateway: GatewayConfig = GatewayConfig()
    device: tuple[DeviceConfig, ...] = ()
    destination: tuple[AnyDestination, ...] = ()
    association: tuple[AssociationConfig, ...] = ()

    @model_validator(mode="after")
    def _names(self) -> Config:
        for what, ids in (("device", [d.id for d in self.device]), ("destination", [d.id for d in self.destination])):
            twice = sorted({i for i in ids if ids.count(i) > 1})
            if twice:
                raise ValueError(f"two {what}s are called {twice[0]!r}: each needs an id of its own")
        known = {d.id for d in self.device}
        for fixed in self.association:
            if fixed.device not in known:
                raise ValueError(f"an association names the device {fixed.device!r}, which is not configured")
        return self

    def zone(self, device: DeviceConfig) -> ZoneInfo:
        """The zone of a device's clock."""
        return ZoneInfo(device.timezone or self.gateway.timezone)


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError that lists everything wrong with it, a line each."""
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}. Give another file with --config.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is no UTF-8; save the file as UTF-8") from None
    if size > SIZE_MAX:
        raise ConfigError(f"{path}: {size} bytes; expected a configuration of at most {SIZE_MAX} bytes")
    return parse(text, str(path))


def parse(text: str, name: str = "wardlink.toml") -> Config:
    """The configuration in `text`; `name` stands for the file in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    lines = _Lines(text)
    problems: list[str] = []
    chosen: list[AnyDestination] = []
    tables = data.pop("destination", [])
    for index, table in enumerate(tables if isinstance(tables, list) else [tables]):
        problems += _destination(name, lines, index, table, chosen)
    try:
        config = Config.model_validate({**data, "destination": tuple(chosen)})
    except ValidationError as error:
        problems += _problems(name, lines, error, (), Config)
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def schema() -> dict[str, Any]:
    """JSON Schema of the file, for editors."""
    return TypeAdapter(Config).json_schema()


def _destination(name: str, lines: _Lines, index: int, table: Any, chosen: list[AnyDestination]) -> list[str]:
    where = ("destination", index)
    if not isinstance(table, Mapping):
        return [f"{name}:{lines.find(where)}: destination: expected a table [[destination]]"]
    kind, fmt = str(table.get("kind", "")), str(table.get("format", "fhir" if table.get("kind") == "fhir" else ""))
    cls = _DESTINATIONS.get((kind, fmt))
    if cls is None:
        pairs = ", ".join(f'kind = "{k}" with format = "{f}"' for k, f in _DESTINATIONS)
        return [f"{name}:{lines.find(where)}: destination: got kind {kind!r} with format {fmt!r}; expected one of {pairs}"]
    try:
        chosen.append(cls.model_validate(table))
    except ValidationError as error:
        return _problems(name, lines, error, where, cls)
    return []


def _problems(name: str, lines: _Lines, error: ValidationError, where: tuple[str | int, ...], cls: Any) -> list[str]:
    found = []
    for item in error.errors(include_url=False):
        path = (*where, *item["loc"])
        key = ".".join(str(part) for part in path if not isinstance(part, int)) or "file"
        found.append(f"{name}:{lines.find(path)}: {key}: {_say(item, path, cls)}")
    return found


def _say(item: Any, path: tuple[str | int, ...], cls: Any) -> str:
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]), _known_keys(cls), 1)
        return f"no such key{f'; did you mean {near[0]!r}?' if near else ''}"
    if item["type"] == "missing":
        return "is missing and must be given"
    said = str(item["msg"]).removeprefix("Value error, ")
    got = item["input"]
    return said if isinstance(got, dict | list | tuple) else f"got {got!r}; {said}"


@cache
def _known_keys(cls: Any) -> tuple[str, ...]:
    models = [cls, GatewayConfig, DeviceConfig, LocationConfig, AssociationConfig, PatientConfig]
    return tuple(sorted({field for one in models for field in one.model_fields}))


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


class _Lines:
    """Where in the text a key stands. tomllib keeps no positions; this reads headers and keys only, of text that it accepted."""

    def __init__(self, text: str) -> None:
        self._at: dict[tuple[str | int, ...], int] = {}
        for path, number in _walk(text):
            self._at.setdefault(path, number)

    def find(self, path: tuple[str | int, ...]) -> int:
        """The line of `path`, or of the nearest table around it; 1 when there is none."""
        while path:
            if path in self._at:
                return self._at[path]
            path = path[:-1]
        return 1


def _walk(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            names = _names(header.group(2))
            table = _anchor(names, counts)
            if header.group(1) == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, number
        elif key:
            yield (*table, *_names(key.group(1))), number


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _anchor(names: tuple[str, ...], counts: Mapping[tuple[str | int, ...], int]) -> tuple[str | int, ...]:
    path: tuple[str | int, ...] = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in counts:
            path = (*path, counts[path])
    return (*path, names[-1])
