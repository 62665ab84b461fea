"""Which order a laboratory result answers: the number that the device repeats, put right, or found by specimen and test."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from gateway.model import Category, Order, Report, WorkOrder

_STEP = re.compile(r"(.+)\.([1-9][0-9]{0,2})")
"""The number of a work order step as analyzers are told it: the order's, and the test's place in it."""


def specimen_of(report: Report) -> str:
    """The specimen whose orders are worth looking at; empty: none."""
    return report.specimen.id if report.category is Category.LAB and report.specimen is not None else ""


def numbered(report: Report, orders: Sequence[WorkOrder], tests: Mapping[str, str]) -> Report:
    """The report with the number of the one order that it answers; `orders` are its specimen's, `tests`: codes → the device's.

    Where several orders would fit, or none, it stays as it is: the receiver finds its order by the specimen, as ever.
    """
    said = report.order or Order()
    number = _repeated(said.placer_id, orders) if said.placer_id else _found(report, orders, tests)
    return replace(report, order=replace(said, placer_id=number)) if number and number != said.placer_id else report


def _repeated(said: str, orders: Sequence[WorkOrder]) -> str:
    """The order's own number, where the device repeats one of its steps."""
    step = _STEP.fullmatch(said)
    if step is None or any(order.placer == said for order in orders):
        return ""
    return next((order.placer for order in orders if order.placer == step[1] and int(step[2]) <= len(order.tests)), "")


def _found(report: Report, orders: Sequence[WorkOrder], tests: Mapping[str, str]) -> str:
    services = report.order.services if report.order else ()
    codes = {*services, *(one.vendor_code for one in report.observations)}
    meant = (order for order in orders if any(tests.get(test, test) in codes for test in order.tests))
    placers = {order.placer for order in meant if _of_one_patient(report, order)}
    return placers.pop() if len(placers) == 1 else ""


def _of_one_patient(report: Report, order: WorkOrder) -> bool:
    """Whether device and order do not name two patients: then a specimen's number was used twice."""
    named = report.given.patient_id
    return not named or order.patient is None or order.patient.patient_id == named
