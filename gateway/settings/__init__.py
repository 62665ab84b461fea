"""What a person may set of links to receivers and of messages: pydantic models, shared by config, deliver and security.

A key with a safe default exists for whatever real receivers want otherwise (sources beside each).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of all settings: frozen, and a key nobody knows is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class TlsSettings(Settings):
    """Files for mutual TLS. Verification of the receiver cannot be switched off."""

    ca: Path
    """PEM file of the authorities that may have signed the receiver's certificate."""
    cert: Path | None = None
    """Our own certificate (chain), PEM; with `key` for mutual TLS."""
    key: str | None = None
    """Path of our key's PEM file, or credential:NAME for a systemd credential."""
    server_name: str | None = None
    """The name the receiver's certificate must hold, where it differs from the address."""
