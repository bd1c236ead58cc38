"""The last runs, as the warehouse has them."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from callbill.base.settings import Settings
from callbill.queries.reading import open_warehouse_or_release

_RUNS = """
    select
        run_id, started_by, through_date, settle_from, outcome, files_loaded, records_accepted,
        records_rejected, round(epoch(finished_at - started_at), 1), message
    from ops.runs
    order by run_id desc
    limit ?
"""


def load_runs(settings: Settings, *, limit: int) -> list[tuple[Any, ...]]:
    """At most so many runs, the last first."""
    with closing(open_warehouse_or_release(settings)) as con:
        return con.execute(_RUNS, [limit]).fetchall()
