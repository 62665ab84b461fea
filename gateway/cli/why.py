"""wardlink why: one value, from the device's bytes over driver, mapping, patient and message to the receiver's word."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated, Any, NamedTuple

import typer

from gateway import config, terms
from gateway.acquire import registry
from gateway.cli.message import message
from gateway.cli.running import running
from gateway.cli.show import ConfigOption, JsonOption, moment, new_app, print_json, table
from gateway.cli.trail import as_json as trail_json
from gateway.cli.trail import hexdump, history, print_body
from gateway.cli.unmapped import decision_json
from gateway.deliver.messages.values import named_loinc
from gateway.errors import ActError, ConfigError
from gateway.mapping import Decision, Overlay
from gateway.model import Kind, Observation, Report
from gateway.store import mappings, queued
from gateway.store.associations import Association
from gateway.store.journal import open_reader
from gateway.store.queued import Kept

app = new_app()


@app.command()
def why(
    word: Annotated[
        str, typer.Argument(metavar="ID", help="message id (MSH-10), report number, FHIR identifier, or a device's id")
    ],
    at: Annotated[str, typer.Argument(help="with a device: when; its last report received by then. ISO 8601 with offset")] = "",
    code: Annotated[str, typer.Option(help="only the device's code, REFID or LOINC")] = "",
    as_json: JsonOption = False,
    path: ConfigOption = config.DEFAULT_PATH,
) -> None:
    """Where a value comes from and what became of it: bytes, driver, mapping, patient, message, acknowledgement."""
    found = running(path)
    terms.add_site_rows(found.gateway.terms)
    with closing(open_reader(found.gateway.data)) as conn:
        when = moment(at)
        named = queued.named(conn, word) if when is None else queued.at_time(conn, word, when)
        kept = queued.kept(conn, named.report)
        chosen = _chosen(_explained(kept.entry.report, mappings.now(conn)), code, named.observation)
        if as_json:
            fates = [trail_json(conn, found, kept, one) for one in kept.fates]
            print_json({**_facts(kept), "values": [_value(kept.entry.report, one) for one in chosen], "destinations": fates})
            return
        _print(kept, chosen)
        for fate in kept.fates:
            print(f"\n== {fate.destination}: {fate.state}")
            print_body(message(conn, found, kept, fate))
            table("", ("when", "what"), [(moment_.isoformat(), what) for moment_, what in history(kept, fate)])


class _Explained(NamedTuple):
    """An observation as it is sent now, and the person's decision that gave it its code, if one did."""

    observation: Observation
    decision: Decision | None


def _explained(report: Report, decided: Overlay) -> list[_Explained]:
    found = [decided.find(report, one) for one in report.observations]
    shown = decided.apply(report).report.observations
    return [_Explained(one, decision) for one, decision in zip(shown, found, strict=True)]


def _chosen(every: list[_Explained], code: str, number: int | None) -> list[_Explained]:
    """The observations that are meant. ActError when none is."""
    seen = every
    if number is not None and not code:
        seen = seen[number - 1 : number] or seen
    if code:
        seen = [one for one in every if code in {one.observation.vendor_code, one.observation.refid, *_loincs(one.observation)}]
        if not seen:
            has = ", ".join(one.observation.vendor_code for one in every) or "none"
            raise ActError(f"the report holds no value {code!r}; its codes are: {has}")
    return seen


def _loincs(one: Observation) -> list[str]:
    return [one.loinc] if one.loinc else [found.code for found in terms.loincs(one.refid or "", one.unit)]


def _facts(kept: Kept) -> dict[str, Any]:
    report = kept.entry.report
    return {
        "report": kept.entry.id,
        "message_id": kept.entry.key,
        "device": kept.device,
        "category": kept.category,
        "received_at": kept.received_at,
        "stored_at": kept.entry.stored_at,
        "device_time": report.device_time,
        "clock_offset_s": report.clock_offset_s,
        "raw": {"size": len(report.raw), "hex": report.raw.hex(), "text": report.raw.decode("latin-1")},
        "driver": {
            "id": report.driver,
            "version": report.driver_version,
            "installed_version": _installed(report.driver),
            "profile": report.profile,
        },
        "association": _association(kept.worn),
    }


def _installed(driver: str) -> str | None:
    """The version that would read the bytes today; None where the driver is not installed any more."""
    try:
        return registry.load(driver).version
    except ConfigError:
        return None


