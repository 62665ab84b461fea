"""What a simulated device is: the device's side of a line, sans-IO like a codec; `host.py` gives it a pty or a socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from simulators.scenario import Scenario


class Simulator(Protocol):
    """A device. Time is seconds on the host's monotonic clock; the scenario's own time starts at `start`."""

    def start(self, now: float) -> None:
        """The line came up."""
        ...

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the gateway, in any split."""
        ...

    def data_to_send(self) -> bytes:
        """The bytes to write now."""
        ...

    def deadline(self) -> float | None:
        """When `on_deadline` wants to be called."""
        ...

    def on_deadline(self, now: float) -> None:
        """Time has passed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A simulator's registration (entry point group wardlink.simulators). `link` is "serial" or "tcp-client" or "tcp-server".

    `build(scenario, options)` makes a fresh device; `options` are the keys that `options_help` explains.
    """

    id: str
    link: str
    build: Callable[[Scenario, Mapping[str, str]], Simulator]
    options_help: Mapping[str, str] = field(default_factory=dict)
