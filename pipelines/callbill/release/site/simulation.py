"""The page of a simulation: the bills that would have been beside those that were.

It stands alone in a folder, with the frame and the styles of a release's site, and has its figures
in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from callbill import __version__
from callbill.base.errors import UsageError
from callbill.base.yaml_files import read_yaml
from callbill.release.site.pages import copy_assets, rendered, terms, texts
from callbill.release.site.rows import rows_of

_NAME = "simulation"
# So many bills and lines are on the page, those that change most. Files have them all.
MOST_ROWS = 2000
_QUERIES = {
    "months": """
        select * replace (strftime(bill_month, '%Y-%m') as bill_month)
        from simulation.months order by bill_month desc
    """,
    "bills": f"""
        select
            * replace (strftime(bill_month, '%Y-%m') as bill_month),
            coalesce(product_name, product_code) as product_name
        from simulation.bills
        left join seeds.products using (product_code)
        order by abs(difference) desc, bill_month desc, owner_uin, product_code limit {MOST_ROWS}
    """,
    "lines": f"""
        select
            settled_on, usage_date, owner_uin,
            coalesce(component_name, component_code) as component_name, line_type, calls,
            simulated_calls, contract_price, simulated_contract_price, real_cost,
            simulated_real_cost, difference
        from simulation.lines
        left join seeds.components using (component_code)
        where comparison <> 'same'
        order by abs(difference) desc, settled_on, owner_uin, usage_date, line_id,
            simulated_line_id
        limit {MOST_ROWS}
    """,
    "unrated": """
        select
            coalesce(component_name, component_code) as component_name, calls, simulated_calls
        from simulation.unrated
        left join seeds.components using (component_code)
    """,
    "counts": """
        select
            (select count(*) from simulation.bills) as bills,
            count(*) as all_lines,
            count(*) filter (where comparison <> 'same') as lines
        from simulation.lines
    """,
}


@dataclass(frozen=True)
class PageFacts:
    """What the page says of a simulation besides its tables."""

    run_id: str
    first: date
    through: date
    zone: str
    rounding: str
    # Sentences of remarks.yml: key, and values by name.
    asked: Sequence[Mapping[str, Any]]
    notes: Sequence[Mapping[str, Any]]
    left_out: Sequence[Mapping[str, Any]]
    rejects: Sequence[Mapping[str, Any]]


def write_simulation(con: duckdb.DuckDBPyConnection, facts: PageFacts, folder: Path) -> None:
    """Write the page into a folder that appears as a whole, and is not there or empty.

    Raises UsageError if it cannot be written.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{folder.parent} cannot be written to: {error.strerror}") from error
    try:
        copy_assets(part, (_NAME,))
        page = rendered(_facts(con, facts), (_NAME,))
        (part / "index.html").write_text(page, encoding="utf-8")
        part.replace(folder)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remarks() -> dict[str, list[str]]:
    """What a simulation says of itself, in English and Chinese, by key."""
    return dict(read_yaml(Path(__file__).parent / "remarks.yml"))


def _facts(con: duckdb.DuckDBPyConnection, facts: PageFacts) -> dict[str, Any]:
    return {
        "page": _NAME,
        "release": facts.run_id,
        "first": str(facts.first),
        "through": str(facts.through),
        "zone": facts.zone,
        "rounding": facts.rounding,
        "version": __version__,
        "customer": None,
        "asked": facts.asked,
        "notes": facts.notes,
        "leftOut": facts.left_out,
        "rejects": [
            {name: None if value is None else str(value) for name, value in reject.items()}
            for reject in facts.rejects
        ],
        "terms": terms(),
        "texts": texts() | {f"remark_{key}": both for key, both in remarks().items()},
        "tables": {name: rows_of(con, query) for name, query in _QUERIES.items()},
    }
