"""The bill in polars, streaming."""

from __future__ import annotations

import sys

import polars as pl

from benchmarks.engines.bill import PRICE_PER_CALL, bill_text


def main() -> None:
    schema = {"request_id": pl.String, "called_at": pl.String, "owner_uin": pl.String,
              "error_code": pl.String}  # fmt: skip
    called_at = pl.col("called_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%z")
    bill = (
        pl.scan_ndjson(f"{sys.argv[1]}/*.jsonl", schema=schema)
        .group_by("request_id")
        .agg(
            pl.col("owner_uin").first(),
            called_at.dt.convert_time_zone("Asia/Shanghai").dt.date().min().alias("usage_date"),
            pl.col("error_code").is_not_null().any().alias("is_failure"),
        )
        .filter(~pl.col("is_failure"))
        .group_by("owner_uin", "usage_date")
        .len()
        .collect(engine="streaming")
    )
    print(
        bill_text((owner, day, calls, calls * PRICE_PER_CALL) for owner, day, calls in bill.rows())
    )


if __name__ == "__main__":
    main()
