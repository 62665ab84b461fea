"""wardlink livd: what makers say their codes are in LOINC (LIVD files): take it as suggestions, accept it, dismiss it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import config, terms
from gateway.cli.correcting import offer
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, read_bytes, table
from gateway.codes import acts
from gateway.codes.acts import Accepted
from gateway.errors import ActError, ConfigError
from gateway.mapping import Key, livd_file
from gateway.mapping.livd import SIZE_MAX, Suggestion, Table, contradiction, suits
from gateway.store import livd, mappings, unmapped
from gateway.store.database import FILE, open_for_acts, open_reader
from gateway.store.livd import Row, State

app = new_app()

_LISTED = 20
"""Rows of a kind that are shown to a person: the others are counted, --json has all."""

DeviceOption = Annotated[str, typer.Option(help="for this device (its asset tag), and only codes that it has sent")]
MakerOption = Annotated[str, typer.Option(help="the maker as the device says it, where the file has another name")]
ModelOption = Annotated[str, typer.Option(help="the model as the device says it, where the file has another name")]
FileOption = Annotated[str, typer.Option(help="only of this file, as `wardlink livd list` has its name")]


@app.callback(no_args_is_help=True)
def _group() -> None:
    """What makers say their codes are in LOINC. It only suggests; the laboratory decides."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="a LIVD file: CSV of the IICC format, or FHIR JSON; - for standard input")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what is in it, take nothing")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="accept at once all that nothing speaks against")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Take the rows of FILE as suggestions; say what is new, doubtful, and what cannot be used."""
    try:
        found = livd_file.read(read_bytes(file, SIZE_MAX))
    except ActError as error:
        raise ActError(f"{file}: {error}; nothing was taken") from None
    loaded = _load(path)
    shown = _against_decisions(found, loaded)
    taken, accepted = 0, None
    if not dry_run:
        with closing(open_for_acts(loaded.gateway.data)) as conn:
            codes = unmapped.seen(conn) if accept else []
            taken = len(livd.keep(conn, file.name, found.rows, by=whoami(), version=found.version))
            if accept:
                rows = livd.rows(conn, file=file.name, state=State.SUGGESTED)
                accepted = acts.accept(conn, rows, codes, by=whoami(), reason=f"all of {file.name} accepted")
    if as_json:
        print_json(_table_json(shown, taken) | {"accepted": _accepted_json(accepted) if accepted else None})
        return
    _tell(shown, "would be taken" if dry_run else f"{taken} new suggestions")
    if accepted is not None:
        _tell_accepted(accepted)


def _against_decisions(found: Table, loaded: config.Config) -> Table:
    """The table, with the doubt that a person has decided otherwise."""
    if not (loaded.gateway.data / FILE).exists():  # no gateway ran here yet: nothing was decided
        return found
    with closing(open_reader(loaded.gateway.data)) as conn:
        decided = mappings.now(conn)
    doubts = [(one, contradiction(one, decided.about(one.code))) for one in found.rows]
    return replace(found, rows=tuple(replace(one, doubts=(*one.doubts, doubt)) if doubt else one for one, doubt in doubts))


def _tell(found: Table, what: str) -> None:
    doubtful = [one for one in found.rows if one.doubts]
    print(f"{found.version or 'no version'}: {len(found.rows)} rows can be used: {what}; {len(found.refused)} cannot")
    _listed("doubtful", [f"{one.place}: {_about(one)}: {'; '.join(one.doubts)}" for one in doubtful])
    _listed("cannot be used", [f"{one.place}: {one.code or 'no code'} = {one.loinc}: {one.why}" for one in found.refused])


def _listed(head: str, lines: list[str]) -> None:
    if lines:
        print(f"{head}: {len(lines)}")
    for line in lines[:_LISTED]:
        print(f"  {line}")
    if len(lines) > _LISTED:
        print(f"  and {len(lines) - _LISTED} more: --json has them all")


def _about(one: Suggestion) -> str:
    narrow = ", ".join(word for word in (one.specimen, one.result) if word)
    return f"{one.maker} {one.model} {one.code}{f' ({narrow})' if narrow else ''} = {one.loinc}"


def _table_json(found: Table, taken: int) -> dict[str, Any]:
    return {
        "version": found.version,
        "rows": [_suggestion_json(one) for one in found.rows],
        "new": taken,
        "refused": [{"place": one.place, "code": one.code, "loinc": one.loinc, "why": one.why} for one in found.refused],
    }


def _suggestion_json(one: Suggestion) -> dict[str, Any]:
    return {
        "place": one.place,
        "maker": one.maker,
        "model": one.model,
        "code": one.code,
        "analyte": one.analyte,
        "specimen": one.specimen,
        "result": one.result,
        "units": list(one.units),
        "loinc": one.loinc,
        "name": one.name,
        "property": one.prop,
        "doubts": list(one.doubts),
    }


@app.command("list")
def list_(
    code: Annotated[str, typer.Option(help="only for this code of a device")] = "",
    file: FileOption = "",
    every: Annotated[bool, typer.Option("--all", help="accepted and dismissed ones, too")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Suggestions that nobody has decided about yet."""
    with closing(open_reader(_load(path).gateway.data)) as conn:
        found = livd.rows(conn, code=code, file=file, state=None if every else State.SUGGESTED)
    if as_json:
        print_json([_row_json(one) for one in found])
    elif found:
        table("", ("number", "code", "LOINC", "from"), [_row(one) for one in found])
    else:
        print("no suggestions")


