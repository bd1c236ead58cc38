"""The site as people see it: in Chromium, from disk and a web server, on a desk and on a phone.

Leaves pictures of the pages in `screenshots/`.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from callbill.release.site.data import COLUMNS

from tests.support.commands import run_job, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import query
from tests.support.project import PROJECT
from tests.support.site import HOSTILE, site_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
# A test has no use for what Chromium does in the background: it asks its maker for news.
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
PAGES = {
    "overview": ("index.html", "h1"),
    "bills": ("bills.html", "#table-bills tbody tr"),
    "bill": ("bill.html#owner=100000000003&month=2026-09", "#table-lines tbody tr"),
    "accounts": ("accounts.html", "#table-accounts tbody tr"),
    "account": ("account.html#owner=100000000001", "#table-entries tbody tr"),
    "runs": ("runs.html", "#table-controls tbody tr"),
    "controls": ("controls/index.html", "body"),
    "dictionary": ("dbt/index.html#!/model/model.callbill.bill_lines", "h1:has-text('bill_lines')"),
    "lineage": ("dbt/index.html#!/exposure/exposure.callbill.site", "h1:has-text('site')"),
}
MANY = 10_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "Chromium is not installed: make test-browser"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, size: str = "desktop") -> Iterator[Page]:
    """A page in which nothing may go wrong: no word in the console, no request to elsewhere."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, locale="en-GB")
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            request.url.startswith(("file://", "http://127.0.0.1:", "data:"))
            or wrong.append(request.url)
        ),
    )
    page.on(
        "requestfailed",
        # Whoever goes on to another page does not wait for the last one's picture.
        lambda request: (
            request.failure == "net::ERR_ABORTED" or wrong.append(f"failed: {request.url}")
        ),
    )
    yield page
    page.close()
    assert wrong == []


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 10,000 accounts, some of them with names that mean harm."""
    place = tmp_path_factory.mktemp("crowded")
    owners = [*(str(200_000_000_000 + n) for n in range(MANY - len(HOSTILE))), *HOSTILE]
    write(
        place / "landing/call_logs/arrived_on=2026-03-11/calls.jsonl",
        json_lines(
            *(record(f"call {n}", owner_uin=owner, called_at="2026-03-10T10:00:00+08:00",
                     operate_uin=owner)
              for n, owner in enumerate(owners))
        ),
    )  # fmt: skip
    succeed(run_job(place, "--through", "2026-03-11"))
    return place


def address(place: Path, page: str, **values: str) -> str:
    return f"{(site_of(place) / page).as_uri()}{'#' if values else ''}{urlencode(values)}"


def table(page: Page, name: str) -> list[dict[str, str]]:
    """What a table shows on all its pages, by column, without units and Chinese names."""
    rows: list[dict[str, str]] = []
    while True:
        rows += page.eval_on_selector_all(
            f"#table-{name} tbody tr",
            """rows => rows.map(row => Object.fromEntries([...row.cells].map(cell => {
                const copy = cell.cloneNode(true);
                copy.querySelectorAll("small, [lang=zh]").forEach(part => part.remove());
                return [cell.dataset.column, copy.textContent.trim()];
            })))""",
        )
        after = page.locator(f".scroll:has(#table-{name}) + .paging button", has_text="Next")
        if after.count() == 0 or after.is_disabled():
            return rows
        after.click()


def figure(page: Page, name: str) -> str:
    return page.locator(f"[data-figure='{name}']").first.inner_text()


@pytest.mark.parametrize("size", SIZES)
def test_pages_from_disk(browser: Browser, sample_place: Path, size: str) -> None:
    screenshots = PROJECT / "screenshots"
    screenshots.mkdir(exist_ok=True)
    with opened(browser, size) as page:
        for name, (place, shown) in PAGES.items():
            page.goto(f"{site_of(sample_place).as_uri()}/{place}")
            page.locator(shown).first.wait_for()
            if name == "dictionary":
                assert page.locator("use[href*='#']").count() > 3  # its icons
            page.screenshot(
                path=screenshots / f"{name}-{size}.png",
                full_page=name not in ("dictionary", "lineage"),
            )
            if name not in ("controls", "dictionary", "lineage"):
                # Nothing hangs over the side.
                assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], name


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a web server shows a folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


def test_pages_from_a_web_server(browser: Browser, sample_place: Path) -> None:
    with served(site_of(sample_place)) as address, opened(browser) as page:
        for place, shown in PAGES.values():
            page.goto(f"{address}/{place}")
            page.locator(shown).first.wait_for()


def test_from_the_front_page_to_a_bill(browser: Browser, sample_place: Path) -> None:
    """By what links say alone."""
    with opened(browser) as page:
        page.goto(address(sample_place, "index.html"))
        assert page.locator("h1").inner_text() == "Bills settled through 2026-10-02"
        page.get_by_role("link", name="2026-08").click()
        page.locator("#table-bills").get_by_role("link", name="100000000001").click()
        page.locator("#table-lines tbody tr").first.wait_for()
        assert "0.24000000" in page.locator("#table-lines").inner_text()
        assert figure(page, "sum-deducted_amount") == "0.24"
        assert "Suspended" in page.locator("main").inner_text()
        page.get_by_role("link", name="100000000001").click()
        page.locator("[data-figure=arrears]").wait_for()
        assert "0.04 CNY are due" in " ".join(
            page.locator("[data-figure=arrears]").inner_text().split()
        )


def test_every_bill_shows_the_figures_of_the_marts(browser: Browser, sample_place: Path) -> None:
    bills = query(
        sample_place,
        "select owner_uin, strftime(bill_month, '%Y-%m'), rated_amount::varchar,"
        " deducted_amount::varchar, adjustment_amount::varchar, is_final::varchar"
        " from billing.precision_adjustments order by all",
    )
    assert len(bills) > 10
    with opened(browser) as page:
        for owner, month, rated, deducted, adjustment, is_final in bills:
            page.goto(address(sample_place, "bill.html", owner=owner, month=month))
            page.locator(f"h1:has-text('{owner}')").wait_for()
            page.locator("#table-lines tbody tr").first.wait_for()
            assert figure(page, "rated_amount") == rated
            assert figure(page, "deducted_amount") == deducted
            assert figure(page, "adjustment_amount") == adjustment
            said = page.locator("#adjustment").inner_text()
            assert f"{deducted} − {rated} = {adjustment} CNY" in " ".join(said.split())
            assert ("this is final" in said) == (is_final == "true")
            check_table(page, sample_place, "lines", "bill_lines", owner, month)
            check_table(page, sample_place, "settlements", "settlements", owner, month)
            check_chart(page, sample_place, owner, month)


def check_table(page: Page, place: Path, name: str, mart: str, owner: str, month: str) -> None:
    shown = table(page, name)
    columns = [column for column in shown[0] if column not in ("line_type", "discount")]
    assert set(columns) <= set(COLUMNS[name])
    selected = ", ".join(f"{column}::varchar" for column in columns)
    expected = query(
        place,
        f"select {selected} from billing.{mart}"
        f" where owner_uin = '{owner}' and bill_month = '{month}-01' order by all",
    )
    assert sorted(tuple(row[column] for column in columns) for row in shown) == expected
    sums = dict.fromkeys(("list_cost", "real_cost", "rated_amount", "residual_amount"), Decimal(0))
    added = [column for column in columns if column in sums]
    if len(shown) > 1:
        for column in added:
            total = sum(Decimal(row[column]) for row in shown)
            cell = page.locator(f"#table-{name} tfoot [data-column={column}]")
            assert cell.text_content() == f"{total:f}", column


def check_chart(page: Page, place: Path, owner: str, month: str) -> None:
    of_month = f"owner_uin = '{owner}' and date_trunc('month', usage_date) = '{month}-01'"
    if not query(place, f"from billing.daily_usage where {of_month}"):
        assert page.locator("text=No calls were made in").count() == 1
        return
    page.locator("#usage-chart[style]").wait_for()
    drawn: list[Any] = page.evaluate(
        "Chart.getChart('usage-chart').data.datasets.map(set => set.data)"
    )
    expected = {
        day: counts
        for day, *counts in query(
            place,
            "select day(usage_date), sum(calls_billed), sum(calls_failed), sum(calls_unbilled)"
            f" from billing.daily_usage where {of_month} group by usage_date",
        )
    }
    assert len(drawn[0]) in (30, 31)
    for at in range(len(drawn[0])):
        assert [counts[at] for counts in drawn] == expected.get(at + 1, [0, 0, 0])
    assert page.locator("#usage-chart").get_attribute("aria-label")


def test_bills_by_time_product_mode_and_account(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "bills.html"))
        page.locator("#table-bills tbody tr").first.wait_for()
        page.get_by_label("From").select_option("2026-08")
        page.get_by_label("To", exact=False).first.select_option("2026-09")
        page.locator("#table-bills tfoot").wait_for()
        [(count, deducted)] = query(
            sample_place,
            "select count(*), sum(deducted_amount)::varchar from billing.monthly_bills"
            " where bill_month in ('2026-08-01', '2026-09-01')",
        )
        assert len(table(page, "bills")) == count
        total = page.locator("#table-bills tfoot [data-column=deducted_amount]")
        assert total.text_content() == deducted
        page.get_by_label("Product").select_option("wimgs")
        page.get_by_label("Billing mode").select_option("postpay")
        assert len(table(page, "bills")) == count
        page.get_by_role("searchbox").fill("003")
        assert {row["owner_uin"] for row in table(page, "bills")} == {"100000000003"}
        # What is chosen is in the address, to be sent to somebody.
        chosen = page.url
        page.goto("about:blank")
        page.goto(chosen)
        page.locator("#table-bills tbody tr").first.wait_for()
        assert {row["bill_month"] for row in table(page, "bills")} == {"2026-08", "2026-09"}


def test_lines_of_some_days(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "bill.html", owner="100000000003", month="2026-09"))
        page.get_by_label("Used from").fill("2026-09-10")
        page.get_by_label("Used to").fill("2026-09-12")
        [(lines, cost)] = query(
            sample_place,
            "select count(*), sum(real_cost)::varchar from billing.bill_lines where"
            " owner_uin = '100000000003' and bill_month = '2026-09-01'"
            " and usage_date between '2026-09-10' and '2026-09-12'",
        )
        assert len(table(page, "lines")) == lines
        assert page.locator("#table-lines tfoot [data-column=real_cost]").text_content() == cost
        page.get_by_label("Used from").fill("")
        page.get_by_label("Used to").fill("")
        page.get_by_role("combobox", name="Line").select_option("late_usage")
        assert {row["line_type"] for row in table(page, "lines")} == {"Late usage"}


def test_with_the_keyboard_alone(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "accounts.html"))
        page.locator("#table-accounts tbody tr").first.wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "To the content"
        page.keyboard.press("Enter")
        while page.evaluate("document.activeElement.type") != "search":
            page.keyboard.press("Tab")
        page.keyboard.type("00000005")
        page.keyboard.press("Enter")
        page.locator("h1:has-text('100000000005')").wait_for()
        while page.evaluate("document.activeElement.textContent") != "2026-09":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator("#table-lines tbody tr").first.wait_for()
        # What the page shows is in its address, which the first link must leave as it is.
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        assert page.locator("h1:has-text('2026-09')").count() == 1
        while not page.locator("button:focus", has_text="Cost after").count():
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator("th[aria-sort=ascending]").wait_for()
        page.keyboard.press("Enter")
        page.locator("th[aria-sort=descending]").wait_for()
        costs = [Decimal(row["real_cost"]) for row in table(page, "lines")]
        assert costs == sorted(costs, reverse=True)


def test_ten_thousand_accounts(browser: Browser, crowded: Path) -> None:
    with opened(browser) as page:
        page.goto(address(crowded, "accounts.html"))
        page.locator(f"text=1 to 50 of {MANY}").wait_for()
        page.get_by_role("searchbox").fill("200000007777")
        page.locator("#table-accounts").get_by_role("link", name="200000007777").click()
        page.locator("#table-months").get_by_role("link", name="2026-03").click()
        page.locator("#table-lines tbody tr").first.wait_for()
        assert [row["real_cost"] for row in table(page, "lines")] == ["0.06000000"]
        page.goto(address(crowded, "bills.html"))
        page.locator(f"text=1 to 50 of {MANY}").wait_for()
        total = page.locator("#table-bills tfoot [data-column=deducted_amount]")
        assert total.text_content() == f"{MANY * Decimal('0.06'):f}"


@pytest.mark.parametrize("size", SIZES)
def test_hostile_names_stay_text(browser: Browser, crowded: Path, size: str) -> None:
    with opened(browser, size) as page:
        for owner in HOSTILE:
            page.goto("about:blank")
            page.goto(address(crowded, "accounts.html", account=owner))
            link = page.locator("#table-accounts").get_by_role("link", name=owner, exact=True)
            link.click()
            page.locator("#table-months tbody tr").first.wait_for()
            assert page.locator("h1").inner_text() == f"Account 账户 {owner}"
            page.locator("#table-months").get_by_role("link", name="2026-03").click()
            page.locator("#table-lines tbody tr").first.wait_for()
            page.locator("summary").click()
            assert [row["operate_uin"] for row in table(page, "usage")] == [owner]


def test_a_new_release_on_the_same_server(browser: Browser, tmp_path: Path) -> None:
    """A browser keeps what it loaded: the next release's figures must not be the last one's."""
    for day, calls in (("2026-03-02", 1), ("2026-03-03", 2)):
        records = [record(f"{day} {n}", called_at=f"2026-03-0{calls}T10:00:00+08:00")
                   for n in range(calls)]  # fmt: skip
        name = f"landing/call_logs/arrived_on={day}/calls.jsonl"
        write(tmp_path / name, json_lines(*records))
    with served(tmp_path / "published" / "current" / "site") as address, opened(browser) as page:
        for day, cost in (("2026-03-02", "0.06"), ("2026-03-03", "0.18")):
            succeed(run_job(tmp_path, "--through", day))
            for path in site_of(tmp_path).rglob("*.js"):
                os.utime(path, (0, 0))  # long ago: kept without asking
            page.goto(f"{address}/bills.html")
            total = page.locator("#table-bills [data-column=deducted_amount]").first
            assert total.text_content() == cost


def test_addresses_of_nothing(browser: Browser, sample_place: Path) -> None:
    with opened(browser) as page:
        page.goto(address(sample_place, "bill.html"))
        page.locator("text=no bill and made no calls").wait_for()
        page.goto(address(sample_place, "bill.html", owner="__proto__", month="2026-09"))
        page.locator("text=no bill and made no calls").wait_for()
        page.goto(address(sample_place, "bills.html", **{"from": "x", "to": "<b>"}))
        page.locator("#table-bills tbody tr").first.wait_for()
