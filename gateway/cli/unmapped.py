"""wardlink unmapped: codes of devices that nobody knows, what a person decides about them, and what follows for messages."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import config, terms
from gateway.cli.correcting import offer, print_corrections, send
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, moment, new_app, print_json, read_bytes, table
from gateway.codes import acts, files
from gateway.codes.acts import Resolved
from gateway.errors import ActError, ConfigError
from gateway.mapping import Decision, Key, Kind
from gateway.mapping.near import Guess, guesses
from gateway.model import Category
from gateway.store import livd, mappings, unmapped
from gateway.store.database import joined, open_for_acts, open_reader
from gateway.store.times import utc_now
from gateway.store.unmapped import Seen

app = new_app()

CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="the device's own code, as `wardlink unmapped list` has it")]
DeviceOption = Annotated[str, typer.Option(help="only of this device (its asset tag)")]
MakerOption = Annotated[str, typer.Option(help="only of this maker's devices")]
ModelOption = Annotated[str, typer.Option(help="only of this model")]
UnitOption = Annotated[str, typer.Option(help="only in this unit, as the device or UCUM writes it")]
SpecimenOption = Annotated[str, typer.Option(help="only in this specimen")]
ReasonOption = Annotated[str, typer.Option(help="why, for the audit trail")]
ReplayOption = Annotated[bool, typer.Option("--replay", help="send corrections of what was delivered under another code")]


@app.callback(no_args_is_help=True)
def _group() -> None:
    """Codes of devices that nobody knows: list them, say which LOINC they are or that they have none, take it back."""


@app.command("list")
def list_(
    device: DeviceOption = "",
    since: Annotated[str, typer.Option(help="kept at or after this; ISO 8601 with offset. 30 days when absent")] = "",
    category: Annotated[
        list[Category] | None, typer.Option(help="of these reports, instead of laboratory results and controls; repeatable")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="codes that are known, too")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Codes without a LOINC: which device, how often, since when, an example, and what they may be."""
    start = moment(since) or utc_now() - timedelta(days=30)
    with closing(open_reader(_load(path).gateway.data)) as conn:
        codes = unmapped.seen(conn, since=start, device=device, categories=category or unmapped.LABORATORY)
        found = [one for one in codes if every or one.unmapped]
        told = [(one, _guesses(conn, one) if one.unmapped else []) for one in found]
    if as_json:
        print_json([_as_json(*one) for one in told])
    elif told:
        table("", ("code", "device", "results", "LOINC"), [_row(*one) for one in told])
        if any(one.unmapped for one in found):
            print(
                "`wardlink unmapped resolve CODE --loinc …` or `--ignore --reason …`; `wardlink livd accept N` for a suggestion"
            )
    else:
        print("every code has a LOINC, or was decided about")


def _guesses(conn: sqlite3.Connection, one: Seen) -> list[Guess]:
    rows = livd.rows(conn, code=one.key.code, state=livd.State.SUGGESTED)
    return guesses(one.key, one.text, [(row.id, row.file, row.said) for row in rows])


def _as_json(one: Seen, may_be: list[Guess]) -> dict[str, Any]:
    key = one.key
    return {
        "device": key.device,
        "maker": key.maker,
        "model": key.model,
        "code": key.code,
        "text": one.text,
        "unit": one.unit,
        "ucum": one.ucum or None,
        "specimen": key.specimen,
        "result": key.result.value,
        "n": one.n,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "report": one.report,
        "example": one.example,
        "loinc": one.loinc or None,
        "decision": one.decided.id if one.decided is not None else None,
        "ignored": one.decided is not None and one.decided.ignores,
        "suggestions": [{"loinc": g.loinc, "name": g.name, "why": g.why, "livd": g.number} for g in may_be],
    }


