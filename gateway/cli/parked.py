"""wardlink parked [list|replay|dismiss]: what a receiver refused."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from gateway import config
from gateway.cli.patients import whoami
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json, table
from gateway.store import parked as store
from gateway.store.database import open_for_acts
from gateway.store.journal import open_reader

app = new_app()

Destination = Annotated[str, typer.Argument(help="the destination's id")]
Reports = Annotated[list[int] | None, typer.Argument(help="report numbers; all parked ones when absent")]
Reason = Annotated[str, typer.Option(help="only those parked for this reason, word for word")]


@app.callback(no_args_is_help=True)
def _group() -> None:
    """Messages that a receiver refused: list them, send them again, give them up."""


@app.command("list")
def list_(
    destination: Annotated[str, typer.Argument(help="only this destination")] = "",
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """What waits for a person, and why."""
    with closing(open_reader(running(path).gateway.data)) as conn:
        found = store.parked(conn, destination or None)
    rows = [(one.destination, one.report, one.device, one.since, one.code, one.reason) for one in found]
    heads = ("destination", "report", "device", "since", "code", "reason")
    if as_json:
        print_json([dict(zip(heads, row, strict=True)) for row in rows])
    else:
        table("", heads, rows)


@app.command()
def replay(
    destination: Destination, reports: Reports = None, reason: Reason = "", path: ConfigOption = config.DEFAULT_PATH
) -> None:
    """Send parked messages again."""
    with closing(open_for_acts(running(path).gateway.data)) as conn:
        n = store.replay(conn, destination, reports=reports or None, reason=reason or None, by=whoami())
    print(f"{destination}: {n} will be sent again")


@app.command()
def dismiss(
    destination: Destination, reports: Reports = None, reason: Reason = "", path: ConfigOption = config.DEFAULT_PATH
) -> None:
    """Give parked messages up for this destination; they stay in the journal and count as dropped: dismissed."""
    with closing(open_for_acts(running(path).gateway.data)) as conn:
        n = store.dismiss(conn, destination, reports=reports or None, reason=reason or None, by=whoami())
    print(f"{destination}: {n} given up")
