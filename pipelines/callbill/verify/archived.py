"""The records of archived files that are away, as they were once read.

Their lines cannot be judged again. Everything that follows from them is computed as ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from callbill.base.settings import BillingVars
from callbill.release.checkpoint import Checkpoint
from callbill.verify.accepted import FileCounts
from callbill.verify.calls import Spill
from callbill.verify.records import records_as_read
from callbill.warehouse.loads import SourceLoad

_ROWS_AT_ONCE = 250_000
_COLUMNS = (
    *("request_id", "called_at", "owner_uin", "operate_uin", "action", "http_status"),
    *("error_code", "attributes", "usage_date", "settled_on", "source_file_id"),
)


def read_archived(
    checkpoint: Checkpoint, loads: Sequence[SourceLoad], records: Spill, billing_vars: BillingVars
) -> list[FileCounts]:
    """Put aside the records that the checkpoint has of some loads. The result has the counts of
    each: its records, and the lines that were read when it was archived.

    Raises UsageError if a file of the checkpoint is not as it was written.
    """
    by_id = {load.source_file_id: load for load in loads}
    counts: Counter[str] = Counter()
    checkpoint.check(checkpoint.records)
    for path in checkpoint.records:
        file = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        if "attributes" not in file.collect_schema().names():  # written before 0.7
            file = file.with_columns(attributes=pl.lit(None, pl.String))
        file = file.select(_COLUMNS)
        offset = 0
        while len(rows := file.slice(offset, _ROWS_AT_ONCE).collect()):
            offset += len(rows)
            wanted = rows.filter(pl.col("source_file_id").is_in(list(by_id)))
            for (name,), part in wanted.partition_by("source_file_id", as_dict=True).items():
                some_records = records_as_read(part, by_id[name], billing_vars)
                records.add(some_records)
                counts[name] += len(some_records)
    archived = checkpoint.archived_by_key
    return [
        FileCounts(load, archived[load.key].lines_read, counts[load.source_file_id])
        for load in loads
    ]
