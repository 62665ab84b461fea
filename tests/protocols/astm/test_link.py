"""The receiver: what E1381 asks of it, reply by reply, with an injected clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from protocols.astm import frames
from protocols.astm.link import FrameNumbers, LinkProfile, Receiver
from protocols.astm.records import AstmMessage
from protocols.sansio import BadFrame, Event, Fragment, Incomplete, Message, Note

ENQ, EOT, ACK, NAK = b"\x05", b"\x04", b"\x06", b"\x15"
H, P, O, R, L = b"H|\\^&|||X\r", b"P|1\r", b"O|1|SYN-1\r", b"R|1|^^^K|4.1\r", b"L|1|N\r"  # noqa: E741 - the records' own letters
Framed = Callable[..., bytes]


@dataclass
class Line:
    """A receiver with a store that is always fast, unless `hold`."""

    profile: LinkProfile = field(default_factory=LinkProfile)
    hold: bool = False
    now: float = 0.0

    def __post_init__(self) -> None:
        self.codec = Receiver(self.profile)
        self.codec.start(self.now)
        self.events: list[Event[AstmMessage]] = []

    def take(self, events: Sequence[Event[AstmMessage]]) -> list[Event[AstmMessage]]:
        self.events += events
        for event in events:
            if isinstance(event, Fragment | Message) and event.token is not None and not self.hold:
                self.codec.confirm(event.token)
        return list(events)

    def send(self, data: bytes) -> bytes:
        self.take(self.codec.receive(data, self.now))
        return self.codec.data_to_send()

    def wait(self, seconds: float) -> list[Event[AstmMessage]]:
        until = self.now + seconds
        seen: list[Event[AstmMessage]] = []
        while (due := self.codec.deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            seen += self.take(self.codec.on_deadline(self.now))
        self.now = until
        return seen

    def end(self) -> list[Event[AstmMessage]]:
        return self.take(self.codec.end(self.now))

    @property
    def messages(self) -> list[Message[AstmMessage]]:
        return [event for event in self.events if isinstance(event, Message)]

    @property
    def tokens(self) -> list[int]:
        return [e.token for e in self.events if isinstance(e, Fragment | Message) and e.token is not None]

    def kinds(self) -> list[str]:
        return [_kind(event) for event in self.events]


def _kind(event: Event[AstmMessage]) -> str:
    if isinstance(event, Incomplete | BadFrame):
        return f"{type(event).__name__}: {event.reason}"
    return f"Note: {event.what}" if isinstance(event, Note) else type(event).__name__


def _records(message: Message[AstmMessage]) -> str:
    return "".join(record.type for record in message.body.records)


# Real sessions


def test_a_record_a_frame_each_with_etx_is_one_message(sysmex: Sequence[bytes]) -> None:
    line = Line(now=5.0)
    assert line.send(ENQ) == ACK
    for frame in sysmex:
        line.now += 1.0
        assert line.send(frame) == ACK
    (message,) = line.messages
    assert line.kinds() == ["Fragment"] * 9 + ["Message"]
    assert _records(message) == "HPCOCRRRRL"
    assert message.raw == b"".join(sysmex)
    assert message.at == 6.0
    assert message.body.records[6].field(4) == "2.60"
    assert message.body.problems == ()
    assert line.send(EOT) == b""
    assert line.end() == []


def test_a_whole_message_in_one_frame(architect: bytes, genexpert: bytes) -> None:
    for frame, records in ((architect, "HPORCRRL"), (genexpert, "HPORRRRCL")):
        line = Line()
        assert line.send(ENQ + frame) == ACK + ACK
        assert [_records(message) for message in line.messages] == [records]


def test_text_cut_in_the_middle_of_a_field_is_joined_before_it_is_split(framed: Framed, architect: bytes) -> None:
    text = architect[2:-5]
    for size in (1, 7, 50, 240):
        line = Line()
        line.send(ENQ)
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        for n, piece in enumerate(pieces, 1):
            assert line.send(framed(n % 8, piece, b"\x03" if n == len(pieces) else b"\x17")) == ACK
        (message,) = line.messages
        assert [record.text for record in message.body.records] == text.decode().split("\r")[:-1]
        assert message.body.problems == ()


def test_a_session_of_90_etb_frames(framed: Framed) -> None:
    line = Line()
    line.send(ENQ)
    for n in range(1, 91):
        text = H if n == 1 else b"M|%d|%b\r" % (n, b"x" * 230)
        assert line.send(framed(n % 8, text, b"\x17")) == ACK
    assert line.send(framed(91 % 8, L)) == ACK
    (message,) = line.messages
    assert len(message.body.records) == 91


def test_a_last_frame_with_etb_ends_with_eot_yhlo_iflash() -> None:
    """iFlash 3000: ETX in every frame but the last, frame numbers from 0."""
    line = Line(LinkProfile(frame_numbers="ignored"))
    line.send(ENQ)
    assert line.send(b"\x021H|\\^&|||^^||||||ASCII|PR|1394-97|20180120110408\r\x03A6\r\n") == ACK
    assert line.send(b"\x027L|1|N\r\x171E\r\n") == ACK
    assert line.messages == []
    line.send(EOT)
    line.wait(1.0)
    (message,) = line.messages
    assert _records(message) == "HL"
    assert message.body.terminated


# Replies


def test_nothing_is_acknowledged_before_it_is_durable(framed: Framed) -> None:
    line = Line(hold=True)
    line.send(ENQ)
    assert line.send(framed(1, H, b"\x17")) == b""
    line.codec.confirm(line.tokens[0])
    assert line.codec.data_to_send() == ACK
    assert line.send(framed(2, L)) == b""
    line.codec.confirm(line.tokens[1])
    line.codec.confirm(line.tokens[1])
    line.codec.confirm(99)
    assert line.codec.data_to_send() == ACK
    assert line.codec.data_to_send() == b""


def test_replies_keep_the_order_of_the_wire_whatever_the_order_of_the_commits(framed: Framed) -> None:
    line = Line(hold=True)
    bad = framed(2, P, b"\x17").replace(b"P", b"Q")
    assert line.send(ENQ + framed(1, H, b"\x17") + bad + framed(2, P, b"\x17") + framed(3, L)) == ACK
    one, two, three = line.tokens
    line.codec.confirm(three)
    line.codec.confirm(two)
    assert line.codec.data_to_send() == b""
    line.codec.confirm(one)
    assert line.codec.data_to_send() == ACK + NAK + ACK + ACK


def test_a_frame_that_could_not_be_kept_is_refused_and_taken_when_it_comes_again(framed: Framed) -> None:
    line = Line(hold=True)
    line.send(ENQ)
    line.send(framed(1, H, b"\x17"))
    line.codec.confirm(line.tokens[-1])
    line.codec.data_to_send()
    for text, end in ((R, b"\x17"), (L, b"\x03")):
        number = 2 if text == R else 3
        assert line.send(framed(number, text, end)) == b""
        line.codec.reject(line.tokens[-1])
        assert line.codec.data_to_send() == NAK
        assert line.send(framed(number, text, end)) == b""
        line.codec.confirm(line.tokens[-1])
        assert line.codec.data_to_send() == ACK
    assert line.kinds() == ["Fragment", "Fragment", "Fragment", "Message", "Message"]
    assert line.messages[0].raw == line.messages[1].raw
    assert [_records(message) for message in line.messages] == ["HRL", "HRL"]


def test_refusing_a_frame_refuses_what_came_behind_it(framed: Framed) -> None:
    line = Line(hold=True)
    line.send(ENQ + framed(1, H, b"\x17") + framed(2, R, b"\x17") + framed(3, L))
    one, two, three = line.tokens
    line.codec.confirm(one)
    line.codec.reject(two)
    line.codec.confirm(three)
    assert line.codec.data_to_send() == ACK + NAK + NAK
    assert line.send(framed(2, R, b"\x17")) == b""
    assert line.send(framed(3, L)) == b""
    for token in line.tokens[-2:]:
        line.codec.confirm(token)
    assert line.codec.data_to_send() == ACK + ACK
    assert _records(line.messages[-1]) == "HRL"


def test_a_retransmission_is_acknowledged_and_dropped(framed: Framed) -> None:
    line = Line()
    line.send(ENQ)
    for frame in (framed(1, H, b"\x17"), framed(2, R, b"\x17"), framed(3, L)):
        assert line.send(frame) == ACK
        assert line.send(frame) == ACK
    assert line.kinds() == ["Fragment", "Note: retransmission"] * 2 + ["Message", "Note: retransmission"]
    assert _records(line.messages[0]) == "HRL"


def test_a_retransmission_of_a_frame_still_being_stored_gets_one_ack_in_all(framed: Framed) -> None:
    line = Line(hold=True)
    line.send(ENQ)
    assert line.send(framed(1, H, b"\x17")) == b""
    assert line.send(framed(1, H, b"\x17")) == b""
    line.codec.confirm(line.tokens[0])
    assert line.codec.data_to_send() == ACK
    assert line.kinds() == ["Fragment", "Note: retransmission"]


@pytest.mark.parametrize(
    ("frames", "replies"),
    [
        ([2], [NAK]),
        ([0], [NAK]),
        ([1, 3], [ACK, NAK]),
        ([1, 2, 1], [ACK, ACK, NAK]),
        ([1, 2, 3, 4, 5, 6, 7, 0, 1], [ACK] * 9),
        ([1, 2, 3, 4, 5, 6, 7, 1], [ACK] * 7 + [NAK]),
    ],
)
def test_frame_numbers_start_at_one_and_count_modulo_eight(framed: Framed, frames: list[int], replies: list[bytes]) -> None:
    line = Line()
    line.send(ENQ)
    texts = [H, *(b"C|%d|I\r" % n for n in range(20))]
    got = [line.send(framed(number, texts[n], b"\x17")) for n, number in enumerate(frames)]
    assert got == replies


def test_a_wrong_number_is_refused_as_often_as_it_comes(framed: Framed) -> None:
    line = Line()
    line.send(ENQ)
    line.send(framed(1, H, b"\x17"))
    assert [line.send(framed(3, R, b"\x17")) for _ in range(8)] == [NAK] * 8
    assert [line.send(framed(2, R).replace(b"4.1", b"4.2")) for _ in range(8)] == [NAK] * 8
    assert line.kinds() == ["Fragment"] + ["BadFrame: frame number"] * 8 + ["BadFrame: checksum"] * 8
    assert line.send(framed(2, R, b"\x17")) == ACK


def test_the_same_number_with_another_text_is_no_retransmission(framed: Framed) -> None:
    """An analyzer that restarts at 1: an ACK would lose its message, a NAK makes it complain."""
    line = Line()
    line.send(ENQ)
    assert line.send(framed(1, H + L)) == ACK
    assert line.send(framed(1, H + R + L)) == NAK
    assert line.kinds() == ["Message", "BadFrame: frame number"]


def test_a_bad_checksum_tells_where_and_what(framed: Framed) -> None:
    line = Line()
    line.send(ENQ)
    frame = framed(1, H).replace(b"X", b"Y")
    assert line.send(b"\x00" + frame) == NAK
    (bad,) = line.events
    assert bad == BadFrame(offset=2, size=len(frame), raw=frame, reason="checksum")


def test_the_good_frame_behind_garbage_in_the_same_read_comes_out(framed: Framed) -> None:
    line = Line()
    good = framed(1, H + R + L)
    assert line.send(ENQ + b"\x7f\x80junk" + b"\x021H|half" + good) == ACK + ACK
    assert line.kinds() == ["BadFrame: garbage", "BadFrame: truncated", "Message"]
    first, second = (event for event in line.events if isinstance(event, BadFrame))
    assert (first.offset, first.size, first.raw) == (1, 6, b"\x7f\x80junk")
    assert (second.offset, second.size, second.raw) == (7, 8, b"\x021H|half")


def test_a_message_beyond_the_cap_is_refused(framed: Framed) -> None:
    line = Line(LinkProfile(message_max=600))
    line.send(ENQ)
    assert line.send(framed(1, H, b"\x17")) == ACK
    assert line.send(framed(2, b"M|1|" + b"x" * 500, b"\x17")) == ACK
    assert line.send(framed(3, b"y" * 100, b"\x17")) == NAK
    line.send(EOT)
    line.wait(1.0)
    assert line.kinds() == ["Fragment", "Fragment", "BadFrame: message too long", "Incomplete: EOT after ETB"]


def test_frames_without_any_record_are_no_message(framed: Framed) -> None:
    line = Line(LinkProfile(ack_eot=True))
    line.send(ENQ + framed(1, b"\r") + EOT)
    line.wait(1.0)
    assert line.kinds() == ["Fragment", "Incomplete: no records"]
    assert line.codec.data_to_send() == ACK
    assert line.send(ENQ) == ACK


# Sessions


def test_several_messages_a_session_count_on(framed: Framed) -> None:
    line = Line()
    line.send(ENQ)
    for n in range(1, 12):
        assert line.send(framed(n % 8, H + b"C|%d|I\r" % n + L)) == ACK
    assert len(line.messages) == 11


def test_messages_in_one_read_with_their_session_are_all_acknowledged(framed: Framed) -> None:
    line = Line()
    burst = ENQ + framed(1, H + P, b"\x17") + framed(2, L) + framed(3, H + R + L) + EOT
    assert line.send(burst) == ACK * 4
    assert [_records(message) for message in line.messages] == ["HPL", "HRL"]
    assert line.end() == []


def test_several_messages_in_one_frame_hang_on_one_reply(framed: Framed) -> None:
    line = Line()
    assert line.send(ENQ + framed(1, H + P + L + H + R + L)) == ACK * 2
    assert [(_records(message), message.token is None) for message in line.messages] == [("HPL", True), ("HRL", False)]


def test_an_empty_session_is_legal() -> None:
    line = Line()
    assert line.send(ENQ + EOT + b"\x00") == ACK
    line.wait(1.0)
    assert line.kinds() == ["Note: empty session"]
    assert line.codec.deadline() is None


def test_a_message_without_l_is_whole_at_eot_after_etx(framed: Framed) -> None:
    line = Line()
    line.send(ENQ + framed(1, H, b"\x17") + framed(2, R) + EOT)
    assert line.kinds() == ["Fragment", "Fragment"]
    line.wait(1.0)
    (message,) = line.messages
    assert _records(message) == "HR"
    assert message.token is None
    assert not message.body.terminated
    assert message.body.problems == ("no L record",)


def test_a_message_without_l_is_whole_at_the_next_header(framed: Framed) -> None:
    line = Line()
    line.send(ENQ + framed(1, H + R) + framed(2, H + P + L))
    assert line.kinds() == ["Fragment", "Message", "Message"]
    assert [(_records(message), message.body.terminated) for message in line.messages] == [("HR", False), ("HPL", True)]
    assert line.messages[0].raw == framed(1, H + R)


def test_a_field_that_looks_like_a_header_after_a_cut_is_no_header(framed: Framed) -> None:
    line = Line()
    line.send(ENQ + framed(1, H + b"R|1|^^^TS", b"\x17") + framed(2, b"H|2.1\r", b"\x17") + framed(3, L))
    (message,) = line.messages
    assert message.body.records[1].text == "R|1|^^^TSH|2.1"


def test_a_record_ends_with_etx_even_without_its_cr(framed: Framed) -> None:
    line = Line()
    line.send(ENQ + framed(1, H[:-1]) + framed(2, R[:-1]) + framed(3, L[:-1]))
    assert [_records(message) for message in line.messages] == ["HRL"]


def test_hl7_within_frames_is_kept_and_named(framed: Framed) -> None:
    """GeneXpert 6.5 after a change of protocol: queued HL7 text in 240-byte frames."""
    line = Line()
    line.send(ENQ + framed(1, b"MSH|^~\\&|GeneXpert\rOBX|1|ST|", b"\x17") + framed(2, b"MTB\r") + EOT)
    line.end()
    (message,) = line.messages
    assert [record.text for record in message.body.records] == ["MSH|^~\\&|GeneXpert", "OBX|1|ST|MTB"]
    assert message.body.hl7 == b"MSH|^~\\&|GeneXpert\rOBX|1|ST|MTB\r"


@pytest.mark.parametrize(("first", "rule"), [(3, "standard"), (1, "restart-per-message"), (1, "if-present")])
def test_hl7_messages_of_one_session_are_told_apart_though_they_have_no_end_record(
    first: int, rule: FrameNumbers, framed: Framed
) -> None:
    one, two = b"MSH|^~\\&|GX||||||ORU^R32|1\rOBX|1\r", b"MSH|^~\\&|GX||||||ORU^R32|2\rOBX|1\r"
    line = Line(LinkProfile(frame_numbers=rule))
    line.send(ENQ + framed(1, one[:20], b"\x17") + framed(2, one[20:]))
    line.send(framed(first, two[:20], b"\x17") + framed(first + 1, two[20:]) + EOT)
    line.end()
    assert [message.body.hl7 for message in line.messages] == [one, two]


def test_a_message_without_an_l_record_ends_where_numbers_begin_anew(framed: Framed) -> None:
    line = Line(LinkProfile(frame_numbers="restart-per-message"))
    line.send(ENQ + framed(1, H) + framed(2, R) + framed(1, H) + framed(2, R) + EOT)
    line.end()
    assert [_records(message) for message in line.messages] == ["HR", "HR"]


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (lambda line: line.send(EOT) or line.wait(1.0), "EOT after ETB"),
        (lambda line: line.wait(30.0), "silence"),
        (lambda line: line.send(ENQ) or line.wait(1.0), "ENQ in transfer"),
        (lambda line: line.end(), "link end"),
    ],
)
def test_a_transmission_that_is_not_whole_is_incomplete(framed: Framed, behind: Callable[[Line], object], reason: str) -> None:
    line = Line(now=100.0)
    frames = framed(1, H, b"\x17") + framed(2, R, b"\x17")
    line.send(ENQ + frames)
    behind(line)
    assert [event for event in line.events if isinstance(event, Incomplete)] == [Incomplete(frames, 100.0, reason)]
    assert line.messages == []


def test_an_aborted_message_is_incomplete_even_after_etx(framed: Framed) -> None:
    """A frame a record: after six refusals the sender's EOT does not mean that the message is whole."""
    line = Line()
    line.send(ENQ + framed(1, H) + framed(2, P))
    for _ in range(6):
        assert line.send(framed(3, R).replace(b"4.1", b"9.9")) == NAK
    line.send(EOT)
    line.wait(1.0)
    assert line.kinds()[-1] == "Incomplete: aborted"


