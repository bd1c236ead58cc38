"""The data of the benchmarks: days of calls as JSON lines, the same bytes every time."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb

FILES = 8
FAILURES_PER_MILLE = 60
DUPLICATES_PER_MILLE = 10

_CALLS = """
    with numbers as (
        -- What is delivered again comes in another file.
        select n, 0 as again from range($first, $first + $calls) as r (n)
        union all
        select n, 1 from range($first, $first + $calls * {duplicates} // 1000) as r (n)
    ),

    drawn as (
        select
            n,
            again,
            md5('callbill ' || n) as digest,
            hash(n, 1) % $owners as owner,
            hash(n, 2) % 86400 as second,
            hash(n, 3) % 1000 < {failures} as is_failure,
            hash(n, 4) as chance
        from numbers
        where (n + 3 * again) % {files} = $file
    )

    select
        digest[1:8] || '-' || digest[9:12] || '-' || digest[13:16] || '-' || digest[17:20] || '-'
        || digest[21:32] as request_id,
        strftime($day::timestamp + to_seconds(second::bigint), '%Y-%m-%dT%H:%M:%S+08:00')
            as called_at,
        (100000000000 + owner)::varchar as owner_uin,
        case
            when chance % 4 = 0 then (200000000000 + owner * 10 + chance % 10)::varchar
            else (100000000000 + owner)::varchar
        end as operate_uin,
        'SearchByText' as action,
        ['ap-guangzhou', 'ap-shanghai', 'ap-beijing'][1 + (chance % 3)::int] as region,
        200 as http_status,
        case
            when is_failure
                then [
                    'InternalError', 'RequestLimitExceeded.UinLimitExceeded', 'InvalidParameter'
                ][1 + (chance % 3)::int]
        end as error_code,
        (80 + chance % 700)::int as latency_ms
    from drawn
    order by hash(n, 5), again
"""


def make_day(
    landing: Path,
    used_on: date,
    calls: int,
    owners: int = 1000,
    *,
    first: int = 0,
    files: int = FILES,
    packed: str = "",
) -> Path:
    """The calls of a day, numbered from `first` on, as they arrive the day after.

    6 % of them fail, 1 % are delivered twice. `packed` is gzip or zstd. What is there already is
    taken as it is.
    """
    folder = landing / "call_logs" / f"arrived_on={used_on + timedelta(days=1)}"
    if folder.exists():
        return folder
    building = landing.parent / f".{landing.name}.building"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    ending = {"": "jsonl", "gzip": "jsonl.gz", "zstd": "jsonl.zst"}[packed]
    query = _CALLS.format(duplicates=DUPLICATES_PER_MILLE, failures=FAILURES_PER_MILLE, files=files)
    with duckdb.connect() as con:
        for file in range(files):
            target = building / f"{file}.{ending}"
            con.execute(
                f"copy ({query}) to '{target}'"
                f" (format json, compression {packed or 'uncompressed'})",
                {"first": first, "calls": calls, "owners": owners, "day": used_on, "file": file},
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    building.rename(folder)
    return folder
