"""The simulation: the bills of all sealed dates once more, under other terms."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from callbill.base.errors import CallbillError, UsageError
from callbill.base.progress import Reporter
from callbill.base.rules import DateRules, RuleRange, as_rule_ranges
from callbill.base.settings import BillingVars, Settings
from callbill.base.stopping import on_abrupt_end
from callbill.ingest.feed import feeds
from callbill.jobs.simulation.books import (
    RUN_ID,
    books_read_again,
    borrow_plans,
    copied_books,
    why_not_readable,
)
from callbill.jobs.simulation.comparison import Comparison, compare
from callbill.jobs.simulation.given import Given, load_given
from callbill.jobs.simulation.remarks import Remark, remark
from callbill.jobs.simulation.terms import (
    Terms,
    are_calls_the_same,
    changes,
    terms_of_books,
    terms_of_simulation,
)
from callbill.jobs.simulation.what_if import WhatIf
from callbill.release.manifest import Manifest
from callbill.release.store import published_by
from callbill.tasks.build import build_models, has_quantity_prices, write_models
from callbill.tasks.workers.in_process import InProcess
from callbill.warehouse.layout import CALLS, Layout
from callbill.warehouse.plan import Plan, Window, load_plan, plan_name
from callbill.warehouse.relations import write_seeds
from callbill.warehouse.warehouse import Warehouse

# What is compared. The models that these read are built too.
_BILLS = ("bill_lines", "settlements", "precision_adjustments", "monthly_bills")
# Charged calls that no line has: there are none, unless a model loses them.
_LOST = """
    select count(*)
    from intermediate.int_charges as charges
    anti join billing.bill_lines as lines
        on
            charges.settled_on = lines.settled_on
            and charges.owner_uin = lines.owner_uin
            and charges.component_code = lines.component_code
            and charges.usage_date = lines.usage_date
    where charges.charged <> 0
