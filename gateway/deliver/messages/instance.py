"""What names one result for ever: the device's own identifier, or a UUID of what it says of it; the same in its correction."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Final

from gateway.model import Entry, Observation, Report

_SPACE: Final = uuid.UUID("c1b6a6d2-0d5e-5c1c-8a83-52f3e6b1f9a4")


def instances(entry: Entry, observations: Sequence[Observation]) -> list[tuple[str, ...]]:
    """EI components for each observation: the device's own identifier where it says who gave it, else a UUID alone.

    The UUID is made of device, specimen, patient as the device named them, code, sub id and the time of the result: a device that
    corrects a result repeats these. A result that nothing dates could be another one of the same specimen: its row counts too.
    A number without an authority, or that several results have (cobas pure's of a control), is no identifier: it only counts
    among the rest.
    """
    seen: dict[tuple[str, ...], int] = {}
    told = Counter(one.instance for one in entry.report.observations)
    found = []
    for observation in observations:
        if "^" in observation.instance and told[observation.instance] == 1:
            found.append(tuple(observation.instance.split("^")))
            continue
        parts = _parts(entry, observation)
        again = seen[parts] = seen.get(parts, 0) + 1
        text = "\x1f".join((*parts, str(again))).encode("utf-8", "replace").decode()
        found.append((str(uuid.uuid5(_SPACE, text)),))
    return found


def _parts(entry: Entry, observation: Observation) -> tuple[str, ...]:
    report = entry.report
    when = observation.time.isoformat() if observation.time is not None else ""
    named = _specimen(report)
    row = "" if when and any(named) else entry.key
    device = report.device.serial or report.device.id
    return (report.device.maker, device, *named, observation.vendor_code, observation.sub_id, observation.instance, when, row)


def _specimen(report: Report) -> tuple[str, str, str]:
    specimen = report.specimen
    own = (specimen.id, specimen.instrument_id) if specimen is not None else ("", "")
    return (*own, report.given.patient_id)
