"""Packet captures: pcap and pcapng of TCP or UDP, put back into the byte streams that the devices sent."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import dpkt

from gateway.acquire.flow import Chunk, Flow
from gateway.errors import ConfigError

_AHEAD_MAX = 4096
"""Segments kept while one before them is missing: past that it was not captured, and the stream goes on without it."""


def flows(name: str, data: bytes) -> list[Flow]:
    """The flows in a capture, in the order they began. Raises ConfigError when it is none."""
    streams: dict[tuple[Any, ...], _Stream] = {}
    try:
        reader = dpkt.pcap.UniversalReader(io.BytesIO(data))
        link = reader.datalink()
        for stamp, frame in reader:
            _packet(streams, float(stamp), _network(link, frame))
    except (ValueError, dpkt.dpkt.Error) as error:
        if not streams:
            raise ConfigError(f"{name}: looks like a packet capture but cannot be read as one: {error}") from None
    return [flow for stream in streams.values() for flow in stream.flows() if flow.chunks]


def _network(link: int, frame: bytes) -> Any:
    """The IP packet in a captured frame, or None."""
    try:
        if link == dpkt.pcap.DLT_LINUX_SLL:
            return dpkt.sll.SLL(frame).data
        if link == dpkt.pcap.DLT_LINUX_SLL2:
            return dpkt.sll2.SLL2(frame).data
        if link in (dpkt.pcap.DLT_NULL, dpkt.pcap.DLT_LOOP):
            return dpkt.loopback.Loopback(frame).data
        if link in (dpkt.pcap.DLT_RAW, 12, 14, 101, 228, 229):
            return dpkt.ip6.IP6(frame) if frame[:1] and frame[0] >> 4 == 6 else dpkt.ip.IP(frame)
        return dpkt.ethernet.Ethernet(frame).data
    except (dpkt.dpkt.Error, ValueError, IndexError):
        return None


def _packet(streams: dict[tuple[Any, ...], _Stream], stamp: float, packet: Any) -> None:
    if not isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6):
        return
    segment = packet.data
    if not isinstance(segment, dpkt.tcp.TCP | dpkt.udp.UDP):
        return
    tcp = isinstance(segment, dpkt.tcp.TCP)
    key = (tcp, packet.src, segment.sport, packet.dst, segment.dport)
    stream = streams.get(key)
    if stream is None:
        name = f"{_host(packet.src)}:{segment.sport} > {_host(packet.dst)}:{segment.dport}"
        stream = streams[key] = _Stream(f"{name} {'tcp' if tcp else 'udp'}", datagram=not tcp)
    if tcp:
        stream.segment(stamp, segment.seq, bytes(segment.data), syn=bool(segment.flags & dpkt.tcp.TH_SYN))
    elif segment.data:
        stream.take(stamp, bytes(segment.data))


def _host(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


class _Stream:
    """One direction: TCP segments put in order, doubles dropped; a new SYN begins a new flow."""

    def __init__(self, name: str, *, datagram: bool) -> None:
        self.name = name
        self._datagram = datagram
        self._flows: list[Flow] = []
        self._next: int | None = None
        self._ahead: dict[int, tuple[float, bytes]] = {}

    def flows(self) -> list[Flow]:
        """What was captured; segments behind a gap come last, in order."""
        self._skip_gaps(leave=0)
        return self._flows

    def segment(self, stamp: float, seq: int, data: bytes, *, syn: bool) -> None:
        if syn:
            self._skip_gaps(leave=0)
            self._next = (seq + 1) & 0xFFFFFFFF
            if self._flows and self._flows[-1].chunks:
                self._flows.append(self._flow(stamp))
            return
        if not data:
            return
        if self._next is None:
            self._next = seq
        self._ahead.setdefault(seq, (stamp, data))
        self._advance()
        self._skip_gaps(leave=_AHEAD_MAX)

    def take(self, stamp: float, data: bytes) -> None:
        if not self._flows:
            self._flows.append(self._flow(stamp))
        flow = self._flows[-1]
        assert flow.started is not None
        flow.chunks.append(Chunk(stamp - flow.started.timestamp(), data))

    def _flow(self, stamp: float) -> Flow:
        return Flow(self.name, datetime.fromtimestamp(stamp, UTC), datagram=self._datagram)

    def _advance(self) -> None:
        assert self._next is not None
        for seq in self._in_order():
            behind = (self._next - seq) & 0xFFFFFFFF
            if behind >= 1 << 31:
                return
            stamp, data = self._ahead.pop(seq)
            if behind < len(data):
                self.take(stamp, data[behind:])
                self._next = (seq + len(data)) & 0xFFFFFFFF

    def _skip_gaps(self, *, leave: int) -> None:
        while len(self._ahead) > leave:
            resumed = next(iter(self._in_order()))
            if self._flows and self._next is not None:
                self._flows[-1].missing += (resumed - self._next) & 0xFFFFFFFF
            self._next = resumed
            self._advance()

    def _in_order(self) -> Iterable[int]:
        base = self._next or 0
        return sorted(self._ahead, key=lambda seq: (seq - base + (1 << 31)) & 0xFFFFFFFF)
