"""Hashing files elsewhere: each gets its own hash, whichever worker it goes to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from callbill.ingest.landing import list_landing
from callbill.tasks import digest
from callbill.tasks.workers import evenly

from tests.support.landing_files import write


class Elsewhere:
    """Workers that get items and give answers as JSON."""

    count = 2
    is_this_process = False
    is_this_machine = True

    def run(self, task: str, items: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        assert task == "digest"
        for item in items:
            yield json.loads(json.dumps(digest.run(json.loads(json.dumps(item)))))

    def close(self) -> None:
        pass


def test_each_file_gets_its_own_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "_WORTH_SENDING", 0)
    contents = {f"call_logs/{n}.jsonl": b"x" * n for n in range(1, 12)}
    for name, content in contents.items():
        write(tmp_path / name, content)
    files = list_landing(tmp_path, frozenset({"canonical"}), ZoneInfo("Asia/Shanghai")).files
    assert digest.digest_all(Elsewhere(), files) == {
        name: hashlib.sha256(content).hexdigest() for name, content in contents.items()
    }


def test_groups_have_about_as_much_to_do() -> None:
    sizes = [5, 1, 9, 3, 3, 7]
    groups = evenly(sizes, 3)
    assert sorted(n for group in groups for n in group) == list(range(6))
    assert sorted(sum(sizes[n] for n in group) for group in groups) == [9, 9, 10]
    assert evenly([4], 3) == [[0]]
    assert evenly([], 3) == []
