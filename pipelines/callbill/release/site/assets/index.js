"use strict";
// The overview: what was billed, what changed, who owes, what was left out, and a way to any account.

const TOTALS = [
  ...["bill_month", "accounts", "calls", "list_cost", "discount_amount", "rated_amount"],
  ...["adjustment_amount", "deducted_amount", "is_final"],
];
const OUTCOMES = ["calls_billed", "calls_failed", "calls_unbilled"];

const monthLink = (month) => html`<a href=${address("bills", { from: month, to: month })}>${month}</a>`;

const RECONCILED = [
  ...["bill_month", "accounts", "differing_accounts", "unexplained_accounts", "our_cost"],
  ...["vendor_cost", "cost_difference"],
];

const accountCell = {
  owner_uin: (row) => html`<${AccountLink} owner=${row.owner_uin} name=${row.account_name} />`,
};

function Search() {
  const [text, setText] = useState("");
  const open = (event) => {
    event.preventDefault();
    window.location.href = address("accounts", { account: text.trim() });
  };
  return html`
    <form class="filters search" role="search" aria-label=${t("find_an_account")} onSubmit=${open}>
      <label><span>${t("find_an_account")}</span>
        <input type="search" value=${text} placeholder=${t("number_or_name")}
          onInput=${(event) => setText(event.target.value)} />
      </label>
      <button type="submit">${t("find")}</button>
    </form>`;
}

function Cards() {
  const failed = tables.controls.filter((row) => !row.passed);
  const owing = String(facts.rows.arrears);
  const unbilled = sumBy(tables.unbilled, "calls_unbilled");
  const passed = tables.controls.length - failed.length;
  return html`
    <ul class="cards">
      ${tables.totals.slice(0, 2).map(
        (row) => html`
          <li><a href=${address("bills", { from: row.bill_month, to: row.bill_month })}>
            <span class="label">${monthName(row.bill_month)} <span class="badge ${row.is_final ? "good" : "care"}">${t(row.is_final ? "final" : "open")}</span></span>
            <b>${number(row.deducted_amount)} ${t("cny")}</b>
            ${t("card_month", { accounts: number(row.accounts), calls: number(row.calls) })}</a></li>`,
      )}
      ${tables.totals.length === 0 ? html`<li><b>${t("no_bill_yet")}</b></li>` : null}
      <li><a href="#arrears"><span class="label">${term("arrears")}</span><b>${number(owing)}</b> ${tOf(owing, "card_arrears")}</a></li>
      <li><a href="#unbilled"><span class="label">${term("calls_unbilled")}</span><b>${number(unbilled)}</b> ${t("card_unbilled")}</a></li>
      ${tables.reconciled.slice(0, 1).map(
        (row) => html`
          <li><a href=${address("reconciliation", { month: row.bill_month })}>
            <span class="label">${t("reconciliation")} · ${monthName(row.bill_month)}</span>
            <b>${t("card_controls", { passed: number(String(row.accounts - row.differing_accounts)), controls: number(row.accounts) })}</b>
            ${t("card_reconciled")}</a></li>`,
      )}
      <li><a href="runs.html"><span class="label">${t("controls")}</span><b>${t("card_controls", { passed, controls: tables.controls.length })}</b> ${
        failed.length ? t("card_to_look_at", { failed: failed.length }) : t("card_all_passed")
      }</a></li>
    </ul>`;
}

function ByMonth() {
  const used = new Map(tables.used.map((row) => [row.usage_month, row]));
  const months = tables.totals.slice(0, 24).toReversed();
  if (months.length === 0) return null;
  return html`
    <h2 id="months">${t("bills_by_month")}</h2>
    <${Bars} id="months-chart" label=${t("bills_by_month")} labels=${months.map((row) => row.bill_month)}
      series=${[
        { column: "deducted_amount", values: months.map((row) => row.deducted_amount) },
        { column: "calls_billed", values: months.map((row) => used.get(row.bill_month)?.calls_billed ?? "0"), line: true, colour: 3 },
      ]}
      axis=${{ title: t("deducted_in_cny"), line: t("calls_by_usage_month") }}
      onChoose=${(at) => { window.location.href = address("bills", { from: months[at].bill_month, to: months[at].bill_month }); }} />
    <p>${t("rated_and_deducted")}</p>
    <${Fold} level="3" name="months" title=${t("months_as_a_table")}>
      <${Table} name="months" label=${t("bills_by_month")} columns=${TOTALS} rows=${tables.totals.map(asAdded)}
        cells=${{
          bill_month: (row) => monthLink(row.bill_month),
          is_final: (row) => t(row.is_final ? "final" : "open"),
        }} />
      <${Source} mart="monthly_bills" />
    <//>`;
}

function ByDay() {
  const days = tables.days;
  if (days.length === 0) return null;
  return html`
    <h2>${t("last_days")}</h2>
    <${Bars} id="days-chart" label=${t("last_days")} labels=${days.map((row) => row.usage_date.slice(5))}
      series=${[
        ...OUTCOMES.map((column) => ({ column, values: days.map((row) => row[column]) })),
        { column: "real_cost", values: days.map((row) => row.real_cost), line: true },
      ]}
      axis=${{ title: term("calls"), line: term("real_cost"), isCount: true }} />
    <${Fold} level="3" open=${false} name="days" title=${t("days_as_a_table")}>
      <${Table} name="days" label=${t("last_days")} rows=${days.toReversed()}
        columns=${["usage_date", ...OUTCOMES, "real_cost"]} />
    <//>`;
}

