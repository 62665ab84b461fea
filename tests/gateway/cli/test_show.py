"""Tables on narrow terminals and in pipes: what a person copies out of them is whole."""

from __future__ import annotations

import pytest

from gateway.cli.show import table

MESSAGE_ID = "a1b2c3d4000000000007-edit-of-a-message-with-a-long-name"


def test_an_id_is_broken_over_lines_and_never_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    table("", ("id", "state"), [(MESSAGE_ID, "waiting")])
    lines = capsys.readouterr().out.splitlines()[2:]
    assert "".join(line.split()[0] for line in lines if line.strip() and not line.startswith(" ──")) == MESSAGE_ID


def test_a_row_is_one_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    table("", ("id", "text"), [(MESSAGE_ID, "word " * 60)])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if MESSAGE_ID in line]
    assert row.split() == [MESSAGE_ID, *["word"] * 60]
