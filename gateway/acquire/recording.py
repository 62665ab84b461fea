"""Recorded bytes from a file: raw, a wardlink trace, or a pcap/pcapng of TCP or UDP; each one direction of one connection."""

from __future__ import annotations

from pathlib import Path

from gateway.acquire.flow import Chunk, Flow
from gateway.acquire.links.trace import is_trace, read_trace_bytes
from gateway.errors import ConfigError

SIZE_MAX = 1024 * 1024 * 1024
"""Bytes of a recording: a day of fifty monitors; more does not fit a small box's memory."""
_PCAP_MAGIC = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")


def read(path: Path | None, data: bytes) -> list[Flow]:
    """The flows in a file's bytes; `path` only names it. Raises ConfigError for a capture that cannot be read at all."""
    name = str(path) if path else "standard input"
    if len(data) > SIZE_MAX:
        raise ConfigError(f"{name}: {len(data)} bytes; expected at most {SIZE_MAX}. Cut the recording into parts.")
    if data[:4] in _PCAP_MAGIC:
        from gateway.acquire import pcap  # dpkt is only worth loading for a capture

        return pcap.flows(name, data)
    if is_trace(data):
        started, chunks = read_trace_bytes(data)
        return [Flow(name, started, [Chunk(t, said) for t, said in chunks])]
    return [Flow(name, None, [Chunk(0.0, data)] if data else [])]
