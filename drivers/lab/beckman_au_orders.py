"""Host query of AU analyzers: what an R text asks for, and the S text that tells the tests.

    R 000201 0004          SYN-1        ──▶    S 000201 0004          SYN-1    E015016      none: without tests
    RH … (a rerun)                             SH …

The answer repeats the question's columns as they came; behind them stand the dummy columns, the block mark, the blank columns
of sex, age and texts about the patient where the site has them, and the online test numbers, each with a dilution digit (0)
where the site has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from drivers.lab.beckman_au_profile import AuOptions
from drivers.lab.orders import of_one_patient
from gateway.driver import Answer, Context
from gateway.model import Inquiry, WorkOrder
from protocols.sansio import Message
from protocols.vendor.beckman_au import AuText
from protocols.vendor.beckman_au_columns import ABOUT, head, sample_id

QUESTIONS = ("R ", "RH")
_TEST = 3
"""Columns of a test number where the profile does not say: what AU480 and later are set to."""


def asks(message: Message[AuText], context: Context[AuOptions]) -> Inquiry | None:
    """The sample that an R text asks for: by its id, else by nothing, and then there is no order."""
    if message.body.classification not in QUESTIONS or not context.options.orders.answer:
        return None
    found = head(message.body.text, context.options.layout)
    name = sample_id(message.body.text, found) if found else ""
    if found is not None and not name and context.options.number_is_id:
        name = found.number
    return Inquiry(specimens=(name,) if name else ())


def answer(message: Message[AuText] | None, orders: Sequence[WorkOrder], context: Context[AuOptions], at: datetime) -> Answer:
    """The S text: the tests of all orders that the analyzer does; without any it says that there is none."""
    del at  # an S text carries no time
    if message is None:
        return Answer(b"")
    layout = context.options.layout
    told = [order for order in of_one_patient(orders) if not order.cancelled and any(_tests(order, context.options))]
    tests = dict.fromkeys(test for order in told for test in _tests(order, context.options))
    about = sum(ABOUT) if layout.about else 0
    blank = " " * (about + sum(layout.info or ()))
    columns = "".join(f"{test}{'0' * layout.dilution}" for test in tests)
    text = f"S{message.body.text[1:]}{' ' * layout.dummy}E{blank if columns else ''}{columns}"
    return Answer(text.encode("latin-1", "replace"), tuple(told))


def worklists(options: AuOptions) -> bool:
    """The analyzer takes no orders that it did not ask for."""
    del options
    return False


def _tests(order: WorkOrder, options: AuOptions) -> Iterator[str]:
    """An order's online test numbers in their columns; a test that has none is another analyzer's."""
    for test in order.tests:
        number = options.orders.tests.get(test, "" if options.orders.tests else test)
        if number.isdecimal() and number.isascii():
            yield number.zfill(options.layout.test or _TEST)
