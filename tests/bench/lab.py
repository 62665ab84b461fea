"""What the laboratory's benchmarks feed: synthetic analyzers' transmissions, each different, as the writes in which they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from protocols.astm import frames, records
from protocols.poct1a.message import document, leaf

RESULTS = 30
"""Results of a message: a blood count's, with its differential, or a chemistry panel's."""
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def astm_text(n: int) -> bytes:
    """H, P, O, 30 R and L: 1.9 kB."""
    measured = f"20261121{8 + n % 10:02d}15{n % 60:02d}"
    rows: list[Sequence[records.Field]] = [
        ("H", "", "", "", ("Bench", "1.0", "SYN-1")),
        ("P", "1", "", f"SYN-{n:06d}"),
        ("O", "1", f"S{n:08d}", "", ("", "", "", "CBC"), "R", measured),
    ]
    for k in range(1, RESULTS + 1):
        what, value, span = ("", "", "", "", f"T{k}", "1"), f"{(n * 7 + k * 13) % 900 / 10:.1f}", ("3.5", "10.0")
        rows.append(("R", str(k), what, value, "10*3/uL", span, "N", "", "F", "", "", "", measured))
    return records.encode([*rows, ("L", "1", "N")])


def astm_session(n: int, size: int) -> list[bytes]:
    """ENQ, the frames of message `n` with texts of so many characters (0: a record a frame), EOT."""
    text = astm_text(n)
    parts = [text[at : at + size] for at in range(0, len(text), size)] if size else text.splitlines(keepends=True)
    framed = [frames.frame(k, part, last=not size or k == len(parts)) for k, part in enumerate(parts, 1)]
    return [b"\x05", *framed, b"\x04"]


def poct1a_greeting() -> list[bytes]:
    """A meter's HEL and DST."""
    who = leaf("DEV.device_id", "SYN^METER") + leaf("DEV.vendor_id", "SYN") + leaf("DEV.model_id", "Meter 1")
    offers = f"<DSC>{leaf('DSC.connection_profile_cd', 'CS')}{leaf('DSC.directives_supported_cd', 'START_CONTINUOUS')}</DSC>"
    status = leaf("DST.status_dttm", NOON.isoformat()) + leaf("DST.new_observations_qty", "1")
    return [
        document("HEL.R01", "1", NOON.isoformat(), f"<DEV>{who}{offers}</DEV>"),
        document("DST.R01", "2", NOON.isoformat(), f"<DST>{status}</DST>"),
    ]


def poct1a_result(n: int) -> bytes:
    """An OBS.R01 of one glucose: 0.5 kB."""
    seen = leaf("OBS.observation_id", "GLU") + leaf("OBS.value", f"{40 + n % 90}", U="mg/dL") + leaf("OBS.method_cd", "M")
    patient = f"<PT>{leaf('PT.patient_id', f'SYN-{n:06d}')}<OBS>{seen}{leaf('OBS.status_cd', 'A')}</OBS></PT>"
    service = leaf("SVC.role_cd", "OBS") + leaf("SVC.observation_dttm", NOON.isoformat())
    who = f"<OPR>{leaf('OPR.operator_id', 'SYN-OP')}</OPR><ORD>{leaf('ORD.order_id', f'{n:06d}')}</ORD>"
    return document("OBS.R01", str(n + 3), NOON.isoformat(), f"<SVC>{service}{patient}{who}</SVC>")


def hl7_message(n: int) -> bytes:
    """An ORU^R01 of 30 OBX between VT and FS: 2.4 kB."""
    rows = [
        f"MSH|^~\\&|SYN|LAB|||20261121120000||ORU^R01|{n}|P|2.3.1||||||UNICODE",
        f"PID|1||SYN-{n:06d}^^^^MR||Test^Patient",
        f"OBR|1||S{n:08d}|00001^Count^99SYN|||20261121115500",
    ]
    for k in range(1, RESULTS + 1):
        value = f"{(n * 7 + k * 13) % 900 / 10:.1f}"
        rows.append(f"OBX|{k}|NM|T{k}^Analyte {k}^99SYN||{value}|10*3/uL|3.5-10.0|N|||F|||20261121115500")
    return b"\x0b" + "".join(f"{row}\r" for row in rows).encode() + b"\x1c\r"
