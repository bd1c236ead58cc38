"use strict";
// One account: whether it is served, what it owes, its bills, its last movements.

const PACKAGES = [
  ...["package_id", "component_code", "calls", "calls_drawn", "calls_given_back", "calls_lost"],
  ...["calls_left", "covers_from", "covers_to", "is_expired"],
];
const BILLS = [
  ...["bill_month", "product_name", "calls", "list_cost", "discount_amount", "rated_amount"],
  ...["adjustment_amount", "deducted_amount", "change_amount"],
];
const USED = ["usage_month", "calls_received", "calls_billed", "calls_failed", "calls_unbilled"];
const CONTRACTS = [
  ...["contract_no", "component_name", "effective_from", "effective_to", "discount", "agreed_price"],
  ...["known_from", "known_to"],
];
const ENTRIES = [
  ...["entry_no", "posted_at", "entry_type", "amount", "credit_amount", "cash_amount", "balance"],
  ...["credit", "frozen", "available", "reference"],
];

/** Bills with what changed against the month before, which may have had none. */
function billsOf(months) {
  return months.map((row) => {
    const bill_month = row.bill_month.slice(0, 7);
    const before = months.find(
      (other) =>
        other.bill_month.startsWith(monthBefore(bill_month)) &&
        other.product_code === row.product_code,
    );
    return {
      ...asAdded(row),
      bill_month,
      product_name: productName(row.product_code),
      change_amount: before ? difference(row.deducted_amount, before.deducted_amount) : null,
    };
  });
}

function Trend({ owner, bills, used }) {
  const known = [...new Set([...bills, ...used].map((row) => row.bill_month ?? row.usage_month))].sort();
  // Months between without a bill are there too.
  const months = [];
  for (let month = known.at(-1); month && month >= known[0] && months.length < 24; month = monthBefore(month))
    months.unshift(month);
  const totals = new Map(tables.totals.map((row) => [row.bill_month, row.deducted_amount]));
  const rows = months.map((month) => {
    const of = bills.filter((row) => row.bill_month === month);
    const deducted_amount = of.length ? sumBy(of, "deducted_amount") : "0.00";
    return {
      bill_month: month,
      hasBill: of.length > 0,
      deducted_amount,
      calls_billed: used.find((row) => row.usage_month === month)?.calls_billed ?? "0",
      share: totals.has(month) ? percent(deducted_amount, totals.get(month)) : null,
    };
  });
  if (rows.length === 0) return null;
  const columns = ["bill_month", "deducted_amount", "calls_billed"];
  if (facts.customer === null) columns.push("share");
  return html`
    <h2>${t("by_month")}</h2>
    <${Bars} id="months-chart" label=${t("trend_of", { owner })}
      labels=${rows.map((row) => row.bill_month)}
      series=${[
        { column: "deducted_amount", values: rows.map((row) => row.deducted_amount) },
        { column: "calls_billed", values: rows.map((row) => row.calls_billed), line: true, colour: 3 },
      ]}
      axis=${{ title: t("deducted_in_cny"), line: t("calls_by_usage_month") }}
      onChoose=${(at) => { window.location.href = address("bill", { owner, month: rows[at].bill_month }); }} />
    <${Fold} level="3" open=${false} name="trend" title=${t("months_as_a_table")}>
      <${Table} name="trend" label=${t("by_month")} rows=${[...rows].reverse()} columns=${columns}
        cells=${{
          bill_month: (row) => html`<${BillLink} owner=${owner} month=${row.bill_month}>${row.bill_month}<//>`,
          deducted_amount: (row) => (row.hasBill ? number(row.deducted_amount) : t("no_bill")),
        }} />
    <//>`;
}

