"""What a run has the engine do: the files it opens, the rows it scans, the bytes it writes."""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

_connect = duckdb.connect
_logs = count()


class _Profiled:
    """A connection that tells of every statement, and so do its cursors."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        con.execute("set profiling_coverage = 'ALL'")
        con.execute("set enable_profiling = 'no_output'")
        self._con = con

    def cursor(self) -> _Profiled:
        return _Profiled(self._con.cursor())

    def __enter__(self) -> _Profiled:
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._con, name)


def trace(logs: Path) -> None:
    """Have the engines of this process log to a folder from now on."""

    def connect(*arguments: Any, **named: Any) -> _Profiled:
        con = _connect(*arguments, **named)
        con.execute(
            "call enable_logging(['Metrics', 'FileSystem'], level = 'debug', storage = 'file',"
            f" storage_path = '{logs / str(next(_logs))}')"
        )
        return _Profiled(con)

    duckdb.connect = connect  # type: ignore[assignment]


class Work:
    """What the logs of a run tell. (Of Parquet files the engine's profile gives the rows that it
    believes them to have, so what is counted of files is bytes.)"""

    def __init__(self, logs: Path) -> None:
        with _connect() as con:
            entries = con.execute(
                "select type, message from read_csv(?, all_varchar = true)"
                " where type in ('FileSystem', 'Metrics')",
                [str(logs / "*" / "duckdb_log_entries.csv")],
            ).fetchall()
        self.statements = 0
        self.read: Counter[str] = Counter()
        """Bytes by file."""
        self.written: Counter[str] = Counter()
        for type_, message in entries:
            if type_ == "Metrics":
                self.statements += message.startswith("{'metric': QUERY_NAME,")
                continue
            said = json.loads(message)
            if said["op"] == "READ":
                self.read[said["path"]] += int(said["bytes"])
            elif said["op"] == "WRITE":
                self.written[said["path"]] += int(said["bytes"])
