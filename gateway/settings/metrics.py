"""What a person may set of the metrics endpoint: where it listens, and how it is protected."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from gateway.settings import Settings, TlsSettings
from gateway.settings.mllp import is_loopback, split


class MetricsSettings(Settings):
    """The Prometheus endpoint: /metrics and /healthz over HTTP. Without this table there is none."""

    listen: str = "127.0.0.1:9464"
    """Address and port. On another address than this machine's own loopback `tls` is needed, or `plain = true`."""
    tls: TlsSettings | None = None
    """Files for mutual TLS: whoever asks must show a certificate signed by `ca`; `cert` and `key` are the gateway's."""
    plain: bool = False
    """Answer anybody on the network unencrypted: names of devices and destinations, counts and ages; never patient data."""

    @field_validator("listen")
    @classmethod
    def _listen(cls, listen: str) -> str:
        split(listen)
        return listen

    @model_validator(mode="after")
    def _protected(self) -> MetricsSettings:
        if self.tls is not None and self.plain:
            raise ValueError("tls and plain = true contradict each other: remove one of them")
        if self.tls is not None and (self.tls.cert is None or self.tls.key is None):
            raise ValueError("tls needs cert and key as well as ca: a server shows a certificate of its own")
        if self.tls is None and not self.plain and not is_loopback(self.host):
            raise ValueError(
                f"{self.listen} can be reached from the network and no tls = {{ ca, cert, key }} is given; give tls, or write "
                'plain = true if that is meant, or listen = "127.0.0.1:9464"'
            )
        return self

    @property
    def host(self) -> str:
        """The address, without brackets."""
        return split(self.listen)[0]

    @property
    def port(self) -> int:
        """The port."""
        return split(self.listen)[1]

    @property
    def open_to_all(self) -> bool:
        """Whether anybody on the network may read it."""
        return self.tls is None and not is_loopback(self.host)
