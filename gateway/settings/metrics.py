"""What a person may set of the metrics endpoint: where it listens, and how it is protected."""

from __future__ import annotations

from gateway.settings import TlsSettings
from gateway.settings.listening import Listening


class MetricsSettings(Listening):
    """The Prometheus endpoint: /metrics and /healthz over HTTP. Without this table there is none."""

    listen: str = "127.0.0.1:9464"
    """Address and port. On another address than this machine's own loopback `tls` is needed, or `plain = true`."""
    tls: TlsSettings | None = None
    """Files for mutual TLS: whoever asks must show a certificate signed by `ca`; `cert` and `key` are the gateway's."""
    plain: bool = False
    """Answer anybody on the network unencrypted: names of devices and destinations, counts and ages; never patient data."""
