"""A simulation: the bills that would have been beside those that were."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from callbill.base.text import printable
from callbill.cli.show.console import narrow_table_of, open_console
from callbill.jobs.simulation.job import Simulation
from callbill.queries.export.cells import as_text
from callbill.queries.export.csv_file import write_csv
from callbill.queries.export.month import write_parquet, write_whole
from callbill.queries.export.workbook import write_workbook
from callbill.release.site.simulation import PageFacts, write_simulation

_MOST_BILLS = 40
_MOST_LINES = 10
_MOST_REJECTS = 10
_AMOUNTS = ("#calls", "#would be", "#rated", "#would be", "#扣费 deducted", "#would be", "#change")
# The tables that files have.
_TABLES = ("bills", "lines")


def show_simulation(simulation: Simulation) -> None:
    """What was asked, the bills, the lines that differ most, and what to know of it."""
    console = open_console()
    console.print(
        f"Simulation of what is sealed, {simulation.first} to {simulation.through}, in CNY",
        soft_wrap=True,
    )
    for remark in simulation.asked:
        console.print(f"- {printable(remark.english)}", soft_wrap=True)
    _show_bills(console, simulation)
    _show_lines(console, simulation)
    _show_unrated(console, simulation)
    rejects = simulation.given.rejects
    for reject in rejects[:_MOST_REJECTS]:
        line = f", line {reject.line}" if reject.line else ""
        console.print(
            printable(f"Rejected: {reject.name}{line}: {reject.reason} {reject.detail}".rstrip()),
            soft_wrap=True,
        )
    if len(rejects) > _MOST_REJECTS:
        console.print(f"  and {len(rejects) - _MOST_REJECTS} more")
    for remark in simulation.notes:
        console.print(printable(remark.english), soft_wrap=True)
    console.print("Not simulated:")
    for remark in simulation.left_out:
        console.print(f"- {remark.english}", soft_wrap=True)


def _show_bills(console: Console, simulation: Simulation) -> None:
    months = [tuple(row.values()) for row in simulation.comparison.months]
    rows = [(f"{row[0]:%Y-%m}", *row[1:]) for row in months]
    rows.append(("all", "", *(sum(row[n] for row in months) for n in range(2, 9))))
    console.print(narrow_table_of("By month", ("month", "#accounts", *_AMOUNTS), rows))
    bills = simulation.con.execute(
        "select bill_month, owner_uin, product_code, calls, simulated_calls, rated_amount,"
        " simulated_rated_amount, deducted_amount, simulated_deducted_amount, difference"
        " from simulation.bills"
    ).fetchall()
    changed = [row for row in bills if row[3:9:2] != row[4:9:2]]
    if not changed:
        console.print(f"All {len(bills)} bill(s) would have been the same.")
        return
    # Those that change most, in the order of bills.
    shown = sorted(sorted(changed, key=lambda row: -abs(row[-1]))[:_MOST_BILLS])
    rows = [(f"{row[0]:%Y-%m}", *row[1:]) for row in shown]
    rows.append(("all", "", "", *(sum(row[n] for row in changed) for n in range(3, 10))))
    console.print(
        narrow_table_of(
            f"Bills that would have been otherwise: {len(changed)} of {len(bills)}",
            ("month", "account", "product", *_AMOUNTS),
            rows,
        )
    )
    if len(changed) > len(shown):
        console.print(f"  {len(changed) - len(shown)} of them, with smaller changes, are not shown")


def _show_lines(console: Console, simulation: Simulation) -> None:
    counts = simulation.comparison.lines
    console.print(
        f"Lines: {counts.get('same', 0)} the same, {counts.get('other', 0)} otherwise,"
        f" {counts.get('only_in_books', 0)} only in the books,"
        f" {counts.get('only_in_simulation', 0)} only in the simulation."
    )
    lines = simulation.con.execute(
        f"""
        select usage_date, settled_on, owner_uin, line_type, calls, simulated_calls,
            contract_price, simulated_contract_price, real_cost, simulated_real_cost, difference
        from simulation.lines
        where comparison <> 'same'
        order by abs(difference) desc, settled_on, owner_uin, usage_date, line_id,
            simulated_line_id
        limit {_MOST_LINES}
        """
    ).fetchall()
    if not lines:
        return
    [total] = simulation.con.execute(
        """
        select sum(calls), sum(simulated_calls), sum(real_cost), sum(simulated_real_cost),
            sum(difference)
        from simulation.lines where comparison <> 'same'
        """
    ).fetchall()
    rows = [
        (*line[:6], *map(_short, line[6:8]), *line[8:])
        for line in (["" if value is None else value for value in line] for line in lines)
    ]
    costs = ["" if value is None else value for value in total]
    rows.append(("all that differ", "", "", "", *costs[:2], "", "", *costs[2:]))
    columns = (
        *("usage", "settled", "account", "line", "#calls", "#would be", "#折后", "#would be"),
        *("#优惠后总价", "#would be", "#change"),
    )
    console.print(narrow_table_of("The lines that change most", columns, rows))


def _short(price: object) -> str:
    """A price without the zeros at its end."""
    text = as_text(price)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _show_unrated(console: Console, simulation: Simulation) -> None:
    for row in simulation.comparison.unrated:
        before, after = row["calls"], row["simulated_calls"]
        component = row["component_code"]
        whose = f"of {printable(component)}" if component else "that no component claims"
        if after:
            console.print(
                f"Without a price, and in no bill: {after} call(s) {whose}; in the books {before}."
            )
        else:
            console.print(f"Rated here: {before} call(s) {whose}, without a price in the books.")


def write_comparison(simulation: Simulation, form: str, output: Path) -> list[Path]:
    """Write bills and lines into a file, or into two of which the second has `-lines` in its name.

    Raises UsageError if it cannot be written.
    """
    queries = {name: f"from simulation.{name}" for name in _TABLES}
    if form == "xlsx":
        write_whole(output, partial(write_workbook, simulation.con, queries))
        return [output]
    if form == "json":
        write_whole(output, lambda path: _write_json(simulation, path))
        return [output]
    paths = [output, output.with_name(f"{output.stem}-lines{output.suffix}")]
    for path, query in zip(paths, queries.values(), strict=True):
        if form == "csv":
            write_whole(path, partial(write_csv, simulation.con, query, is_marked=True))
        else:
            write_whole(path, partial(write_parquet, simulation.con, query))
    return paths


def _write_json(simulation: Simulation, path: Path) -> None:
    content = {
        "release": simulation.run_id,
        "settled_from": str(simulation.first),
        "settled_through": str(simulation.through),
        "asked": [remark.english for remark in simulation.asked],
        **{name: _as_items(simulation, name) for name in ("months", *_TABLES, "unrated")},
        "rejected_lines": [vars(reject) for reject in simulation.given.rejects],
        "notes": [remark.english for remark in simulation.notes],
        "not_simulated": [remark.english for remark in simulation.left_out],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _as_items(simulation: Simulation, name: str) -> list[dict[str, object]]:
    result = simulation.con.execute(f"from simulation.{name}")
    columns: Sequence[str] = [column[0] for column in result.description]
    return [
        {
            column: value if value is None or isinstance(value, int) else as_text(value)
            for column, value in zip(columns, row, strict=True)
        }
        for row in result.fetchall()
    ]


def write_page(simulation: Simulation, folder: Path) -> Path:
    """Write a page into a new folder. Returns its path."""
    facts = PageFacts(
        simulation.run_id,
        simulation.first,
        simulation.through,
        simulation.zone,
        simulation.rounding,
        asked=[vars(remark) for remark in simulation.asked],
        notes=[vars(remark) for remark in simulation.notes],
        left_out=[vars(remark) for remark in simulation.left_out],
        rejects=[vars(reject) for reject in simulation.given.rejects],
    )
    write_simulation(simulation.con, facts, folder)
    return folder / "index.html"
