"""What a memory card costs: the journal on a disk whose sync takes 10 ms, `python -m tests.bench.bench_card [REPORTS]`.

Method: a library of ten lines, compiled here and loaded before the C library's (LD_PRELOAD), lets fsync and fdatasync take 10 ms
longer; SQLite calls them as ever. 50 devices (and one alone) keep a report of 30 readings, wait until it is durable, keep the
next, as in bench_journal. Needs a C compiler; without one it says so and measures nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.bench_journal import ours, reports

SYNC_MS = 10
SLOW_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_first(void) { struct timespec t = {0, MS * 1000000L}; nanosleep(&t, 0); }
int fsync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fsync"); wait_first(); return real(fd); }
int fdatasync(int fd) { int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync"); wait_first(); return real(fd); }
"""


def measure(count: int) -> None:
    """With 50 devices and with one; in the process that has the slow library."""
    for devices, total in ((50, count), (1, count // 20)):
        work = {f"D{n}": reports(f"D{n}", total // devices) for n in range(devices)}
        with tempfile.TemporaryDirectory() as text:
            speed, group = asyncio.run(ours(Path(text) / "a", work, through=False))
        print(f"{devices:3} devices, a sync of {SYNC_MS} ms: {speed:6.0f} durable reports/s, {group:.1f} in a commit", flush=True)


def slow_library(folder: Path) -> Path | None:
    """The slow library, compiled into `folder`; None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(SLOW_SYNC, "ascii")
    subprocess.run([compiler, f"-DMS={SYNC_MS}L", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def main(count: int) -> int:
    """Compile the slow library and measure with it."""
    with tempfile.TemporaryDirectory() as text:
        library = slow_library(Path(text))
        if library is None:
            print("card: SKIPPED, no C compiler (cc, gcc) to build the slow sync with")
            return 0
        command = [sys.executable, "-m", "tests.bench.bench_card", str(count), "slow"]
        return subprocess.run(command, check=False, env={**os.environ, "LD_PRELOAD": str(library)}).returncode


if __name__ == "__main__":
    if sys.argv[2:] == ["slow"]:
        measure(int(sys.argv[1]))
    else:
        raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