def _row(one: Seen, may_be: list[Guess]) -> tuple[str, ...]:
    key = one.key
    made = f"{key.maker} {key.model}".strip()
    unit = one.unit if one.ucum in {"", one.unit} else f"{one.unit} = {one.ucum}"
    came = ", ".join(filter(None, (f"{one.n} times", unit, key.specimen)))
    last = f"last {one.last_at:%m-%d %H:%M} UTC, report {one.report}{f': {one.example}' if one.example else ''}"
    loinc = one.loinc or ("ignored" if one.decided is not None else "")
    guess = "; ".join(f"{g.loinc} {g.name}{f' (livd {g.number})' if g.number else ''}" for g in may_be)
    device = f"{key.device} ({made})" if made else key.device
    return f"{key.code} {one.text}".strip(), device, f"{came}; {last}", loinc or (f"may be {guess}" if guess else "")


@app.command()
def resolve(
    code: CodeArgument,
    loinc: Annotated[str, typer.Option(help="the LOINC that it is")] = "",
    ignore: Annotated[bool, typer.Option("--ignore", help="it has no LOINC: send it under its own code and ask no more")] = False,
    device: DeviceOption = "",
    maker: MakerOption = "",
    model: ModelOption = "",
    unit: UnitOption = "",
    specimen: SpecimenOption = "",
    result: Annotated[Kind, typer.Option(help="only where the device sends a number, or words")] = Kind.ANY,
    prop: Annotated[str, typer.Option("--property", help="LOINC's property, where the terms do not hold the code")] = "",
    name: Annotated[str, typer.Option(help="LOINC's name, where the terms do not hold the code")] = "",
    ucum: Annotated[str, typer.Option(help="what the device's unit means, where the terms do not know it")] = "",
    override: Annotated[bool, typer.Option("--override", help="also where the terms or the driver say otherwise")] = False,
    reason: ReasonOption = "",
    replay: ReplayOption = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Say which LOINC a code is, or that it has none. From now on, and for all that is still to be sent."""
    if bool(loinc) == ignore:
        raise ConfigError("say either --loinc CODE or --ignore")
    if ignore and not reason:
        raise ConfigError("--ignore needs --reason: why this result has no LOINC")
    key = Key(code=code, device=device, maker=maker, model=model, unit=unit, specimen=specimen, result=result)
    wanted = Decision(id=0, key=key, loinc=loinc, name=name, prop=prop, ucum=ucum, override=override, reason=reason)
    found = _load(path)
    with closing(open_for_acts(found.gateway.data)) as conn:
        done = acts.resolve(conn, [acts.judge(wanted, unmapped.seen(conn))], by=whoami())
        _follow(conn, found, done, [code], replay=replay, as_json=as_json)


@app.command()
def reopen(
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER...", help="decisions, as `wardlink unmapped decided` has them")],
    reason: ReasonOption = "",
    replay: ReplayOption = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Take decisions back: the codes are again what the terms and the driver say, or nothing."""
    found = _load(path)
    with closing(open_for_acts(found.gateway.data)) as conn:
        with joined(conn):
            ended = [mappings.take_back(conn, number, by=whoami(), reason=reason) for number in numbers]
        if not as_json:
            for one in ended:
                print(f"decision {one.id} is taken back: {one.told()}")
        done = [Resolved(one, (), ()) for one in ended]
        _follow(conn, found, done, sorted({one.key.code for one in ended}), replay=replay, as_json=as_json, silent=True)


@app.command()
def decided(
    code: Annotated[str, typer.Argument(help="only about this code")] = "",
    every: Annotated[bool, typer.Option("--all", help="decisions that were taken back or replaced, too")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """What was decided about codes: by whom, when, why."""
    with closing(open_reader(_load(path).gateway.data)) as conn:
        found = [one for one in mappings.history(conn, code) if every or one.until_act is None]
    if as_json:
        print_json([decision_json(one) for one in found])
    elif found:
        table("", ("number", "code", "means", "said"), [_told(one) for one in found])
    else:
        print("nothing was decided")


def _told(one: Decision) -> tuple[object, ...]:
    known = terms.loinc(one.loinc) if one.loinc else None
    means = f"{one.loinc} {known.display if known is not None else one.name}" if one.loinc else "no LOINC"
    unit = f", {one.key.unit} = {one.ucum}" if one.ucum else ""
    until = f"; until {one.until_at:%Y-%m-%d %H:%M}, {one.until_by}" if one.until_at is not None else ""
    why = f": {one.reason}" if one.reason else ""
    said = f"{one.at:%Y-%m-%d %H:%M} UTC by {one.by}, {one.source}{why}{until}"
    return one.id, one.key.told(), means + unit, said


def decision_json(one: Decision) -> dict[str, Any]:
    """A decision, for programs."""
    key = one.key
    return {
        "number": one.id,
        "code": key.code,
        "device": key.device,
        "maker": key.maker,
        "model": key.model,
        "unit": key.unit,
        "specimen": key.specimen,
        "result": key.result.value,
        "loinc": one.loinc or None,
        "name": one.name,
        "property": one.prop,
        "ucum": one.ucum,
        "override": one.override,
        "source": one.source,
        "reason": one.reason,
        "by": one.by,
        "at": one.at,
        "until": one.until_at,
        "until_by": one.until_by or None,
    }


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="where to write it; - is standard output")],
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Write a CSV table of the open codes and of what was decided, to be filled in and given to `wardlink unmapped import`."""
    with closing(open_reader(_load(path).gateway.data)) as conn:
        found = [one for one in unmapped.seen(conn) if one.unmapped]
        may_be = {place: _guesses(conn, one) for place, one in enumerate(found)}
        text = files.write(found, [one for one in mappings.history(conn) if one.until_act is None], may_be)
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        with file.open("x", encoding="utf-8-sig", newline="") as out:
            out.write(text)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; it must be a new file in a folder that is there") from None
    print(f"{file}: {len(found)} open codes; fill in loinc, or ignore and reason, then `wardlink unmapped import {file}`")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="a table as `wardlink unmapped export` writes it; - for standard input")],
    replay: ReplayOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check it, decide nothing")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Decide what a table says, all or nothing. Rows without loinc or ignore say nothing."""
    found = _load(path)
    try:
        rows = files.read(read_bytes(file, files.SIZE_MAX), file.name)
        with closing(open_for_acts(found.gateway.data)) as conn:
            codes = unmapped.seen(conn)
            done = files.carry_out(conn, rows, codes, by=whoami(), rehearse=dry_run)
            if dry_run:
                print(f"{file}: {sum(one.decision is not None for one in done)} decisions (dry run: nothing is done)")
                return
            _follow(conn, found, done, sorted({one.key.code for _, one in rows}), replay=replay, as_json=as_json)
    except ActError as error:
        raise ActError(f"{file}: {error}") from None


def _follow(
    conn: sqlite3.Connection,
    found: config.Config,
    done: list[Resolved],
    codes: list[str],
    *,
    replay: bool,
    as_json: bool,
    silent: bool = False,
) -> None:
    """Say what was decided and what follows; send corrections where that was asked for."""
    if not as_json and not silent:
        for one in done:
            _say(one)
    note = "; ".join(one.decision.told() for one in done if one.decision is not None)
    sent = send(conn, found, codes, note) if replay else None
    waiting = offer(conn, found, codes) if sent is None else {}
    if as_json:
        made = [decision_json(one.decision) for one in done if one.decision is not None]
        print_json({"decisions": made, "corrections": _sent_json(sent), "delivered_otherwise": waiting})
    elif sent is not None:
        print_corrections(sent)
    else:
        for destination, n in waiting.items():
            print(f"{destination}: {n} delivered messages bear another code: `wardlink queue replay --remap` sends corrections")


def _sent_json(sent: list[Any] | None) -> list[dict[str, Any]]:
    return [{"destination": one.destination, "n": one.n, "left": dict(one.left)} for one in sent or ()]


def _say(one: Resolved) -> None:
    if one.decision is None:
        print("it was decided so already")
    else:
        held = sum(seen.n for seen in one.about)
        known = terms.loinc(one.decision.loinc)
        name = f" ({known.display if known is not None else one.decision.name})" if one.decision.loinc else ""
        print(f"decision {one.decision.id}: {one.decision.told()}{name}; {held} results in the journal are meant")
    for seen in one.left:
        print(f"left as it is: {seen.key.told()}, {seen.n} results")


def _load(path: Path) -> config.Config:
    found = running(path)
    terms.add_site_rows(found.gateway.terms)
    return found
