"""The Nonin driver: what its flags make of a value, events on change, options, the clock of a text line."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from drivers.bedside.nonin import DRIVER, NoninOptions
from gateway import terms
from gateway.model import Category, DeviceIdentity, Report, Validity
from protocols.sansio import Message
from protocols.vendor.nonin import Body, TextLine

Reports = Callable[..., list[Report]]
Decode = Callable[..., list[Mapping[str, Any]]]


def packet(*, status: int = 0x80, spo2: int = 98, high: int = 0, low: int = 72, stat2: int = 0, pleth: int = 300) -> bytes:
    """A format 7 packet by the frame table."""
    floats = {1: high, 2: low, 3: spo2, 4: 48, 8: stat2}
    out = b""
    for frame in range(1, 26):
        body = bytes([status | (frame == 1), *divmod(pleth, 256), floats.get(frame, 0)])
        out += body + bytes([sum(body) % 256])
    return out


def first(reports: Reports, data: bytes) -> dict[str, tuple[str | None, Validity]]:
    return {seen.vendor_code: (seen.value, seen.validity) for seen in reports(DRIVER, data)[0].observations}


@pytest.mark.parametrize(
    ("data", "spo2", "rate"),
    [
        pytest.param(packet(), ("98", Validity.OK), ("72", Validity.OK), id="good"),
        pytest.param(packet(high=1, low=2), ("98", Validity.OK), ("130", Validity.OK), id="a rate above 127"),
        pytest.param(packet(high=2, low=0x41), ("98", Validity.OK), ("321", Validity.OK), id="a rate above 255"),
        pytest.param(packet(status=0xA0), ("98", Validity.QUESTIONABLE), ("72", Validity.QUESTIONABLE), id="artifact"),
        pytest.param(packet(status=0x90), ("98", Validity.QUESTIONABLE), ("72", Validity.QUESTIONABLE), id="out of track"),
        pytest.param(packet(status=0x88), ("98", Validity.QUESTIONABLE), ("72", Validity.QUESTIONABLE), id="sensor alarm"),
        pytest.param(
            packet(status=0x98, spo2=127, high=3, low=127), (None, Validity.OFF), (None, Validity.OFF), id="finger removed"
        ),
        pytest.param(
            packet(status=0x90, spo2=127, high=3, low=127),
            (None, Validity.NOT_AVAILABLE),
            (None, Validity.NOT_AVAILABLE),
            id="no value yet",
        ),
        pytest.param(packet(status=0xC0), (None, Validity.OFF), (None, Validity.OFF), id="disconnected: a number is none"),
        pytest.param(packet(spo2=101), (None, Validity.INVALID), ("72", Validity.OK), id="no saturation is above 100"),
        pytest.param(packet(low=0), ("98", Validity.OK), (None, Validity.INVALID), id="no pulse rate is 0"),
        pytest.param(packet(low=17), ("98", Validity.OK), (None, Validity.INVALID), id="rates begin at 18"),
        pytest.param(packet(high=2, low=0x42), ("98", Validity.OK), (None, Validity.INVALID), id="rates end at 321"),
        pytest.param(packet(spo2=0), ("0", Validity.OK), ("72", Validity.OK), id="saturations begin at 0"),
        pytest.param(
            packet(spo2=0, low=0), (None, Validity.INVALID), (None, Validity.INVALID), id="no pulse, no saturation of 0"
        ),
        pytest.param(
            packet(spo2=0, high=3, low=0x7F),
            (None, Validity.INVALID),
            (None, Validity.NOT_AVAILABLE),
            id="rate missing, saturation 0",
        ),
        pytest.param(b"SPO2=098 HR=000\r\n", ("98", Validity.OK), (None, Validity.INVALID), id="text: no pulse rate is 0"),
        pytest.param(b"SPO2=000 HR=000\r\n", (None, Validity.INVALID), (None, Validity.INVALID), id="text: all zero"),
        pytest.param(b"SPO2=000 HR=072\r\n", ("0", Validity.OK), ("72", Validity.OK), id="text: saturations begin at 0"),
        pytest.param(b"SPO2=--- HR=---\r\n", (None, Validity.NOT_AVAILABLE), (None, Validity.NOT_AVAILABLE), id="text: dashes"),
    ],
)
def test_flags_make_the_state_of_a_value(
    reports: Reports, data: bytes, spo2: tuple[str | None, Validity], rate: tuple[str | None, Validity]
) -> None:
    seen = first(reports, data)
    assert (seen["SpO2"], seen["HR"]) == (spo2, rate)


def test_a_refused_number_stays_as_a_note(reports: Reports) -> None:
    (seen, *_) = reports(DRIVER, packet(status=0xC0))[0].observations
    assert seen.notes == ("device sent 98",)


def test_only_the_averages_for_recording_carry_terms(reports: Reports) -> None:
    seen = reports(DRIVER, packet())[0].observations
    assert {o.vendor_code: o.refid for o in seen if o.mapped} == {"SpO2": "MDC_PULS_OXIM_SAT_O2", "HR": "MDC_PULS_OXIM_PULS_RATE"}
    assert {o.unit for o in seen} == {"%", "/min"}


def test_states_are_told_when_they_turn_and_not_while_they_last(decode: Decode) -> None:
    data = packet() * 2 + packet(status=0x90, stat2=1) * 3 + packet(stat2=1) + packet()
    events = [(reading["vendor_code"], reading["value"]) for reading in decode(DRIVER, data) if reading["kind"] == "event"]
    assert events == [("OOT", "on"), ("BATT", "on"), ("OOT", "off"), ("BATT", "off")]


def test_a_low_battery_has_its_term(decode: Decode) -> None:
    (event,) = [reading for reading in decode(DRIVER, packet(stat2=1)) if reading["kind"] == "event"]
    assert (event["mdc"], event["refid"]) == (196802, "MDC_EVT_BATT_LO")


def test_the_plethysmogram_comes_only_when_it_is_wanted(reports: Reports) -> None:
    assert {report.category for report in reports(DRIVER, packet())} == {Category.VITALS}
    (vitals, waves) = reports(DRIVER, packet(pleth=0x1234), waveform=True)
    assert (vitals.category, waves.category) == (Category.VITALS, Category.WAVEFORMS)
    (wave,) = waves.observations
    assert (wave.value, wave.period_ms) == (" ".join(["4660"] * 25), "13.3333")
    assert wave.refid is not None
    assert terms.require(wave.refid).code == 150452


def test_the_firmware_revision_names_the_device(reports: Reports) -> None:
    assert reports(DRIVER, packet())[0].device.firmware == "48"


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        pytest.param("23:59:10", datetime(2026, 11, 21, 23, 59, 10, tzinfo=UTC), id="same day"),
        pytest.param("00:00:10", datetime(2026, 11, 22, 0, 0, 10, tzinfo=UTC), id="its midnight has passed, ours has not"),
        pytest.param("13:00:00", datetime(2026, 11, 21, 13, 0, 0, tzinfo=UTC), id="half a day slow"),
    ],
)
def test_a_clock_without_a_date_is_the_nearest_one(reports: Reports, clock: str, expected: datetime) -> None:
    (report,) = reports(DRIVER, f"{clock} SPO2=098 HR=072\r\n".encode())
    assert report.device_time == expected
    assert report.clock_offset_s == (expected - report.received_at).total_seconds()


def test_a_clock_without_a_date_is_a_note_where_no_day_is_known() -> None:
    """Neither a gateway clock that was never set nor a bare file may make 1969 of it."""
    context = DRIVER.context(DeviceIdentity(id="4E-044"), DRIVER.options(), wall=lambda _: datetime(1970, 1, 1, tzinfo=UTC))
    message: Message[Body] = Message(TextLine("098", "072", time="14:05:59"), b"", 0.0)
    (report,) = DRIVER.interpret(message, context)
    assert (report.device_time, report.notes) == (None, ("device clock shows '14:05:59'",))


def test_a_clock_is_read_in_the_devices_zone(reports: Reports) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    (report,) = reports(DRIVER, b"00:59:30 SPO2=098 HR=072\r\n", timezone=berlin)
    assert (report.device_time, report.clock_offset_s) == (datetime(2026, 11, 22, 0, 59, 30, tzinfo=berlin), 0.0)


@pytest.mark.parametrize("given", ["7", 7])
def test_the_format_may_be_written_as_a_number(given: object) -> None:
    assert NoninOptions.model_validate({"format": given}).format == "7"


@pytest.mark.parametrize("given", [{"format": "8"}, {"formt": "2"}])
def test_wrong_options_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        NoninOptions.model_validate(given)
