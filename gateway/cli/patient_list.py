"""wardlink patients: the patients that point-of-care devices are told of: who wears a device, and who was listed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gateway import config, tables
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, read_bytes, table
from gateway.errors import ActError
from gateway.lists import acts, files
from gateway.model import Location, Subject
from gateway.store import lists
from gateway.store.database import joined, open_for_acts, open_reader

WEARS = "wears a device"

app = new_app()


@app.callback()
def _patients() -> None:
    """The patients that point-of-care devices are told of: whoever wears a device now, and whom somebody listed."""


@app.command()
def add(
    number: Annotated[str, typer.Argument(metavar="PATIENT", help="the patient's id, as the hospital writes it")],
    family_name: Annotated[str, typer.Option(help="for the device's screen")] = "",
    given_name: Annotated[str, typer.Option(help="the same")] = "",
    birth_date: Annotated[str, typer.Option(help="YYYYMMDD")] = "",
    sex: Annotated[str, typer.Option(help="M F O U A N")] = "",
    point_of_care: Annotated[str, typer.Option(help="the ward")] = "",
    room: Annotated[str, typer.Option(help="the room")] = "",
    bed: Annotated[str, typer.Option(help="the bed")] = "",
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """List PATIENT, or change what is known of them: what is not given is not kept."""
    place = Location(point_of_care=point_of_care, room=room, bed=bed)
    about = Subject(
        patient_id=number,
        family_name=family_name,
        given_name=given_name,
        birth_date=birth_date,
        sex=sex,
        location=None if place == Location() else place,
    )
    _tell(_put([about], path), as_json=False)


@app.command("list")
def list_(as_json: JsonOption = False, path: ConfigOption = config.DEFAULT_PATH) -> None:
    """Patients by number, and why each is on the list."""
    with closing(open_reader(running(path).gateway.data)) as conn:
        found = [*lists.listed(conn), *((one, WEARS) for one in lists.wearers(conn))]
    rows = sorted({(one.patient_id, source): (one, source) for one, source in found}.items())
    if as_json:
        print_json([_row(one, source) for _, (one, source) in rows])
    elif rows:
        table("", ("patient", "name", "born", "sex", "place", "why"), [_shown(one, source) for _, (one, source) in rows])
    else:
        print("no patients")


@app.command()
def remove(
    number: Annotated[str, typer.Argument(metavar="PATIENT", help="as `wardlink patients list` has it")],
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Take PATIENT off the list; one who wears a device stays on it."""
    with closing(open_for_acts(running(path).gateway.data)) as conn:
        acts.drop_patient(conn, number, by=whoami(), source="cli")
    print(f"{number}: off the list")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or JSON; - for standard input")],
    replace: Annotated[bool, typer.Option(help="also take off who is not in it")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """List the patients of FILE, all or none. Who is listed already stays, so a file may come twice."""
    try:
        found = files.patients(read_bytes(file, tables.SIZE_MAX))
        done = _put(found, path, only=replace)
    except ActError as error:
        raise ActError(f"{file}: {error}; nothing was taken") from None
    _tell(done, as_json=as_json)


def _put(found: list[Subject], path: Path, *, only: bool = False) -> list[tuple[str, str]]:
    """All of them in one transaction; `only`: the others are taken off."""
    by = whoami()
    with closing(open_for_acts(running(path).gateway.data)) as conn, joined(conn):
        done = [(one.patient_id, _one(conn, one, by)) for one in found]
        others = {one.patient_id for one, source in lists.listed(conn) if source == acts.LISTED} - {one for one, _ in done}
        for other in sorted(others) if only else ():
            acts.drop_patient(conn, other, by=by, source="cli")
            done.append((other, "off the list"))
        if len(lists.listed(conn)) >= lists.PATIENTS_MAX:
            raise ActError(f"more than {lists.PATIENTS_MAX - 1} patients, expected at most so many")
        return done


def _one(conn: sqlite3.Connection, subject: Subject, by: str) -> str:
    return "listed" if acts.put_patient(conn, subject, by=by, source="cli") else "known already"


def _tell(done: list[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        print_json([{"patient_id": number, "outcome": outcome} for number, outcome in done])
        return
    for number, outcome in done:
        print(f"{number}: {outcome}")
    if not done:
        print("no patients in it")


def _place(one: Subject) -> str:
    where = one.location or Location()
    return " ".join(filter(None, (where.facility, where.point_of_care, where.room, where.bed)))


def _shown(one: Subject, source: str) -> tuple[str, ...]:
    name = ", ".join(filter(None, (one.family_name, one.given_name)))
    return one.patient_id, name, one.birth_date, one.sex, _place(one), "listed" if source == acts.LISTED else source


def _row(one: Subject, source: str) -> dict[str, object]:
    return {
        "patient_id": one.patient_id,
        "assigner": one.assigner,
        "family_name": one.family_name,
        "given_name": one.given_name,
        "birth_date": one.birth_date,
        "sex": one.sex,
        "place": _place(one),
        "source": source,
    }
