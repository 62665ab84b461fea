"""Dial strings: what each names, and what is said of a wrong one."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.acquire.links import parse_link
from gateway.acquire.links.listen import ListenSpec
from gateway.acquire.links.replay import TraceSpec
from gateway.acquire.links.rfc2217 import Rfc2217Spec
from gateway.acquire.links.serial import SerialSpec
from gateway.acquire.links.tcp import TcpSpec
from gateway.acquire.links.udp import UdpSpec
from gateway.driver import LineSettings
from gateway.errors import ConfigError

SLOW = LineSettings(2400, 7, "E", 2, "rtscts")

CASES: list[tuple[str, LineSettings | None, Any]] = [
    ("serial:///dev/ttyUSB0", None, SerialSpec("/dev/ttyUSB0", LineSettings(9600, 8, "N", 1, "none"))),
    ("serial:///dev/ttyUSB0", SLOW, SerialSpec("/dev/ttyUSB0", SLOW)),
    (
        "serial:///dev/serial/by-id/usb-FTDI_A%2310K-if00?baud=19200&bits=8&parity=O&stop=1&flow=xonxoff",
        SLOW,
        SerialSpec("/dev/serial/by-id/usb-FTDI_A#10K-if00", LineSettings(19200, 8, "O", 1, "xonxoff")),
    ),
    ("serial:///dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0", None,
     SerialSpec("/dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0", LineSettings())),
    ("tcp://10.1.2.40:4001", SLOW, TcpSpec("10.1.2.40", 4001, 5.0, 30)),
    ("tcp://[fe80::1]:4001?connect_s=2&keepalive_s=0", None, TcpSpec("fe80::1", 4001, 2.0, 0)),
    (
        "tcp-listen://0.0.0.0:12001?allow=10.1.2.3,10.2.0.0/16&second=refuse",
        None,
        ListenSpec("0.0.0.0", 12001, (ipaddress.ip_network("10.1.2.3"), ipaddress.ip_network("10.2.0.0/16")), "refuse", 30),
    ),
    ("rfc2217://server.example:7000?baud=300", SLOW,
     Rfc2217Spec(TcpSpec("server.example", 7000), LineSettings(300, 7, "E", 2, "rtscts"))),
    ("udp://10.1.2.50:24105?local_port=24105&bind=10.1.2.1", None, UdpSpec("10.1.2.50", 24105, "10.1.2.1", 24105)),
    ("trace:///var/tmp/a.trace?speed=0", None, TraceSpec("/var/tmp/a.trace", 0.0)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "spec"), CASES, ids=[case[0] for case in CASES])
def test_a_dial_string_names_its_link_and_its_parameters_override_the_drivers_line(
    text: str, line: LineSettings | None, spec: Any
) -> None:
    assert parse_link(text, line) == spec


WRONG = [
    (
        "seriel:///dev/ttyS0",
        "expected one of serial://, tcp://, tcp-listen://, rfc2217://, udp://, trace://, did you mean serial://?",
    ),
    ("/dev/ttyUSB0", "did you mean serial:///dev/ttyUSB0?"),
    ("", "expected one of serial://"),
    ("serial://dev/ttyS0", "expected an absolute path after three slashes"),
    ("serial:///dev/ttyS0?baud=fast", "baud: got 'fast'; expected a whole number from 50 to 4000000"),
    ("serial:///dev/ttyS0?baud=0", "baud: got '0'"),
    ("serial:///dev/ttyS0?baud=\uff19600", "baud: got"),
    ("serial:///dev/ttyS0?parity=even", "parity: got 'even'; expected one of N, E, O"),
    ("serial:///dev/ttyS0?bits=9", "bits: got '9'; expected a whole number from 5 to 8"),
    ("serial:///dev/ttyS0?flow=hard", "flow: got 'hard'; expected one of none, rtscts, xonxoff"),
    ("serial:///dev/ttyS0?bauds=9600", "no parameter 'bauds'; expected baud, bits, parity, stop, flow, did you mean 'baud'?"),
    ("serial:///dev/ttyS0?baud=1200&baud=2400", "a parameter is given twice"),
    ("serial:///dev/ttyS0?baud", "expected SCHEME://ADDRESS?KEY=VALUE&KEY=VALUE"),
    ("serial:///dev/tty#1", "expected no # (write it as %23)"),
    ("tcp://10.1.2.3", "expected tcp://HOST:PORT with a port of 1 to 65535"),
    ("tcp://10.1.2.3:0", "with a port of 1 to 65535"),
    ("tcp://10.1.2.3:70000", "with a port of 1 to 65535"),
    ("tcp://:4001", "expected tcp://HOST:PORT"),
    ("tcp://user@10.1.2.3:4001", "expected tcp://HOST:PORT"),
    ("tcp://10.1.2.3:4001/x", "expected tcp://HOST:PORT"),
    ("tcp://10.1.2.3:4001?connect_s=nan", "connect_s: got 'nan'; expected a number from 0.1 to 60"),
    ("tcp-listen://0.0.0.0:12001?allow=analyzer", "allow: got 'analyzer'; expected IP addresses or networks"),
    ("tcp-listen://0.0.0.0:12001?allow=10.1.2.3/8", "allow: got '10.1.2.3/8'"),
    ("tcp-listen://0.0.0.0:12001?second=oldest", "second: got 'oldest'; expected one of newest, refuse"),
    ("trace://file", "expected an absolute path after three slashes"),
    ("tcp://[::1:4001", "expected SCHEME://ADDRESS"),
    ("tcp://10.1.2.3:" + "1" * 2000, "expected at most 1024"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[case[0][:40] or "empty" for case in WRONG])
def test_a_wrong_dial_string_says_what_was_got_and_expected(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_link(text)
    assert said in str(caught.value)
    assert text[:40] in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["serial", "tcp", "tcp-listen", "rfc2217", "udp", "trace", "x"]), st.text())
def test_no_dial_string_raises_anything_but_a_config_error(scheme: str, rest: str) -> None:
    with contextlib.suppress(ConfigError):
        parse_link(f"{scheme}://{rest}")
