"""wardlink unmapped, from an open code to the correction that a laboratory system and a FHIR server get."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import config, routes
from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Category, DeviceIdentity, Kind, Observation, Order, Report, Specimen, Subject
from gateway.patients import acts
from gateway.store import audit, queued, statement
from gateway.store.journal import Journal, open_reader
from protocols.hl7v2.message import Message, parse

Wardlink = Callable[..., Any]

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CONFIG = """
[gateway]
name = "lab-1"
data = "{data}"

[[device]]
id = "LAB-1"
driver = "astm"
link = "tcp://localhost:4001"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "localhost:2575"

[[destination]]
id = "chart"
kind = "fhir"
format = "fhir"
takes = ["lab"]
url = "http://localhost:8080/fhir"
"""


class Receivers:
    """What each destination got."""

    def __init__(self, toml: Path) -> None:
        self.toml = toml
        self.got: dict[str, list[Outgoing]] = {"lis": [], "chart": []}
        self.answer: Outcome = Accepted("AA")

    def keep(self, *reports: Report) -> None:
        asyncio.run(self._run(reports))

    def deliver(self) -> None:
        """A gateway runs until nothing waits."""
        asyncio.run(self._run(()))

    async def _run(self, reports: tuple[Report, ...]) -> None:
        found = config.load(self.toml)
        journal = await Journal.open(found.gateway.data, name="lab-1", eui64="02A0C90000000001", reserve_bytes=65536)
        await journal.use({one.id: one.takes for one in found.destination})
        for one in reports:
            await journal.keep([one], device_id=one.device.id)
        for settings in [] if reports else found.destination:
            await self._one(journal, settings)
        await journal.close()

    async def _one(self, journal: Journal, settings: Any) -> None:
        idle, got, answer = asyncio.Event(), self.got[settings.id], self.answer

        class Receiver:
            async def send(self, message: Outgoing) -> Outcome:
                got.append(message)
                return answer

            async def close(self) -> None: ...

        async def wait(work: asyncio.Event, _timeout_s: float | None) -> None:
            idle.set()
            await work.wait()

        renderer = routes.make_renderer(settings, journal.gateway)
        task = asyncio.create_task(Dispatcher(journal, settings.id, Receiver(), renderer, settings, wait=wait).run())
        async with asyncio.timeout(20):
            await idle.wait()
        task.cancel()
        await asyncio.wait([task])

    @property
    def lis(self) -> list[Message]:
        found = [parse(message.body) for message in self.got["lis"]]
        return [message for message in found if message is not None]

    @property
    def chart(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.got["chart"]]


def result(code: str, value: str = "98", unit: str = "mg/dL", **more: Any) -> Observation:
    about: dict[str, Any] = {"kind": Kind.NUMERIC, "unit": unit, "vendor_unit": unit, "status": "F", "time": START, **more}
    return Observation(vendor_code=code, value=value, **about)


def sample(minute: int, *results: Observation, device: str = "LAB-1", model: str = "X1", report_type: str = "F") -> Report:
    return Report(
        device=DeviceIdentity(id=device, maker="Acme", model=model, serial="77"),
        driver="astm",
        category=Category.LAB,
        received_at=START + timedelta(minutes=minute),
        observations=results,
        specimen=Specimen(id=f"SYN-{minute}", type="Serum"),
        order=Order(report_type=report_type),
    )


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    file = tmp_path / "lab.toml"
    file.write_text(CONFIG.format(data=tmp_path / "data"))
    return file


@pytest.fixture
def receivers(lab: Path) -> Receivers:
    """Two results were delivered: QQQ, that nobody knows, beside a code that the terms know; and QQQ in mmol/L."""
    found = Receivers(lab)
    found.keep(sample(1, result("QQQ"), result("HGB", "13.5", "g/dL", loinc="718-7")), sample(2, result("QQQ", "5.4", "mmol/L")))
    found.deliver()
    return found


def balanced(lab: Path) -> dict[str, tuple[int, int, int]]:
    """received, delivered, waiting of each destination; each line adds up."""
    with closing(open_reader(lab.parent / "data")) as conn:
        lines = statement.statement(conn)
    assert all(line.balanced for line in lines), lines
    return {line.destination: (line.received, line.delivered, line.waiting) for line in lines}


# ---- the list


def test_the_list_says_what_nobody_knows_and_what_it_may_be(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    mass, substance = sorted(
        wardlink("unmapped", "list", "--since", START.isoformat(), "--json", "-c", lab).json, key=lambda one: one["report"]
    )
    assert {key: mass[key] for key in ("device", "maker", "model", "code", "unit", "ucum", "specimen", "result", "n", "report", "example")} == {
        "device": "LAB-1", "maker": "Acme", "model": "X1", "code": "QQQ", "unit": "mg/dL", "ucum": "mg/dL", "specimen": "Serum",
        "result": "number", "n": 1, "report": 1, "example": "98",
    }  # fmt: skip
    assert (substance["unit"], substance["loinc"]) == ("mmol/L", None)
    shown = wardlink("unmapped", "list", "--since", START.isoformat(), "-c", lab).out
    assert "QQQ" in shown
    assert "718-7" not in shown
    everything = wardlink("unmapped", "list", "--all", "--since", START.isoformat(), "--json", "-c", lab).json
    assert {one["code"]: one["loinc"] for one in everything} == {"QQQ": None, "HGB": "718-7"}


def test_other_reports_are_listed_where_they_are_asked_for(wardlink: Wardlink, lab: Path) -> None:
    Receivers(lab).keep(msgspec.structs.replace(sample(1, result("XYZ")), category=Category.VITALS), sample(2, result("QQQ")))

    def codes(*words: str) -> list[str]:
        rows = wardlink("unmapped", "list", "--since", START.isoformat(), *words, "--json", "-c", lab).json
        return [one["code"] for one in rows]

    assert (codes(), codes("--category", "vitals"), codes("--device", "LAB-9")) == (["QQQ"], ["XYZ"], [])


def test_nothing_open_is_said_in_words(wardlink: Wardlink, lab: Path) -> None:
    Receivers(lab).keep(sample(1, result("HGB", "13.5", "g/dL", loinc="718-7")))
    assert (
        wardlink("unmapped", "list", "--since", START.isoformat(), "-c", lab).out
        == "every code has a LOINC, or was decided about\n"
    )


# ---- resolving


def test_resolving_says_what_is_meant_what_is_left_and_what_was_delivered_otherwise(
    wardlink: Wardlink, receivers: Receivers, lab: Path
) -> None:
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--reason", "glucose, says the method sheet", "-c", lab)
    assert told.out.splitlines() == [
        "decision 1: QQQ Acme X1: 2345-7 (Glucose serum/plasma); 1 results in the journal are meant",
        "left as it is: QQQ LAB-1 Acme X1 in mmol/L in Serum as number, 1 results",
        "lis: 1 delivered messages bear another code: `wardlink queue replay --remap` sends corrections",
        "chart: 1 delivered messages bear another code: `wardlink queue replay --remap` sends corrections",
    ]
    (row,) = wardlink("unmapped", "decided", "--json", "-c", lab).json
    assert (row["number"], row["code"], row["maker"], row["model"], row["device"], row["loinc"], row["property"], row["source"]) == (
        1, "QQQ", "Acme", "X1", "", "2345-7", "MCnc", "by hand",
    )  # fmt: skip
    assert wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab).out.startswith("it was decided so already")


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "a wrong check digit": (("QQQ", "--loinc", "2345-8"), "LOINC 2345-8 has a wrong check digit: got 8, expected 7"),
    "a LOINC that the terms do not hold": (("QQQ", "--loinc", "94563-4"), "give its property (--property MCnc) and its name (--name)"),
    "one without its name": (("QQQ", "--loinc", "94505-5", "--property", "MCnc"), "give its name (--name), as LOINC asks for one"),
    "a unit of another kind": (("QQQ", "--loinc", "2345-7", "--unit", "mmol/L"), "LOINC 2345-7 has the property MCnc"),
    "no result of the kind in the journal": (("QQQ", "--loinc", "6690-2"), "LOINC 6690-2 has the property NCnc"),
    "a finding beside a number": (
        ("QQQ", "--loinc", "94563-4", "--property", "PrThr", "--name", "x"),
        "a finding in words; the device sends a number",
    ),
    "a code that nobody sent": (("ZZZ", "--loinc", "2345-7"), "the journal holds no result 'ZZZ': say whose it is with --device"),
    "what the terms know": (("HGB", "--loinc", "2345-7"), "'HGB' is LOINC 718-7 already, by the terms or its driver: --override says otherwise"),
    "a unit that is known": (("QQQ", "--loinc", "2345-7", "--ucum", "mg/dL"), "the terms know the unit 'mg/dL'"),
    "neither": (("QQQ",), "say either --loinc CODE or --ignore"),
    "both": (("QQQ", "--loinc", "2345-7", "--ignore"), "say either --loinc CODE or --ignore"),
    "ignoring without a word": (("QQQ", "--ignore"), "--ignore needs --reason"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused(wardlink: Wardlink, receivers: Receivers, lab: Path, words: tuple[str, ...], why: str) -> None:
    refused = wardlink("unmapped", "resolve", *words, "-c", lab)
    assert refused.code == 2
    assert why in refused.err
    assert wardlink("unmapped", "decided", "-c", lab).out == "nothing was decided\n"


def test_several_models_must_be_told_apart(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    receivers.keep(sample(3, result("QQQ"), device="LAB-2", model="X2"))
    refused = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab)
    assert "'QQQ' is sent by Acme X1; Acme X2: say which with --device, or --maker and --model" in refused.err
    assert wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--device", "LAB-2", "-c", lab).code == 0
    assert wardlink("unmapped", "decided", "--json", "-c", lab).json[0]["device"] == "LAB-2"


def test_a_unit_that_nobody_knows_is_said_in_ucum(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    receivers.keep(sample(3, Observation(kind=Kind.NUMERIC, vendor_code="GLX", value="98", vendor_unit="MGDL", status="F")))
    refused = wardlink("unmapped", "resolve", "GLX", "--loinc", "2345-7", "-c", lab)
    assert "the terms do not know the unit 'MGDL': say what it means with --ucum" in refused.err
    assert wardlink("unmapped", "resolve", "GLX", "--loinc", "2345-7", "--ucum", "mg/dL", "-c", lab).code == 0
    receivers.deliver()
    (obx,) = receivers.lis[-1].every("OBX")
    assert (obx.raw(3).split("^")[0], obx.raw(5), obx.raw(6)) == ("2345-7", "98", "mg/dL^mg/dL^UCUM^MGDL^^99ACME")


# ---- corrections


def obx(message: Message) -> list[tuple[str, str, str]]:
    """OBX-3 first component, OBX-5, OBX-11 of each result."""
    return [(one.raw(3).split("^")[0], one.raw(5), one.raw(11)) for one in message.every("OBX")]


def test_a_correction_is_a_new_message_about_the_same_results(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    before = receivers.lis[0]
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    assert told.out.splitlines()[-2:] == ["lis: 1 corrections will be sent", "chart: 1 corrections will be sent"]
    assert balanced(lab) == {"lis": (2, 2, 0), "chart": (2, 2, 0)}, "it counts as delivered all the while"
    receivers.deliver()
    assert len(receivers.lis) == 3
    after = receivers.lis[2]
    assert obx(before) == [("QQQ", "98", "F"), ("718-7", "13.5", "F")]
    assert obx(after) == [("2345-7", "98", "C"), ("718-7", "13.5", "F")], "only what reads otherwise is a correction"
    msh, former = after.segments[0], before.segments[0]
    assert (msh.raw(10)[0], len(msh.raw(10))) == ("E", 20), "MSH-10 is new"
    assert msh.raw(10) != former.raw(10)
    assert msh.raw(7) == former.raw(7), "same time"
    (obr,), (old,) = after.every("OBR"), before.every("OBR")
    assert obr.raw(3) == old.raw(3), "OBR-3 names the same measurement"
    assert (old.raw(25), obr.raw(25)) == ("F", "C")
    assert balanced(lab) == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_a_fhir_server_updates_what_it_has_and_makes_no_second_one(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    receivers.deliver()
    before, after = receivers.chart[0], receivers.chart[2]
    assert after["identifier"]["value"] != before["identifier"]["value"]
    first, second = (
        {
            kind: [one for one in bundle["entry"] if one["resource"]["resourceType"] == kind]
            for kind in ("Observation", "DiagnosticReport")
        }
        for bundle in (before, after)
    )
    for kind in ("Observation", "DiagnosticReport"):
        assert [one["resource"]["identifier"] for one in second[kind]] == [one["resource"]["identifier"] for one in first[kind]]
    changed, same = second["Observation"]
    assert changed["request"]["method"] == "PUT"
    assert changed["request"]["url"].startswith("Observation?identifier=")
    assert changed["resource"]["status"] == "corrected"
    assert changed["resource"]["code"]["coding"][0] == {"system": "http://loinc.org", "code": "2345-7"}
    assert changed["resource"]["valueQuantity"] == first["Observation"][0]["resource"]["valueQuantity"]
    assert same == first["Observation"][1], "what did not change is made only where it is missing"
    (report,) = second["DiagnosticReport"]
    assert (report["request"]["method"], report["resource"]["status"]) == ("PUT", "corrected")


@pytest.mark.parametrize("form", ["lab", "law"])
def test_every_laboratory_format_says_it_and_lint_finds_no_fault(wardlink: Wardlink, lab: Path, form: str) -> None:
    lab.write_text(lab.read_text().replace('format = "lab"', f'format = "{form}"'))
    receivers = Receivers(lab)
    receivers.keep(sample(1, result("QQQ"), result("HGB", "13.5", "g/dL", loinc="718-7")))
    receivers.deliver()
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    receivers.deliver()
    before, after = receivers.lis
    assert [(code, status) for code, _, status in obx(after)] == [("2345-7", "C"), ("718-7", "F")]
    assert [one.raw(21) for one in after.every("OBX")] == [one.raw(21) for one in before.every("OBX")], "the instance's id"
    assert before.segments[0].raw(10) != after.segments[0].raw(10)
    for message in [*receivers.got["chart"], *(receivers.got["lis"] if form == "law" else [])]:  # lint has no rules for LAB-3
        judged = wardlink("lint", "-", stdin=message.body)
        assert judged.code == 0, judged.out


def test_what_was_mistaken_is_taken_back_and_corrected_again(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    receivers.deliver()
    told = wardlink("unmapped", "reopen", "1", "--reason", "it is another sugar", "--replay", "-c", lab)
    assert told.out.splitlines() == [
        "decision 1 is taken back: QQQ Acme X1: 2345-7",
        "lis: 1 corrections will be sent",
        "chart: 1 corrections will be sent",
    ]
    receivers.deliver()
    assert obx(receivers.lis[3]) == [("QQQ", "98", "C"), ("718-7", "13.5", "F")]
    with closing(open_reader(lab.parent / "data")) as conn:
        lis = next(fate for fate in queued.kept(conn, 1).fates if fate.destination == "lis")
    first, second = lis.edits
    assert (second.replaces, first.replaces) == (first.message_id, receivers.lis[0].segments[0].raw(10))
    assert lis.delivery is not None
    assert lis.delivery.message_id == second.message_id
    assert balanced(lab) == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_remap_finds_what_reads_otherwise_shows_it_first_and_sends_it_once(
    wardlink: Wardlink, receivers: Receivers, lab: Path
) -> None:
    assert wardlink("queue", "replay", "--remap", "-c", lab).out == "nothing was delivered under another code\n"
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab)
    tried = wardlink("queue", "replay", "--remap", "--dry-run", "-d", "lis", "-c", lab).out
    assert "lis: 1 corrections would be sent (dry run: nothing is done)" in tried
    assert "+OBX|1|NM|2345-7^" in tried
    assert wardlink("queue", "replay", "--remap", "-d", "lis", "-c", lab).out == "lis: 1 corrections will be sent\n"
    assert wardlink("queue", "replay", "--remap", "-d", "lis", "-c", lab).out == "nothing was delivered under another code\n"
    receivers.deliver()
    assert wardlink("queue", "replay", "--remap", "-d", "lis", "-c", lab).out == "nothing was delivered under another code\n"
    assert [len(receivers.lis), len(receivers.chart)] == [3, 2]


def test_a_replay_of_a_correction_is_the_correction(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    receivers.deliver()
    assert wardlink("queue", "replay", "1", "-d", "lis", "-c", lab).code == 0
    receivers.deliver()
    assert receivers.got["lis"][3] == receivers.got["lis"][2]


def test_a_message_that_a_person_wrote_is_left_as_it_is(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    text = wardlink("queue", "show", "1", "-d", "lis", "--message", "-c", lab).out
    edited = text.replace("|98|", "|99|").encode()
    assert wardlink("queue", "edit", "1", "--reason", "typed", "-d", "lis", "--file", "-", "-c", lab, stdin=edited).code == 0
    receivers.deliver()
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    assert "lis: 1 were written by a person: left as they are" in told.out
    assert "chart: 1 corrections will be sent" in told.out


def test_what_is_for_another_patient_now_is_not_sent_to_the_former_one(wardlink: Wardlink, lab: Path) -> None:
    receivers = Receivers(lab)
    receivers.keep(sample(1, result("QQQ")))
    asyncio.run(_wears(lab, "SYN-A"))
    receivers.deliver()
    asyncio.run(_wears(lab, "SYN-B"))
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    assert "lis: 1 are for another patient now: `wardlink queue edit` sends these" in told.out
    receivers.deliver()
    assert len(receivers.lis) == 1


async def _wears(lab: Path, patient: str) -> None:
    journal = await Journal.open(lab.parent / "data", name="lab-1", reserve_bytes=65536)
    subject = Subject(patient_id=patient)
    await journal.act(lambda conn: acts.associate(conn, "LAB-1", subject, at=START, by="n", source="test"))
    await journal.close()


def test_every_act_is_in_the_audit_trail_and_with_the_report(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--reason", "method sheet", "--replay", "-c", lab)
    with closing(open_reader(lab.parent / "data")) as conn:
        told = [(act.act, act.object, act.detail.get("n")) for act in audit.acts(conn)]
        fate = next(one for one in queued.kept(conn, 1).fates if one.destination == "lis")
    assert told == [("map", "QQQ", None), ("correct", "lis", "1"), ("correct", "chart", "1")]
    assert [act.act for act in fate.acts] == ["correct"]
    assert fate.acts[0].detail["codes"] == "QQQ"


def test_a_result_that_the_destination_is_sent_as_validated_is_corrected_too(wardlink: Wardlink, lab: Path) -> None:
    lab.write_text(lab.read_text().replace('address = "localhost:2575"', 'address = "localhost:2575"\nresult_status = "F"'))
    receivers = Receivers(lab)
    receivers.keep(sample(1, result("QQQ", status="R"), report_type=""))
    receivers.deliver()
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    receivers.deliver()
    assert [obx(message) for message in receivers.lis] == [[("QQQ", "98", "F")], [("2345-7", "98", "C")]]
    statuses = [
        one["resource"]["status"]
        for bundle in receivers.chart
        for one in bundle["entry"]
        if one["resource"]["resourceType"] == "Observation"
    ]
    assert statuses == ["preliminary", "preliminary"], "what was never final is no correction"


def parked(wardlink: Wardlink, lab: Path) -> list[str]:
    return [one["reason"] for one in wardlink("queue", "list", "--state", "parked", "-d", "lis", "--json", "-c", lab).json]


def test_a_correction_that_waits_is_not_sent_once_its_code_is_taken_back(
    wardlink: Wardlink, receivers: Receivers, lab: Path
) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    told = wardlink("unmapped", "reopen", "1", "-c", lab).out
    assert "delivered messages bear another code" not in told, "what was delivered says what is decided again"
    receivers.deliver()
    assert len(receivers.lis) == 2
    assert parked(wardlink, lab) == [
        "corrects codes that were decided about otherwise since: `wardlink queue replay --remap` makes it anew"
    ]
    assert balanced(lab) == {"lis": (2, 2, 0), "chart": (2, 2, 0)}
    given_up = wardlink("queue", "replay", "--remap", "-d", "lis", "-c", lab).out
    assert given_up == "lis: 1 corrections that were not taken are given up: the receiver has what they would say\n"
    assert parked(wardlink, lab) == []
    receivers.deliver()
    assert len(receivers.lis) == 2
    assert balanced(lab) == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_a_correction_that_waits_is_made_anew_once_its_code_is_decided_otherwise(
    wardlink: Wardlink, receivers: Receivers, lab: Path
) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2339-0", "--replay", "-c", lab).out
    assert "lis: 1 are under way again: try once more" in told
    receivers.deliver()
    assert wardlink("queue", "replay", "--remap", "-d", "lis", "-c", lab).out == "lis: 1 corrections will be sent\n"
    receivers.deliver()
    assert [obx(message)[0] for message in receivers.lis if len(obx(message)) == 2] == [("QQQ", "98", "F"), ("2339-0", "98", "C")]
    assert balanced(lab) == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_a_correction_that_was_refused_is_not_made_twice_and_goes_again_as_it_was(
    wardlink: Wardlink, receivers: Receivers, lab: Path
) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    receivers.answer = Refused("no corrections today", "AR")
    receivers.deliver()
    assert parked(wardlink, lab) == ["no corrections today"]
    assert wardlink("queue", "replay", "--remap", "-d", "lis", "-c", lab).out == "nothing was delivered under another code\n"
    receivers.answer = Accepted("AA")
    wardlink("queue", "replay", "-d", "lis", "--all", "-c", lab)
    receivers.deliver()
    assert receivers.got["lis"][3] == receivers.got["lis"][2]
    assert balanced(lab) == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_a_decision_about_another_code_leaves_a_correction_on_its_way(
    wardlink: Wardlink, receivers: Receivers, lab: Path
) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    wardlink("unmapped", "resolve", "ZZZ", "--loinc", "2345-7", "--device", "LAB-1", "-c", lab)
    receivers.deliver()
    assert len(receivers.lis) == 3
    assert parked(wardlink, lab) == []


# ---- where a code comes from


def test_why_names_the_decision_that_gave_a_code(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--reason", "method sheet", "--replay", "-c", lab)
    told = wardlink("why", "1", "--code", "QQQ", "--json", "-c", lab).json
    (value,) = told["values"]
    assert value["mapping"]["loinc"][0]["code"] == "2345-7"
    assert (value["decision"]["number"], value["decision"]["source"], value["decision"]["reason"]) == (
        1,
        "by hand",
        "method sheet",
    )
    assert [
        one["code"] for one in wardlink("why", "1", "--code", "718-7", "--json", "-c", lab).json["values"][0]["mapping"]["loinc"]
    ] == ["718-7"]
    shown = wardlink("why", "1", "--code", "2345-7", "-c", lab).out
    assert "decision 1 (QQQ Acme X1: 2345-7): by hand, by " in shown
    assert "correct by " in shown
    assert wardlink("why", "1", "--code", "718-7", "--json", "-c", lab).json["values"][0]["decision"] is None


def test_why_still_proves_what_was_delivered_before_the_decision(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab)
    assert wardlink("why", "1", "-c", lab).out.count("rendered now: the very bytes that were delivered (SHA-256)") == 2


def test_an_export_has_the_code_that_is_decided(wardlink: Wardlink, receivers: Receivers, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "-c", lab)
    rows = wardlink("export", "--since", START.isoformat(), "-c", lab).lines
    assert [(row["vendor_code"], row["loinc"], row["value"], row["unit"]) for row in rows] == [
        ("QQQ", "2345-7", "98", "mg/dL"),
        ("HGB", "718-7", "13.5", "g/dL"),
        ("QQQ", None, "5.4", "mmol/L"),
    ]


ASTM = b"H|\\^&|||Acme^X1\rP|1\rO|1|SYN-1||^^^QQQ\rR|1|^^^QQQ|98|mg/dL||N||F\rL|1|N\r"


def test_a_capture_is_read_with_what_a_laboratory_decided(wardlink: Wardlink, lab: Path) -> None:
    (lab.parent / "data").mkdir()
    assert wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--device", "astm", "-c", lab).code == 0
    plain = wardlink("decode", "--driver", "astm", "-", stdin=ASTM).lines
    decided = wardlink("decode", "--driver", "astm", "--data", lab.parent / "data", "-", stdin=ASTM).lines
    assert [(row["vendor_code"], row["loinc"], row["value"]) for row in plain + decided] == [
        ("QQQ", None, "98"),
        ("QQQ", "2345-7", "98"),
    ]


# ---- a whole laboratory


def test_a_table_goes_out_is_filled_in_and_comes_back(
    wardlink: Wardlink, receivers: Receivers, lab: Path, tmp_path: Path
) -> None:
    file = tmp_path / "codes.csv"
    assert "2 open codes; fill in loinc" in wardlink("unmapped", "export", file, "-c", lab).out
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    assert [(row["code"], row["device"], row["maker"], row["unit"], row["seen"], row["loinc"]) for row in rows] == [
        ("QQQ", "", "Acme", "mg/dL", "1", ""),
        ("QQQ", "", "Acme", "mmol/L", "1", ""),
    ]
    for row, loinc in zip(rows, ("2345-7", "14749-6"), strict=True):
        row["loinc"] = loinc
    filled = _csv(rows)
    assert (
        "2 decisions (dry run: nothing is done)" in wardlink("unmapped", "import", "-", "--dry-run", "-c", lab, stdin=filled).out
    )
    assert wardlink("unmapped", "decided", "-c", lab).out == "nothing was decided\n"
    assert wardlink("unmapped", "import", "-", "-c", lab, stdin=filled).code == 0
    assert [one["loinc"] for one in wardlink("unmapped", "decided", "--json", "-c", lab).json] == ["2345-7", "14749-6"]
    again = wardlink("unmapped", "export", "-", "-c", lab).out
    assert [row["loinc"] for row in csv.DictReader(io.StringIO(again))] == ["2345-7", "14749-6"], "what was decided goes out too"
    assert wardlink("unmapped", "import", "-", "-c", lab, stdin=again.encode()).out.count("it was decided so already") == 2


def test_no_spreadsheet_takes_a_code_for_a_formula_and_it_comes_back_as_it_was(
    wardlink: Wardlink, receivers: Receivers, lab: Path
) -> None:
    receivers.keep(sample(3, result("=1+1"), result("-GLU")))
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(wardlink("unmapped", "export", "-", "-c", lab).out))}
    assert {"'=1+1", "'-GLU"} < set(rows)
    filled = [{**rows[code], "loinc": "2345-7"} for code in ("'=1+1", "'-GLU")]
    assert wardlink("unmapped", "import", "-", "-c", lab, stdin=_csv(filled)).code == 0
    assert [one["code"] for one in wardlink("unmapped", "decided", "--json", "-c", lab).json] == ["=1+1", "-GLU"]


def _csv(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


BAD_TABLES = {
    "a mistake in its second row": (b"code,maker,loinc,unit\nQQQ,Acme,2345-7,mg/dL\nQQQ,Acme,2345-7,mmol/L\n", "row 3 (QQQ): LOINC 2345-7 has the property MCnc"),
    "both at once": (b"code,loinc,ignore\nQQQ,2345-7,yes\n", "row 2: got a LOINC and ignore = yes; expected one of them"),
    "a word that is none": (b"code,loinc,ignore\nQQQ,,perhaps\n", "row 2: got ignore 'perhaps'; expected yes or nothing"),
    "a strange sort of result": (b"code,loinc,result\nQQQ,2345-7,blue\n", "row 2: got the result 'blue'; expected number, words or nothing"),
    "a strange column": (b"code,loinc,colour\nQQQ,2345-7,blue\n", "row 1: got the column 'colour'"),
    "another table": (b"specimen,tests\nSYN-1,GLU\n", "row 1: no column code, loinc"),
    "no text": (b"code,loinc\nQ\xff,2345-7\n", "byte 12: got 0xff; expected CSV in UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "why"), BAD_TABLES.values(), ids=BAD_TABLES.keys())
def test_of_a_table_with_a_mistake_nothing_is_taken(
    wardlink: Wardlink, receivers: Receivers, lab: Path, table: bytes, why: str
) -> None:
    refused = wardlink("unmapped", "import", "-", "-c", lab, stdin=table)
    assert (refused.code, why in refused.err) == (2, True), refused.err
    assert wardlink("unmapped", "decided", "-c", lab).out == "nothing was decided\n"


def test_a_file_is_never_overwritten(wardlink: Wardlink, receivers: Receivers, lab: Path, tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text("mine")
    refused = wardlink("unmapped", "export", tmp_path / "codes.csv", "-c", lab)
    assert (refused.code, "File exists; it must be a new file" in refused.err) == (2, True)
