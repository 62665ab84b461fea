"""Metric families as text: Prometheus' exposition format 0.0.4, or OpenMetrics 1.0.0 where the asker wants it.

The two differ in a counter's family name (OpenMetrics leaves _total to the sample), in the type of what is constant (info),
in the escapes of HELP, and in the last line (# EOF).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram", "info"]
Labels: TypeAlias = tuple[tuple[str, str], ...]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line: what stands behind the family's name (_total, _bucket …), labels, value."""

    suffix: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its samples; `name` is without _total and _info."""

    name: str
    kind: Kind
    help: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        """A sample; None: not known, so there is none."""
        if value is not None:
            suffix = {"counter": "_total", "info": "_info"}.get(self.kind, "")
            self.samples.append(Sample(suffix, tuple(labels.items()), value))

    def observe(self, bounds: Iterable[float], counts: Iterable[int], sum_s: float, **labels: str) -> None:
        """A histogram's samples from the counts between its bounds; the last count is of what lies beyond them."""
        told, so_far = tuple(labels.items()), 0
        for bound, count in zip([*bounds, float("inf")], counts, strict=True):
            so_far += count
            self.samples.append(Sample("_bucket", (*told, ("le", number(bound))), so_far))
        self.samples.extend([Sample("_sum", told, sum_s), Sample("_count", told, so_far)])


def negotiate(accept: str) -> str:
    """The content type for an Accept header (RFC 9110 12.5.1): OpenMetrics only where it is asked for and not liked less."""
    weights = dict(_accepted(accept))
    plain = max(weights.get("text/plain", 0.0), weights.get("text/*", 0.0), weights.get("*/*", 0.0))
    wanted = weights.get("application/openmetrics-text", 0.0)
    return OPENMETRICS if wanted > 0 and wanted >= plain else TEXT


def _accepted(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media, *parameters = (one.strip() for one in part.lower().split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            yield media, float(weight)
        except ValueError:
            continue


def render(families: Iterable[Family], content_type: str) -> bytes:
    """The text of all families that have a sample."""
    openmetrics = content_type == OPENMETRICS
    lines = [line for family in families if family.samples for line in _family(family, openmetrics=openmetrics)]
    return "\n".join([*lines, *(["# EOF"] if openmetrics else []), ""]).encode()


def _family(family: Family, *, openmetrics: bool) -> Iterator[str]:
    name, kind, text = family.name, str(family.kind), family.help.replace("\\", r"\\").replace("\n", r"\n")
    if openmetrics:
        text = text.replace('"', r"\"")
    elif kind in {"counter", "info"}:
        name, kind = (f"{name}_total", kind) if kind == "counter" else (f"{name}_info", "gauge")
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for sample in family.samples:
        labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels)
        yield f"{family.name}{sample.suffix}{f'{{{labels}}}' if labels else ''} {number(sample.value)}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """A value as both formats write it: integers short, infinity as +Inf."""
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value)) if isinstance(value, float) else str(value)
