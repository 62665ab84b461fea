r"""Host query and worklists over ASTM: what a Q record asks for, and the records that tell an analyzer its orders.

    H|\^&|<id>||analyzer … |<time>                   H|\^&|<id>||<its H.10>|||||<its H.5>||P|<its H.13>|<time>
    Q|1|^SYN-1||ALL||||||||O                 ──▶       P|1|<patient>|||<name>||<birth>|<sex>
    L|1|N                                              O|1|SYN-1||^^^GLU\^^^NA|R||||||N||||…||Q
                                                       L|1|F        without an order: only H and L|1|I

LIS02-A2 §6 (H), §7 (P), §8 (O), §11 (Q), §12 (L). What analyzers want otherwise is a key of the profile's table `orders`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from drivers.lab.places import Sources
from drivers.lab.profile import AstmOptions
from gateway.driver import Answer, Context
from gateway.model import Inquiry, Subject, WorkOrder
from protocols.astm.records import STANDARD, AstmMessage, Delimiters, Field, Record, encode
from protocols.sansio import Message

IDS_MAX = 100
"""Specimens of one question: two racks of fifty."""
_URGENT = "SARCP"
"""ASTM O.6, the most urgent first."""
_O_FIELDS = 26
_H_FIELDS = 14
_Q_FIELDS = 13


def asks(message: Message[AstmMessage], context: Context[AstmOptions]) -> Inquiry | None:
    """What a message's Q records ask for; None when there is none, or the profile says that nothing is answered."""
    queries = [record for record in message.body.records if record.type == "Q"]
    if not queries or not context.options.orders.answer:
        return None
    if any(query.component(13, 1).strip().upper() == "A" for query in queries):
        return Inquiry(withdrawn=True)
    found = [text for query in queries for text in _ids(query, 3, context.options) if text]
    last = [text for query in queries for text in _ids(query, 4, context.options) if text]
    if any(text.upper() == "ALL" for text in found):
        return Inquiry(everything=True)
    if len(found) == len(last) == 1 and found != last:
        return Inquiry(first=found[0], last=last[0])
    return Inquiry(specimens=tuple(dict.fromkeys(found))[:IDS_MAX])


def answer(
    message: Message[AstmMessage] | None, orders: Sequence[WorkOrder], context: Context[AstmOptions], at: datetime
) -> Answer:
    """The records for `orders`; for none of them "no information" (L.3 I)."""
    return _Reply(message.body.records if message else (), context, at).make(of_one_patient(orders))


def worklists(options: AstmOptions) -> bool:
    """Whether the analyzer takes orders that it did not ask for."""
    return options.orders.download


def _ids(query: Record, number: int, options: AstmOptions) -> Iterator[str]:
    """The specimens that Q.3 or Q.4 names, one a repeat: the first of the profile's components that says one, or ""."""
    for n in range(query.repeats(number)):
        parts = (query.component(number, c, n).strip() for c in options.orders.specimen)
        yield next(filter(None, parts), "")


def of_one_patient(orders: Sequence[WorkOrder]) -> list[WorkOrder]:
    """Of a specimen with orders for different patients only the last one's: a barcode that is used again is nobody else's."""
    last = {order.specimen: order.patient.patient_id for order in orders if order.patient and not order.cancelled}
    return [
        order
        for order in orders
        if order.patient is None or last.get(order.specimen, order.patient.patient_id) == order.patient.patient_id
    ]


