"""What a FHIR server's answer makes of a Bundle: every entry is looked at, since not every server's transaction is one.

A server may answer 200 and yet have refused an entry; a proxy may answer 200 with a page of its own. Only an answer that has as
many entries as were sent, each of the type that was sent, each with a status of success, is an acceptance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from gateway.deliver.destination import Accepted, Outcome, Refused, Retry

PAUSE_MAX_S: Final = 3600.0
"""Longest pause a server can ask for: one with a wrong clock must not silence a ward for a day."""
WHY_MAX: Final = 400
"""Characters of a server's words in a sentence."""
_ISSUES_MAX: Final = 3
_ISSUE_MAX: Final = 160
_WORD_MIN: Final = 1

GOOD: Final = frozenset({200, 201, 204, 304})
CONFLICT: Final = frozenset({409, 412})
_REFUSED: Final = frozenset({400, 413, 422})
_LOGIN: Final = frozenset({401, 403, 407})
_AWAY: Final = frozenset({429, 502, 503, 504})
"""The message was not looked at."""
_BUSY: Final = frozenset({408, 423, 425})
_ADVICE: Final = {
    401: "it does not know us: check token, and the client certificate in tls",
    403: "it knows us and forbids it: the account needs to create Observation, Device and Patient by transaction",
    404: "there is no FHIR base: check url",
    405: "it takes no transaction there: url must be the server's base",
    406: "it speaks no FHIR JSON",
    407: "a proxy wants a login: the way to the server must be free of it",
    410: "there is no FHIR base any more: check url",
    415: "it takes no FHIR JSON",
    501: "it does not carry out transactions",
}
_STATUS: Final = re.compile(r"\s*(\d{3})\b")
_UNFIT: Final = re.compile(r"[^\S ]|[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]")


class Request(msgspec.Struct, frozen=True, rename="camel"):
    """An entry's request, as it was sent."""

    method: str
    url: str
    if_none_exist: str = ""

    @property
    def kind(self) -> str:
        """The resource type."""
        return re.split(r"[?/]", self.url, maxsplit=1)[0]


class _SentEntry(msgspec.Struct, frozen=True):
    request: Request


class _Sent(msgspec.Struct, frozen=True, rename="camel"):
    resource_type: str
    entry: tuple[_SentEntry, ...] = ()


_sent = msgspec.json.Decoder(_Sent)


def requests(body: bytes) -> tuple[Request, ...] | None:
    """The requests of a Bundle; None when the bytes are none."""
    try:
        bundle = _sent.decode(body)
    except msgspec.DecodeError:
        return None
    return tuple(entry.request for entry in bundle.entry) if bundle.resource_type == "Bundle" else None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Entries that the server says exist or clash: to be looked up by their identifiers."""

    entries: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    retry_after: str = ""


def judge(answer: Answer, sent: Sequence[Request], words: Words, now: datetime) -> Outcome | Conflict:
    """What an answer means. `now` is for a Retry-After that is a date."""
    status = answer.status
    if status in (200, 201):
        return _entries(answer.body, sent, words)
    if status == 204 or status in CONFLICT:
        return Conflict(tuple(sent))
    said = words.of(answer.body)
    if status in _REFUSED or (400 <= status < 500 and status not in _BUSY | _AWAY | _ADVICE.keys()):
        return Refused(f"HTTP {status}{f': {said}' if said else ''}", str(status))
    return _later(status, said, pause(answer.retry_after, now))


def _later(status: int, said: str, after_s: float | None) -> Retry:
    """Not now: where somebody must act first, what to do."""
    if 300 <= status < 400:
        return Retry(f"HTTP {status}: it points elsewhere, which is not followed: give the final address as url", link=True)
    if status in _ADVICE:
        return Retry(f"HTTP {status}: {_ADVICE[status]}{f' ({said})' if said else ''}", after_s, link=True)
    return Retry(f"HTTP {status}{f': {said}' if said else ''}", after_s, link=status in _AWAY)


def pause(text: str, now: datetime) -> float | None:
    """Retry-After (RFC 9110 10.2.3) in seconds: a number, or a date; None when it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), PAUSE_MAX_S)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return min(max((when - now).total_seconds(), 0.0), PAUSE_MAX_S)


def count(body: bytes) -> int:
    """How many resources a search found; 0 when the answer is no searchset."""
    bundle = _json(body)
    if bundle.get("resourceType") != "Bundle":
        return 0
    total, entries = bundle.get("total"), bundle.get("entry")
    if isinstance(total, int) and not isinstance(total, bool):
        return total
    return len(entries) if isinstance(entries, list) else 0


