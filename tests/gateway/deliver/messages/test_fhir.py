"""FHIR Bundles: expected values are the R4 vital signs tables, PoCD's and PHD's examples, and what the device sent."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import fhirkit
import msgspec
import pytest

from gateway.deliver.messages.fhir import renderer
from gateway.lint.fhir import lint_fhir
from gateway.lint.finding import Severity
from gateway.model import Category, Entry, Gateway, Given, Kind, Method, Observation, Order, Specimen, Subject, Validity
from gateway.settings.fhir import FhirMessageSettings

MDC = "urn:iso:std:iso:11073:10101"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
PLAIN = FhirMessageSettings()


def bundle(entry: Entry, subject: Subject | None, gateway: Gateway, settings: FhirMessageSettings = PLAIN) -> Any:
    """The Bundle, after fhirkit (R4 4.0.1, not ours) and the lint have found nothing to say."""
    body = renderer(settings, gateway)(entry, subject).body
    assert [str(issue) for issue in fhirkit.parse(body.decode()).issues] == []
    assert [finding for finding in lint_fhir(body) if finding.severity is not Severity.INFO] == []
    return json.loads(body, parse_float=str)


def resources(made: Any, kind: str) -> list[Any]:
    return [one["resource"] for one in made["entry"] if one["resource"]["resourceType"] == kind]


def numeric(refid: str = "MDC_TEMP_BODY", value: str | None = "36.60", unit: str | None = "Cel", **more: Any) -> Observation:
    return Observation(kind=Kind.NUMERIC, vendor_code=more.pop("vendor_code", "T1"), value=value, refid=refid, unit=unit, **more)


def one(
    make: Any, subject: Subject | None, gateway: Gateway, o: Observation, settings: FhirMessageSettings = PLAIN, **more: Any
) -> Any:
    """The only Observation of a report that holds one."""
    found = resources(bundle(make(observations=(o,), **more), subject, gateway, settings), "Observation")
    assert len(found) == 1
    return found[0]


def codes(concept: Any, system: str) -> list[str]:
    return [coding["code"] for coding in concept["coding"] if coding["system"] == system]


def test_the_same_row_gives_the_same_bytes_in_another_process(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    first, second = (renderer(PLAIN, gateway)(oximeter(), subject) for _ in range(2))
    assert first == second
    assert first.id == "a1b2c3d4000000000007"


def test_a_bundle_holds_patient_device_metrics_and_observations(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    made = bundle(oximeter(), subject, gateway)
    kinds = [one["resource"]["resourceType"] for one in made["entry"]]
    assert made["type"] == "transaction"
    assert kinds == ["Patient", "Device", "DeviceMetric", "DeviceMetric", "Observation", "Observation"]
    assert made["timestamp"] == "2026-11-21T12:00:01.000+00:00"


def test_every_entry_is_made_once_by_an_identifier_it_has(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    made = bundle(oximeter(), subject, gateway)
    conditions = [one["request"]["ifNoneExist"] for one in made["entry"]]
    assert len(set(conditions)) == len(made["entry"])
    assert conditions[-1].startswith("identifier=urn:x-wardlink:gateway:0123456789ABCDEF|a1b2c3d4000000000007.2.")


def test_full_urls_are_uuids_and_resolve(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    made = bundle(oximeter(), subject, gateway)
    urls = [one["fullUrl"] for one in made["entry"]]
    assert all(re.fullmatch("urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", url) for url in urls)
    assert resources(made, "Observation")[0]["subject"] == {"reference": urls[0]}
    assert resources(made, "Observation")[0]["device"] == {"reference": urls[2]}
    assert resources(made, "DeviceMetric")[0]["source"] == {"reference": urls[1]}


def test_the_device_is_as_pocd_writes_it(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    """PoCD's MDS example: EUI-64 with dashes under the IEEE OID, MDC type with its reference id."""
    (device,) = resources(bundle(oximeter(), subject, gateway), "Device")
    assert device["identifier"][0] == {
        "system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680",
        "value": "00-A0-37-00-9A-00-53-DE",
    }
    assert device["identifier"][1]["value"] == "4E-044"
    assert device["type"]["coding"] == [{"system": MDC, "code": "69641", "display": "MDC_DEV_ANALY_SAT_O2_MDS"}]
    assert (device["manufacturer"], device["modelNumber"], device["serialNumber"]) == ("Masimo", "Radical-7", "SYN-77")


