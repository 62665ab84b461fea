"""wardlink associate, release, associations: said at the bedside, recorded with who and when, refused with a reason."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.store import audit
from gateway.store.journal import open_reader

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import Wardlink
else:
    Wardlink = object


@pytest.fixture(autouse=True)
def _somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "nurse1")


def test_a_patient_is_put_on_and_taken_off(wardlink: Wardlink, toml: Path) -> None:
    at, off = "2026-11-21T08:00:00+01:00", "2026-11-21T09:30:00Z"
    put = wardlink(
        "associate", "4E-044", "SYN-7", "--at", at, "--family-name", "Test", "--sex", "F", "--reason", "admission", "-c", toml
    )
    assert (put.code, put.out) == (
        0,
        "4E-044: on SYN-7 since 2026-11-21T07:00:00+00:00\n",
    ) or put.out == f"4E-044: on SYN-7 since {at}\n"
    assert (
        wardlink("associate", "4E-044", "SYN-7", "--family-name", "Test", "--sex", "F", "-c", toml).out
        == "4E-044: was on SYN-7 already\n"
    )
    assert wardlink("release", "4E-044", "--at", off, "-c", toml).out == "4E-044: off SYN-7\n"
    (row,) = wardlink("associations", "--json", "-c", toml).json
    assert {key: row[key] for key in ("device", "patient_id", "by", "source", "reason", "superseded_at")} == {
        "device": "4E-044", "patient_id": "SYN-7", "by": "nurse1", "source": "cli", "reason": "admission", "superseded_at": None,
    }  # fmt: skip
    assert (row["valid_from"], row["valid_to"]) == ("2026-11-21T07:00:00+00:00", "2026-11-21T09:30:00+00:00")


def test_what_was_known_then_and_every_version(wardlink: Wardlink, toml: Path) -> None:
    wardlink("associate", "4E-044", "SYN-7", "--at", "2026-11-20T08:00Z", "-c", toml)
    wardlink("release", "4E-044", "--at", "2026-11-20T09:00Z", "-c", toml)
    assert len(wardlink("associations", "4E-044", "--every-version", "--json", "-c", toml).json) == 2
    assert wardlink("associations", "--known-at", "2026-11-20T08:30Z", "--json", "-c", toml).json == []
    assert wardlink("associations", "4E-045", "--json", "-c", toml).json == []
    assert "SYN-7" in wardlink("associations", "-c", toml).out


def test_every_act_is_audited_with_its_person(wardlink: Wardlink, toml: Path) -> None:
    wardlink("associate", "4E-044", "SYN-7", "-c", toml)
    with closing(open_reader(toml.parent / "data")) as conn:
        (act,) = audit.acts(conn)
    assert (act.act, act.object, act.by, act.detail["source"]) == ("associate", "4E-044", "nurse1", "cli")


def test_a_device_that_left_the_configuration_can_still_be_said_to_have_been_on_a_patient(wardlink: Wardlink, ran: Path) -> None:
    ran.write_text(ran.read_text().replace("4E-045", "4E-046"))
    assert wardlink("associate", "4E-045", "SYN-7", "-c", ran).code == 0
    assert wardlink("associate", "4E-047", "SYN-7", "-c", ran).code == 2


REFUSED = {
    "a device that is not configured": (
        ["associate", "4E-444", "SYN-7"], "no device '4E-444' is configured; there are: 4E-044, 4E-045"),
    "a time that has not come": (["associate", "4E-044", "SYN-7", "--at", "2999-01-01T00:00Z"], "4E-044: got the time 2999-01-01T00:00:00+00:00"),
    "a time without an offset": (
        ["associate", "4E-044", "SYN-7", "--at", "2026-11-21T08:00"],
        "'2026-11-21T08:00': expected an offset at the end, such as +01:00 or Z"),
    "a time that is none": (
        ["release", "4E-044", "--at", "yesterday"],
        "'yesterday': expected ISO 8601 with an offset, such as 2026-11-21T08:00:00+01:00"),
    "a time before all time": (
        ["associate", "4E-044", "SYN-7", "--at", "0001-01-01T00:00+14:00"],
        "'0001-01-01T00:00+14:00': expected a time between the years 1 and 9999 in UTC"),
    "nobody to release": (["release", "4E-044"], "4E-044: nobody wore it at "),
    "a patient without a number": (["associate", "4E-044", ""], "PATIENT: expected at least 1 character"),
    "a birth date that is none, which is not repeated": (
        ["associate", "4E-044", "SYN-7", "--birth-date", "1.4.1950"], "--birth-date: expected a date as YYYYMMDD"),
    "a sex that the table does not have": (["associate", "4E-044", "SYN-7", "--sex", "X"], "--sex: expected '', 'M', 'F', 'O', 'U', 'A' or 'N'"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused_and_leaves_nothing(wardlink: Wardlink, toml: Path, words: list[str], said: str) -> None:
    result = wardlink(*words, "-c", toml)
    assert result.code == 2
    assert result.err.startswith(f"wardlink: {said}")
    assert result.err.count("\n") == 1
    if (toml.parent / "data" / "journal.sqlite3").exists():
        assert wardlink("associations", "--every-version", "--json", "-c", toml).json == []
