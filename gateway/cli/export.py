"""wardlink export: readings of the journal as CSV or JSON."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import config, terms
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, moment, new_app
from gateway.model import decode
from gateway.readings import Reading, readings
from gateway.store import mappings
from gateway.store.journal import open_reader
from gateway.store.times import to_text

app = new_app()
PAGE = 500
"""Reports read at a time: whoever looks at them for an hour (`| less`) must not keep a read of the journal open that long."""


class Format(StrEnum):
    """How rows are written."""

    CSV = "csv"
    JSON = "json"


@app.command()
def export(
    since: Annotated[str, typer.Option(help="received at or after this; ISO 8601 with offset")],
    until: Annotated[str, typer.Option(help="received before this")] = "",
    device: Annotated[str, typer.Option(help="only this device")] = "",
    form: Annotated[Format, typer.Option("--format", help="csv, or json: an object a line")] = Format.JSON,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Every reading the journal holds in a span of time, one a row, on stdout. It holds patient data: mind where it goes."""
    own = running(path).gateway
    terms.add_site_rows(own.terms)
    rows = _rows(own.data, since, until, device)
    if form is Format.JSON:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    writer = csv.DictWriter(sys.stdout, ["report", "received_at", *Reading.__annotations__])
    writer.writeheader()
    for row in rows:
        writer.writerow({key: " ".join(value) if isinstance(value, list) else value for key, value in row.items()})


def _rows(folder: Path, since: str, until: str, device: str) -> Iterator[dict[str, Any]]:
    from sqlite_utils import Database

    where = [
        "id > :after",
        "received_at >= :since",
        "(:until IS NULL OR received_at < :until)",
        "(:device IS NULL OR device = :device)",
    ]
    start, end = moment(since), moment(until)
    values: dict[str, Any] = {
        "since": to_text(start) if start else "",
        "until": to_text(end) if end else None,
        "device": device or None,
    }
    values["after"] = 0
    with closing(open_reader(folder)) as conn:
        table, decided = Database(conn)["reports"], mappings.now(conn)
        while page := list(table.rows_where(" AND ".join(where), values, order_by="id", limit=PAGE)):
            values["after"] = page[-1]["id"]
            for row in page:
                for reading in readings(decided.apply(decode(row["payload"].encode())).report):
                    yield {"report": row["id"], "received_at": row["received_at"], **reading}
