"""What went wrong on the way to a peer, in a sentence for the technician who must mend it."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.errors import ConfigError
from gateway.security import certificates
from gateway.security.certificates import Certificate
from gateway.security.tls import client_context
from gateway.settings import TlsSettings

LOOK_TIMEOUT_S = 5.0
"""For fetching a certificate that was not accepted: a courtesy to the reader, not worth waiting long for."""

_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID
_WRONG_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
# X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, DEPTH_ZERO_SELF_SIGNED_CERT, SELF_SIGNED_CERT_IN_CHAIN,
# UNABLE_TO_GET_ISSUER_CERT_LOCALLY, UNABLE_TO_VERIFY_LEAF_SIGNATURE

_OUR_CERTIFICATE = {
    "BAD_CERTIFICATE": "it cannot be read or verified",
    "UNSUPPORTED_CERTIFICATE": "of a kind it does not take",
    "CERTIFICATE_REVOKED": "revoked",
    "CERTIFICATE_EXPIRED": "expired",
    "CERTIFICATE_UNKNOWN": "not acceptable",
    "UNKNOWN_CA": "signed by an authority it does not know",
    "ACCESS_DENIED": "valid but not allowed",
    "CERTIFICATE_REQUIRED": "missing",
}
"""TLS alerts about a certificate (RFC 8446 6.2), as the peer means them."""
_NOT_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")
_OLD_TLS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "INAPPROPRIATE_FALLBACK")

_NETWORK = {
    errno.ECONNREFUSED: "nothing listens there: is the receiver running, is the port right?",
    errno.EHOSTUNREACH: "no way to that host: check cable, VLAN and firewall",
    errno.ENETUNREACH: "no way to that network: check the gateway's own address and route",
    errno.ETIMEDOUT: "no answer: check address, cable and firewall",
    errno.EACCES: "a local firewall forbids it",
    errno.EADDRNOTAVAIL: "that address cannot be reached from here",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """Who was wanted. `shown` is the certificate that was not accepted, where it could be fetched (see `look`)."""

    host: str
    port: int
    tls: TlsSettings | None = None
    shown: Certificate | None = None

    @property
    def address(self) -> str:
        """host:port as people write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def wanted(self) -> str:
        """The name its certificate must hold."""
        return (self.tls.server_name if self.tls else None) or self.host


def explain(error: BaseException, peer: Peer) -> str:
    """The sentence for `error`, which happened while connecting to `peer` or talking to it."""
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{peer.address}: {_not_accepted(error, peer)}"
    if isinstance(error, ssl.SSLError):
        return f"{peer.address}: {_tls(error)}"
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"{peer.address}: the name {peer.host} is not known: check its spelling and the DNS server"
    return f"{peer.address}: {_network(error, peer)}"


async def look(peer: Peer) -> Certificate | None:
    """The certificate that `peer` shows, believed or not; None when it shows none. Nothing is sent on that connection."""
    if peer.tls is None:
        return None
    try:
        context = client_context(peer.tls)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # only to read what was refused: the connection ends here
        connecting = asyncio.open_connection(peer.host, peer.port, ssl=context, server_hostname=peer.wanted)
        _, writer = await asyncio.wait_for(connecting, LOOK_TIMEOUT_S)
    except (OSError, ConfigError):
        return None
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return certificates.from_der(der) if der else None
    except ValueError:  # ended by an alert meanwhile, or no certificate that cryptography reads
        return None
    finally:
        writer.transport.abort()


async def speaks_tls(peer: Peer, timeout_s: float = LOOK_TIMEOUT_S) -> bool:
    """Whether `peer` speaks TLS where plain text was sent: servers hang up on that, most of them without a word."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only to see whether TLS is answered: the connection ends here
    try:
        connecting = asyncio.open_connection(peer.host, peer.port, ssl=context, server_hostname=peer.wanted)
        _, writer = await asyncio.wait_for(connecting, timeout_s)
    except ssl.SSLError as error:
        return "ALERT" in (getattr(error, "reason", None) or "")
    except (OSError, ValueError):
        return False
    writer.transport.abort()
    return True


def is_tls_record(data: bytes) -> bool:
    """Whether `data`, received where plain text was expected, begins like TLS: an alert or handshake record (RFC 8446 5.1)."""
    return len(data) >= 2 and data[0] in (0x15, 0x16) and data[1] == 0x03


def _not_accepted(error: ssl.SSLCertVerificationError, peer: Peer) -> str:
    code, shown = error.verify_code, peer.shown
    if code in _WRONG_NAME:
        holds = f"is for {shown.list_names()}, not" if shown else "is not"
        return (
            f"the certificate {holds} for {peer.wanted}: correct the address, give tls.server_name, "
            "or have a certificate made for that name"
        )
    if code == _EXPIRED:
        return f"the certificate {_since(shown, error)}: the receiver needs a new one (and this gateway the right time)"
    if code == _NOT_YET:
        when = f" before {shown.not_before:%Y-%m-%d %H:%M} UTC" if shown else " yet"
        return f"the certificate is not valid{when}: check the clocks of this gateway and of the receiver"
    if code in _UNKNOWN_AUTHORITY:
        trusted = f"no authority of {peer.tls.ca if peer.tls else 'tls.ca'}"
        signer = f"by {shown.issuer}, which is {trusted}" if shown else f"by {trusted}"
        return f"the certificate is signed {signer}: put the receiver's authority there"
    return f"the certificate is not accepted: {error.verify_message}"


def _since(shown: Certificate | None, error: ssl.SSLCertVerificationError) -> str:
    if shown is None:
        return "has expired"
    if shown.not_after > datetime.now(UTC):
        return f"was signed by an authority whose own certificate has expired ({error.verify_message})"
    return f"expired on {shown.not_after:%Y-%m-%d %H:%M} UTC"


def _tls(error: ssl.SSLError) -> str:
    reason = getattr(error, "reason", None) or ""  # absent where Python raises it by itself
    alert = reason.rpartition("ALERT_")[2]
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "it closed the connection in the middle of TLS"
    if "ALERT_" in reason and alert in _OUR_CERTIFICATE:
        return f"it refuses our certificate: {_OUR_CERTIFICATE[alert]}; check tls.cert, and what the receiver trusts"
    if reason in _NOT_TLS:
        return "it answers without TLS: that is a plain port; give the receiver's TLS port"
    if reason in _OLD_TLS or alert in _OLD_TLS:
        return "it speaks no TLS version that is allowed: it must offer TLS 1.2 or 1.3"
    if alert in ("HANDSHAKE_FAILURE", "INSUFFICIENT_SECURITY"):
        return "it refuses the TLS handshake: no common AEAD cipher suite, or it wants a certificate (tls.cert, tls.key)"
    return f"TLS fails: {(reason or str(error)).replace('_', ' ').lower()[:200]}"


def _network(error: BaseException, peer: Peer) -> str:
    number = _errno(error)
    if number in _NETWORK:
        return _NETWORK[number]
    if isinstance(error, TimeoutError):
        hint = "no TLS answer in time: no way there, or a plain port" if peer.tls else "no answer in time"
        return f"{hint}: check address, port and firewall"
    if isinstance(error, ConnectionError):
        if peer.tls is None:
            return "it closed the connection"
        return "it closed the connection during TLS: it refuses our certificate, has only older TLS, or it is a plain port"
    return f"{type(error).__name__}: {str(error)[:200]}"


def _errno(error: BaseException) -> int | None:
    """The error number; of several addresses tried asyncio says them in the text only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return int(found.group(1)) if found else None