def test_a_sender_that_gave_up_waiting_gets_no_late_ack(framed: Framed) -> None:
    line = Line(hold=True)
    line.send(ENQ)
    line.send(framed(1, H + R))
    line.wait(15.0)
    line.send(EOT)
    line.wait(1.0)
    line.codec.confirm(line.tokens[0])
    assert line.codec.data_to_send() == b""
    assert line.kinds() == ["Fragment", "Incomplete: aborted"]


def test_a_new_enq_forgets_what_was_owed(framed: Framed) -> None:
    line = Line(hold=True)
    line.send(ENQ + framed(1, H + R + L))
    line.send(EOT)
    assert line.send(ENQ) == ACK
    line.codec.confirm(line.tokens[0])
    assert line.codec.data_to_send() == b""


def test_enq_sent_twice_is_answered_twice(framed: Framed) -> None:
    line = Line()
    assert line.send(ENQ) == ACK
    assert line.send(ENQ) == b""
    line.wait(1.0)
    assert line.codec.data_to_send() == ACK
    assert line.send(framed(1, H + L)) == ACK
    assert line.kinds() == ["Message"]


def test_a_damaged_byte_that_looks_like_enq_is_not_answered(framed: Framed) -> None:
    """An ACK for it would be taken for the ACK of the frame it was part of."""
    line = Line()
    line.send(ENQ)
    frame = framed(1, H + R + L)
    for at in range(len(frame) - 6):
        assert line.send(frame[:at] + ENQ + frame[at + 1 :]) in (b"", NAK)
    assert line.messages == []
    assert line.send(frame) == ACK


