"""An R record and what is attached to it → one observation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice

import msgspec

from drivers.lab import values
from drivers.lab.meaning import Meaning, meaning
from drivers.lab.message_tree import Result
from drivers.lab.places import FIELD_MAX, Scope, Sources, first, read
from drivers.lab.profile import AstmOptions
from drivers.lab.times import device_time
from drivers.lab.values import Value, shown
from gateway.model import Kind, Material, Method, Observation, Validity
from protocols.astm.records import Record

SUB_ID_MAX = 80
"""Characters of what tells apart results of one code: the longest seen are GeneXpert's channel names, some thirty."""

NOTES_MAX = 100
"""Notes of one result or report: the most seen are some thirty alarms of a blood count."""

UNIT_PARTS_MAX = 5
"""Components of a unit that are tried: "10^9/L^9^1" has four."""

_LOINC = re.compile(r"(\d{1,7})-(\d)\Z")
_WORD = re.compile(r"[^\W_]+")
_SAME_LETTERS = re.compile(r"(\S)\1*")
_GRADE = re.compile(r"\+[1-5]")
"""What a urine strip shows, "+2": without a unit no number, for 2 alone would be another result."""
_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]{200,}={0,2}\Z")
SUSCEPTIBILITIES = ("S", "I", "R", "N", "X")
"""An antibiotic's effect: susceptible, intermediate, resistant, not susceptible, not told."""

TEST_MODES = ("T", "D")
"""H.12: training, debugging. Their values are no patient's."""


def observe(result: Result, around: Scope, options: AstmOptions, localise: Callable[[datetime], datetime]) -> Observation:
    """The observation of an R record; `around` holds the records in force, by type."""
    record = result.record
    scope = {**around, "R": record}
    code, rest, device_loinc = identify(record, 3, options)
    found, others = _withheld(record, options) or _value(record, code, options)
    means = _meaning(scope, code, rest, device_loinc, options)
    if not means.vendor_unit and found.kind is Kind.NUMERIC and _GRADE.fullmatch(said := record.field(4).strip()):
        found = values.Value(Kind.TEXT, said)
    status, validity = _state(scope, found, options)
    interval, more = values.reference_range(record, 6, decimal_comma=options.decimal_comma)
    numeric = found.kind is Kind.NUMERIC or (found.text is None and (means.unit is not None or means.loinc is not None))
    return Observation(
        kind=Kind.NUMERIC if numeric else Kind.TEXT,
        vendor_code=code,
        vendor_text=_name(record, options),
        value=found.text,
        loinc=means.loinc,
        unit=means.unit,
        vendor_unit=means.vendor_unit,
        comparator=found.comparator,
        validity=validity,
        status=status,
        flags=_flags(record, options),
        range=interval,
        method=options.methods.get(read(scope, options.method), Method.AUTO_MEASURED) if options.method else Method.AUTO_MEASURED,
        time=_time(scope, options.result_time, localise),
        notes=(
            *(shown(other) for other in others),
            *more,
            *means.doubts,
            *notes(result.attached, options),
            *labelled(scope, options),
        ),
        materials=materials(scope, options, of_result=True),
        operator=somebody(read(scope, "R.11"), options),
        sub_id="^".join(filter(None, [*(read(scope, place) for place in options.sub_id_places), rest]))[:SUB_ID_MAX],
    )


def of_order(around: Scope, options: AstmOptions) -> list[Result]:
    """The result that an order without result records carries itself, where the profile says so (Mindray's controls)."""
    order = around.get("O")
    value = read(around, options.order_value) if options.order_value else ""
    if order is None or not value:
        return []
    mark = order.delimiters.field
    tests = mark.join(order.text.split(mark)[4:5])
    return [Result(Record("R", mark.join(("R", "1", tests, value)), order.delimiters))]


def carried(seen: Sequence[Observation]) -> tuple[Observation, ...]:
    """The results of a specimen, each without a time or an operator of its own with those of the one before it."""
    told: list[Observation] = []
    when, who = None, ""
    for one in seen:
        when, who = one.time or when, one.operator or who
        told.append(msgspec.structs.replace(one, time=when, operator=who))
    return tuple(told)


