"""Recorded bytes: raw, trace, captures of TCP and UDP; segments out of order, doubled, missing, over several connections."""

import io
import json
import socket
from collections.abc import Iterable
from pathlib import Path

import dpkt
import pytest

from gateway.acquire import recording
from gateway.errors import ConfigError

DEVICE, HOST = "192.0.2.10", "192.0.2.20"


def ip(payload: bytes, protocol: int, source: str = DEVICE, target: str = HOST) -> bytes:
    packet = dpkt.ip.IP(src=socket.inet_aton(source), dst=socket.inet_aton(target), p=protocol, data=payload)
    packet.len = len(packet)
    return bytes(dpkt.ethernet.Ethernet(src=b"\0" * 6, dst=b"\1" * 6, type=0x0800, data=packet))


def tcp(seq: int, data: bytes = b"", *, syn: bool = False, port: int = 40000) -> bytes:
    flags = dpkt.tcp.TH_SYN if syn else dpkt.tcp.TH_ACK
    return ip(bytes(dpkt.tcp.TCP(sport=port, dport=12001, seq=seq, flags=flags, data=data)), dpkt.ip.IP_PROTO_TCP)


def udp(data: bytes) -> bytes:
    segment = dpkt.udp.UDP(sport=24105, dport=24105, data=data)
    segment.ulen = len(segment)
    return ip(bytes(segment), dpkt.ip.IP_PROTO_UDP)


def pcap(frames: Iterable[bytes], writer: type = dpkt.pcap.Writer) -> bytes:
    file = io.BytesIO()
    out = writer(file)
    for number, frame in enumerate(frames):
        out.writepkt(frame, ts=1_700_000_000 + number)
    return file.getvalue()


def streams(data: bytes) -> list[bytes]:
    return [b"".join(chunk.data for chunk in flow.chunks) for flow in recording.read(None, data)]


def test_raw_bytes_are_one_flow_without_a_time() -> None:
    (flow,) = recording.read(Path("x.bin"), b"\x05\x02")
    assert (flow.name, flow.started, [chunk.data for chunk in flow.chunks]) == ("x.bin", None, [b"\x05\x02"])


def test_a_trace_gives_what_the_device_sent_at_its_times() -> None:
    lines = [
        {
            "wardlink_trace": 1,
            "device": "d",
            "driver": "pb840",
            "profile": "",
            "link": "x",
            "started": "2026-01-02T03:04:05+00:00",
        },
        {"t": 0.5, "tx": "534e4446"},
        {"t": 0.75, "rx": "4d49"},
    ]
    (flow,) = recording.read(None, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    assert flow.started is not None
    assert [(chunk.t_s, chunk.data) for chunk in flow.chunks] == [(0.75, b"MI")]


@pytest.mark.parametrize("writer", [dpkt.pcap.Writer, dpkt.pcapng.Writer], ids=["pcap", "pcapng"])
def test_tcp_segments_are_put_in_order_and_doubles_dropped(writer: type) -> None:
    frames = [tcp(99, syn=True), tcp(103, b"def"), tcp(100, b"abc"), tcp(100, b"abc"), tcp(106, b"ghi"), tcp(104, b"efghij")]
    assert streams(pcap(frames, writer)) == [b"abcdefghij"]


def test_a_segment_that_was_not_captured_leaves_a_gap_and_not_a_loss_of_the_rest() -> None:
    frames = [tcp(99, syn=True), tcp(100, b"abc"), tcp(110, b"xyz")]
    assert streams(pcap(frames)) == [b"abcxyz"]
    assert [flow.missing for flow in recording.read(None, pcap(frames))] == [7]
    assert [flow.missing for flow in recording.read(None, pcap([frames[0], frames[1], tcp(103, b"xyz")]))] == [0]


def test_sequence_numbers_wrap() -> None:
    last = 0xFFFFFFFF
    assert streams(pcap([tcp(last - 2, syn=True), tcp(1, b"cd"), tcp(last - 1, b"ab\0")])) == [b"ab\0cd"]


def test_a_capture_that_begins_in_the_middle_is_read_from_there() -> None:
    assert streams(pcap([tcp(5000, b"abc"), tcp(5003, b"def")])) == [b"abcdef"]


def test_a_new_connection_from_the_same_port_is_a_new_flow() -> None:
    frames = [tcp(99, syn=True), tcp(100, b"one"), tcp(499, syn=True), tcp(500, b"two")]
    assert streams(pcap(frames)) == [b"one", b"two"]


def test_datagrams_stay_whole() -> None:
    (flow,) = recording.read(None, pcap([udp(b"ab"), udp(b"cd")]))
    assert flow.datagram
    assert [(chunk.t_s, chunk.data) for chunk in flow.chunks] == [(0.0, b"ab"), (1.0, b"cd")]


def test_frames_that_are_no_ip_are_passed_over() -> None:
    arp = bytes(dpkt.ethernet.Ethernet(src=b"\0" * 6, dst=b"\1" * 6, type=0x0806, data=bytes(dpkt.arp.ARP())))
    assert streams(pcap([arp, b"\0", tcp(1, b"x")])) == [b"x"]


def test_a_capture_that_was_cut_off_gives_what_is_whole() -> None:
    assert streams(pcap([tcp(1, b"abc"), tcp(4, b"def")])[:-3])[0].startswith(b"abc")


def test_a_capture_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="looks like a packet capture but cannot be read"):
        recording.read(Path("broken.pcap"), b"\xd4\xc3\xb2\xa1\x00")
