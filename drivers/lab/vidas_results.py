"""Fields of a BCI result to observations: a VIDAS test with its verdict and its number, a VITEK organism with its antibiotics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from itertools import pairwise

from drivers.lab import values
from drivers.lab.meaning import meaning
from drivers.lab.places import FIELD_MAX
from drivers.lab.vidas_profile import VidasOptions
from gateway.model import Kind, Observation, Validity
from protocols.vendor.vidas import BciMessage

Fields = tuple[tuple[str, str], ...]

TEST_BEGINS = ("ta", "rt")
"""A test begins with one of these: `ta`, where there is one, stands before `rt`."""
SPECIMEN_TYPE = ("s5", "ss", "cn", "ct")
"""What was examined: the specimen's, else the culture's name, else its code."""
VERDICT, NUMBER = "ql", "qn"
SUSCEPTIBILITY = {"S", "I", "R", "MS", "VS", "SDD"}
"""Categories that HL7 table 0078 has, too; "-" and others are told in words."""
_QUANTITY = re.compile(r"([<>]=?|[≤≥])?\s*([-+]?\d[\d.,\u00a0 ]*?)\s*([^\d\s.,].*)?\Z")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\Z")
_DAY = re.compile(r"(\d{1,4})[/.-](\d{1,2})[/.-](\d{1,4})\Z")
_ORDERS = {"MDY": (2, 0, 1), "DMY": (2, 1, 0), "YMD": (0, 1, 2)}
"""Where year, month and day stand."""
_CENTURY = 80
"""Years of two digits from here on are the last century's: nobody who is tested now was born after, no result is older."""


def tests(fields: Fields) -> list[Fields]:
    """The fields of each test of a message, the specimen's before them left out."""
    starts = [
        at for at, (name, _) in enumerate(fields) if name == "ta" or (name == "rt" and (at == 0 or fields[at - 1][0] != "ta"))
    ]
    return [fields[start:end] for start, end in pairwise([*starts, len(fields)])]


def is_control(specimen_id: str, groups: Sequence[Fields], options: VidasOptions) -> bool:
    """Whether a kit's control or standard, or the instrument's own check, was examined."""
    names = [specimen_id, *(_first(group, "rt") for group in groups)]
    return any(re.fullmatch(options.control_ids, name) for name in names)


def specimen_type(body: BciMessage) -> str:
    """What was examined, as the instrument calls it."""
    return next(filter(None, (body.value(name) for name in SPECIMEN_TYPE)), "")[:FIELD_MAX]


def observe(group: Fields, options: VidasOptions, localise: Callable[[datetime], datetime]) -> Iterator[Observation]:
    """A test's results: verdict and number of a VIDAS test are two observations of one code, told apart by `sub_id`."""
    when = moment(group, "td", "tt", options)
    measured = localise(when) if when else None
    if any(name in ("o1", "o2", "ra") for name, _ in group):
        yield from _microbiology(group, options, measured)
        return
    verdict, number = _first(group, VERDICT), _first(group, NUMBER)
    both = bool(verdict and number)
    if verdict or not number:
        yield _result(group, (verdict, ""), options, measured, VERDICT if both else "")
    if number:
        yield _result(group, _quantity(number, _first(group, "y3")), options, measured, NUMBER if both else "")


def day(text: str, options: VidasOptions) -> date | None:
    """A day in the order that the profile says, but where a year of four digits stands in front.

    "auto": what is above twelve is a day; else by habit: mini VIDAS write MM/DD/YY in every language seen, VIDAS PC DD/MM/YYYY.
    """
    match = _DAY.match(text.strip())
    if match is None:
        return None
    parts = [match[n] for n in (1, 2, 3)]
    year, month, of_month = (int(parts[n]) for n in _ORDERS[_order(parts, options.date)])
    if year < 100:
        year += 1900 if year >= _CENTURY else 2000
    try:
        return date(year, month, of_month)
    except ValueError:
        return None


def _order(parts: list[str], said: str) -> str:
    if len(parts[0]) == 4:
        return "YMD"
    if said != "auto":
        return said
    if int(parts[0]) > 12:
        return "DMY"
    return "MDY" if int(parts[1]) > 12 or len(parts[2]) == 2 else "DMY"


def moment(fields: Sequence[tuple[str, str]], on: str, at: str, options: VidasOptions) -> datetime | None:
    """Day and time that two fields say; without either there is none, for midnight would be an invention."""
    when, clock = day(_first(fields, on), options), _CLOCK.match(_first(fields, at))
    if when is None or clock is None:
        return None
    try:
        return datetime.combine(when, time(int(clock[1]), int(clock[2]), int(clock[3] or 0)))
    except ValueError:
        return None


def _quantity(text: str, unit: str) -> tuple[str, str]:
    """Number and unit of "28,94mUI/ml"; the unit that stands alone (y3) decides where both are given."""
    match = _QUANTITY.match(text)
    if match is None:
        return text, unit
    return f"{match[1] or ''}{match[2]}", unit or (match[3] or "").strip()


