"""`make bench`: what a night costs, beside one statement that keeps nothing and other engines."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.campaigns import CAMPAIGNS, Sizes
from benchmarks.measure import PROJECT, machine
from benchmarks.scale import scale
from benchmarks.site import site

# Not among those that `make bench` measures.
SCALE, SITE = "scale", "site"
RESULTS = PROJECT / "benchmarks" / "results"


def show(campaign: str, results: list[dict[str, Any]]) -> None:
    console = Console()
    for result in results:
        settings = ", ".join(
            f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int) else str(value)
            for name, value in result.items()
            if name in ("calls", "owners", "packing", "night", "days_before") and value
        )
        engines = result.get("engines", {"callbill": result})
        table = Table("", title=f"{campaign}: {settings}")
        for column in ("seconds", "of the floor", "memory, MB", "each further million"):
            table.add_column(column, justify="right")
        for name, measured in engines.items():
            further = measured.get("further_million", "")
            table.add_row(name, f"{measured['seconds']:.2f}", f"{measured.get('of_floor', '')}",
                          f"{measured['memory_mb']:,}", f"{further}")  # fmt: skip
        console.print(table)
        total = engines["callbill"]["seconds"]
        console.print("  callbill's time: " + ", ".join(
            f"{step} {seconds:.2f} s ({seconds / total:.0%})"
            for step, seconds in result["steps"].items()
        ))  # fmt: skip


def show_scale(results: list[dict[str, Any]]) -> None:
    steps = list(results[0]["steps"])
    table = Table("calls", "road", title="scale")
    for column in ("seconds", "memory, MB", *steps):
        table.add_column(column, justify="right")
    for result in results:
        table.add_row(
            f"{result['calls']:,}", result["road"], f"{result['seconds']:.1f}",
            f"{result['memory_mb']:,}",
            *(f"{result['steps'].get(step, 0):.1f}" for step in steps),
        )  # fmt: skip
    Console(width=160).print(table)


def show_site(results: list[dict[str, Any]]) -> None:
    table = Table("", title="site")
    for result in results:
        table.add_column(f"{result['accounts']:,} accounts, {result['months']} months",
                         justify="right")  # fmt: skip
    for name in results[0]:
        values = [result[name] for result in results]
        if isinstance(values[0], dict):
            for key in values[0]:
                table.add_row(f"{name}: {key}", *(f"{value[key]}" for value in values))
        elif name not in ("accounts", "months"):
            table.add_row(name.replace("_", " "), *map(str, values))
    Console(width=120).print(table)


def show_parts(results: list[dict[str, Any]]) -> None:
    for result in results:
        table = Table("", title=f"parts: calls {result['calls']:,}")
        for column in ("seconds", "of the floor"):
            table.add_column(column, justify="right")
        for part, measured in result["parts"].items():
            table.add_row(part, f"{measured['seconds']:.2f}", f"{measured['of_floor']}")
        Console().print(table)


def commit_name() -> str:
    git = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(
        git, cwd=PROJECT, capture_output=True, text=True, check=False
    ).stdout.strip()


@click.command()
@click.argument("campaigns", nargs=-1, type=click.Choice([*CAMPAIGNS, SCALE, SITE]))
@click.option(
    "--folder", type=click.Path(path_type=Path), default=PROJECT / "data" / "bench",
    help="Where the data and warehouses are made; they stay there for the next time.",
)  # fmt: skip
@click.option("--few", type=int, default=Sizes.few, help="Calls of a day with few.")
@click.option("--many", type=int, default=Sizes.many, help="Calls of a day with many.")
@click.option("--rounds", type=int, default=Sizes.rounds)
@click.option("--accounts", type=int, default=100_000, help="Accounts of the site.")
@click.option("--months", type=int, default=24, help="Months of the site.")
@click.option("--keep/--no-keep", default=True, help="Write the results to benchmarks/results.")
def main(
    campaigns: tuple[str, ...],
    folder: Path,
    few: int,
    many: int,
    rounds: int,
    accounts: int,
    months: int,
    keep: bool,
) -> None:
    """Measure what a night costs: all campaigns, or those that are named."""
    for name in campaigns or CAMPAIGNS:
        if name == SCALE:
            results = scale(folder, (few, many, 3 * many))
            show_scale(results)
        elif name == SITE:
            results = site(folder, accounts, months)
            show_site(results)
        else:
            results = CAMPAIGNS[name](folder, Sizes(few, many, rounds))
            show_parts(results) if name == "parts" else show(name, results)
        if keep:
            kept = {
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "commit": commit_name(),
                **machine(),
                "rounds": rounds,
                "results": results,
            }
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
