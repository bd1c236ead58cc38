"""The bill in ClickHouse, as chdb embeds it."""

from __future__ import annotations

import json
import sys

import chdb

from benchmarks.engines.bill import PRICE_PER_CALL, bill_text

STATEMENT = """
    with calls as (
        select
            any(owner_uin) as owner_uin,
            min(toDate(parseDateTimeBestEffort(called_at, 'Asia/Shanghai'), 'Asia/Shanghai'))
                as usage_date,
            max(error_code is not null) as is_failure
        from file(
            '{folder}/*.jsonl', JSONEachRow,
            'request_id String, called_at String, owner_uin String, error_code Nullable(String)'
        )
        group by request_id
    )

    select owner_uin, toString(usage_date) as usage_date, toUInt32(count()) as calls
    from calls
    where not is_failure
    group by owner_uin, usage_date
"""


def main() -> None:
    output = chdb.query(STATEMENT.format(folder=sys.argv[1]), "JSONCompactEachRow").bytes()
    rows = [json.loads(line) for line in output.splitlines()]
    print(bill_text((owner, day, calls, calls * PRICE_PER_CALL) for owner, day, calls in rows))


if __name__ == "__main__":
    main()
