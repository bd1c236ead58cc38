"""Whether a generated file is read as its calls, by a run's reader and by `verify`."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from callbill.base.settings import load_settings, load_vars
from callbill.ingest.landing import LandingFile, files_of
from callbill.ingest.shape_files import shape_names
from callbill.queries.try_file import read_one
from callbill.storage.folder import StoredFile
from callbill.tasks.connection import connect
from callbill.verify.records import accepted_records
from callbill.verify.texts import texts_of
from callbill.warehouse.loads import SourceLoad

from tests.support.generated_files import generate


def check(seed: int, folder: Path) -> None:
    """Read the generated file of that number both ways. Raises AssertionError."""
    file = generate(seed)
    path = folder / file.name
    path.write_bytes(file.content)
    stat = path.stat()
    stored = StoredFile(
        name=f"call_logs/format={file.shape}/{file.name}", path=path, size=stat.st_size,
        mtime_ns=stat.st_mtime_ns, inode=stat.st_ino,
    )  # fmt: skip
    [landed] = files_of(stored, shape_names({}), ZoneInfo("Asia/Shanghai"))
    assert isinstance(landed, LandingFile), (seed, landed)
    implied = 200 if file.shape == "cloudtrail" else None
    expected = sorted(
        (call["request_id"], call["owner_uin"], implied or call["http_status"], call["error_code"])
        for call in file.calls
    )
    with closing(connect(None, str(folder / "spill"))) as con:
        read = read_one(con, landed, file.shape, folder / "read", "Asia/Shanghai")
        assert read.counts.unreadable is None, (seed, file.name, read.counts.unreadable)
        rows = con.execute(
            "select request_id, owner_uin, http_status, error_code from read_parquet(?)",
            [[str(part) for part in read.parts]],
        ).fetchall()
    assert sorted(rows, key=str) == sorted(expected, key=str), (seed, file.name)
    assert read.counts.rejected == file.bad, (seed, file.name)
    load = SourceLoad(
        "f" * 64, "call_logs", landed.name, file.shape, date(2026, 12, 1), date(2026, 12, 1),
        reading_rules=3,
    )  # fmt: skip
    texts = pl.concat([rows for rows, _part in texts_of(path, load, folder, landed.member)])
    assert len(texts) == len(file.calls) + file.bad, (seed, file.name)
    records = accepted_records(texts, load, load_vars(load_settings()))
    again = sorted(zip(records["request_id"], records["is_failure"], strict=True))
    assert again == sorted(
        (name, code is not None or not 200 <= status < 300)
        for name, _owner, status, code in expected
    ), (seed, file.name)
