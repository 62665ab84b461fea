"""wardlink queue list|show|retry|replay|edit|dismiss: what waits, what was refused, and what a person does about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import config, terms
from gateway.cli import correcting
from gateway.cli.message import message
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.selecting import (
    AllOption,
    DestinationOption,
    DeviceOption,
    DryRunOption,
    Ids,
    PatientOption,
    ReasonOption,
    Selecting,
    SinceOption,
    StateOption,
    UntilOption,
)
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, read_bytes, table
from gateway.cli.trail import as_json as trail_json
from gateway.cli.trail import print_message
from gateway.deliver import editing
from gateway.errors import ActError
from gateway.store import queued, remedies, selection
from gateway.store.database import open_for_acts
from gateway.store.items import State
from gateway.store.journal import open_reader
from gateway.store.queued import WAITING, Fate, Kept, Queued
from gateway.store.remedies import By, Done
from gateway.store.selection import Selection
from gateway.store.times import utc_now

app = new_app()

Act = Callable[[sqlite3.Connection, Selection, By, int], Done]

ASIDE = frozenset({State.HELD, State.DUE, State.RETRY, State.PARKED})
_WORDS = {
    "retry": "go again now; a line that paused goes on at once",
    "replay": "will be sent again",
    "dismiss": "given up",
}


@app.callback(no_args_is_help=True)
def _group() -> None:
    """What waits for receivers, what they refused, and what to do about it."""


@app.command("list")
def list_(
    ids: Ids = None,
    destination: DestinationOption = "",
    state: StateOption = None,
    reason: ReasonOption = "",
    device: DeviceOption = "",
    patient: PatientOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="rows a destination and state at most")] = 100,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """What waits, is held, is tried again or parked, with reason and age; --state delivered for what is done."""
    wanted = Selecting(ids, destination, reason, device, patient, since, until)
    with closing(open_reader(running(path).gateway.data)) as conn:
        rows = [one for chosen in wanted.selections(conn) for one in _listed(conn, chosen, state or [], limit)]
    if as_json:
        print_json([_as_json(one) for one in rows])
        return
    if not rows:
        print("nothing that was asked for is in the queue")
        return
    heads = ("destination", "report", "device", "received (UTC)", "age", "state", "code", "reason")
    table("", heads, [_row(one) for one in rows])


def _listed(conn: sqlite3.Connection, chosen: Selection, words: Sequence[str], limit: int) -> Iterator[Queued]:
    states = {State(word) for word in words if word != WAITING} if words else ASIDE
    yield from queued.listed(conn, _with(chosen, frozenset(states)), limit)
    if (not words or WAITING in words) and not chosen.reason:
        yield from queued.waiting(conn, chosen, limit)


def _row(one: Queued) -> tuple[object, ...]:
    state = f"{one.state} (again)" if one.again else one.state
    due = f"next try in {_span((one.not_before - utc_now()).total_seconds())}" if one.not_before else ""
    why = "; ".join(word for word in (one.reason, due) if word)
    received = f"{one.received_at:%m-%d %H:%M:%S}"
    age = _span((utc_now() - one.received_at).total_seconds())
    return one.destination, one.report, one.device, received, age, state, one.code, why


def _as_json(one: Queued) -> dict[str, Any]:
    return {
        "destination": one.destination,
        "report": one.report,
        "device": one.device,
        "received_at": one.received_at,
        "age_s": round((utc_now() - one.received_at).total_seconds(), 3),
        "state": one.state,
        "since": one.since,
        "not_before": one.not_before,
        "code": one.code,
        "reason": one.reason,
        "again": one.again,
    }


def _span(seconds: float) -> str:
    """A length of time in the largest unit that says it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