@pytest.mark.parametrize("damaged", [ENQ, EOT])
def test_a_damaged_lf_that_looks_like_a_control_is_neither(framed: Framed, damaged: bytes) -> None:
    """The next frame follows at once, so the sender had its reply and waits for none."""
    line = Line()
    line.send(ENQ + framed(1, H, b"\x17"))
    assert line.send(framed(2, R, b"\x17")[:-1] + damaged) == ACK
    assert line.send(framed(3, L)) == ACK
    assert line.kinds() == ["Fragment", "Fragment", "BadFrame: garbage", "Message"]


def test_enq_in_transfer_may_be_refused_as_the_standard_reads(framed: Framed) -> None:
    line = Line(LinkProfile(enq_restarts=False))
    line.send(ENQ + framed(1, H, b"\x17") + ENQ)
    line.wait(1.0)
    assert line.codec.data_to_send() == NAK
    assert line.send(framed(2, L)) == ACK
    assert len(line.messages) == 1


def test_thirty_seconds_count_from_the_last_byte_and_not_while_a_reply_is_owed(framed: Framed) -> None:
    line = Line(hold=True, now=10.0)
    assert line.codec.deadline() is None
    line.send(ENQ)
    assert line.codec.deadline() == 40.0
    line.now = 20.0
    line.send(framed(1, H, b"\x17"))
    assert line.codec.deadline() is None
    line.codec.confirm(line.tokens[0])
    assert line.codec.deadline() == 50.0
    assert line.codec.on_deadline(49.9) == []
    assert [_kind(event) for event in line.codec.on_deadline(50.0)] == ["Incomplete: silence", "Note: silence"]
    assert line.codec.deadline() is None
    line.codec.data_to_send()
    assert line.send(framed(2, L)) == NAK