def identify(record: Record, n: int, options: AstmOptions, repeat: int = 0) -> tuple[str, str, str]:
    """A universal test id: the code, what else tells results of that code apart, and the LOINC that the device claims."""
    parts = [part.strip() for part in record.components(n, repeat)]
    said = [c for c in options.code if c <= len(parts) and parts[c - 1]]
    at = next((c for c in said if parts[c - 1] not in options.not_codes), said[0] if said else 0)
    code, cut = _without_dilution(parts[at - 1][:FIELD_MAX] if at else "", options.code_pattern)
    claimed = parts[options.loinc - 1] if 0 < options.loinc <= len(parts) else ""
    spoken_for = {at, *options.name, options.loinc if _LOINC.match(claimed) else 0}
    wanted = options.sub_id or range(at + 1, len(parts) + 1)
    rest = [part for c, part in enumerate(parts, 1) if part.strip(".,") and c in wanted and c not in spoken_for]
    return code, "^".join(filter(None, [cut, *rest]))[:SUB_ID_MAX], claimed if _LOINC.match(claimed) else ""


def notes(records: Iterable[Record], options: AstmOptions) -> tuple[str, ...]:
    """Comments, and what no other rule reads, as notes in words for people."""
    said = (note for record in records for note in _notes(record, options))
    told = tuple(shown(note) for note in islice(filter(None, said), NOTES_MAX + 1))
    return told if len(told) <= NOTES_MAX else (*told[:NOTES_MAX], "more notes are in the raw message")


def labelled(scope: Scope, options: AstmOptions) -> Iterable[str]:
    """What stands at the places that the profile wants told as notes: a reagent's lot, its expiry."""
    said = ((label, read(scope, place)) for label, place in options.notes.items())
    return [shown(f"{label}: {text}") for label, text in said if text]


def materials(scope: Scope, options: AstmOptions, *, of_result: bool) -> tuple[Material, ...]:
    """The lots at the profile's places: a result's own where they stand in R, else the specimen's."""
    wanted = [material for material in options.materials if material.lot.startswith("R.") == of_result]
    return tuple(
        Material(
            name=read(scope, wants.name) if wants.name else "",
            kind=wants.kind,
            lot=lot,
            expires=_digits(read(scope, wants.expires)) if wants.expires else "",
            level=read(scope, wants.level) if wants.level else "",
        )
        for wants in wanted
        if (lot := read(scope, wants.lot))
    )


def _digits(text: str) -> str:
    """A date as digits; nothing for what is none."""
    found = text.replace("-", "").replace("/", "")
    return found if len(found) in (8, 14) and found.isascii() and found.isdigit() else ""


def somebody(text: str, options: AstmOptions) -> str:
    """A person's name or number; nothing where the text is the profile's word for nobody, or a time in the wrong field."""
    return "" if text in options.nobody or device_time(text) else text


def _name(record: Record, options: AstmOptions) -> str:
    named = (record.component(3, c).strip() for c in options.name if c)
    return next(filter(None, named), "")[:FIELD_MAX]


def _meaning(scope: Scope, code: str, rest: str, device_loinc: str, options: AstmOptions) -> Meaning:
    """What code and unit mean. "10^9/L" is a unit although it has a component delimiter; Celltac's `10e3/uL^9^1` is a unit with
    its width and decimals; "[uIU/mL]" (Maglumi) one in brackets.
    """
    record = scope["R"]
    parts = record.components(5)
    mark = record.delimiters.component
    units = [record.field(5).strip(), *(mark.join(parts[:n]).strip() for n in range(min(len(parts), UNIT_PARTS_MAX) - 1, 0, -1))]
    units += [unit[1:-1] for unit in units if unit[:1] == "[" and unit[-1:] == "]"]
    claims = (device_loinc,) if device_loinc else ()
    means = meaning(
        code,
        units,
        options,
        maker=_maker(scope, options),
        specimen=_specimen(scope, code, options),
        claims=claims,
        logarithm=rest.rpartition("^")[2] in options.logarithms,
    )
    if any(rule.holds(scope, "") for rule in options.companions):
        means = means._replace(loinc=None, doubts=())
    return means


