"""wardlink unknown, by hand, where no gateway runs: what was kept becomes a device's reports, each once; or is given up."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.model import Caller, Category
from gateway.store import audit, unknown
from gateway.store.entries import entries
from gateway.store.journal import Journal, open_reader
from gateway.store.unknown import Caps, Said

Wardlink = Callable[..., Any]
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CAPTURES = Path(__file__).parents[2] / "captures"
CAPS = Caps(1_000_000, 1_000_000)
SYSMEX = Caller(address="10.1.2.9", door="tcp-listen://0.0.0.0:12001", protocol="astm", says="XN-550^00-12^17422^^^^AB123456")


def frames(*records: bytes) -> bytes:
    """A session, a frame a record that ends with ETX as a Sysmex sends it (E1381 §6.3), checksums added up by hand."""
    said = b"\x05"
    for n, record in enumerate(records, 1):
        body = b"%d%b\r\x03" % (n % 8, record)
        said += b"\x02%b%02X\r\n" % (body, sum(body) % 256)
    return said + b"\x04"


def blood_count(specimen: bytes, haemoglobin: bytes) -> bytes:
    """A blood count as the host interface specification of Sysmex XN-L has it: the specimen in O.4.3, the code in R.3.5."""
    return frames(
        b"H|\\^&|||XN-550^00-12^17422^^^^AB123456||||||||E1394-97",
        b"P|1",
        b"O|1||^^         %b^M|^^^^HGB|||||||N||||||||||||||F" % specimen,
        b"R|1|^^^^HGB^1|%b|g/dL||N||F||||20261120120000" % haemoglobin,
        b"L|1|N",
    )


async def _keep(folder: Path, *said: tuple[Caller, bytes, int]) -> None:
    journal = await Journal.open(folder, name="4-east-1", reserve_bytes=65536)
    await journal.use({"lis": frozenset({Category.LAB})})
    for n, (caller, raw, messages) in enumerate(said):
        at = NOON + timedelta(minutes=n)
        await journal.write(lambda tx: unknown.keep(tx.conn, caller, Said(raw, at, messages), CAPS))  # noqa: B023 - awaited here
    await journal.close()


@pytest.fixture
def called(toml: Path) -> Path:
    """A configuration whose gateway was called by a Sysmex, twice."""
    asyncio.run(
        _keep(toml.parent / "data", (SYSMEX, blood_count(b"S-1", b"10.10"), 1), (SYSMEX, blood_count(b"S-2", b" 9.9"), 1))
    )
    return toml


def kept(toml: Path) -> list[Any]:
    with closing(open_reader(toml.parent / "data")) as conn:
        return list(entries(conn))


def incomplete(toml: Path) -> list[tuple[str, str, bytes]]:
    with closing(open_reader(toml.parent / "data")) as conn:
        return conn.execute("SELECT device, reason, raw FROM incomplete").fetchall()


def acts(toml: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    with closing(open_reader(toml.parent / "data")) as conn:
        for one in audit.acts(conn):
            if one.act != "unknown device":
                yield one.act, one.object, dict(one.detail)


def assign(wardlink: Wardlink, toml: Path, *more: str) -> Any:
    return wardlink(
        "unknown", "assign", "1", "--device", "LAB-07", "--driver", "astm", "--profile", "sysmex-xn", "-c", toml, *more
    )


def test_who_called_is_listed_with_what_is_kept(wardlink: Wardlink, called: Path) -> None:
    (one,) = wardlink("unknown", "list", "--json", "-c", called).json
    assert (one["id"], one["address"], one["protocol"], one["says"]) == (1, "10.1.2.9", "astm", SYSMEX.says)
    assert (one["received"], one["quarantined"], one["status"], one["balanced"]) == (2, 2, "open", True)
    shown = wardlink("unknown", "list", "-c", called).out
    assert "10.1.2.9" in shown
    assert "2 messages" in shown


def test_showing_one_shows_its_bytes_and_suggests_its_maker_s_profile_first(wardlink: Wardlink, called: Path) -> None:
    shown = wardlink("unknown", "show", "1", "-c", called).out
    assert "<ENQ><STX>1H|\\^&|||XN-550" in shown
    assert "wardlink unknown try 1 --driver astm --profile sysmex-xn" in shown
    said = wardlink("unknown", "show", "1", "--json", "-c", called).json
    first = said["candidates"][0]
    assert first["profile"].startswith("sysmex-xn")
    assert (first["values"], first["mapped"], first["faults"]) == (2, 2, 0)
    assert "xn" in first["named"]
    assert bytes.fromhex(said["parts"][0]["hex"]) == blood_count(b"S-1", b"10.10")


def test_a_maker_s_own_protocol_that_begins_like_astm_is_found_all_the_same(wardlink: Wardlink, toml: Path) -> None:
    """A mini VIDAS begins with ENQ: its texts are never acknowledged as ASTM, but kept, and read by its own driver."""
    raw = (CAPTURES / "vidas" / "biomerieux-mini-vidas" / "atpo-with-unit" / "wire.bin").read_bytes()
    vidas = Caller(address="10.1.2.7", door="tcp-listen://0.0.0.0:12001", protocol="astm")
    asyncio.run(_keep(toml.parent / "data", (vidas, raw, 0)))
    first = wardlink("unknown", "show", "1", "--json", "-c", toml).json["candidates"][0]
    assert (first["driver"], first["values"]) == ("vidas", 1)
    words = (
        "unknown",
        "assign",
        "1",
        "--device",
        "LAB-09",
        "--driver",
        "vidas",
        "--profile",
        "biomerieux-mini-vidas",
        "-c",
        toml,
    )
    assert wardlink(*words).code == 0
    assert [one.report.observations[0].value for one in kept(toml)] == ["274.0"]


def test_trying_shows_the_readings_and_changes_nothing(wardlink: Wardlink, called: Path) -> None:
    tried = wardlink(
        "unknown", "try", "1", "--driver", "astm", "--profile", "sysmex-xn", "--timezone", "Europe/Berlin", "-c", called
    )
    assert [(one["value"], one["loinc"], one["specimen_id"], one["time"]) for one in tried.lines] == [
        ("10.10", "718-7", "S-1", "2026-11-20T12:00:00+01:00"),
        ("9.9", "718-7", "S-2", "2026-11-20T12:00:00+01:00"),
    ]
    assert tried.code == 0
    assert (kept(called), list(acts(called))) == ([], [])
    assert wardlink("unknown", "try", "1", "--driver", "hl7-lab", "--profile", "generic", "-c", called).code == 3


def test_what_is_assigned_becomes_that_device_s_reports_with_their_own_times(wardlink: Wardlink, called: Path) -> None:
    done = assign(wardlink, called)
    assert done.out.startswith("unknown device 1: 2 messages, 2 new reports of LAB-07\n")
    assert 'link = "tcp-listen://0.0.0.0:12001?allow=10.1.2.9"\ntimezone = "UTC"\n' in done.out
    found = [(one.report.device.id, one.report.profile, one.report.received_at) for one in kept(called)]
    assert found == [("LAB-07", "sysmex-xn", NOON), ("LAB-07", "sysmex-xn", NOON + timedelta(minutes=1))]
    assert [one.report.observations[0].value for one in kept(called)] == ["10.10", "9.9"]
    assert all(b"R|1|^^^^HGB^1|" in one.report.raw for one in kept(called))
    detail = {"device": "LAB-07", "driver": "astm", "profile": "sysmex-xn", "messages": "2"}
    assert list(acts(called)) == [("assign unknown device", "unknown 1", detail)]


def test_the_statement_goes_on_adding_up(wardlink: Wardlink, called: Path) -> None:
    before = wardlink("account", "--json", "-c", called).json
    assert (before["balanced"], before["lines"]) == (True, [])
    assert [(one["received"], one["quarantined"]) for one in before["unknown"]] == [(2, 2)]
    assign(wardlink, called)
    after = wardlink("account", "--json", "-c", called).json
    (line,) = after["lines"]
    assert (line["device"], line["destination"], line["received"], line["waiting"]) == ("LAB-07", "lis", 2, 2)
    assert [(one["received"], one["quarantined"], one["assigned"], one["balanced"]) for one in after["unknown"]] == [
        (2, 0, 2, True)
    ]
    assert after["balanced"] is True
    assert "2 received = 0 quarantined + 2 assigned" in wardlink("account", "-c", called).out


def test_a_row_that_is_lost_makes_the_statement_fail(wardlink: Wardlink, called: Path) -> None:
    with closing(sqlite3.connect(called.parent / "data" / "journal.sqlite3")) as conn, conn:
        conn.execute("DELETE FROM unknown_parts WHERE id = 1")
    done = wardlink("account", "-c", called)
    assert done.code == 1
    assert "2 received = 1 quarantined + 0 assigned  NOT BALANCED" in done.out


def test_assigning_twice_stores_nothing_twice(wardlink: Wardlink, called: Path) -> None:
    assign(wardlink, called)
    again = assign(wardlink, called)
    assert again.code == 2
    assert "nothing to assign: it was assigned to LAB-07 before" in again.err
    asyncio.run(_keep(called.parent / "data", (SYSMEX, blood_count(b"S-2", b" 9.9"), 1)))
    assert assign(wardlink, called).out.startswith("unknown device 1: 1 message, 0 new reports of LAB-07, 1 were known already\n")
    assert len(kept(called)) == 2


def test_a_profile_that_looks_in_the_wrong_places_is_refused_and_nothing_is_changed(wardlink: Wardlink, called: Path) -> None:
    wrong = wardlink("unknown", "assign", "1", "--device", "LAB-07", "--driver", "astm", "--profile", "beckman-dxh", "-c", called)
    assert wrong.code == 2
    assert "astm with profile beckman-dxh does not read all of it" in wrong.err
    assert "results without a specimen and a patient" in wrong.err
    assert (kept(called), list(acts(called))) == ([], [])
    assert wardlink("unknown", "list", "--json", "-c", called).json[0]["quarantined"] == 2


def test_what_no_profile_reads_is_kept_as_evidence_when_a_person_insists(wardlink: Wardlink, called: Path) -> None:
    raw = Caller(address="10.1.2.8", door="tcp-listen://0.0.0.0:12001", protocol="raw")
    asyncio.run(_keep(called.parent / "data", (raw, b"\x02D whatever\x03", 1)))
    words = ("unknown", "assign", "2", "--device", "LAB-08", "--driver", "astm", "--profile", "generic", "-c", called)
    refused = wardlink(*words)
    assert (refused.code, "0 of 1 messages, 0 reports" in refused.err) == (2, True)
    done = wardlink(*words, "--anyway")
    assert done.out.startswith("unknown device 2: 1 message, 0 new reports of LAB-08\n")
    assert incomplete(called) == [("LAB-08", "not read by the profile that it was assigned with", b"\x02D whatever\x03")]


def test_a_transmission_that_broke_off_is_the_device_s_now(wardlink: Wardlink, toml: Path) -> None:
    half = blood_count(b"S-1", b"10.1")[:-60]
    asyncio.run(_keep(toml.parent / "data", (SYSMEX, half, 0), (SYSMEX, blood_count(b"S-1", b"10.1"), 1)))
    assert assign(wardlink, toml).code == 0
    ((device, reason, raw),) = incomplete(toml)
    assert (device, reason) == ("LAB-07", "unknown device: link end")
    assert b"H|\\^&|||XN-550" in raw
    assert len(kept(toml)) == 1


def test_an_assignment_that_dies_in_the_middle_has_done_nothing(
    wardlink: Wardlink, called: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.unknown.acts.audit.record", die)  # the last thing that it writes beside the reports
        assert assign(wardlink, called).code == 2
    assert (kept(called), list(acts(called))) == ([], [])
    assert wardlink("unknown", "list", "--json", "-c", called).json[0]["quarantined"] == 2
    assert assign(wardlink, called).out.startswith("unknown device 1: 2 messages, 2 new reports of LAB-07\n")


def test_writing_puts_the_device_behind_the_configuration(wardlink: Wardlink, called: Path) -> None:
    done = assign(wardlink, called, "--write")
    assert done.out.endswith(f"{called} has it; no gateway runs, the next start uses it\n")
    assert called.read_text().endswith(
        f'# {SYSMEX.says}\n[[device]]\nid = "LAB-07"\ndriver = "astm"\nprofile = "sysmex-xn"\n'
        'link = "tcp-listen://0.0.0.0:12001?allow=10.1.2.9"\ntimezone = "UTC"\n'
    )
    assert wardlink("config", "check", "-c", called).code == 0
    asyncio.run(_keep(called.parent / "data", (SYSMEX, blood_count(b"S-3", b"8.8"), 1)))
    later = wardlink("unknown", "assign", "1", "--device", "LAB-07", "-c", called)
    assert later.out == "unknown device 1: 1 message, 1 new report of LAB-07\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("1", "--device", "LAB-07"), "LAB-07 is not in the configuration: say which --driver and --profile read it"),
        (("1", "--device", "4E-044", "--driver", "astm"), "4E-044 is configured with the driver masimo, not astm"),
        (("1", "--device", "LAB-07", "--driver", "astm", "--profile", "generics"), "did you mean 'generic'?"),
        (
            ("1", "--device", "LAB 07", "--driver", "astm", "--profile", "sysmex-xn"),
            "device.id: got 'LAB 07'; expected letters, digits",
        ),
        (("9", "--device", "LAB-07", "--driver", "astm"), "there is no unknown device 9; `wardlink unknown list --all` shows"),
        (("1", "--device", "L", "--driver", "astm", "--profile", "generic", "--timezone", "Berlin"), "expected an IANA name"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    words: tuple[str, ...], said: str, wardlink: Wardlink, called: Path
) -> None:
    done = wardlink("unknown", "assign", *words, "-c", called)
    assert (done.code, said in done.err) == (2, True), done.err
    assert list(acts(called)) == []


def test_what_is_dismissed_is_given_up_with_a_reason_and_can_be_assigned_after_all(wardlink: Wardlink, called: Path) -> None:
    assert wardlink("unknown", "dismiss", "1", "--reason", " ", "-c", called).code == 2
    done = wardlink("unknown", "dismiss", "1", "--reason", "a vendor's laptop", "-c", called)
    assert done.out == "unknown device 1: dismissed, 2 messages, kept 30 days, should it be assigned\n"
    assert wardlink("unknown", "list", "-c", called).out == "no unknown devices wait for a person\n"
    (one,) = wardlink("unknown", "list", "--all", "--json", "-c", called).json
    assert (one["status"], one["reason"], one["quarantined"], one["dismissed"]) == ("dismissed", "a vendor's laptop", 0, 2)
    assert "was dismissed before: a vendor's laptop" in wardlink("unknown", "dismiss", "1", "--reason", "x", "-c", called).err
    detail = {"address": "10.1.2.9", "messages": "2", "reason": "a vendor's laptop"}
    assert list(acts(called)) == [("dismiss unknown device", "unknown 1", detail)]
    assert assign(wardlink, called).code == 0
    (one,) = wardlink("unknown", "list", "--all", "--json", "-c", called).json
    assert (one["status"], one["device"], one["assigned"], one["dismissed"], one["balanced"]) == (
        "assigned",
        "LAB-07",
        2,
        0,
        True,
    )


def test_two_analyzers_at_one_address_and_port_are_not_made_two_devices(wardlink: Wardlink, called: Path) -> None:
    other = Caller(address="10.1.2.9", door="tcp-listen://0.0.0.0:12001", protocol="astm", says="CELL-DYN Ruby^1")
    asyncio.run(_keep(called.parent / "data", (other, blood_count(b"S-3", b"8.8"), 1)))
    assert assign(wardlink, called, "--write").code == 0
    words = ("unknown", "assign", "2", "--device", "LAB-08", "--driver", "astm", "--profile", "sysmex-xn", "-c", called)
    refused = wardlink(*words)
    assert (refused.code, "devices LAB-07 and LAB-08 take the same callers at port 12001" in refused.err) == (2, True), (
        refused.err
    )
    assert len(list(acts(called))) == 1
