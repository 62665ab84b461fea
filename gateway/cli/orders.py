"""wardlink orders: what laboratory systems want done, for analyzers that ask: add, list, cancel, import."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from gateway import config, tables
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, moment, new_app, print_json, read_bytes, table
from gateway.errors import ActError
from gateway.model import Subject, WorkOrder
from gateway.orders import acts, files
from gateway.orders.hl7 import Command
from gateway.store import orders
from gateway.store.database import joined, open_for_acts, open_reader
from gateway.store.orders import Outcome, Row

app = new_app()


@app.callback()
def _orders() -> None:
    """What is to be done with which specimen: kept here, and told to the analyzer that asks for it."""


@app.command()
def add(
    specimen: Annotated[str, typer.Argument(help="the specimen's id, as its barcode says it")],
    tests: Annotated[list[str], typer.Argument(help="the tests' codes; a profile may give each analyzer its own for them")],
    placer: Annotated[str, typer.Option(help="the order's number; made when absent")] = "",
    priority: Annotated[str, typer.Option(help="S stat, A as soon as possible, R routine, C call back, P preoperative")] = "R",
    specimen_type: Annotated[str, typer.Option(help="what it is, in the analyzer's word, such as Serum")] = "",
    device: Annotated[str, typer.Option(help="only for this device; one that is sent worklists is sent it at once")] = "",
    patient: Annotated[str, typer.Option(help="the patient's id, as the hospital writes it")] = "",
    family_name: Annotated[str, typer.Option(help="the patient's family name, for the analyzer's screen")] = "",
    given_name: Annotated[str, typer.Option(help="the patient's given name")] = "",
    birth_date: Annotated[str, typer.Option(help="YYYYMMDD")] = "",
    sex: Annotated[str, typer.Option(help="M F U")] = "",
    collected: Annotated[str, typer.Option(help="when it was drawn; ISO 8601 with an offset")] = "",
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Have TESTS done with SPECIMEN."""
    about = Subject(patient_id=patient, family_name=family_name, given_name=given_name, birth_date=birth_date, sex=sex)
    order = WorkOrder(
        placer=placer or f"W-{secrets.token_hex(6).upper()}",
        specimen=specimen,
        tests=tuple(tests),
        priority=priority.upper(),
        specimen_type=specimen_type,
        patient=None if about == Subject(patient_id="") else about,
        device=device,
        collected_at=moment(collected),
    )
    done = _carry_out([Command(order)], path)
    if done[0][1] is Outcome.DEAD:
        raise ActError(f"the order {order.placer!r} was cancelled, and stays so; give another number with --placer, or none")
    _tell(done, as_json=as_json)


@app.command("list")
def list_(
    specimen: Annotated[str, typer.Option(help="only of this specimen")] = "",
    every: Annotated[bool, typer.Option("--all", help="cancelled ones too")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Orders, the latest first: which analyzer was told of them, and when."""
    with closing(open_reader(running(path).gateway.data)) as conn:
        found = orders.rows(conn, specimen, every=every)
    if as_json:
        print_json([_row(one) for one in found])
    elif found:
        table("", ("number", "specimen", "tests", "status"), [_shown(one) for one in found])
    else:
        print("no orders" + (f" for the specimen {specimen}" if specimen else ""))


@app.command()
def cancel(
    placer: Annotated[str, typer.Argument(help="the order's number, as `wardlink orders list` has it")],
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Cancel an order: an analyzer that asks for it is told that there is none."""
    done = _carry_out([Command(WorkOrder(placer=placer, specimen="", tests=()), cancel=True)], path)
    if done[0][1] is Outcome.UNKNOWN:
        raise ActError(f"there is no order {placer!r}; `wardlink orders list --all` shows their numbers")
    _tell(done, as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or HL7 (OML^O21, OML^O33, ORM^O01); - for standard input")],
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Take the orders of FILE, all or none. What is known already stays, so a file may come twice."""
    try:
        found = files.read(read_bytes(file, tables.SIZE_MAX))
        done = _carry_out(found, path)
    except ActError as error:
        raise ActError(f"{file}: {error}; nothing was taken") from None
    _tell(done, as_json=as_json)


def _carry_out(commands: list[Command], path: Path) -> list[tuple[Command, Outcome]]:
    """All of them in one transaction."""
    by = whoami()
    with closing(open_for_acts(running(path).gateway.data)) as conn, joined(conn):
        return [(one, _one(conn, one, by)) for one in commands]


def _one(conn: sqlite3.Connection, command: Command, by: str) -> Outcome:
    if command.cancel:
        return acts.cancel(conn, command.order.placer, by=by, source="cli")
    return acts.place(conn, command.order, by=by, source="cli")


def _tell(done: list[tuple[Command, Outcome]], *, as_json: bool) -> None:
    if as_json:
        print_json([{"placer": one.order.placer, "specimen": one.order.specimen, "outcome": outcome} for one, outcome in done])
        return
    for one, outcome in done:
        about = f" for {one.order.specimen}: {' '.join(one.order.tests)}" if one.order.specimen else ""
        print(f"order {one.order.placer}{about}: {outcome}")
    if not done:
        print("no orders in it")


def _shown(one: Row) -> tuple[str, ...]:
    order = one.order
    told = f"told {one.sent_to} {one.sent_at.astimezone():%d %b %H:%M}" if one.sent_at else ""
    words = (
        one.status,
        order.priority if order.priority != "R" else "",
        f"only for {order.device}" if order.device else "",
        told,
    )
    return order.placer, order.specimen, " ".join(order.tests), ", ".join(filter(None, words))


def _row(one: Row) -> dict[str, object]:
    order = one.order
    return {
        "placer": order.placer,
        "specimen": order.specimen,
        "tests": order.tests,
        "priority": order.priority,
        "specimen_type": order.specimen_type,
        "patient_id": order.patient.patient_id if order.patient else "",
        "device": order.device,
        "status": one.status,
        "sent_to": one.sent_to,
        "sent_at": one.sent_at,
        "stored_at": one.stored_at,
        "changed_at": one.changed_at,
    }
