"""wardlink account: the conservation statement, of everything or of what one day brought."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from gateway import config
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, new_app, print_json
from gateway.errors import ConfigError
from gateway.store import statement, unknown
from gateway.store.journal import open_reader
from gateway.store.statement import Line
from gateway.store.unknown import Peer

app = new_app()

DayOption = Annotated[str, typer.Option("--day", help="only what was received on a day: today, yesterday or YYYY-MM-DD")]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@app.command()
def account(day: DayOption = "", as_json: JsonOption = False, path: ConfigOption = config.DEFAULT_PATH) -> None:
    """Received = delivered + waiting + held + parked + dropped, per device and destination; exit 1 when it does not add up."""
    settings = running(path)
    wanted = date_of(day, datetime.now(UTC).astimezone(ZoneInfo(settings.gateway.timezone)).date()) if day else ""
    with closing(open_reader(settings.gateway.data)) as conn:
        lines = statement.of_day(conn, wanted) if day else statement.statement(conn)
        wrong = {} if day else wrong_days(statement.days(conn))
        strangers = [] if day else unknown.peers(conn)
    good = statement.balanced(lines) and not wrong and all(one.balanced for one in strangers)
    if as_json:
        found = [line.as_json() for line in lines]
        print_json({"balanced": good, "lines": found, **({"day": wanted} if day else _rest(wrong, strangers))})
    else:
        _print(lines, wanted, wrong)
        _print_unknown(strangers)
    if not good:
        raise typer.Exit(1)


def _print(lines: Sequence[Line], day: str, wrong: Mapping[str, Sequence[Line]]) -> None:
    if day:
        print(f"Received on {day}, and what has become of it:")
        if not lines:
            print("nothing: no report of that day, or its counts are no longer kept (400 days).")
            return
    print(statement.render(lines), end="")
    for one, its in wrong.items():
        print(f"\nOf {one or 'the time before days were counted'} the counts do not add up:\n{statement.render(its)}", end="")


def _rest(wrong: Mapping[str, Sequence[Line]], strangers: Sequence[Peer]) -> dict[str, Any]:
    """What belongs to no device and destination."""
    return {"days_wrong": list(wrong), "unknown": [one.as_json() for one in strangers]}


def _print_unknown(strangers: Sequence[Peer]) -> None:
    """What came from devices that nobody configured: taken, but meant for no destination yet."""
    if not strangers:
        return
    print("\nUnknown devices: received = quarantined + assigned + dismissed + lost (messages; `wardlink unknown list`)")
    for one in strangers:
        gone = ", ".join(f"{n} {what}" for what, n in (("dismissed", one.dismissed), ("lost", one.lost)) if n)
        verdict = "" if one.balanced else "  NOT BALANCED: a fault of the gateway"
        counts = (
            f"{one.received} received = {one.quarantined} quarantined + {one.assigned} assigned{f' + {gone}' if gone else ''}"
        )
        print(f"{one.id}  {one.caller.address}  {counts}{verdict}")


def wrong_days(found: Mapping[str, Sequence[Line]]) -> dict[str, list[Line]]:
    """Of each day that does not add up, the lines that do not."""
    return {day: its for day, lines in found.items() if (its := [line for line in lines if not line.balanced])}


def date_of(text: str, today: date) -> str:
    """A date as a person says it. Raises ConfigError."""
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    if text in named:
        return named[text].isoformat()
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise ConfigError(f"--day {text!r}: expected today, yesterday or a date such as 2026-11-21")
