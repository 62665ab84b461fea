"""The oracle: knows what every device was told and what every receiver took, and asks nobody else whether the promise was kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulators.receiving.keeping import Row
from tests.faults.analyzer import Analyzer
from tests.faults.hl7 import fields, values
from tests.faults.oximeter import Oximeter, number_of

Rows = Callable[[], Sequence[Row]]
Account = Mapping[tuple[str, str], Mapping[str, Any]]
"""The gateway's own statement: its lines by device and destination."""
SHOWN_MAX = 5
"""Of a long list of faults of one kind, so many are told one by one."""


@dataclass(slots=True)
class Verdict:
    """What is wrong, in words; and the statement for people. No fault: the promise was kept."""

    faults: list[str] = field(default_factory=list)
    statement: list[str] = field(default_factory=list)

    def blame(self, what: str, which: Iterable[object]) -> None:
        """There must be none of `which`."""
        found = list(which)
        if found:
            more = f" … {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
            self.faults.append(f"{what}: {', '.join(map(str, found[:SHOWN_MAX]))}{more}")

    def __str__(self) -> str:
        return "\n".join([*self.faults, *self.statement])


@dataclass(slots=True)
class Oracle:
    """`analyzers` and `oximeters` by device id, each with the destination that takes what it says; receivers by destination id."""

    analyzers: dict[str, Analyzer] = field(default_factory=dict)
    oximeters: dict[str, Oximeter] = field(default_factory=dict)
    receivers: dict[str, Rows] = field(default_factory=dict)
    lab: str = "lis"
    vitals: str = "engine"
    gaps: bool = False
    """Whether a streaming device's lines may be missing in the middle of a connection: the journal took none for a while."""

    def judge(self, account: Account, *, undelivered: int = 0) -> Verdict:
        """Hold everything against everything, once all is drained; `undelivered` readings are accounted for elsewhere, by name."""
        verdict = Verdict()
        for destination, rows in self.receivers.items():
            _judge_ids(verdict, destination, rows())
        if self.analyzers:
            self._judge_lab(verdict, account, undelivered)
        if self.oximeters:
            self._judge_vitals(verdict, account)
        for (device, destination), line in account.items():
            kept = sum(line[key] for key in ("delivered", "waiting", "held", "parked"))
            kept += sum(line["dropped"].values()) + sum(line.get("lost", {}).values())
            if kept != line["received"]:
                verdict.faults.append(f"{device} → {destination}: the statement does not add up: {dict(line)}")
        return verdict

    def _judge_lab(self, verdict: Verdict, account: Account, undelivered: int) -> None:
        rows = self.receivers[self.lab]()
        sent = {
            (r.specimen, values(r.text)): (device, n)
            for device, one in self.analyzers.items()
            for n, r in enumerate(one.device.sent)
        }
        acknowledged = {(r.specimen, values(r.text)) for one in self.analyzers.values() for r in one.device.acknowledged}
        ids: dict[tuple[str, tuple[str, ...]], dict[str, bool]] = defaultdict(dict)
        for row in rows:
            ids[_result(row.body.decode())].setdefault(row.id, False)
            ids[_result(row.body.decode())][row.id] |= row.accepted
        taken = {content for content, each in ids.items() if any(each.values())}
        verdict.blame("told to the hospital and said by no device", (c[0] for c in ids if c not in sent))
        verdict.blame("told under two ids", (f"{c[0]} {sorted(each)}" for c, each in ids.items() if len(each) > 1))
        missing = [content for content in acknowledged if content not in taken]
        if len(missing) > undelivered:
            verdict.blame(f"acknowledged to a device and lost ({undelivered} accounted for)", (c[0] for c in missing))
        for device in self.analyzers:
            arrived = [sent[c][1] for c in ids if c in sent and sent[c][0] == device]
            if arrived != sorted(arrived):
                verdict.faults.append(f"{device}: its results did not come in its order")
            line = account.get((device, self.lab), {})
            took = sum(1 for c in taken if c in sent and sent[c][0] == device)
            _judge_count(verdict, device, line, took)
        verdict.statement.append(
            f"{len(self.analyzers)} analyzers: {len(sent)} results sent, {len(acknowledged)} acknowledged to them; "
            f"{self.lab} took {len(taken)}, each once; {_repeats(rows)} repeats, byte for byte"
        )

    def _judge_vitals(self, verdict: Verdict, account: Account) -> None:
        rows, total = self.receivers[self.vitals](), 0
        accepted = {row.id for row in rows if row.accepted}
        by_serial = {one.serial: one for one in self.oximeters.values()}
        numbers: dict[str, dict[int, str]] = {serial: {} for serial in by_serial}
        for row in _first_of_each(rows):
            body = row.body.decode()
            serial, number = next(f for f in fields(body, "OBX", 18) if f).split("^")[0], number_of(body)
            one = by_serial[serial]
            (patient,) = fields(body, "PID", 3)
            if number >= len(one.said):
                verdict.faults.append(f"{one.device}: line {number} was told and never said")
                continue
            if number in numbers[serial]:
                verdict.faults.append(f"{one.device}: line {number} told under {numbers[serial][number]} and {row.id}")
            if patient.split("^")[0] != one.said[number]:
                verdict.faults.append(f"{one.device}: line {number} of {one.said[number]} was told of {patient}")
            numbers[serial][number] = row.id
        for serial, found in numbers.items():
            total += len(found)
            device = by_serial[serial].device
            line = account.get((device, self.vitals), {})
            self._judge_stream(verdict, by_serial[serial], list(found), held=line.get("held", 0))
            took = len(accepted.intersection(found.values()))
            _judge_count(verdict, device, line, took)
        said = sum(len(one.said) for one in self.oximeters.values())
        verdict.statement.append(
            f"{len(self.oximeters)} oximeters: {said} lines into the socket, {total} kept and at {self.vitals}, each once, each for its "
            f"patient; {_repeats(rows)} repeats, byte for byte"
        )

    def _judge_stream(self, verdict: Verdict, one: Oximeter, arrived: list[int], held: int) -> None:
        """In order; and of each connection the lines up to some moment, without a gap but for what is held."""
        if arrived != sorted(arrived):
            verdict.faults.append(f"{one.device}: its lines did not come in its order")
        if self.gaps:
            return
        ends = [*one.calls[1:], len(one.said)]
        gaps = []
        for first, end in zip(one.calls, ends, strict=True):
            came = [n for n in arrived if first <= n < end]
            gaps += sorted(set(range(first, max(came, default=first))) - set(came))
        if len(gaps) > held:
            verdict.blame(f"{one.device}: lines in the middle of a connection did not come ({held} are held)", gaps)


def _judge_count(verdict: Verdict, device: str, line: Mapping[str, Any], took: int) -> None:
    """What the gateway says was delivered against what was taken: more only where an answer was lost and the repeat refused."""
    if line and not line["delivered"] <= took <= line["delivered"] + line["parked"]:
        verdict.faults.append(f"{device}: the gateway says {line['delivered']} delivered, the receiver took {took}")


def _result(body: str) -> tuple[str, tuple[str, ...]]:
    (specimen,) = fields(body, "SPM", 2)
    return specimen.split("^")[0].split("&")[0], tuple(fields(body, "OBX", 5))


def _first_of_each(rows: Sequence[Row]) -> list[Row]:
    return list({row.id: row for row in reversed(rows)}.values())[::-1]


def _repeats(rows: Sequence[Row]) -> int:
    return len(rows) - len({row.id for row in rows})


def _judge_ids(verdict: Verdict, destination: str, rows: Sequence[Row]) -> None:
    digests: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        digests[row.id].add(row.sha256)
    verdict.blame(f"{destination}: an id with two different messages", (i for i, each in digests.items() if len(each) > 1))
    verdict.blame(f"{destination}: a message without an id", (row.sha256[:8] for row in rows if not row.id))