def test_half_a_frame_is_given_up_with_the_session(framed: Framed) -> None:
    line = Line()
    line.send(ENQ + framed(1, H)[:-6])
    line.wait(30.0)
    assert line.kinds() == ["BadFrame: truncated", "Note: silence"]


def test_start_forgets_the_former_connection(framed: Framed) -> None:
    line = Line()
    line.send(ENQ + framed(1, H, b"\x17") + b"\x022R|")
    line.codec.start(1.0)
    assert line.codec.deadline() is None
    assert line.send(ENQ + framed(1, H + L)) == ACK + ACK
    assert [_records(message) for message in line.messages] == ["HL"]


def test_offsets_count_over_connections(framed: Framed) -> None:
    line = Line()
    line.send(b"\x022R|")
    line.codec.start(1.0)
    line.send(b"junk" + ENQ)
    assert [event.offset for event in line.events if isinstance(event, BadFrame)] == [4]


# Deviations


@pytest.mark.parametrize(
    ("profile", "numbers"),
    [
        ({"frame_numbers": "restart-per-message"}, [1, 1, 1]),
        ({"frame_numbers": "restart-per-message"}, [1, 2, 1]),
        ({"frame_numbers": "if-present"}, [1, 1, 2]),
        ({"frame_numbers": "ignored"}, [0, 0, 5]),
        ({"frame_numbers": "ignored"}, [3, 2, 1]),
    ],
)
def test_other_frame_numbers(framed: Framed, profile: dict[str, str], numbers: list[int]) -> None:
    line = Line(LinkProfile(**profile))  # type: ignore[arg-type]
    line.send(ENQ)
    for n, number in enumerate(numbers):
        assert line.send(framed(number, H + b"C|%d|I\r" % n + L)) == ACK
    assert len(line.messages) == 3


