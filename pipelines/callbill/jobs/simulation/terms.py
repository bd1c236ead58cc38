"""What bills are computed by: the catalogue, from when on each of its rows counts, and the vars."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from callbill.base.catalogue import (
    CountsFrom,
    Seeds,
    as_counted,
    check_catalogue,
    claims_as_counted,
    counts_from,
    figure_seeds,
)
from callbill.base.errors import UsageError
from callbill.base.place import nearest
from callbill.base.settings import FIGURE_VARS, BillingVars, Settings, load_vars
from callbill.base.sql import identifier, literal
from callbill.jobs.simulation.remarks import Remark, remark
from callbill.release.manifest import figure_vars
from callbill.release.release import Release

# The one var that decides nothing about calls.
_OF_MONEY_ALONE = "deduction_rounding"


@dataclass(frozen=True)
class Terms:
    """A folder with a whole catalogue, its rows with the first settlement date that each counts
    for, and the vars."""

    catalogue: Path
    seeds: Seeds
    counts: CountsFrom
    vars: BillingVars


def terms_of_books(release: Release, catalogue: Path, folder: Path) -> Terms:
    """The terms that the release was made by. Its catalogue is written into `folder`: that of the
    place may have changed since. Releases before 0.6 have none, for them `catalogue` is taken."""
    manifest = release.manifest
    with closing(release.open()) as con:
        tables = [
            name
            for (name,) in con.execute(
                "select table_name from duckdb_tables() where schema_name = 'seeds' order by 1"
            ).fetchall()
        ]
        if tables:
            catalogue = folder
            folder.mkdir()
        for name in tables:
            path = literal(str(folder / f"{name}.csv"))
            con.execute(f"copy (from seeds.{identifier(name)}) to {path} (format csv, header)")
    seeds = figure_seeds(catalogue)
    first_open = manifest.through + timedelta(days=1)
    counts = counts_from(seeds, manifest.counts_from, first_open)
    return Terms(catalogue, seeds, counts, BillingVars(**manifest.vars))


def terms_of_simulation(
    books: Terms,
    settings: Settings,
    catalogue: Path | None,
    vars_: Mapping[str, str],
    folder: Path,
) -> Terms:
    """The terms of the books, except for the files of another catalogue and for other vars.

    A row that the books have too counts as in the books. Any other row counts from its own
    `known_from` on, as if it had been there all along.

    Raises UsageError if a row or a var is not valid.
    """
    billing_vars = _vars(books.vars, settings, vars_)
    if catalogue is None:
        return Terms(books.catalogue, books.seeds, books.counts, billing_vars)
    files = sorted(catalogue.glob("*.csv"))
    if not files:
        raise UsageError(
            f"{catalogue} has no file of a catalogue: name a folder with those that are otherwise, "
            "such as list_prices.csv"
        )
    # Of the same name, because messages name files with their folder.
    whole = folder / (catalogue.resolve().name or "catalogue")
    shutil.copytree(books.catalogue, whole)
    for file in files:
        shutil.copyfile(file, whole / file.name)
    check_catalogue(whole)
    seeds = figure_seeds(whole)
    return Terms(whole, seeds, counts_from(seeds, books.counts, None), billing_vars)


def _vars(books: BillingVars, settings: Settings, given: Mapping[str, str]) -> BillingVars:
    values = figure_vars(books)
    for name, text in given.items():
        if name not in FIGURE_VARS:
            raise UsageError(
                f"--var: {name} is no var that figures depend on; the nearest one is "
                f"{nearest(name, FIGURE_VARS)}"
            )
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"--var {name}: {text!r} is no value") from error
    if values["billing_timezone"] != books.billing_timezone:
        raise UsageError(
            "billing_timezone cannot be simulated: the days of all records were determined when "
            "they were loaded"
        )
    return load_vars(settings.model_copy(update={"vars": yaml.safe_dump(values)}))


def are_calls_the_same(books: Terms, simulated: Terms, through: date) -> bool:
    """Whether the same calls are charged on the same dates, of the same components: by the same
    claims, the same first prices and the same vars. Rows that count after `through` do not matter.
    """
    return (
        _of_calls(books.vars) == _of_calls(simulated.vars)
        and _claims(books, through) == _claims(simulated, through)
        and _rated_from(books, through) == _rated_from(simulated, through)
    )


def _of_calls(billing_vars: BillingVars) -> dict[str, Any]:
    values = figure_vars(billing_vars)
    return {name: value for name, value in values.items() if name != _OF_MONEY_ALONE}


def _claims(terms: Terms, through: date) -> set[object]:
    claims = claims_as_counted(terms.seeds, terms.counts)
    return {claim for claim in claims if claim.known_from <= through}


def _rated_from(terms: Terms, through: date) -> dict[str, list[tuple[str, str]]]:
    """By component, from which usage date on it has a price, as known from which settlement date
    on."""
    rated: dict[str, list[tuple[str, str]]] = {}
    rows = [row[:3] for row in as_counted(terms.seeds, terms.counts)["list_prices"]]
    for component, effective_from, known in sorted(rows, key=lambda row: (row[2], row[1])):
        steps = rated.setdefault(component, [])
        if known <= str(through) and (not steps or effective_from < steps[-1][1]):
            if steps and steps[-1][0] == known:
                steps.pop()
            steps.append((known, effective_from))
    return {component: steps for component, steps in rated.items() if steps}


def changes(books: Terms, simulated: Terms) -> list[Remark]:
    """What is otherwise than in the books."""
    before, after = figure_vars(books.vars), figure_vars(simulated.vars)
    changed = [
        remark("var", name=name, before=before[name], after=after[name])
        for name in before
        if before[name] != after[name]
    ]
    for seed in books.seeds:
        file, old, new = f"{seed}.csv", books.seeds[seed], simulated.seeds[seed]
        changed += [
            remark("row_without", file=file, row=",".join(row)) for row in old if row not in new
        ]
        changed += [
            remark(
                "row_with",
                file=file,
                row=",".join(row),
                counts_from=simulated.counts[seed, tuple(row)],
            )
            for row in new
            if row not in old
        ]
    return changed
