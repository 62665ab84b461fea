"""An edited message: what a person sees, what is taken, what is refused."""

from __future__ import annotations

import pytest

from gateway.deliver import editing
from gateway.errors import ActError

KEY = "3f2a9c01000000000007"
NEW = "E0123456789abcdef012"
HL7 = (
    f"MSH|^~\\&|GW^02A0^EUI-64||LIS||20261121080000.000+0000||ORU^R01^ORU_R01|{KEY}|P|2.6|||AL|NE||8859/1\r"
    "PID|||SYN-1^^^HOSP^MR||Müller^A^^^^^L\r"
    f"OBR|1||{KEY}^GW^02A0^EUI-64|1^x^SCT\r"
    "OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97.0|262688^MDC_DIM_PERCENT^MDC|||||R\r"
).encode("cp1252")
BUNDLE = (
    f'{{"resourceType":"Bundle","identifier":{{"value":"{KEY}"}},"entry":[{{"resource":{{"resourceType":"Patient","identifier":'
    f'[{{"value":"SYN-1"}}]}}}},{{"resource":{{"resourceType":"Observation","identifier":[{{"value":"{KEY}.1"}}],'
    f'"subject":{{"reference":"urn:uuid:1"}},"valueQuantity":{{"value":36.60}}}}}}]}}'
).encode()


@pytest.mark.parametrize("body", [HL7, BUNDLE], ids=["hl7", "fhir"])
def test_what_is_shown_and_not_changed_is_the_same_message(body: bytes) -> None:
    assert editing.read(editing.shown(body), body) == body


def test_hl7_is_shown_a_segment_a_line_and_comes_back_in_its_charset() -> None:
    text = editing.shown(HL7)
    assert text.split("\n")[1] == "PID|||SYN-1^^^HOSP^MR||Müller^A^^^^^L"
    edited = editing.read(text.replace("97.0", "97,0 %").replace("\n", "\r\n"), HL7)
    assert edited == HL7.replace(b"97.0", b"97,0 %")


def test_json_keeps_the_digits_of_numbers() -> None:
    assert '"value": 36.60' in editing.shown(BUNDLE)


def test_the_new_id_is_msh_10_and_the_filler_number_stays() -> None:
    assert editing.renumbered(HL7, KEY, NEW) == HL7.replace(f"|{KEY}|P".encode(), f"|{NEW}|P".encode())


def test_in_a_bundle_every_identifier_of_the_old_id_is_new() -> None:
    assert editing.renumbered(BUNDLE, KEY, NEW) == BUNDLE.replace(KEY.encode(), NEW.encode())


REFUSED = {
    "no message": (lambda text: "hello", HL7, "no HL7 v2 message"),
    "another type": (lambda text: text.replace("ORU^R01^ORU_R01", "ADT^A01"), HL7, "another type"),
    "a letter that the charset lacks": (lambda text: text.replace("97.0", "≥97"), HL7, "'≥'"),
    "no JSON": (lambda text: text + "}", BUNDLE, "no JSON"),
}


@pytest.mark.parametrize(("change", "body", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_message_of_its_kind_is_refused(change: object, body: bytes, said: str) -> None:
    assert callable(change)
    with pytest.raises(ActError, match=said):
        editing.read(change(editing.shown(body)), body)


def test_a_bundle_without_its_identifier_is_refused() -> None:
    with pytest.raises(ActError, match="does not hold its identifier"):
        editing.renumbered(BUNDLE.replace(KEY.encode(), b"x"), KEY, NEW)


PATIENTS = {
    "another number": (HL7, b"SYN-1^", b"SYN-2^", True),
    "another name": (HL7, b"^A^^^^^L", b"^B^^^^^L", True),
    "another value": (HL7, b"97.0", b"98.0", False),
    "no PID any more": (HL7, b"PID|", b"ZID|", True),
    "fhir: another number": (BUNDLE, b"SYN-1", b"SYN-2", True),
    "fhir: another subject": (BUNDLE, b"urn:uuid:1", b"urn:uuid:2", True),
    "fhir: another value": (BUNDLE, b"36.60", b"36.70", False),
}


@pytest.mark.parametrize(("body", "old", "new", "other"), PATIENTS.values(), ids=PATIENTS)
def test_another_patient_is_noticed(body: bytes, old: bytes, new: bytes, other: bool) -> None:
    assert old in body
    assert (editing.patients(body.replace(old, new)) != editing.patients(body)) is other


def test_the_difference_is_the_lines_that_differ() -> None:
    lines = editing.difference(HL7, HL7.replace(b"97.0", b"98.0")).split("\n")
    assert [line[:10] for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++")] == ["-OBX|1|NM|", "+OBX|1|NM|"]