def test_absent_frame_numbers() -> None:
    line = Line(LinkProfile(frame_numbers="absent", checksum="none"))
    assert line.send(ENQ + b"\x02H|\\^&\r\x17\r\n\x02R|1|^^^K|4.\x17\r\n\x021\rL|1\r\x03\r\n") == ACK * 4
    (message,) = line.messages
    assert message.body.records[1].field(4) == "4.1"


def test_a_session_may_begin_at_another_number_where_the_profile_says_so(framed: Framed) -> None:
    standard = Line(LinkProfile(frame_numbers="restart-per-message"))
    assert standard.send(ENQ + framed(0, H, b"\x17")) == ACK + NAK
    line = Line(LinkProfile(frame_numbers="if-present"))
    assert line.send(ENQ + framed(0, H, b"\x17") + framed(1, L)) == ACK * 3
    assert line.send(ENQ + framed(0, H, b"\x17") + framed(2, L)) == ACK * 2 + NAK
    assert len(line.messages) == 1


def test_what_a_sender_gives_up_after_a_refusal_is_not_whole(framed: Framed) -> None:
    line = Line()
    assert line.send(ENQ + framed(1, H) + framed(3, b"C|1|I|x\r") + b"\x04") == ACK * 2 + NAK
    line.wait(0.5)
    assert line.messages == []
    assert [event.reason for event in line.events if isinstance(event, Incomplete)] == ["aborted"]


