"""The same in Spark, on this machine alone."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

from benchmarks.engines.bill import bill_text

STATEMENT = """
    select owner_uin, cast(usage_date as string), count(*) as calls,
        cast(count(*) * 0.06 as decimal(18, 8)) as amount
    from (
        select
            any_value(owner_uin) as owner_uin,
            min(to_date(from_utc_timestamp(
                to_timestamp(called_at, "yyyy-MM-dd'T'HH:mm:ssXXX"), 'Asia/Shanghai'
            ))) as usage_date,
            bool_or(error_code is not null) as is_failure
        from records
        group by request_id
    )
    where not is_failure
    group by owner_uin, usage_date
"""


def main() -> None:
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.memory", "4g")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    fields = "request_id string, called_at string, owner_uin string, error_code string"
    spark.read.schema(fields).json(f"{sys.argv[1]}/*.jsonl").createOrReplaceTempView("records")
    print(bill_text(tuple(row) for row in spark.sql(STATEMENT).collect()))
    spark.stop()


if __name__ == "__main__":
    main()
