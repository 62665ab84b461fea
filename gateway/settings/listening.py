"""What a person may set of a door that others connect to: where it listens, and how it is protected."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from gateway.settings import Settings, TlsSettings
from gateway.settings.mllp import is_loopback, split


class Listening(Settings):
    """An address that is listened on: this machine's own, or with mutual TLS, or on purpose for anybody."""

    listen: str
    """Address and port."""
    tls: TlsSettings | None = None
    """Files for mutual TLS."""
    plain: bool = False
    """Answer anybody on the network unencrypted."""

    @field_validator("listen")
    @classmethod
    def _listen(cls, listen: str) -> str:
        split(listen)
        return listen

    @model_validator(mode="after")
    def _protected(self) -> Listening:
        if self.tls is not None and self.plain:
            raise ValueError("tls and plain = true contradict each other: remove one of them")
        if self.tls is not None and (self.tls.cert is None or self.tls.key is None):
            raise ValueError("tls needs cert and key as well as ca: a server shows a certificate of its own")
        if self.tls is None and not self.plain and not is_loopback(self.host):
            raise ValueError(
                f"{self.listen} can be reached from the network and no tls = {{ ca, cert, key }} is given; give tls, or write "
                f'plain = true if that is meant, or listen = "{type(self).model_fields["listen"].default}"'
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
        """Whether anybody on the network may connect."""
        return self.tls is None and not is_loopback(self.host)
