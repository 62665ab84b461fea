"""Other people's ASTM, for bench_lab: runs in a Python of its own, `PYTHON lab_peer.py SECONDS`, and imports nothing of ours.

Standard input: frames as a JSON list of ISO 8859-1 texts, each whole. Printed, as JSON: frames and bytes a processor second through
`decode_message` (checksum and records), records a second through `decode_record`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any


def rate(work: Callable[[], Any], seconds: float) -> float:
    """How often a second it is done."""
    work()
    done, begin = 0, time.process_time()
    while time.process_time() - begin < seconds:
        work()
        done += 1
    return done / (time.process_time() - begin)


def main(seconds: float) -> None:
    """Decode the frames, then their records."""
    codec = import_module("astm.codec")
    frames = [text.encode("iso-8859-1") for text in json.load(sys.stdin)]
    lines = b"".join(frame[2 : frame.rindex(b"\x03") if b"\x03" in frame else frame.rindex(b"\x17")] for frame in frames).split(
        b"\r"
    )
    rows = [line for line in lines if line]
    whole = rate(lambda: [codec.decode_message(frame, "iso-8859-1") for frame in frames], seconds)
    apart = rate(lambda: [codec.decode_record(row, "iso-8859-1") for row in rows], seconds)
    told = {"frames": whole * len(frames), "bytes": whole * sum(map(len, frames)), "records": apart * len(rows)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
