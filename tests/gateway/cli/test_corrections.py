"""Corrections of what was delivered under another code: what a laboratory system and a FHIR server get, and what is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.deliver.destination import Accepted, Refused
from gateway.model import Subject
from gateway.patients import acts
from gateway.store import audit, mappings, queued
from gateway.store.journal import Journal, open_reader
from protocols.hl7v2.message import Message

Wardlink = Callable[..., Any]

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def obx(message: Message) -> list[tuple[str, str, str]]:
    """OBX-3 first component, OBX-5, OBX-11 of each result."""
    return [(one.raw(3).split("^")[0], one.raw(5), one.raw(11)) for one in message.every("OBX")]


def test_a_correction_is_a_new_message_about_the_same_results(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    before = receivers.lis[0]
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    assert told.out.splitlines()[-2:] == ["lis: 1 corrections will be sent", "chart: 1 corrections will be sent"]
    assert receivers.account() == {"lis": (2, 2, 0), "chart": (2, 2, 0)}, "it counts as delivered all the while"
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
    assert receivers.account() == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_a_fhir_server_updates_what_it_has_and_makes_no_second_one(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
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
def test_every_laboratory_format_says_it_and_lint_finds_no_fault(
    wardlink: Wardlink, laboratory: Any, lab: Path, form: str
) -> None:
    lab.write_text(lab.read_text().replace('format = "lab"', f'format = "{form}"'))
    receivers = laboratory
    receivers.keep(receivers.sample(1, receivers.result("QQQ"), receivers.result("HGB", "13.5", "g/dL", loinc="718-7")))
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


def test_what_was_mistaken_is_taken_back_and_corrected_again(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
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
    assert receivers.account() == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_remap_finds_what_reads_otherwise_shows_it_first_and_sends_it_once(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
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


def test_a_replay_of_a_correction_is_the_correction(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    receivers.deliver()
    assert wardlink("queue", "replay", "1", "-d", "lis", "-c", lab).code == 0
    receivers.deliver()
    assert receivers.got["lis"][3] == receivers.got["lis"][2]


def test_a_message_that_a_person_wrote_is_left_as_it_is(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    text = wardlink("queue", "show", "1", "-d", "lis", "--message", "-c", lab).out
    edited = text.replace("|98|", "|99|").encode()
    assert wardlink("queue", "edit", "1", "--reason", "typed", "-d", "lis", "--file", "-", "-c", lab, stdin=edited).code == 0
    receivers.deliver()
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    assert "lis: 1 were written by a person: left as they are" in told.out
    assert "chart: 1 corrections will be sent" in told.out


def test_what_is_for_another_patient_now_is_not_sent_to_the_former_one(wardlink: Wardlink, laboratory: Any, lab: Path) -> None:
    receivers = laboratory
    receivers.keep(receivers.sample(1, receivers.result("QQQ")))
    asyncio.run(_wears(lab, "SYN-A"))
    receivers.deliver()
    asyncio.run(_wears(lab, "SYN-B"))
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    assert "lis: 1 are for another patient now: `wardlink queue edit` sends these" in told.out
    receivers.deliver()
    assert len(receivers.lis) == 1


def test_a_correction_is_for_whom_the_first_message_was_and_is_kept_so(wardlink: Wardlink, laboratory: Any, lab: Path) -> None:
    laboratory.keep(laboratory.sample(1, laboratory.result("QQQ")))
    asyncio.run(_wears(lab, "SYN-A"))
    laboratory.deliver()
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    laboratory.deliver()
    assert [one.raw(3).split("^")[0] for message in laboratory.lis for one in message.every("PID")] == ["SYN-A", "SYN-A"]
    with closing(open_reader(lab.parent / "data")) as conn:
        (delivery,) = (fate.delivery for fate in queued.kept(conn, 1).fates if fate.destination == "lis")
        state = mappings.state(conn)
    assert delivery is not None
    assert delivery.association is not None
    assert (delivery.association.subject.patient_id, delivery.late, delivery.mapping) == ("SYN-A", True, state)


async def _wears(lab: Path, patient: str) -> None:
    journal = await Journal.open(lab.parent / "data", name="lab-1", reserve_bytes=65536)
    subject = Subject(patient_id=patient)
    await journal.act(lambda conn: acts.associate(conn, "LAB-1", subject, at=START, by="n", source="test"))
    await journal.close()


def test_every_act_is_in_the_audit_trail_and_with_the_report(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--reason", "method sheet", "--replay", "-c", lab)
    with closing(open_reader(lab.parent / "data")) as conn:
        told = [(act.act, act.object, act.detail.get("n")) for act in audit.acts(conn)]
        fate = next(one for one in queued.kept(conn, 1).fates if one.destination == "lis")
    assert told == [("map", "QQQ", None), ("correct", "lis", "1"), ("correct", "chart", "1")]
    assert [act.act for act in fate.acts] == ["correct"]
    assert fate.acts[0].detail["codes"] == "QQQ"


def test_a_result_that_the_destination_is_sent_as_validated_is_corrected_too(
    wardlink: Wardlink, laboratory: Any, lab: Path
) -> None:
    lab.write_text(lab.read_text().replace('address = "localhost:2575"', 'address = "localhost:2575"\nresult_status = "F"'))
    receivers = laboratory
    receivers.keep(receivers.sample(1, receivers.result("QQQ", status="R"), report_type=""))
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


def test_a_correction_that_waits_is_not_sent_once_its_code_is_taken_back(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    told = wardlink("unmapped", "reopen", "1", "-c", lab).out
    assert "delivered messages bear another code" not in told, "what was delivered says what is decided again"
    receivers.deliver()
    assert len(receivers.lis) == 2
    assert parked(wardlink, lab) == [
        "corrects codes that were decided about otherwise since: `wardlink queue replay --remap` makes it anew"
    ]
    assert receivers.account() == {"lis": (2, 2, 0), "chart": (2, 2, 0)}
    given_up = wardlink("queue", "replay", "--remap", "-d", "lis", "-c", lab).out
    assert given_up == "lis: 1 corrections that were not taken are given up: the receiver has what they would say\n"
    assert parked(wardlink, lab) == []
    receivers.deliver()
    assert len(receivers.lis) == 2
    assert receivers.account() == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_a_correction_that_waits_is_made_anew_once_its_code_is_decided_otherwise(
    wardlink: Wardlink, receivers: Any, lab: Path
) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    told = wardlink("unmapped", "resolve", "QQQ", "--loinc", "2339-0", "--replay", "-c", lab).out
    assert "lis: 1 are under way again: try once more" in told
    receivers.deliver()
    assert wardlink("queue", "replay", "--remap", "-d", "lis", "-c", lab).out == "lis: 1 corrections will be sent\n"
    receivers.deliver()
    assert [obx(message)[0] for message in receivers.lis if len(obx(message)) == 2] == [("QQQ", "98", "F"), ("2339-0", "98", "C")]
    assert receivers.account() == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_a_correction_that_was_refused_is_not_made_twice_and_goes_again_as_it_was(
    wardlink: Wardlink, receivers: Any, lab: Path
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
    assert receivers.account() == {"lis": (2, 2, 0), "chart": (2, 2, 0)}


def test_a_decision_about_another_code_leaves_a_correction_on_its_way(wardlink: Wardlink, receivers: Any, lab: Path) -> None:
    wardlink("unmapped", "resolve", "QQQ", "--loinc", "2345-7", "--replay", "-c", lab)
    wardlink("unmapped", "resolve", "ZZZ", "--loinc", "2345-7", "--device", "LAB-1", "-c", lab)
    receivers.deliver()
    assert len(receivers.lis) == 3
    assert parked(wardlink, lab) == []
