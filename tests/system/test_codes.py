"""A code that nobody knows, with real processes: held, decided about, corrected and taken back, whenever the gateway is killed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

CONFIG = """
[[device]]
id = "LAB-01"
driver = "astm"
profile = "generic"
link = "tcp-listen://127.0.0.1:{port}?allow=127.0.0.1"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "127.0.0.1:{lis}"

[[destination]]
id = "strict"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "127.0.0.1:{strict}"
unmapped = "hold"

[[destination]]
id = "chart"
kind = "fhir"
format = "fhir"
takes = ["lab"]
url = "http://127.0.0.1:{chart}"
"""
RESULTS = 6
HGB = "718-7"
"""Hemoglobin in blood, mass concentration. The generic profile names no maker, so the terms do not know its HGB."""


def hemoglobin(fields: Any, body: str) -> tuple[str, str, str, str]:
    """OBR-3, and of the hemoglobin code, value and status."""
    codes = fields(body, "OBX", 3)
    (place,) = [n for n, code in enumerate(codes) if "HGB" in code.split("^")]
    obr, value, status = fields(body, "OBR", 3)[0], fields(body, "OBX", 5)[place], fields(body, "OBX", 11)[place]
    return obr, codes[place].split("^")[0], value, status


async def test_a_code_is_decided_about_corrected_and_taken_back_through_kills(world: Any, analyzer: Any, fields: Any) -> None:
    port, lis, strict, chart = world.port(), world.port(), world.port(), world.port()
    world.configure(CONFIG.format(port=port, lis=lis, strict=strict, chart=chart))
    gateway = world.gateway()
    first, second = world.receiver(port=lis, fhir=chart), world.receiver("strict", port=strict)
    device = analyzer(port, 7, interval_s="0.02", count=str(RESULTS))
    device.start()

    def delivered(destination: str) -> int:
        return int(world.destination(destination).get("delivered", 0))

    await world.eventually(lambda: delivered("lis") == RESULTS == delivered("chart"), "the results are where nobody holds them")
    await world.eventually(
        lambda: world.destination("strict").get("held") == RESULTS, "all are held where their code must be known"
    )
    await device.stop()
    before = {obr: told for obr, *told in (hemoglobin(fields, body) for body in messages(first).values())}
    assert {code for code, _, _ in before.values()} == {"HGB"}

    gateway.kill()  # what a person decides does not need it
    world.ask("unmapped", "resolve", "HGB", "--loinc", HGB, "--device", "LAB-01", "--replay")
    gateway = world.gateway()
    world.until(lambda: len(first.rows("mllp")) >= RESULTS + 2, "the first corrections are at the laboratory system")
    gateway.kill()  # and no correction is lost, or made twice, when it dies among them
    gateway = world.gateway()
    await world.eventually(lambda: len(corrections(first)) == RESULTS, "every correction is there")
    await world.eventually(lambda: len(messages(second)) == RESULTS, "what was held is free")
    assert {hemoglobin(fields, body)[1] for body in messages(second).values()} == {HGB}
    assert not corrections(second), "what was never sent needs no correction"

    told = {obr: found for obr, *found in (hemoglobin(fields, body) for body in corrections(first).values())}
    assert told == {obr: [HGB, value, "C"] for obr, (_, value, _) in before.items()}, "same results, same values, corrected"
    await world.eventually(lambda: chart_of(first) == {(HGB, "corrected"): RESULTS}, "the chart has each once, as it is now")

    world.ask("unmapped", "reopen", "1", "--reason", "mistaken", "--replay")
    await world.eventually(lambda: len(corrections(first)) == 2 * RESULTS, "it is taken back, in what was delivered too")
    await world.eventually(lambda: len(corrections(second)) == RESULTS, "and where it was held before")
    again = [hemoglobin(fields, body) for body in list(corrections(first).values())[RESULTS:]]
    assert {code for _, code, _, _ in again} == {"HGB"}
    await world.eventually(lambda: chart_of(first) == {("HGB", "corrected"): RESULTS}, "the chart has each once, as it was")
    await world.eventually(lambda: all(world.drained(one) for one in ("lis", "strict", "chart")), "nothing waits")
    for destination in ("lis", "strict", "chart"):
        line = world.account()["LAB-01", destination]
        assert (line["received"], line["delivered"], line["held"], line["parked"]) == (RESULTS, RESULTS, 0, 0)
    assert gateway.stop() == 0


def messages(receiver: Any) -> dict[str, str]:
    """The HL7 messages that were accepted, by id; a chart's Bundle of the same report has the same one."""
    return {row.id: row.body.decode() for row in receiver.rows("mllp") if row.accepted}


def corrections(receiver: Any) -> dict[str, str]:
    """Those under an id of their own."""
    return {one: body for one, body in messages(receiver).items() if one.startswith("E")}


def chart_of(receiver: Any) -> Counter[tuple[str, str]]:
    """The hemoglobins in the chart, each as it was last written: first code and status, and how many are so."""
    last: dict[str, tuple[str, str]] = {}
    for line in (receiver.kept / "resources.jsonl").read_text("utf-8").splitlines():
        one = json.loads(line)
        if one["resourceType"] == "Observation" and any(coding["code"] == "HGB" for coding in one["code"]["coding"]):
            last[one["id"]] = one["code"]["coding"][0]["code"], one["status"]
    return Counter(last.values())
