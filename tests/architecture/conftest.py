"""What is in the repository, for tests that read all of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_NOT_OURS = {".venv", ".git", "__pycache__", "node_modules", "htmlcov", "dist", "build", ".demo"}


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """Every file in git; of an unpacked archive, every file that is no cache."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        found = [path for path in ROOT.rglob("*") if not _NOT_OURS & set(path.relative_to(ROOT).parts)]
        return sorted(path for path in found if path.is_file() and not path.name.startswith(".coverage"))
    return sorted(ROOT / name for name in listed if name and (ROOT / name).is_file())
