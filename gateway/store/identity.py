"""Who the journal belongs to: the gateway's name, and its EUI-64, made at the first start and kept."""

from __future__ import annotations

import re
import secrets
import sqlite3

from gateway.errors import ConfigError
from gateway.model import Gateway

_EUI64 = re.compile(r"[0-9A-F]{16}\Z")


def new_eui64() -> str:
    """A random EUI-64 of our own: the locally administered bit set, the group bit clear (IEEE 802, first octet bits 1 and 0)."""
    octets = bytearray(secrets.token_bytes(8))
    octets[0] = (octets[0] | 0b10) & ~0b01
    return octets.hex().upper()


def check_eui64(text: str) -> str:
    """`text` as 16 upper-case hex digits (dashes and colons are taken out); ConfigError when it is none."""
    plain = text.replace("-", "").replace(":", "").upper()
    if not _EUI64.fullmatch(plain):
        raise ConfigError(f"gateway.eui64: got {text!r}, expected 16 hex digits such as 02A1B2FFFEC3D4E5")
    return plain


def settle(conn: sqlite3.Connection, name: str, eui64: str | None) -> Gateway:
    """The gateway of this journal, inside the caller's transaction; a given `eui64` replaces the kept one."""
    conn.execute("INSERT INTO meta (key, value) VALUES ('eui64', ?) ON CONFLICT DO NOTHING", (new_eui64(),))
    if eui64 is not None:
        conn.execute("UPDATE meta SET value = ? WHERE key = 'eui64'", (check_eui64(eui64),))
    conn.execute("INSERT INTO meta (key, value) VALUES ('name', ?) ON CONFLICT DO UPDATE SET value = excluded.value", (name,))
    return read(conn)


def read(conn: sqlite3.Connection) -> Gateway:
    """The gateway that the journal holds."""
    meta = dict(conn.execute("SELECT key, value FROM meta").fetchall())
    return Gateway(name=meta["name"], eui64=meta["eui64"])
