"""Whatever a device, a patient record or a person wrote, a Bundle stays R4 and two renderings stay the same."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import fhirkit
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.deliver.messages.fhir import renderer
from gateway.lint.fhir import lint_fhir
from gateway.lint.finding import Severity
from gateway.model import Category, DeviceIdentity, Gateway, Given, Kind, Method, Observation, Order, Specimen, Subject, Validity
from gateway.settings.fhir import FhirMessageSettings

WORDS = st.text(max_size=12) | st.sampled_from(
    ["", " ", "\x00", "\ud800", "a|b,c$d\\", "A  B", "98.60", "-.5", "<>&", "\u2028", "1:2"]
)
REFIDS = [None, "MDC_TEMP_BODY", "MDC_PULS_OXIM_SAT_O2", "MDC_PRESS_BLD_NONINV_SYS", "MDC_PRESS_BLD_NONINV_DIA", "MDC_RATIO_IE"]
CLAIMS = ("mdc-code", "loinc")
"""A coded value's code is what the device says it is: handed on, right or wrong."""
UNITS = [None, "Cel", "%", "mm[Hg]", "1"]
OFFSETS = st.integers(-24 * 3600 + 1, 24 * 3600 - 1).map(lambda s: timezone(timedelta(seconds=s)))
TIMES = st.none() | st.datetimes(timezones=OFFSETS)

OBSERVATIONS = st.builds(
    Observation,
    kind=st.sampled_from(Kind),
    vendor_code=WORDS,
    value=st.none() | WORDS,
    vendor_text=WORDS,
    refid=st.sampled_from(REFIDS),
    unit=st.sampled_from(UNITS),
    vendor_unit=WORDS,
    comparator=st.sampled_from(["", "<", ">=", "=", "<>"]),
    validity=st.sampled_from(Validity),
    status=st.sampled_from(["R", "F", "X", "W", "", "?"]),
    flags=st.tuples(WORDS),
    range=WORDS | st.sampled_from(["1-2", "<5", "-1--0.5"]),
    method=st.sampled_from(Method),
    time=TIMES,
    coding=st.none() | st.tuples(WORDS, WORDS, st.sampled_from(["MDC", "LN", "SCT", "HL70078", "99X"])),
    notes=st.tuples(WORDS),
    operator=WORDS,
    sub_id=WORDS,
    period_ms=st.sampled_from(["", "4", "0", "x"]),
)
SUBJECTS = st.none() | st.builds(
    Subject,
    patient_id=WORDS,
    assigner=WORDS,
    id_type=WORDS,
    family_name=WORDS,
    given_name=WORDS,
    birth_date=WORDS,
    sex=WORDS,
    visit_id=WORDS,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(OBSERVATIONS, max_size=4),
    SUBJECTS,
    st.sampled_from(Category),
    st.builds(
        DeviceIdentity, id=WORDS, maker=WORDS, model=WORDS, serial=WORDS, eui64=st.sampled_from(["", "x", "0" * 16]), udi=WORDS
    ),
    st.none() | st.builds(Specimen, id=WORDS, instrument_id=WORDS, type=WORDS, source=WORDS, collected=TIMES, received=TIMES),
    st.none() | st.builds(Order, placer_id=WORDS, services=st.tuples(WORDS), report_type=WORDS),
    st.builds(Given, patient_id=WORDS, operator=WORDS),
    TIMES,
)
def test_any_report_is_r4(
    oximeter: Any,
    gateway: Gateway,
    observations: list[Observation],
    subject: Subject | None,
    category: Category,
    device: DeviceIdentity,
    specimen: Specimen | None,
    order: Order | None,
    given_: Given,
    device_time: datetime | None,
) -> None:
    more = {"specimen": specimen, "order": order, "given": given_, "device_time": device_time, "device": device}
    entry = oximeter(observations=tuple(observations), category=category, notes=("\x01",), **more)
    for keys in ({}, {"device": "update", "metrics": False, "panels": False, "patient": "search", "correct_times": False}):
        write = renderer(FhirMessageSettings(**keys), gateway)
        body = write(entry, subject).body
        assert body == write(entry, subject).body == renderer(FhirMessageSettings(**keys), gateway)(entry, subject).body
        assert [str(issue) for issue in fhirkit.parse(body.decode()).issues] == []
        assert [one for one in lint_fhir(body) if one.severity is Severity.ERROR and one.rule not in CLAIMS] == []
        assert json.loads(body)["identifier"]["value"] == entry.key


def test_a_row_read_back_from_the_journal_gives_the_same_bytes(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    from gateway.model import decode, encode

    entry = oximeter()
    again = msgspec.structs.replace(entry, report=decode(encode(entry.report)))
    write = renderer(FhirMessageSettings(), gateway)
    assert write(again, subject) == write(entry, subject)
