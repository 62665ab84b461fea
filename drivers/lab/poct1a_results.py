"""An OBS object → one observation."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from itertools import islice

from drivers.lab import values
from drivers.lab.meaning import is_loinc, meaning
from drivers.lab.places import FIELD_MAX
from drivers.lab.poct1a_profile import Poct1aOptions
from drivers.lab.results import NOTES_MAX
from drivers.lab.values import NO_VALUE, Value, shown
from gateway.model import Kind, Method, Observation, Validity
from protocols.poct1a.message import Field, Object

_LOINC_SYSTEMS = ("LN", "LOINC", "HTTP://LOINC.ORG")
_METHODS = {"M": Method.AUTO_MEASURED, "C": Method.AUTO_CALCULATED, "I": Method.MANUAL_MEASURED, "E": Method.AUTO_CALCULATED}
"""OBS.method_cd: measured, calculated, put in by a person, estimated."""
_REFUSED = {"D": "discarded", "R": "rejected", "X": "cancelled"}
"""OBS.status_cd of a result that counts no more."""
_UNCONFIRMED = "U"
_NO_FLAGS = ("", "null")
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)T?(\d\d)(\d\d)(\d\d)?(?=\Z|[.+Z -])", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)[T ] *(\d\d?):(\d\d?)(?::(\d\d?)(?:[.,](\d{1,9}))?)?"
    r" *(?:(Z|UTC|GMT)|([+-])(\d\d?):?(\d\d)?)?\Z",
    re.ASCII,
)
"""ISO 8601, the year first; some firmware writes no leading zeros, or slashes. With the day first it could be another day."""
_TEMPERATURE = re.compile(r"\d{2,3}(?:\.\d+)?\Z")
_LIMITS = re.compile(r"[\[\]]\s*([^;\[\]]*?)\s*;\s*([^;\[\]]*?)\s*[\[\]]\Z")
_YEAR_MIN = 1900


def moment(text: str, localise: Callable[[datetime], datetime]) -> datetime | None:
    """An ISO 8601 moment, aware: without an offset it is in the device's zone. None for a day alone and for what is none."""
    text = _DIGITS.sub(
        lambda parts: "{}-{}-{}T{}:{}:{}".format(*(part or "00" for part in parts.groups())), text.strip(), count=1
    )
    match = _MOMENT.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes = match.groups("0")
    zone = "+00:00" if utc != "0" else f"{sign}{hours:0>2}:{minutes:0>2}" if sign != "0" else ""
    try:
        found = datetime.fromisoformat(
            f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}.{fraction:0<6.6}{zone}"
        )
    except ValueError:
        return None
    if found.year < _YEAR_MIN:
        return None
    return found if found.tzinfo is not None else localise(found)


def observe(
    obs: Object,
    *,
    measured: datetime | None,
    specimen: str,
    sender: str,
    operator: str,
    options: Poct1aOptions,
    localise: Callable[[datetime], datetime],
) -> Observation:
    """The observation of an OBS; `measured` is the service's time, `sender` who made the device, `operator` who used it."""
    said = obs.field("OBS.observation_id") or Field("", "")
    code = said.v[:FIELD_MAX]
    quantity = obs.field("OBS.value", "OBS.qn_value", "OBS.qualitative_value") or Field("", "")
    found = _value(obs, code, options)
    claims = [one.v for one in (said, *said.translations) if _is_claim(one)]
    means = meaning(code, [quantity.unit], options, maker=options.maker or sender, specimen=specimen, claims=claims)
    status, validity = _state(obs, found, options)
    numeric = found.kind is Kind.NUMERIC or (found.text is None and means.unit is not None)
    corrected = _temperature(obs, options)
    return Observation(
        kind=Kind.NUMERIC if numeric else Kind.TEXT,
        vendor_code=code,
        vendor_text=said.display[:FIELD_MAX],
        value=found.text,
        loinc=None if corrected else means.loinc,
        unit=means.unit,
        vendor_unit=means.vendor_unit,
        comparator=found.comparator,
        validity=validity,
        status=status,
        flags=_flags(obs, options),
        range=_interval(obs.value("OBS.normal_lo-hi_limit", "OBS.normal_lo_hi_limit")),
        critical=_critical(obs),
        method=_METHODS.get(obs.value("OBS.method_cd").upper(), Method.AUTO_MEASURED),
        time=moment(obs.value("OBS.observation_dttm"), localise) or measured,
        notes=(*_extra(obs, found), *corrected, *means.doubts, *notes(obs, options)),
        operator=operator,
        sub_id="temperature-corrected" if corrected else "",
    )


