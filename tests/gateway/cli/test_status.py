"""wardlink status, account, parked: what the journal says when no gateway runs, and what a person does about it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway import control
from gateway.cli import status
from gateway.histogram import ACK_S, Histogram

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import Wardlink
else:
    Wardlink = object


def test_status_without_a_gateway_tells_what_the_journal_holds_and_exits_3(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("status", "-c", ran)
    assert said.code == status.NOT_RUNNING == 3
    assert said.out.startswith("No gateway is running")
    assert "- engine: 2 parked; 2 of them: no such patient\n" in said.out
    assert "- engine: held until a patient is known: 4E-045 1\n" in said.out
    assert "4E-045, 2026-11-21 08:00: a transmission broke off: link end (4 bytes)" in said.out


def test_status_for_scripts(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("status", "--json", "--config", ran)
    assert said.code == status.NOT_RUNNING
    assert said.json["running"] is False
    (engine,) = said.json["journal"]["destinations"]
    assert {key: engine[key] for key in ("delivered", "waiting", "held", "parked", "last_code")} == {
        "delivered": 1, "waiting": 0, "held": 1, "parked": 2, "last_code": "AA",
    }  # fmt: skip
    (counter,) = said.json["journal"]["counters"]
    assert (counter["device"], counter["what"], counter["n"]) == ("4E-045", "checksum", 2)
    assert [one["urgent"] for one in said.json["findings"]] == [True, False, False]
    assert said.json["disk"]["size_bytes"] == (ran.parent / "data" / "journal.sqlite3").stat().st_size


def running(journal: dict[str, Any]) -> dict[str, Any]:
    """What a gateway answers that is well."""
    now = datetime.now(UTC)
    acks = Histogram(ACK_S)
    for _ in range(100):
        acks.observe(0.004)
    return {
        "journal": journal, "gateway": "4-east-1", "eui64": "02A0C90000000001", "version": "9", "started": now - timedelta(hours=3),
        "config": {"path": "/etc/wardlink/wardlink.toml", "sha256": "ab" * 32, "loaded_at": now, "problems": [], "last_known_good_since": None},
        "devices": [{"id": "4E-044", "driver": "masimo", "state": "up", "since": now, "last_report": now - timedelta(seconds=1.5),
                     "reports": 7200, "readings": 14400, "bytes": 99, "unmapped": [], "clock_offset_s": -61.6,
                     "counts": {"bad: checksum": 3}, "reason": "connected", "link": "tcp 10.1.2.3:4001", "values": {}}],
        "destinations": [{"id": "engine", "state": "idle", "describe": "MLLP to engine.example:2575, mutual TLS", "plaintext": False,
                          "connected": True, "acks": acks.as_json(), "retries": {}, "refused": 0,
                          "certificates": {"own": {"subject": "gw", "not_after": now + timedelta(days=80.5)}}}],
        "rates": {"device 4E-044": 60.0},
        "commits": acks.as_json(), "disk": {"size_bytes": 120_000_000, "wal_bytes": 4_000_000, "disk_free_bytes": 9, "disk_size_bytes": 10},
        "room": {"level": "room", "words": "12 % of 8.0 GB used (disk): everything is kept", "headroom": "never", "headroom_hours": None},
        "process": {},
    }  # fmt: skip


QUEUE: dict[str, Any] = {
    "id": "engine", "in_use": True, "delivered": 7190, "waiting": 0, "oldest": None, "held": 0, "held_by_device": {}, "parked": 0,
    "parked_by_reason": {}, "last_code": "AA", "last_ack_at": "2026-11-21T08:00:00+00:00", "trouble": "", "trouble_at": None,
}  # fmt: skip
LINE: dict[str, Any] = {
    "device": "4E-044", "destination": "engine", "received": 7200, "delivered": 7190, "waiting": 0, "held": 0, "parked": 0,
    "dropped": {"thinned": 10}, "lost": {}, "balanced": True,
}  # fmt: skip
WELL: dict[str, Any] = {"destinations": [QUEUE], "account": [LINE], "incomplete": [], "counters": [], "last_report": 7200}
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Have a running gateway answer what `change` makes of one that is well."""

    def use(change: Change) -> None:
        document = running(copy.deepcopy(WELL))
        change(document)
        monkeypatch.setattr(
            control, "ask", lambda _folder, word: json.loads(json.dumps(document, default=str)) if word == "status" else None
        )

    return use


Answers = Callable[[Change], None]


