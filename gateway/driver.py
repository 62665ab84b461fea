"""The driver kit: with gateway.model and gateway.terms, all of gateway that a driver imports.

A driver is one frozen declaration. Its containment tree (`Mds` > `Vmd` > `Channel` > `Metric`) is at once the mapping from
the maker's codes to terms and the numbering of OBX-4, which follows the order of declaration and so stays stable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from gateway import terms
from gateway.errors import ConfigError
from gateway.model import (
    Category,
    DeviceIdentity,
    Inquiry,
    Kind,
    Location,
    Method,
    Observation,
    Part,
    Place,
    Report,
    Subject,
    Validity,
    WorkOrder,
)
from gateway.options import LineSettings, Options
from gateway.rolls import Lists, ListTold, Operator
from gateway.terms.decimals import decimal_text
from protocols.sansio import Codec, Message, Timed

__all__ = [
    "Answer",
    "Channel",
    "Context",
    "Driver",
    "LineSettings",
    "ListTold",
    "Listing",
    "Lists",
    "Mds",
    "Metric",
    "Operator",
    "Options",
    "Ordering",
    "Telling",
    "Vmd",
]


@dataclass(frozen=True, slots=True)
class Metric:
    """One code of the maker's and what it means.

    `code` is the device's own name, `refid` the MDC term, `unit` UCUM (empty: no unit), `vendor_unit` what the device
    writes. A `kind` other than numeric is given where the value is a word. `refid` empty: kept and shown as unmapped.
    """

    code: str
    refid: str = ""
    unit: str = ""
    vendor_unit: str = ""
    text: str = ""
    kind: Kind = Kind.NUMERIC
    method: Method = Method.AUTO_MEASURED


@dataclass(frozen=True, slots=True, init=False)
class Channel:
    """A channel: `refid` its MDC device type (…_CHAN), or "" for an anonymous one."""

    refid: str
    metrics: tuple[Metric, ...]

    def __init__(self, refid: str, *metrics: Metric) -> None:
        object.__setattr__(self, "refid", refid)
        object.__setattr__(self, "metrics", metrics)


@dataclass(frozen=True, slots=True, init=False)
class Vmd:
    """A virtual medical device: `refid` its MDC device type (…_VMD), or "" for an anonymous one."""

    refid: str
    channels: tuple[Channel, ...]

    def __init__(self, refid: str, *channels: Channel) -> None:
        object.__setattr__(self, "refid", refid)
        object.__setattr__(self, "channels", channels)


_USUAL_MAX = 4096
"""Observations remembered a tree, a megabyte: most of what a device says it has said before, and what is frozen can be shared."""
_USUAL_LENGTH = 16
"""Characters of a value worth remembering: a number's, not a text's."""


class Mds:
    """A device's containment tree: `refid` its MDC device type (…_MDS); also the mapping from codes to terms.

    Raises ConfigError when it names a term or unit that the terms do not hold, or a code twice.
    """

    def __init__(self, refid: str, *vmds: Vmd) -> None:
        self.refid = refid
        self.vmds = vmds
        self.parts: tuple[Part, ...] = tuple(_parts(refid, vmds))
        self.metrics: dict[str, tuple[Metric, Place]] = {}
        self._usual: dict[tuple[str, str | None], Observation] = {}
        for part in self.parts:
            terms.require(part.refid)
        for metric, place in _metrics(vmds):
            if metric.code in self.metrics:
                raise ConfigError(f"the containment tree {refid} names the code {metric.code!r} twice")
            if metric.refid:
                terms.require(metric.refid, metric.unit or None)
            self.metrics[metric.code] = (metric, place)

    def observe(
        self,
        code: str,
        value: str | None,
        *,
        validity: Validity = Validity.OK,
        unit: str | None = None,
        vendor_unit: str | None = None,
        comparator: str = "",
        range: str = "",  # noqa: A002 - the field's own name
        flags: tuple[str, ...] = (),
        coding: tuple[str, str, str] | None = None,
        time: datetime | None = None,
        notes: tuple[str, ...] = (),
    ) -> Observation:
        """The observation for what the device calls `code`.

        `value` None, or a numeric's text that is no number: no value, `validity` NOT_AVAILABLE unless given
        (INVALID for text that is no number, the text kept as a note). An unknown code gives an unmapped observation.
        `unit` (UCUM) overrides the tree's where the device says its unit itself.
        """
        key = (code, value)
        usual = unit is None and vendor_unit is None and not (validity or comparator or range or flags or coding or time or notes)
        if usual and (found := self._usual.get(key)) is not None:
            return found
        known = self.metrics.get(code)
        if known is None:
            metric, place = Metric(code, kind=Kind.NUMERIC if value is not None and decimal_text(value) else Kind.TEXT), None
        else:
            metric, place = known
        if metric.kind is Kind.NUMERIC and value is not None:
            number = decimal_text(value)
            if number is None:
                notes = (*notes, f"device sent {value[:80]!r}")
                validity = validity or Validity.INVALID
            value = number
        if value is None and validity is Validity.OK:
            validity = Validity.NOT_AVAILABLE
        observation = Observation(
            kind=metric.kind,
            vendor_code=code,
            vendor_text=metric.text,
            value=value,
            refid=metric.refid or None,
            unit=(unit if unit is not None else metric.unit) or None,
            vendor_unit=vendor_unit if vendor_unit is not None else metric.vendor_unit,
            comparator=comparator,
            validity=validity,
            status="X" if value is None else "R",
            flags=flags,
            range=range,
            method=metric.method,
            time=time,
            place=place,
            coding=coding,
            notes=notes,
        )
        if usual and known is not None and len(key[1] or "") <= _USUAL_LENGTH:
            if len(self._usual) >= _USUAL_MAX:
                self._usual.clear()
            self._usual[key] = observation
        return observation


def _parts(refid: str, vmds: tuple[Vmd, ...]) -> Iterable[Part]:
    yield Part(place=(1, 0, 0, 0), refid=refid)
    for v, vmd in enumerate(vmds, 1):
        if vmd.refid:
            yield Part(place=(1, v, 0, 0), refid=vmd.refid)
        for c, channel in enumerate(vmd.channels, 1):
            if channel.refid:
                yield Part(place=(1, v, c, 0), refid=channel.refid)


def _metrics(vmds: tuple[Vmd, ...]) -> Iterable[tuple[Metric, Place]]:
    for v, vmd in enumerate(vmds, 1):
        for c, channel in enumerate(vmd.channels, 1):
            for m, metric in enumerate(channel.metrics, 1):
                yield metric, (1, v, c, m)


OptionsT = TypeVar("OptionsT", bound=Options)
P = TypeVar("P")

_MEMORY_MAX = 4096
"""Keys a context remembers: more than any device has alarms, few enough that a hostile peer cannot grow it."""


@dataclass(slots=True)
class Context(Generic[OptionsT]):
    """What the gateway knows of one configured device: given to `interpret` with every message.

    `wall` turns a codec time (monotonic seconds) into UTC.
    """

    driver: Driver[Any, Any]
    device: DeviceIdentity
    options: OptionsT
    timezone: tzinfo
    wall: Callable[[float], datetime]
    profile: str = ""
    location: Location | None = None
    _memory: dict[str, str] = field(default_factory=dict)

    def codec(self) -> Codec[Any]:
        """A fresh codec for this device; one that tells the device the time is told the gateway's."""
        made = self.driver.codec(self.options)
        if isinstance(made, Timed):
            made.wall = lambda at: self.wall(at)  # noqa: PLW0108 - not bound now: a replay's clock is set later
        return made

    def report(
        self,
        message: Message[Any],
        observations: Iterable[Observation],
        *,
        category: Category = Category.VITALS,
        device_time: datetime | None = None,
        device: DeviceIdentity | None = None,
        **more: Any,
    ) -> Report:
        """A report of what `message` said. A naive `device_time` is read in the device's zone.

        `more`: any other field of Report (episodic, given, specimen, order, notes, identity, message_id, …).
        """
        received_at = self.wall(message.at)
        if device_time is not None and device_time.tzinfo is None:
            device_time = self.localise(device_time)
        offset = None if device_time is None else round((device_time - received_at).total_seconds(), 3)
        return Report(
            device=device or self.device,
            driver=self.driver.id,
            driver_version=self.driver.version,
            profile=self.profile,
            category=category,
            received_at=received_at,
            observations=tuple(observations),
            device_time=device_time,
            clock_offset_s=offset,
            parts=self.driver.tree.parts if self.driver.tree is not None else (),
            location=self.location,
            raw=more.pop("raw", message.raw),
            **more,
        )

    def localise(self, naive: datetime) -> datetime:
        """`naive`, a time the device displayed, with the offset its configured zone had then."""
        return naive.replace(tzinfo=self.timezone)

    def changed(self, key: str, value: str, *, usual: str | None = None) -> bool:
        """Whether `value` differs from the last one for `key`. For alarms and other states.

        The first time it is True, unless `value` is the `usual` one: an alarm that was never on needs no telling.
        """
        if self._memory.get(key, usual) == value:
            return False
        if key in self._memory or len(self._memory) < _MEMORY_MAX:
            self._memory[key] = value
        return True