def _without_dilution(code: str, pattern: str) -> tuple[str, str]:
    match = re.fullmatch(pattern, code) if pattern else None
    if match is None or not match["code"]:
        return code, ""
    start, end = match.span("code")
    return match["code"], f"{code[:start]}{code[end:]}".strip("/ ")


def _value(record: Record, code: str, options: AstmOptions) -> tuple[Value, tuple[str, ...]]:
    if code in options.whole or _is_image(record, code, options):
        text = "\\".join("^".join(record.components(4, n)).strip("^") for n in range(record.repeats(4)))
        return (Value(Kind.TEXT, text) if text.strip("\\ ") else values.NO_VALUE), ()
    words = tuple(part for part in record.components(4) if part in options.not_values)
    apart = {options.flag_component, *_judging(record, options)}
    parts = tuple("" if part in words or n in apart else part for n, part in enumerate(record.components(4), 1))
    repeats = tuple(text for n in range(1, record.repeats(4)) if (text := "^".join(record.components(4, n)).strip("^ ")))
    known = options.analytes.get(code)
    found, others = values.choose(parts, _order(record, parts, options), options.reading)
    if options.exponent and options.exponent <= len(parts):
        exponent = parts[options.exponent - 1]
        found, others = values.scaled(found, exponent), tuple(other for other in others if other != exponent.strip())
    if known is not None and known.kind is Kind.TEXT and found.text is not None:
        written = (part.strip() for part in parts if values.value(part, options.reading) == found)
        found = Value(Kind.TEXT, next(written, f"{found.comparator}{found.text}"))
    verdicts = _susceptibility(record, options)
    if verdicts and found.text is None:
        found = Value(Kind.TEXT, verdicts[0])
    return found, others + verdicts[1:] + repeats + words


def _susceptibility(record: Record, options: AstmOptions) -> tuple[str, ...]:
    """What the components of R.4 say that judge an antibiotic, each once, the one that counts first."""
    return tuple(dict.fromkeys(record.component(4, n).strip() for n in _judging(record, options)))


def _judging(record: Record, options: AstmOptions) -> tuple[int, ...]:
    return tuple(n for n in options.susceptibility if record.component(4, n).strip() in SUSCEPTIBILITIES)


def _withheld(record: Record, options: AstmOptions) -> tuple[Value, tuple[str, ...]] | None:
    """No value, where a flag says that there is none and R.4 has a code behind an empty place; else None."""
    if record.component(4, 1).strip() or not any(flag in options.withheld for flag in values.flags(record, 7, {})):
        return None
    said = tuple(filter(None, (part.strip() for part in record.components(4))))
    return values.NO_VALUE._replace(validity=Validity.INVALID), said


def _order(record: Record, parts: tuple[str, ...], options: AstmOptions) -> tuple[int, ...]:
    """Which components of R.4 to try: the profile's, or the second alone where the first is its verdict (Elecsys: -1^0.303)."""
    of_sort = options.values.get(record.component(3, 4).strip())
    if of_sort is not None:
        return of_sort
    if options.value or len(parts) < 2 or parts[0].strip() not in options.verdicts or any(parts[2:]):
        return options.value
    number = values.value(parts[1], options.reading)
    return (2,) if number.kind is Kind.NUMERIC and "." in (number.text or "") else ()


def _flags(record: Record, options: AstmOptions) -> tuple[str, ...]:
    """R.7, and what stands in the component of R.4 that holds flags too ("146!  H ", "11.57  ! Rl ": R and l)."""
    judged = values.translated(_susceptibility(record, options)[:1], options.flags)
    told = (*values.flags(record, 7, options.flags), *judged)
    more = (
        [flag[0] for flag in _SAME_LETTERS.finditer(record.component(4, options.flag_component))]
        if options.flag_component
        else ()
    )
    return tuple(dict.fromkeys((*told, *values.translated(more, options.flags))))[: values.FLAGS_MAX]


