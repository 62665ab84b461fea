"""HL7 messages that came in ASTM frames, read as an analyzer that speaks HL7 sends them; the profile's table `hl7` says how."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.lab import hl7
from drivers.lab.profile import AstmOptions
from gateway.driver import Context
from gateway.model import Report
from protocols.astm.records import AstmMessage
from protocols.hl7v2.message import Message as Hl7Message
from protocols.hl7v2.message import parse
from protocols.sansio import Message


def unwrapped(message: Message[AstmMessage]) -> Message[Hl7Message] | None:
    """The HL7 message that came in the place of records; None where there is none, or none that can be read."""
    data = message.body.hl7
    body = parse(data) if data else None
    return None if body is None else Message(body, message.raw, message.at, message.token)


def reports(message: Message[Hl7Message], context: Context[AstmOptions]) -> Iterator[Report]:
    """The reports of an HL7 message that came in frames."""
    options = context.options
    own = options.hl7.model_copy(update={} if options.hl7.maker else {"maker": options.maker})
    around = Context(
        driver=context.driver,
        device=context.device,
        options=own,
        timezone=context.timezone,
        wall=context.wall,
        profile=context.profile,
        location=context.location,
    )
    yield from hl7.interpret(message, around)
