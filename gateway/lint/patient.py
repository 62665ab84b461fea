"""PID and PV1 of a PCD-01 (IHE PCD TF-2 B.5, B.6)."""

from __future__ import annotations

from gateway.lint.finding import Line
from gateway.lint.forms import check_dtm

_NAME_TYPES = frozenset("ABCDILMNRSTU")
_PV1_ALLOWED = frozenset({2, 3, 19, 44, 51})


def check_pid(pid: Line) -> None:
    """All rules of PID; one that says it knows nobody is a warning, not a fault."""
    pid.forbid("pid-forbidden", 1, 2, 4, 9, 14, 19)
    unknown = pid.text(31) == "Y"
    if unknown:
        pid.add("pid-unknown", 31, "a patient, if one is known")
    _ids(pid, unknown=unknown)
    if pid.require("pid-5", 5, "a name; ^^^^^^U when it is not known"):
        for repeat in range(1, len(pid.segment.repeats(5)) + 1):
            _name_type(pid, pid.text(5, 7, repeat))
    check_dtm(pid, 7, exact=False)
    if pid.text(8) not in ("", "F", "M", "O", "A", "N"):
        pid.add("pid-8", 8, "F, M, O, A or N")
    if pid.raw(11) and pid.text(11, 7) != "M":
        pid.add("pid-11", 11, "address type M", component=7)
    if len(pid.segment.repeats(13)) > 2:
        pid.add("pid-13", 13, "two telephone numbers at most")


def _name_type(pid: Line, kind: str) -> None:
    if kind not in _NAME_TYPES:
        pid.add("pid-5-type", 5, "a name type: L, or U for a name that is not known", component=7)
    elif kind not in ("L", "U"):
        pid.add("pid-5-nist", 5, "L or U: NIST's validator takes no other", component=7)


def _ids(pid: Line, *, unknown: bool) -> None:
    repeats = pid.segment.repeats(3)
    if not repeats and not unknown:
        pid.add("pid-3", 3, "a patient identifier, or PID-31 Y")
    if len(repeats) > 6:
        pid.add("pid-3-count", 3, "six identifiers at most")
    for repeat in range(1, len(repeats) + 1):
        if not pid.text(3, 1, repeat):
            pid.add("pid-3-id", 3, "an id in the first component", component=1)
        if not (pid.text(3, 4, repeat) and pid.text(3, 5, repeat)):
            pid.add("pid-3-authority", 3, "assigning authority (.4) and type (.5)", component=4)


def check_pv1(pv1: Line) -> None:
    """All rules of PV1."""
    pv1.forbid("pv1-forbidden", *(n for n in range(1, len(pv1.segment.fields)) if n not in _PV1_ALLOWED))
    if pv1.text(2) not in ("E", "I", "O", "P", "R", "B", "U"):
        pv1.add("pv1-2", 2, "E, I, O, P, R, B or U")
    check_dtm(pv1, 44)
    if pv1.text(51) not in ("", "A", "V"):
        pv1.add("pv1-51", 51, "A, V or nothing")
