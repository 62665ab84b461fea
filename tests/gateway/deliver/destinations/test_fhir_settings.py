"""What a person may write of a FHIR server, and what is refused with words that help."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config import parse
from gateway.errors import ConfigError
from gateway.settings.destinations import FhirServer
from gateway.settings.dispatch import DispatchSettings
from gateway.settings.fhir import FhirMessageSettings, FhirServerSettings

TLS = {"ca": "/etc/wardlink/tls/ca.pem"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another scheme": ({"url": "ftp://localhost/r4"}, "expected the server's base"),
    "no host": ({"url": "https:///r4", "tls": TLS}, "expected the server's base"),
    "a port that is none": ({"url": "http://localhost:99999"}, "[Pp]ort"),
    "a query": ({"url": "http://localhost/r4?x=1"}, "the base alone"),
    "a password": ({"url": "http://u:p@localhost/r4"}, "credential:NAME"),
    "another machine without TLS": ({"url": "http://fhir.hospital.example/r4"}, "readable"),
    "https without an authority": ({"url": "https://fhir.hospital.example/r4"}, "which authorities"),
    "http with TLS": ({"url": "http://localhost/r4", "tls": TLS}, "not https"),
    "https and plain": ({"url": "https://localhost/r4", "tls": TLS, "plain": True}, "contradict"),
    "the token itself": ({"url": "http://localhost", "token": "abc123"}, "never the token itself"),
    "authorization as a header": ({"url": "http://localhost", "headers": {"Authorization": "Bearer x"}}, "give token instead"),
    "a header of ours": ({"url": "http://localhost", "headers": {"content-type": "x"}}, "the gateway writes it"),
    "a header with a line end": ({"url": "http://localhost", "headers": {"X-A": "b\r\nX-C: d"}}, "printable"),
    "a header's name with a blank": ({"url": "http://localhost", "headers": {"X A": "b"}}, "no header's name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    keys, words = REFUSED[name]
    with pytest.raises(ValidationError, match=words):
        FhirServerSettings(**keys)


@pytest.mark.parametrize("url", ["http://localhost", "http://127.0.0.1:8080/r4/", "http://[::1]:8080/fhir"])
def test_this_machine_needs_no_tls(url: str) -> None:
    assert FhirServerSettings(url=url).url == url.rstrip("/")


def test_host_and_port() -> None:
    settings = FhirServerSettings.model_validate({"url": "https://fhir.hospital.example/r4", "tls": TLS})
    assert (settings.host, settings.port) == ("fhir.hospital.example", 443)
    assert FhirServerSettings(url="http://[::1]:8080").host == "::1"


@pytest.mark.parametrize("key", ["patient_system", "vendor_system", "identifier_system", "specimen_system", "order_system"])
def test_a_system_is_an_absolute_uri(key: str) -> None:
    assert getattr(FhirMessageSettings.model_validate({key: "urn:oid:2.999.1"}), key) == "urn:oid:2.999.1"
    with pytest.raises(ValidationError, match="absolute URI"):
        FhirMessageSettings.model_validate({key: "our numbers"})


def test_keys_of_one_table_never_collide() -> None:
    sets = [set(cls.model_fields) for cls in (FhirMessageSettings, FhirServerSettings, DispatchSettings)]
    assert sum(map(len, sets)) == len(set().union(*sets))
    assert set().union(*sets) < set(FhirServer.model_fields)


def test_a_fault_names_its_line() -> None:
    text = '[[destination]]\nid = "f"\nkind = "fhir"\nurl = "http://fhir.hospital.example"\n'
    with pytest.raises(ConfigError, match="readable"):
        parse(text)
