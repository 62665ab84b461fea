"""When two messages say the same: the content identity by which the journal stores a repeat once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from drivers.lab.message_tree import Specimen
from drivers.lab.places import Scope, read
from drivers.lab.profile import AstmOptions
from drivers.lab.times import device_time

_OF_RESULT = "RCM"
"""The records that each result has for itself."""


def content_identity(around: Scope, specimen: Specimen, device_id: str, options: AstmOptions) -> str:
    """Equal for the same content, however framed and whenever sent; another for a rerun, which has other result times.

    Without: sequence numbers, the message id (H.3), and the time of sending (H.14) and of reporting (O.23) when results
    carry their own. Only where nothing tells when, H.3 has to tell a rerun from a repeat. A profile may say with `duplicate_key`,
    places in the records, which parts alone decide.
    """
    if options.duplicate_key:
        return _digest([device_id, read(around, "H.12"), *_said(around, specimen, options.duplicate_key)])
    own = [source.at for source in options.result_time if source.at.startswith("R.")]
    timed = any(device_time(read(result.scope(), at)) for result in specimen.results for at in own)
    parts = [device_id, read(around, "H.12")]
    if not timed:
        when = [read(around, at) for at in ("O.23", "H.14")]
        moment = next((text for text in when if device_time(text)), "")
        parts += [moment, "" if moment else read(around, "H.3")]
    for record in specimen.records():
        skipped = (23,) if record.type == "O" else ()
        parts += [record.type, *(record.field(n) for n in range(3, len(record) + 1) if n not in skipped), "\x1e"]
    return _digest(parts)


def _said(around: Scope, specimen: Specimen, key: Sequence[str]) -> list[str]:
    """The texts at the places of `key`: once those of header, patient and order, then those of each result."""
    once = [read(around, at) for at in key if at[0] not in _OF_RESULT]
    each = [at for at in key if at[0] in _OF_RESULT]
    scopes = (result.scope() for result in specimen.results)
    return [*once, *(text for scope in scopes for text in ("\x1e", *(read(scope, at) for at in each)))]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
