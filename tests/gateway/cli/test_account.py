"""wardlink account: everything, one day, days that do not add up, and words for a day that nobody says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.cli import account
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import Wardlink
else:
    Wardlink = object

RECEIVED = "2026-11-21"
"""The day on which the reports of the fixture arrived."""


def test_a_day_is_told_with_what_has_become_of_it(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("account", "--day", RECEIVED, "-c", ran)
    assert said.code == 0
    first, *table = said.out.splitlines()
    assert first == f"Received on {RECEIVED}, and what has become of it:"
    assert [line.split() for line in table[1:3]] == [
        ["4E-044", "engine", "3", "1", "0", "0", "2", "0"],
        ["4E-045", "engine", "1", "0", "0", "1", "0", "0"],
    ]
    found = wardlink("account", "--day", RECEIVED, "--json", "-c", ran).json
    assert (found["day"], found["balanced"], len(found["lines"])) == (RECEIVED, True, 2)


def test_a_day_without_reports_says_so(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("account", "--day", "2001-01-01", "-c", ran)
    assert (said.code, "nothing: no report of that day" in said.out) == (0, True)
    assert wardlink("account", "--day", "2001-01-01", "--json", "-c", ran).json == {
        "balanced": True,
        "lines": [],
        "day": "2001-01-01",
    }


def test_a_day_that_does_not_add_up_is_named_though_the_total_does(wardlink: Wardlink, ran: Path) -> None:
    with closing(sqlite3.connect(ran.parent / "data" / "journal.sqlite3")) as conn, conn:
        conn.execute("INSERT INTO tally_days VALUES ('2026-11-19', 'engine', '4E-044', 'received', 1)")
    said = wardlink("account", "-c", ran)
    assert said.code == 1
    assert "Of 2026-11-19 the counts do not add up:\n" in said.out
    assert "NOT BALANCED: +1 unaccounted" in said.out
    found = wardlink("account", "--json", "-c", ran).json
    assert (found["balanced"], found["days_wrong"]) == (False, ["2026-11-19"])
    assert wardlink("account", "--day", "2026-11-19", "-c", ran).code == 1


TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(("text", "day"), [("today", "2026-03-01"), ("yesterday", "2026-02-28"), ("2024-02-29", "2024-02-29")])
def test_a_day_as_a_person_says_it(text: str, day: str) -> None:
    assert account.date_of(text, TODAY) == day


@pytest.mark.parametrize("text", ["tomorrow", "2026-02-30", "20260301", "2026-W09-1", "1", "2026-03-01T00:00"])
def test_another_word_is_told_what_was_expected(text: str) -> None:
    with pytest.raises(ConfigError, match="expected today, yesterday or a date such as"):
        account.date_of(text, TODAY)


def test_today_is_that_of_the_gateways_zone(wardlink: Wardlink, ran: Path) -> None:
    # 26 hours lie between these two: no instant has one date in both
    days = []
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        text = ran.read_text().replace('name = "4-east-1"', f'name = "4-east-1"\ntimezone = "{zone}"')
        (ran.parent / "zoned.toml").write_text(text)
        days.append(wardlink("account", "--day", "today", "--json", "-c", ran.parent / "zoned.toml").json["day"])
    assert days[0] > days[1]
