"""The Masimo driver: exception bits and states, words on change, identity, clock."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.bedside.masimo import DRIVER
from gateway.model import Category, Report, Validity

Reports = Callable[..., list[Report]]
Decode = Callable[..., list[Mapping[str, Any]]]


def line(*, spo2: str = "098%", bpm: str = "097", alarm: str = "0000", exc: str = "000800", more: str = "") -> bytes:
    return f"02/22/16 22:47:45 SN=0000056661 SPO2={spo2} BPM={bpm} PI=03.60%{more} ALARM={alarm} EXC={exc}\r\n".encode()


def state(reports: Reports, code: str, data: bytes) -> tuple[str | None, Validity]:
    (seen,) = [o for o in reports(DRIVER, data)[0].observations if o.vendor_code == code]
    return seen.value, seen.validity


@pytest.mark.parametrize(
    ("data", "spo2"),
    [
        pytest.param(line(), ("98", Validity.OK), id="good"),
        pytest.param(line(exc="000000"), ("98", Validity.OK), id="before SET mode is reached"),
        pytest.param(line(exc="000804"), ("98", Validity.QUESTIONABLE), id="low perfusion"),
        pytest.param(line(exc="000808"), ("98", Validity.QUESTIONABLE), id="pulse search"),
        pytest.param(line(exc="000810"), ("98", Validity.QUESTIONABLE), id="interference"),
        pytest.param(line(exc="000820"), ("98", Validity.QUESTIONABLE), id="sensor off, the number still shown"),
        pytest.param(line(exc="000840"), ("98", Validity.QUESTIONABLE), id="ambient light"),
        pytest.param(line(exc="000C00"), ("98", Validity.QUESTIONABLE), id="low signal IQ"),
        pytest.param(line(spo2="---%", exc="000820"), (None, Validity.OFF), id="sensor off"),
        pytest.param(line(spo2="---%", exc="000001"), (None, Validity.OFF), id="no sensor"),
        pytest.param(line(spo2="---%", exc="000002"), (None, Validity.OFF), id="defective sensor"),
        pytest.param(line(spo2="---%", exc="000080"), (None, Validity.OFF), id="unrecognized sensor"),
        pytest.param(line(spo2="---%", exc="000808"), (None, Validity.NOT_AVAILABLE), id="pulse search, no number"),
        pytest.param(line(exc="000001"), (None, Validity.OFF), id="no sensor: a number is none"),
        pytest.param(line(spo2="000%"), (None, Validity.INVALID), id="000 is no value"),
        pytest.param(line(spo2="100%"), ("100", Validity.OK), id="the highest saturation"),
        pytest.param(line(spo2="198%"), (None, Validity.INVALID), id="no saturation is above 100"),
        pytest.param(line(spo2="-98%"), (None, Validity.INVALID), id="a dash for a digit"),
        pytest.param(line(spo2="0x8%"), (None, Validity.INVALID), id="no number"),
        pytest.param(line(spo2="000%", exc="000820"), (None, Validity.OFF), id="000 with the sensor off"),
    ],
)
def test_exceptions_make_the_state_of_a_value(reports: Reports, data: bytes, spo2: tuple[str | None, Validity]) -> None:
    assert state(reports, "SPO2", data) == spo2


def test_a_reserved_bit_says_nothing_about_a_value(reports: Reports) -> None:
    assert state(reports, "SPO2", line(exc="200800")) == ("98", Validity.OK)


def test_precision_and_sign_are_the_devices(reports: Reports) -> None:
    data = line(more=" SPCO=01.0% PIDELTA=-02 DESAT=01")
    assert [state(reports, code, data)[0] for code in ("PI", "SPCO", "PIDELTA", "DESAT")] == ["3.60", "1.0", "-2", "1"]


def test_unknown_keys_are_kept_unmapped(decode: Decode) -> None:
    (seen,) = [reading for reading in decode(DRIVER, line(more=" SPXX=12.5")) if reading["vendor_code"] == "SPXX"]
    assert (seen["value"], seen["mdc"], seen["unit"]) == ("12.5", None, None)


def test_words_and_conditions_are_told_on_change(decode: Decode) -> None:
    data = line() * 2 + line(alarm="0012", exc="000824") * 2 + line()
    events = [(reading["vendor_code"], reading["value"]) for reading in decode(DRIVER, data) if reading["kind"] == "event"]
    assert events == [
        ("ALARM", "0000"), ("EXC", "000800"),
        ("ALARM", "0012"), ("EXC", "000824"), ("EXC.004", "on"), ("EXC.020", "on"),
        ("ALARM", "0000"), ("EXC", "000800"), ("EXC.004", "off"), ("EXC.020", "off"),
    ]  # fmt: skip


def test_values_and_events_are_reports_of_their_own(reports: Reports) -> None:
    assert [report.category for report in reports(DRIVER, line() * 2)] == [Category.VITALS, Category.EVENTS, Category.VITALS]


@pytest.mark.parametrize(("sent", "serial"), [("0000056661", "0000056661"), ("----------", "")])
def test_the_serial_number_is_the_devices_identity(reports: Reports, sent: str, serial: str) -> None:
    (report, *_) = reports(DRIVER, line().replace(b"0000056661", sent.encode()))
    assert report.device.serial == serial
    assert "SN" not in {seen.vendor_code for seen in report.observations}


def test_the_clock_is_read_in_the_devices_zone_and_its_offset_kept(reports: Reports) -> None:
    (report, *_) = reports(DRIVER, line(), timezone=ZoneInfo("America/New_York"))
    assert report.device_time == datetime(2016, 2, 23, 3, 47, 45, tzinfo=UTC)
    assert report.clock_offset_s == (report.device_time - report.received_at).total_seconds()


def test_an_impossible_clock_is_a_note(reports: Reports) -> None:
    (report, *_) = reports(DRIVER, line().replace(b"02/22/16", b"00/00/00"))
    assert (report.device_time, report.notes) == (None, ("device clock shows '00/00/00 22:47:45'",))


def test_a_line_without_an_exception_word_says_so(reports: Reports) -> None:
    (values,) = reports(DRIVER, b"11/17/12 06:47:24 SPO2=092% BPM=128\r\n")
    assert [(seen.value, seen.validity) for seen in values.observations] == [("92", Validity.OK), ("128", Validity.OK)]
    assert values.notes == ("device sent no exception word: it says nothing about the values' quality",)


@pytest.mark.parametrize(("sent", "value"), [("240", "240"), ("241", None), ("901", None)])
def test_a_rate_above_the_manuals_range_is_none_and_stays_as_a_note(reports: Reports, sent: str, value: str | None) -> None:
    (values,) = reports(DRIVER, f"11/17/12 06:47:24 SPO2=092% BPM={sent}\r\n".encode())
    rate = values.observations[1]
    assert (rate.value, rate.validity) == (value, Validity.OK if value else Validity.INVALID)
    assert rate.notes == (() if value else (f"device sent '{sent}'",))
