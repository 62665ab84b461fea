"""What acquisition remembers of a device is bounded, and what it makes of a configured one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.acquire.links.listen import ListenLink
from gateway.acquire.links.serial import SerialLink
from gateway.acquire.station import station
from gateway.acquire.status import REASONS_MAX, SHAPES_KEPT, VALUES_MAX, DeviceStatus
from gateway.acquire.thinning import Thinning
from gateway.config import DeviceConfig
from gateway.errors import ConfigError
from gateway.model import Category, DeviceIdentity, Kind, Observation, Report
from gateway.thinning import INTERVAL, SHAPES_MAX, TRENDS, WAVEFORMS, Policy

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def report(
    *codes: str,
    at_s: float = 0,
    value: str = "1",
    kind: Kind = Kind.NUMERIC,
    category: Category = Category.VITALS,
    episodic: bool = False,
) -> Report:
    seen = tuple(Observation(kind=kind, vendor_code=code, value=value) for code in codes)
    at = NOW + timedelta(seconds=at_s)
    device = DeviceIdentity(id="BED-1")
    return Report(device=device, driver="fake", category=category, received_at=at, observations=seen, episodic=episodic)


def test_values_are_the_latest_whatever_shape_of_report_they_came_in() -> None:
    status = DeviceStatus("BED-1", "fake", "memory", NOW)
    status.kept([report("a", "b", value="1"), report("a", value="2", at_s=1), report("a", "b", value="3", at_s=2)])
    assert {code: (last.value, last.time) for code, last in status.values.items()} == {
        "a": ("3", NOW + timedelta(seconds=2)),
        "b": ("3", NOW + timedelta(seconds=2)),
    }
    status.kept([report("a", value="4", at_s=3)])
    assert (status.values["a"].value, status.values["b"].value) == ("4", "3")


def test_reports_of_ever_new_shapes_are_not_hoarded() -> None:
    status = DeviceStatus("BED-1", "fake", "memory", NOW)
    status.kept([report(f"c{n}") for n in range(100)])
    status.kept([report("c0", "c1", value="2")])
    assert len(status._latest) <= SHAPES_KEPT
    assert (status.values["c0"].value, status.values["c99"].value) == ("2", "1")


def test_last_values_counts_and_texts_of_a_hostile_device_are_bounded() -> None:
    status = DeviceStatus("BED-1", "fake", "memory", NOW)
    status.kept([report(*(f"c{n}" for n in range(VALUES_MAX + 50)))])
    status.kept([report("c0", value="2" * 100_000), report("wave", value="1 2 3", kind=Kind.WAVEFORM)])
    assert len(status.values) == VALUES_MAX
    assert status.values["c0"].value == "2" * 80 + "…"
    assert "wave" not in status.values
    for n in range(REASONS_MAX + 10):
        status.count(f"bad: {n}")
    status.count("bad: 0")
    assert (len(status.counts), status.counts["other"], status.counts["bad: 0"]) == (REASONS_MAX + 1, 10, 2)


def thinned(thinning: Thinning, *reports: Report) -> list[bool]:
    return [thinning.sort([one]).wanted == [one] for one in reports]


@pytest.mark.parametrize(
    ("reports", "kept"),
    [
        ((report("X"), report("X", at_s=9), report("X", at_s=10), report("X", at_s=19.9)), [True, False, True, False]),
        ((report("X"), report("Y"), report("X", at_s=1), report("Y", at_s=1)), [True, True, False, False]),
        (
            (report("X"), report("X", episodic=True), report("X", category=Category.EVENTS), report("X", category=Category.LAB)),
            [True] * 4,
        ),
        ((report("X"), report(), report()), [True] * 3),
        ((report("X"), report("X", at_s=-100)), [True, True]),
    ],
    ids=[
        "by interval",
        "settings apart from measurements",
        "only continuous vitals",
        "never an empty report",
        "a clock set back",
    ],
)
def test_thinning(reports: tuple[Report, ...], kept: list[bool]) -> None:
    assert thinned(Thinning(10), *reports) == kept
    assert thinned(Thinning(0), *reports) == [True] * len(reports)


WAVE = report("PLETH", kind=Kind.WAVEFORM, category=Category.WAVEFORMS)
STRIP = report("ECG", kind=Kind.WAVEFORM, category=Category.WAVEFORMS, episodic=True)


@pytest.mark.parametrize(
    ("policy", "reports", "dropped"),
    [
        (Policy(), (report("X"), report("X", at_s=1), WAVE), {"interval": 1}),
        (Policy(waveforms=True), (report("X"), WAVE, STRIP, WAVE), {"waveforms": 2}),
        (Policy(waveforms=True, trend_interval_s=60), (report("X"), *(report("X", at_s=at) for at in (1, 20, 59, 61, 70))),
         {"interval": 2, "trends": 2}),
        (Policy(waveforms=True, trend_interval_s=60), tuple(report("X", at_s=n, kind=Kind.EVENT) for n in range(3)), {}),
        (Policy(waveforms=True, trend_interval_s=60), tuple(report("X", at_s=n, episodic=True) for n in range(3)), {}),
        (Policy(waveforms=True, trend_interval_s=60), tuple(report("X", at_s=n, category=Category.LAB) for n in range(3)), {}),
        (Policy(waveforms=True, trend_interval_s=60), (report("X"), report("Y", at_s=20), report("Y", at_s=40)), {"trends": 1}),
    ],
    ids=[
        "without want of room only the device's own interval counts, here 10 s",
        "waveforms go first, a strip taken on request does not",
        "each drop under the name of what asked for it",
        "nothing that is all events",
        "no spot check",
        "no result of a laboratory",
        "each kind of report for itself",
    ],
)  # fmt: skip
def test_what_a_filling_disk_drops(policy: Policy, reports: tuple[Report, ...], dropped: dict[str, int]) -> None:
    names = {INTERVAL: "interval", TRENDS: "trends", WAVEFORMS: "waveforms"}
    thinning, found = Thinning(10), Counter[str]()
    for one in reports:
        wanted, gone = thinning.sort([one], policy)
        assert len(wanted) + gone.total() == 1
        found.update({names[why]: n for (category, why), n in gone.items() if category is one.category})
    assert found == dropped


def test_thinning_of_a_device_with_ever_new_codes_is_bounded() -> None:
    thinning = Thinning(10)
    assert all(thinned(thinning, *(report(f"c{n}") for n in range(1000))))
    assert len(thinning._kept) == SHAPES_MAX


def test_a_configured_device_becomes_a_station_with_its_drivers_line() -> None:
    device = DeviceConfig(
        id="BED-1", driver="pb840", link="serial:///dev/ttyUSB0", interval_s=60, location={"point_of_care": "4E"}, options={"interval_s": 5}
    )  # fmt: skip
    found = station(device, ZoneInfo("Europe/Berlin"))
    assert isinstance(found.link, SerialLink)
    assert found.link.describe() == "/dev/ttyUSB0 9600 8N1 rtscts"
    assert (found.identity.id, found.interval_s, str(found.timezone)) == ("BED-1", 60, "Europe/Berlin")
    assert found.location is not None
    assert found.location.point_of_care == "4E"
    lab = station(DeviceConfig(id="L", driver="astm", profile="sysmex-xn", link="tcp-listen://0.0.0.0:12001"), UTC)
    assert isinstance(lab.link, ListenLink)
    assert lab.profile == "sysmex-xn"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"driver": "pb84"}, "did you mean 'pb840'"),
        ({"profile": "sysmex-xn"}, "the driver pb840 has no profiles"),
        ({"link": "serial:/dev/ttyUSB0"}, "expected one of serial://"),
        ({"options": {"intervall_s": 1}}, "did you mean 'interval_s'"),
    ],
)
def test_a_wrong_device_is_a_config_error(more: dict[str, object], said: str) -> None:
    good: dict[str, object] = {"id": "BED-1", "driver": "pb840", "link": "serial:///dev/ttyUSB0"}
    with pytest.raises(ConfigError, match=said):
        station(DeviceConfig.model_validate({**good, **more}), UTC)


SITE = {"id": "L", "driver": "astm", "profile": "generic", "link": "tcp-listen://0.0.0.0:12001"}


def test_a_zone_that_the_site_and_the_profile_name_differently_is_no_configuration() -> None:
    same = {**SITE, "timezone": "UTC", "options": {"timezone": "UTC"}}
    assert station(DeviceConfig.model_validate(same), UTC).options.zone == ZoneInfo("UTC")
    with pytest.raises(ConfigError, match="has its times in UTC at every site; leave timezone out"):
        station(DeviceConfig.model_validate({**same, "timezone": "Europe/Berlin"}), ZoneInfo("Europe/Berlin"))
