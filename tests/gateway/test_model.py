"""Numbers keep the device's digits, a report survives the journal, ids never meet."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import (
    Category,
    DeviceIdentity,
    Entry,
    Kind,
    Observation,
    Report,
    decode,
    encode,
)
from gateway.terms.decimals import decimal_text


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("36.60", "36.60"),
        ("098", "98"),
        ("000", "0"),
        ("0.10", "0.10"),
        (".5", "0.5"),
        ("+1.50", "1.50"),
        ("-00.7", "-0.7"),
        ("  5.5", "5.5"),
        ("", None),
        (".", None),
        ("-", None),
        ("5.", None),
        ("1e3", None),
        ("1,5", None),
        ("1 000", None),
        ("---", None),
        ("٣٤", None),
        ("1\n", None),
        ("NaN", None),
    ],
)
def test_a_decimal_keeps_its_precision_and_nothing_else_is_one(text: str, digits: str | None) -> None:
    assert decimal_text(text) == digits


def test_a_long_run_of_zeros_is_read_in_one_pass() -> None:
    assert decimal_text("0" * 2_000_000 + "x") is None


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_plain_decimals_are_equal_to_what_was_sent(number: object) -> None:
    from decimal import Decimal

    found = decimal_text(f"{number:f}")
    assert found is not None
    assert Decimal(found) == number


def report(**more: object) -> Report:
    fields: dict[str, object] = {
        "device": DeviceIdentity(id="D"),
        "driver": "nonin",
        "category": Category.VITALS,
        "received_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "observations": (Observation(kind=Kind.NUMERIC, vendor_code="T", value="36.60", unit="Cel"),),
    }
    return Report(**(fields | more))  # type: ignore[arg-type]


def test_a_report_survives_the_journal_with_its_offset_and_its_bytes() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    said = report(device_time=datetime(2026, 1, 2, 8, 34, tzinfo=zone), raw=b"\x00\xff", profile="x")
    back = decode(encode(said), said.raw)
    assert back == said
    assert back.device_time is not None
    assert back.device_time.utcoffset() == timedelta(hours=5, minutes=30)


def test_the_raw_bytes_are_not_in_the_payload() -> None:
    assert encode(report(raw=b"secret")) == encode(report())


def test_a_row_of_an_older_version_still_decodes() -> None:
    old = b'{"device":{"id":"D"},"driver":"nonin","category":"vitals","received_at":"2026-01-02T03:04:05Z","observations":[]}'
    assert decode(old).device.id == "D"


def test_a_key_has_twenty_characters_and_holds_journal_and_row() -> None:
    entry = Entry(id=7, epoch="0a1b2c3d", stored_at=datetime(2026, 1, 1, tzinfo=UTC), report=report())
    assert entry.key == "0a1b2c3d000000000007"
