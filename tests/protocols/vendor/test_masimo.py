"""The Masimo codec: lines of real devices, damage, any split, noise."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.sansio import BadFrame, Event, Incomplete, Message
from protocols.vendor.masimo import DateOrder, Exc, MasimoCodec, Reading, number

CAPTURES = Path(__file__).parents[2] / "captures" / "masimo"
RAD8 = (CAPTURES / "rad8-sensor-off" / "wire.bin").read_bytes()
RADICAL7 = (CAPTURES / "radical7-low-siq" / "wire.bin").read_bytes()
RAD5 = (CAPTURES / "rad5-example" / "wire.bin").read_bytes()


def events_of(*reads: bytes) -> list[Event[Reading]]:
    codec = MasimoCodec()
    codec.start(0.0)
    events = [event for data in reads for event in codec.receive(data, 0.0)]
    return [*events, *codec.end(0.0)]


def readings(*reads: bytes) -> list[Reading]:
    return [event.body for event in events_of(*reads) if isinstance(event, Message)]


def bad(*reads: bytes) -> list[BadFrame]:
    return [event for event in events_of(*reads) if isinstance(event, BadFrame)]


def test_a_rad8_line_by_its_keys() -> None:
    (reading,) = readings(RAD8)
    assert reading.time == datetime(2021, 5, 20, 14, 6, 2)  # noqa: DTZ001 - a device's own clock
    assert dict(reading.fields) == {
        "SN": "0000182948", "SPO2": "098%", "BPM": "101", "PI": "--.--%", "SPCO": "--.-%", "SPMET": "--.-%", "DESAT": "--",
        "PIDELTA": "+--", "ALARM": "0010", "EXC": "000824",
    }  # fmt: skip
    assert reading.serial == "0000182948"
    assert reading.exc == Exc.MASIMO_SET | Exc.SENSOR_OFF | Exc.LOW_PERFUSION
    assert reading.words == ()


def test_layouts_differ_and_are_read_by_key() -> None:
    rad5, radical7 = readings(RAD5 + RADICAL7)
    assert (rad5.serial, rad5.fields["EXC"], rad5.exc) == ("", "800", Exc.MASIMO_SET)
    assert (radical7.serial, radical7.fields["EXC1"], radical7.exc) == ("", "00000000", Exc.MASIMO_SET | Exc.LOW_SIGNAL_IQ)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("098%", ("098", "%")),
        ("097", ("097", "")),
        ("--.-%", (None, "%")),
        ("+--", (None, "")),
        ("-02", ("-02", "")),
        (" 02", (" 02", "")),
        ("", (None, "")),
        ("---", (None, "")),
    ],
)
def test_dashes_are_no_value(text: str, value: tuple[str | None, str]) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("data", "reasons", "count"),
    [
        pytest.param(RAD8[40:] + RAD8, ["no date"], 1, id="joined in the middle of a line"),
        pytest.param(RAD8[:60] + RAD8, ["partial line"], 1, id="a lost line end: two lines glued"),
        pytest.param(RAD8[:60] + b"\r\n" + RAD8, ["partial line"], 1, id="a line that does not reach EXC"),
        pytest.param(RAD8[:-12] + RAD8, ["partial line"], 1, id="two lines glued, no blank before the date"),
        pytest.param(RAD8.rstrip() + RAD8, ["partial line"], 1, id="two lines glued, digits before the date"),
        pytest.param(b"\x00\x00" + RAD8 + b"\x00\x00\r\n", [], 1, id="NULs, as a Radical-7 sends in front of its lines"),
        pytest.param(RAD8.replace(b"EXC=000824", b"EXC=0008Z4") + RAD8, ["damaged line"], 1, id="EXC that is no word"),
        pytest.param(RAD8.replace(b"098%", b"0\xff8%") + RAD8, ["damaged line"], 1, id="a byte no device sends"),
        pytest.param(RAD8.replace(b"=098%", b"=09%") + RAD8, ["damaged line"], 1, id="a lost digit: 09 is not 9"),
        pytest.param(RAD8.replace(b"BPM=101", b"BPM=11") + RAD8, ["damaged line"], 1, id="a lost digit: 101 is not 11"),
        pytest.param(RAD8.rstrip() + b" 0520/21" + RAD8[17:] + RAD8, ["damaged line"], 1, id="glued, and the date lost a byte"),
        pytest.param(b"~~~" + RAD8, ["partial line"], 1, id="noise in front"),
        pytest.param(b"\x00" * 600 + b"\n" + RAD8, ["too long", "too long"], 1, id="over-long"),
        pytest.param(b"\r\n\r\n" + RAD8 + b"\r\n", [], 1, id="empty lines"),
        pytest.param(b"MASIMO RAD-8\r\n" + RAD8, ["no date"], 1, id="a line of words"),
    ],
)
def test_damage_costs_the_damaged_line_only(data: bytes, reasons: list[str], count: int) -> None:
    assert [event.reason for event in bad(data)] == reasons
    assert readings(data) == readings(RAD8) * count


def test_a_lost_byte_never_changes_spo2_pulse_or_pi() -> None:
    line = (CAPTURES / "rad8-steady" / "wire.bin").read_bytes().splitlines(keepends=True)[0]
    for at in range(len(line)):
        for reading in readings(line[:at] + line[at + 1 :]):
            for key, whole in (("SPO2", "098"), ("BPM", "097"), ("PI", "03.60")):
                assert number(reading.fields.get(key, ""))[0] in {whole, None}, line[:at]


def test_a_firmware_without_leading_zeros_is_read() -> None:
    (reading,) = readings(b"05/20/21 14:06:02 SPO2=98% BPM=101 PI=3.6% ALARM=0000 EXC=000800\r\n")
    assert [number(reading.fields[key])[0] for key in ("SPO2", "BPM", "PI")] == ["98", "101", "3.6"]


PLAIN = b"11/17/12 06:47:24 SPO2=092% BPM=128\r\n"


@pytest.mark.parametrize(
    ("data", "count"),
    [
        pytest.param(PLAIN * 2, 2, id="a layout without EXC"),
        pytest.param(PLAIN.replace(b"092", b"---"), 1, id="no value is a value's width too"),
        pytest.param(RAD5 + PLAIN, 1, id="the device sends EXC: this line lost its tail"),
        pytest.param(PLAIN.replace(b"SPO2", b"SN=0000056661 SPO2"), 0, id="SN comes with EXC only"),
        pytest.param(PLAIN.replace(b"128", b"12"), 0, id="a digit short"),
        pytest.param(PLAIN.replace(b" BPM=128", b""), 0, id="no rate"),
        pytest.param(PLAIN.replace(b"BPM", b"BPM=99 XX BPM"), 0, id="a key twice"),
        pytest.param(PLAIN.rstrip(), 0, id="and no line end: it may be cut"),
    ],
)
def test_a_line_without_exc_counts_only_where_none_is_missing(data: bytes, count: int) -> None:
    assert len(readings(data)) == count


def test_a_new_connection_may_be_another_device() -> None:
    codec = MasimoCodec()
    codec.receive(RAD5, 0.0)
    codec.start(1.0)
    (event,) = codec.receive(PLAIN, 2.0)
    assert isinstance(event, Message)
    assert event.body.exc == Exc(0)


def test_offsets_say_where_the_damage_is() -> None:
    (event,) = bad(RAD8 + b"~~~" + RAD8)
    assert (event.offset, event.size, event.raw) == (len(RAD8), 3, b"~~~")


@pytest.mark.parametrize("shown", [b"05/20/2021 14:06:02", b"05/20/21  14:06:02"], ids=["four digits of year", "two blanks"])
def test_the_clock_may_be_written_otherwise(shown: bytes) -> None:
    (reading,) = readings(RAD8.replace(b"05/20/21 14:06:02", shown))
    assert reading.time == datetime(2021, 5, 20, 14, 6, 2)  # noqa: DTZ001 - a device's own clock
    assert reading.fields == readings(RAD8)[0].fields


@pytest.mark.parametrize(
    ("order", "shown", "expected"),
    [
        ("mdy", b"03/04/16", datetime(2016, 3, 4, 14, 6, 2)),  # noqa: DTZ001 - a device's own clock
        ("dmy", b"03/04/16", datetime(2016, 4, 3, 14, 6, 2)),  # noqa: DTZ001 - a device's own clock
        ("dmy", b"17/03/2016", datetime(2016, 3, 17, 14, 6, 2)),  # noqa: DTZ001 - a device's own clock
        ("mdy", b"17/03/16", None),
        ("dmy", b"03/17/16", None),
    ],
)
def test_which_of_day_and_month_is_first_is_told_never_guessed(order: DateOrder, shown: bytes, expected: datetime | None) -> None:
    codec = MasimoCodec(order)
    (event,) = codec.receive(RAD8.replace(b"05/20/21", shown), 0.0)
    assert isinstance(event, Message)
    assert event.body.time == expected


def test_an_impossible_clock_is_kept_as_text() -> None:
    (reading,) = readings(RAD8.replace(b"05/20/21", b"00/00/00"))
    assert (reading.time, reading.clock) == (None, "00/00/00 14:06:02")


def test_words_that_are_no_field_are_kept() -> None:
    (reading,) = readings(RAD8.replace(b"DESAT", b"? DESAT"))
    assert reading.words == ("?",)


@pytest.mark.parametrize("line", [RAD8, RADICAL7, RAD5], ids=["rad8", "radical7", "rad5"])
def test_a_last_line_counts_without_its_end_only_when_it_is_whole(line: bytes) -> None:
    whole = line.rstrip()
    assert readings(whole) == readings(line)
    for size in range(20, len(whole)):
        (event,) = events_of(whole[:size])
        assert isinstance(event, Incomplete), whole[:size]


def test_a_new_connection_forgets_half_a_line() -> None:
    codec = MasimoCodec()
    assert codec.receive(RAD8[:50], 0.0) == []
    codec.start(5.0)
    (event,) = codec.receive(RAD8, 6.0)
    assert isinstance(event, Message)
    assert event.at == 6.0


PIECES = st.lists(
    st.binary(max_size=30)
    | st.sampled_from([RAD8, RADICAL7, RAD5, RAD8[:70], RAD5[30:], b"\r\n", b"05/20/21 14:06:02 ", b"EXC=000800\n"]),
    max_size=8,
).map(b"".join)


@settings(deadline=None, max_examples=150)
@given(PIECES, st.lists(st.integers(0, 1200), max_size=8))
def test_any_split_gives_the_same_events(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert events_of(*(data[a:b] for a, b in pairwise(edges))) == events_of(data) == events_of(*(bytes([byte]) for byte in data))


@settings(deadline=None, max_examples=150)
@given(PIECES)
def test_no_noise_hides_the_line_behind_it(noise: bytes) -> None:
    assert readings(noise + b"\r\n" + RAD8)[-1:] == readings(RAD8)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=1500) | st.text("0123456789/: =%-+SPO2BEXCALRM\r\n", max_size=1500).map(str.encode))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    events_of(data)
