"""wardlink queue and why, as a person calls them beside a journal that real messages went out of."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway import config
from gateway.deliver import making
from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Category, DeviceIdentity, Kind, Observation, Report, Subject
from gateway.patients import acts
from gateway.store.database import open_for_acts
from gateway.store.journal import Journal

if TYPE_CHECKING:
    from tests.gateway.cli.conftest import START, Wardlink
else:
    from datetime import UTC, datetime

    Wardlink = object
    START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)

RAW = b"\x02SPO2=097\r\n"


def report(device: str, minute: int, value: str) -> Report:
    seen = Observation(
        kind=Kind.NUMERIC, vendor_code="SPO2", value=value, refid="MDC_PULS_OXIM_SAT_O2", unit="%", vendor_unit="%SpO2"
    )
    return Report(
        device=DeviceIdentity(id=device),
        driver="masimo",
        driver_version="7",
        category=Category.VITALS,
        received_at=START + timedelta(minutes=minute),
        observations=(seen,),
        raw=RAW,
    )


class _Receiver:
    """Refuses 98; what it took is the oracle."""

    def __init__(self) -> None:
        self.got: list[Outgoing] = []

    async def send(self, message: Outgoing) -> Outcome:
        self.got.append(message)
        return Refused("no such patient", "AR") if b"|98|" in message.body and message.id[0] != "E" else Accepted("CA")

    async def close(self) -> None: ...


async def _deliver(journal: Journal, path: Path, receiver: _Receiver) -> None:
    settings = config.load(path).destination[0]
    idle = asyncio.Event()

    async def wait(work: asyncio.Event, _timeout_s: float | None) -> None:
        idle.set()
        await work.wait()

    renderer = making.make_renderer(settings, journal.gateway)
    task = asyncio.create_task(Dispatcher(journal, "engine", receiver, renderer, settings, wait=wait).run())
    async with asyncio.timeout(10):
        await idle.wait()
    task.cancel()
    await asyncio.wait([task])


async def _run(path: Path, receiver: _Receiver, *, fill: bool) -> None:
    journal = await Journal.open(path.parent / "data", name="4-east-1", eui64="02A0C90000000001", reserve_bytes=65536)
    await journal.use({"engine": frozenset({Category.VITALS})})
    if fill:
        await journal.keep([report("4E-044", minute, str(97 + minute)) for minute in range(3)], device_id="4E-044")
        await journal.keep([report("4E-045", 3, "90")], device_id="4E-045")
        who = Subject(patient_id="SYN-1", family_name="Test")
        await journal.act(lambda conn: acts.associate(conn, "4E-044", who, at=START, by="n1", source="scan", reason="admission"))
    await _deliver(journal, path, receiver)
    await journal.close()


@pytest.fixture
def receiver() -> _Receiver:
    return _Receiver()


@pytest.fixture
def sent(toml: Path, receiver: _Receiver) -> Path:
    """1 and 3 are delivered, 2 is refused, 4 has no patient."""
    asyncio.run(_run(toml, receiver, fill=True))
    return toml


@pytest.fixture
def again(sent: Path, receiver: _Receiver) -> Callable[[], list[Outgoing]]:
    """The gateway runs once more; what it sent then."""

    def go() -> list[Outgoing]:
        before = len(receiver.got)
        asyncio.run(_run(sent, receiver, fill=False))
        return receiver.got[before:]

    return go


def line(wardlink: Wardlink, path: Path, device: str = "4E-044") -> dict[str, Any]:
    told = wardlink("account", "--json", "-c", path).json
    assert told["balanced"] is True
    return next(one for one in told["lines"] if one["device"] == device)


def test_the_list_is_what_waits_for_something_with_its_reason(wardlink: Wardlink, sent: Path) -> None:
    rows = wardlink("queue", "list", "--json", "-c", sent).json
    assert [(one["report"], one["state"], one["code"], one["reason"]) for one in rows] == [
        (2, "parked", "AR", "no such patient"), (4, "held", "", "no patient is known for its time"),
    ]  # fmt: skip
    done = wardlink("queue", "list", "--state", "delivered", "--json", "-c", sent).json
    assert [one["report"] for one in done] == [1, 3]
    table = wardlink("queue", "list", "-c", sent).out
    assert "no such patient" in table
    assert wardlink("queue", "list", "-d", "other", "-c", sent).err == (
        "wardlink: the journal knows no destination 'other'; there are: engine\n"
    )


def test_one_message_is_shown_with_bytes_answer_and_history(wardlink: Wardlink, sent: Path, receiver: _Receiver) -> None:
    key = receiver.got[0].id
    (told,) = wardlink("queue", "show", key, "--json", "-c", sent).json
    assert told["message"]["text"] == receiver.got[0].body.decode().replace("\r", "\n")
    assert told["message"]["sha256"] == hashlib.sha256(receiver.got[0].body).hexdigest() == told["answer"]["sha256"]
    assert (told["answer"]["code"], told["raw"]) == ("CA", RAW.hex())
    shown = wardlink("queue", "show", "2", "-c", sent).out
    for words in ("report 2 of 4E-044 for engine: parked", "\nPID|||SYN-1", "53 50 4f 32", "parked: AR no such patient"):
        assert words in shown


def test_a_bulk_act_must_say_on_what_and_can_be_tried_dry(wardlink: Wardlink, sent: Path) -> None:
    said = wardlink("queue", "replay", "-c", sent)
    assert said.code == 2
    assert "or --all" in said.err
    dry = wardlink("queue", "replay", "--all", "--delivered", "--dry-run", "-c", sent)
    assert dry.out == "engine: 2 delivered, 1 parked (dry run: nothing is done)\n"
    assert wardlink("queue", "list", "--state", "parked", "--json", "-c", sent).json[0]["report"] == 2
    with closing(sqlite3.connect(sent.parent / "data" / "journal.sqlite3")) as conn:
        assert conn.execute("SELECT act FROM audit").fetchall() == [("associate",)]


def test_delivered_messages_go_again_as_the_same_bytes(
    wardlink: Wardlink, sent: Path, receiver: _Receiver, again: Callable[[], list[Outgoing]]
) -> None:
    assert wardlink("queue", "replay", "1", "3", "-c", sent).out == "engine: 2 will be sent again\n"
    assert again() == [receiver.got[0], receiver.got[2]]
    assert (line(wardlink, sent)["received"], line(wardlink, sent)["delivered"]) == (3, 2)


def test_given_up_with_a_note(wardlink: Wardlink, sent: Path) -> None:
    assert wardlink("queue", "dismiss", "2", "-c", sent).code == 2, "without --note"
    assert wardlink("queue", "dismiss", "2", "--note", "bench", "-c", sent).out == "engine: 1 given up\n"
    held = wardlink("queue", "dismiss", "--device", "4E-045", "--state", "held", "--note", "bench", "-c", sent)
    assert held.out == "engine: 1 given up\n"
    assert line(wardlink, sent)["dropped"] == line(wardlink, sent, "4E-045")["dropped"] == {"dismissed": 1}
    said = wardlink("queue", "replay", "2", "-c", sent)
    assert (said.code, said.err) == (
        2,
        "wardlink: nothing that was asked for is delivered or parked; see `wardlink queue list`\n",
    )
    with closing(sqlite3.connect(sent.parent / "data" / "journal.sqlite3")) as conn:
        notes = [json.loads(detail)["note"] for (detail,) in conn.execute("SELECT detail FROM audit WHERE act = 'dismiss'")]
    assert notes == ["bench", "bench"]


def test_a_retry_of_a_destination_is_recorded_even_when_no_message_retries(wardlink: Wardlink, sent: Path) -> None:
    said = wardlink("queue", "retry", "-d", "engine", "-c", sent)
    assert said.out == "engine: 0 go again now; a line that paused goes on at once\n"
    assert wardlink("queue", "retry", "2", "-c", sent).code == 2


def test_an_edited_message_goes_out_under_a_new_id_and_keeps_its_lineage(
    wardlink: Wardlink, sent: Path, receiver: _Receiver, again: Callable[[], list[Outgoing]]
) -> None:
    text = wardlink("queue", "show", "2", "--message", "-c", sent).out
    edited = text.replace("MDC_PULS_OXIM_SAT_O2", "MDC_PULS_OXIM_SAT_O2 mended")
    words = ("queue", "edit", "2", "--reason", "ticket 88", "--file", "-", "-c", sent)
    assert wardlink(*words, "--dry-run", stdin=edited.encode()).out.endswith("dry run: nothing is sent\n")
    said = wardlink(*words, stdin=edited.encode())
    assert said.code == 0, said.err
    assert "mended" in said.out
    (out,) = again()
    old = receiver.got[1]
    assert out.body == old.body.replace(b"SAT_O2", b"SAT_O2 mended").replace(f"|{old.id}|P".encode(), f"|{out.id}|P".encode())
    assert (out.id[0], len(out.id)) == ("E", 20)
    (told,) = wardlink("why", out.id, "--json", "-c", sent).json["destinations"]
    (edit,) = told["edits"]
    assert (edit["message_id"], edit["replaces"], edit["reason"]) == (out.id, old.id, "ticket 88")
    assert line(wardlink, sent)["delivered"] == 3


def test_an_edit_never_changes_the_patient_silently(wardlink: Wardlink, sent: Path) -> None:
    text = wardlink("queue", "show", "2", "--message", "-c", sent).out.replace("SYN-1", "SYN-2")
    words = ("queue", "edit", "2", "--reason", "wrong band", "--file", "-", "-c", sent)
    said = wardlink(*words, stdin=text.encode())
    assert (said.code, "--patient-changed WHY" in said.err) == (2, True)
    assert wardlink(*words, "--patient-changed", "band swapped", stdin=text.encode()).code == 0
    (told,) = wardlink("queue", "show", "2", "--json", "-c", sent).json
    assert told["edits"][0]["patient_changed"] == "band swapped"


def test_without_a_file_the_persons_own_editor_opens(
    wardlink: Wardlink, sent: Path, again: Callable[[], list[Outgoing]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "sed -i s/PULS_OXIM_SAT_O2/MENDED/")
    said = wardlink("queue", "edit", "2", "--reason", "ticket 89", "-c", sent)
    assert said.code == 0, said.err
    (out,) = again()
    assert b"^MDC_MENDED^" in out.body


def test_an_edit_that_changes_nothing_is_no_edit(wardlink: Wardlink, sent: Path) -> None:
    text = wardlink("queue", "show", "2", "--message", "-c", sent).out
    said = wardlink("queue", "edit", "2", "--reason", "x", "--file", "-", "-c", sent, stdin=text.encode())
    assert "nothing was changed" in said.err


def test_why_follows_a_value_from_bytes_to_acknowledgement(wardlink: Wardlink, sent: Path, receiver: _Receiver) -> None:
    key = receiver.got[0].id
    told = wardlink("why", key, "--json", "-c", sent).json
    assert (told["report"], told["raw"]["hex"], told["driver"]["id"], told["driver"]["version"]) == (1, RAW.hex(), "masimo", "7")
    (value,) = told["values"]
    assert (value["value"], value["vendor_unit"], value["mapping"]["mdc"]) == ("97", "%SpO2", 150456)
    assert value["mapping"]["mdc_unit"] == "MDC_DIM_PERCENT"
    loincs = {(row["code"], row["confidence"]) for row in value["mapping"]["loinc"]}
    assert loincs == {("59408-5", "paired"), ("2708-6", "explicit")}, (
        "as gateway/terms/vitals_loinc.csv has the two of pulse oximetry"
    )
    assert (told["association"]["patient_id"], told["association"]["by"]) == ("SYN-1", "n1")
    (fate,) = told["destinations"]
    assert fate["message"]["how"].startswith("rendered now: the very bytes")
    assert fate["answer"]["code"] == "CA"
    shown = wardlink("why", key, "-c", sent).out
    for words in ("driver masimo version 7", "150456 MDC_PULS_OXIM_SAT_O2", "patient SYN-1", "acknowledged: CA", "SPO2=097"):
        assert words in shown


def test_why_says_when_something_changed_since(wardlink: Wardlink, sent: Path) -> None:
    with closing(open_for_acts(sent.parent / "data")) as conn:
        acts.associate(conn, "4E-044", Subject(patient_id="SYN-9"), at=START, by="n2", source="scan")
    (fate,) = wardlink("why", "1", "--json", "-c", sent).json["destinations"]
    assert "OTHERWISE" in fate["message"]["how"]


NAMED = {
    "an observation of FHIR": lambda key: [f"{key}.1.abc"],
    "a filler number": lambda key: [f"{key}.2"],
    "a device and a time": lambda _key: ["4E-044", "2026-11-21T09:00:30+01:00"],
    "a value of it": lambda _key: ["1", "--code", "SPO2"],
}


@pytest.mark.parametrize("words", NAMED.values(), ids=NAMED)
def test_what_why_can_be_asked_by(wardlink: Wardlink, sent: Path, receiver: _Receiver, words: Callable[[str], list[str]]) -> None:
    assert wardlink("why", *words(receiver.got[0].id), "--json", "-c", sent).json["report"] == 1


UNKNOWN = {
    "a number that is not there": (["99"], "holds no report 99"),
    "another gateway's message": (["ffffffff000000000001"], "not of the run ffffffff"),
    "a word": (["hello"], "expected a report's number"),
    "a device before its time": (["4E-044", "2026-01-01T00:00Z"], "no report of it"),
    "a code that it has not": (["1", "--code", "HR"], "its codes are: SPO2"),
}


@pytest.mark.parametrize(("words", "said"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_there_is_named(wardlink: Wardlink, sent: Path, words: list[str], said: str) -> None:
    got = wardlink("why", *words, "-c", sent)
    assert (got.code, said in got.err) == (2, True), got.err
