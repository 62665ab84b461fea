"""The simulated oximeters: their bytes through the real codecs and drivers, rates, faults, injected clock."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from protocols.sansio import BadFrame, Codec, Message, Note
from protocols.vendor.masimo import Exc, MasimoCodec, Reading, number
from protocols.vendor.nonin import NoninCodec, Packet, TextLine
from simulators.bedside import masimo, nonin
from simulators.contract import Simulation, Simulator
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
QUIET = Scenario(seed=7, start=START)
ROUGH = Scenario(seed=7, start=START, garble=0.05, drop=0.05, noise=0.05)
UP = 1_000_000.25
"""The host's monotonic clock when the device comes up: large and odd, as after weeks."""


def play(simulation: Simulation, seconds: float, scenario: Scenario = QUIET, **options: str) -> tuple[bytes, int]:
    """What the device sends within `seconds`, woken exactly when it asks; and how often it asked."""
    device: Simulator = simulation.build(scenario, options)
    device.start(UP)
    data, woken = device.data_to_send(), 0
    while (when := device.deadline()) is not None and when < UP + seconds:
        device.on_deadline(when)
        data += device.data_to_send()
        woken += 1
    return data, woken


def packets(data: bytes) -> list[Packet]:
    return [
        event.body for event in NoninCodec().receive(data, 0.0) if isinstance(event, Message) and isinstance(event.body, Packet)
    ]


def readings(data: bytes) -> list[Reading]:
    return [event.body for event in MasimoCodec().receive(data, 0.0) if isinstance(event, Message)]


@pytest.mark.parametrize(("form", "number_of_bits"), [("2", 8), ("7", 16)])
def test_nonin_sends_75_frames_a_second_and_three_packets(form: str, number_of_bits: int) -> None:
    data, woken = play(nonin.SIMULATOR, 10, format=form)
    assert (len(data), woken) == (750 * 5, 750)
    got = packets(data)
    assert len(got) == 30
    assert {packet.format for packet in got} == {int(form)}
    assert max(max(packet.pleth) for packet in got) < 1 << number_of_bits


def test_nonin_shows_the_scenarios_patient() -> None:
    for n, packet in enumerate(packets(play(nonin.SIMULATOR, 5)[0])):
        patient = QUIET.vitals(n / 3)
        assert (packet.saturation("SpO2"), packet.rate("HR"), packet.rate("E-HR-D")) == (
            patient.spo2,
            patient.pulse,
            patient.pulse,
        )


def test_a_nonin_sensor_off_the_patient_gives_no_value_and_the_flags() -> None:
    states = [(packet.saturation("SpO2"), packet.rate("HR")) for packet in packets(play(nonin.SIMULATOR, 3, off="1-2")[0])]
    assert [state == (None, None) for state in states] == [False] * 3 + [True] * 3 + [False] * 3


def test_the_nonin_text_models_print_a_header_and_a_line_a_second() -> None:
    data, _ = play(nonin.SIMULATOR, 4, format="ascii", off="2-3")
    header, *lines = NoninCodec().receive(data, 0.0)
    assert header == Note("header")
    bodies = [event.body for event in lines if isinstance(event, Message)]
    patient = QUIET.vitals(0.0)
    assert bodies[0] == TextLine(f"{patient.spo2:03d}", f"{patient.pulse:03d}")
    assert [body == TextLine(None, None) for body in bodies] == [False, False, True, False]


@pytest.mark.parametrize("model", ["rad5", "rad8", "radical7"])
def test_masimo_sends_a_line_a_second_with_its_own_clock(model: str) -> None:
    data, woken = play(masimo.SIMULATOR, 5, model=model, off="2-3")
    got = readings(data)
    assert (len(got), woken) == (5, 5)
    assert [reading.time for reading in got] == [datetime(2026, 11, 21, 9, 0, second) for second in range(5)]  # noqa: DTZ001 - a device's own clock
    assert [reading.exc for reading in got] == [Exc.MASIMO_SET] * 2 + [Exc.MASIMO_SET | Exc.SENSOR_OFF] + [Exc.MASIMO_SET] * 2
    patient = QUIET.vitals(0.0)
    assert number(got[0].fields["SPO2"]) == (f"{patient.spo2:03d}", "%")
    assert got[0].fields["BPM"] == f"{patient.pulse:03d}"
    assert number(got[2].fields["SPO2"]) == (None, "%")


@pytest.mark.parametrize("model", ["rad5", "rad8", "radical7"])
def test_the_simulated_layouts_are_those_of_the_captures(model: str) -> None:
    keys = {
        "rad5": ["SPO2", "BPM", "PI", "ALARM", "EXC"],
        "rad8": ["SN", "SPO2", "BPM", "PI", "SPCO", "SPMET", "DESAT", "PIDELTA", "ALARM", "EXC"],
        "radical7": [
            "SN", "SPO2", "BPM", "PI", "SPCO", "SPMET", "SPHB", "SPOC", "RESVD", "DESAT", "PIDELTA", "PVI", "ALARM", "EXC", "EXC1",
        ],
    }  # fmt: skip
    assert list(readings(play(masimo.SIMULATOR, 1, model=model)[0])[0].fields) == keys[model]


@pytest.mark.parametrize(
    ("simulation", "options", "codec", "whole"),
    [
        (nonin.SIMULATOR, {"format": "2"}, NoninCodec, 180),
        (nonin.SIMULATOR, {"format": "7"}, NoninCodec, 180),
        (nonin.SIMULATOR, {"format": "ascii"}, NoninCodec, 60),
        (masimo.SIMULATOR, {}, MasimoCodec, 60),
    ],
)
def test_a_rough_line_loses_some_and_the_rest_comes_through(
    simulation: Simulation, options: Mapping[str, str], codec: Callable[[], Codec[object]], whole: int
) -> None:
    data, _ = play(simulation, 60, ROUGH, **options)
    events = codec().receive(data, 0.0)
    got = sum(isinstance(event, Message) for event in events)
    assert 0 < got < whole
    assert any(isinstance(event, BadFrame) for event in events)


@pytest.mark.parametrize("simulation", [nonin.SIMULATOR, masimo.SIMULATOR], ids=["nonin", "masimo"])
def test_a_host_that_slept_gets_the_present_and_not_an_hour_of_the_past(simulation: Simulation) -> None:
    device = simulation.build(QUIET, {})
    device.start(UP)
    device.on_deadline(UP)
    device.data_to_send()
    device.on_deadline(UP + 3600)
    assert 0 < len(device.data_to_send()) < 1000
    when = device.deadline()
    assert when is not None
    assert UP + 3600 < when <= UP + 3601


@pytest.mark.parametrize(
    ("simulation", "options"),
    [(nonin.SIMULATOR, {"format": "8"}), (masimo.SIMULATOR, {"model": "rad9"}), (masimo.SIMULATOR, {"off": "x"})],
)
def test_an_option_it_does_not_know_is_refused(simulation: Simulation, options: Mapping[str, str]) -> None:
    with pytest.raises(ValueError):
        simulation.build(QUIET, options)


@pytest.mark.parametrize("simulation", [nonin.SIMULATOR, masimo.SIMULATOR], ids=["nonin", "masimo"])
def test_it_listens_to_nothing(simulation: Simulation) -> None:
    device = simulation.build(QUIET, {})
    device.start(UP)
    device.data_to_send()
    device.receive(b"\x02\x70\x02\x02\x07\x03", UP)
    assert device.data_to_send() == b""