function Changes() {
  const rows = tables.changes;
  if (rows.length === 0) return null;
  const month = rows[0].bill_month;
  return html`
    <${Fold} name="changes" title=${t("largest_changes", { month: monthName(month), before: monthName(monthBefore(month)) })}
        note=${html`<${Account} owner=${rows[0].account_name ?? rows[0].owner_uin} /> · <${Money} value=${rows[0].change_amount} signed />`}>
      <${Table} name="changes" label=${t("changes")} page=${10} rows=${rows}
        columns=${["owner_uin", "before_amount", "deducted_amount", "change_amount", "calls_change", "usage_change"]}
        cells=${{
          owner_uin: (row) =>
            html`<${BillLink} owner=${row.owner_uin} month=${month}><${Account} owner=${row.owner_uin} name=${row.account_name} /><//>`,
        }} />
    <//>`;
}

/** Who spent most, across all accounts; the last row is everyone else. */
function Callers() {
  if (tables.callers.length === 0) return null;
  const total = sumBy(tables.callers, "real_cost");
  const rows = tables.callers.map((row) => ({ ...row, share: percent(row.real_cost, total) }));
  const month = rows[0].bill_month;
  return html`
    <${Fold} name="callers" title=${t("top_callers", { month: monthName(month) })}
        note=${`${rows[0].account_name ?? rows[0].operate_uin} · ${rows[0].share ?? "–"}`}>
      <${Table} name="callers" label=${t("top_callers", { month: monthName(month) })} page=${11} rows=${rows}
        columns=${["operate_uin", "owner_uin", "calls", "real_cost", "share"]} totals=${["calls", "real_cost"]}
        sums=${{ share: percent(total, total) }}
        sumName=${t("sum_of_callers", { callers: number(sumBy(rows.map((row) => ({ callers: String(row.callers) })), "callers")) })}
        cells=${{
          operate_uin: (row) =>
            row.place === null
              ? t("other_callers", { callers: number(row.callers) })
              : html`<${Account} owner=${row.operate_uin} name=${row.account_name} />`,
          owner_uin: (row) =>
            row.place === null
              ? null
              : html`<${BillLink} owner=${row.owner_uin} month=${month}><${Account} owner=${row.owner_uin} name=${row.owner_name} /><//>`,
        }} />
      <${Source} mart="cost_allocation" where=${`bill_month = date '${month}-01'`} />
    <//>`;
}

/** The vendor's bills beside ours, by month. */
function Reconciled() {
  if (tables.reconciled.length === 0) return null;
  const rows = tables.reconciled.map((row) => ({ ...row, our_cost: row.real_cost }));
  return html`
    <h2 id="reconciled">${t("vendor_bills_beside_ours")}</h2>
    <${Table} name="reconciled" label=${t("vendor_bills_beside_ours")} columns=${RECONCILED} rows=${rows}
      page=${12} cells=${{
        bill_month: (row) =>
          html`<a href=${address("reconciliation", { month: row.bill_month })}>${row.bill_month}</a>`,
      }} />
    <p class="soft">${t("our_cost_is")}</p>`;
}

function Overview() {
  useTitle(t("overview"));
  return html`
    <h1>${t("bills_through", { through: facts.through })}</h1>
    <${Search} />
    <${Cards} />
    <${ByMonth} />
    <${ByDay} />
    <${Callers} />
    <${Changes} />
    <${Reconciled} />
    <h2 id="unbilled">${t("unbilled")}</h2>
    ${tables.unbilled.length
      ? html`
          <${Table} name="unbilled" label=${t("unbilled")} rows=${tables.unbilled}
            columns=${["unbilled_reason", "calls_unbilled", "accounts", "actions", "unbilled_cost"]}
            cells=${{ unbilled_reason: (row) => html`<${Badge} value=${row.unbilled_reason} />` }} />
          <p>${t("unbilled_about", { link: html`<a href="runs.html#unbilled">${t("by_action_and_account")}</a>` })}</p>`
      : html`<p>${t("none_in_this_run")}</p>`}
    <p>${t("unbilled_of_all_dates", { calls: number(tables.unbilled_to_date[0].calls) })}</p>
    <h2 id="arrears">${t("accounts_in_arrears")}</h2>
    ${tables.arrears.length
      ? html`
          <${Table} name="arrears" label=${t("accounts_in_arrears")} rows=${tables.arrears}
            columns=${["owner_uin", "state", "amount_due", "since", "stops_at"]}
            cells=${{ ...accountCell, state: (row) => html`<${Badge} value=${row.state} />` }} />
          ${facts.rows.arrears > tables.arrears.length
            ? html`<p>${t("the_first_of", { first: tables.arrears.length, all: facts.rows.arrears })}
                <a href=${address("accounts", { state: "owes" })}>${t("all_of_them")}</a></p>`
            : null}`
      : html`<p>${t("none")}</p>`}
    ${tables.budgets.length
      ? html`
          <h2 id="budgets">${t("budgets_nearly_used")}</h2>
          <${Table} name="budgets" label=${t("budgets_nearly_used")} rows=${tables.budgets}
            columns=${["bill_month", "owner_uin", "budget_amount", "deducted_amount", "used_percent"]} />
          ${facts.rows.budgets > tables.budgets.length
            ? html`<p>${t("the_first_of", { first: tables.budgets.length, all: facts.rows.budgets })}</p>`
            : null}`
      : null}`;
}

show(Overview);