def test_status_of_a_gateway_that_is_well_fits_80_columns_and_exits_0(
    wardlink: Wardlink, toml: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(lambda _: None)
    monkeypatch.setenv("COLUMNS", "80")
    said = wardlink("status", "-c", toml)
    assert said.code == 0
    assert said.out.startswith("4-east-1 02A0C90000000001, wardlink 9, up 3 h\n")
    assert said.out.endswith("\nAll is well.\n")
    assert max(map(len, said.out.splitlines())) <= 80
    rows = [line.split() for line in said.out.splitlines()]
    assert ["4E-044", "up", "7200", "60", "1", "s", "-62", "s", "3", "bad:", "checksum"] in rows
    (engine,) = [row for row in rows if row[:3] == ["engine", "0", "-"]]
    # 100 answers of 4 ms stand between the bounds 2.5 and 5 ms: half of that bucket is 3.75 ms, 99 % of it 4.975 ms, shown as 4.98
    assert engine[-3:] == ["3.75", "ms/4.98", "ms"]
    assert "; dropped: 10 thinned" in " ".join(said.out.split())
    assert "12 % of 8.0 GB used" in said.out
    assert "own certificate 80 days left" in " ".join(said.out.split())


def test_names_of_64_characters_fit_too(
    wardlink: Wardlink, toml: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(found: dict[str, Any]) -> None:
        found["devices"][0]["id"] = found["journal"]["destinations"][0]["id"] = found["destinations"][0]["id"] = "A" * 64

    answers(rename)
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, wardlink("status", "-c", toml).out.splitlines())) <= 80


def device(**changes: Any) -> Change:
    return lambda found: found["devices"][0].update(changes)


def queue(**changes: Any) -> Change:
    return lambda found: found["journal"]["destinations"][0].update(changes)


def now(make: Callable[[], Change]) -> Change:
    """A change whose times count from the test's own start, not from the collection of all tests."""

    def change(found: dict[str, Any]) -> object:
        return make()(found)

    return change


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


NEEDS: dict[str, tuple[Change, str]] = {
    "a device that is down": (now(lambda: device(state="down", since=ago(minutes=12, seconds=1), reason="refused")), "4E-044 is down for 12 min: refused"),
    "a device that is silent": (device(state="silent", since=ago(seconds=1), reason="no message"), "4E-044 is silent for"),
    "a journal that takes nothing": (device(state="holding", reason="the disk is full"), "4E-044 is holding"),
    "a clock three minutes behind": (device(clock_offset_s=-180.0), "the clock of 4E-044 is 3 min behind"),
    "a line with noise": (device(counts={"bad: checksum": 80}, reports=100), "4E-044: 80 damaged frames beside 100 reports"),
    "a driver with a bug": (device(counts={"driver failed": 2}), "the driver of 4E-044 failed 2 times"),
    "a receiver that is away": (now(lambda: queue(waiting=9, oldest=ago(hours=2, seconds=1), trouble="connection refused")), "engine: 9 wait, the oldest for 2 h: connection refused"),
    "a receiver that is slow": (now(lambda: queue(waiting=9, oldest=ago(hours=2, seconds=1))), "engine: 9 wait, the oldest for 2 h: it does not keep pace"),
    "a queue that nobody sends": (queue(waiting=9, in_use=False), "engine is not in the configuration any more, and 9 still wait"),
    "parked messages": (queue(parked=3, parked_by_reason={"no such patient": 2, "x": 1}), "engine: 3 parked; 2 of them: no such patient"),
    "an own certificate that expires": (lambda found: found["destinations"][0]["certificates"]["own"].update(not_after=ago(days=-20.2)), "engine: our certificate expires in 20 days"),
    "a receiver's certificate that expired": (
        lambda found: found["destinations"][0]["certificates"].update(peer={"subject": "e", "not_after": ago(days=2)}),
        "engine: its certificate expired 2 days ago",
    ),
    "a disk that fills": (lambda found: found["room"].update(level="trends", words="92 % used"), "the disk fills: 92 % used"),
    "a disk that is full tonight": (lambda found: found["room"].update(headroom_hours=9.4), "the disk is full in 9 h"),
    "a statement that does not add up": (lambda found: found["journal"]["account"][0].update(balanced=False), "does not add up: 4E-044 to engine"),
    "a refused configuration": (lambda found: found["config"].update(refused={"at": ago(hours=1), "problems": ["w.toml:3: x", "w.toml:4: y"]}), "a changed configuration was refused"),
    "the last known good configuration": (lambda found: found["config"].update(last_known_good_since=ago(days=1), problems=["w.toml:3: x"]), "LAST KNOWN GOOD"),
    "results held for their codes": (queue(held=4, held_by_device={"LAB-1": 4}, held_unmapped={"LAB-1": 4}), "engine: held until their codes are decided about: LAB-1 4"),
    "damaged decisions": (lambda found: found.update(check={"n_damaged_decisions": 2}), "2 decisions about codes are damaged; they decide nothing"),
    "damaged rows": (lambda found: found.update(check={"n_damaged_reports": 4, "damaged_reports": [1, 2, 3, 9]}), "4 reports are damaged"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), NEEDS.values(), ids=NEEDS.keys())
