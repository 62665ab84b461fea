"""What a capture tells of an analyzer that no profile is for: found out by trying, each guess with its reason.

A key is set otherwise when more is understood that way: more messages, fewer damaged bytes, more numbers, more codes with a term.
Where nothing can tell (which of two texts is the specimen's id), what stands there is shown to the person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.acquire import first_bytes, registry
from gateway.acquire.flow import Flow
from gateway.driver import Driver
from gateway.errors import ConfigError
from gateway.profiles import runs, schema
from gateway.profiles.naming import in_common
from gateway.profiles.runs import Run
from gateway.profiles.schema import Key
from protocols.astm.records import AstmMessage, Record
from protocols.sansio import Message

COMPONENTS_MAX = 8
"""Components of a test id that are tried for the code: the most seen are seven."""
CODES_SHOWN = 30
_LAST = frozenset({"mode", "framing"})
_NEVER = frozenset({"orders", "lists", "hl7", "images", "manufacturer_records", "evidence", "carry"})
"""Keys that change nothing of what is understood, or leave something out."""
_SERIAL = re.compile(r"(?=.*\d)[A-Za-z0-9-]{4,20}\Z")
_VERSION = re.compile(r"[Vv]?[\d.-]{1,7}\Z")
_ID = re.compile(r"(?=.*\d)[A-Za-z0-9_.-]{3,}\Z")
_COMMA = re.compile(r"\d+,\d+\Z")


@dataclass(frozen=True, slots=True)
class Guess:
    """A key, what it might be, and why."""

    path: tuple[str, ...]
    value: Any
    why: str


@dataclass(slots=True)
class Seen:
    """What a capture told: guesses, and what only a person can decide."""

    guesses: list[Guess] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    run: Run = field(default_factory=Run)


Score = tuple[int, int, int, int, int]


def guess(driver: Driver[Any, Any], table: Mapping[str, Any], flows: Sequence[Flow]) -> Seen:
    """Guesses about a capture, beginning with a profile's `table`."""
    trial = _Trial(driver, dict(table), flows)
    for key in _switches(driver):
        trial.look(key, key.choices)
    if any(isinstance(message.body, AstmMessage) for message in trial.seen.run.messages):
        _astm(trial)
    if "maker" in trial.keys and not table.get("maker"):
        _maker(trial)
    trial.seen.remarks += _remarks(trial.seen.run)
    return trial.seen


class _Trial:
    """One profile in the making, held against one recording."""

    def __init__(self, driver: Driver[Any, Any], table: dict[str, Any], flows: Sequence[Flow]) -> None:
        self.driver, self.table, self.flows = driver, table, flows
        self.keys = {key.path[0]: key for key in schema.keys(driver.options)}
        self.seen = Seen(run=self._run(table))

    def look(self, key: Key, values: Sequence[Any], why: str = "") -> None:
        """Set a key otherwise where that reads more and loses nothing; what follows goes on from there."""
        if (found := self.better(key, values)) is not None:
            self.settle(key.path, found[0], "; ".join(filter(None, [found[1], why])))

    def better(self, key: Key, values: Sequence[Any]) -> tuple[Any, str] | None:
        """The value with which most more is read and nothing lost, and how much that is; None: there is none."""
        first = best = score(self.seen.run)
        chosen: Any = None
        for value in values:
            try:
                found = score(self._run(_with(self.table, key.path, value)))
            except ConfigError:  # not with what else is set
                continue
            if found[0] and found > best and _no_worse(found, first):  # of what nobody understands nothing is told
                best, chosen = found, value
        return None if chosen is None else (chosen, _why(first, best))

    def settle(self, path: tuple[str, ...], value: Any, why: str) -> None:
        """Set a key otherwise because of what stands there."""
        self.seen.guesses.append(Guess(path, value, why))
        self.table = _with(self.table, path, value)
        self.seen.run = self._run(self.table)

    def _run(self, table: Mapping[str, Any]) -> Run:
        return runs.run(self.driver, registry.checked(self.driver, table), self.flows)


def score(run: Run) -> Score:
    """The more, the better: messages, whole bytes, codes with a term, numbers, readings with a specimen."""
    specimens = sum(one["specimen_id"] is not None for one in run.readings)
    return len(run.messages), -run.bad, run.mapped, run.numbers, specimens


def _switches(driver: Driver[Any, Any]) -> Iterator[Key]:
    """Keys that are a choice of words or a yes and a no: of the line first, and there how it is framed at all last."""
    found = [key for key in schema.leaves(schema.keys(driver.options)) if key.choices and key.path[0] not in _NEVER]
    yield from sorted(found, key=lambda key: (len(key.path) == 1, key.path[-1] in _LAST))


def _no_worse(new: Score, old: Score) -> bool:
    """Whether nothing that was read is lost."""
    return all(a >= b for a, b in zip(new, old, strict=True))


def _why(old: Score, new: Score) -> str:
    names = ("messages", "damaged bytes", "codes with a term", "numbers", "specimen ids")
    return ", ".join(f"{abs(b)} {name} instead of {abs(a)}" for name, a, b in zip(names, old, new, strict=True) if a != b)