def _result(
    group: Fields, said_as: tuple[str, str], options: VidasOptions, measured: datetime | None, aspect: str
) -> Observation:
    text, unit = said_as
    found = values.value(text, options.reading)
    code = _first(group, "rt")[:FIELD_MAX]
    said = meaning(code, (unit,) if unit else (), options, maker=options.maker, specimen=options.specimen)
    numeric = found.kind is Kind.NUMERIC
    calibration = _first(group, "nc")
    doubted = bool(calibration) and re.fullmatch(options.doubtful, calibration) is not None
    failed = found.text is None or (not numeric and re.fullmatch(options.failed, found.text) is not None)
    return Observation(
        kind=found.kind,
        vendor_code=code,
        value=found.text,
        vendor_text=_first(group, "rn")[:FIELD_MAX],
        loinc=said.loinc if numeric else None,
        unit=said.unit if numeric else None,
        vendor_unit=said.vendor_unit,
        comparator=found.comparator,
        validity=Validity.QUESTIONABLE if found.text is not None and doubted else found.validity,
        status="X" if failed else options.status,
        time=measured,
        notes=tuple(_remarks(group, calibration)),
        operator=_first(group, "m4")[:FIELD_MAX],
        sub_id=aspect,
    )


def _remarks(group: Fields, calibration: str) -> Iterator[str]:
    dilution = _first(group, "qd")
    if dilution not in ("", "1", "1:1"):
        yield f"dilution {dilution}"
    if calibration not in ("", "valid"):
        yield f"calibration: {calibration}"
    known = {*TEST_BEGINS, "rn", "tt", "td", VERDICT, NUMBER, "y3", "qd", "nc", "id", "sn", "m4", "zz"}
    yield from (values.shown(f"{name}: {text.strip()}") for name, text in group if name not in known and text.strip())


def _microbiology(group: Fields, options: VidasOptions, measured: datetime | None) -> Iterator[Observation]:
    """An isolate: its organism, then each antibiotic with its concentration and category; `sub_id` is the isolate's number."""
    card, isolate = _first(group, "rt")[:FIELD_MAX], _first(group, "t1")[:FIELD_MAX]
    code, name = _first(group, "o1")[:FIELD_MAX], _first(group, "o2")[:FIELD_MAX]
    drugs = [at for at, (field, _) in enumerate(group) if field == "ra"]
    head = group[: drugs[0]] if drugs else group
    if code or name:
        yield Observation(
            kind=Kind.CODED,
            vendor_code=card,
            value=name or code,
            vendor_text="organism",
            coding=(code, name, "99BMX"),
            status=options.status,
            time=measured,
            sub_id=isolate,
            notes=tuple(_about_isolate(head)),
        )
    for start, end in pairwise([*drugs, len(group)]):
        yield _drug(group[start:end], isolate, options, measured)


def _drug(group: Fields, isolate: str, options: VidasOptions, measured: datetime | None) -> Observation:
    found = values.value(_first(group, "a3"), options.reading)
    category, flags, notes = _category(group, options)
    if found.text is None and category in SUSCEPTIBILITY:
        found = values.Value(Kind.TEXT, category)
    known = {"ra", "a1", "a2", "a3", "a4", "an", "zz"}
    notes += [values.shown(f"{name}: {text.strip()}") for name, text in group if name not in known and text.strip()]
    return Observation(
        kind=found.kind,
        vendor_code=_first(group, "a1")[:FIELD_MAX],
        value=found.text,
        vendor_text=_first(group, "a2")[:FIELD_MAX],
        comparator=found.comparator,
        validity=found.validity,
        status="X" if found.text is None else options.status,
        flags=tuple(filter(None, flags)),
        time=measured,
        sub_id=isolate,
        notes=tuple(notes),
    )


def _category(group: Fields, options: VidasOptions) -> tuple[str, tuple[str, ...], list[str]]:
    """The category that counts, the flag that it is, and a note: the expert system's (`an`) where it changed the card's, `a4`."""
    measured, expert = _first(group, "a4").upper(), _first(group, "an").upper()
    told = {*SUSCEPTIBILITY, *options.flags}
    counts = expert if expert in told else measured
    notes = [f"category before the expert system: {measured}"] if measured and measured != counts else []
    return counts, (options.flags.get(counts, counts),) if counts in told else (), notes


_ISOLATE = {"o3": "bionumber", "o9": "probability", "rr": "card", "rn": "test", "t5": "stage", "t3": "kind of test"}
_PHENOTYPE = {"af": "family", "ap": "phenotype"}


def _about_isolate(head: Fields) -> Iterator[str]:
    """What is said of an isolate besides its name: bionumber, probability, phenotypes by family of drugs."""
    family = ""
    for name, text in head:
        said = text.strip()
        if name == "af":
            family = said
        elif name == "ap" and said:
            yield values.shown(f"phenotype of {family}: {said}" if family else f"phenotype: {said}")
        elif name in _ISOLATE and said:
            yield values.shown(f"{_ISOLATE[name]}: {said}")


def _first(fields: Sequence[tuple[str, str]], name: str) -> str:
    return next((text.strip() for key, text in fields if key == name), "")
