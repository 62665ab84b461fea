"""The lists in a simulated POCT1-A meter: pages wait for their EOT, then become the list; or they are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from protocols.poct1a.message import NOTHING, Object, leaf

NEVER = "2000-01-01T00:00:00+00:00"
"""What a meter that was never told a list says of it."""
TOPICS = {"complete": ("OP_LST", "PT_LST"), "incremental": ("OP_LST", "OP_LST_I", "PT_LST", "PT_LST_I")}
REFUSALS = ("AE", "AR", "ESC", "silence")
_ID = {"OPL": "OPR.operator_id", "PTL": "PT.patient_id"}
_OBJECT = {"OPL": "OPR", "PTL": "PT"}


class MeterLists:
    """Operators and patients by their number, as the meter holds them."""

    def __init__(self, options: Mapping[str, str]) -> None:
        kind = options.get("lists", "no")
        if kind != "no" and kind not in TOPICS:
            raise ValueError(f"lists: got {kind!r}, expected no, {', '.join(TOPICS)}")
        self._refusal = options.get("refuse", "")
        if self._refusal and self._refusal not in REFUSALS:
            raise ValueError(f"refuse: got {self._refusal!r}, expected one of {', '.join(REFUSALS)}")
        self._topics = TOPICS.get(kind, ())
        self._most = int(options.get("max_message_sz", "0"))
        self._held: dict[str, dict[str, Object]] = {"OPL": {}, "PTL": {}}
        self._version = dict.fromkeys(self._held, NEVER)
        self.heard: Counter[str] = Counter()
        """Messages of lists by type, those refused among them."""
        self.too_long = 0
        """Messages that were longer than the meter can take."""
        self.begin()

    @property
    def operators(self) -> dict[str, Object]:
        """OPR by operator id."""
        return self._held["OPL"]

    @property
    def patients(self) -> dict[str, Object]:
        """PT by patient id."""
        return self._held["PTL"]

    def begin(self) -> None:
        """A new conversation, or a power failure: pages without their EOT are forgotten."""
        self._staged: dict[str, dict[str, Object]] = {}

    def capabilities(self) -> str:
        """What HEL's DSC says of lists."""
        most = leaf("DSC.max_message_sz", str(self._most)) if self._most else ""
        return "".join(leaf("DSC.topics_supported_cd", topic) for topic in self._topics) + most

    def status(self) -> str:
        """What DST says of lists."""
        if not self._topics:
            return ""
        return leaf("DST.operators_update_dttm", self._version["OPL"]) + leaf("DST.patients_update_dttm", self._version["PTL"])

    def hear(self, type_: str, root: Object, size: int) -> str:
        """A page or the EOT behind the last one; what the meter answers: AA, or one of REFUSALS."""
        self.heard[type_] += 1
        if self._most and size > self._most:
            self.too_long += 1
            return "AR"
        if self._refusal:
            return self._refusal
        if type_ == "EOT.R01":
            return self._keep(root.find("EOT") or NOTHING)
        self._stage(type_, root)
        return "AA"

    def _stage(self, type_: str, root: Object) -> None:
        """A complete list begins with none, changes begin with what is there."""
        kind, changes = type_[:3], type_.endswith("R02")
        list_ = self._staged.setdefault(kind, dict(self._held[kind]) if changes else {})
        for group in root.walk("UPD") if changes else (root,):
            for one in group.walk(_OBJECT[kind]):
                if group.value("UPD.action_cd") == "D":
                    list_.pop(one.value(_ID[kind]), None)
                else:
                    list_[one.value(_ID[kind])] = one

    def _keep(self, end: Object) -> str:
        kind = {"OP_LST": "OPL", "PT_LST": "PTL"}.get(end.value("EOT.topic_cd"), end.value("EOT.topic_cd"))
        if kind not in self._staged:
            return "AE"
        self._held[kind] = self._staged.pop(kind)
        self._version[kind] = end.value("EOT.update_dttm")
        return "AA"
