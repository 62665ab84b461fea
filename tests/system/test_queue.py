"""What a person does about messages from another process, while a real gateway runs and a real receiver keeps the books."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.system.conftest import Analyzer, Receiver, World

RESULTS = 3
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
retry_base_s = 600
"""


def queue(world: World, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(world.ask("queue", "list", "--json", *words))
    return found


def bodies(receiver: Receiver, message_id: str) -> list[bytes]:
    return [row.body for row in receiver.rows() if row.id == message_id]


async def test_refused_messages_are_shown_edited_replayed_and_given_up(world: World, analyzer: type[Analyzer]) -> None:
    lab, port = world.port(), world.port()
    receiver = world.receiver(behave="refuse:AR", port=port)
    world.configure(DEVICE.format(port=lab), LIS.format(port=port))
    world.gateway()
    one = analyzer(lab, seed=3, profile="generic", interval_s="0.005", count=str(RESULTS))
    one.start()
    await world.eventually(lambda: len(queue(world, "--state", "parked")) == RESULTS, "all are refused")
    await one.stop()
    first, second, third = (row["report"] for row in queue(world))
    assert receiver.tell("ack") == "ok"

    mended = world.folder / "mended.hl7"
    mended.write_text(world.ask("queue", "show", str(first), "--message").replace("|P|", "|T|", 1))
    said = world.ask("queue", "edit", str(first), "--reason", "test mode agreed", "--file", str(mended))
    found = re.search(r"will be sent as (E[0-9a-f]{19}) in the place of ([0-9a-f]{20})", said)
    assert found is not None, said
    assert world.ask("queue", "replay", str(second)) == "lis: 1 will be sent again\n"
    assert world.ask("queue", "dismiss", str(third), "--note", "wrong tube") == "lis: 1 given up\n"
    await world.eventually(lambda: len(receiver.accepted()) == 2, "the edited one and the replayed one are taken")

    assert found[1] in receiver.accepted()
    assert "|T|" in receiver.accepted()[found[1]]
    await world.eventually(lambda: not queue(world), "nothing is left in the queue")
    (told,) = json.loads(world.ask("why", found[1], "--json"))["destinations"]
    assert (told["edits"][0]["replaces"], told["answer"]["message_id"]) == (found[2], found[1])
    line = world.account()["LAB", "lis"]
    assert (line["received"], line["delivered"], line["dropped"]) == (3, 2, {"dismissed": 1})

    assert world.ask("queue", "replay", "--delivered", "--all") == "lis: 2 will be sent again\n"
    await world.eventually(lambda: len(receiver.rows()) == RESULTS + 4, "both are sent again")
    again = {row.id for row in receiver.rows()[-2:]}
    assert again == set(receiver.accepted())
    assert all(len(set(bodies(receiver, one))) == 1 for one in again), "a receiver can discard them: the same id, the same bytes"
    assert world.account()["LAB", "lis"]["delivered"] == 2


async def test_a_retry_does_not_wait_for_the_back_off(world: World, analyzer: type[Analyzer]) -> None:
    """The first pause is ten minutes: only the retry can end it within this test."""
    lab, port = world.port(), world.port()
    world.configure(DEVICE.format(port=lab), LIS.format(port=port))
    world.gateway()
    one = analyzer(lab, seed=4, profile="generic", interval_s="0.005", count="1")
    one.start()
    await world.eventually(
        lambda: str(world.destination("lis").get("state", "")).startswith("waiting:"), "the receiver is missed"
    )
    await one.stop()
    receiver = world.receiver(port=port)
    assert "goes on at once" in world.ask("queue", "retry", "--destination", "lis")
    await world.eventually(lambda: len(receiver.accepted()) == 1, "it is sent")
    assert world.account()["LAB", "lis"]["delivered"] == 1
