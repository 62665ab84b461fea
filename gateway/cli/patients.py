"""wardlink associate | release | associations: who wears what, from the command line, recorded and audited."""

from __future__ import annotations

import getpass
import os
import sqlite3
from contextlib import closing
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gateway import config, explain
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, moment, new_app, print_json, table
from gateway.errors import ConfigError
from gateway.model import Subject
from gateway.patients import acts
from gateway.store.associations import Association
from gateway.store.journal import open_reader

AtOption = Annotated[str, typer.Option("--at", help="since when it is true; ISO 8601 with offset; now when absent")]
ReasonOption = Annotated[str, typer.Option(help="why, for the audit trail")]

associate, release, associations = new_app(), new_app(), new_app()


@associate.command()
def _associate(
    device: Annotated[str, typer.Argument(help="the device's id")],
    patient: Annotated[str, typer.Argument(help="the patient's id, as the hospital writes it")],
    at: AtOption = "",
    family_name: Annotated[str, typer.Option(help="second factor for the receiver (PID-5)")] = "",
    given_name: Annotated[str, typer.Option(help="the same (PID-5)")] = "",
    birth_date: Annotated[str, typer.Option(help="YYYYMMDD")] = "",
    sex: Annotated[str, typer.Option(help="M F O U A N")] = "",
    assigner: Annotated[str, typer.Option(help="who assigned the id (PID-3.4)")] = "",
    visit_id: Annotated[str, typer.Option(help="visit or case number (PV1-19)")] = "",
    reason: ReasonOption = "",
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """DEVICE is on PATIENT from now on, or from --at on; a former patient's association ends then."""
    found = running(path)
    fields = {
        "patient_id": patient,
        "assigner": assigner,
        "family_name": family_name,
        "given_name": given_name,
        "birth_date": birth_date,
        "sex": sex,
        "visit_id": visit_id,
    }
    subject = _subject(fields)
    with closing(acts.open_for_acts(found.gateway.data)) as conn:
        _known(found, conn, device)
        made = acts.associate(conn, device, subject, at=moment(at), by=whoami(), source="cli", reason=reason)
    print(f"{device}: {'on ' + patient + ' since ' + made.valid_from.isoformat() if made else 'was on ' + patient + ' already'}")


@release.command()
def _release(
    device: Annotated[str, typer.Argument(help="the device's id")],
    at: AtOption = "",
    reason: ReasonOption = "",
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """DEVICE is on nobody from now on, or from --at on."""
    found = running(path)
    with closing(acts.open_for_acts(found.gateway.data)) as conn:
        former = acts.release(conn, device, at=moment(at), by=whoami(), source="cli", reason=reason)
    print(f"{device}: off {former.subject.patient_id}")


@associations.command()
def _associations(
    device: Annotated[str, typer.Argument(help="only this device")] = "",
    known_at: Annotated[str, typer.Option(help="as it was known then; ISO 8601 with offset")] = "",
    every_version: Annotated[bool, typer.Option(help="every version ever recorded, superseded ones too")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Who wears what, and who did."""
    with closing(open_reader(running(path).gateway.data)) as conn:
        found = acts.history(conn, device or None, known_at=moment(known_at), every_version=every_version)
    if as_json:
        print_json([_row(one) for one in found])
    else:
        heads = ("device", "patient", "from", "to", "recorded", "superseded", "by", "source", "reason")
        table("", heads, [tuple(_row(one).values()) for one in found])


def _row(one: Association) -> dict[str, object]:
    return {
        "device": one.device,
        "patient_id": one.subject.patient_id,
        "valid_from": one.valid_from,
        "valid_to": one.valid_to,
        "recorded_at": one.recorded_at,
        "superseded_at": one.superseded_at,
        "by": one.by,
        "source": one.source,
        "reason": one.reason,
    }


def _subject(fields: dict[str, str]) -> Subject:
    try:
        return config.PatientConfig.model_validate(fields).subject()
    except ValidationError as error:
        told = [_option(item) for item in error.errors(include_url=False)]
        raise ConfigError("\n".join(told)) from None


def _option(item: Any) -> str:
    """What is wrong with one of the options, without the patient data that was given."""
    name = str(item["loc"][0])
    option = "PATIENT" if name == "patient_id" else f"--{name.replace('_', '-')}"
    return f"{option}: {explain.say(item, config.PatientConfig, ('patient',))}"


def _known(found: config.Config, conn: sqlite3.Connection, device: str) -> None:
    """A device of the configuration, or one that left it: what it said may still wait for its patient."""
    if device in {one.id for one in found.device}:
        return
    if conn.execute("SELECT 1 FROM tally WHERE device = ? LIMIT 1", (device,)).fetchone() is None:
        known = ", ".join(one.id for one in found.device) or "none"
        raise ConfigError(f"no device {device!r} is configured; there are: {known}")


def whoami() -> str:
    """The person at the keyboard, for the audit trail: behind sudo, who called it."""
    return os.environ.get("SUDO_USER") or getpass.getuser()
