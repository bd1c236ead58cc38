"""What a sender announces of a .zip: the records of all its members, and the hash of the .zip."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

from tests.support.commands import run_job, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import query

CONTROL = "files_are_as_announced"


def packed(name: str) -> bytes:
    """Three calls in two members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as members:
        members.writestr(f"{name}.jsonl", json_lines(record(f"{name} 1"), record(f"{name} 2")))
        members.writestr(f"more/{name}.jsonl", json_lines(record(f"{name} 3")))
    return content.getvalue()


def announce(file: Path, **content: object) -> None:
    write(file.with_name(f"{file.name}.manifest.json"), json.dumps(content).encode())


def warned_of(place: Path, through: str) -> dict[str, dict[str, object]]:
    succeed(run_job(place, "--through", through))
    [(sample,)] = query(
        place,
        f"select sample from ops.control_results where control_id = '{CONTROL}'"
        " and run_id = (select max(run_id) from ops.runs)",
    )
    rows = json.loads(sample) if sample else []
    return {str(row["path"]).rpartition("/")[2].split(".")[0]: row for row in rows}


def test_a_zip_is_held_against_its_announcement(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "call_logs" / "arrived_on=2026-03-02"
    for name in ("right", "CAPITALS", "short", "other", "unsaid"):
        file = folder / f"{name}.{'ZIP' if name == 'CAPITALS' else 'zip'}"
        content = packed(name)
        write(file, content)
        digest = hashlib.sha256(content).hexdigest()
        announce(
            file,
            **({"records": 4 if name == "short" else 3} if name != "unsaid" else {}),
            sha256="0" * 64 if name == "other" else digest.upper(),
        )
    late = folder / "late.zip"
    coming = packed("late")
    announce(late, records=3, sha256=hashlib.sha256(coming).hexdigest())
    found = warned_of(tmp_path, "2026-03-02")
    assert set(found) == {"short", "other", "late"}
    assert (found["short"]["records_announced"], found["short"]["records_found"]) == ("4", "3")
    assert "the .zip has the SHA-256" in str(found["other"]["problem"])
    assert "that is not there" in str(found["late"]["problem"])
    # It comes: what was announced of it is right.
    write(tmp_path / "landing/call_logs/arrived_on=2026-03-03/tonight.jsonl", b"")
    write(late, coming)
    assert warned_of(tmp_path, "2026-03-03") == {}
