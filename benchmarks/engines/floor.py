"""The floor: the bill in one DuckDB statement over the files, which keeps nothing."""

from __future__ import annotations

import sys

import duckdb

from benchmarks.engines.bill import bill_text

STATEMENT = """
    with calls as (
        select
            request_id,
            any_value(owner_uin) as owner_uin,
            min(cast(timezone('Asia/Shanghai', called_at::timestamptz) as date)) as usage_date,
            bool_or(error_code is not null) as is_failure
        from read_json(
            $files, format = 'newline_delimited',
            columns = {
                request_id: 'varchar', called_at: 'varchar', owner_uin: 'varchar',
                error_code: 'varchar'
            }
        )
        group by request_id
    )

    select owner_uin, usage_date, count(*) as calls, count(*) * 0.06::decimal(18, 8) as amount
    from calls
    where not is_failure
    group by owner_uin, usage_date
"""


def main() -> None:
    with duckdb.connect() as con:
        print(bill_text(con.execute(STATEMENT, {"files": f"{sys.argv[1]}/*.json*"}).fetchall()))


if __name__ == "__main__":
    main()
