"""Counts what settlements move between steps, packages and waivers: from the models of a night to
`ops.quantity_moves`. quantities.py has the rules."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

from callbill.tasks.quantities import Account, Move, Package, Slot, Terms, Waiver
from callbill.warehouse.plan import Window
from callbill.warehouse.warehouse import Warehouse

_ACCOUNTS = """
    create or replace temp table quantity_accounts as
    with due as (
        select owner_uin, component_code, usage_date
        from intermediate.int_charges
        where settled_on between $first and $last
        union all
        select owner_uin, component_code, usage_date
        from intermediate.int_waivers_known
        where known_from between $first and $last
    ),

    news as (
        select distinct owner_uin, component_code
        from intermediate.int_quantity_news
    )

    select
        accounts.owner_uin,
        accounts.component_code,
        accounts.counted_from,
        news.owner_uin is not null as has_news,
        min(date_trunc('month', due.usage_date))::date as first_used,
        last_day(max(due.usage_date)) as last_used
    from intermediate.int_quantity_accounts as accounts
    left join due using (owner_uin, component_code)
    left join news using (owner_uin, component_code)
    where due.owner_uin is not null or news.owner_uin is not null
    group by all
"""
# What of the account's past matters: all of it if it may be re-rated, otherwise the months of the
# usage at hand, periods without an end, and packages.
_IS_NEEDED = "(accounts.has_news or usage_date between accounts.first_used and accounts.last_used)"
_STANDING = f"""
    select owner_uin, component_code, usage_date, tier_period, tier_from, package_id, waiver_id,
        is_lost, sum(calls)::bigint
    from ops.quantity_moves
    inner join quantity_accounts as accounts using (owner_uin, component_code)
    where {_IS_NEEDED} or tier_period = 'ever' or package_id is not null
    group by all
    having sum(calls) <> 0
    union all
    -- What was charged before anything was counted here.
    select owner_uin, component_code, usage_date, null, null, null, null, false,
        sum(charged - reversed)::bigint
    from intermediate.int_charges
    inner join quantity_accounts as accounts using (owner_uin, component_code)
    where settled_on < accounts.counted_from and {_IS_NEEDED}
    group by all
    having sum(charged - reversed) <> 0
"""
_TERMS = """
    select owner_uin, component_code, usage_date, known_on, known_until, tier_period, is_agreed,
        list(tier_from order by tier_from) filter (where tier_from is not null),
        list((list_price, contract_price) order by tier_from)
    from intermediate.int_quantity_prices
    group by all
"""
_PACKAGES = """
    select owner_uin, component_code, package_id, calls, valid_from, valid_to, known_from, known_to
    from intermediate.int_packages_known
    inner join quantity_accounts using (owner_uin, component_code)
    where known_from <= $last
"""
# A waiver of another date moves nothing, and what it waived is not among what stands.
_WAIVERS = f"""
    select owner_uin, component_code, waiver_id, usage_date, calls, first_known_from, known_from,
        known_to, request_id
    from intermediate.int_waivers_known
    inner join quantity_accounts as accounts using (owner_uin, component_code)
    where known_from <= $last and {_IS_NEEDED}
"""
_NET_CHARGES = """
    select charges.owner_uin, charges.component_code, charges.usage_date, charges.settled_on,
        (charges.charged - charges.reversed)::bigint
    from intermediate.int_charges as charges
    semi join intermediate.int_waivers_known as waivers
        on charges.owner_uin = waivers.owner_uin
            and charges.component_code = waivers.component_code
            and charges.usage_date = waivers.usage_date
    inner join quantity_accounts using (owner_uin, component_code)
"""
# Calls of waived request ids, wherever they were charged and reversed.
_WAIVED_REQUESTS = """
    select request_id, owner_uin, component_code, usage_date, settled_on, calls_billed
    from intermediate.int_calls
    where settled_on between $earliest and $last and calls_billed <> 0
        and request_id in (
            select request_id from intermediate.int_waivers_known where known_from <= $last
        )
"""
_DUE = """
    select charges.settled_on, charges.owner_uin, charges.component_code, charges.usage_date,
        charges.charged, charges.reversed
    from intermediate.int_charges as charges
    inner join quantity_accounts as accounts using (owner_uin, component_code)
    where charges.settled_on between greatest($first, accounts.counted_from) and $last
"""
_DATES_OF_WAIVERS = """
    select distinct waivers.known_from, owner_uin, component_code
    from intermediate.int_waivers_known as waivers
    inner join quantity_accounts using (owner_uin, component_code)
    where waivers.known_from between $first and $last
