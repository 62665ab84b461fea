"""A reading: what the device said, as it said it; what is not known is null and never a number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Category, DeviceIdentity, Given, Kind, Method, Observation, Report, Specimen, Validity
from gateway.readings import Reading, device_label, readings

RECEIVED = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SHOWN = datetime(2026, 11, 21, 8, 58, tzinfo=timezone(timedelta(hours=1)))
MEASURED = datetime(2026, 11, 21, 8, 30, tzinfo=timezone(timedelta(hours=1)))


def spo2(**about: object) -> Observation:
    fields: dict[str, object] = {
        "kind": Kind.NUMERIC,
        "vendor_code": "SPO2",
        "value": "97",
        "refid": "MDC_PULS_OXIM_SAT_O2",
        "unit": "%",
    }
    return Observation(**{**fields, **about})  # type: ignore[arg-type]


def report(*seen: Observation, **about: object) -> Report:
    fields: dict[str, object] = {
        "device": DeviceIdentity(id="4E-044"),
        "driver": "nonin",
        "category": Category.VITALS,
        "received_at": RECEIVED,
    }
    return Report(**{**fields, **about}, observations=seen)  # type: ignore[arg-type]


def only(found: Report, *, received_known: bool = True) -> Reading:
    (reading,) = readings(found, received_known=received_known)
    return reading


def test_a_mapped_value_has_its_codes_side_by_side() -> None:
    seen = only(report(spo2()))
    # 150456 and 59408-5: IHE PCD TF-3's pulse oximetry rows; LOINC's own term for saturation by pulse oximetry
    assert (seen["mdc"], seen["refid"], seen["loinc"], seen["value"], seen["unit"]) == (
        150456,
        "MDC_PULS_OXIM_SAT_O2",
        "59408-5",
        "97",
        "%",
    )


def test_what_nobody_mapped_is_kept_with_the_devices_own_words() -> None:
    seen = only(report(spo2(refid=None, unit=None, vendor_code="ZZ", vendor_unit="furlong", vendor_text="a thing")))
    assert (seen["mdc"], seen["refid"], seen["loinc"], seen["unit"]) == (None, None, None, None)
    assert (seen["vendor_code"], seen["vendor_unit"], seen["vendor_text"], seen["value"]) == ("ZZ", "furlong", "a thing", "97")


def test_a_term_in_a_unit_that_no_loinc_fits_has_none() -> None:
    assert only(report(spo2(unit="mm[Hg]")))["loinc"] is None


def test_a_loinc_of_the_observations_own_is_left_alone() -> None:
    assert only(report(spo2(refid=None, loinc="718-7")))["loinc"] == "718-7"


def test_no_value_is_null_and_says_why() -> None:
    seen = only(report(spo2(value=None, validity=Validity.OFF, status="X", flags=("L",))))
    assert (seen["value"], seen["status"], seen["flags"]) == (None, "X", ["L", "OFF"])


def test_a_good_value_has_no_flag_for_being_good() -> None:
    assert only(report(spo2()))["flags"] == []


@pytest.mark.parametrize(
    ("own", "device", "known", "time"),
    [
        (MEASURED, SHOWN, True, "2026-11-21T08:30:00+01:00"),
        (None, SHOWN, True, "2026-11-21T08:58:00+01:00"),
        (None, None, True, "2026-11-21T08:00:00+00:00"),
        (None, None, False, None),
        (None, SHOWN, False, "2026-11-21T08:58:00+01:00"),
    ],
    ids=["its own", "the device's", "the receive time", "none is known", "the device's, receive time unknown"],
)
def test_the_nearest_known_time_counts_in_the_offset_it_was_told_in(
    own: datetime | None, device: datetime | None, known: bool, time: str | None
) -> None:
    assert only(report(spo2(time=own), device_time=device), received_known=known)["time"] == time


def test_what_the_device_said_of_patient_specimen_and_control() -> None:
    seen = only(
        report(
            spo2(method=Method.MANUAL_SET, sub_id="2", operator="op1", notes=("b",), range="90-100", comparator=">"),
            given=Given(patient_id="SYN-1"), specimen=Specimen(id="S1"), category=Category.QC, notes=("a",),
        )
    )  # fmt: skip
    assert (seen["patient_id"], seen["specimen_id"], seen["qc"]) == ("SYN-1", "S1", True)
    assert (seen["method"], seen["sub_id"], seen["operator"], seen["notes"]) == ("MSET", "2", "op1", ["a", "b"])
    assert (seen["range"], seen["comparator"]) == ("90-100", ">")


def test_nothing_said_is_null() -> None:
    seen = only(report(spo2(), specimen=Specimen()))
    assert (seen["patient_id"], seen["specimen_id"], seen["qc"]) == (None, None, False)


@pytest.mark.parametrize(
    ("device", "label"),
    [
        (DeviceIdentity(id="4E-044"), "4E-044"),
        (DeviceIdentity(id="LAB-02", model="XN-550", serial="12345"), "LAB-02 XN-550 12345"),
        (DeviceIdentity(id="LAB-02", serial="12345", maker="Sysmex"), "LAB-02 12345"),
    ],
)
def test_a_device_in_one_word(device: DeviceIdentity, label: str) -> None:
    assert device_label(device) == label
    assert only(report(spo2(), device=device))["device"] == label


def test_every_observation_is_a_reading_in_order() -> None:
    assert [one["value"] for one in readings(report(spo2(value="1"), spo2(value=None), spo2(value="3")))] == ["1", None, "3"]


@settings(max_examples=100, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda number: f"{Decimal(number):f}"))
def test_a_value_keeps_every_digit(text: str) -> None:
    assert only(report(spo2(value=text)))["value"] == text
