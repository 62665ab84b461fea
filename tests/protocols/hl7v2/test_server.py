"""The receiving side of MLLP: what is answered, when, and with what (HL7 v2.5.1 chapter 2, clause 2.9; ACK^R33 of v2.5 chapter 7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.hl7v2 import ack
from protocols.hl7v2.message import parse
from protocols.hl7v2.mllp import MllpDecoder, encode
from protocols.hl7v2.server import QUIET_S, WAITING_MAX, Server, ServerProfile
from protocols.sansio import BadFrame, Message, Note

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def oru(id_: str = "M1", *, accept: str = "", application: str = "", kind: str = "ORU^R01") -> bytes:
    msh = f"MSH|^~\\&|CNT|SYN|||20261121080000||{kind}|{id_}|P|2.3.1|||{accept}|{application}||UNICODE"
    return encode(f"{msh}\rPID|1\rOBR|1||T1\rOBX|1|NM|6690-2^WBC^LN||7.1|10*3/uL|||||F\r".encode())


def server() -> Server:
    made = Server()
    made.wall = lambda at: START + timedelta(seconds=at)
    made.start(0.0)
    return made


def said(line: Server) -> list[tuple[str, str]]:
    """(MSA-1, MSA-2) of the answers."""
    found = [ack.read(body) for body in MllpDecoder().feed(line.data_to_send()) if isinstance(body, bytes)]
    return [(one.code.value, one.control_id) for one in found if one is not None]


def test_a_message_is_answered_when_it_is_durable_and_not_before() -> None:
    line = server()
    (message,) = line.receive(oru(), 5.0)
    assert isinstance(message, Message)
    assert message.token is not None
    assert said(line) == []
    line.confirm(message.token)
    assert said(line) == [("AA", "M1")]
    line.confirm(message.token)
    assert said(line) == [], "once"


def test_what_could_not_be_kept_is_an_error_that_is_sent_again() -> None:
    line = server()
    (message,) = line.receive(oru(), 5.0)
    assert isinstance(message, Message)
    line.reject(message.token or 0)
    assert said(line) == [("AE", "M1")]


@pytest.mark.parametrize(
    ("accept", "application", "answers"),
    [
        ("", "", ["AA"]),
        ("AL", "NE", ["CA"]),
        ("NE", "AL", ["AA"]),
        ("AL", "AL", ["CA", "AA"]),
        ("ER", "AL", ["AA"]),
        ("NE", "NE", []),
        ("SU", "", ["CA"]),
        ("", "0", ["AA"]),
        ("", "2", ["AA"]),
    ],
    ids=["original mode", "", "", "", "", "", "", "Mindray BS and FineCare: a patient's result", "Mindray BS: a control"],
)
def test_the_sender_hears_what_it_asked_for(accept: str, application: str, answers: list[str]) -> None:
    line = server()
    (message,) = line.receive(oru(accept=accept, application=application), 0.0)
    assert isinstance(message, Message)
    line.confirm(message.token or 0)
    assert [code for code, _ in said(line)] == answers


@pytest.mark.parametrize(
    ("accept", "application", "answers"),
    [
        ("", "", ["AE"]),
        ("AL", "NE", ["CE"]),
        ("NE", "AL", ["AE"]),
        ("ER", "AL", ["CE"]),
        ("NE", "NE", []),
        ("SU", "", []),
        ("", "0", ["AE"]),
    ],
)
def test_who_wants_to_hear_of_errors_hears_of_them_at_its_level(accept: str, application: str, answers: list[str]) -> None:
    line = server()
    (message,) = line.receive(oru(accept=accept, application=application), 0.0)
    assert isinstance(message, Message)
    line.reject(message.token or 0)
    assert [code for code, _ in said(line)] == answers


def test_an_answer_repeats_what_the_sender_wants_to_see_again() -> None:
    line = Server(ServerProfile(echo=(16,), says=("Message accepted", "", "", "0")))
    line.wall = lambda at: START + timedelta(seconds=at)
    line.start(0.0)
    msh = "MSH|^~\\&|Mindray|BS-200E|||20070719145353||ORU^R01|1|P|2.3.1||||0||ASCII|||LAB-29^IHE"
    (message,) = line.receive(encode(f"{msh}\rOBR|1|2\r".encode()), 0.0)
    assert isinstance(message, Message)
    line.confirm(message.token or 0)
    found = line.data_to_send().decode("ascii")
    assert found == (
        "\x0bMSH|^~\\&|||Mindray|BS-200E|20261121080000+0000||ACK^R01^ACK|20261121080000000001|P|2.3.1||||0||ASCII|||LAB-29^IHE\r"
        "MSA|AA|1|Message accepted|||0\r\x1c\r"
    ), "MSH-16 and MSA as in Mindray's manual, MSH-21 as LAW analyzers have it"


def answer(line: Server) -> Any:
    (body,) = MllpDecoder().feed(line.data_to_send())
    assert isinstance(body, bytes)
    return parse(body)


@pytest.mark.parametrize("kind", ["ORU^R30^ORU_R30", "ORU^R31^ORU_R30", "ORU^R32^ORU_R30"])
def test_point_of_care_results_are_answered_with_ack_r33(kind: str) -> None:
    line = server()
    (message,) = line.receive(oru(kind=kind), 0.0)
    assert isinstance(message, Message)
    line.confirm(message.token or 0)
    found = answer(line)
    assert [found.text("MSH", 9, n) for n in (1, 2, 3)] == ["ACK", "R33", "ACK"]


def test_a_query_for_orders_is_answered_with_none_found() -> None:
    line = server()
    qbp = (
        "MSH|^~\\&|BA200|SYN|||20261121080000||QBP^Q11^QBP_Q11|Q7|P|2.5.1|||NE|AL\r"
        "QPD|WOS^Work Order Step^IHE_LABTF|tag-9|SYN-4711\rRCP|I||R^^HL70394\r"
    )
    events = line.receive(encode(qbp.encode()), 0.0)
    assert [event.token for event in events if isinstance(event, Message)] == [None]
    found = answer(line)
    assert [found.text("MSH", 9, n) for n in (1, 2, 3)] == ["RSP", "K11", "RSP_K11"]
    assert (found.text("MSA", 1), found.text("MSA", 2)) == ("AA", "Q7")
    assert (found.text("QAK", 1), found.text("QAK", 2)) == ("tag-9", "NF")
    assert (found.text("QPD", 1), found.text("QPD", 3)) == ("WOS", "SYN-4711")


def test_heartbeats_between_messages_mean_nothing() -> None:
    line = server()
    events = line.receive(b"\x02" * 20 + oru() + b"\x02" + oru("M2") + b"\r\n", 0.0)
    assert [type(event) for event in events] == [Message, Message]


def test_what_is_no_message_is_rejected_and_counted_where_it_stood() -> None:
    line = server()
    first = oru()
    *_, bad = line.receive(first + encode(b"hello"), 0.0)
    assert isinstance(bad, BadFrame)
    assert (bad.offset, bad.reason) == (len(first), "no HL7 message")
    assert said(line) == [("AR", "")]


def test_an_acknowledgement_is_never_answered() -> None:
    line = server()
    assert line.receive(oru(kind="ACK^R01"), 0.0) == [Note("acknowledgement from the device")]
    assert line.data_to_send() == b""


def test_a_sender_that_never_waits_is_slowed_down() -> None:
    line = server()
    for n in range(WAITING_MAX):
        line.receive(oru(f"M{n}"), 0.0)
    assert line.receive(oru("ONE-MORE"), 0.0) == [Note("too many messages under way")]
    assert said(line) == [("AE", "ONE-MORE")]


def test_a_message_has_the_time_of_its_first_bytes() -> None:
    line, data = server(), oru()
    line.receive(data[:9], 3.0)
    (message,) = line.receive(data[9:], 8.0)
    assert isinstance(message, Message)
    assert message.at == 3.0


BARE = oru("BARE")[1:-2]


def test_a_message_without_a_frame_is_whole_when_the_line_goes_quiet_and_is_answered_without_one() -> None:
    line = server()
    assert line.receive(BARE[:40], 1.0) == []
    assert line.receive(BARE[40:], 1.5) == []
    assert line.deadline() == 1.5 + QUIET_S
    assert list(line.on_deadline(1.5 + QUIET_S - 0.1)) == []
    (message,) = line.on_deadline(1.5 + QUIET_S)
    assert isinstance(message, Message)
    assert (message.raw, message.at) == (BARE, 1.0)
    line.confirm(message.token or 0)
    said_ = line.data_to_send()
    assert said_.startswith(b"MSH|")
    assert b"MSA|AA|BARE" in said_
    assert said_.endswith(b"\r")


@pytest.mark.parametrize("behind", [oru("NEXT"), BARE, b"\x1c\r"], ids=["a block", "another one", "FS alone"])
def test_a_message_without_a_frame_ends_where_the_next_one_begins(behind: bytes) -> None:
    line = server()
    message, *_ = line.receive(BARE + behind, 0.0)
    assert isinstance(message, Message)
    assert message.raw == BARE


@pytest.mark.parametrize(
    "between", [b"\x02", b"\x02\x02\x02", b"    ", b"\n\t"], ids=["heartbeat", "heartbeats", "indented", "tab"]
)
@pytest.mark.parametrize("split", [0, 1, 2, 3, 4, 6, 9])
def test_what_stands_before_the_next_message_without_a_frame_does_not_hide_it(between: bytes, split: int) -> None:
    line, stream = server(), BARE + between + BARE.replace(b"|P|", b"|Q|")
    at = len(BARE) + split
    events = [*line.receive(stream[:at], 0.0), *line.receive(stream[at:], 0.0), *line.end(0.0)]
    assert [event.body.text("MSH", 11) for event in events if isinstance(event, Message)] == ["P", "Q"], (
        "a control is not the former patient's"
    )
    assert [len(event.body.segments) for event in events if isinstance(event, Message)] == [4, 4]


def test_a_message_without_a_frame_ends_with_the_connection() -> None:
    line = server()
    assert line.receive(b"\x00\x00\x01\x07" + BARE, 0.0) == [BadFrame(0, 4, b"\x00\x00\x01\x07", "garbage")], "Snibe's length"
    (message,) = line.end(0.0)
    assert isinstance(message, Message)
    assert message.raw == BARE


@pytest.mark.parametrize("framed", [True, False], ids=["in one block", "without a frame"])
@pytest.mark.parametrize("around", [("", ""), ("FHS|^~\\&|A\rBHS|^~\\&|A\r", "BTS|2\rFTS|1\r"), ("BHS|^~\\&|A\r", "BTS|2")])
def test_each_message_of_a_batch_is_answered_by_itself(framed: bool, around: tuple[str, str]) -> None:
    line = server()
    text = around[0].encode() + oru("M1")[1:-2] + oru("M2")[1:-2] + around[1].encode()
    events = [*line.receive(encode(text) if framed else text, 0.0), *line.on_deadline(QUIET_S)]
    assert [type(event) for event in events] == [Message, Message]
    tokens = [event.token for event in events if isinstance(event, Message)]
    line.confirm(tokens[1] or 0)
    line.reject(tokens[0] or 0)
    answers = line.data_to_send()
    assert answers.index(b"MSA|AA|M2") < answers.index(b"MSA|AE|M1")


def test_a_batch_without_messages_is_rejected() -> None:
    line = server()
    (bad,) = line.receive(encode(b"BHS|^~\\&|A\rBTS|0\r"), 0.0)
    assert isinstance(bad, BadFrame)
    assert said(line) == [("AR", "")]


def test_a_block_ends_with_its_fs_whatever_follows() -> None:
    line = server()
    first, second = line.receive(oru("A")[:-1] + oru("B")[:-1] + b"\n", 0.0)
    assert isinstance(first, Message)
    assert isinstance(second, Message)


def test_a_block_that_is_cut_off_is_none_and_the_next_one_comes_out() -> None:
    line = server()
    bad, message = line.receive(oru("A")[:-2] + oru("B"), 0.0)
    assert isinstance(bad, BadFrame)
    assert bad.reason == "truncated"
    assert isinstance(message, Message)
    assert message.body.text("MSH", 10) == "B"


def test_a_sender_that_never_ends_a_block_is_understood_where_the_profile_says_so() -> None:
    line = Server(ServerProfile(open_end=True))
    first, *_ = line.receive(oru("A")[:-2] + oru("B")[:-2], 0.0)
    (second,) = line.on_deadline(QUIET_S)
    assert isinstance(first, Message)
    assert isinstance(second, Message)
    assert (first.body.text("MSH", 10), second.body.text("MSH", 10)) == ("A", "B")


def test_line_ends_in_fields_are_mended_where_the_profile_says_so() -> None:
    line = Server(ServerProfile(broken=True))
    (message,) = line.receive(
        encode(b"MSH|^~\\&|FineCarePlus\nOBX|1|NM||HbA1c  (ADA)\n(IFCC)|1.2 %  \n2.2 md/dl|%\nDSC|1|F"), 0.0
    )
    assert isinstance(message, Message)
    assert [one.name for one in message.body.segments] == ["MSH", "OBX", "DSC"]
    assert message.body.segments[1].fields[4:7] == ("HbA1c  (ADA)\n(IFCC)", "1.2 %  \n2.2 md/dl", "%")


def test_a_block_beyond_the_cap_is_passed_over_and_the_next_one_comes_out() -> None:
    line = Server(ServerProfile(block_max=1024))
    events = line.receive(b"\x0b" + b"A" * 5000 + b"\x1c\r" + oru("B"), 0.0)
    assert next(event.reason for event in events if isinstance(event, BadFrame)) == "too long"
    assert [event.body.text("MSH", 10) for event in events if isinstance(event, Message)] == ["B"]


@given(
    st.lists(
        st.sampled_from([BARE, oru("C")[:-2], oru("A"), oru("B"), b"\x02", b"noise", encode(b"hello"), b"\x0b half", b"BHS|x\r"]),
        max_size=6,
    ),
    st.lists(st.integers(1, 50)),
)
def test_any_split_gives_the_same_events(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)

    def run(cuts: list[int]) -> list[Any]:
        line, events, at = server(), list[Any](), 0
        for size in [*cuts, len(data)]:
            events += line.receive(data[at : at + size], 0.0)
            at += size
        return [*events, *line.end(0.0)]

    assert run(sizes) == run([])


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    line = server()
    line.receive(b"\x0bMSH|^~\\&|" + data + b"\x1c\r" + data, 0.0)
    line.end(0.0)