def _with(table: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    if len(path) == 1:
        return {**table, path[0]: value}
    return {**table, path[0]: _with(table.get(path[0], {}), path[1:], value)}


def _maker(trial: _Trial) -> None:
    """Whose it is: set where it names itself like one of a maker's models; of others it is only said that they know its codes."""
    data = b"".join(chunk.data for flow in trial.flows for chunk in flow.chunks)
    tables = [registry.profile_table(trial.driver, name) for name in registry.profiles(trial.driver)]
    makers: dict[str, set[str]] = {}
    for one in tables:
        if maker := str(one.get("maker", "")):
            makers.setdefault(maker, set()).update(
                in_common(first_bytes.says(trial.driver.id, data), [maker, *one.get("models", [])])
            )
    named = sorted((maker for maker, words in makers.items() if words), key=lambda maker: -len(makers[maker]))
    if named:
        trial.look(
            trial.keys["maker"], named[:1], f"it calls itself {', '.join(sorted(makers[named[0]]))} like models of {named[0]}"
        )
    elif better := trial.better(trial.keys["maker"], sorted(makers)):
        trial.seen.remarks.append(
            f'codes like those of {better[0]} ({better[1]}); is it the maker on the label? maker = "{better[0]}"'
        )


def _remarks(run: Run) -> Iterator[str]:
    """What only a person can decide, from what is read."""
    for unit, n in run.unknown_units.most_common():
        yield f'unit not known: {unit!r} ({n} results); say what it is: units = {{ "{unit}" = "UCUM" }}, "" for none'
    if codes := list(run.unmapped):
        more = " …" if len(codes) > CODES_SHOWN else ""
        yield f"codes without a term (docs/terms.md): {', '.join(codes[:CODES_SHOWN])}{more}; they travel as they are"
    if any(_COMMA.match(one["value"] or "") for one in run.readings if one["kind"] == "text"):
        yield "texts such as 1,234 are left as they are: is the comma a decimal one? decimal_comma = true"
    if run.readings and not any(one["specimen_id"] for one in run.readings):
        yield "no specimen id was found: see specimen_id"
    yield from run.lines()


# ---- ASTM: where things stand


def _astm(trial: _Trial) -> None:
    """Which component the code is, where the specimen's id, model and serial number stand."""
    records = [record for message in trial.seen.run.messages for record in _records(message)]
    header = next((one for one in records if one.type == "H"), None)
    if header is not None:
        marks = header.delimiters
        framed = trial.seen.run.messages[0].raw[:1] == b"\x02"
        trial.seen.remarks.append("records in frames (STX … ETX)" if framed else "bare records, without frames")
        trial.seen.remarks.append(
            f"delimiters {marks.field}{marks.repeat}{marks.component}{marks.escape}, read from H; "
            f"it calls itself {'^'.join(header.components(5)) or '(nothing in H.5)'}"
        )
    trial.look(trial.keys["code"], [[n] for n in range(1, COMPONENTS_MAX + 1)])
    trial.seen.remarks += _codes(records)
    likely = list(_places_of_specimen(records, trial.seen))
    found = {one["specimen_id"] or "" for one in trial.seen.run.readings}
    if likely and not all(map(_ID.match, found)):
        trial.settle(("specimen_id",), [likely[0]], f"{likely[0]} holds what looks like ids, another one in each order")
    if header is not None and not trial.table.get("serial"):
        trial.seen.guesses += _serial(header)


def _records(message: Message[Any]) -> Iterator[Record]:
    if isinstance(message.body, AstmMessage):
        yield from message.body.records


def _serial(header: Record) -> list[Guess]:
    """The first component of H.5 behind the name that looks like a serial number."""
    for n, text in enumerate(header.components(5), 1):
        if n > 1 and _SERIAL.match(text.strip()) and not _VERSION.match(text.strip()):
            return [Guess(("serial",), [f"H.5.{n}"], f"H.5.{n} is {text.strip()!r}; a version number looks alike")]
    return []


def _codes(records: Sequence[Record]) -> Iterator[str]:
    """What stands in the components of the test ids."""
    results = [record for record in records if record.type == "R"]
    for n in range(1, COMPONENTS_MAX + 1):
        texts = list(dict.fromkeys(text for one in results if (text := one.component(3, n).strip())))
        if texts:
            yield f"R.3.{n} holds {len(texts)} different texts: {', '.join(texts[:6])}{' …' if len(texts) > 6 else ''}"


def _places_of_specimen(records: Sequence[Record], seen: Seen) -> Iterator[str]:
    """Where ids of specimens may stand: what looks like one, another one in each order."""
    orders = [record for record in records if record.type == "O"]
    for n in (3, 4):
        for c in range(1, COMPONENTS_MAX + 1):
            texts = [text for one in orders if (text := one.component(n, c).strip())]
            if texts:
                seen.remarks.append(f"O.{n}.{c} holds {', '.join(map(repr, list(dict.fromkeys(texts))[:3]))}"[:120])
            if texts and all(_ID.match(text) for text in texts) and len(set(texts)) > len(texts) // 2:
                yield f"O.{n}.{c}"
