"""The simulated PB840: its replies have the real one's form, and it survives what is no command."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.sansio import Message
from protocols.vendor.pb840 import Poller, Reply
from simulators.bedside.pb840 import Pb840
from simulators.scenario import Scenario

CAPTURES = Path(__file__).parents[1] / "captures" / "pb840"
SCENARIO = Scenario(seed=7, start=datetime(2026, 3, 4, 5, 6, tzinfo=UTC))


def ask(device: Pb840, command: bytes, now: float = 1.0) -> bytes:
    device.receive(command, now)
    due = device.deadline()
    if due is not None:
        device.on_deadline(due)
    return device.data_to_send()


@pytest.mark.parametrize(("command", "capture"), [(b"SNDF\r", "miscf-840"), (b"SNDA\r", "misca-840")])
def test_a_reply_has_the_form_of_the_real_ventilators(command: bytes, capture: str) -> None:
    real = (CAPTURES / capture / "wire.bin").read_bytes()
    made = ask(Pb840(SCENARIO, {}), command)
    assert len(made) == len(real)
    assert made[: made.index(b"\x02")] == real[: real.index(b"\x02")]
    assert [len(part) for part in made.split(b",")] == [len(part) for part in real.split(b",")]


def test_what_it_says_is_what_the_scenario_holds() -> None:
    codec = Poller()
    codec.start(0.0)
    events = codec.receive(ask(Pb840(SCENARIO, {"drift_min": "2"}), b"RSET\rSNDF\r", 10.0), 10.1)
    (reply,) = [event.body for event in events if isinstance(event, Message)]
    assert isinstance(reply, Reply)
    assert (reply.field(5), reply.field(7)) == ("05:08", "MAR 04 2026")
    assert reply.field(70) == f"{SCENARIO.vitals(10.05).respiration:.1f}"


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_what_is_no_command_gets_no_answer_and_a_command_behind_it_does(noise: list[bytes]) -> None:
    device = Pb840(SCENARIO, {})
    for data in noise:
        device.receive(data.replace(b"SND", b"snd"), 0.0)
    assert ask(device, b"\rSNDF\r").startswith(b"MISCF,1225,169 ,\x02")


def test_the_high_pressure_alarm_comes_and_goes() -> None:
    device = Pb840(SCENARIO, {"alarm_every_s": "60"})
    assert b"HIGH" not in ask(device, b"SNDF\r", 30.0)
    assert b",HIGH  ," in ask(device, b"SNDF\r", 90.0)
    assert b"HIGH" not in ask(device, b"SNDF\r", 130.0)