"""


@dataclass(frozen=True)
class Simulation:
    """What a simulation came to. `con` has its tables in the schema `simulation`."""

    con: duckdb.DuckDBPyConnection
    run_id: str
    first: date
    through: date
    zone: str
    rounding: str
    given: Given
    # Whether calls were judged anew, from their records.
    has_new_calls: bool
    # What is otherwise than in the books, what to know of it, and what is not simulated.
    asked: list[Remark]
    notes: list[Remark]
    left_out: list[Remark]
    comparison: Comparison


@contextmanager
def simulated(settings: Settings, what_if: WhatIf, reporter: Reporter) -> Iterator[Simulation]:
    """A simulation, until this block ends: then its folder is removed.

    Raises UsageError if nothing is sealed, or something asked is not valid or not there;
    CallbillError if a model cannot be built.
    """
    release = published_by(settings).require_current(
        "there is nothing to simulate before `callbill run` has sealed something"
    )
    manifest = release.manifest
    with (
        TemporaryDirectory(prefix="callbill-simulate-") as name,
        on_abrupt_end(partial(shutil.rmtree, name, ignore_errors=True)),
    ):
        folder = Path(name)
        books = terms_of_books(release, settings.catalogue, folder / "books")
        terms = terms_of_simulation(
            books, settings, what_if.catalogue, what_if.vars, folder / "simulation"
        )
        ours = settings.model_copy(
            update={
                "warehouse": folder / "warehouse.duckdb",
                "catalogue": terms.catalogue,
                "workers": "",
                "files": None,
            }
        )
        borrow_plans(Layout(settings.warehouse), Layout(ours.warehouse))
        call_models = None
        if are_calls_the_same(books, terms, manifest.through):
            call_models = _call_models_to_keep(ours, books, manifest)
        why = why_not_readable(settings.warehouse, manifest)
        with ExitStack() as stack:
            with _step(reporter, "copy"):
                if why is None:
                    copied = copied_books(settings, ours, manifest, call_models)
                    warehouse = stack.enter_context(copied)
                else:
                    call_models = None
                    read = books_read_again(settings, ours, manifest, books, reporter)
                    with _said_together(why):
                        warehouse = stack.enter_context(read)
            first = min(manifest.settlement_hashes)
            given = load_given(warehouse, ours, books.vars, what_if, first)
            _record_catalogue(warehouse, terms)
            with _step(reporter, "build"):
                _build(warehouse, ours, terms, manifest, with_calls=call_models is None)
            with _step(reporter, "compare"):
                comparison = compare(
                    warehouse, release, what_if, terms.vars, has_new_calls=call_models is None
                )
            yield Simulation(
                con=warehouse.con,
                run_id=release.run_id,
                first=first,
                through=manifest.through,
                zone=terms.vars.billing_timezone,
                rounding=terms.vars.deduction_rounding,
                given=given,
                has_new_calls=call_models is None,
                asked=_asked(books, terms, what_if, given),
                notes=_notes(warehouse, manifest, given, why),
                left_out=_left_out(manifest, comparison, has_new_calls=call_models is None),
                comparison=comparison,
            )


def _step(reporter: Reporter, name: str) -> AbstractContextManager[None]:
    """A step, shown to those who watch and in logs as JSON. An answer in a file needs none."""
    return reporter.step(name) if reporter.json_logs or sys.stderr.isatty() else nullcontext()


@contextmanager
def _said_together(why: Remark) -> Iterator[None]:
    """Raises UsageError with both reasons if the landing folder cannot be read either."""
    try:
        yield
    except UsageError as error:
        reason = why.english.partition(":")[0]
        raise UsageError(f"{reason[0].lower()}{reason[1:]}, and without it: {error}") from error


def _window(dates: RuleRange, *, has_quantity_prices: bool) -> Window:
    """A window for bills from calls that are there: what decides about calls does not matter."""
    return Window(
        dates.first,
        dates.last,
        dates.rules.billing_rules,
        has_catalogue_news=False,
        has_cleaned_identifiers=False,
        count_records_from=dates.first,
        has_attribute_claims=False,
        has_quantity_prices=has_quantity_prices,
    )


def _stretches(manifest: Manifest) -> list[RuleRange]:
    """The sealed dates, in stretches that have one version of the billing rules."""
    return as_rule_ranges(
        {day: DateRules(sealed.billing_rules) for day, sealed in manifest.date_rules.items()}
    )


def _call_models_to_keep(ours: Settings, books: Terms, manifest: Manifest) -> list[str] | None:
    """The models of calls that bills are made of. None if the warehouse does not keep one of them
    for all dates."""
    layout, last = Layout(ours.warehouse), _stretches(manifest)[-1]
    # What models read does not depend on the kind of night: one that is compiled will do.
    windows = [_window(last, has_quantity_prices=has) for has in (False, True)]
    compiled = [w for w in windows if (layout.plans / plan_name(books.vars, w)).exists()]
    plan = load_plan(layout, books.vars, (compiled or windows)[0])
    of_calls = {model.name: model for model in plan.models if model.by_bucket}
    bills = plan.leading_to(_BILLS, given=of_calls)
    needed = {read for model in bills.models for read in model.reads} & of_calls.keys()
    if any(name != CALLS and of_calls[name].kept != "incremental" for name in needed):
        return None
    return sorted(needed)


def _record_catalogue(warehouse: Warehouse, terms: Terms) -> None:
    rows = [(seed, list(row), day) for (seed, row), day in sorted(terms.counts.items())]
    warehouse.insert("ops.catalogue_rows", rows)


def _build(
    warehouse: Warehouse, ours: Settings, terms: Terms, manifest: Manifest, *, with_calls: bool
) -> None:
    """Build the bills of all sealed dates, by the rules that each was sealed with.

    Raises CallbillError if a model cannot be built, or loses a call.
    """
    for dates in _stretches(manifest):
        if with_calls:
            build_models(
                warehouse, ours, terms.vars, dates, InProcess(), targets=(*_BILLS, "calls")
            )
            shutil.rmtree(warehouse.layout.building, ignore_errors=True)
        else:
            _build_bills(warehouse, ours, terms.vars, dates)
    if lost := warehouse.value(_LOST):
        raise CallbillError(f"{lost} charge(s) are on no bill; this is a fault of callbill")


def _build_bills(
    warehouse: Warehouse, ours: Settings, billing_vars: BillingVars, dates: RuleRange
) -> None:
    """Build the bills of some dates from charged calls, which are there."""
    window = _window(dates, has_quantity_prices=has_quantity_prices(warehouse, dates.last))
    with warehouse.transaction():
        warehouse.execute("delete from ops.settlement_window")
        warehouse.insert("ops.settlement_window", [tuple(vars(window).values())])
    plan: Plan = load_plan(warehouse.layout, billing_vars, window)
    of_calls = [model.name for model in plan.models if model.by_bucket]
    write_seeds(warehouse, plan, ours.catalogue)
    write_models(warehouse, plan.leading_to(_BILLS, given=of_calls), window)


def _asked(books: Terms, terms: Terms, what_if: WhatIf, given: Given) -> list[Remark]:
    asked = changes(books, terms)
    if what_if.replace_contracts:
        asked.append(remark("no_contracts"))
    for file in given.files:
        asked.append(remark("given", **vars(file)))
    return asked or [remark("nothing")]


def _notes(
    warehouse: Warehouse, manifest: Manifest, given: Given, why: Remark | None
) -> list[Remark]:
    """What to know of the inputs."""
    notes = [] if why is None else [why]
    for file in given.files:
        if file.known_from > manifest.through:
            notes.append(remark("too_late", name=file.name, known_from=file.known_from))
    for feed in dict.fromkeys(file.feed for file in given.files):
        notes += _strangers(warehouse, feed)
    return notes


# What a given file speaks of and nobody knows.
_STRANGERS = """
    select distinct {column} from {table} as given
    inner join ops.loaded_files as files
        on given.source_file_id = files.source_file_id and files.run_id = $run_id
    where {column} is not null and {column} not in ({known})
    order by 1
"""


def _strangers(warehouse: Warehouse, feed: str) -> list[Remark]:
    """Accounts without a charged call, and components that the catalogue does not have."""
    table = feeds()[feed].table
    columns = {row[0] for row in warehouse.rows(f"describe {table}")}
    notes = []
    for column, known, key in (
        ("owner_uin", "select owner_uin from intermediate.int_charges", "no_such_account"),
        ("component_code", "select component_code from seeds.components", "no_such_component"),
    ):
        if column in columns:
            query = _STRANGERS.format(table=table, column=column, known=known)
            for (name,) in warehouse.rows(query, {"run_id": RUN_ID}):
                notes.append(remark(key, feed=feed, name=name))
    return notes


def _left_out(manifest: Manifest, comparison: Comparison, *, has_new_calls: bool) -> list[Remark]:
    """What the simulation does not say."""
    left_out = [remark("bills_alone"), remark("sealed_alone", through=manifest.through)]
    rejected = sum(bool(load.rejected_lines) for load in manifest.loads)
    withdrawn = sum(load.quarantine_reason is not None for load in manifest.loads)
    if rejected:
        left_out.append(remark("rejected", files=rejected))
    if withdrawn:
        left_out.append(remark("withdrawn", files=withdrawn))
    if comparison.too_old:
        left_out.append(remark("too_old", calls=comparison.too_old))
    if not has_new_calls:
        left_out.append(remark("same_calls"))
    return left_out
