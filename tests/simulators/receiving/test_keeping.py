"""What was received stays readable: bytes exactly, across restarts and after a kill in the middle of a line."""

import json
from pathlib import Path

from simulators.receiving.keeping import FILE, Keeping, rows


def test_a_message_is_kept_byte_for_byte(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    bodies = ["MSH|^~\\&|Ää\rPID\r".encode(), b"MSH|\xff\xfe\x00\r", b""]
    for number, body in enumerate(bodies):
        keeping.add("mllp", f"A{number}", "m", body, accepted=True, answer="AA")
    keeping.close()
    assert [row.body for row in rows(tmp_path / FILE)] == bodies


def test_a_row_says_when_what_and_what_was_answered(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.add("mllp", "A1", "m", b"abc", accepted=False, answer="AR")
    keeping.close()
    row = json.loads((tmp_path / FILE).read_text())
    assert row.pop("time").endswith("+00:00")
    assert row == {
        "door": "mllp",
        "id": "A1",
        "device": "m",
        # FIPS 180-2 appendix B.1: SHA-256 of "abc"
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "answer": "AR",
        "arrival": "first",
        "body": "abc",
        "accepted": False,
    }


def test_the_books_go_on_after_a_restart(tmp_path: Path) -> None:
    for repeats in range(3):
        keeping = Keeping(tmp_path)
        keeping.add("mllp", "A1", "m", b"x", accepted=True, answer="AA")
        keeping.close()
        assert keeping.ledger.summary().repeats == repeats


def test_a_line_that_a_kill_cut_off_costs_only_itself(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.add("mllp", "A1", "m", b"x", accepted=True, answer="AA")
    keeping.close()
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"time": "2026-')
    keeping = Keeping(tmp_path)
    keeping.add("mllp", "A2", "m", b"y", accepted=True, answer="AA")
    keeping.close()
    assert [row.id for row in rows(tmp_path / FILE)] == ["A1", "A2"]


def test_without_a_folder_only_the_books_are_kept() -> None:
    keeping = Keeping()
    keeping.add("mllp", "A1", "m", b"x", accepted=True, answer="AA")
    keeping.close()
    assert keeping.ledger.summary().unique == 1
