"""A bad line around any simulated device: what the gateway answers is lost, what the device says comes one byte at a time."""

from __future__ import annotations

import random

from simulators.contract import Simulator


class BadLine:
    """The device with its cable, itself a Simulator. `lose`: the chance that an answer never arrives; `trickle`: byte by byte."""

    def __init__(self, device: Simulator, *, lose: float = 0.0, trickle: bool = False, seed: int = 1) -> None:
        self._device, self._lose, self._trickle = device, lose, trickle
        self._dice = random.Random(f"line/{seed}")  # noqa: S311 - a script, not a secret
        self._out = bytearray()
        self._now = 0.0
        self.lost = 0
        """Answers that did not arrive."""

    def start(self, now: float) -> None:
        self._now = now
        self._out.clear()
        self._device.start(now)

    def receive(self, data: bytes, now: float) -> None:
        self._now = now
        if self._dice.random() < self._lose:
            self.lost += 1
        else:
            self._device.receive(data, now)

    def data_to_send(self) -> bytes:
        self._out += self._device.data_to_send()
        size = 1 if self._trickle else len(self._out)
        data = bytes(self._out[:size])
        del self._out[:size]
        return data

    def deadline(self) -> float | None:
        """At once while bytes are left."""
        return self._now if self._out else self._device.deadline()

    def on_deadline(self, now: float) -> None:
        self._now = now
        due = self._device.deadline()
        if due is not None and due <= now:
            self._device.on_deadline(now)
