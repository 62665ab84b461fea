"""Puritan Bennett 840 and 980 ventilators: settings and measurements told apart, alarms as events when they change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from msgspec.structs import replace
from pydantic import Field as Option

from gateway.driver import Channel, Context, Driver, LineSettings, Mds, Metric, Options, Vmd
from gateway.model import Category, DeviceIdentity, Kind, Method, Observation, Report, Validity
from protocols.sansio import Message
from protocols.vendor.pb840 import FIRST_FIELD, Poller, Reply
from protocols.vendor.pb840_fields import TABLES, Field, Sort

CHAN = "MDC_DEV_SYS_PT_VENT_CHAN"
UNITS = {"cmH2O": "cm[H2O]", "cmH2O/L/s": "cm[H2O].s/L", "cmH2O/L": "cm[H2O]/L", "mL/cmH2O": "mL/cm[H2O]"}
DIMENSIONLESS = "1"
TERMS = {
    "MODE": "MDC_VENT_MODE",
    "fTOT": "MDC_VENT_RESP_RATE",
    "VTE": "MDC_VOL_AWAY_TIDAL_EXP",
    "VE TOT": "MDC_VENT_VOL_MINUTE_EXP",
    "PPEAK": "MDC_VENT_PRESS_AWAY_MAX",
    "PCIRC MAX": "MDC_VENT_PRESS_AWAY_MAX",
    "PMEAN": "MDC_VENT_PRESS_AWAY_MEAN",
    "I:E": "MDC_RATIO_IE",
    "O2% DELIVERED": "MDC_CONC_GASDLV_O2_INSP",
    "VTI": "MDC_VOL_AWAY_TIDAL_INSP",
    "PEEP MON": "MDC_PRESS_AWAY_END_EXP_POS",
    "PEEPI": "MDC_PRESS_AWAY_END_EXP_POS_INTRINSIC",
    "PEEPTOT": "MDC_PRESS_AWAY_END_EXP_POS_TOTAL",
    "CSTAT": "MDC_COMPL_LUNG_STATIC",
    "RSTAT": "MDC_RES_AWAY",
    "PPL": "MDC_VENT_PRESS_RESP_PLAT",
    "CDYN": "MDC_COMPL_LUNG_DYN",
    "f": "MDC_VENT_RESP_RATE_SETTING",
    "VT": "MDC_VENT_VOL_TIDAL_SETTING",
    "VMAX": "MDC_VENT_FLOW_INSP_SETTING",
    "O2%": "MDC_CONC_GASDLV_O2_INSP_SETTING",
    "PEEP": "MDC_VENT_PRESS_AWAY_END_EXP_POS_SETTING",
    "TA": "MDC_TIME_PD_APNEA_SETTING",
    "PSUPP": "MDC_VENT_PRESS_AWAY_SUPP_SETTING",
    "TH": "MDC_VENT_TIME_PD_INSP_THIGH_SETTING",
    "TL": "MDC_VENT_TIME_PD_EXP_TLOW_SETTING",
}
"""What has an MDC term; TI has one in MISCF only (in MISCA the field is PEEP high time in BILEVEL)."""
LIMITS = {
    "F70": ("", "F42"),
    "F72": ("F37", "F36"),
    "F73": ("F35", "F34"),
    "A34": ("", "A47"),
    "A35": ("A45", ""),
    "A36": ("A46", ""),
    "A38": ("", "A42"),
}
"""The alarm limits (low, high) of a measurement, in the measurement's own unit."""
SAID = {"MISCF": frozenset({5, 6, 7}), "MISCA": frozenset({5, 6, 7, 8, 60, 62})}
"""Time, name, room and date (MISCA shows time and date twice): who speaks and when, no reading."""
QUIET = "NORMAL"
QUIETS = frozenset({"", QUIET, "OFF"})
"""Alarm states that say that nothing is the matter."""


class Pb840Options(Options):
    """Settings of a 840 or 980."""

    command: Literal["SNDF", "SNDA"] = Option("SNDF", description="SNDF tells more; SNDA is for old firmware")
    interval_s: float = Option(5.0, ge=1.0, description="seconds from a reply to the next poll")


def _code(table: str, field: Field) -> str:
    return f"{table[-1]}{field.number}"


