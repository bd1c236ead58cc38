"""What the engine's own parts of a night cost, each in one statement without anything around it.

Nobody who keeps every call, finds those that came twice and hashes them does with less.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from callbill.warehouse.by_date import PARQUET

_FIELDS = (
    *("request_id", "called_at", "owner_uin", "operate_uin", "action", "region"),
    *("http_status", "error_code", "latency_ms"),
)
_COLUMNS = ", ".join(f"{field}: 'varchar'" for field in _FIELDS)
PARTS = {
    "reading lines of JSON as maps, with all keys": f"""
        select count(*) filter (map_keys(json) = ['request_id']),
            {", ".join(f"max(map_values(json)[{n}])" for n, _ in enumerate(_FIELDS, 1))}
        from read_json(
            $files, format = 'newline_delimited', records = false,
            columns = {{json: 'map(varchar, varchar)'}}
        )
    """,
    "writing lines of JSON as Parquet": f"""
        copy (
            select * replace (called_at::timestamptz as called_at)
            from read_json(
                $files, format = 'newline_delimited', records = true, columns = {{{_COLUMNS}}}
            )
        ) to '{{folder}}/records.parquet' ({PARQUET})
    """,
    "writing Parquet again as Parquet":
        f"copy (from '{{folder}}/records.parquet') to '{{folder}}/calls.parquet' ({PARQUET})",
    "finding ids that occur twice": """
        select hash(request_id) from '{folder}/records.parquet' group by all having count(*) > 1
    """,
    "MD5 of ids and instants, by what calls share": f"""
        select {", ".join(_FIELDS[2:])}, count(*),
            sum((md5_number(request_id || epoch_us(called_at)) >> 64::uhugeint)::hugeint)
        from '{{folder}}/records.parquet' group by all
    """,
    "reading all columns of Parquet": f"""
        select {", ".join(f"max({field})" for field in _FIELDS)} from '{{folder}}/records.parquet'
    """,
}  # fmt: skip


def main() -> None:
    seconds = {}
    with TemporaryDirectory(dir=Path(sys.argv[2])) as folder, duckdb.connect() as con:
        con.execute("set preserve_insertion_order = false")
        for part, statement in PARTS.items():
            parameters = {"files": f"{sys.argv[1]}/*.json*"} if "$files" in statement else {}
            began = time.monotonic()
            con.execute(statement.replace("{folder}", folder), parameters).fetchall()
            seconds[part] = time.monotonic() - began
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
