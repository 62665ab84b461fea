"""What a person may set of unknown devices: where they may call, and how much is kept of what they send."""

from __future__ import annotations

from pydantic import Field

from gateway.settings import Settings


class UnknownSettings(Settings):
    """Devices that nobody configured: taken in, acknowledged once kept, sent nowhere until a person decides (docs/unknown.md)."""

    listen: tuple[str, ...] = ()
    """Dial strings where they call, such as "tcp-listen://0.0.0.0:12001" or "serial:///dev/ttyUSB3?baud=9600"."""
    turned_away: bool = True
    """Take in also whom the `allow` of a device's port turns away."""
    peer_mb: int = Field(default=16, ge=1, le=1024)
    """Megabytes kept of one device until a person decides; beyond that it is refused, and keeps its results itself."""
    total_mb: int = Field(default=64, ge=1, le=8192)
    """Megabytes kept of all of them together."""
