"""wardlink operators: who may use point-of-care devices; told to those that take such lists: add, list, remove, import."""

from __future__ import annotations

import getpass
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gateway import config, tables
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, moment, new_app, print_json, read_bytes, table
from gateway.errors import ActError
from gateway.lists import acts, files
from gateway.rolls import LEVELS, OPERATORS, ListTold, Operator, Secret
from gateway.store import lists
from gateway.store.database import joined, open_for_acts, open_reader
from gateway.store.times import utc_now

PASSWORD_MAX = 1024
"""Bytes of a file with a password: a line."""

app = new_app()


@app.callback()
def _operators() -> None:
    """Who may use point-of-care devices: kept here, and told to the devices that take such lists."""


@app.command()
def add(
    number: Annotated[str, typer.Argument(metavar="ID", help="what the badge says or a person types")],
    family_name: Annotated[str, typer.Option(help="for the device's screen")] = "",
    given_name: Annotated[str, typer.Option(help="the same")] = "",
    level: Annotated[str, typer.Option(help=f"{', '.join(LEVELS)}, or the maker's own code")] = LEVELS[0],
    method: Annotated[list[str] | None, typer.Option(help="a test that they may do; repeatable; all when absent")] = None,
    at: Annotated[
        list[str] | None, typer.Option("--at", help="a device, or a point of care; repeatable; everywhere when absent")
    ] = None,
    ask_password: Annotated[
        bool, typer.Option("--password", help="ask for a password; of standard input, where it is no terminal")
    ] = False,
    valid_from: Annotated[str, typer.Option(help="ISO 8601 with an offset")] = "",
    valid_until: Annotated[str, typer.Option(help="the same; from then on devices are told to forget them")] = "",
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Let ID use devices, or change what is known of ID: what is not given is not kept."""
    operator = Operator(
        id=number,
        family_name=family_name,
        given_name=given_name,
        level=level,
        methods=tuple(method or ()),
        where=tuple(at or ()),
        password=_password() if ask_password else None,
        valid_from=moment(valid_from),
        valid_until=moment(valid_until),
    )
    _tell(_put([operator], path), as_json=as_json)


@app.command("list")
def list_(
    device: Annotated[str, typer.Option(help="only who may use this device, and what it was told")] = "",
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Operators by id, and which devices have the list."""
    found = running(path)
    place = next((one.place() for one in found.device if one.id == device), None)
    with closing(open_reader(found.gateway.data)) as conn:
        known, told = lists.operators(conn), lists.told(conn)
    here = [one for one in known if not device or one.may_use(device, place.point_of_care if place else "", utc_now())]
    have = {name: then for (name, which), then in told.items() if which == OPERATORS and device in ("", name)}
    if as_json:
        print_json({"operators": [_row(one) for one in here], "told": [_told(name, then) for name, then in have.items()]})
        return
    if here:
        table("", ("id", "name", "level", "may use", "until"), [_shown(one) for one in here])
    else:
        print("no operators" + (f" for {device}" if device else ""))
    for name, then in have.items():
        print(f"{name} has a list of {len(then.entries)} since {then.at.astimezone():%d %b %H:%M}")


@app.command()
def remove(
    number: Annotated[str, typer.Argument(metavar="ID", help="as `wardlink operators list` has it")],
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Have devices forget ID."""
    with closing(open_for_acts(running(path).gateway.data)) as conn:
        acts.drop_operator(conn, number, by=whoami(), source="cli")
    print(f"operator {number}: removed")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV or JSON; - for standard input")],
    replace: Annotated[bool, typer.Option(help="also remove who is not in it")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Take the operators of FILE, all or none. What is known already stays, so a file may come twice."""
    try:
        found = files.operators(read_bytes(file, tables.SIZE_MAX))
        done = _put(found, path, only=replace)
    except ActError as error:
        raise ActError(f"{file}: {error}; nothing was taken") from None
    _tell(done, as_json=as_json)


def _put(found: list[Operator], path: Path, *, only: bool = False) -> list[tuple[str, str]]:
    """All of them in one transaction; `only`: the others are removed."""
    by = whoami()
    with closing(open_for_acts(running(path).gateway.data)) as conn, joined(conn):
        done = [(one.id, _one(conn, one, by)) for one in found]
        for other in sorted({one.id for one in lists.operators(conn)} - {one.id for one in found}) if only else ():
            acts.drop_operator(conn, other, by=by, source="cli")
            done.append((other, "removed"))
        if len(lists.operators(conn)) >= lists.OPERATORS_MAX:
            raise ActError(f"more than {lists.OPERATORS_MAX - 1} operators, expected at most so many")
        return done


def _one(conn: sqlite3.Connection, operator: Operator, by: str) -> str:
    return "kept" if acts.put_operator(conn, operator, by=by, source="cli") else "known already"


def _password() -> Secret:
    """Never an argument: those are seen by everybody on the machine, and stay in the shell's history."""
    if not sys.stdin.isatty():
        return Secret(sys.stdin.readline(PASSWORD_MAX).rstrip("\r\n"))
    first = getpass.getpass("password: ")
    if getpass.getpass("again: ") != first:
        raise ActError("the two are not the same; nothing was kept")
    return Secret(first)


def _tell(done: list[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        print_json([{"id": number, "outcome": outcome} for number, outcome in done])
        return
    for number, outcome in done:
        print(f"operator {number}: {outcome}")
    if not done:
        print("no operators in it")


def _shown(one: Operator) -> tuple[str, ...]:
    name = ", ".join(filter(None, (one.family_name, one.given_name)))
    use = " ".join((*(one.methods or ("all tests",)), *(("at", *one.where) if one.where else ())))
    until = f"{one.valid_until.astimezone():%d %b %Y %H:%M}" if one.valid_until else ""
    return one.id, name, one.level + (", password" if one.password else ""), use, until


def _row(one: Operator) -> dict[str, object]:
    return {
        "id": one.id,
        "family_name": one.family_name,
        "given_name": one.given_name,
        "level": one.level,
        "methods": one.methods,
        "where": one.where,
        "password": one.password is not None,
        "valid_from": one.valid_from,
        "valid_until": one.valid_until,
    }


def _told(name: str, then: ListTold) -> dict[str, object]:
    return {"device": name, "serial": then.serial, "at": then.at, "count": len(then.entries)}