def _association(worn: Association | None) -> dict[str, Any] | None:
    if worn is None:
        return None
    return {
        "patient_id": worn.subject.patient_id,
        "valid_from": worn.valid_from,
        "valid_to": worn.valid_to,
        "recorded_at": worn.recorded_at,
        "by": worn.by,
        "source": worn.source,
        "reason": worn.reason,
    }


def _value(report: Report, explained: _Explained) -> dict[str, Any]:
    """What the device said, and the row of the terms, or the person, that says what it means."""
    one = explained.observation
    return {
        "vendor_code": one.vendor_code,
        "vendor_text": one.vendor_text,
        "value": one.value,
        "vendor_unit": one.vendor_unit,
        "unit": one.unit,
        "validity": one.validity.value,
        "flags": list(one.flags),
        "mapping": _mapping(report, one),
        "decision": decision_json(explained.decision) if explained.decision is not None else None,
    }


def _mapping(report: Report, one: Observation) -> dict[str, Any]:
    term = terms.find(one.refid) if one.refid else None
    unit = terms.mdc_unit(one.refid, one.unit) if one.refid and one.unit else None
    return {
        "mdc": term.code if term else None,
        "refid": one.refid,
        "mdc_unit": unit.refid if unit else None,
        "loinc": [{"code": row.code, "display": row.display, "confidence": row.confidence} for row in _rows(report, one)],
    }


def _rows(report: Report, one: Observation) -> list[terms.Loinc]:
    if one.refid:
        return list(terms.loincs(one.refid, one.unit, inferred=True))
    specimen = report.specimen.type if report.specimen else ""
    analyte = terms.analyte(report.device.maker, one.vendor_code, one.unit, specimen=specimen, inferred=True)
    if analyte is not None and (one.loinc is None or analyte.loinc.code == one.loinc):
        return [analyte.loinc]
    return [named_loinc(one.loinc, one.loinc_text)] if one.loinc else []


def _print(kept: Kept, chosen: list[_Explained]) -> None:
    report, facts = kept.entry.report, _facts(kept)
    print(f"report {kept.entry.id} of {kept.device} ({kept.category}), message id {kept.entry.key}")
    print(f"received {kept.received_at.isoformat()}, durable {kept.entry.stored_at.isoformat()}")
    if report.device_time is not None:
        print(f"the device's clock showed {report.device_time.isoformat()} ({report.clock_offset_s:+g} s against the gateway's)")
    print(f"\nWhat the device sent ({len(report.raw)} bytes)")
    print("\n".join(hexdump(report.raw)))
    driver = facts["driver"]
    profile = f", profile {report.profile}" if report.profile else ""
    print(
        f"\nread by driver {report.driver} version {report.driver_version}{profile}; installed now: {driver['installed_version']}"
    )
    heads = ("code", "value", "unit", "means", "unit as MDC", "LOINC (confidence)")
    table("Values", heads, [_row(_value(report, one), one.observation) for one in chosen])
    for decision in dict.fromkeys(one.decision for one in chosen if one.decision is not None):
        print(_decided(decision))
    print(_worn(kept.worn))


def _decided(one: Decision) -> str:
    """Who gave a code its LOINC."""
    when = f" at {one.at.isoformat()}" if one.at is not None else ""
    return f"decision {one.id} ({one.told()}): {one.source}, by {one.by}{when}{f': {one.reason}' if one.reason else ''}"


def _row(told: dict[str, Any], one: Observation) -> tuple[object, ...]:
    value = f"{len((one.value or '').split())} samples" if one.kind is Kind.WAVEFORM else f"{one.comparator}{one.value or ''}"
    mapping = told["mapping"]
    means = f"{mapping['mdc']} {mapping['refid']}" if mapping["mdc"] else "unmapped: kept as it is"
    loinc = ", ".join(f"{row['code']} ({row['confidence']})" for row in mapping["loinc"])
    written = " = ".join(dict.fromkeys(unit for unit in (one.vendor_unit, one.unit) if unit))
    if loinc and not mapping["mdc"]:
        means = mapping["loinc"][0]["display"]
    return one.vendor_code, value or f"none ({one.validity.value})", written, means, mapping["mdc_unit"], loinc


def _worn(worn: Association | None) -> str:
    if worn is None:
        return "no patient is known for its time"
    until = f" to {worn.valid_to.isoformat()}" if worn.valid_to else " on"
    said = f"said by {worn.by} ({worn.source}) at {worn.recorded_at.isoformat()}{f': {worn.reason}' if worn.reason else ''}"
    return f"patient {worn.subject.patient_id}: wore the device from {worn.valid_from.isoformat()}{until}, {said}"
