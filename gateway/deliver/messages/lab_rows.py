"""OBX and NTE of a laboratory message: codes, values, units, states."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from gateway import terms
from gateway.deliver.messages.hl7 import CACHE_MAX, device_ei, gateway_ei, private_system, stamps
from gateway.deliver.messages.instance import instances
from gateway.deliver.messages.lots import in_words
from gateway.deliver.messages.values import METHODS, analyte_loinc, named_loinc, own_unit, typed
from gateway.model import ABSENT, DeviceIdentity, Entry, Gateway, Kind, Method, Observation, Report, Validity
from gateway.settings.lab import ResultSettings
from protocols.hl7v2.message import escape, field, segment

_OFF_SCALE: Final = {Validity.OVER: ">", Validity.UNDER: "<"}
"""HL7 table 0078: above the absolute high-off instrument scale, below the low-off one."""

_DOUBTS: Final = frozenset(Validity) - ABSENT - {Validity.OK, Validity.VALIDATED}
"""States that travel with a value and that nobody may miss: questionable, test, demonstration …, as IHE extends table 0078."""


NAMESPACE_MAX: Final = 20
"""Characters of EI-2, an IS, in HL7 2.5 (2.A.28, 2.A.36): strict receivers refuse a longer name."""

_ST_MAX: Final = 199
"""Characters of an ST in HL7 2.5 (2.A.74); longer text is TX."""

_IMAGES: Final = {"Qk": "BMP", "iVBORw0KGgo": "PNG", "/9j/": "JPEG", "R0lGOD": "GIF", "SUkq": "TIFF", "TU0A": "TIFF"}
"""How pictures begin in base64."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}")

DeviceField: TypeAlias = Callable[[DeviceIdentity], str]
Between: TypeAlias = Callable[[Observation, Report], list[str]]