def _metric(table: str, field: Field) -> Metric:
    sorts = {Sort.MEASURED: Method.AUTO_MEASURED, Sort.ALARM: Method.UNSPECIFIED}
    refid = "" if field.sort in {Sort.LIMIT, Sort.ALARM} else TERMS.get(field.name, "")
    if (table, field.number) == ("MISCF", 47):
        refid = "MDC_VENT_TIME_PD_INSP_SETTING"
    kind = Kind.EVENT if field.sort is Sort.ALARM else Kind.CODED if field.name == "MODE" else Kind.TEXT
    return Metric(
        _code(table, field),
        refid,
        UNITS.get(field.unit, field.unit),
        "" if field.unit == DIMENSIONLESS else field.unit,
        f"{field.name}: {field.label}",
        kind if field.word else Kind.NUMERIC,
        sorts.get(field.sort, Method.MANUAL_SET),
    )


def _channel(table: str, *sorts: Sort) -> Channel:
    return Channel(CHAN, *(_metric(table, field) for field in TABLES[table] if field.sort in sorts))


TREE = Mds(
    "MDC_DEV_SYS_PT_VENT_MDS",
    Vmd(
        "MDC_DEV_SYS_PT_VENT_VMD",
        *(
            _channel(table, *sorts)
            for table in TABLES
            for sorts in ((Sort.MEASURED,), (Sort.SETTING,), (Sort.LIMIT,), (Sort.ALARM,))
        ),
    ),
)


def interpret(message: Message[Reply], context: Context[Pb840Options]) -> Iterator[Report]:
    """One report of settings and measurements a reply; one of alarms when any changed."""
    reply = message.body
    fields = TABLES.get(reply.name, ())
    identity, moment = _identity(reply, context), _moment(reply)
    values = [seen for field in fields if field.sort is not Sort.ALARM for seen in _value(reply, field)]
    yield context.report(message, [*values, *_unlisted(reply, fields)], device=identity, device_time=moment)
    alarms = list(_alarms(reply, [field for field in fields if field.sort is Sort.ALARM], context))
    if alarms:
        yield context.report(message, alarms, category=Category.EVENTS, device=identity, device_time=moment, episodic=True)


def _value(reply: Reply, field: Field) -> Iterator[Observation]:
    code, text = _code(reply.name, field), reply.field(field.number)
    mapped = bool(TREE.metrics[code][0].refid)
    if not field.word and text == "OFF":
        yield TREE.observe(code, None, validity=Validity.OFF)
    elif text.strip("-*. "):
        yield TREE.observe(code, text, range=_range(reply, code))
    elif mapped and field.sort is Sort.MEASURED:
        yield TREE.observe(code, None)


def _unlisted(reply: Reply, fields: Iterable[Field]) -> Iterator[Observation]:
    """What stands in fields that the tables call reserved: a newer model's; kept under its number, unmapped."""
    known = SAID[reply.name] | {field.number for field in fields} if reply.name in SAID else set()
    for number, text in enumerate(reply.fields if known else (), FIRST_FIELD):
        if text and number not in known:
            yield TREE.observe(f"{reply.name[-1]}{number}", text)


def _range(reply: Reply, code: str) -> str:
    low, high = (_limit(reply, limit) for limit in LIMITS.get(code, ("", "")))
    return f"{low}-{high}" if low and high else f">{low}" if low else f"<{high}" if high else ""


def _limit(reply: Reply, code: str) -> str:
    text = reply.field(int(code[1:])) if code else ""
    return "" if text == "OFF" else text


def _alarms(reply: Reply, fields: Iterable[Field], context: Context[Pb840Options]) -> Iterator[Observation]:
    for field in fields:
        code, state = _code(reply.name, field), reply.field(field.number)
        if context.changed(code, QUIET if state in QUIETS else state, usual=QUIET):
            yield TREE.observe(code, state or QUIET)


def _identity(reply: Reply, context: Context[Pb840Options]) -> DeviceIdentity:
    model, _, serial = reply.field(6).partition(" ")
    known = context.device
    return replace(known, model=known.model or f"Puritan Bennett {model}", serial=known.serial or serial.strip())


MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def _moment(reply: Reply) -> datetime | None:
    """The displayed time, minutes only; None when the ventilator sent none that is a time."""
    date = reply.field(7 if reply.name == "MISCF" else 8).split()
    try:
        month, day, year = date
        hour, minute = reply.field(5).split(":")
        return datetime(int(year), MONTHS.index(month) + 1, int(day), int(hour), int(minute))  # noqa: DTZ001 - the context adds the zone
    except ValueError:
        return None


DRIVER = Driver(
    id="pb840",
    maker="Puritan Bennett",
    models=("840", "980"),
    source="Puritan Bennett 840 technical reference, DCI chapter; replies of real 840 and 980 ventilators",
    options=Pb840Options,
    codec=lambda options: Poller(options.command, interval_s=options.interval_s),
    interpret=interpret,
    tree=TREE,
    line=LineSettings(9600, flow="rtscts"),
    silence_s=15.0,
)