def _is_claim(code: Field) -> bool:
    """Whether a device says that this is a LOINC: by its system, or without any, by its form and check digit."""
    return code.system.upper() in _LOINC_SYSTEMS or (not code.system and is_loinc(code.v))


def notes(holder: Object, options: Poct1aOptions) -> tuple[str, ...]:
    """The NTE of an object itself, as words for people: what a maker writes beside the text goes behind it."""
    texts = (one for note in holder.objects if note.name == "NTE" for one in note.all("NTE.text"))
    silent = {*options.silent_notes, *options.flag_notes}
    told = (" ".join(filter(None, (one.v, *one.text.split()))) for one in texts if one.v not in silent)
    return tuple(shown(text) for text in islice(filter(None, told), NOTES_MAX))


def _value(obs: Object, code: str, options: Poct1aOptions) -> Value:
    """The number if there is one, else the words (a qualitative result)."""
    texts = [obs.value(name) for name in ("OBS.value", "OBS.qn_value", "OBS.qualitative_value")]
    read = [values.value(text, options.reading) for text in texts if text]
    found = next((one for one in read if one.kind is Kind.NUMERIC), next(iter(read), NO_VALUE))
    known = options.analytes.get(code)
    if known is not None and known.kind is Kind.TEXT and found.text is not None:
        return Value(Kind.TEXT, f"{found.comparator}{found.text}")
    return found


def _extra(obs: Object, found: Value) -> tuple[str, ...]:
    """What stands beside the value: a qualitative result beside a number, critical limits, a discarded result."""
    words = obs.value("OBS.qualitative_value")
    critical = _critical(obs)
    refused = _REFUSED.get(obs.value("OBS.status_cd").upper(), "")
    told = (
        "" if words == found.text else words,
        critical and f"critical limits: {critical}",
        refused and f"{refused} on the device",
    )
    return tuple(shown(text) for text in told if text)


def _critical(obs: Object) -> str:
    return _interval(obs.value("OBS.critical_lo-hi_limit", "OBS.critical_lo_hi_limit"))


def _state(obs: Object, found: Value, options: Poct1aOptions) -> tuple[str, Validity]:
    """No value, a word that stands for none, or a result that was given up: X. Not yet confirmed by its operator: P."""
    if found.text is None:
        return "X", found.validity
    said = obs.value("OBS.status_cd").upper()
    if said in _REFUSED or (found.kind is Kind.TEXT and re.fullmatch(options.failed, found.text)):
        return "X", found.validity or Validity.QUESTIONABLE
    return ("P" if said == _UNCONFIRMED else "F"), found.validity


def _flags(obs: Object, options: Poct1aOptions) -> tuple[str, ...]:
    """OBS.interpretation_cd, and notes that the profile says are flags."""
    noted = [one.v for note in obs.objects if note.name == "NTE" for one in note.all("NTE.text") if one.v in options.flag_notes]
    said = (flag.strip()[: values.FLAG_MAX] for flag in (*(one.v for one in obs.all("OBS.interpretation_cd")), *noted))
    told = (options.flags.get(flag, flag) for flag in said if flag not in _NO_FLAGS)
    return tuple(dict.fromkeys(filter(None, told)))[: values.FLAGS_MAX]


def _temperature(obs: Object, options: Poct1aOptions) -> tuple[str, ...]:
    """Whether the result is for the patient's temperature, which a note of it says then: its LOINC is not that at 37 Cel."""
    if not options.temperature_note:
        return ()
    texts = (one.v.strip() for note in obs.objects if note.name == "NTE" for one in note.all("NTE.text"))
    return ("at the patient's temperature",) if any(map(_TEMPERATURE.match, texts)) else ()


def _interval(text: str) -> str:
    """Limits as OBX-7 writes them: [80;120] is "80-120"; with one open end "<120" or ">80"."""
    match = _LIMITS.match(text.strip())
    if match is None:
        return text.strip()[: values.TEXT_MAX]
    low, high = match[1], match[2]
    if low and high:
        return f"{low}-{high}"
    return f"<{high}" if high else f">{low}" if low else ""