class Rows:
    """Writes the OBX rows of one destination.

    `device` writes OBX-18, `first` is OBX-4 of what comes once, `kind` is OBX-29, `between` are the segments between OBX and NTE.
    """

    def __init__(
        self,
        settings: ResultSettings,
        gateway: Gateway,
        *,
        device: DeviceField | None = None,
        instances: bool = False,
        first: str = "",
        kind: str = "",
        between: Between | None = None,
    ) -> None:
        self._settings, self._instances, self._first, self._kind, self._between = settings, instances, first, kind, between
        self._stamp = stamps(settings)
        self._ei = lru_cache(CACHE_MAX)(device or (lambda device: _device(device, gateway)))
        self._code = lru_cache(CACHE_MAX)(self._new_code)
        self._unit = lru_cache(CACHE_MAX)(self._new_unit)
        self._authority = gateway_ei(gateway)

    @property
    def materials(self) -> bool:
        """Whether lots have segments of their own."""
        return self._between is not None

    def results(self, entry: Entry, observations: Sequence[Observation]) -> list[str]:
        """OBX and its NTE, in the device's order; OBX-4 tells apart what shares a code."""
        report = entry.report
        names = instances(entry, observations) if self._instances else []
        seen: dict[tuple[str, str], int] = {}
        lines = []
        for number, observation in enumerate(observations, 1):
            code = self.identifier(observation, report)
            again = seen[code, observation.sub_id] = seen.get((code, observation.sub_id), 0) + 1
            sub_id = (observation.sub_id or self._first) if again == 1 else f"{observation.sub_id}.{again}".lstrip(".")
            name = self._name(names[number - 1]) if names else ""
            lines.append(self._obx(observation, report, (str(number), code, sub_id, name)))
            lines += self._between(observation, report) if self._between is not None else []
            lines += self._nte(observation)
        return lines

    def _name(self, name: tuple[str, ...]) -> str:
        """OBX-21: the device's own word as it stands, a UUID under the gateway's authority."""
        return field(*name) if len(name) > 1 else field(*name, *self._authority)

    def identifier(self, observation: Observation, report: Report) -> str:
        """OBX-3: LOINC, the maker's code beside it; or the maker's alone."""
        o = observation
        own = (o.vendor_code, o.vendor_text, private_system(self._settings, report))
        loinc = analyte_loinc(o, report, inferred=self._settings.inferred)
        return self._code(loinc, o.loinc_text, o.refid, o.unit, own)

    def _new_code(self, loinc: str | None, name: str, refid: str | None, unit: str | None, own: tuple[str, str, str]) -> str:
        found = named_loinc(loinc, name) if loinc else None
        if found is None and refid:
            found = next(iter(terms.loincs(refid, unit, inferred=self._settings.inferred)), None)
        if found is not None:
            standard = (found.code, found.display, "LN")
        elif refid and (term := terms.find(refid)) is not None:
            standard = (str(term.code), term.refid, "MDC")
        else:
            return field(*own)
        return field(*standard, *own) if self._settings.primary == "loinc" else field(*own, *standard)

    def _new_unit(self, ucum: str | None, vendor: str, system: str) -> str:
        """OBX-6: UCUM, the device's own text beside it where it reads otherwise."""
        vendor = own_unit(ucum, vendor)
        own = (vendor, "", system) if vendor else ()
        if ucum is None or (self._settings.units == "original" and own):
            return field(*own)
        if self._settings.units != "ucum+original" or vendor == ucum:
            return field(ucum, ucum, "UCUM")
        return field(ucum, ucum, "UCUM", *own)

    def _obx(self, observation: Observation, report: Report, place: tuple[str, str, str, str]) -> str:
        """The row; `place` is what tells it from the others: OBX-1, 3, 4 and 21."""
        number, code, sub_id, name = place
        kind, value = self._value(observation)
        unit = ""
        if value and observation.kind is Kind.NUMERIC:
            unit = self._unit(observation.unit, observation.vendor_unit, private_system(self._settings, report))
        when = self._stamp(observation.time or report.device_time or report.received_at)
        operator = field(observation.operator or report.given.operator)
        flags = [*filter(None, observation.flags)]
        off = _OFF_SCALE.get(observation.validity, "")
        mark = off or (observation.validity.value if value and observation.validity in _DOUBTS else "")
        if mark and mark not in flags:
            flags.append(mark)
        marks, status = "~".join(map(escape, flags)), self._status(observation, has_value=bool(value))
        left = (number, kind, code, escape(sub_id), value, unit, escape(observation.range), marks)
        method = "" if observation.method is Method.AUTO_MEASURED else METHODS[observation.method]
        later = ("", name, *([""] * 7), self._kind)
        return segment("OBX", *left, "", "", status, "", "", when, "", operator, method, self._ei(report.device), when, *later)

    def _value(self, observation: Observation) -> tuple[str, str]:
        """OBX-2 and OBX-5; what the device calls invalid but wrote all the same is text, so that nobody counts with it."""
        if not observation.value:
            return "", ""
        found = typed(observation, structured=self._settings.comparators == "SN")
        if found.type == "ST" and len(observation.value) > _ST_MAX:
            return _long(observation.value, found.text)
        doubtful = observation.status == "X" or observation.validity in ABSENT
        return ("ST", escape(observation.comparator + observation.value)) if doubtful and found.type in ("NM", "SN") else found

    def _status(self, observation: Observation, *, has_value: bool) -> str:
        """OBX-11 (HL7 table 0085)."""
        if not has_value:
            return "X"
        final = self._settings.result_status == "F" and observation.status == "R"
        return "F" if final else escape(observation.status) or "R"

    def _nte(self, observation: Observation) -> list[str]:
        notes = [note for note in observation.notes if note] if self._settings.notes else []
        if self._settings.notes and not self.materials:
            notes += in_words(observation.materials, notes)
        return [segment("NTE", str(number), "L", escape(note)) for number, note in enumerate(notes, 1)]


def _long(value: str, escaped: str) -> tuple[str, str]:
    """OBX-2 and OBX-5 of what no ST holds: a picture as ED, else TX."""
    kind = next((name for begin, name in _IMAGES.items() if value.startswith(begin)), "")
    if kind and _BASE64.fullmatch(value):
        return "ED", field("", "IM", kind, "Base64", value)
    return "TX", escaped


def _device(device: DeviceIdentity, gateway: Gateway) -> str:
    """OBX-18 as PCD-01 has it, its second component no longer than HL7 2.5 allows."""
    first, model, *rest = device_ei(device, gateway).split("^")
    return "^".join([first, field(device.model[:NAMESPACE_MAX]) if model else "", *rest])
