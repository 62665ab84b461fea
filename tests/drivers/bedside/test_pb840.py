"""The PB840 driver: settings apart from measurements, blanks as no value, alarms as events when they change."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from drivers.bedside.pb840 import DRIVER, TREE, Pb840Options
from gateway.driver import Context
from gateway.model import Category, DeviceIdentity, Method, Report, Validity
from protocols.sansio import Message
from protocols.vendor.pb840 import Reply

WIRE = (Path(__file__).parents[2] / "captures" / "pb840" / "miscf-840" / "wire.bin").read_bytes()
NOW = datetime(2011, 11, 22, 14, 51, 30, tzinfo=UTC)


def context() -> Context[Pb840Options]:
    return DRIVER.context(DeviceIdentity(id="V-1"), DRIVER.options(), wall=lambda _: NOW)


def reports(ctx: Context[Pb840Options], wire: bytes = WIRE) -> list[Report]:
    codec = DRIVER.codec(DRIVER.options())
    codec.start(0.0)
    messages = [event for event in codec.receive(wire, 0.0) if isinstance(event, Message)]
    return [report for message in messages for report in DRIVER.interpret(message, ctx)]


def altered(number: int, text: str) -> bytes:
    start = WIRE.index(b"\x02") + 1
    parts = WIRE[start : WIRE.index(b"\x03")].split(b",")
    parts[number - 5] = text.encode().ljust(len(parts[number - 5]))
    return WIRE[:start] + b",".join(parts) + b"\x03\r"


def test_settings_and_measurements_are_told_apart() -> None:
    (vitals, _events) = reports(context())
    method = {seen.vendor_code: seen.method for seen in vitals.observations}
    assert (method["F13"], method["F70"]) == (Method.MANUAL_SET, Method.AUTO_MEASURED)


def test_the_ventilator_names_itself_and_its_clock_is_measured() -> None:
    (vitals, _events) = reports(context())
    assert (vitals.device.model, vitals.device.serial) == ("Puritan Bennett 840", "3510053249")
    assert vitals.clock_offset_s == -30.0


def test_what_the_configuration_says_of_the_ventilator_stands() -> None:
    labelled = context()
    labelled.device = replace(labelled.device, model="PB 840", serial="LABEL-7")
    (vitals, _events) = reports(labelled)
    assert (vitals.device.model, vitals.device.serial) == ("PB 840", "LABEL-7")


def test_a_blank_measurement_is_no_value_and_never_a_number() -> None:
    (vitals, _events) = reports(context())
    by_code = {seen.vendor_code: seen for seen in vitals.observations}
    assert (by_code["F78"].value, by_code["F78"].validity) == (None, Validity.NOT_AVAILABLE)


@pytest.mark.parametrize("shown", ["", "----", "--.-", "****"])
def test_dashes_and_stars_are_blanks(shown: str) -> None:
    by_code = {seen.vendor_code: seen for seen in reports(context(), altered(73, shown))[0].observations}
    assert (by_code["F73"].value, by_code["F73"].validity, by_code["F73"].notes) == (None, Validity.NOT_AVAILABLE, ())


def test_a_setting_that_is_off_is_off() -> None:
    vitals = reports(context(), altered(42, "OFF"))[0]
    by_code = {seen.vendor_code: seen for seen in vitals.observations}
    assert (by_code["F42"].value, by_code["F42"].validity) == (None, Validity.OFF)
    assert by_code["F70"].range == ""


def test_an_alarm_is_told_when_it_changes_and_not_again() -> None:
    ctx = context()
    told = []
    for state in ("NORMAL", "HIGH", "HIGH", "RESET", "NORMAL"):
        found = reports(ctx, altered(110, state))
        told.append([(s.vendor_code, s.value) for r in found if r.category is Category.EVENTS for s in r.observations])
    assert told == [[("F118", "RESET")], [("F110", "HIGH")], [], [("F110", "RESET")], [("F110", "NORMAL")]]


def test_alarm_silence_going_off_is_told_as_it_is_written() -> None:
    ctx = context()
    assert reports(ctx, altered(105, "ON"))[1].observations[0].value == "ON"
    assert reports(ctx, altered(105, "OFF"))[1].observations[0].value == "OFF"


def test_a_time_that_is_none_leaves_the_report_without_a_device_time() -> None:
    vitals = reports(context(), altered(7, "XXX 99 2011"))[0]
    assert vitals.device_time is None


def test_a_reply_of_a_name_nobody_knows_is_kept_with_its_bytes() -> None:
    message = Message(Reply("MISCX", ("1",)), b"raw", 0.0)
    (report,) = DRIVER.interpret(message, context())
    assert (report.observations, report.raw) == ((), b"raw")


def test_a_part_of_a_ratio_is_a_number_without_dimension() -> None:
    by_code = {code: metric for code, (metric, _place) in TREE.metrics.items()}
    parts = ["F29", "F30", "F48", "F49", "F75", "A41", "A96", "A97", "A98", "A99"]
    assert {(by_code[code].unit, by_code[code].vendor_unit) for code in parts} == {("1", "")}


def test_a_field_the_manual_calls_reserved_is_kept_under_its_number() -> None:
    (vitals, _events) = reports(context(), altered(163, "0.400"))
    seen = vitals.observations[-1]
    assert (seen.vendor_code, seen.value, seen.mapped) == ("F163", "0.400", False)


def test_measured_peep_is_apart_from_the_set_one() -> None:
    terms = {seen.vendor_code: seen.refid for seen in reports(context())[0].observations}
    assert (terms["F87"], terms["F18"]) == (
        "MDC_PRESS_AWAY_END_EXP_POS",
        "MDC_VENT_PRESS_AWAY_END_EXP_POS_SETTING",
    )


def test_every_field_of_the_tables_has_a_place() -> None:
    assert len({place for _metric, place in TREE.metrics.values()}) == len(TREE.metrics) == 151 + 62
