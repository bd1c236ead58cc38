"""Rows of the catalogue that have no meaning are one sentence, before anything is built."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from callbill.base.catalogue import as_counted, check_catalogue, counts_from, figure_seeds
from callbill.base.errors import UsageError

from tests.support.project import PROJECT

PRICE = "wimgs_search_by_text,2020-01-01,2020-01-01"
LADDER = "wimgs_search_by_text,2026-01-01,2026-01-01,60"


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "seeds", tmp_path / "seeds"))


def add(seeds: Path, name: str, row: str) -> None:
    path = seeds / f"{name}.csv"
    path.write_text(path.read_text() + row + "\n")


def test_the_shipped_seeds_hold_the_list_price(seeds: Path) -> None:
    assert figure_seeds(seeds)["list_prices"] == [[*PRICE.split(","), "60.00000000"]]


def test_a_price_is_the_same_however_it_is_written(seeds: Path) -> None:
    before = figure_seeds(seeds)
    path = seeds / "list_prices.csv"
    path.write_text(path.read_text().replace("60.00000000", "60.0"))
    assert figure_seeds(seeds) == before


@pytest.mark.parametrize(
    ("name", "row", "at", "says"),
    [
        ("list_prices", f"{PRICE},50", "", "two rows .*, the other is line 2"),
        (
            "list_prices",
            "wimgs_search_by_text,2026-01-01,2026-01-01,60.123456785",
            "list_price",
            "8 decimals",
        ),
        ("list_prices", "wimgs_search_by_text,2026-01-01,2026-01-01,-1", "list_price", "-1 is not"),
        ("list_prices", "wimgs_search_by_text,2026-01-01,2026-01-01,abc", "list_price", "abc"),
        ("list_prices", "wimgs_search_by_text,2026-01-01,2026-01-01", "list_price", "empty"),
        (
            "list_prices",
            "wimgs_search_by_text,2026-02-30,2026-01-01,60",
            "effective_from",
            "2026-02-30 is not a date",
        ),
        (
            "list_prices",
            "nobody,2026-01-01,2026-01-01,60",
            "component_code",
            "not in seeds/components.csv",
        ),
        ("list_prices", f"{PRICE},50,,,1", "", "more values than the header"),
        ("list_prices", f"{LADDER},0,week", "tier_period", "none of day, month, ever"),
        ("list_prices", f"{LADDER},-1,month", "tier_from", "not a whole number"),
        ("list_prices", f"{LADDER},0,", "", "both tier_from"),
        ("list_prices", f"{LADDER},,month", "", "both tier_from"),
        ("list_prices", f"{LADDER},10,month", "tier_from", "begins at 0"),
        ("list_prices", f"{LADDER},0,month\n{LADDER},5,day", "tier_period", "line 3, says another"),
        ("list_prices", f"{LADDER},0,month\n{LADDER},,", "tier_period", "says another"),
        ("list_prices", f"{LADDER},0,month\n{LADDER},0,month", "", "two rows"),
        ("component_actions", "SearchByText,wimgs_search_by_text", "", "two rows"),
        ("component_actions", "Other,nobody", "component_code", "not in seeds/components.csv"),
        (
            "component_actions",
            "SearchByText,wimgs_search_by_text,,,edition",
            "attributes",
            "'edition' is not NAME=VALUE",
        ),
        (
            "component_actions",
            "SearchByText,wimgs_search_by_text,,,a=1;a=2",
            "attributes",
            "names a twice",
        ),
        (
            "component_actions",
            "A,wimgs_search_by_text,,,b=1;a=2\nA,wimgs_search_by_text,,,a=2; b=1",
            "",
            "two rows A, a=2;b=1",
        ),
        ("components", "other,其他,wimgs,300,千次,元/千次", "calls_per_price_unit", "power of ten"),
        (
            "components",
            "other,其他,nobody,1000,千次,元/千次",
            "product_code",
            "not in seeds/products.csv",
        ),
        ("products", ",空", "product_code", "empty"),
        ("account_names", " 100000004002,甲,", "account_uin", "blanks"),
        ("account_names", "100000004002,甲,blue", "tags", "JSON object of texts"),
        (
            "account_names",
            "１00000004002,甲,",
            "account_uin",
            "１00000004002 is no account number: none has １ in it",
        ),
        ("account_names", "10000\u200b4002,甲,", "account_uin", r"none has U\+200B in it"),
        ("error_codes", "AuthFailure,auth", "", "two rows"),
        (
            "budgets",
            "２００００００01003,,20",
            "owner_uin",
            "２００００００01003 is no account number: none has ２ in it",
        ),
        ("budgets", "1.00000004E+11,,20", "owner_uin", "is no account number: write all its"),
        ("budgets", 'all,,"8,5"', "amount", "write 8.5; a comma separates columns"),
        ("budgets", "all,2026-09,8,5", "", r"4 and not 3; is 8,5 a price\? write 8.5"),
        ("list_prices", f'{PRICE[:-1]}2,"8,5"', "list_price", "write 8.5; a comma separates"),
        ("list_prices", f'{PRICE[:-1]}2,"1,250"', "list_price", "write 1.250 or 1250; a comma"),
        ("list_prices", f"{PRICE[:-1]}2,8,5", "", r"neither; is 8,5 a price\? write 8.5"),
        ("list_prices", f"{PRICE[:-1]}2,10,05", "tier_from", r"; is 10,05 a price\? write 10.05"),
        (
            "list_prices",
            "wimgs_search_by_text,2026-01-01,2026-01-01",
            "list_price",
            "the row has 3 values, the header 6",
        ),
        ("budgets", "all,,0.00", "amount", "above 0"),
        ("budgets", "all,,1.005", "amount", "2 decimals"),
        ("budgets", "all,2026-13,1", "bill_month", "2026-13 is not a month"),
        ("budgets", "all,,5\nall,,6", "", "two rows all, every"),
    ],
)
def test_a_row_without_meaning_is_refused_with_line_and_column(
    seeds: Path, name: str, row: str, at: str, says: str
) -> None:
    add(seeds, name, row)
    line = len((seeds / f"{name}.csv").read_text().splitlines())
    place = f"seeds/{name}.csv, line {line}" + (f", column {at}" if at else "") + ": "
    with pytest.raises(UsageError, match=f"^{place}.*{says}"):
        check_catalogue(seeds)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("product_code,product_nam", "no column 'product_nam'; the nearest one is product_name"),
        ("product_name", "column product_code is missing; its header is product_name"),
        ("product_code;product_name", "column product_code is missing; .* product_code;"),
        ("product_code,product_code", "there are two columns product_code"),
    ],
)  # fmt: skip
def test_a_header_is_checked(seeds: Path, header: str, says: str) -> None:
    path = seeds / "products.csv"
    _old, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(UsageError, match=f"^seeds/products.csv: .*{says}"):
        check_catalogue(seeds)


def test_a_catalogue_as_a_spreadsheet_saves_it(seeds: Path) -> None:
    before = figure_seeds(seeds)
    for path in seeds.glob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    check_catalogue(seeds)
    assert figure_seeds(seeds) == before
    path = seeds / "products.csv"
    path.write_bytes(path.read_text("utf-8-sig").encode("gbk"))
    with pytest.raises(UsageError, match=r"seeds/products.csv is not UTF-8"):
        check_catalogue(seeds)


def test_a_file_that_nobody_reads_is_refused(seeds: Path) -> None:
    (seeds / "list_prices.csv").rename(seeds / "list_price.csv")
    with pytest.raises(UsageError, match=r"list_price.csv is no file .* is list_prices.csv"):
        check_catalogue(seeds)


def test_files_that_no_figure_depends_on_may_be_missing(seeds: Path) -> None:
    for name in ("account_names", "error_codes", "focus_services"):
        (seeds / f"{name}.csv").unlink()
    check_catalogue(seeds)
    (seeds / "list_prices.csv").unlink()
    with pytest.raises(UsageError, match=r"seeds/list_prices.csv is missing in "):
        check_catalogue(seeds)
    with pytest.raises(UsageError, match="is no folder"):
        check_catalogue(seeds / "nowhere")


def test_a_step_cannot_be_added_to_a_ladder_that_counts(seeds: Path) -> None:
    """It would replace the ladder by itself."""
    add(seeds, "list_prices", f"{LADDER},0,month\n{LADDER},5,month")
    ladder = figure_seeds(seeds)
    before = counts_from(ladder, {}, None)
    add(seeds, "list_prices", f"{LADDER},9,month")
    with pytest.raises(
        UsageError, match=r"a ladder is replaced whole.*known_from after 2026-01-01"
    ):
        counts_from(figure_seeds(seeds), before, date(2026, 4, 1))
    assert counts_from(ladder, before, date(2026, 4, 1)) == before


def test_a_ladder_that_counts_since_another_does_replaces_it_whole(seeds: Path) -> None:
    add(seeds, "list_prices", f"{LADDER},0,month\n{LADDER},5,month")
    later = LADDER.replace("2026-01-01,60", "2026-02-01,50")
    add(seeds, "list_prices", f"{later},0,day")
    rows = figure_seeds(seeds)
    counted = as_counted(rows, counts_from(rows, {}, date(2026, 4, 1)))["list_prices"]
    of_2026 = [row for row in counted if row[1] == "2026-01-01"]
    assert of_2026 == [
        ["wimgs_search_by_text", "2026-01-01", "2026-04-01", "50.00000000", "0", "day"]
    ]


# --- claims that ask for attributes --------------------------------------------------------------


def with_claims(seeds: Path, *rows: str) -> list[list[str]]:
    """The claims of a catalogue with these rows, each for the component shipped or for `other`."""
    add(seeds, "components", "other,其他,wimgs,1000,千次,元/千次")
    for row in rows:
        add(seeds, "component_actions", row.replace("shipped", "wimgs_search_by_text"))
    return figure_seeds(seeds)["component_actions"]


def test_a_claim_without_attributes_is_the_row_that_it_was(seeds: Path) -> None:
    assert with_claims(seeds, "A,shipped,,,", "B,shipped,2026-01-01,,") == [
        ["A", "wimgs_search_by_text"],
        ["B", "wimgs_search_by_text", "2026-01-01", "0001-01-01"],
        ["SearchByText", "wimgs_search_by_text"],
    ]


@pytest.mark.parametrize("columns", [2, 4])
def test_a_file_without_the_column_goes_on_working(seeds: Path, columns: int) -> None:
    before = figure_seeds(seeds)
    path = seeds / "component_actions.csv"
    rows = [line.split(",")[:columns] for line in path.read_text().splitlines()]
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    assert figure_seeds(seeds) == before


def test_attributes_have_one_form(seeds: Path) -> None:
    [claim, _shipped] = with_claims(seeds, "A,shipped,,,zone=b; edition = a")
    assert claim[4] == "edition=a;zone=b"


@pytest.mark.parametrize(
    "rows",
    [
        ("A,shipped,,,edition=a", "A,other,,,region=b"),
        ("A,shipped,,,edition=a;plan=c", "A,other,,,region=b;plan=c"),
        ("A,shipped,,,edition=a", "A,other,2026-03-01,2026-04-01,region=b"),
    ],
)
def test_two_claims_that_one_call_can_fit_alike_are_refused(
    seeds: Path, rows: tuple[str, ...]
) -> None:
    says = r"^seeds/component_actions.csv, line 4, column attributes: a call of A can have .*line 3"
    with pytest.raises(UsageError, match=says):
        with_claims(seeds, *rows)


@pytest.mark.parametrize(
    "rows",
    [
        # One call has one edition.
        ("A,shipped,,,edition=a", "A,other,,,edition=b"),
        # More counts before less.
        ("A,shipped,,,edition=a", "A,other,,,edition=a;region=b", "A,other,,"),
        # Either way it is the same.
        ("A,other,,,edition=a", "A,other,,,region=b"),
        # Of two actions.
        ("A,shipped,,,edition=a", "B,other,,,region=b"),
        # Not at one time.
        ("A,shipped,,,edition=a", "A,other,2026-03-01,,edition=a", "A,other,2026-03-01,,region=b"),
    ],
)
def test_claims_that_tell_calls_apart_are_not(seeds: Path, rows: tuple[str, ...]) -> None:
    assert len(with_claims(seeds, *rows)) == len(rows) + 1