def _row(one: Row) -> tuple[object, ...]:
    said = one.said
    narrow = ", ".join(word for word in (said.specimen, said.result) if word)
    named = f"{said.maker} {said.model} {said.code} {said.analyte}".strip() + (f" ({narrow})" if narrow else "")
    doubts = "; ".join(said.doubts)
    state = "" if one.state is State.SUGGESTED else f", {one.state}"
    return one.id, named, f"{said.loinc} {said.name}".strip(), f"{one.file} {said.place}{state}{f': {doubts}' if doubts else ''}"


def _row_json(one: Row) -> dict[str, Any]:
    return {
        "number": one.id,
        "file": one.file,
        **_suggestion_json(one.said),
        "state": one.state,
        "imported_by": one.imported_by,
        "imported_at": one.imported_at,
        "decided_by": one.decided_by or None,
        "decided_at": one.decided_at,
    }


@app.command()
def accept(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[NUMBER]...", help="suggestions, as `wardlink livd list` has them")
    ] = None,
    device: DeviceOption = "",
    file: FileOption = "",
    maker: MakerOption = "",
    model: ModelOption = "",
    reason: Annotated[str, typer.Option(help="why, for the audit trail")] = "",
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Decide as makers suggest: single rows by number, or all for a device or of a file that nothing speaks against."""
    if not (numbers or device or file):
        raise ConfigError("say which: numbers, --device or --file")
    found = _load(path)
    with closing(open_for_acts(found.gateway.data)) as conn:
        codes = unmapped.seen(conn)
        rows = livd.rows(conn, file=file, state=None if numbers else State.SUGGESTED, numbers=numbers or None)
        if numbers and (missing := sorted(set(numbers) - {row.id for row in rows})):
            raise ActError(f"there is no suggestion {missing[0]}; `wardlink livd list` shows their numbers")
        if device:
            sent = [one.key for one in codes if one.key.device == device and one.unmapped]
            rows = [row for row in rows if any(suits(row.said, key) for key in sent)]
        if not rows:
            raise ActError("no suggestion is meant by that; `wardlink livd list` shows them")
        about = Key(code="", device=device, maker=maker, model=model)
        done = acts.accept(conn, rows, codes, by=whoami(), about=about, doubtful=bool(numbers), reason=reason)
        otherwise = offer(conn, found, sorted({one.key.code for one in done.decisions})) if done.decisions else {}
    if as_json:
        print_json(_accepted_json(done) | {"delivered_otherwise": otherwise})
        return
    _tell_accepted(done)
    for destination, n in otherwise.items():
        print(f"{destination}: {n} delivered messages bear another code: `wardlink queue replay --remap` sends corrections")


def _tell_accepted(done: Accepted) -> None:
    print(f"{len(done.rows)} suggestions accepted: {len(done.decisions)} decisions, {done.meant} codes in the journal are meant")
    _listed("left as suggestions", [f"{row.id}: {_about(row.said)}: {why}" for row, why in done.left])


def _accepted_json(done: Accepted) -> dict[str, Any]:
    return {
        "accepted": [row.id for row in done.rows],
        "decisions": [one.id for one in done.decisions],
        "meant": done.meant,
        "left": [{"number": row.id, "why": why} for row, why in done.left],
    }


@app.command()
def dismiss(
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER...", help="suggestions, as `wardlink livd list` has them")],
    reason: Annotated[str, typer.Option(help="why, for the audit trail")],
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Have these suggested no more."""
    with closing(open_for_acts(_load(path).gateway.data)) as conn:
        print(f"{livd.dismiss(conn, numbers, by=whoami(), reason=reason)} suggestions dismissed")


def _load(path: Path) -> config.Config:
    found = running(path)
    terms.add_site_rows(found.gateway.terms)
    return found
