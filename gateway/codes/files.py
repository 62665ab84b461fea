"""A laboratory's codes as one CSV table: what nobody knows and what was decided, to be filled in and read back."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gateway.codes.acts import Resolved, judge, resolve
from gateway.errors import ActError
from gateway.mapping import Decision, Key, Kind
from gateway.mapping.near import Guess
from gateway.store.database import joined
from gateway.store.unmapped import Seen

SIZE_MAX = 16 * 1024 * 1024
"""Bytes of a file: a hundred thousand codes."""
DECIDING = ("code", "device", "maker", "model", "unit", "specimen", "result", "loinc", "ignore", "name", "property", "ucum")
TOLD = ("text", "seen", "last", "example", "may_be")
"""What is written for the person who fills it in, and not read back."""
COLUMNS = (*DECIDING, "override", "reason", *TOLD)
_FORMULAS = ("=", "+", "-", "@")
_YES = frozenset({"yes", "y", "true", "1", "x"})
_NO = frozenset({"", "no", "n", "false", "0"})


def write(seen: Sequence[Seen], decided: Sequence[Decision], guesses: Mapping[int, Sequence[Guess]]) -> str:
    """The table: open codes first, one row for a maker's model however many devices send it, then what was decided.

    `guesses`: what it may be, by the place in `seen`.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in (*_open(seen, guesses), *map(_decided, decided)):
        writer.writerow({name: _quoted(str(value)) for name, value in row.items()})
    return out.getvalue()


def _quoted(text: str) -> str:
    """A device's words, so that no spreadsheet takes them for a formula; `_unquoted` takes it back."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _unquoted(text: str) -> str:
    return text[1:] if text.startswith(tuple(f"'{one}" for one in _FORMULAS)) else text


def _open(seen: Sequence[Seen], guesses: Mapping[int, Sequence[Guess]]) -> Iterator[Mapping[str, object]]:
    found: dict[Key, dict[str, object]] = {}
    for place, one in enumerate(seen):
        named = bool(one.key.maker or one.key.model)
        key = replace(one.key, device="") if named else one.key
        if key in found:
            found[key]["seen"] = int(str(found[key]["seen"])) + one.n
            continue
        may_be = "; ".join(f"{guess.loinc} {guess.name} ({guess.why})" for guess in guesses.get(place, ()))
        told = {"text": one.text, "seen": one.n, "last": f"{one.last_at:%Y-%m-%d}", "example": one.example, "may_be": may_be}
        found[key] = {**_selecting(key), **told}
    yield from found.values()


def _selecting(key: Key) -> dict[str, object]:
    narrow = {"specimen": key.specimen, "result": key.result.value}
    return {"code": key.code, "device": key.device, "maker": key.maker, "model": key.model, "unit": key.unit, **narrow}


def _decided(one: Decision) -> dict[str, object]:
    means = {"loinc": one.loinc, "ignore": "yes" if one.ignores else "", "name": one.name, "property": one.prop, "ucum": one.ucum}
    return {**_selecting(one.key), **means, "override": "yes" if one.override else "", "reason": one.reason}


def read(data: bytes, file: str) -> list[tuple[str, Decision]]:
    """The rows of a table that decide something, with their place. ActError names the row that cannot be read."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ActError(f"byte {error.start}: got {data[error.start]:#04x}; expected CSV in UTF-8") from None
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count), restkey="beyond the last column")
    if missing := {"code", "loinc"} - set(reader.fieldnames or ()):
        raise ActError(f"row 1: no column {', '.join(sorted(missing))}; expected the columns of `wardlink unmapped export`")
    if strange := [name for name in reader.fieldnames or () if name not in COLUMNS]:
        raise ActError(f"row 1: got the column {strange[0]!r}; expected only {', '.join(COLUMNS)}")
    found = []
    try:
        for number, row in enumerate(reader, 2):
            plain = {name: _unquoted(str(value or "").strip()) for name, value in row.items()}
            if plain["loinc"] or _yes(number, "ignore", plain):
                found.append((f"row {number}", _decision(number, plain, file)))
    except csv.Error as error:
        raise ActError(f"line {reader.line_num}: not CSV: {error}") from None
    return found


def _decision(number: int, row: Mapping[str, str], file: str) -> Decision:
    if row["loinc"] and _yes(number, "ignore", row):
        raise ActError(f"row {number}: got a LOINC and ignore = yes; expected one of them")
    try:
        result = Kind(row.get("result", ""))
    except ValueError:
        raise ActError(f"row {number}: got the result {row['result']!r}; expected number, words or nothing") from None
    narrow = {name: row.get(name, "") for name in ("device", "maker", "model", "unit", "specimen")}
    return Decision(
        id=0,
        key=Key(code=row["code"], result=result, **narrow),
        loinc=row["loinc"],
        name=row.get("name", ""),
        prop=row.get("property", "") if row["loinc"] else "",
        ucum=row.get("ucum", "") if row["loinc"] else "",
        override=_yes(number, "override", row),
        source=f"{file} row {number}",
        reason=row.get("reason", ""),
    )


def _yes(number: int, column: str, row: Mapping[str, str]) -> bool:
    said = row.get(column, "").casefold()
    if said not in _YES | _NO:
        raise ActError(f"row {number}: got {column} {said!r}; expected yes or nothing")
    return said in _YES


def carry_out(
    conn: sqlite3.Connection, rows: Sequence[tuple[str, Decision]], codes: Sequence[Seen], *, by: str, rehearse: bool = False
) -> list[Resolved]:
    """Decide all that a table says, or nothing; to `rehearse` takes all of it back. ActError names the row."""
    judged = [_judged(place, one, codes) for place, one in rows]
    with joined(conn):
        conn.execute("SAVEPOINT table_of_codes")
        done = resolve(conn, judged, by=by)
        if rehearse:
            conn.execute("ROLLBACK TO table_of_codes")
        return done


def _judged(place: str, one: Decision, codes: Sequence[Seen]) -> Resolved:
    try:
        return judge(one, codes)
    except ActError as error:
        raise ActError(f"{place} ({one.key.code}): {error}; nothing was taken") from None
