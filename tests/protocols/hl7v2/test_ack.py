"""ACKs as receivers really send them, and ours field by field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.hl7v2 import ack
from protocols.hl7v2.ack import Ack, Code, Error
from protocols.hl7v2.message import parse

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ORU = (
    b"MSH|^~\\&|4-EAST^0123456789ABCDEF^EUI-64|ICU|ENGINE&1|HOSP|20261121120000+0100||ORU^R01^ORU_R01|a1b2c3d4000000000007|P|2.6"
    b"|||AL|NE||UNICODE UTF-8\r"
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            b"MSH|^~\\&|HL7API|PKB|HOSPSYS|HOSP|201311131009||ACK^R01|201311131009.59|P|2.4\rMSA|AA|20133090012357||\r",
            Ack(Code.AA, "20133090012357"),
            id="a portal's acceptance, version 2.4",
        ),
        pytest.param(
            b"MSH|^~\\&|HL7API|PKB|HOSPSYS|HOSP|201311131010||ACK^R01|201311131010.60|P|2.4\r"
            b"MSA|AR|20133090012408|Parsing or validation error: OBR[1].OBX[2]: No observation timestamp in OBX or OBR|\r",
            Ack(
                Code.AR,
                "20133090012408",
                "Parsing or validation error: OBR[1].OBX[2]: No observation timestamp in OBX or OBR",
            ),
            id="the same portal's rejection with its reason in MSA-3",
        ),
        pytest.param(
            b"MSH|^~\\&|X|Y\rMSA|AE|MONITORABC000000002D|Incorrect Patient ID\r",
            Ack(Code.AE, "MONITORABC000000002D", "Incorrect Patient ID"),
            id="the MSA of a monitor maker's export guide",
        ),
        pytest.param(
            b"MSH|^~\\&|X|Y|||20261121||ACK^R01^ACK|1|P|2.6\rMSA|CE|7\r"
            b"ERR||PID^1^3|101^Required field missing^HL70357|E||||no id\r",
            Ack(Code.CE, "7", "no id", (Error("101", "E", "PID^1^3", "no id"),)),
            id="ERR of version 2.5 and later: location, code, severity, message for people",
        ),
        pytest.param(
            b"MSH|^~\\&|X|Y\rMSA|AE|7\rERR|PID^1^3^101&Required field missing\r",
            Ack(Code.AE, "7", "Required field missing", (Error("101", "E", "PID^1^3", "Required field missing"),)),
            id="ERR before version 2.5: all in ERR-1",
        ),
        pytest.param(
            b"MSH|^~\\&|X|Y\rMSA|CR|7\rERR|||206^Application record locked^HL70357|E\r",
            Ack(Code.CR, "7", "Application record locked", (Error("206", "E", "", "Application record locked"),)),
            id="only the code's own words",
        ),
        pytest.param(b"MSH|^~\\&|X|Y\nMSA|CA|7\n", Ack(Code.CA, "7"), id="line feeds for carriage returns"),
        pytest.param(b"MSH|^~\\&;|X|Y\rMSA|AA|7\r", Ack(Code.AA, "7"), id="a fifth encoding character"),
        pytest.param(b"MSH$%~\\&$X$Y\rMSA$AA$7\r", Ack(Code.AA, "7"), id="other delimiters"),
        pytest.param(b"MSH|^~\\&|X|Y\rMSA|AE|7|a\\X0A\\b\\F\\c\r", Ack(Code.AE, "7", "a b|c"), id="controls are made visible"),
        pytest.param(b"MSH|^~\\&|X|Y\rMSA|ZZ|7\r", None, id="a code that table 0008 does not hold"),
        pytest.param(b"MSH|^~\\&|X|Y\r", None, id="no MSA"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n", None, id="not HL7 at all"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_read(body: bytes, expected: Ack | None) -> None:
    assert ack.read(body) == expected


@pytest.mark.parametrize(
    ("code", "accepted"), [("AA", True), ("CA", True), ("AE", False), ("AR", False), ("CE", False), ("CR", False)]
)
def test_only_aa_and_ca_are_acceptance(code: str, *, accepted: bool) -> None:
    found = ack.read(f"MSH|^~\\&|X|Y\rMSA|{code}|7\r".encode())
    assert found is not None
    assert found.accepted is accepted


def test_a_peers_explanation_is_capped() -> None:
    found = ack.read(b"MSH|^~\\&|X|Y\rMSA|AE|7|" + 100_000 * b"x" + b"\r" + 100 * b"ERR|||207|E\r")
    assert found is not None
    assert (len(found.text), len(found.errors)) == (ack.TEXT_MAX, ack.ERRORS_MAX)


def test_ours_sends_back_who_asked_and_has_msa_1_and_2_only() -> None:
    built = ack.build(parse(ORU), Code.CA, control_id="R1", time=NOON)
    assert built == (
        b"MSH|^~\\&|ENGINE|HOSP|4-EAST^0123456789ABCDEF^EUI-64|ICU|20261121120000+0000||ACK^R01^ACK|R1|P|2.6||||||UNICODE UTF-8\r"
        b"MSA|CA|a1b2c3d4000000000007\r"
    )


def test_an_error_has_err_3_and_4_and_no_err_1() -> None:
    error = Error("101", "E", "PID^1^3", "no | id", "X1")
    built = ack.build(parse(ORU), Code.CE, control_id="R1", time=NOON, errors=(error,))
    assert built.split(b"\r")[2] == b"ERR||PID^1^3|101^^HL70357|E|X1|||no \\F\\ id"
    assert ack.read(built) == Ack(Code.CE, "a1b2c3d4000000000007", "no | id", (error,))


def test_what_was_no_message_is_answered_too() -> None:
    time = NOON.astimezone(timezone(timedelta(hours=-3, minutes=-30)))
    built = ack.build(None, Code.AR, control_id="R1", time=time, errors=(Error("100"),))
    assert built.startswith(b"MSH|^~\\&|||||20261121083000-0330||ACK|R1|P|2.6\rMSA|AR\r")


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(alphabet="MSH|^~\\&\rMSAERR01AACE ", max_size=120).map(lambda text: b"MSH|^~\\&|" + text.encode())
)
def test_no_bytes_make_it_raise(body: bytes) -> None:
    found = ack.read(body)
    assert found is None or found.code in Code
    ack.build(parse(body), Code.AE, control_id="R1", time=NOON)
