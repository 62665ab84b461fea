"""Settings of an MLLP receiver: what is taken, and what a wrong one is told."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings.mllp import MllpSettings, is_loopback


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("localhost:2575", "localhost", 2575),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]:65535", "::1", 65535),
        ("engine.example:2575", "engine.example", 2575),
        ("[2001:db8::1]:2575", "2001:db8::1", 2575),
    ],
)
def test_an_address_is_host_and_port(address: str, host: str, port: int) -> None:
    settings = MllpSettings(address=address, plain=True)
    assert (settings.host, settings.port) == (host, port)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("engine.example", "expected host:port"),
        (":2575", "expected host:port"),
        ("", "expected host:port"),
        ("tcp://engine.example:2575", "expected an IPv6 address in brackets"),
        ("user@engine.example:2575", "expected host:port"),
        ("engine.example:", "expected a port from 1 to 65535"),
        ("engine.example:0", "expected a port from 1 to 65535"),
        ("engine.example:65536", "expected a port from 1 to 65535"),
        ("engine.example:+1", "expected a port from 1 to 65535"),
        ("engine.example:²", "expected a port from 1 to 65535"),
        ("2001:db8::1:2575", "expected an IPv6 address in brackets"),
        ("engine example:2575", "expected host:port"),
    ],
)
def test_a_wrong_address_is_told_what_was_expected(address: str, expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        MllpSettings(address=address, plain=True)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.8.9.1", "::1"])
def test_this_machine_needs_no_protection(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "128.0.0.1", "0.0.0.0", "::", "2001:db8::1", "engine"])
def test_everything_else_is_another_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("address", ["10.0.0.1:2575", "engine.example:2575", "[2001:db8::1]:2575", "0.0.0.0:2575"])
def test_plain_over_the_network_must_be_meant(address: str) -> None:
    with pytest.raises(ValidationError, match="write plain = true if that is meant"):
        MllpSettings(address=address)
    assert MllpSettings(address=address, plain=True).tls is None


def test_plain_and_tls_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="contradict each other"):
        MllpSettings.model_validate({"address": "engine.example:1", "plain": True, "tls": {"ca": Path("ca.pem")}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"ack_policy": {"XX": "retry"}},
        {"ack_policy": {"AE": "ignore"}},
        {"error_policy": {"a b": "retry"}},
        {"ack_timeout_s": 0},
        {"ack_timeout_s": 601},
        {"connect_timeout_s": 0},
        {"gap_s": -1},
        {"verify": False},
    ],
)
def test_wrong_values_and_unknown_keys_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MllpSettings.model_validate({"address": "localhost:2575", **wrong})
