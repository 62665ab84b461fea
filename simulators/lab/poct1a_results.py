"""What a simulated POCT1-A meter measured: glucose of patients, and of controls now and then."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from protocols.poct1a.message import leaf


@dataclass(frozen=True, slots=True)
class Reading:
    """One glucose result: its number, its value, whether it is a control's, the body of its OBS message."""

    number: int
    value: str
    control: bool
    body: str = field(repr=False)

    @property
    def type(self) -> str:
        return "OBS.R02" if self.control else "OBS.R01"


def reading(n: int, seed: int, measured: str, *, control: bool) -> Reading:
    """The nth result of the meter of that seed."""
    dice = random.Random(f"{seed}/{n}")  # noqa: S311 - a script, not a secret
    value = f"{dice.gauss(5.6, 1.1):.1f}"
    obs = leaf("OBS.observation_id", "GLU") + leaf("OBS.value", value, U="mmol/L") + leaf("OBS.method_cd", "M")
    about = leaf("CTC.lot_number", "SYN-LOT") if control else leaf("PT.patient_id", f"SYN-P{dice.randrange(1, 40):03d}")
    inner = f"{about}<OBS>{obs}</OBS>"
    order = f"<ORD>{leaf('ORD.order_id', f'SYN-{n:06d}')}</ORD>"
    body = leaf("SVC.role_cd", "LQC" if control else "OBS") + leaf("SVC.observation_dttm", measured)
    body += f"<CTC>{inner}</CTC>" if control else f"<PT>{inner}</PT>{order}"
    return Reading(n, value, control, f"<SVC>{body}<OPR>{leaf('OPR.operator_id', 'SYN-OP')}</OPR></SVC>")
