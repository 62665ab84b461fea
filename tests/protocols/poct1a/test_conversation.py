"""The host's side of POCT01-A2 conversations, message by message as the standard's basic and continuous profiles have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.poct1a.conversation import EOT_S, ConversationProfile, Host
from protocols.poct1a.message import Poct1aMessage, parse
from protocols.poct1a.stream import Document, Splitter
from protocols.sansio import BadFrame, Message, Note, Overhearing, Sending, Sent, Unsent

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CAPABLE = (
    '<DSC><DSC.topics_supported_cd V="D_EV"/><DSC.directives_supported_cd V="START_CONTINUOUS"/>'
    '<DSC.directives_supported_cd V="SET_TIME"/></DSC>'
)


def xml(type_: str, control_id: str, body: str = "") -> bytes:
    return f'<{type_}><HDR><HDR.control_id V="{control_id}"/></HDR>{body}</{type_}>'.encode()


def hel(capabilities: str = "") -> bytes:
    return xml("HEL.R01", "1", f'<DEV><DEV.serial_id V="S1"/>{capabilities}</DEV>')


def dst(observations: str = "0", events: str = "0") -> bytes:
    return xml("DST.R01", "2", f'<DST><DST.new_observations_qty V="{observations}"/><DST.new_events_qty V="{events}"/></DST>')


def ack(to: str, type_cd: str = "AA", more: str = "") -> bytes:
    return xml("ACK.R01", "77", f'<ACK><ACK.type_cd V="{type_cd}"/><ACK.ack_control_id V="{to}"/>{more}</ACK>')


def obs(control_id: str, type_: str = "OBS.R01") -> bytes:
    return xml(type_, control_id, '<SVC><PT><OBS><OBS.value V="5.4"/></OBS></PT></SVC>')


class Talk:
    """A host and what it said: (type, what) in order."""

    def __init__(self, **profile: Any) -> None:
        self.host = Host(ConversationProfile(**profile))
        self.host.wall = lambda at: START + timedelta(seconds=at)
        self.host.start(0.0)
        self.now = 0.0
        self.events: list[Any] = []
        self.said: list[Poct1aMessage] = []

    def hears(self, *documents: bytes) -> list[str]:
        """What the host answers, in words."""
        return self._told([event for raw in documents for event in self.host.receive(raw, self.now)])

    def waits(self, seconds: float) -> list[str]:
        self.now += seconds
        return self._told(list(self.host.on_deadline(self.now)))

    def confirms(self) -> list[str]:
        (token,) = [event.token for event in self.events if isinstance(event, Message) and event.token is not None][-1:]
        self.host.confirm(token)
        return self._told([])

    def rejects(self) -> list[str]:
        (token,) = [event.token for event in self.events if isinstance(event, Message) and event.token is not None][-1:]
        self.host.reject(token)
        return self._told([])

    def _told(self, events: list[Any]) -> list[str]:
        self.events += events
        found = [parse(one.raw) for one in Splitter().feed(self.host.data_to_send(), 0.0) if isinstance(one, Document)]
        self.said += found
        return [_words(one) for one in found]

    @property
    def last_id(self) -> str:
        return self.said[-1].control_id

    @property
    def notes(self) -> list[str]:
        return [event.what for event in self.events if isinstance(event, Note)]


def _words(message: Poct1aMessage) -> str:
    names = (
        *("ACK.type_cd", "ACK.ack_control_id", "REQ.request_cd", "DTV.command_cd", "TM.dttm"),
        *("TRM.reason_cd", "TRM.note_txt", "ESC.esc_control_id", "ESC.detail_cd", "EOT.topic_cd"),
    )
    values = (one.value(name) for name in names for one in message.root.objects)
    return " ".join([message.type, *filter(None, values)])


def test_a_basic_conversation() -> None:
    talk = Talk()
    assert talk.hears(hel()) == ["ACK.R01 AA 1"]
    assert talk.hears(dst("1")) == ["ACK.R01 AA 2", "REQ.R01 ROBS"]
    assert talk.hears(ack(talk.last_id)) == []
    assert talk.hears(obs("3")) == [], "not acknowledged before it is durable"
    assert talk.confirms() == ["ACK.R01 AA 3"]
    assert talk.hears(xml("EOT.R01", "4")) == ["END.R01 NRM"], (
        "the EOT answers our REQ: no acknowledgement, like DCA's, Nova's hosts"
    )
    assert talk.hears(ack(talk.last_id)) == []
    assert talk.host.clear is False, "the conversation is over"


def test_a_device_may_end_the_conversation_itself() -> None:
    talk = Talk()
    talk.hears(hel(CAPABLE), dst("1"))
    assert talk.hears(xml("END.R01", "5", '<TRM><TRM.reason_cd V="USR"/></TRM>')) == ["ACK.R01 AA 5"]


def test_a_meter_is_told_when_to_call_again_and_one_that_speaks_unasked_is_not_sent_away() -> None:
    talk = Talk(end_note="RECONNECT:10")
    talk.hears(hel())
    assert talk.hears(dst()) == ["ACK.R01 AA 2", "END.R01 NRM RECONNECT:10"]
    for stays in ({"end": False}, {"ask": False}):
        talk = Talk(**stays)
        talk.hears(hel())
        assert talk.hears(dst()) == ["ACK.R01 AA 2"]


def test_events_then_time_then_continuous_one_message_of_ours_at_a_time() -> None:
    talk = Talk(set_time=True)
    talk.hears(hel(CAPABLE))
    assert talk.hears(dst("0", "2")) == ["ACK.R01 AA 2", "REQ.R01 RDEV"]
    assert talk.hears(xml("EVS.R01", "3", '<EVT><EVT.description V="Door open"/></EVT>')) == []
    assert talk.confirms() == ["ACK.R01 AA 3"]
    assert talk.hears(xml("EOT.R01", "4")) == ["DTV.R02 SET_TIME 2026-11-21T08:00:00+00:00"]
    assert talk.hears(xml("KPA.R01", "9")) == ["ACK.R01 AA 9"], "ours is under way"
    assert talk.hears(ack(talk.said[-2].control_id)) == ["DTV.R01 START_CONTINUOUS"]


def test_the_clock_is_set_to_the_gateways_time() -> None:
    talk = Talk(set_time=True, events=False)
    talk.hears(hel(CAPABLE))
    talk.now = 90.0
    assert talk.hears(dst()) == ["ACK.R01 AA 2", "DTV.R02 SET_TIME 2026-11-21T08:01:30+00:00"]
    assert talk.hears(ack(talk.last_id)) == ["DTV.R01 START_CONTINUOUS"]
    assert talk.hears(ack(talk.last_id)) == []


def test_in_the_continuous_profile_the_device_speaks_at_will() -> None:
    talk = Talk(events=False)
    talk.hears(hel(CAPABLE))
    assert talk.hears(dst()) == ["ACK.R01 AA 2", "DTV.R01 START_CONTINUOUS"]
    talk.hears(ack(talk.last_id))
    talk.hears(obs("10"))
    assert talk.confirms() == ["ACK.R01 AA 10"]
    assert talk.hears(xml("KPA.R01", "11")) == ["ACK.R01 AA 11"]
    talk.hears(obs("12", "OBS.R02"))
    assert talk.confirms() == ["ACK.R01 AA 12"]


def test_what_cannot_be_kept_is_refused_so_that_the_device_keeps_it() -> None:
    talk = Talk()
    talk.hears(hel(), obs("3"))
    assert talk.rejects() == ["ACK.R01 AR 3"]
    assert Talk(refusal="AE").hears(hel()) == ["ACK.R01 AA 1"]


def test_a_status_without_a_number_is_asked() -> None:
    talk = Talk()
    talk.hears(hel())
    assert talk.hears(xml("DST.R01", "2", "<DST/>")) == ["ACK.R01 AA 2", "REQ.R01 ROBS"]


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (lambda to: ack(to, "AA", '<ACK.error_detail_cd V="300"/>'), "acknowledged with an error"),
        (lambda to: ack(to, "AE"), "the device refused REQ.R01 ROBS"),
        (lambda _: ack("4711"), "stray acknowledgement"),
        (lambda _: xml("ESC.R01", "9"), "the device escaped REQ.R01 ROBS"),
        (lambda _: xml("ESC.R01", "9", '<ESC><ESC.esc_control_id V="4711"/></ESC>'), "the device escaped"),
    ],
    ids=["an AA may carry an error (DCA Vantage)", "refused", "for something else", "escaped", "something else escaped"],
)
def test_odd_answers_are_noted(answer: Any, note: str) -> None:
    talk = Talk()
    talk.hears(hel(), dst("1"))
    talk.hears(answer(talk.last_id))
    assert talk.notes == [note]


@pytest.mark.parametrize("name", ["ACK.ack_control_id", "ACK.control_id", "ACK.type_id"])
def test_the_makers_names_of_what_is_acknowledged(name: str) -> None:
    talk = Talk(set_time=True, events=False)
    talk.hears(hel(CAPABLE), dst())
    answer = xml("ACK.R01", "5", f'<ACK><ACK.type_cd V="AA"/><{name} V="{talk.last_id}"/></ACK>')
    assert talk.hears(answer) == ["DTV.R01 START_CONTINUOUS"]


def test_a_device_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    talk = Talk(events=False)
    talk.hears(hel(CAPABLE))
    talk.hears(dst("1"))
    assert talk.host.deadline() == 30.0
    assert talk.waits(30.0) == ["DTV.R01 START_CONTINUOUS"]
    assert talk.notes == ["no answer to REQ.R01 ROBS"]


def test_a_silent_device_is_asked_whether_it_is_there() -> None:
    talk = Talk()
    talk.hears(hel())
    assert talk.host.deadline() == 300.0
    assert talk.waits(300.0) == ["KPA.R01"]


def test_a_question_that_nobody_answers_is_escaped_once_everybody_had_the_chance() -> None:
    talk = Talk()
    talk.hears(hel())
    assert talk.hears(xml("REQ.R01", "6", '<REQ><REQ.request_cd V="RPAT"/></REQ>')) == []
    assert talk.host.deadline() == 0.0, "as soon as it was heard"
    assert talk.waits(0.0) == ["ESC.R01 6 OTH"]
    assert talk.notes == ["the device asked for what is not served"]


def test_a_question_is_answered_before_anything_else_is_said() -> None:
    talk = Talk(events=False)
    talk.hears(hel(CAPABLE))
    talk.hears(dst())
    talk.hears(xml("REQ.R01", "6", '<REQ><REQ.request_cd V="RPAT"/></REQ>'))
    token = talk.host.send(b'<PTL.R01><PT><PT.patient_id V="SYN-1"/></PT></PTL.R01>', 0.0)
    assert talk.hears(ack(talk.last_id)) == ["PTL.R01"], "START_CONTINUOUS was under way"
    assert talk.said[-1].root.find("PT") is not None
    talk.hears(ack(talk.last_id))
    assert Sent(token) in talk.events


def test_a_makers_own_message_is_kept_before_it_is_acknowledged() -> None:
    talk = Talk()
    talk.hears(hel())
    assert talk.hears(xml("NOVA.ANALYZER_STATE", "8")) == []
    assert talk.confirms() == ["ACK.R01 AA 8"]


def test_mllp_frames_are_answered_in_frames() -> None:
    host = Host(ConversationProfile())
    host.start(0.0)
    host.receive(b"\x0b" + hel() + b"\x1c\r", 0.0)
    said = host.data_to_send()
    assert said.startswith(b"\x0b<ACK.R01>")
    assert said.endswith(b"</ACK.R01>\x1c\r")


def test_a_message_knows_who_said_hello() -> None:
    talk = Talk()
    talk.hears(hel(), obs("3"))
    (message,) = [event for event in talk.events if isinstance(event, Message) and event.token]
    assert [device.value("DEV.serial_id") for device in message.body.hello.walk("DEV")] == ["S1"]


def test_a_new_connection_begins_anew() -> None:
    talk = Talk()
    talk.hears(hel(), dst("1"), b"<OBS.R01><half")
    talk.host.end(1.0)
    talk.host.start(2.0)
    assert talk.hears(hel()) == ["ACK.R01 AA 1"]
    assert not [event for event in talk.events if isinstance(event, BadFrame)]


LISTING = '<DSC><DSC.topics_supported_cd V="OP_LST"/><DSC.directives_supported_cd V="START_CONTINUOUS"/></DSC>'
PAGES = b'<OPL.R01><OPR><OPR.operator_id V="A"/></OPR></OPL.R01><OPL.R01/><EOT.R01><EOT><EOT.topic_cd V="OPL"/></EOT></EOT.R01>'


class TestLists:
    """What `send` was given: pages, one acknowledged before the next, before the basic profile ends."""

    def greeted(self, **profile: Any) -> Talk:
        talk = Talk(**profile)
        talk.hears(hel(LISTING))
        return talk

    def test_the_host_can_send_and_overhear(self) -> None:
        assert isinstance(Host(ConversationProfile()), Sending)
        assert isinstance(Host(ConversationProfile()), Overhearing)

    def test_each_page_waits_for_the_acknowledgement_of_the_one_before(self) -> None:
        talk = self.greeted()
        assert talk.hears(dst("1")) == ["ACK.R01 AA 2", "REQ.R01 ROBS"]
        token = talk.host.send(PAGES, 0.0)
        assert talk.hears(ack(talk.last_id), obs("3")) == [], "results come first"
        assert talk.confirms() == ["ACK.R01 AA 3"]
        assert talk.hears(xml("EOT.R01", "4")) == ["OPL.R01"]
        assert talk.hears(ack(talk.last_id)) == ["OPL.R01"]
        assert talk.hears(ack(talk.last_id)) == ["EOT.R01 OPL"]
        assert Sent(token) not in talk.events
        assert talk.hears(ack(talk.last_id)) == [], "there may be another list"
        assert Sent(token) in talk.events
        assert talk.waits(0.0) == ["DTV.R01 START_CONTINUOUS"]
        assert talk.hears(ack(talk.last_id)) == []
        assert talk.host.clear, "lists can be sent at will from now on"

    def test_a_device_that_takes_lists_is_only_sent_on_when_whoever_heard_its_status_had_the_chance(self) -> None:
        talk = self.greeted()
        assert talk.hears(dst()) == ["ACK.R01 AA 2"]
        assert talk.host.deadline() == 0.0
        assert talk.waits(0.0) == ["DTV.R01 START_CONTINUOUS"]

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (lambda to: ack(to, "AE"), "the device refused OPL.R01"),
            (lambda to: ack(to, "AR"), "the device refused OPL.R01"),
            (
                lambda to: xml("ESC.R01", "9", f'<ESC><ESC.esc_control_id V="{to}"/><ESC.detail_cd V="CNC"/></ESC>'),
                "the device escaped OPL.R01",
            ),
        ],
        ids=["AE", "AR", "ESC (the DCA Vantage, when it is busy)"],
    )
    def test_a_list_that_the_device_refuses_ends_there_and_holds_up_nothing(self, answer: Any, reason: str) -> None:
        talk = self.greeted()
        talk.hears(dst())
        token = talk.host.send(PAGES, 0.0)
        assert talk.hears() == ["OPL.R01"]
        assert talk.hears(answer(talk.last_id)) == []
        assert Unsent(token, reason) in talk.events
        assert talk.notes == [reason]
        assert talk.waits(0.0) == ["DTV.R01 START_CONTINUOUS"], "no further page, and no EOT: half a list is none"
        talk.hears(obs("3"))
        assert talk.confirms() == ["ACK.R01 AA 3"]

    def test_a_device_that_never_acknowledges_the_eot_has_the_list(self) -> None:
        talk = self.greeted()
        talk.hears(dst())
        token = talk.host.send(PAGES, 0.0)
        talk.hears()
        talk.hears(ack(talk.last_id))
        talk.hears(ack(talk.last_id))
        assert talk.host.deadline() == EOT_S
        assert talk.waits(EOT_S) == ["DTV.R01 START_CONTINUOUS"]
        assert Sent(token) in talk.events
        assert talk.notes == []

    def test_a_page_that_is_not_answered_is_given_up_after_the_devices_own_timeout(self) -> None:
        talk = Talk()
        talk.hears(hel(LISTING + '<DCP><DCP.application_timeout V="120"/></DCP>'))
        talk.hears(dst())
        token = talk.host.send(PAGES, 0.0)
        talk.hears()
        assert talk.host.deadline() == 120.0
        talk.waits(120.0)
        assert Unsent(token, "no answer") in talk.events

    def test_a_broken_link_and_the_devices_end_give_up_what_is_not_told(self) -> None:
        for last, reason in ((None, "the connection was lost"), (xml("END.R01", "7"), "the device ended the conversation")):
            talk = self.greeted()
            talk.hears(dst())
            tokens = [talk.host.send(PAGES, 0.0), talk.host.send(PAGES, 0.0)]
            talk.hears(*([last] if last else []))
            talk.events += talk.host.end(1.0)
            assert [Unsent(token, reason) for token in tokens] == [one for one in talk.events if isinstance(one, Unsent)]

    def test_what_has_not_begun_can_be_withdrawn(self) -> None:
        talk = self.greeted()
        talk.hears(dst("1"))
        token = talk.host.send(PAGES, 0.0)
        assert talk.host.withdraw(token)
        assert not talk.host.withdraw(token)

    def test_no_more_than_a_few_wait(self) -> None:
        talk = self.greeted()
        talk.hears(dst("1"))
        tokens = [talk.host.send(PAGES, 0.0) for _ in range(9)]
        assert talk.waits(0.0) == []
        assert [one for one in talk.events if isinstance(one, Unsent)] == [Unsent(tokens[-1], "too much to send")]


class TestRetransmission:
    """The same content under the same number: our acknowledgement was lost, or is not given yet."""

    def test_while_it_is_being_kept_it_is_not_kept_twice(self) -> None:
        talk = Talk()
        talk.hears(hel(), obs("3"))
        assert talk.hears(obs("3")) == []
        assert talk.notes == ["retransmission"]
        assert len([one for one in talk.events if isinstance(one, Message) and one.token]) == 1
        assert talk.confirms() == ["ACK.R01 AA 3"], "once"

    def test_after_it_was_kept_it_is_acknowledged_again(self) -> None:
        talk = Talk()
        talk.hears(hel(), obs("3"))
        talk.confirms()
        assert talk.hears(obs("3")) == ["ACK.R01 AA 3"]

    def test_after_it_was_refused_it_is_new(self) -> None:
        talk = Talk()
        talk.hears(hel(), obs("3"))
        talk.rejects()
        assert talk.hears(obs("3")) == []
        assert talk.confirms() == ["ACK.R01 AA 3"]

    def test_another_time_of_sending_changes_nothing_but_another_value_or_number_does(self) -> None:
        sent = obs("3").replace(b"<HDR>", b'<HDR><HDR.creation_dttm V="2026-11-21T09:00:00Z"/>')
        for again, known in ((sent, True), (obs("3").replace(b"5.4", b"5.5"), False), (obs("4"), False)):
            talk = Talk()
            talk.hears(hel(), obs("3"))
            talk.confirms()
            talk.hears(again)
            assert ("retransmission" in talk.notes) == known


class TestOverhearing:
    """A recording: of the device, of the host, of both in one file."""

    def heard(self, *documents: bytes) -> list[Any]:
        host = Host(ConversationProfile())
        host.overhear()
        host.start(0.0)
        events = list(host.receive(b"\r\n".join(documents), 0.0))
        assert host.data_to_send() == b""
        assert host.on_deadline(1e6) == []
        return [*events, *host.end(1e6)]

    def test_the_hosts_side_is_neither_a_result_nor_a_fault(self) -> None:
        events = self.heard(ack("1"), xml("REQ.R01", "2"), xml("DTV.R01", "3"), xml("OPL.R01", "4"), xml("DTV.SIEM.DVCMD", "5"))
        assert [event.token for event in events] == [None] * 5

    def test_both_sides_in_one_file_give_the_devices_results(self) -> None:
        events = self.heard(hel(), ack("1"), dst("1"), ack("2"), xml("REQ.R01", "2"), obs("3"), ack("3"), xml("EOT.R01", "4"))
        assert [one.body.type for one in events if one.token] == ["OBS.R01"]
        assert [one.body.hello.find("DEV").value("DEV.serial_id") for one in events if one.token] == ["S1"]


def test_a_device_that_gives_one_result_a_question_is_asked_again() -> None:
    talk = Talk()
    talk.hears(hel(), dst("2"), obs("3"))
    talk.confirms()
    assert talk.waits(30.0) == ["REQ.R01 ROBS"]
    assert talk.waits(30.0) == ["END.R01 NRM"], "a question without a result is the last"


def test_the_makers_names_of_the_fields_of_our_acknowledgement() -> None:
    talk = Talk(ack_type="ACK.type_id", ack_id="ACK.control_id")
    talk.hears(hel())
    found = talk.said[-1].root.find("ACK")
    assert found is not None
    assert [(one.name, one.v) for one in found.fields] == [("ACK.type_id", "AA"), ("ACK.control_id", "1")]


def test_a_makers_directive_is_given_where_the_device_knows_it() -> None:
    profile: Any = {"directives": (("DTV.SYN.SETUP", "GO"), ("DTV.SYN.OTHER", "STOP")), "end": False}
    talk = Talk(**profile)
    talk.hears(hel('<DSC><DSC.topics_supported_cd V="DTV.SYN.SETUP"/></DSC>'))
    assert talk.hears(dst()) == ["ACK.R01 AA 2", "DTV.SYN.SETUP GO"]
    assert talk.hears(ack(talk.last_id)) == []


DOCUMENTS = [
    hel(CAPABLE),
    dst("1", "1"),
    obs("3"),
    obs("4", "OBS.R02"),
    xml("EOT.R01", "5"),
    xml("KPA.R01", "6"),
    xml("REQ.R01", "7"),
    xml("DTV.R01", "8"),
    ack("1"),
    b"noise",
]


@given(st.lists(st.sampled_from(DOCUMENTS), max_size=10), st.lists(st.integers(1, 40), max_size=80))
def test_any_split_gives_the_same_events(documents: list[bytes], sizes: list[int]) -> None:
    data = b"".join(documents)

    def run(cuts: list[int]) -> tuple[list[Any], bytes]:
        host, events, at, said = Host(ConversationProfile()), list[Any](), 0, b""
        host.start(0.0)
        for size in [*cuts, len(data)]:
            for event in host.receive(data[at : at + size], 0.0):
                events.append(event)
                said += host.data_to_send()
                if isinstance(event, Message) and event.token is not None:
                    host.confirm(event.token)
            at += size
        return [*events, *host.end(0.0)], said + host.data_to_send()

    whole = run([])[0]
    assert run(sizes)[0] == whole


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    host = Host(ConversationProfile())
    host.start(0.0)
    host.receive(hel() + data, 0.0)
    host.on_deadline(1000.0)
    host.end(1000.0)
