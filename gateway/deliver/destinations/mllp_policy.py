"""What an acknowledgement makes of the message it answers (docs/destinations/mllp.md has the table)."""

from __future__ import annotations

from gateway.deliver.destination import Accepted, Outcome, Refused, Retry
from gateway.settings.mllp import MllpSettings, Verdict
from protocols.hl7v2.ack import Ack, Error


def outcome(ack: Ack, settings: MllpSettings) -> Outcome:
    """The outcome for a message that `ack` answers."""
    verdict = settings.ack_verdict(ack.code)
    if not ack.accepted:
        verdict = _errors_verdict(ack, settings) or verdict
    if verdict is Verdict.ACCEPT:
        return Accepted(ack.code.value)
    why = _words(ack)
    return Retry(why, quoted=True) if verdict is Verdict.RETRY else Refused(why, ack.code.value)


def _errors_verdict(ack: Ack, settings: MllpSettings) -> Verdict | None:
    """What the errors say together: one lasting error is enough to refuse, one passing error keeps it from being taken."""
    said = {settings.error_verdict(error.code) for error in ack.errors if error.severity not in ("I", "W")}
    return next((verdict for verdict in (Verdict.REFUSE, Verdict.RETRY) if verdict in said), _accepted(said))


def _accepted(said: set[Verdict | None]) -> Verdict | None:
    return Verdict.ACCEPT if said == {Verdict.ACCEPT} else None


def _words(ack: Ack) -> str:
    errors = ", ".join(dict.fromkeys(_where(error) for error in ack.errors if error.code))
    return " ".join(part for part in (f"receiver says {ack.code.value}", f"({errors})" if errors else "", ack.text) if part)


def _where(error: Error) -> str:
    return f"ERR-3 {error.code} at {error.location}" if error.location else f"ERR-3 {error.code}"