"""


def count_quantities(warehouse: Warehouse, window: Window) -> None:
    """Write the rows of `ops.quantity_moves` for the dates of a window, in place of those that an
    unpublished run may have left for them or for later dates. Raises CallbillError if calls are to
    be taken back that do not stand charged."""
    dates = {"first": window.settle_from, "last": window.settle_through}
    moves: list[Move] = []
    warehouse.execute("delete from ops.quantity_moves where settled_on >= ?", [window.settle_from])
    if window.has_quantity_prices:
        warehouse.execute(_ACCOUNTS, dates)
        for account, events in _accounts(warehouse, window).values():
            for settled_on in sorted(events):
                event = events[settled_on]
                account.settle(settled_on, event.charged, event.reversed, has_news=event.has_news)
            moves += account.moves
    warehouse.insert("ops.quantity_moves", moves)


@dataclass
class _Event:
    """What a settlement date brings an account."""

    charged: dict[date, int] = field(default_factory=dict)
    reversed: dict[date, int] = field(default_factory=dict)
    has_news: bool = False


class _TermsKnown(dict[tuple[date, date], Terms]):
    """An account's terms by usage date and the date as of which they are known. `spans` has them
    with the dates from which on and until before which they are."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: defaultdict[date, list[tuple[date, date, Terms]]] = defaultdict(list)

    def __missing__(self, key: tuple[date, date]) -> Terms:
        usage_date, known_on = key
        for begin, until, terms in self.spans.get(usage_date, ()):
            if begin <= known_on < until:
                self[key] = terms
                return terms
        raise KeyError(key)


_Accounts = dict[tuple[str, str], tuple[Account, defaultdict[date, _Event]]]


def _accounts(warehouse: Warehouse, window: Window) -> _Accounts:
    """The accounts with something due: as they stood before the window, and what it brings."""
    first, last = {"first": window.settle_from}, {"last": window.settle_through}
    terms: defaultdict[tuple[str, str], _TermsKnown] = defaultdict(_TermsKnown)
    for *key, usage_date, known_on, until, period, is_agreed, tiers, prices in warehouse.rows(
        _TERMS
    ):
        terms[key[0], key[1]].spans[usage_date].append(
            (
                known_on,
                until,
                Terms(period, tuple(tiers or ()), tuple(map(tuple, prices)), is_agreed),
            )
        )
    accounts: _Accounts = {
        (owner_uin, component_code): (
            Account(owner_uin, component_code, terms[owner_uin, component_code]),
            defaultdict(_Event),
        )
        for owner_uin, component_code in warehouse.rows(
            "select owner_uin, component_code from quantity_accounts order by all"
        )
    }
    for (
        *key,
        usage_date,
        period,
        tier_from,
        package_id,
        waiver_id,
        is_lost,
        calls,
    ) in warehouse.rows(_STANDING):
        account, _events = accounts[key[0], key[1]]
        slot = Slot(period, tier_from, package_id)
        account.stand(usage_date, slot, calls, waiver_id=waiver_id, is_lost=is_lost)
    for *key, package_id, calls, valid_from, valid_to, known_from, known_to in warehouse.rows(
        _PACKAGES, last
    ):
        account, _events = accounts[key[0], key[1]]
        account.packages.append(
            Package(package_id, calls, valid_from, valid_to, known_from, known_to)
        )
    _add_waivers(warehouse, window, accounts)
    for settled_on, *key, usage_date, charged, reversed_ in warehouse.rows(_DUE, first | last):
        event = accounts[key[0], key[1]][1][settled_on]
        if charged:
            event.charged[usage_date] = charged
        if reversed_:
            event.reversed[usage_date] = reversed_
    for settled_on, *key in warehouse.rows(_DATES_OF_WAIVERS, first | last):
        accounts[key[0], key[1]][1][settled_on] = accounts[key[0], key[1]][1][settled_on]
    for *key, settled_on in warehouse.rows(
        "select owner_uin, component_code, settled_on from intermediate.int_quantity_news"
    ):
        accounts[key[0], key[1]][1][settled_on].has_news = True
    return accounts


def _add_waivers(warehouse: Warehouse, window: Window, accounts: _Accounts) -> None:
    last = {"last": window.settle_through}
    rows = warehouse.rows(_WAIVERS, last)
    charged: defaultdict[tuple[str, str, date, str], dict[date, int]] = defaultdict(dict)
    of_requests = [row[3] for row in rows if row[-1] is not None]
    if of_requests:
        for request_id, *key, usage_date, settled_on, calls in warehouse.rows(
            _WAIVED_REQUESTS, last | {"earliest": min(of_requests)}
        ):
            charged[key[0], key[1], usage_date, request_id][settled_on] = calls
    for *key, waiver_id, usage_date, calls, first_known, known_from, known_to, request_id in rows:
        account, _events = accounts[key[0], key[1]]
        account.waivers.append(
            Waiver(
                waiver_id,
                usage_date,
                calls,
                first_known,
                known_from,
                known_to,
                charged.get((key[0], key[1], usage_date, request_id or ""), {}),
            )
        )
    for *key, usage_date, settled_on, calls in warehouse.rows(_NET_CHARGES):
        account, _events = accounts[key[0], key[1]]
        account.net_charges.setdefault(usage_date, {})[settled_on] = calls
