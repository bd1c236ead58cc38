"""What the pages of a site show, as scripts that they load.

A page that is opened from disk may load scripts and nothing else. A script calls `callbill.give`
(assets/site.js) with its name and its value.

Scripts are an interface between releases: a release links those of the release before that did not
change, and its own pages load them. So their form is fixed by the name of their folder: FORMAT
stands for the name `callbill.give` and the kinds and columns of COLUMNS in their order, the other
number for how many shares accounts are spread over.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

import duckdb
import jinja2

from callbill.base.sql import literal
from callbill.storage.files import link_or_copy

# The form of the scripts. Those of another format are not linked; they are written anew.
FORMAT = 3
# Accounts are spread over files (shares), by the last six bytes of their numbers. A share has about
# so many accounts at most, whose month takes up to 14 kB each: so no file grows beyond a megabyte.
# The product with _MIXER, in a field of prime size, spreads numbers that differ in few digits.
# site.js finds an account's share by the same rule.
_ACCOUNTS_A_SHARE = 50
_MIXER, _FIELD = 2_654_435_761, 4_294_967_291
_SHARES = (13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191)
# A list of accounts or bills is cut into files of so many rows; the numbers and names of all
# accounts, which a long list is searched by, into files of so many.
LIST_ROWS = 4000
FIND_ROWS = 10_000
# About how many rows one query puts together.
_ROWS_AT_ONCE = 200_000

# The columns that are shown of each kind of row, in this order. Values are texts, so that no digit
# is lost.
COLUMNS = {
    "bills": ("owner_uin", "product_code", "calls", "list_cost",
              "discount_amount", "rated_amount", "adjustment_amount", "deducted_amount"),
    "lines": ("line_id", "settled_on", "usage_date", "line_type", "component_code", "list_price",
              "discount", "contract_price", "calls", "used_amount", "list_cost", "real_cost",
              "stands"),
    "settlements": ("settled_on", "product_code", "rated_amount", "deducted_amount",
                    "residual_amount"),
    "adjustment": ("rated_amount", "deducted_amount", "adjustment_amount", "is_final"),
    "callers": ("operate_uin", "region", "component_code", "calls", "list_cost", "real_cost"),
    "usage": ("usage_date", "operate_uin", "component_code", "calls_received", "calls_billed",
              "calls_failed", "calls_unbilled"),
    "later": ("bill_month", "line_type", "calls", "calls_charged", "real_cost"),
    "accounts": ("owner_uin", "account_name", "status", "balance", "available", "amount_due",
                 "last_bill_month"),
    "names": ("account_uin", "account_name"),
    "found": ("owner_uin", "account_name"),
    "reconciled": ("usage_date", "component_code", "category", "calls", "vendor_calls",
                   "calls_difference", "contract_price", "vendor_price", "real_cost",
                   "vendor_cost", "cost_difference", "missing_difference", "volume_difference",
                   "price_difference", "rounding_difference", "period_difference",
                   "unexplained_difference"),
    "vendor_bill": ("arrived_on", "corrected_lines", "corrected_cost", "other_lines",
                    "settled_since"),
    "reconciled_bills": ("owner_uin", "compared", "differing", "causes", "real_cost", "vendor_cost",
                         "cost_difference", "unexplained_difference"),
    "months": ("bill_month", "product_code", "calls", "list_cost", "discount_amount",
               "rated_amount", "adjustment_amount", "deducted_amount"),
    "used": ("usage_month", "calls_received", "calls_billed", "calls_failed", "calls_unbilled"),
    "packages": ("package_id", "component_code", "calls", "calls_drawn", "calls_given_back",
                 "calls_lost", "calls_left", "covers_from", "covers_to", "is_expired"),
    "contracts": ("component_code", "effective_from", "effective_to", "known_from", "known_to",
                  "discount", "contract_price"),
    "arrears": ("since", "stops_at", "ended_at", "reason", "ended_by"),
    "notice": ("since", "amount_due", "stops_at", "state"),
    "status": ("status", "valid_from", "valid_to", "reason"),
    "entries": ("entry_no", "posted_at", "entry_type", "amount", "credit_amount",
                "cash_amount", "balance", "credit", "frozen", "available", "reference"),
}  # fmt: skip
# How many of an account's last movements are shown. The ledger has them all.
LAST_ENTRIES = 31
_TIMES = ("since", "stops_at", "ended_at", "valid_from", "valid_to", "posted_at")
_QUERIES = jinja2.Environment(  # noqa: S701  not HTML
    loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined
)


@dataclass(frozen=True)
class Data:
    """What was written: what a page needs to know to find it."""

    # The folder's name below `data`, and the number of shares in it.
    folder: str
    shares: int
    # Months with a bill or with calls, the last first; and those with a bill of the vendor's.
    months: list[date]
    reconciled: list[date]
    # By folder, the shares that have any account, as a hexadecimal number whose bits are the
    # shares: a page asks for no script that is not there.
    written: dict[str, str]
    # By folder, the first account of each file of its list.
    lists: dict[str, list[str]]
    # The first account of each file that accounts are found in.
    found: list[str]
    # Where it was written, and where the release before has the same; the months that may differ
    # from those of the release before, and whether accounts have other names.
    path: Path
    before: Path | None
    changed: frozenset[date]
    names_changed: bool


@dataclass(frozen=True)
class _Folder:
    """Scripts of one kind: of a month, of the vendor's bills of a month, or of accounts as they
    stand. Their queries are `<kind>_accounts`, `<kind>_rows` and `<kind>_list`."""

    kind: str
    month: date | None = None

    @property
    def name(self) -> str:
        month = f"{self.month:%Y-%m}" if self.month else ""
        return {"month": month, "reconciled": f"reconciled-{month}", "account": "accounts"}[
            self.kind
        ]

    @property
    def values(self) -> dict[str, object]:
        if self.kind == "account":
            return {"last_entry_count": LAST_ENTRIES}
        return {"month": self.month}


def write_data(
    con: duckdb.DuckDBPyConnection,
    zone: str,
    site: Path,
    before: Path | None = None,
    settled: tuple[date, date] | None = None,
) -> Data:
    """Write the scripts, and link those that the run left as they were.

    `before` is the site of the release before, `settled` the first and the last date settled since.
    Without them everything is written.
    """
    [(account_count,)] = con.execute("select count(*) from billing.accounts").fetchall()
    shares = next(
        (shares for shares in _SHARES if shares * _ACCOUNTS_A_SHARE >= account_count), _SHARES[-1]
    )
    _create_macros(con, zone, shares)
    # The vendor may bill an account of which nothing else is known.
    con.execute(
        """
        create or replace temp table account_shares as
        select owner_uin, share_of(owner_uin) as share_number from billing.accounts
        union
        select owner_uin, share_of(owner_uin) as share_number from billing.reconciliation
        """
    )
    name = f"{FORMAT}-{shares}"
    data = site / "data" / name
    data_before = before / "data" / name if before else None
    if data_before is None or settled is None or not data_before.is_dir():
        data_before, changed = None, {}
    else:
        changed = _changed_shares(con, data_before, *settled)
    months = _months(con, data_before, {month for month in changed if month})
    hashes = _reconciled_hashes(con)
    folders = [_Folder("month", month) for month in months]
    folders += [_Folder("reconciled", month) for month in hashes]
    folders.append(_Folder("account"))
    all_shares = set(range(shares))
    lists = {}
    for of in folders:
        folder = data / of.name
        folder.mkdir(parents=True)
        folder_before = data_before / folder.name if data_before else None
        if of.kind == "reconciled" and of.month:
            to_write = _changed_hashes(folder, folder_before, hashes[of.month])
        else:
            to_write = changed.get(of.month, set())
        if folder_before is None or not folder_before.is_dir() or -1 in to_write:
            to_write = all_shares
        else:
            _link_shares(folder_before, folder, to_write)
        _write_shares(con, folder, of, to_write, shares)
        is_list_changed = bool(to_write) or of.kind == "account"
        lists[folder.name] = _write_list(con, folder, folder_before, of, is_list_changed)
    (data / "accounts" / "names").write_text(_names(con), encoding="utf-8")
    written = {path.name: _bits(path) for path in data.iterdir()}
    found = _write_found(con, data, data_before)
    return Data(
        folder=name,
        shares=shares,
        months=months,
        reconciled=list(hashes),
        written=written,
        lists=lists,
        found=found,
        path=data,
        before=data_before,
        changed=frozenset(month for month in changed if month),
        names_changed=-1 in changed.get(None, ()),
    )


def _months(
    con: duckdb.DuckDBPyConnection, data_before: Path | None, changed: set[date]
) -> list[date]:
    """Months with a bill or with calls, the last first. Of those that the run left as they were,
    the release before knows."""
    if data_before is None:
        return [row[0] for row in con.execute(query_of("months", in_months="true")).fetchall()]
    before = [path.name for path in data_before.iterdir() if path.name[0].isdigit()]
    kept = {month_of(name) for name in before} - changed
    dates = ", ".join(f"date '{month}'" for month in changed)
    in_months = f"bill_month in ({dates})" if changed else "false"
    found = con.execute(query_of("months", in_months=in_months)).fetchall()
    return sorted(kept | {row[0] for row in found}, reverse=True)


def month_of(name: str) -> date:
    """A month from its name, in which years before 1000 may have fewer digits."""
    year, month = name.split("-")
    return date(int(year), int(month), 1)


def _link_shares(before: Path, folder: Path, but: set[int]) -> None:
    """Link the scripts of all shares but some. They are many: a path of each is made once."""
    with os.scandir(before) as entries:
        for entry in entries:
            share = entry.name.removesuffix(".js")
            if share.isdigit() and int(share) not in but:
                link_or_copy(entry.path, f"{folder}/{entry.name}")


def _changed_shares(
    con: duckdb.DuckDBPyConnection, data_before: Path, settle_from: date, settle_through: date
) -> dict[date | None, set[int]]:
    """By month (none: accounts as they stand), the shares whose scripts may differ now that these
    dates are settled. Share −1 stands for all of them."""
    query = query_of("changes", settle_from=settle_from, settle_through=settle_through)
    shares: dict[date | None, set[int]] = {}
    for month, share in con.execute(query).fetchall():
        shares.setdefault(month, set()).add(share)
    names = data_before / "accounts" / "names"
    if not names.exists() or names.read_text(encoding="utf-8") != _names(con):
        shares[None] = {-1}
    return shares


def _reconciled_hashes(con: duckdb.DuckDBPyConnection) -> dict[date, dict[str, str]]:
    """By month with a bill of the vendor's, the last first, a hash of what is shown of each share.

    A bill of the vendor's may come for any month, and come again: what changed is found by content.
    """
    hashes: dict[date, dict[str, str]] = {}
    for month, share, content_hash in con.execute(query_of("reconciled_hashes")).fetchall():
        hashes.setdefault(month, {})[str(share)] = content_hash
    return hashes


def _changed_hashes(folder: Path, before: Path | None, hashes: dict[str, str]) -> set[int]:
    """The shares whose hashes are others than before. Writes them down for the next release."""
    (folder / "hashes.json").write_text(json.dumps(hashes), encoding="utf-8")
    known_before = before / "hashes.json" if before else None
    old: dict[str, str] = {}
    if known_before is not None and known_before.exists():
        old = json.loads(known_before.read_text(encoding="utf-8"))
    return {
        int(share) for share in hashes.keys() | old.keys() if hashes.get(share) != old.get(share)
    }


def _write_found(con: duckdb.DuckDBPyConnection, data: Path, data_before: Path | None) -> list[str]:
    """Write the numbers and names of all accounts, which a long list is searched by. Returns the
    first account of each file."""
    firsts = []
    folder_before = data_before / "accounts" if data_before else None
    query = query_of("account_found", rows_a_file=FIND_ROWS)
    for number, first, rows in con.execute(query).fetchall():
        _write(data / "accounts", f"find-{number}", rows, folder_before)
        firsts.append(first)
    return firsts


def _names(con: duckdb.DuckDBPyConnection) -> str:
    """A hash of the names of all accounts."""
    rows = con.execute("from seeds.account_names order by all").fetchall()
    return sha256(json.dumps(rows).encode()).hexdigest()


def _bits(folder: Path) -> str:
    with os.scandir(folder) as entries:
        names = [entry.name.removesuffix(".js") for entry in entries]
    return f"{sum(1 << int(name) for name in names if name.isdigit()):x}"


def _write_shares(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    of: _Folder,
    shares: set[int],
    share_count: int,
) -> None:
    """Write the scripts of some shares.

    Many rows are put together in several turns, each for some of the shares.
    """
    if not shares:
        return
    [(row_count,)] = con.execute(query_of(f"{of.kind}_rows", **of.values)).fetchall()
    # Each turn looks through all rows: a night that writes few shares takes one.
    turns = 1 + (row_count or 0) * len(shares) // share_count // _ROWS_AT_ONCE
    for turn in range(min(turns, share_count)):
        numbers = ", ".join(str(share) for share in sorted(shares) if share % turns == turn)
        if numbers:
            # Accounts are fewer than rows: their shares are worked out once.
            in_shares = (
                "owner_uin in (select owner_uin from account_shares"
                f" where share_number in ({numbers}))"
            )
            query = query_of(f"{of.kind}_accounts", in_shares=in_shares, **of.values)
            for share, accounts in con.execute(query).fetchall():
                _write(folder, str(share), accounts)


def _write_list(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    folder_before: Path | None,
    of: _Folder,
    is_changed: bool,
) -> list[str]:
    """Write the list of a folder's bills or accounts, in files of LIST_ROWS rows.

    Returns the first account of each.
    """
    if not is_changed and folder_before is not None:
        firsts = json.loads((folder_before / "list.json").read_text(encoding="utf-8"))
        for number in range(len(firsts)):
            link_or_copy(folder_before / f"list-{number}.js", folder / f"list-{number}.js")
        link_or_copy(folder_before / "list.json", folder / "list.json")
    else:
        query = query_of(f"{of.kind}_list", rows_a_file=LIST_ROWS, **of.values)
        firsts = []
        for number, first, rows in con.execute(query).fetchall():
            _write(folder, f"list-{number}", rows, folder_before)
            firsts.append(first)
        (folder / "list.json").write_text(json.dumps(firsts), encoding="utf-8")
    return list(firsts)


def _write(folder: Path, name: str, value: str, folder_before: Path | None = None) -> None:
    """Write a script, or link that of the release before if it is the same."""
    script_name = json.dumps(f"{folder.name}/{name}")
    script = f"callbill.give({script_name}, {value});\n".encode()
    file = folder / f"{name}.js"
    before = folder_before / file.name if folder_before else None
    if before is not None and before.exists() and before.read_bytes() == script:
        link_or_copy(before, file)
    else:
        file.write_bytes(script)


def _create_macros(con: duckdb.DuckDBPyConnection, zone: str, shares: int) -> None:
    # In 64 bits: wider products take thirty times as long.
    con.execute(
        f"""
        create or replace temporary macro mixed(number) as
            (number % 4294967296 * {_MIXER} + number // 4294967296) % {_FIELD}
        """
    )
    con.execute(
        f"""
        create or replace temporary macro share_of(owner) as
            cast(mixed(cast('0x' || right(hex(owner), 12) as ubigint)) % {shares} as integer)
        """
    )
    con.execute(
        f"""
        create or replace temporary macro local_time(instant) as
            strftime(timezone({literal(zone)}, instant), '%Y-%m-%d %H:%M:%S')
        """
    )


def query_of(name: str, **values: object) -> str:
    """A query of this folder. In it the name of a kind, such as `{{ lines }}`, is a row of that
    kind as a list of texts."""
    rows = {kind: f"[{', '.join(map(_as_text, columns))}]" for kind, columns in COLUMNS.items()}
    return _QUERIES.get_template(f"{name}.sql").render(rows, **values)


def _as_text(column: str) -> str:
    return f"local_time({column})" if column in _TIMES else f"cast({column} as varchar)"
