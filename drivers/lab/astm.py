"""Analyzers that speak ASTM E1381 and E1394 (LIS01-A2, LIS02-A2): one driver, one profile in analyzers/ a model."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

from drivers.lab import about, hl7_in_astm, orders, results
from drivers.lab.alignment import aligned
from drivers.lab.identity import content_identity
from drivers.lab.message_tree import Result, Specimen, Tree, grow
from drivers.lab.places import Scope, first, read
from drivers.lab.profile import AstmOptions
from drivers.lab.results import scope_of
from drivers.lab.rules import Policy
from drivers.lab.times import device_time
from gateway.driver import Context, Driver, LineSettings, Ordering
from gateway.model import Category, Kind, Observation, Report, Validity
from protocols.astm.line import Line
from protocols.astm.records import AstmMessage, Record
from protocols.sansio import Codec, Message

_LOG = logging.getLogger("wardlink.drivers.astm")

AstmContext: TypeAlias = Context[AstmOptions]


def codec(options: AstmOptions) -> Codec[AstmMessage]:
    """The line, set as the profile says."""
    return Line(options.link_profile(), options.orders.send_profile())


def interpret(message: Message[AstmMessage], context: AstmContext) -> Iterator[Report]:
    """A report an O record, and one for results that came without any; each carries the whole message's bytes.

    A message with no specimen at all (an empty session, a query) gives none; a query is logged, once. Records that hang on no
    specimen there, or lines that are no records, are an event: they have been acknowledged, so somebody has to see them.
    HL7 in the place of records is read as HL7.
    """
    wrapped = hl7_in_astm.unwrapped(message)
    if wrapped is not None:
        yield from hl7_in_astm.reports(wrapped, context)
        return
    tree = aligned(grow(message.body), context.options)
    _tell_of_queries(tree, context)
    unplaced = [record for record in (*tree.orphans, *(() if tree.specimens else tree.loose)) if record.type != "Q"]
    if unplaced:
        yield _unplaced(message, tree, unplaced, context)
    told: Counter[str] = Counter()
    for specimen in tree.specimens:
        report = _report(message, tree, specimen, context)
        told[report.identity] += 1
        yield _distinct(report, told[report.identity])


def _distinct(report: Report, nth: int) -> Report:
    """The report; where it says what another one of the same message says, with an identity of its own."""
    if nth == 1:
        return report
    identity = hashlib.sha256(f"{report.identity}/{nth}".encode()).hexdigest()
    return msgspec.structs.replace(report, identity=identity)


def _report(message: Message[AstmMessage], tree: Tree, specimen: Specimen, context: AstmContext) -> Report:
    options = context.options
    around = scope_of((tree.header, specimen.patient, specimen.order))
    specimen_id = first(around, options.specimen_id)
    category, seen, told = _content(around, specimen, specimen_id, context)
    return context.report(
        message,
        seen,
        category=category,
        device_time=device_time(read(around, "H.14")),
        device=about.device(context.device, around, options, specimen.results),
        episodic=True,
        given=about.given(around, specimen, options),
        specimen=about.specimen(around, specimen_id, context, qc=category is Category.QC)
        if specimen.order is not None or specimen_id
        else None,
        order=about.order(specimen.order, options),
        materials=results.materials(around, options, of_result=False),
        notes=(
            *told,
            *results.notes([*tree.loose, *specimen.of_patient, *specimen.attached], options),
            *_oddities(message.body, tree),
        ),
        identity=content_identity(around, specimen, context.device.id, options),
        message_id=read(around, "H.3"),
    )


def _unplaced(message: Message[AstmMessage], tree: Tree, loose: list[Record], context: AstmContext) -> Report:
    """What a message says of no specimen and cannot be told with one, as an event."""
    around = scope_of((tree.header,))
    what = f"records that belong to no specimen: {len(loose)}"
    return context.report(
        message,
        (Observation(kind=Kind.EVENT, vendor_code="no specimen", value=what),),
        category=Category.EVENTS,
        device_time=device_time(read(around, "H.14")),
        device=about.device(context.device, around, context.options),
        episodic=True,
        notes=(*results.notes(loose, context.options), *_oddities(message.body, tree)),
        identity=content_identity(around, Specimen(None, None, attached=loose), context.device.id, context.options),
        message_id=read(around, "H.3"),
    )


Content: TypeAlias = tuple[Category, tuple[Observation, ...], tuple[str, ...]]


def _content(around: Scope, specimen: Specimen, specimen_id: str, context: AstmContext) -> Content:
    """What sort of report it is, its observations, and in words what was left out of them."""
    for policy in context.options.ignore:
        if not policy.of_result and policy.holds(around, specimen_id):
            return Category.EVENTS, (_left_out(policy, specimen_id),), ()
    qc = _is_qc(around, specimen, specimen_id, context.options)
    return (Category.QC if qc else Category.LAB, *_observations(around, specimen, context))


def _observations(around: Scope, specimen: Specimen, context: AstmContext) -> tuple[tuple[Observation, ...], tuple[str, ...]]:
    """The results, and in words what a policy of the profile leaves out of them."""
    options = context.options
    measured = specimen.results or results.of_order(around, options)
    decided = [(result, _policy(result, around, options)) for result in measured]
    localise = about.clock(around, context)
    seen = tuple(results.observe(result, around, options, localise) for result, policy in decided if not policy)
    seen = results.carried(seen) if options.carry else seen
    told = [f"{policy}: {count}" for policy, count in Counter(policy for _, policy in decided if policy).items()]
    dropped = sum(record.type == "M" for record in specimen.records()) if options.manufacturer_records == "drop" else 0
    if dropped:
        told.append(f"manufacturer records left out by the profile: {dropped}")
    if not specimen.results and read(around, "O.26").upper() == "X":
        seen = tuple(_not_done(code) for code in about.services(specimen.order, options))
    return seen, tuple(told)


def _policy(result: Result, around: Scope, options: AstmOptions) -> str:
    """In words, the policy that leaves a result out, or ""."""
    if options.images == "drop" and results.is_image(result.record, options):
        return "images left out by the profile"
    scope = {**around, **result.scope()}
    named = (policy.name for policy in options.ignore if policy.of_result and policy.holds(scope, ""))
    return next((f"results left out by the policy {name}" for name in named), "")


def _not_done(code: str) -> Observation:
    """A test of an order that cannot be done (O.26 X) and so has no result record."""
    return Observation(kind=Kind.TEXT, vendor_code=code, value=None, status="X", validity=Validity.NOT_AVAILABLE)


def _left_out(policy: Policy, specimen_id: str) -> Observation:
    return Observation(
        kind=Kind.EVENT, vendor_code=specimen_id or policy.name, value=f"results left out by the policy {policy.name}"
    )


def _scopes(around: Scope, specimen: Specimen) -> Iterator[Scope]:
    """The scopes a rule may look at: each result's, or the order's where there is none."""
    if not specimen.results:
        yield around
    for result in specimen.results:
        yield {**around, **result.scope()}


def _is_qc(around: Scope, specimen: Specimen, specimen_id: str, options: AstmOptions) -> bool:
    """LIS02-A2: the processing id is Q or training, the order's action code is Q, or a rule of the profile holds."""
    if read(around, "H.12").upper() in ("Q", *results.TEST_MODES) or read(around, "O.12").upper() == "Q":
        return True
    return any(rule.holds(scope, specimen_id) for rule in options.qc for scope in _scopes(around, specimen))


def _oddities(body: AstmMessage, tree: Tree) -> tuple[str, ...]:
    """What was wrong with the message itself, as far as it was read, and an end that is no normal one (L.3)."""
    end = tree.end.component(3, 1).strip().upper() if tree.end is not None else ""
    meant = {"T": "the analyzer broke off", "R": "the receiver broke off", "E": "the analyzer met an error"}.get(end)
    return (*body.problems, *([f"message ended with {end}: {meant}"] if meant else []))


def _tell_of_queries(tree: Tree, context: AstmContext) -> None:
    if tree.queries and not context.options.orders.answer and context.changed("host query", "asked"):
        _LOG.info("%s asks for orders (host query); its profile says orders.answer = false: none are sent", context.device.id)


DRIVER = Driver(
    id="astm",
    maker="",
    models=(),
    source="ASTM E1381-02 = CLSI LIS01-A2 (line), ASTM E1394-97 = CLSI LIS02-A2 (records)",
    options=AstmOptions,
    codec=codec,
    interpret=interpret,
    line=LineSettings(baud=9600, bits=8, parity="N", stop=1),
    profiles=Path(__file__).parent / "analyzers",
    ordering=Ordering(orders.asks, orders.answer, orders.worklists, lambda options: options.orders.tests),
)