def test_what_needs_a_person_is_said_with_what_to_do_and_exits_1(
    wardlink: Wardlink, toml: Path, answers: Answers, change: Change, words: str
) -> None:
    answers(change)
    said = wardlink("status", "-c", toml)
    assert said.code == status.NEEDS_A_PERSON == 1
    needs = said.out.partition("Needs a person:\n")[2].partition("Good to know:")[0]
    assert words in needs
    assert needs.count("- ") >= needs.count("→ ") == 1
    assert "All is well" not in said.out


def decided(*codes: str, **of_the_device: Any) -> Change:
    """Somebody has decided about these codes."""

    def change(found: dict[str, Any]) -> None:
        found["devices"][0].update(of_the_device)
        found["journal"]["decided_codes"] = list(codes)

    return change


NOTES: dict[str, tuple[Change, str]] = {
    "codes without a term": (device(unmapped=["A", "B"]), "4E-044 sends 2 codes without a term: A, B"),
    "codes that nobody has decided about": (decided("A", unmapped=["A", "B"]), "4E-044 sends 1 codes without a term: B"),
    "codes that were all decided about": (decided("A", "B", unmapped=["A", "B"]), "All is well."),
    "readings without a patient": (queue(held=4, held_by_device={"4E-044": 4}), "engine: held until a patient is known: 4E-044 4"),
    "plaintext that was allowed": (lambda found: found["destinations"][0].update(plaintext=True), "engine is sent PLAINTEXT"),
    "a few damaged frames": (device(counts={"bad: checksum": 9}, reports=1), "All is well."),
    "a clock that is nearly right": (device(clock_offset_s=119.0), "All is well."),
    "a device that is waited for": (device(state="connecting"), "All is well."),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), NOTES.values(), ids=NOTES.keys())
def test_what_is_only_good_to_know_exits_0(wardlink: Wardlink, toml: Path, answers: Answers, change: Change, words: str) -> None:
    answers(change)
    said = wardlink("status", "-c", toml)
    assert (said.code, words in said.out) == (0, True)


def test_watching_goes_on_until_it_is_interrupted(
    wardlink: Wardlink, toml: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(queue(parked=1, parked_by_reason={"x": 1}))
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status, "sleep", sleep)
    said = wardlink("status", "--watch", "--json", "-c", toml)
    assert (said.code, slept) == (1, [2.0, 2.0, 2.0])
    assert [one["running"] for one in said.lines] == [True, True, True]


@pytest.mark.parametrize(
    "command", [["status"], ["account"], ["queue", "list"], ["associations"], ["export", "--since", "2026-01-01T00:00Z"]]
)
def test_a_gateway_that_never_ran_has_no_journal_and_none_is_made(wardlink: Wardlink, toml: Path, command: list[str]) -> None:
    said = wardlink(*command, "-c", toml)
    assert said.code == 2
    assert said.err.startswith(
        f"wardlink: there is no journal at {toml.parent / 'data'}/journal.sqlite3: expected the data folder"
    )
    assert said.out == ""
    assert not (toml.parent / "data").exists()


def test_the_account_adds_up(wardlink: Wardlink, ran: Path) -> None:
    said = wardlink("account", "-c", ran)
    assert said.code == 0
    rows = [line.split() for line in said.out.splitlines()]
    assert ["4E-044", "engine", "3", "1", "0", "0", "2", "0"] in rows
    assert ["4E-045", "engine", "1", "0", "0", "1", "0", "0"] in rows
    assert said.out.endswith("Everything received is accounted for.\n")
    assert wardlink("account", "--json", "-c", ran).json["balanced"] is True


def test_an_account_that_does_not_add_up_exits_1(wardlink: Wardlink, ran: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(ran.parent / "data" / "journal.sqlite3")) as conn, conn:
        conn.execute("UPDATE tally SET n = n + 1 WHERE what = 'received' AND device = '4E-044'")
    said = wardlink("account", "-c", ran)
    assert said.code == 1
    assert "1 line(s) do not balance" in said.out
    assert wardlink("account", "--json", "-c", ran).json["balanced"] is False


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "-"), (0.0, "+0 s"), (-61.6, "-62 s"), (3600.2, "+3600 s")]
)  # fmt: skip
def test_an_offset_is_told_in_seconds_with_its_sign(seconds: float | None, said: str) -> None:
    assert status.offset(seconds) == said