@app.command()
def show(
    word: Annotated[str, typer.Argument(metavar="ID", help="report number, message id or FHIR identifier")],
    destination: DestinationOption = "",
    only_message: Annotated[bool, typer.Option("--message", help="the message alone, as `queue edit --file` takes it")] = False,
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """One message: its bytes (a segment a line), the device's raw bytes, the receiver's answer, its history."""
    found = _load(path)
    with closing(open_reader(found.gateway.data)) as conn:
        kept = queued.kept(conn, queued.named(conn, word).report)
        fates = [one for one in kept.fates if destination in {"", one.destination}]
        if not fates:
            raise ActError(f"{word}: {destination or 'no destination'} has nothing to do with it; see `wardlink why {word}`")
        if only_message:
            made = message(conn, found, kept, _one(fates, word))
            print(editing.shown(made.body) if made.body is not None else made.how, end="")
        elif as_json:
            print_json([trail_json(conn, found, kept, one) for one in fates])
        else:
            for one in fates:
                print_message(conn, found, kept, one)


@app.command()
def retry(
    ids: Ids = None,
    destination: DestinationOption = "",
    reason: ReasonOption = "",
    device: DeviceOption = "",
    patient: PatientOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    every: AllOption = False,
    dry_run: DryRunOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Try now, instead of when the back-off says; also when a whole destination pauses because it was out of reach."""
    wanted = Selecting(ids, destination, reason, device, patient, since, until, every)
    _act("retry", remedies.retry, wanted, frozenset({State.RETRY}), By(whom=whoami()), path, dry_run=dry_run)


@app.command()
def replay(
    ids: Ids = None,
    destination: DestinationOption = "",
    reason: ReasonOption = "",
    device: DeviceOption = "",
    patient: PatientOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    every: AllOption = False,
    delivered: Annotated[
        bool, typer.Option(help="delivered messages too, not only parked ones; named ids are in any case")
    ] = False,
    remap: Annotated[
        bool,
        typer.Option("--remap", help="corrections, under new ids, of what was delivered under codes decided otherwise since"),
    ] = False,
    dry_run: DryRunOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Send parked or delivered messages again, under their own ids: a receiver that has one can discard it."""
    wanted = Selecting(ids, destination, reason, device, patient, since, until, every)
    if remap:
        _remap(wanted, path, dry_run=dry_run)
        return
    states = {State.PARKED, State.DELIVERED} if delivered or ids else {State.PARKED}
    _act("replay", remedies.replay, wanted, frozenset(states), By(whom=whoami()), path, dry_run=dry_run)


def _remap(wanted: Selecting, path: Path, *, dry_run: bool) -> None:
    """Without words about which: of everything, as only what reads otherwise is sent."""
    found = _load(path)
    with closing(open_for_acts(found.gateway.data)) as conn:
        done = correcting.send(conn, found, selections=wanted.selections(conn), dry_run=dry_run)
    correcting.print_corrections(done, dry_run=dry_run)


@app.command()
def dismiss(
    note: Annotated[str, typer.Option(help="why, for the audit trail")],
    ids: Ids = None,
    destination: DestinationOption = "",
    state: StateOption = None,
    reason: ReasonOption = "",
    device: DeviceOption = "",
    patient: PatientOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    every: AllOption = False,
    dry_run: DryRunOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Give messages up: parked ones; held and retrying ones where --state says so. They stay in the journal, and are counted."""
    wanted = Selecting(ids, destination, reason, device, patient, since, until, every)
    states = frozenset(map(State, state)) if state else frozenset({State.PARKED})
    if states - {State.PARKED, State.HELD, State.RETRY}:
        raise ActError("only parked, held and retrying messages can be given up; what waits is sent, what is delivered is done")
    _act("dismiss", remedies.dismiss, wanted, states, By(whom=whoami(), note=note), path, dry_run=dry_run)


def _act(name: str, act: Act, wanted: Selecting, states: frozenset[State], by: By, path: Path, *, dry_run: bool) -> None:
    """Do it destination by destination, in small steps, so that no device waits; say how many."""
    wanted.check_explicit()
    with closing(open_for_acts(running(path).gateway.data)) as conn:
        chosen = [_with(one, states) for one in wanted.selections(conn)]
        counts = {one.destination: selection.count(conn, one) for one in chosen}
        if not any(counts.values()) and (name != "retry" or wanted.narrow):
            raise ActError(f"nothing that was asked for is {' or '.join(sorted(states))}; see `wardlink queue list`")
        for one in chosen:
            n = counts[one.destination]
            if dry_run:
                told = ", ".join(f"{n[state]} {state}" for state in sorted(n)) or "none"
                print(f"{one.destination}: {told} (dry run: nothing is done)")
            elif n or not wanted.narrow:
                print(f"{one.destination}: {_all(conn, act, one, by)} {_WORDS[name]}")


def _all(conn: sqlite3.Connection, act: Act, chosen: Selection, by: By) -> int:
    done = act(conn, chosen, by, 0)
    n = done.n
    while done.last is not None:
        done = act(conn, chosen, by, done.last)
        n += done.n
    return n


@app.command()
def edit(
    word: Annotated[str, typer.Argument(metavar="ID", help="report number or message id of a parked or delivered message")],
    reason: Annotated[str, typer.Option(help="why, for the audit trail")],
    destination: DestinationOption = "",
    file: Annotated[Path | None, typer.Option(help="the edited message (- is standard input); your $EDITOR when absent")] = None,
    patient_changed: Annotated[
        str, typer.Option(help="why it is for another patient now: needed when PID-3 or PID-5 differs")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be changed, send nothing")] = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Send an edited message in the place of another: a new message with an id of its own; both are kept, with the difference."""
    found = _load(path)
    with closing(open_for_acts(found.gateway.data)) as conn:
        kept = queued.kept(conn, queued.named(conn, word).report)
        fate = _one([one for one in kept.fates if destination in {"", one.destination}], word)
        edited = _edited(conn, found, kept, fate, file, patient_changed)
        print(edited.diff)
        if dry_run:
            print(f"{edited.destination}: dry run: nothing is sent")
            return
        remedies.edit(conn, edited, By(whom=whoami(), note=reason))
    print(f"{edited.destination}: report {edited.report} will be sent as {edited.message_id} in the place of {edited.replaces}")


def _edited(
    conn: sqlite3.Connection, found: config.Config, kept: Kept, fate: Fate, file: Path | None, patient_changed: str
) -> remedies.Edit:
    made = message(conn, found, kept, fate)
    if made.body is None:
        raise ActError(f"report {kept.entry.id}: {made.how}")
    text = _by_hand(editing.shown(made.body)) if file is None else read_bytes(file, editing.EDIT_MAX).decode("utf-8", "replace")
    new_id = remedies.new_message_id()
    written = editing.read(text, made.body)
    if editing.renumbered(written, made.id, made.id) == made.body:
        raise ActError("nothing was changed: `wardlink queue replay` sends it again as it is")
    if editing.patients(written) != editing.patients(made.body) and not patient_changed:
        raise ActError(
            "the edited message is about another patient (PID-3 or PID-5 differs): if that is meant, give --patient-changed WHY"
        )
    return remedies.Edit(
        destination=fate.destination,
        report=kept.entry.id,
        message_id=new_id,
        replaces=made.id,
        body=editing.renumbered(written, made.id, new_id),
        diff=editing.difference(made.body, written),
        patient_changed=patient_changed,
    )


def _by_hand(text: str) -> str:
    import click

    edited = click.edit(text, extension=".hl7" if text.startswith("MSH") else ".json")
    if edited is None:
        raise ActError("the editor was left without saving: nothing is sent")
    return edited


def _one(fates: list[Fate], word: str) -> Fate:
    if len(fates) != 1:
        names = ", ".join(one.destination for one in fates) or "no destination"
        raise ActError(f"{word}: {names} has it; name one with --destination")
    return fates[0]


def _with(chosen: Selection, states: frozenset[State]) -> Selection:
    return replace(chosen, states=states)


def _load(path: Path) -> config.Config:
    found = running(path)
    terms.add_site_rows(found.gateway.terms)
    return found