class Words:
    """A server's words made fit for a log: shortened, without control characters, without what names the patient."""

    def __init__(self, body: bytes) -> None:
        names = sorted({name for name in _names(_json(body)) if len(name) >= _WORD_MIN}, key=len, reverse=True)
        parts = "|".join(re.escape(name) for name in names)
        self._names = re.compile(rf"(?<!\w)(?:{parts})(?!\w)", re.IGNORECASE) if parts else None

    def of(self, body: bytes) -> str:
        """The issues of an OperationOutcome; empty when the body is none."""
        return self.outcome(_json(body))

    def outcome(self, outcome: Any) -> str:
        """The issues of an OperationOutcome that is decoded already, errors first."""
        issues = outcome.get("issue") if isinstance(outcome, dict) else None
        if not isinstance(issues, list):
            return ""
        known = [issue for issue in issues if isinstance(issue, dict)]
        known.sort(key=lambda issue: issue.get("severity") not in ("fatal", "error"))
        said = [self.fit(_issue(issue)) for issue in known[:_ISSUES_MAX]]
        return "; ".join(filter(None, said))[:WHY_MAX]

    def fit(self, text: str) -> str:
        """The text, fit to be shown."""
        text = _UNFIT.sub(" ", text)
        if self._names is not None:
            text = self._names.sub("[...]", text)
        return " ".join(text.split())[:_ISSUE_MAX]


def _entries(body: bytes, sent: Sequence[Request], words: Words) -> Outcome | Conflict:
    bundle = _json(body)
    if bundle.get("resourceType") != "Bundle":
        return Retry("the answer is no Bundle: is url a FHIR base, or does something else answer there?", link=True)
    entries = bundle.get("entry")
    found = entries if isinstance(entries, list) else []
    if len(found) != len(sent):
        return Retry(f"the answer has {len(found)} entries for {len(sent)} that were sent: not taken")
    conflicts: list[Request] = []
    retries: list[tuple[int, str]] = []
    refusals: list[tuple[int, str]] = []
    for request, entry in zip(sent, found, strict=True):
        status, where, said = _response(entry, words)
        if where and request.kind not in where.split("/"):
            return Retry(f"the answer to a {request.kind} is about something else: not taken")
        if status in CONFLICT:
            conflicts.append(request)
        elif status not in GOOD:
            kept = refusals if 400 <= status < 500 and status not in _LOGIN | _BUSY | _AWAY else retries
            kept.append((status, f"{request.kind}: {status or 'no status'}{f', {said}' if said else ''}"))
    return _verdict(conflicts, retries, refusals, len(sent))


def _verdict(
    conflicts: list[Request], retries: list[tuple[int, str]], refusals: list[tuple[int, str]], total: int
) -> Outcome | Conflict:
    """A refusal outweighs a retry, a retry a conflict: the whole Bundle goes again, and what is there already stays as it is."""
    if refusals:
        return Refused(f"{len(refusals)} of {total} entries refused, first {refusals[0][1]}"[:WHY_MAX], str(refusals[0][0]))
    if retries:
        link = all(status in _LOGIN for status, _ in retries)
        return Retry(f"{len(retries)} of {total} entries not taken, first {retries[0][1]}"[:WHY_MAX], link=link)
    return Conflict(tuple(conflicts)) if conflicts else Accepted("200")


def _response(entry: Any, words: Words) -> tuple[int, str, str]:
    """Status, location and issues of a response entry; status 0 when it has none."""
    response = entry.get("response") if isinstance(entry, dict) else None
    if not isinstance(response, dict):
        return 0, "", ""
    match = _STATUS.match(str(response.get("status", "")))
    where = response.get("location")
    return int(match[1]) if match else 0, where if isinstance(where, str) else "", words.outcome(response.get("outcome"))


def _issue(issue: dict[str, Any]) -> str:
    details = issue.get("details")
    said = details.get("text") if isinstance(details, dict) else None
    said = said or issue.get("diagnostics") or issue.get("code")
    where = issue.get("expression") or issue.get("location")
    place = f" ({where[0]})" if isinstance(where, list) and where and isinstance(where[0], str) else ""
    return f"{said}{place}" if isinstance(said, str) else ""


def _names(bundle: dict[str, Any]) -> Iterator[str]:
    """What names the patient in a Bundle that was sent: every text of Patient, and logical references to one."""
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        if resource.get("resourceType") == "Patient":
            for part in ("identifier", "name", "birthDate"):
                yield from _leaves(resource.get(part))
        else:
            for part in ("subject", "encounter"):
                yield from _leaves(resource.get(part))


def _leaves(value: Any) -> Iterable[str]:
    """Every text that is data: not a system, not a code, not a pointer inside the Bundle."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return (leaf for one in value for leaf in _leaves(one))
    if isinstance(value, dict):
        return (leaf for key, one in value.items() if key not in ("type", "system", "use") for leaf in _leaves(one))
    return ()


def _json(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty one when the body is none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
