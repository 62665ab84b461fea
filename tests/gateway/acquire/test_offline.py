"""A file through a codec: in reads of bounded size, so that a large one does not fill memory; a datagram stays whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.acquire import offline, registry
from gateway.acquire.flow import Chunk, Flow
from gateway.model import DeviceIdentity
from protocols.sansio import Quiet


class Listener(Quiet):
    """A codec that keeps what it is given."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def receive(self, data: bytes, now: float) -> Sequence[Any]:
        self.given.append(data)
        return ()

    def end(self, now: float) -> Sequence[Any]:
        return ()


@pytest.mark.parametrize(("datagram", "most"), [(False, 65536), (True, 200_000)])
def test_a_chunk_is_given_in_reads_and_a_datagram_at_once(datagram: bool, most: int) -> None:
    driver = registry.load("nonin")
    context = driver.context(
        DeviceIdentity(id="x"), registry.options(driver, "", {}), wall=lambda _: datetime(2026, 1, 1, tzinfo=UTC)
    )
    listener = Listener()
    data = bytes(range(250)) * 800
    faults = list(offline.decode(Flow("file", None, [Chunk(0.0, data)], datagram=datagram), listener, context))
    assert b"".join(listener.given) == data
    assert max(map(len, listener.given)) == most
    assert len(faults) == 1
