"""Scripts: what is done with which message."""

import pytest

from simulators.receiving.behaviour import Script


def acts(text: str, count: int, seed: int = 1) -> list[str]:
    script = Script(text, seed)
    return [str(script.next()) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ack", ["ack"] * 4),
        ("stall", ["stall"] * 4),
        ("refuse:AE*2", ["refuse:AE", "refuse:AE", "ack", "ack"]),
        ("ack*1, refuse:AR*1, close", ["ack", "refuse:AR", "close", "close"]),
        ("late*0,wrong-id*1,close-after", ["wrong-id", "close-after", "close-after", "close-after"]),
        ("garbage*1,refuse:422*1", ["garbage", "refuse:422", "ack", "ack"]),
        ("flaky:0", ["ack"] * 4),
    ],
)
def test_a_script_is_followed_act_by_act(text: str, expected: list[str]) -> None:
    assert acts(text, 4) == expected


def test_a_flaky_receiver_fails_at_the_same_messages_for_the_same_seed() -> None:
    first = acts("flaky:0.3", 200, seed=7)
    assert first == acts("flaky:0.3", 200, seed=7)
    assert first != acts("flaky:0.3", 200, seed=8)
    assert 20 < sum(act != "ack" for act in first) < 100
    assert set(first) == {"ack", "refuse:AE", "wrong-id", "close", "garbage"}


def test_always_flaky_never_acknowledges() -> None:
    assert "ack" not in acts("flaky:1", 50)


def test_a_script_may_be_switched_at_any_time() -> None:
    script = Script("stall")
    assert str(script.next()) == "stall"
    script.switch("refuse:CR*1")
    assert [str(script.next()) for _ in range(2)] == ["refuse:CR", "ack"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected one of ack, refuse"),
        ("nod", "expected one of ack, refuse"),
        ("ack,", "expected one of ack, refuse"),
        ("ack,ack", "goes on for ever"),
        ("stall,ack", "give it a count, stall"),
        ("refuse", "expected AE, AR, CE or CR"),
        ("refuse:AA", "expected AE, AR, CE or CR"),
        ("refuse:200", "an HTTP status from 400 to 599"),
        ("flaky:2", "expected a chance from 0 to 1"),
        ("flaky:nan", "expected a chance from 0 to 1"),
        ("flaky", "expected a chance from 0 to 1"),
        ("ack:1", "ack takes no argument"),
        ("ack*", "expected a number of messages"),
        ("ack*-1", "expected a number of messages"),
        ("ack*²", "expected a number of messages"),
        ("ack*1," * 1001 + "ack", "expected at most 1000"),
    ],
)
def test_a_wrong_script_says_what_was_expected_and_changes_nothing(text: str, why: str) -> None:
    script = Script("stall")
    with pytest.raises(ValueError, match=why):
        script.switch(text)
    assert str(script.next()) == "stall"