def test_a_session_without_frame_numbers_is_told_by_its_first_frame() -> None:
    line = Line(LinkProfile(frame_numbers="if-present", checksum="none"))
    assert line.send(ENQ + b"\x02H|\\^&\r\x17\r\n\x02R|1|^^^K|4.\x17\r\n\x021\rL|1\r\x03\r\n\x04") == ACK * 4
    assert line.send(ENQ + b"\x021H|\\^&\r\x17\r\n\x02R|1|^^^K|5\r\x17\r\n") == ACK * 2 + NAK
    (message,) = line.messages
    assert message.body.records[1].field(4) == "4.1"


def test_a_line_of_silence_ends_a_frame_without_cr_lf(framed: Framed) -> None:
    line = Line()
    line.send(ENQ)
    assert line.send(framed(1, H + L, tail=b"\r")) == b""
    line.wait(0.5)
    assert line.codec.data_to_send() == ACK
    known = Line(LinkProfile(frame_end="CR"))
    known.send(ENQ)
    assert known.send(framed(1, H + L, tail=b"\r")) == ACK


def test_an_ack_of_eot_where_the_analyzer_waits_for_it(framed: Framed) -> None:
    line = Line(LinkProfile(ack_eot=True))
    line.send(ENQ + framed(1, H + L) + EOT)
    line.wait(1.0)
    assert line.codec.data_to_send() == ACK
    line.hold = True
    line.send(ENQ + framed(1, H + R) + EOT)
    line.codec.confirm(line.tokens[-1])
    line.codec.data_to_send()
    line.wait(1.0)
    assert line.codec.data_to_send() == b""
    line.codec.confirm(line.tokens[-1])
    assert line.codec.data_to_send() == ACK