class _Reply:
    """One message to an analyzer."""

    def __init__(self, records: Sequence[Record], context: Context[AstmOptions], at: datetime) -> None:
        self._options, self._own = context.options, context.options.orders
        self._at, self._zone = at, context.timezone
        self._header = next((record for record in records if record.type == "H"), None)
        self._query = next((record for record in records if record.type == "Q"), None)
        self._marks = _usable(self._header.delimiters if self._header else STANDARD)

    def make(self, orders: Sequence[WorkOrder]) -> Answer:
        groups: dict[tuple[str, bool], list[WorkOrder]] = {}
        told = []
        for order in orders:
            if self._tests([order]):
                told.append(order)
                groups.setdefault((order.specimen, order.cancelled), []).append(order)
        refused = not told and self._own.none == "X" and self._query is not None
        end: list[Field] = ["L", "1", self._own.end if told else "N" if refused else "I"]
        records = [self._head(), *self._body(list(groups.values())), end]
        text = encode(records, self._marks, encoding=self._options.encoding or "iso-8859-1")
        return Answer(text, tuple(told))

    def _body(self, groups: list[list[WorkOrder]]) -> Iterator[list[Field]]:
        if not groups and self._own.none and self._query is not None:
            specimen = next(_ids(self._query, 3, self._options), "")
            if self._own.none == "X":
                yield self._refusal(self._query)
                return
            yield ["P", "1"]
            yield self._request(1, WorkOrder(placer="", specimen=specimen, tests=()), [], self._own.none)
        for n, group in enumerate(groups, 1):
            yield self._patient(n, group[0])
            tests = self._tests(group)
            split = [[test] for test in tests] if self._own.one_test_a_record else [tests]
            urgent = min((order.priority for order in group), key=_URGENT.index)
            for number, part in enumerate(split, 1):
                yield self._request(number, group[0], part, self._report_type(), urgent)

    def _head(self) -> list[Field]:
        """The analyzer's own header the other way round; with an id of its own and the time where the analyzer's has them."""
        fields: list[Field] = [""] * _H_FIELDS
        head = self._header
        _put(fields, 1, "H")
        _put(fields, 3, f"{self._at:%Y%m%d%H%M%S%f}" if head is None or head.field(3).strip() else "")
        _put(fields, 5, (head.components(10) if head else ()) or "wardlink")
        _put(fields, 10, head.components(5) if head else "")
        _put(fields, 11, self._own.meaning)
        _put(fields, 12, self._own.processing)
        _put(fields, 13, (head.component(13, 1) if head else "") or "LIS2-A2")
        _put(fields, 14, self._time(self._at) if head is None or head.field(14).strip() else "")
        return fields

    def _refusal(self, query: Record) -> list[Field]:
        """The question as it came, its state (Q.13) X: there is no such order (Abbott)."""
        fields: list[Field] = [
            "Q",
            "1",
            *([query.components(n, r) for r in range(query.repeats(n))] for n in range(3, _Q_FIELDS + 1)),
        ]
        fields[_Q_FIELDS - 1] = "X"
        return fields

    def _patient(self, n: int, order: WorkOrder) -> list[Field]:
        fields: list[Field] = ["P", str(n), *[""] * 7]
        if order.patient is not None:
            _put(fields, int(self._own.patient_id[2:]), order.patient.patient_id)
            _put(fields, 6, self._name(order.patient))
            _put(fields, 8, order.patient.birth_date)
            _put(fields, 9, order.patient.sex)
        return fields

    def _test_ids(self, before: tuple[str, ...], tests: Sequence[str]) -> list[tuple[str, ...]]:
        """O.5: each test behind empty components; or as the profile says, the others without them (VITROS)."""
        if not self._own.test_form:
            return [(*before, test, *self._own.behind_code) for test in tests]
        first, other = self._own.test_form
        return [(*before, first.format(test)) if n == 0 else (other.format(test),) for n, test in enumerate(tests)]

    def _name(self, patient: Subject) -> tuple[str, ...]:
        """P.6 with the names in the components where the analyzer itself has them; nothing behind the last one."""
        at = {_component_of_name(self._options.family_name, 1): patient.family_name}
        at[_component_of_name(self._options.given_name, 2)] = patient.given_name
        last = max((n for n, name in at.items() if name), default=0)
        return tuple(at.get(n, "") for n in range(1, last + 1))

    def _request(self, n: int, order: WorkOrder, tests: list[str], report_type: str, priority: str = "R") -> list[Field]:
        fields: list[Field] = [""] * _O_FIELDS
        before = ("",) * ((self._own.code or self._options.code[0]) - 1)
        _put(fields, 1, "O")
        _put(fields, 2, str(n))
        _put(fields, int(self._own.place[2:]), order.specimen)
        for place, components in self._own.echo.items():
            if echoed := self._echo(order.specimen, components):
                _put(fields, int(place[2:]), echoed)
        _put(fields, 5, self._test_ids(before, tests))
        _put(fields, 6, priority)
        _put(fields, 7, self._time(order.ordered_at))
        _put(fields, 8, self._time(order.collected_at))
        _put(fields, 12, self._own.cancel if order.cancelled else self._own.action)
        _put(fields, 16, self._own.specimens.get(order.specimen_type, order.specimen_type))
        _put(fields, 26, [(letter,) for letter in report_type])
        return fields

    def _echo(self, specimen: str, components: Sequence[int]) -> tuple[str, ...]:
        """Components of Q.3 as they came with that specimen, blanks and all: rack, position, how the barcode was read."""
        asked = [] if self._query is None else list(_ids(self._query, 3, self._options))
        if self._query is None or specimen not in asked:
            return ()
        return tuple(self._query.component(3, c, asked.index(specimen)) for c in components)

    def _tests(self, orders: Sequence[WorkOrder]) -> list[str]:
        """The tests in the analyzer's own codes: those that it does, and of them what it asked for."""
        own = self._own.tests
        codes = dict.fromkeys(own.get(test, "" if own else test) for order in orders for test in order.tests)
        wanted = self._wanted()
        return [code for code in codes if code and (not wanted or code in wanted)]

    def _wanted(self) -> set[str]:
        """The codes that Q.5 names; none: all."""
        if self._query is None:
            return set()
        named = {self._named(self._query.components(5, n)) for n in range(self._query.repeats(5))} - {""}
        return set() if any(text.upper() == "ALL" for text in named) else named

    def _named(self, parts: Sequence[str]) -> str:
        order = (self._own.code or self._options.code[0], *self._options.code, 1)
        return next(filter(None, (parts[c - 1].strip() for c in order if c <= len(parts))), "")

    def _report_type(self) -> str:
        """O.26: Q in answer to a question, O an order (LIS02-A2 §8.4.26), where the profile says nothing else."""
        return self._own.report_type or ("O" if self._query is None else "Q")

    def _time(self, at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(self._zone):%Y%m%d%H%M%S}"


def _component_of_name(places: Sources, usual: int) -> int:
    """The component of P.6 that the first of `places` is in; `usual` where it is in another field."""
    found = (source.at.split(".") for source in places[:1])
    return next((int(part[2]) if len(part) > 2 else 1 for part in found if part[:2] == ["P", "6"]), usual)


def _put(fields: list[Field], number: int, value: Field) -> None:
    fields[number - 1] = value or ""


def _usable(marks: Delimiters) -> Delimiters:
    """The analyzer's delimiters, where they can carry any text."""
    return marks if all((marks.field, marks.repeat, marks.component, marks.escape)) else STANDARD
