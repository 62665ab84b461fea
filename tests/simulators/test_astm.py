"""The simulated analyzer against the receiver: in memory, in virtual time, over lines that lose, damage and delay."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.astm.link import LinkProfile, Receiver
from protocols.astm.records import AstmMessage, parse
from protocols.sansio import BadFrame, Fragment, Incomplete, Message
from simulators.lab.astm import SIMULATOR, AstmSimulator
from simulators.lab.astm_results import SHAPES
from simulators.lab.astm_sender import Result, Sender, by_record, by_size
from simulators.scenario import Scenario

ENQ, EOT, ACK, NAK = b"\x05", b"\x04", b"\x06", b"\x15"
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
Damage = Callable[[bytes], bytes]


def _clean(data: bytes) -> bytes:
    return data


@dataclass
class Rig:
    """An analyzer, a receiver with a store, and a line in each direction; time jumps from event to event."""

    device: AstmSimulator | Sender
    codec: Receiver = field(default_factory=Receiver)
    up: Damage = _clean
    down: Damage = _clean
    chunk: int = 0
    latency_s: float = 0.0
    commit_s: float = 0.0
    now: float = 0.0
    stored: list[AstmMessage] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    flights: list[tuple[float, str, bytes]] = field(default_factory=list)
    commits: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.codec.start(self.now)
        self.device.start(self.now)

    def run(self, until: float) -> None:
        for _ in range(200_000):
            self._write("up", self.device.data_to_send(), self.up)
            self._write("down", self.codec.data_to_send(), self.down)
            due = self._due()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self._step()
        else:
            raise AssertionError("the rig never comes to rest")
        self.now = until

    def _write(self, way: str, data: bytes, damage: Damage) -> None:
        data = damage(data) if data else data
        size = self.chunk or max(1, len(data))
        for n, at in enumerate(range(0, len(data), size)):
            self.flights.append((self.now + self.latency_s * (n + 1), way, data[at : at + size]))

    def _due(self) -> float | None:
        due = [flight[0] for flight in self.flights[:1]] + [commit[0] for commit in self.commits[:1]]
        due += [at for at in (self.device.deadline(), self.codec.deadline()) if at is not None]
        return min(due, default=None)

    def _step(self) -> None:
        """One thing that is due: a delivery, a commit, or a timer."""
        self.flights.sort(key=lambda flight: flight[0])
        if self.flights and self.flights[0][0] <= self.now:
            _, way, data = self.flights.pop(0)
            if way == "up":
                self._take(self.codec.receive(data, self.now))
            else:
                self.device.receive(data, self.now)
        elif self.commits and self.commits[0][0] <= self.now:
            self.codec.confirm(self.commits.pop(0)[1])
        else:
            self.device.on_deadline(self.now)
            self._take(self.codec.on_deadline(self.now))

    def _take(self, events: object) -> None:
        for event in events:  # type: ignore[attr-defined]
            if isinstance(event, Message):
                self.stored.append(event.body)
            elif isinstance(event, Incomplete):
                self.incomplete.append(event.reason)
            elif isinstance(event, BadFrame):
                self.bad.append(event.reason)
            if isinstance(event, Message | Fragment) and event.token is not None:
                self.commits.append((self.now + self.commit_s, event.token))

    def distinct(self) -> list[str]:
        """What a journal keeps: each content once, in the order of arrival."""
        return list(dict.fromkeys(_text(message) for message in self.stored))


def _text(message: AstmMessage) -> str:
    return "".join(record.text + "\r" for record in message.records)


def _simulator(*, garble: float = 0.0, drop: float = 0.0, noise: float = 0.0, seed: int = 1, **options: str) -> AstmSimulator:
    scenario = Scenario(seed, START, garble, drop, noise)
    device = SIMULATOR.build(scenario, options)
    assert isinstance(device, AstmSimulator)
    return device


def _texts(results: list[Result]) -> list[str]:
    return [result.text.decode() for result in results]


@pytest.mark.parametrize("profile", sorted(SHAPES))
def test_every_shape_delivers_every_result_once(profile: str) -> None:
    device = _simulator(profile=profile, interval_s="10", count="5")
    rig = Rig(device)
    rig.run(200.0)
    assert [_text(message) for message in rig.stored] == _texts(device.sent) == _texts(device.acknowledged)
    assert len(rig.stored) == 5
    assert all(message.problems == () for message in rig.stored)
    assert len({result.specimen for result in device.sent}) == 5
    assert all(result.specimen in result.text.decode() for result in device.sent)
    assert rig.incomplete == []
    assert device.waiting == ()


def test_a_seed_is_a_script() -> None:
    runs = []
    for seed in (1, 1, 2):
        device = _simulator(seed=seed, interval_s="10", count="3", garble=0.1)
        Rig(device).run(400.0)
        runs.append(_texts(device.sent))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize(("chunk", "latency_s", "commit_s"), [(1, 0.001, 0.0), (1, 0.0, 0.02), (7, 0.01, 2.0), (0, 1.0, 9.0)])
def test_a_slow_line_and_a_slow_disk(chunk: int, latency_s: float, commit_s: float) -> None:
    device = _simulator(profile="roche-cobas-c111", interval_s="10", count="2")
    rig = Rig(device, chunk=chunk, latency_s=latency_s, commit_s=commit_s)
    rig.run(3000.0)
    assert [_text(message) for message in rig.stored] == _texts(device.acknowledged)
    assert len(rig.stored) == 2


def test_a_disk_slower_than_the_sender_waits_delivers_all_the_same() -> None:
    device = _simulator(interval_s="10", count="1")
    rig = Rig(device, commit_s=20.0)
    rig.run(100.0)
    assert device.acknowledged == []
    assert set(rig.incomplete) == {"aborted"}
    rig.commit_s = 1.0
    rig.commits.clear()
    rig.run(400.0)
    assert rig.distinct() == _texts(device.acknowledged) == _texts(device.sent)


def _lossy(dice: random.Random, chance: float) -> Damage:
    def damage(data: bytes) -> bytes:
        if dice.random() < chance / 2:
            at = dice.randrange(len(data))
            return data[:at] + data[at + 1 :]
        if dice.random() < chance:
            at = dice.randrange(len(data))
            return data[:at] + dice.randbytes(1) + data[at + 1 :]
        return data

    return damage


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    profile=st.sampled_from(sorted(SHAPES)),
    link=st.sampled_from([LinkProfile(), LinkProfile(mode="framed", needs_terminator=True)]),
    up=st.booleans(),
    down=st.booleans(),
)
def test_lost_and_damaged_bytes_cost_nothing(seed: int, profile: str, link: LinkProfile, *, up: bool, down: bool) -> None:
    """Replies are lost or damaged as well as frames; two damaged bytes in a frame are what a sum can miss, so one a write."""
    dice = random.Random(seed)
    device = _simulator(seed=seed % 1000, profile=profile, interval_s="20", count="4")
    rig = Rig(device, Receiver(link), up=_lossy(dice, 0.1 * up), down=_lossy(dice, 0.05 * down))
    rig.run(600.0)
    rig.up = rig.down = _clean
    rig.run(2000.0)
    whole = list(dict.fromkeys(_text(message) for message in rig.stored if message.terminated))
    assert whole == _texts(device.sent) == _texts(device.acknowledged)
    assert len(whole) == 4
    if link.needs_terminator:
        assert len(whole) == len(rig.distinct())


@pytest.mark.parametrize("profile", sorted(SHAPES))
def test_a_damaged_frame_is_sent_again_within_the_session(profile: str) -> None:
    device = _simulator(profile=profile, interval_s="10", count="1")
    writes = iter([False, False, True])  # ENQ, frame 1, frame 2

    def third(data: bytes) -> bytes:
        return data.replace(b"|", b"!", 1) if next(writes, False) else data

    rig = Rig(device, up=third)
    rig.run(12.0)
    assert [_text(message) for message in rig.stored] == _texts(device.acknowledged)
    assert rig.incomplete == []


@pytest.mark.parametrize("which", range(12))
def test_any_one_lost_reply_doubles_nothing(which: int) -> None:
    """A lost ACK costs the session; what was stored comes again as the same content, which the journal knows."""
    device = _simulator(profile="sysmex-xn", interval_s="10", count="2")
    seen = iter(range(1000))
    rig = Rig(device, Receiver(LinkProfile(needs_terminator=True)), down=lambda data: b"" if next(seen) == which else data)
    rig.run(300.0)
    assert rig.distinct() == _texts(device.sent) == _texts(device.acknowledged)
    assert len(device.acknowledged) == 2


def test_scenario_faults_reach_the_line_and_cost_nothing() -> None:
    device = _simulator(profile="roche-cobas-c311", interval_s="30", count="10", garble=0.1, drop=0.05, noise=0.05)
    rig = Rig(device, Receiver(LinkProfile(mode="framed")))
    rig.run(6000.0)
    assert len(device.acknowledged) == 10
    assert _texts(device.acknowledged) == _texts(device.sent)
    assert set(_texts(device.sent)) <= set(rig.distinct())
    assert {"checksum", "garbage"} <= set(rig.bad)


def test_a_power_cut_in_the_middle_of_a_result_resends_it() -> None:
    device = _simulator(profile="sysmex-xn", interval_s="60", count="4", cut_every="2")
    rig = Rig(device)
    rig.run(1000.0)
    assert len(device.acknowledged) == 4
    assert rig.incomplete == ["silence", "silence"]
    assert [_text(message) for message in rig.stored] == _texts(device.sent)


def test_results_wait_for_the_line_and_go_in_one_session() -> None:
    device = _simulator(interval_s="10", count="3")
    cut = Rig(device, down=lambda _: b"")
    cut.run(100.0)
    assert cut.stored == []
    assert len(device.waiting) == 3
    back = Rig(device, now=200.0)
    back.run(260.0)
    assert [_text(message) for message in back.stored] == _texts(device.acknowledged)
    assert len(device.acknowledged) == 3


def test_a_reconnect_in_the_middle_of_a_message_sends_it_again_as_a_whole() -> None:
    device = _simulator(profile="sysmex-xn", interval_s="10", count="1")
    rig = Rig(device, latency_s=0.5)
    rig.run(14.0)
    assert device.sent
    assert device.acknowledged == []
    again = Rig(device, now=20.0)
    again.run(60.0)
    assert [_text(message) for message in again.stored] == _texts(device.acknowledged) == _texts(device.sent)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"profile": "nothing"}, "profile"),
        ({"interval_s": "0"}, "interval_s"),
        ({"count": "x"}, "int"),
        ({"one_a_session": "often"}, "one_a_session"),
        ({"contend": "0.5"}, "contend"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        SIMULATOR.build(Scenario(1, START), options)


def test_registration_explains_every_option() -> None:
    assert (SIMULATOR.id, SIMULATOR.link) == ("astm", "tcp-client")
    assert set(SIMULATOR.options_help) == {
        "profile", "interval_s", "count", "cut_every", "one_a_session", "pace", "contend", "query", "run_s",
    }  # fmt: skip


# The sender by itself, against E1381


def _sender(*texts: bytes, split: Callable[[bytes], Iterator[tuple[bytes, bool]]] = by_record) -> Sender:
    sender = Sender(split)
    sender.start(0.0)
    sender.waiting.extend(Result(f"SYN-{n}", text) for n, text in enumerate(texts, 1))
    sender.on_deadline(0.0)
    return sender


FIRST = b"\x021H|\\^&|||ACCP1|||||Host||P|1|20141217090209\r\x03E2\r\n"
SECOND = b"\x022L|1|N\r\x0305\r\n"
TEXT = b"H|\\^&|||ACCP1|||||Host||P|1|20141217090209\rL|1|N\r"


def test_the_phases_of_a_session() -> None:
    """The first frame is an Access 2's, with its own checksum; the second's sum is 32+4C+7C+31+7C+4E+0D+03 = 205 hex."""
    sender = _sender(TEXT)
    assert sender.data_to_send() == ENQ
    sender.receive(ACK, 0.1)
    assert sender.data_to_send() == FIRST
    sender.receive(ACK, 0.2)
    assert sender.data_to_send() == SECOND
    sender.receive(ACK, 0.3)
    assert sender.data_to_send() == EOT
    assert [result.specimen for result in sender.acknowledged] == ["SYN-1"]
    assert sender.deadline() is None


@pytest.mark.parametrize(
    ("replies", "wait_s"),
    [(b"", 25.0), (NAK, 10.0), (ENQ, 1.0), (b"\x04\x07x", 25.0)],
    ids=["no reply: EOT after 15 s", "NAK: 10 s", "contention: 1 s", "anything else is ignored"],
)
def test_what_follows_enq(replies: bytes, wait_s: float) -> None:
    sender = _sender(TEXT)
    assert sender.data_to_send() == ENQ
    sender.receive(replies, 0.0)
    due = sender.deadline()
    if wait_s == 25.0:
        assert due == 15.0
        sender.on_deadline(15.0)
        assert sender.data_to_send() == EOT
        due = sender.deadline()
    assert due == wait_s
    sender.on_deadline(wait_s)
    assert sender.data_to_send() == ENQ


@pytest.mark.parametrize("refusal", [NAK, b"\x15", b"\x00", b"?", ENQ], ids=["NAK", "0x15", "NUL", "?", "ENQ"])
def test_six_refusals_abort_and_the_whole_message_comes_again(refusal: bytes) -> None:
    sender = _sender(TEXT)
    sender.data_to_send()
    sender.receive(ACK, 0.0)
    for _ in range(6):
        assert sender.data_to_send() == FIRST
        sender.receive(refusal, 0.0)
    assert sender.data_to_send() == EOT
    assert sender.acknowledged == []
    sender.on_deadline(10.0)
    assert sender.data_to_send() == ENQ
    sender.receive(ACK, 10.0)
    assert sender.data_to_send() == FIRST
    assert len(sender.sent) == 1


def test_no_reply_to_a_frame_for_fifteen_seconds_aborts() -> None:
    sender = _sender(TEXT)
    sender.receive(ACK, 3.0)
    sender.data_to_send()
    assert sender.deadline() == 18.0
    sender.on_deadline(17.9)
    assert sender.data_to_send() == b""
    sender.on_deadline(18.0)
    assert sender.data_to_send() == EOT


def test_eot_as_reply_accepts_the_frame_and_gives_the_line_away() -> None:
    sender = _sender(TEXT, TEXT)
    sender.receive(ACK + EOT, 0.0)
    sender.data_to_send()
    sender.receive(ACK, 0.0)
    assert sender.data_to_send() == EOT
    assert len(sender.acknowledged) == 1
    assert sender.deadline() == 15.0


def test_frame_numbers_count_on_over_the_messages_of_a_session() -> None:
    sender = _sender(*[TEXT] * 5)
    numbers = b""
    for _ in range(11):
        sender.receive(ACK, 0.0)
        numbers += sender.data_to_send().removeprefix(ENQ)[1:2]
    assert numbers == b"1234567012"
    assert len(sender.acknowledged) == 5
    assert sender.sessions == 1


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        (by_record, [(b"H|1\r", True), (b"P|1\r", True), (b"L|1\r", True)]),
        (lambda text: by_record(text, etb=True), [(b"H|1\r", False), (b"P|1\r", False), (b"L|1\r", True)]),
        (lambda text: by_size(text, 5), [(b"H|1\rP", False), (b"|1\rL|", False), (b"1\r", True)]),
    ],
)
def test_how_messages_are_cut(split: Callable[[bytes], Iterator[tuple[bytes, bool]]], expected: list[tuple[bytes, bool]]) -> None:
    assert list(split(b"H|1\rP|1\rL|1\r")) == expected


def test_shapes_are_those_of_the_captures() -> None:
    """Where the makers' quirks sit: Sysmex's padded id and code, cobas' slash, Horiba's LOINC."""
    found = {}
    for profile in SHAPES:
        device = _simulator(profile=profile, interval_s="1", count="1")
        Rig(device).run(5.0)
        found[profile] = {record.type: record for record in reversed(parse(device.sent[0].text)[0].records)}
    assert found["sysmex-xn"]["O"].component(4, 3) == "SYN-00100001".rjust(22)
    assert found["sysmex-xn"]["R"].components(3) == ("", "", "", "", "WBC", "1")
    assert found["roche-cobas-c111"]["O"].components(4) == ("SYN-00100001", "", "6")
    assert found["roche-cobas-c111"]["M"].repeats(5) == 12
    assert found["roche-cobas-c311"]["O"].component(3, 2).rstrip() == "SYN-00100001"
    assert found["roche-cobas-c311"]["R"].component(3, 4) == "685/"
    assert found["horiba-yumizen"]["R"].component(3, 5) == "6690-2"
    assert found["generic"]["H"].field(14) == "20261121080001"


@pytest.mark.parametrize(("one_a_session", "sessions"), [(False, 1), (True, 2)])
def test_results_that_wait_go_in_one_session_or_in_one_each(*, one_a_session: bool, sessions: int) -> None:
    sender = Sender(by_record, one_a_session=one_a_session)
    sender.start(0.0)
    sender.waiting.extend(Result(f"SYN-{n}", TEXT) for n in (1, 2))
    for _ in range(8):
        sender.on_deadline(0.0)
        if sender.data_to_send():
            sender.receive(ACK, 0.0)
    assert (len(sender.acknowledged), sender.sessions) == (2, sessions)


def test_a_pace_shortens_every_timer_alike() -> None:
    sender = Sender(by_record, pace=0.1)
    sender.start(0.0)
    sender.waiting.append(Result("SYN-1", TEXT))
    sender.on_deadline(0.0)
    assert sender.deadline() == pytest.approx(1.5)  # a tenth of the 15 s for a reply
    sender.receive(NAK, 1.0)
    assert sender.deadline() == pytest.approx(2.0)  # a tenth of the 10 s after a NAK
