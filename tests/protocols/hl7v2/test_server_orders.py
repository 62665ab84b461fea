"""Queries of LAW analyzers and orders to them (IHE LAB-27, LAB-28): what is answered when, and what counts as taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protocols.hl7v2.mllp import MllpDecoder, encode
from protocols.hl7v2.server import HELD_S, Server, ServerProfile
from protocols.sansio import Message, Note, Sending, Sent, Unsent

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
OML = b"MSH|^~\\&|GW||BA400|LAB|20261121080000||OML^O33^OML_O33|X1|P|2.5.1\r"


def query(id_: str = "Q1", kind: str = "WOS") -> bytes:
    lines = [
        f"MSH|^~\\&|BA400|LAB|||20261121080000||QBP^Q11^QBP_Q11|{id_}|P|2.5.1|||NE|AL||UNICODE UTF-8|||LAB-27^IHE",
        f"QPD|{kind}^Work Order Step^IHELAW|tag-{id_}|SYN-1",
        "RCP|I||R^^HL70394",
    ]
    return encode("\r".join(lines).encode() + b"\r")


def reply(code: str, to: str = "X1") -> bytes:
    return encode(f"MSH|^~\\&|BA400|LAB|||20261121080001||ORL^O34^ORL_O34|R1|P|2.5.1\rMSA|{code}|{to}\r".encode())


@pytest.fixture
def line() -> Server:
    made = Server(ServerProfile(hold=("WOS",), reply_s=30.0))
    made.wall = lambda at: START + timedelta(seconds=at)
    made.start(0.0)
    return made


def said(line: Server) -> list[list[list[str]]]:
    """Messages, segments, fields."""
    bodies = [body for body in MllpDecoder().feed(line.data_to_send()) if isinstance(body, bytes)]
    return [[text.split("|") for text in body.decode().split("\r") if text] for body in bodies]


def states(line: Server) -> list[tuple[str, str, str]]:
    """(MSH-9, query tag, state) of the responses."""
    return [(one[0][8], one[2][1], one[2][2]) for one in said(line) if one[0][8].startswith("RSP")]


def test_a_query_waits_for_its_answer_and_orders_follow_it_as_a_message_of_their_own(line: Server) -> None:
    (event,) = line.receive(query(), 5.0)
    assert isinstance(event, Message)
    assert event.token is None
    assert said(line) == []
    assert not line.clear
    line.send(OML, 5.0)
    response, orders = said(line)
    assert [one[0] for one in response] == ["MSH", "MSA", "QAK", "QPD"]
    assert response[0][8] == "RSP^K11^RSP_K11"
    assert response[1][1:3] == ["AA", "Q1"]
    assert response[2][1:4] == ["tag-Q1", "OK", "WOS^Work Order Step^IHELAW"]
    assert response[3][3] == "SYN-1"
    assert orders[0][9] == "X1"


def test_without_orders_nothing_is_found_and_that_is_all(line: Server) -> None:
    line.receive(query(), 5.0)
    token = line.send(b"", 5.0)
    assert states(line) == [("RSP^K11^RSP_K11", "tag-Q1", "NF")]
    assert line.deadline() == 5.0
    assert list(line.on_deadline(5.0)) == [Sent(token)]
    assert line.deadline() is None
    assert line.clear


@pytest.mark.parametrize("control", ["UA", "UC"])
def test_an_order_that_the_analyzer_declines_is_counted_and_not_sent_again(line: Server, control: str) -> None:
    token = line.send(OML, 5.0)
    answer = reply("AA")[:-2] + f"SPM|1|SYN-1\rSAC|||SYN-1\rORC|OK|A-1.1\rORC|{control}|A-1.2\r".encode() + b"\x1c\r"
    assert list(line.receive(answer, 6.0)) == [Note("order declined by the device"), Sent(token)]


@pytest.mark.parametrize(
    ("answer", "event"), [("AA", Sent(1)), ("CA", Sent(1)), ("AE", Unsent(1, "refused")), ("AR", Unsent(1, "refused"))]
)
def test_orders_are_taken_when_the_analyzer_says_so(line: Server, answer: str, event: Any) -> None:
    line.send(OML, 5.0)
    assert list(line.receive(reply(answer), 6.0)) == [event]
    assert line.clear
    line.data_to_send()
    assert list(line.receive(reply(answer), 7.0)) == [Note("acknowledgement from the device")], "once"
    assert said(line) == [], "an answer is not answered"


def test_an_answer_to_something_else_is_none_to_this(line: Server) -> None:
    line.send(OML, 5.0)
    assert list(line.receive(reply("AA", to="X9"), 6.0)) == [Note("acknowledgement from the device")]
    assert list(line.on_deadline(34.9)) == []
    assert list(line.on_deadline(35.0)) == [Unsent(1, "no reply")]


def test_a_query_that_nobody_answers_is_answered_all_the_same(line: Server) -> None:
    line.receive(query(), 5.0)
    assert line.deadline() == 5.0 + HELD_S
    line.on_deadline(5.0 + HELD_S)
    assert states(line) == [("RSP^K11^RSP_K11", "tag-Q1", "NF")]


def test_a_query_before_the_former_ones_answer_ends_that_one(line: Server) -> None:
    line.receive(query("Q1"), 5.0)
    line.receive(query("Q2"), 5.1)
    assert states(line) == [("RSP^K11^RSP_K11", "tag-Q1", "NF")]
    line.send(OML, 5.2)
    assert states(line) == [("RSP^K11^RSP_K11", "tag-Q2", "OK")]


def test_another_query_is_answered_at_once(line: Server) -> None:
    line.receive(query(kind="Z99"), 5.0)
    assert states(line) == [("RSP^K11^RSP_K11", "tag-Q1", "NF")]
    assert line.clear


# ---- the other dialects; the answers are those of Mindray's host interface manuals and of Cepheid's HL7 protocol specification

BC = encode(b"MSH|^~\\&|||||20190504060725||ORM^O01|389|P|2.3.1||||||UNICODE\rORC|RF||SYN-1||IP\r")
BS = encode(
    b"MSH|^~\\&|Mindray|BS-200E|||20070723170707||QRY^Q02|5|P|2.3.1||||||ASCII|||\r"
    b"QRD|20070723170707|R|D|1|||RD|34567743|OTH|||T|\rQRF|BS-200E|20070723170749|20070723170749|||RCT|COR|ALL||\r"
)
GENEXPERT = encode(
    b"MSH|^~\\&|ICU^GeneXpert^1.0||LIS||20070521100245||QBP^Z03^QBP_Z03|G1|P|2.5\rQPD|Z03^HOST QUERY|tag-1|SYN-7|SYN-1\rRCP|I\r"
)


def holding(*names: str) -> Server:
    made = Server(ServerProfile(hold=names, says=("Message accepted", "", "", "0")))
    made.wall = lambda at: START + timedelta(seconds=at)
    made.start(0.0)
    return made


@pytest.mark.parametrize(
    ("asked", "name", "answer"),
    [
        (BC, "ORM", [["MSH", "ORR^O02"], ["MSA", "AR", "389"]]),
        (BS, "QRY", [["MSH", "QCK^Q02"], ["MSA", "AA", "5", "Message accepted", "", "", "0"], ["ERR", "0"], ["QAK", "SR", "NF"]]),
        (
            GENEXPERT,
            "Z03",
            [
                ["MSH", "RSP^Z02"],
                ["MSA", "AA", "G1"],
                ["QAK", "tag-1", "OK", "Z03^HOST QUERY"],
                ["QPD", "Z03^HOST QUERY", "tag-1", "SYN-7", "SYN-1"],
            ],
        ),
    ],
    ids=["Mindray BC", "Mindray BS", "GeneXpert"],
)
@pytest.mark.parametrize("held", [True, False])
def test_each_dialect_says_in_its_own_way_that_there_is_nothing(
    asked: bytes, name: str, answer: list[list[str]], held: bool
) -> None:
    line = holding(name) if held else holding()
    line.receive(asked, 5.0)
    line.send(b"", 5.0)
    (found,) = said(line)
    assert [[found[0][0], found[0][8]], *found[1:]] == answer


def test_an_answer_that_carries_the_orders_is_all_that_is_sent_and_counts_at_once() -> None:
    line = holding("ORM")
    line.receive(BC, 5.0)
    token = line.send(b"MSH|^~\\&|LIS||||20190504060726||ORR^O02|7|P|2.3.1\rMSA|AA|389\rORC|AF|SYN-1\r", 5.0)
    (found,) = said(line)
    assert [one[0] for one in found] == ["MSH", "MSA", "ORC"]
    assert list(line.on_deadline(5.0)) == [Sent(token)]


def test_a_worklist_of_a_bs_follows_the_answer_and_waits_to_be_taken() -> None:
    line = holding("QRY")
    line.receive(BS, 5.0)
    token = line.send(b"MSH|^~\\&|||||20070723170708||DSR^Q03|7|P|2.3.1\rMSA|AA|5\rDSP|21||34567743\r", 5.0)
    first, second = said(line)
    assert (first[0][8], first[3]) == ("QCK^Q02", ["QAK", "SR", "OK"])
    assert second[0][8] == "DSR^Q03"
    taken = encode(b"MSH|^~\\&|Mindray|BS-200E|||20070723170709||ACK^Q03|7|P|2.3.1\rMSA|AA|7|Message accepted|||0|\rERR|0|\r")
    assert list(line.receive(taken, 6.0)) == [Sent(token)]


def test_an_order_under_a_number_that_is_under_way_takes_its_place(line: Server) -> None:
    first, second = line.send(OML, 5.0), line.send(OML, 6.0)
    assert list(line.on_deadline(6.0)) == [Unsent(first, "sent anew")]
    assert list(line.receive(reply("AA"), 7.0)) == [Sent(second)]


def test_an_order_that_is_no_question_is_a_message_like_any_other() -> None:
    line = holding("ORM")
    (event,) = line.receive(encode(b"MSH|^~\\&|||||20190504060725||ORM^O01|389|P|2.3.1\rORC|NW||SYN-1\r"), 5.0)
    assert isinstance(event, Message)
    assert event.token is not None


def test_what_has_left_cannot_be_withdrawn(line: Server) -> None:
    assert not line.withdraw(line.send(OML, 5.0))
    assert isinstance(line, Sending)