def is_image(record: Record, options: AstmOptions) -> bool:
    """Whether an R record carries a picture or its name: never a number."""
    return _is_image(record, identify(record, 3, options)[0], options)


def _is_image(record: Record, code: str, options: AstmOptions) -> bool:
    text = record.field(4)
    return bool(text) and (
        _BASE64.match(text) is not None
        or (
            re.fullmatch(options.image_codes, code, re.IGNORECASE) is not None
            and values.value(text, options.reading).kind is Kind.TEXT
        )
    )


def _maker(scope: Scope, options: AstmOptions) -> str:
    """The profile's maker and the model; else what the header tells: some name their maker, some a product of only one maker."""
    model = first(scope, options.model)
    if options.maker:
        return f"{options.maker} {model}"
    said = " ".join((*(read(scope, f"H.5.{n}") for n in range(1, 4)), model))
    words = _WORD.findall(said.casefold())
    return " ".join((said, *(maker for product, maker in options.makers.items() if product.casefold() in words)))


def _specimen(scope: Scope, code: str, options: AstmOptions) -> str:
    """What was examined, in the terms' words; a type no profile translates goes as it is, and so never passes for serum."""
    said = first(scope, options.specimen_type)
    known = options.analytes.get(code)
    return options.specimens.get(said, said) or (known.specimen if known is not None else "") or options.specimen


def _state(scope: Scope, found: Value, options: AstmOptions) -> tuple[str, Validity]:
    said = _letter(scope, "R", 9)
    if found.text is None:
        return "X", _off_scale(scope["R"], options) or found.validity
    failed = found.kind is Kind.TEXT and re.fullmatch(options.failed, found.text) is not None
    letter = "X" if failed else values.status(said, options.statuses, _letter(scope, "O", 26))
    if read(scope, "H.12").upper() in TEST_MODES:
        return letter, Validity.TEST
    doubted = any(flag in options.doubtful_flags for flag in _flags(scope["R"], options)) if options.doubtful_flags else False
    if doubted or said in options.questionable or letter == "X":
        return letter, Validity.QUESTIONABLE
    return letter, found.validity


def _letter(scope: Scope, kind: str, n: int) -> str:
    """A status field's letter. Of several C, a correction; else the last but for what only says how it came to be sent: Q because
    we asked (GeneXpert: Q@F), R not for the first time (ADVIA Centaur: F and R), V when somebody approved it (ACL TOP: F@V).
    """
    record = scope.get(kind)
    if record is None:
        return ""
    repeats = (record.component(n, 1, repeat).strip().upper() for repeat in range(min(record.repeats(n), values.FLAGS_MAX)))
    said = [letter for letter in repeats if letter]
    telling = [letter for letter in said if letter not in ("Q", "R", "V")] or said
    return "C" if "C" in said else next(reversed(telling), "")


def _off_scale(record: Record, options: AstmOptions) -> Validity | None:
    """Why an empty value is none, where a flag tells it: beyond what the analyzer can measure."""
    if record.field(4).strip(f" {record.delimiters.component}"):
        return None
    told = _flags(record, options)
    return Validity.UNDER if "<" in told else Validity.OVER if ">" in told else None


def _time(scope: Scope, sources: Sources, localise: Callable[[datetime], datetime]) -> datetime | None:
    """The first source that names a moment; a source of zeros does not keep the next one from being asked."""
    for source in sources:
        moment = device_time(first(scope, (source,)))
        if moment is not None:
            return moment if moment.tzinfo is not None else localise(moment)
    return None


def _notes(record: Record, options: AstmOptions) -> Iterable[str]:
    if record.type == "M":
        return () if options.manufacturer_records == "drop" else (record.text,)
    if record.type != "C":
        return (record.text,)
    texts = (
        " ".join(filter(None, (part.strip() for part in record.components(4, repeat)))) for repeat in range(record.repeats(4))
    )
    return tuple(text for text in texts if text not in options.silent_comments)


def scope_of(records: Iterable[Record | None]) -> Mapping[str, Record]:
    """The records in force, by type."""
    return {record.type: record for record in records if record is not None}
