"""Receivers that refuse, stall, lie, hang up or are not there: everything received ends delivered or parked with its reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Analyzer, Receiver, World

RESULTS = 12
DEVICE = """
[[device]]
id = "LAB"
driver = "astm"
profile = "generic"
link = "tcp-listen://127.0.0.1:{port}"
"""
LIS = """
[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
address = "localhost:{port}"
retry_base_s = 0.05
retry_cap_s = 0.2
ack_timeout_s = 0.5
{more}
"""

Fields = Callable[[str, str, int], list[str]]


def build(world: World, port: int, more: str = "") -> int:
    """A gateway with one analyzer and one receiver; the analyzer's port."""
    lab = world.port()
    world.configure(DEVICE.format(port=lab), LIS.format(port=port, more=more))
    world.gateway()
    return lab


async def measure(world: World, analyzer: type[Analyzer], lab: int) -> list[str]:
    """RESULTS results, all acknowledged to the analyzer; their specimens in that order."""
    one = analyzer(lab, seed=7, profile="generic", interval_s="0.005", count=str(RESULTS))
    one.start()
    await world.eventually(lambda: len(one.device.acknowledged) == RESULTS, "the gateway took every result")
    await one.stop()
    return [result.specimen for result in one.device.acknowledged]


async def asked_for(world: World, receiver: Receiver, messages: int) -> None:
    await world.eventually(lambda: len(receiver.rows()) >= messages, f"{messages} messages were sent")


def arrival(fields: Fields, bodies: list[str]) -> list[str]:
    """Specimens in the order in which each was first sent."""
    return list(dict.fromkeys(fields(body, "SPM", 2)[0].split("^")[0].split("&")[0] for body in bodies))


DELIVERING = {
    "a receiver that says AE tries the message again later": ("refuse:AE*3,ack", 3),
    "a receiver that says CE tries the message again later": ("refuse:CE*2,ack", 2),
    "a silent receiver is given up on and asked again": ("stall*2,ack", 2),
    "an answer for another message is no answer": ("wrong-id*2,ack", 2),
    "an answer for the former message is no answer": ("ack*1,late*1,ack*2,late*1,ack", 2),
    "a receiver that hangs up instead of answering is asked again": ("close*3,ack", 3),
    "a receiver that hangs up after each answer costs nothing": ("close-after", 0),
    "garbage is no answer": ("garbage*2,ack", 2),
    "a receiver that does everything wrong now and then gets all in the end": ("flaky:0.4", 1),
}


@pytest.mark.parametrize(("behave", "repeats"), DELIVERING.values(), ids=DELIVERING.keys())
async def test_everything_is_delivered(world: World, analyzer: type[Analyzer], fields: Fields, behave: str, repeats: int) -> None:
    receiver = world.receiver(behave=behave)
    specimens = await measure(world, analyzer, build(world, receiver.told()[0]["port"]))
    await world.eventually(lambda: world.drained("lis"), "the receiver got everything")

    books = receiver.summary()
    assert (books["accepted"], books["unique"], books["changed"]) == (RESULTS, RESULTS, 0)
    assert books["repeats"] >= repeats
    assert books["in_order"]
    assert arrival(fields, [row.body.decode() for row in receiver.rows()]) == specimens
    line = world.account()["LAB", "lis"]
    assert (line["received"], line["delivered"]) == (RESULTS, RESULTS)


@pytest.mark.parametrize("code", ["AR", "CR"])
async def test_refused_messages_are_parked_with_their_reason_and_block_nothing(
    world: World, analyzer: type[Analyzer], fields: Fields, code: str
) -> None:
    receiver = world.receiver(behave=f"ack*2,refuse:{code}*3,ack")
    specimens = await measure(world, analyzer, build(world, receiver.told()[0]["port"]))
    await world.eventually(lambda: world.drained("lis"), "nothing waits any more")

    line = world.account()["LAB", "lis"]
    assert (line["received"], line["delivered"], line["parked"]) == (RESULTS, RESULTS - 3, 3)
    parked = json.loads(world.ask("queue", "list", "--state", "parked", "--json"))
    assert [one["code"] for one in parked] == [code] * 3
    assert all("refused on command" in one["reason"] for one in parked)
    accepted = arrival(fields, list(receiver.accepted().values()))
    assert accepted == specimens[:2] + specimens[5:]

    world.ask("queue", "replay", "--destination", "lis", "--all")
    await world.eventually(lambda: receiver.summary()["accepted"] == RESULTS, "a replay delivers what was parked")
    await world.eventually(lambda: world.account()["LAB", "lis"]["delivered"] == RESULTS, "and is accounted for")
    assert receiver.summary()["changed"] == 0


async def test_an_error_that_lasts_is_parked_when_its_budget_is_spent(world: World, analyzer: type[Analyzer]) -> None:
    receiver = world.receiver(behave="refuse:AE")
    lab = build(world, receiver.told()[0]["port"], more="retry_budget_h = 0.00003")  # a tenth of a second
    await measure(world, analyzer, lab)
    await world.eventually(lambda: world.account()["LAB", "lis"]["parked"] == RESULTS, "all are parked")
    parked = json.loads(world.ask("queue", "list", "--state", "parked", "--json"))
    assert all("refused on command" in one["reason"] for one in parked)


async def test_a_strict_destination_stops_at_a_refusal(world: World, analyzer: type[Analyzer], fields: Fields) -> None:
    receiver = world.receiver(behave="ack*2,refuse:AR*1,ack")
    specimens = await measure(world, analyzer, build(world, receiver.told()[0]["port"], more='order = "strict"'))
    await world.eventually(lambda: world.destination("lis").get("parked") == 1, "the refusal is parked")
    await world.eventually(lambda: "strict" in world.destination("lis")["state"], "it says why nothing goes out")
    assert world.destination("lis")["waiting"] == RESULTS - 3
    assert len(receiver.accepted()) == 2
    world.ask("queue", "replay", "--destination", "lis", "--all")
    await world.eventually(lambda: world.drained("lis") and len(receiver.accepted()) == RESULTS, "the replay frees the line")
    assert arrival(fields, list(receiver.accepted().values())) == specimens


async def test_a_receiver_that_is_down_at_the_start_gets_everything_when_it_comes_up(
    world: World, analyzer: type[Analyzer], fields: Fields
) -> None:
    port = world.port()
    specimens = await measure(world, analyzer, build(world, port))
    await world.eventually(lambda: "nothing listens there" in world.destination("lis")["trouble"], "status names the trouble")
    assert world.account()["LAB", "lis"]["waiting"] == RESULTS
    receiver = world.receiver(port=port)
    await world.eventually(lambda: world.drained("lis"), "the receiver got everything")
    assert arrival(fields, list(receiver.accepted().values())) == specimens
    assert receiver.summary()["repeats"] == 0


@pytest.mark.slow
async def test_a_receiver_killed_again_and_again_gets_everything_once(
    world: World, analyzer: type[Analyzer], fields: Fields
) -> None:
    port = world.port()
    receiver = world.receiver(port=port, behave="ack*3,stall")
    lab = build(world, port)
    specimens = await measure(world, analyzer, lab)
    for more in (4, 8, 12):
        await asked_for(world, receiver, more)
        receiver.kill()
        receiver = world.receiver(port=port, behave="ack*3,stall")
    receiver.kill()
    receiver = world.receiver(port=port)
    await world.eventually(lambda: world.drained("lis"), "the receiver got everything")
    books = receiver.summary()
    assert (books["accepted"], books["unique"], books["changed"]) == (RESULTS, RESULTS, 0)
    assert arrival(fields, list(receiver.accepted().values())) == specimens
    assert world.account()["LAB", "lis"]["delivered"] == RESULTS
