"""A second connection of the gateway's own must not cost the first its locks: another process would delete the log under it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from gateway.store.database import FILE, connect, migrate

ANOTHER_PROCESS = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1])
print(conn.execute("SELECT count(*) FROM audit").fetchone()[0])
conn.close()
"""


def count_elsewhere(folder: Path) -> int:
    """The rows of `audit`, as a process sees them that opens the journal, reads, closes it and ends."""
    done = subprocess.run([sys.executable, "-c", ANOTHER_PROCESS, str(folder / FILE)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_what_is_written_after_a_connection_was_opened_anew_is_seen_by_others(tmp_path: Path) -> None:
    with closing(connect(tmp_path)) as first:
        migrate(first)
        connect(tmp_path).close()
        assert count_elsewhere(tmp_path) == 0
        first.execute("INSERT INTO audit (at, by_whom, act, object, detail) VALUES ('', '', '', '', '')")
        assert (tmp_path / f"{FILE}-wal").exists(), "the log was deleted under a connection that writes to it"
        assert count_elsewhere(tmp_path) == 1