@dataclass(frozen=True, slots=True)
class Answer:
    """A message to a device, and the orders that it tells: those are done with once the device has acknowledged it."""

    text: bytes
    orders: tuple[WorkOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Ordering(Generic[P, OptionsT]):
    """How devices of a driver ask for orders and are told them; their codec is a sansio.Sending. All three are pure.

    `asks(message, context)`: what a message asks for, None when it asks for nothing. `answer(message, orders, context, at)`: what
    is sent at `at`, also when there are no orders; without a message it is a worklist that nobody asked for.
    `worklists(options)`: whether the device is sent those. `tests(options)`: the laboratory system's codes → the device's.
    """

    asks: Callable[[Message[P], Context[OptionsT]], Inquiry | None]
    answer: Callable[[Message[P] | None, Sequence[WorkOrder], Context[OptionsT], datetime], Answer]
    worklists: Callable[[OptionsT], bool]
    tests: Callable[[OptionsT], Mapping[str, str]] = lambda _options: {}


@dataclass(frozen=True, slots=True)
class Telling:
    """A list as a device is told it: `text` for its codec, empty where it cannot be; what the device has then; what is wrong."""

    name: str
    text: bytes
    then: ListTold
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Listing(Generic[P, OptionsT]):
    """How devices of a driver are told lists; their codec is a sansio.Sending. All four are pure.

    `takes(message, context)`: whether after this message lists may be told, at once and, while the codec is clear, later.
    `write(message, lists, context, at)`: what the device that said `message` does not have yet.
    `asks(message, context)`: the number of a patient whom the device asks for, None when it asks for nobody.
    `patient(message, subject, context, at)`: the answer, empty when none is sent; `subject` None: nobody knows the patient.
    """

    takes: Callable[[Message[P], Context[OptionsT]], bool]
    write: Callable[[Message[P], Lists, Context[OptionsT], datetime], Sequence[Telling]]
    asks: Callable[[Message[P], Context[OptionsT]], str | None]
    patient: Callable[[Message[P], Subject | None, Context[OptionsT], datetime], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver(Generic[P, OptionsT]):
    """A device type: what it is, how its line is set, how its bytes become reports.

    `codec(options)` makes a fresh codec; `interpret(message, context)` yields the reports of one message and is pure but for
    `context.changed`. `source` names the document. `silence_s`: a healthy device never is silent longer than this.
    `profiles` is a folder of TOML files, each an analyzer's options; a driver with profiles needs one named.
    """

    id: str
    maker: str
    models: tuple[str, ...]
    source: str
    options: type[OptionsT]
    codec: Callable[[OptionsT], Codec[P]]
    interpret: Callable[[Message[P], Context[OptionsT]], Iterable[Report]]
    tree: Mds | None = None
    line: LineSettings | None = None
    silence_s: float | None = None
    profiles: Path | None = None
    ordering: Ordering[P, OptionsT] | None = None
    listing: Listing[P, OptionsT] | None = None
    version: str = "1"

    def context(
        self,
        device: DeviceIdentity,
        options: OptionsT,
        *,
        wall: Callable[[float], datetime],
        timezone: tzinfo = UTC,
        profile: str = "",
        location: Location | None = None,
    ) -> Context[OptionsT]:
        """A context for one device of this type; the declaration fills the maker, and the model where it has but one."""
        model = self.models[0] if len(self.models) == 1 else ""
        known = replace(device, maker=device.maker or self.maker, model=device.model or model)
        return Context(
            driver=self,
            device=known,
            options=options,
            timezone=options.zone or timezone,
            wall=wall,
            profile=profile,
            location=location,
        )