def test_a_closed_link_ends_a_message_where_the_analyzer_sends_no_eot(framed: Framed) -> None:
    line = Line(LinkProfile(close_ends=True))
    line.send(ENQ + framed(1, H + R))
    line.end()
    assert [_records(message) for message in line.messages] == ["HR"]
    line = Line(LinkProfile(close_ends=True))
    line.send(ENQ + framed(1, H + R, b"\x17"))
    line.end()
    assert line.kinds() == ["Fragment", "Incomplete: link end"]


def test_a_terminator_may_be_asked_for(framed: Framed) -> None:
    line = Line(LinkProfile(needs_terminator=True))
    line.send(ENQ + framed(1, H + R) + EOT)
    line.end()
    assert line.kinds() == ["Fragment", "Incomplete: no L record"]


def test_framed_mode_hears_only_enq_in_neutral(framed: Framed) -> None:
    line = Line(LinkProfile(mode="framed"))
    assert line.send(framed(1, H + L)) == b""
    assert line.send(b"H|\\^&\rL|1\r" + ENQ) == ACK
    assert line.kinds() == ["BadFrame: outside a session", "BadFrame: garbage"]


def test_a_sender_in_the_middle_of_a_session_we_know_nothing_of_is_refused(framed: Framed) -> None:
    """After our restart: its frames lack their beginning; six NAKs make it begin anew."""
    line = Line()
    assert line.send(framed(1, R, b"\x17")) == NAK
    assert line.send(framed(2, L)) == NAK
    assert line.kinds() == ["BadFrame: outside a session"] * 2


