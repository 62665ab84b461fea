"""Each destination is sent what its configuration names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway import config
from gateway.deliver import making
from gateway.model import Category, DeviceIdentity, Entry, Gateway, Kind, Observation, Report

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("keys", "begins"),
    [
        ('kind = "mllp"\nformat = "pcd01"\naddress = "localhost:2575"', b"ORU^R01^ORU_R01"),
        ('kind = "mllp"\nformat = "lab"\naddress = "localhost:2575"', b"ORU^R01^ORU_R01"),
        ('kind = "mllp"\nformat = "law"\naddress = "localhost:2575"', b"OUL^R22^OUL_R22"),
        ('kind = "mllp"\nformat = "poct"\nevent = "R31"\naddress = "localhost:2575"', b"ORU^R31^ORU_R30"),
        ('kind = "fhir"\nurl = "http://localhost:8080"', b'"resourceType":"Bundle"'),
    ],
)
def test_the_format_is_the_configured_one(keys: str, begins: bytes) -> None:
    (settings,) = config.parse(f'[[destination]]\nid = "d"\n{keys}\n').destination
    render = making.make_renderer(settings, Gateway(name="box", eui64="0123456789ABCDEF"))
    report = Report(
        device=DeviceIdentity(id="LAB-1"),
        driver="astm",
        category=Category.LAB,
        received_at=NOON,
        observations=(Observation(kind=Kind.NUMERIC, vendor_code="GLU", value="5.4"),),
    )
    assert begins in render(Entry(id=1, epoch="a1b2c3d4", stored_at=NOON, report=report), None).body