function AccountPage() {
  const [values] = useAddress();
  const owner = values.owner ?? facts.customer ?? "";
  const account = useLoaded(async () => (owner ? loadAccount("accounts", owner) : null), [owner]);
  const name = account?.names.find((row) => row.account_uin === owner)?.account_name ?? null;
  useTitle(`${t("account")} ${owner}`);
  if (!owner)
    return html`<h1>${t("which_account")}</h1>
      <p id="nothing"><a href="accounts.html">${t("all_accounts")}</a></p>`;
  const heading = html`<h1>${t("account")} <span class="uin">${owner}</span>${name ? html` <span class="soft">${name}</span>` : null}</h1>`;
  if (account === undefined) return html`${heading}<p>${t("loading")}</p>`;
  if (account === null)
    return html`${heading}
      <p id="nothing">${t("no_such_account", { owner: html`<b class="uin">${owner}</b>` })} ${
        facts.customer === null ? html`<a href="accounts.html">${t("all_accounts")}</a>` : null
      }</p>`;
  const bills = billsOf(account.months);
  const used = account.used.map((row) => ({ ...row, usage_month: row.usage_month.slice(0, 7) }));
  return html`
    ${heading}
    <${Standing} status=${account.status[0]} notice=${account.notice[0]} last=${account.entries[0]} />
    <${Trend} owner=${owner} bills=${bills} used=${used} />
    <h2>${t("bills")}</h2>
    <${Table} name="months" label=${t("bills")} columns=${BILLS} rows=${bills}
      cells=${{
        bill_month: (row) =>
          html`<${BillLink} owner=${owner} month=${row.bill_month}>${row.bill_month}<//>`,
      }} />
    <${Source} mart="monthly_bills" where=${`owner_uin = ${quoted(owner)}`} />
    <${Fold} name="used" title=${t("usage")} note=${t("usage_note")}>
      <${Table} name="used" label=${t("usage")} columns=${USED} rows=${used}
        cells=${{
          usage_month: (row) =>
            html`<${BillLink} owner=${owner} month=${row.usage_month}>${row.usage_month}<//>`,
        }} />
    <//>
    ${account.contracts.length > 0
      ? html`<${Fold} name="contracts" title=${t("contracts")}>
          <${Table} name="contracts" label=${t("contracts")} columns=${CONTRACTS}
            rows=${account.contracts.map((row) => ({
              ...row,
              // Of a contract that gives a factor the price depends on the list price.
              agreed_price: row.contract_price,
              component_name: componentName(row.component_code),
              contract_no: contractNumber(owner, row),
            }))} cells=${{ contract_no: (row) => html`<code><${ContractNumber} number=${row.contract_no} /></code>` }} />
          <${Source} mart="contracts" where=${`owner_uin = ${quoted(owner)}`} />
        <//>`
      : null}
    ${account.packages.length > 0
      ? html`<${Fold} name="packages" title=${t("packages")}>
          <${Table} name="packages" label=${t("packages")} columns=${PACKAGES} rows=${account.packages}
            cells=${{
              component_code: (row) => componentName(row.component_code),
              is_expired: (row) => t(row.is_expired === "true" ? "yes" : "no"),
            }} />
          <${Source} mart="package_balances" where=${`owner_uin = ${quoted(owner)}`} />
        <//>`
      : null}
    ${account.status.length > 0
      ? html`
          <${Fold} name="status" title=${t("service")}>
            <${Table} name="status" label=${t("service")}
              columns=${["status", "valid_from", "valid_to", "reason"]} rows=${account.status}
              cells=${{
                status: (row) => html`<${Badge} value=${row.status} />`,
                // The one cause that is a sentence. All others are references.
                reason: (row) => (row.status === "not_activated" ? t("not_yet_activated") : row.reason),
              }} />
          <//>
          ${account.arrears.length > 0
            ? html`<${Fold} name="arrears" title=${term("arrears")}>
                <${Table} name="arrears" label=${term("arrears")}
                  columns=${["since", "stops_at", "ended_at", "reason", "ended_by"]}
                  rows=${account.arrears} />
              <//>`
            : null}
          <${Fold} name="entries" title=${t("movements")} note=${t("last_movements", { entries: facts.lastEntries })}>
            <${Table} name="entries" label=${t("movements")} columns=${ENTRIES} rows=${account.entries}
              cells=${{ entry_type: (row) => html`<${Term} name=${row.entry_type} />` }} />
            <${Source} mart="account_ledger" where=${`owner_uin = ${quoted(owner)}`} />
          <//>`
      : null}`;
}

show(AccountPage);