def _replies(line: Line, *pieces: bytes) -> list[bytes]:
    """What is said to each piece, and in the second behind it."""
    said = []
    for piece in pieces:
        answer = line.send(piece)
        line.wait(1.0)
        said.append(answer + line.codec.data_to_send())
    return said


def test_an_stx_that_waits_is_acknowledged_where_the_analyzer_wants_it() -> None:
    """Snibe Maglumi without checksums: ENQ, STX, records, ETX, EOT, and it waits for an ACK behind each but the records."""
    line = Line(LinkProfile(checksum="if-present", frame_numbers="if-present", ack_stx=True, ack_eot=True))
    assert _replies(line, ENQ, b"\x02", H + R + L, b"\x03", EOT) == [ACK, ACK, b"", ACK, ACK]
    (message,) = line.messages
    assert _records(message) == "HRL"


def test_an_stx_with_its_frame_behind_it_is_acknowledged_once(framed: Framed) -> None:
    line = Line(LinkProfile(checksum="if-present", frame_numbers="if-present", ack_stx=True))
    assert _replies(line, ENQ + framed(1, H + L) + EOT) == [ACK + ACK]


def test_an_stx_alone_is_not_acknowledged_by_default() -> None:
    assert _replies(Line(), ENQ + b"\x02") == [ACK]


def test_an_stx_that_comes_again_is_acknowledged_again(framed: Framed) -> None:
    """The analyzer was restarted while it waited."""
    line = Line(LinkProfile(checksum="if-present", frame_numbers="if-present", ack_stx=True))
    assert _replies(line, ENQ, b"\x02", ENQ, b"\x02", H + L, b"\x03") == [ACK, ACK, ACK, ACK, b"", ACK]


# A disk that stalls


def test_what_the_sender_has_given_up_waiting_for_is_not_said_when_it_is_durable_at_last() -> None:
    """15 s are over, the sender has sent EOT, unread yet: an ACK now might meet its next ENQ."""
    receiver = Receiver()
    receiver.start(0.0)
    receiver.receive(b"\x05", 0.0)
    assert receiver.data_to_send() == b"\x06"
    (fragment,) = receiver.receive(frames.frame(1, b"H|\\^&\r", last=False), 1.0)
    assert isinstance(fragment, Fragment)
    receiver.late(27.0)
    receiver.confirm(fragment.token)
    assert receiver.data_to_send() == b""
    assert receiver.receive(b"\x04\x05", 27.0) == [Incomplete(fragment.raw, 1.0, "aborted")]
    assert receiver.data_to_send() == b"\x06"


def test_a_late_refusal_is_not_said_and_the_frame_is_heard_when_it_comes_again() -> None:
    first, receiver = frames.frame(1, b"H|\\^&\r", last=False), Receiver()
    receiver.start(0.0)
    receiver.receive(b"\x05" + first, 0.0)
    receiver.data_to_send()
    receiver.late(14.0)
    receiver.reject(1)
    assert receiver.data_to_send() == b""
    (again,) = receiver.receive(first, 15.0)
    assert isinstance(again, Fragment)
    receiver.late(20.0)
    receiver.confirm(again.token)
    assert receiver.data_to_send() == b"\x06"


def test_two_sessions_given_up_in_one_read_are_answered_once() -> None:
    receiver = Receiver()
    receiver.start(0.0)
    receiver.receive(b"\x05\x04\x05\x04\x05", 0.0)
    assert receiver.data_to_send() == b"\x06"