def test_a_device_without_eui64_has_the_urn_of_pcd01(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    device = msgspec.structs.replace(oximeter().report.device, eui64="")
    (found,) = resources(bundle(oximeter(device=device), subject, gateway), "Device")
    assert found["identifier"][0]["system"] == "urn:ietf:rfc:3986"
    assert found["identifier"][0]["value"].startswith("urn:uuid:")


def test_the_metric_holds_the_mdc_unit(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    metric = resources(bundle(oximeter(), subject, gateway), "DeviceMetric")[0]
    assert metric["type"]["coding"] == [{"system": MDC, "code": "150456", "display": "MDC_PULS_OXIM_SAT_O2"}]
    assert metric["unit"]["coding"] == [{"system": MDC, "code": "262688", "display": "MDC_DIM_PERCENT"}]
    assert metric["category"] == "measurement"
    assert "operationalStatus" not in metric  # made once: it could not follow


def test_without_metrics_an_observation_names_its_device(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    made = bundle(oximeter(), subject, gateway, FhirMessageSettings(metrics=False))
    assert resources(made, "DeviceMetric") == []
    assert resources(made, "Observation")[0]["device"] == {"reference": made["entry"][1]["fullUrl"]}


def test_update_follows_the_device(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    off = numeric(value=None, validity=Validity.OFF, status="X")
    made = bundle(oximeter(observations=(off,)), subject, gateway, FhirMessageSettings(device="update"))
    request = made["entry"][1]["request"]
    assert request == {
        "method": "PUT",
        "url": "Device?identifier=urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680|00-A0-37-00-9A-00-53-DE",
    }
    assert resources(made, "DeviceMetric")[0]["operationalStatus"] == "off"


def test_mdc_loinc_and_the_makers_code_in_one_code(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    """Oxygen saturation has both LOINC codes of the R4 vital signs table."""
    code = resources(bundle(oximeter(), subject, gateway), "Observation")[0]["code"]
    assert sorted(codes(code, LOINC)) == ["2708-6", "59408-5"]
    assert codes(code, MDC) == ["150456"]
    assert codes(code, "urn:x-wardlink:code:masimo") == ["SPO2"]


@pytest.mark.parametrize("digits", ["36.60", "0", "-0.50", "98", "100.000", "0.0000001", "12345678901234567890.10"])
def test_the_devices_digits_stay(digits: str, oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    body = renderer(PLAIN, gateway)(oximeter(observations=(numeric(value=digits),)), subject).body
    assert f'"valueQuantity":{{"value":{digits},'.encode() in body


@pytest.mark.parametrize(("digits", "plain"), [("098", "98"), ("+1.5", "1.5"), (".5", "0.5")])
def test_digits_that_json_lacks_are_written_as_it_has_them(
    digits: str, plain: str, oximeter: Any, subject: Subject, gateway: Gateway
) -> None:
    body = renderer(PLAIN, gateway)(oximeter(observations=(numeric(value=digits),)), subject).body
    assert f'"valueQuantity":{{"value":{plain},'.encode() in body


def test_text_in_a_numerics_place_is_text(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    found = one(oximeter, subject, gateway, numeric(value="abc", refid="MDC_PULS_OXIM_HB_CO_ART", unit="%"))
    assert found["valueString"] == "abc"


def test_a_unit_that_nobody_knows_is_the_devices_word(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    found = one(oximeter, subject, gateway, Observation(kind=Kind.NUMERIC, vendor_code="Q", value="5", vendor_unit="arb"))
    assert found["valueQuantity"] == {"value": 5, "unit": "arb"}


STATUSES = [
    ("R", Validity.OK, "final"),
    ("F", Validity.OK, "final"),
    ("P", Validity.OK, "preliminary"),
    ("C", Validity.OK, "corrected"),
    ("A", Validity.OK, "amended"),
    ("W", Validity.OK, "entered-in-error"),
    ("D", Validity.OK, "entered-in-error"),
    ("I", Validity.OK, "registered"),
    ("?", Validity.OK, "unknown"),
    ("R", Validity.VALIDATED, "final"),
    ("R", Validity.EARLY, "preliminary"),
]


@pytest.mark.parametrize(("letter", "validity", "status"), STATUSES)
def test_status_by_table_0085(
    letter: str, validity: Validity, status: str, oximeter: Any, subject: Subject, gateway: Gateway
) -> None:
    assert one(oximeter, subject, gateway, numeric(status=letter, validity=validity))["status"] == status


def test_a_site_that_validates_has_raw_values_preliminary(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    settings = FhirMessageSettings(raw_status="preliminary")
    assert one(oximeter, subject, gateway, numeric(), settings)["status"] == "preliminary"


# PHD measurement status table for the first three; the null flavours' own names for the others
REASONS = [
    (Validity.INVALID, "error", "final"),
    (Validity.NOT_AVAILABLE, "not-performed", "final"),
    (Validity.ONGOING, "temp-unknown", "preliminary"),
    (Validity.NO_INFORMATION, "unknown", "final"),
    (Validity.NOT_APPLICABLE, "not-applicable", "final"),
    (Validity.OFF, "not-performed", "final"),
    (Validity.MASKED, "masked", "final"),
    (Validity.OTHER, "unknown", "final"),
    (Validity.NOT_A_NUMBER, "not-a-number", "final"),
    (Validity.OVER, "positive-infinity", "final"),
    (Validity.UNDER, "negative-infinity", "final"),
]


@pytest.mark.parametrize(("validity", "reason", "status"), REASONS)
def test_a_missing_value_is_a_reason(
    validity: Validity, reason: str, status: str, oximeter: Any, subject: Subject, gateway: Gateway
) -> None:
    found = one(oximeter, subject, gateway, numeric(value=None, validity=validity, status="X"))
    assert found["dataAbsentReason"]["coding"][0]["code"] == reason
    assert found["status"] == status
    assert not [name for name in found if name.startswith("value")]


def test_a_value_that_the_device_calls_invalid_is_kept_as_a_note(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    found = one(oximeter, subject, gateway, numeric(value="99.9", validity=Validity.INVALID, status="X"))
    assert "valueQuantity" not in found
    assert {"text": "device sent '99.9'"} in found["note"]


STATES = [
    (Validity.QUESTIONABLE, "questionable"),
    (Validity.CALIBRATING, "calibration-ongoing"),
    (Validity.VALIDATED, "validated-data"),
    (Validity.EARLY, "early-indication"),
    (Validity.IN_ALARM, "in-alarm"),
    (Validity.ALARM_INHIBITED, "alarm-inhibited"),
]


@pytest.mark.parametrize(("validity", "code"), STATES)
def test_measurement_status_is_pocds_interpretation(
    validity: Validity, code: str, oximeter: Any, subject: Subject, gateway: Gateway
) -> None:
    found = one(oximeter, subject, gateway, numeric(validity=validity))
    (coding,) = found["interpretation"][0]["coding"]
    assert (coding["system"], coding["code"]) == ("http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status", code)


@pytest.mark.parametrize("validity", [Validity.TEST, Validity.DEMO])
def test_test_data_is_labelled(validity: Validity, oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    (label,) = one(oximeter, subject, gateway, numeric(validity=validity))["meta"]["security"]
    assert (label["system"], label["code"]) == ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST")


def test_flags_are_codes_where_fhir_has_them(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    found = one(oximeter, subject, gateway, numeric(flags=("HH", "NQ")))["interpretation"]
    assert found[0]["coding"][0]["code"] == "HH"
    assert found[1] == {"text": "NQ"}


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("35.0-38.50", "35.0", "38.50"),
        ("<38", None, 38),
        (">40", 40, None),
        ("-5--1", -5, -1),
        ("normal", None, None),
        ("9-3", None, None),
    ],
)
def test_limits(text: str, low: object, high: object, oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    (found,) = one(oximeter, subject, gateway, numeric(range=text))["referenceRange"]
    assert found["text"] == text
    assert found.get("low", {}).get("value") == low
    assert found.get("high", {}).get("value") == high
    assert found["type"]["coding"][0]["code"] == "alarm-limits"


# hl7.org R4 vital signs: LOINC code and the unit the table demands
VITAL_SIGNS = [
    ("MDC_ECG_HEART_RATE", "/min", "8867-4"),
    ("MDC_RESP_RATE", "/min", "9279-1"),
    ("MDC_PULS_OXIM_SAT_O2", "%", "2708-6"),
    ("MDC_TEMP_BODY", "Cel", "8310-5"),
    ("MDC_MASS_BODY_ACTUAL", "kg", "29463-7"),
]


@pytest.mark.parametrize(("refid", "unit", "loinc"), VITAL_SIGNS)
def test_vital_signs_say_so(refid: str, unit: str, loinc: str, oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    found = one(oximeter, subject, gateway, numeric(refid, "36.6", unit))
    assert found["category"][0]["coding"][0]["code"] == "vital-signs"
    assert loinc in codes(found["code"], LOINC)
    assert found["valueQuantity"]["system"] == UCUM
    assert found["valueQuantity"]["code"] == unit


def test_what_is_no_vital_sign_says_how_it_came_about(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    found = one(oximeter, subject, gateway, numeric("MDC_BLD_PERF_INDEX", "1.2", "%"))
    assert found["category"] == [{"coding": [{"system": "http://hl7.org/fhir/metric-category", "code": "measurement"}]}]


def test_a_setting_is_no_measurement(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    """A rate that was set must not be filed as the patient's: neither vital sign nor the measurement's LOINC code."""
    made = bundle(oximeter(observations=(numeric("MDC_RESP_RATE", "12", "/min", method=Method.MANUAL_SET),)), subject, gateway)
    (found,) = resources(made, "Observation")
    assert found["category"][0]["coding"][0]["code"] == "setting"
    assert codes(found["code"], LOINC) == []
    assert resources(made, "DeviceMetric")[0]["category"] == "setting"


PRESSURES = tuple(
    numeric(f"MDC_PRESS_BLD_NONINV_{kind}", value, "mm[Hg]", vendor_code=kind, place=(1, 1, 1, number))
    for number, (kind, value) in enumerate([("SYS", "120"), ("DIA", "80"), ("MEAN", "90")], 1)
)


def test_blood_pressure_is_pocds_panel(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    """PoCD's NBP example: 120/80 (90), panel 85354-9 and 150020, components 8480-6, 8462-4, 8478-0."""
    made = bundle(oximeter(observations=PRESSURES), subject, gateway)
    (panel,) = resources(made, "Observation")
    assert (codes(panel["code"], LOINC), codes(panel["code"], MDC)) == (["85354-9"], ["150020"])
    got = [(codes(c["code"], LOINC)[0], codes(c["code"], MDC), c["valueQuantity"]["value"]) for c in panel["component"]]
    assert got == [("8480-6", ["150021"], 120), ("8462-4", ["150022"], 80), ("8478-0", ["150023"], 90)]
    assert panel["identifier"][0]["value"].startswith("a1b2c3d4000000000007.1p.")


def test_a_pressure_alone_is_no_panel(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    found = resources(bundle(oximeter(observations=PRESSURES[:1] + PRESSURES[2:]), subject, gateway), "Observation")
    assert [codes(each["code"], LOINC)[0] for each in found] == ["8480-6", "8478-0"]


def test_pressures_of_two_times_are_two_measurements(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    later = [msgspec.structs.replace(one, time=datetime(2026, 11, 21, 11, tzinfo=UTC)) for one in PRESSURES]
    found = resources(bundle(oximeter(observations=(*PRESSURES, *later)), subject, gateway), "Observation")
    assert [len(each["component"]) for each in found] == [3, 3]


def test_a_panel_says_why_a_part_is_missing(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    lost = msgspec.structs.replace(PRESSURES[2], value=None, validity=Validity.INVALID, status="X")
    (panel,) = resources(bundle(oximeter(observations=(*PRESSURES[:2], lost)), subject, gateway), "Observation")
    assert panel["component"][2]["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert panel["status"] == "final"


def test_panels_can_be_had_apart(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    made = bundle(oximeter(observations=PRESSURES), subject, gateway, FhirMessageSettings(panels=False))
    assert len(resources(made, "Observation")) == 3


def test_a_curve_is_sampled_data(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    wave = Observation(kind=Kind.WAVEFORM, vendor_code="PLETH", value="1 -2 3", refid="MDC_PULS_OXIM_PLETH", period_ms="13.33")
    found = one(oximeter, subject, gateway, wave)["valueSampledData"]
    assert found == {"origin": {"value": 0}, "period": "13.33", "factor": 1, "dimensions": 1, "data": "1 -2 3"}


def test_a_ratio_is_one(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    ratio = Observation(kind=Kind.TEXT, vendor_code="I:E", value="1:2.50", refid="MDC_RATIO_IE")
    found = one(oximeter, subject, gateway, ratio)
    assert found["valueRatio"] == {"numerator": {"value": 1}, "denominator": {"value": "2.50"}}


def test_a_coded_value_has_its_system(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    coded = Observation(kind=Kind.CODED, vendor_code="MODE", value="A/C", refid="MDC_VENT_MODE", coding=("12", "A/C", "99MAKER"))
    (coding,) = one(oximeter, subject, gateway, coded)["valueCodeableConcept"]["coding"]
    assert coding == {"system": "urn:x-wardlink:code:masimo", "code": "12", "display": "A/C"}


def test_an_event_is_an_observation_of_its_own_category(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    event = Observation(kind=Kind.EVENT, vendor_code="EXC.020", vendor_text="Sensor off", value="on")
    found = one(oximeter, subject, gateway, event, category=Category.EVENTS)
    assert (found["category"], found["valueString"]) == ([{"text": "Device event"}], "on")


def test_an_unmapped_code_is_kept_under_the_makers_system(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    found = one(oximeter, subject, gateway, Observation(kind=Kind.TEXT, vendor_code=" A  B ", value="x"))
    assert found["code"]["coding"] == [{"system": "urn:x-wardlink:code:masimo", "code": "A B"}]


def test_a_bedside_time_is_the_gateways(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    """Its clock is 3 min fast: what it noted at 13:03:00+01:00 was 12:00:00 UTC, and a note tells of the clock."""
    at = datetime(2026, 11, 21, 13, 1, 30, tzinfo=timezone(timedelta(hours=1)))
    found = one(oximeter, subject, gateway, numeric(time=at))
    assert found["effectiveDateTime"] == "2026-11-21T12:58:30.000+01:00"
    assert {"text": "device clock minus gateway clock: +180 s, its zone +0100"} in found["note"]
    uncorrected = one(oximeter, subject, gateway, numeric(), FhirMessageSettings(correct_times=False))
    assert uncorrected["effectiveDateTime"] == "2026-11-21T13:03:00.000+01:00"


def test_the_patient_is_made_once_with_an_oid_system(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    (patient,) = resources(bundle(oximeter(), subject, gateway), "Patient")
    assert patient["identifier"][0]["system"] == "urn:oid:1.2.3.4"
    assert patient["name"] == [{"family": "Test", "given": ["Patient"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1970-01-01")


SYSTEMS = [
    ("HOSP&1.2.3.4&ISO", {}, "urn:oid:1.2.3.4"),
    ("HOSP&https://hospital.example/mrn&URI", {}, "https://hospital.example/mrn"),
    ("HOSP", {}, "urn:x-wardlink:gateway:0123456789ABCDEF:patient:hosp"),
    ("", {}, "urn:x-wardlink:gateway:0123456789ABCDEF:patient"),
    ("", {"patient_system": "urn:oid:2.999.7"}, "urn:oid:2.999.7"),
    ("HOSP&1.2.3.4&ISO", {"assigners": {"HOSP": "urn:oid:2.999.8"}}, "urn:oid:2.999.8"),
]


@pytest.mark.parametrize(("assigner", "keys", "system"), SYSTEMS)
def test_the_patients_identifier_system(
    assigner: str, keys: Any, system: str, oximeter: Any, subject: Subject, gateway: Gateway
) -> None:
    who = msgspec.structs.replace(subject, assigner=assigner)
    (patient,) = resources(bundle(oximeter(), who, gateway, FhirMessageSettings(**keys)), "Patient")
    assert patient["identifier"][0]["system"] == system


def test_a_patient_may_be_searched_or_named_only(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    searched = bundle(oximeter(), subject, gateway, FhirMessageSettings(patient="search"))
    assert resources(searched, "Observation")[0]["subject"] == {"reference": "Patient?identifier=urn:oid:1.2.3.4|SYN-0001"}
    named = bundle(oximeter(), subject, gateway, FhirMessageSettings(patient="identifier"))
    assert resources(named, "Observation")[0]["subject"]["identifier"]["value"] == "SYN-0001"
    assert resources(searched, "Patient") == resources(named, "Patient") == []


def test_a_patient_id_cannot_break_out_of_its_query(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    who = msgspec.structs.replace(subject, patient_id="a&b=c|d,e$f #%")
    made = bundle(oximeter(), who, gateway)
    query = made["entry"][0]["request"]["ifNoneExist"]
    assert query == "identifier=urn:oid:1.2.3.4|a%26b%3Dc%5C%7Cd%5C%2Ce%5C%24f%20%23%25"


def test_a_replay_for_another_patient_is_another_resource(oximeter: Any, subject: Subject, gateway: Gateway) -> None:
    other = msgspec.structs.replace(subject, patient_id="SYN-0002")
    made = [renderer(PLAIN, gateway)(oximeter(), who) for who in (subject, other, None)]
    names = [{r["identifier"][0]["value"] for r in resources(json.loads(each.body), "Observation")} for each in made]
    assert not names[0] & names[1]
    assert not names[0] & names[2]
    assert b"SYN-0001" not in json.dumps(sorted(names[0])).encode()


def test_without_a_patient_it_is_about_the_device(oximeter: Any, gateway: Gateway) -> None:
    made = json.loads(renderer(PLAIN, gateway)(oximeter(), None).body)
    found = resources(made, "Observation")[0]
    assert resources(made, "Patient") == []
    assert found["subject"] == {"reference": made["entry"][0]["fullUrl"]}
    assert made["entry"][0]["resource"]["resourceType"] == "Device"


def test_a_specimens_type_has_the_system_it_came_under(analyzer: Any, subject: Subject, gateway: Gateway) -> None:
    entry = analyzer(specimen=Specimen(id="SYN-4711", type="119364003", type_system="SCT"))
    (specimen,) = resources(bundle(entry, subject, gateway), "Specimen")
    assert specimen["type"] == {"coding": [{"system": "http://snomed.info/sct", "code": "119364003"}], "text": "119364003"}


def test_a_lab_report_has_specimen_results_and_report(analyzer: Any, subject: Subject, gateway: Gateway) -> None:
    made = bundle(analyzer(), subject, gateway)
    (specimen,), (report,) = resources(made, "Specimen"), resources(made, "DiagnosticReport")
    urls = {one["fullUrl"]: one["resource"]["resourceType"] for one in made["entry"]}
    assert specimen["accessionIdentifier"] == {"value": "SYN-4711"}
    assert specimen["collection"]["collectedDateTime"] == "2026-11-21T11:30:00.000+01:00"
    assert [urls[result["reference"]] for result in report["result"]] == ["Observation", "Observation"]
    assert urls[report["specimen"][0]["reference"]] == "Specimen"
    assert report["category"][0]["coding"][0] == {
        "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
        "code": "LAB",
        "display": "Laboratory",
    }
    assert urls[report["basedOn"][0]["reference"]] == "ServiceRequest"
    assert (report["status"], report["effectiveDateTime"]) == ("final", "2026-11-21T11:30:00.000+01:00")


def test_a_lab_result_keeps_comparator_unit_and_range(analyzer: Any, subject: Subject, gateway: Gateway) -> None:
    count, other = resources(bundle(analyzer(), subject, gateway), "Observation")
    assert codes(count["code"], LOINC) == ["6690-2"]
    assert count["valueQuantity"] == {"value": "5.50", "unit": "10^3/uL", "system": UCUM, "code": "10*3/uL"}
    assert count["category"][0]["coding"][0]["code"] == "laboratory"
    assert "type" not in count["referenceRange"][0]
    assert other["valueQuantity"] == {"value": 1500, "comparator": ">", "unit": "arb"}
    assert other["note"] == [{"text": "over range"}]


@pytest.mark.parametrize(
    ("said", "status", "report"),
    [
        ("", "F", "final"),
        ("", "R", "preliminary"),
        ("", "P", "preliminary"),
        ("C", "F", "corrected"),
        ("P", "F", "preliminary"),
        ("", "X", "cancelled"),
    ],
)
def test_the_reports_status(said: str, status: str, report: str, analyzer: Any, subject: Subject, gateway: Gateway) -> None:
    result = Observation(
        kind=Kind.NUMERIC, vendor_code="WBC", value=None if status == "X" else "5", loinc="6690-2", status=status
    )
    made = bundle(analyzer(observations=(result,), order=Order(report_type=said)), subject, gateway)
    assert resources(made, "DiagnosticReport")[0]["status"] == report
    assert resources(made, "DiagnosticReport")[0]["code"]["coding"][0]["code"] == "6690-2"


def test_a_lab_result_without_association_names_whom_the_device_named(analyzer: Any, gateway: Gateway) -> None:
    named = bundle(analyzer(given=Given(patient_id="SYN-9", family_name="Test")), None, gateway)
    assert resources(named, "Patient") == []
    assert resources(named, "Observation")[0]["subject"] == {"type": "Patient", "identifier": {"value": "SYN-9"}}
    assert "subject" not in resources(bundle(analyzer(), None, gateway), "Observation")[0]


def test_a_control_is_nobodys(analyzer: Any, subject: Subject, gateway: Gateway) -> None:
    made = bundle(analyzer(category=Category.QC, given=Given(patient_id="SYN-9")), subject, gateway)
    assert resources(made, "Patient") == resources(made, "DiagnosticReport") == []
    found = resources(made, "Observation")[0]
    assert found["subject"] == {"reference": made["entry"][0]["fullUrl"]}
    assert [category["coding"][0]["code"] for category in found["category"]] == ["laboratory", "Q"]
    assert b"SYN-9" not in json.dumps(made).encode()
    assert b"SYN-0001" not in json.dumps(made).encode()


def test_an_old_barcode_is_no_identity(analyzer: Any, subject: Subject, gateway: Gateway) -> None:
    specimen = Specimen(id="SYN-1")
    first = renderer(PLAIN, gateway)(analyzer(specimen=specimen), subject)
    second = renderer(PLAIN, gateway)(msgspec.structs.replace(analyzer(specimen=specimen), id=8), subject)
    conditions = [
        next(e["request"]["ifNoneExist"] for e in json.loads(each.body)["entry"] if e["request"]["url"] == "Specimen")
        for each in (first, second)
    ]
    assert conditions[0] != conditions[1]


def test_a_wanted_unit_is_converted_when_listed(analyzer: Any, subject: Subject, gateway: Gateway) -> None:
    """Glucose: 90 mg/dL are 4.9959 mmol/L (molar mass 180.156 g/mol); the LOINC code is the molar one."""
    glucose = Observation(kind=Kind.NUMERIC, vendor_code="GLU", value="90", loinc="2345-7", unit="mg/dL", status="F")
    found = one(analyzer, subject, gateway, glucose, FhirMessageSettings(convert={"2345-7": "mmol/L"}))
    assert found["valueQuantity"]["code"] == "mmol/L"
    assert float(found["valueQuantity"]["value"]) == pytest.approx(4.996, abs=0.05)
    assert codes(found["code"], LOINC) == ["14749-6"]
