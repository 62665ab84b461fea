"""What a person may set of the door for orders: where laboratory systems connect, and how it is protected."""

from __future__ import annotations

from pydantic import IPvAnyNetwork

from gateway.settings import TlsSettings
from gateway.settings.listening import Listening


class OrderSettings(Listening):
    """Orders of laboratory systems: OML^O21, OML^O33 and ORM^O01 over MLLP. Without this table none are taken."""

    listen: str = "127.0.0.1:2576"
    """Address and port. On another address than this machine's own loopback `tls` is needed, or `plain = true`."""
    tls: TlsSettings | None = None
    """Files for mutual TLS: whoever connects must show a certificate signed by `ca`; `cert` and `key` are the gateway's."""
    plain: bool = False
    """Take orders from anybody on the network, unencrypted: only within a network of the laboratory's own, with `allow`."""
    allow: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks that may connect; empty: all that can reach it."""
