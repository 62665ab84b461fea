"""What this process takes of the machine, and what the journal takes of its disk; from /proc and the file system."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

from gateway.store.database import FILE

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def figures() -> dict[str, Any]:
    """Memory in bytes, CPU in seconds, file descriptors, start in seconds since 1970; without /proc, only CPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found: dict[str, Any] = {"cpu_s": used.ru_utime + used.ru_stime, "fds_max": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
    try:
        size, resident = Path("/proc/self/statm").read_text("ascii").split()[:2]
        found |= {"virtual_bytes": int(size) * _PAGE, "resident_bytes": int(resident) * _PAGE}
        found["fds"] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough, no paths
        found["start_s"] = _started()
    except OSError:
        pass  # no /proc: a developer's machine
    return found


def _started() -> float:
    """proc(5): field 22 of stat is ticks since the boot, btime of /proc/stat the boot."""
    ticks = int(Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()[19])
    (boot,) = [line.split()[1] for line in Path("/proc/stat").read_text("ascii").splitlines() if line.startswith("btime ")]
    return int(boot) + ticks / _TICKS


def disk(folder: Path) -> dict[str, int]:
    """Bytes of the journal and of its log, free and whole size of their disk; a file that is not there has none."""
    room = os.statvfs(folder)
    return {
        "size_bytes": _size(folder / FILE),
        "wal_bytes": _size(folder / f"{FILE}-wal"),
        "disk_free_bytes": room.f_bavail * room.f_frsize,
        "disk_size_bytes": room.f_blocks * room.f_frsize,
    }


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
