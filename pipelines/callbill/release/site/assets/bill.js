"use strict";
// One account's bill of a month: what a person came for first, then what it is made of, then its lines.

const LINES = [
  ...["usage_date", "settled_on", "component_name", "calls", "list_price", "discount"],
  ...["contract_price", "list_cost", "real_cost", "line_id"],
];
/** The columns of some lines, with where their calls stand if that is more than one price. */
const columnsOf = (lines) =>
  lines.some((row) => row.stands !== null) ? [...LINES.slice(0, 4), "stands", ...LINES.slice(4)] : LINES;

const isWaived = (row) => /(^|; )waiver /.test(row.stands ?? "");

/** "step 500; waiver W1: test" in the language of the page. */
function standsFor(row) {
  const words = { step: t("stands_step"), package: t("stands_package"), waiver: t("stands_waiver") };
  return (row.stands ?? "").replace(
    /(^|; )(step|package|waiver) /g,
    (_, before, kind) => `${before}${words[kind]} `,
  );
}
const SETTLEMENTS = [
  ...["settled_on", "product_name", "rated_amount", "deducted_amount", "residual_amount"],
];
const USAGE = [
  ...["usage_date", "operate_uin", "component_name", "calls_received", "calls_billed"],
  ...["calls_failed", "calls_unbilled"],
];
const OUTCOMES = ["calls_billed", "calls_failed", "calls_unbilled"];
const LINE_TYPES = ["usage", "late_usage", "correction", "rerating"];

const componentOf = (code) =>
  Object.hasOwn(facts.components, code) ? facts.components[code] : { component_name: code };

const productOf = (code) =>
  Object.values(facts.components).find((row) => row.product_code === code)?.product_name ?? code;

/** A bill's tables with names, and the sums that several parts show. */
function billOf(owner, month, tables, account) {
  const named = (row) => ({
    ...row,
    component_name: row.component_code ? componentOf(row.component_code).component_name : null,
  });
  const names = new Map((account?.names ?? []).map((row) => [row.account_uin, row.account_name]));
  return {
    owner,
    month,
    name: names.get(owner) ?? null,
    nameOf: (uin) => names.get(uin) ?? null,
    lines: tables.lines.map(named),
    settlements: tables.settlements.map((row) => ({
      ...row,
      product_name: productOf(row.product_code),
    })),
    callers: tables.callers.map(named),
    usage: tables.usage.map(named),
    adjustment: tables.adjustment[0] ?? null,
    account,
  };
}

/** The figures of a bill from list price to deduction. */
function figuresOf(bill) {
  const { rated_amount, adjustment_amount, deducted_amount } = bill.adjustment;
  const list_cost = sumBy(bill.lines, "list_cost");
  return {
    calls: sumBy(bill.lines, "calls"),
    list_cost,
    discount_amount: difference(list_cost, rated_amount),
    rated_amount,
    adjustment_amount,
    deducted_amount,
  };
}

// ---- The head: how much, of whom, and whether it is paid.

function paymentOf(bill) {
  const { account } = bill;
  if (!account || account.status.length === 0) return null;
  return account.notice.length > 0 ? "arrears" : "paid";
}

/** What made a bill more or less than that of the month before: three parts, which add up to it. */
function ChangeOf({ bill, before }) {
  const [now, then] = [figuresOf(bill), figuresOf(before)];
  const part = (name, left, right) => html`<b><${Figure} name=${name} value=${difference(left, right)} signed /></b>`;
  return html`<span id="made-of">${t("made_of_changes", {
    calls: part("change-calls", now.list_cost, then.list_cost),
    discount: part("change-discount", then.discount_amount, now.discount_amount),
    adjustment: part("change-adjustment", now.adjustment_amount, then.adjustment_amount),
  })}</span>`;
}

function Head({ bill, before }) {
  const { month, owner, name, adjustment } = bill;
  const isFinal = adjustment.is_final === "true";
  const payment = paymentOf(bill);
  const days = daysOf(month);
  const issuers = [...new Set(bill.lines.map((row) => componentOf(row.component_code).issuer))];
  const earlier = before?.adjustment?.deducted_amount;
  const change = earlier === undefined ? null : difference(adjustment.deducted_amount, earlier);
  const direction = change === null ? 0 : compareDecimals(change, "0");
  return html`
    <section class="head" aria-label=${t("amount")}>
      <div class="due">
        <p class="label"><${Term} name="deducted_amount" /></p>
        <p class="big"><${Money} name="deducted_amount" value=${adjustment.deducted_amount} /></p>
        <p>
          <span class="badge ${isFinal ? "good" : "care"}" data-state="final">${t(isFinal ? "final" : "open")}</span>
          ${payment
            ? html` <span class="badge ${payment === "paid" ? "good" : "error"}" data-state="payment">${t(payment)}</span>`
            : html` <span class="soft">${t("payment_unknown")}</span>`}
        </p>
        ${change === null
          ? null
          : html`<p class="soft" id="compared">${t(
              direction === 0 ? "same_as_before" : direction > 0 ? "more_than_before" : "less_than_before",
              {
                change: html`<${Money} value=${change.replace("-", "")} />`,
                month: html`<${BillLink} owner=${owner} month=${before.month}>${monthName(before.month)}<//>`,
                earlier: html`<${Money} value=${earlier} />`,
              },
            )} ${direction === 0 ? null : html`<${ChangeOf} bill=${bill} before=${before} />`}</p>`}
      </div>
      <dl class="facts">
        <div><dt>${t("recipient")}</dt><dd><${AccountLink} owner=${owner} name=${name} /></dd></div>
        <div><dt>${t("issuer")}</dt><dd>${issuers.join(", ") || "–"}</dd></div>
        <div><dt>${t("statement_number")}</dt><dd class="uin">${`${month}/${owner}`}</dd></div>
        <div><dt>${t("period")}</dt><dd>${t("from_to", {
          from: html`<span class="uin">${days[0]}</span>`,
          to: html`<span class="uin">${days.at(-1)}</span>`,
        })}</dd></div>
        <div><dt>${t("as_of")}</dt><dd>${facts.through}</dd></div>
      </dl>
    </section>`;
}

// ---- From list price to the amount deducted.

function Steps({ bill }) {
  const figures = figuresOf(bill);
  const rows = [
    ["list_cost", figures.list_cost, t("step_list_cost", {
      calls: html`<b data-figure="sum-calls" data-value=${figures.calls}>${number(figures.calls)}</b>`,
    })],
    ["discount_amount", difference("0", figures.discount_amount), t("step_discount")],
    ["rated_amount", figures.rated_amount, t("step_rated")],
    ["adjustment_amount", figures.adjustment_amount, t("step_adjustment")],
    ["deducted_amount", figures.deducted_amount, t("step_deducted")],
  ];
  return html`
    <table class="steps" aria-label=${t("how_it_comes_about")}>
      <tbody>
        ${rows.map(
          ([name, value, about]) => html`
            <tr class=${name}>
              <th scope="row"><${Term} name=${name} /><small>${about}</small></th>
              <td class="number"><${Figure} name=${`sum-${name}`} value=${value} /></td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

/** The precision adjustment in one sentence, with its numbers. */
function Adjustment({ bill }) {
  const { rated_amount, deducted_amount, adjustment_amount, is_final } = bill.adjustment;
  const sign = compareDecimals(adjustment_amount, "0");
  const meaning =
    sign === 0
      ? bill.settlements.every((row) => compareDecimals(row.residual_amount, "0") === 0)
        ? "adjustment_nothing"
        : "adjustment_cancels"
      : sign > 0
        ? "adjustment_more"
        : "adjustment_less";
  const figure = (name) => html`<${Figure} value=${bill.adjustment[name]} name=${name} />`;
  return html`
    <p id="adjustment">
      ${t("adjustment", {
        name: html`<b><${Term} name="adjustment_amount" /></b>`,
        rated: figure("rated_amount"),
        deducted: figure("deducted_amount"),
        rounding: t(facts.rounding === "down" ? "rounded_down" : "rounded_half_up"),
        sum: html`<span class="sum">${number(deducted_amount)} − ${number(rated_amount)} = ${figure("adjustment_amount")}</span>`,
        meaning: t(meaning),
      })} ${is_final === "true"
        ? t("adjustment_final")
        : t("adjustment_open", { month: monthName(bill.month) })}
    </p>`;
}

// ---- Calls of the bill and calls of the month.

/** Why a bill may count other calls than were made in its month, and how one becomes the other. */
function Calls({ bill }) {
  const { month, lines, usage } = bill;
  const inMonth = lines.filter((row) => row.usage_date.startsWith(month));
  const earlier = lines.filter((row) => !row.usage_date.startsWith(month));
  const made = sumBy(usage, "calls_billed");
  const here = sumBy(inMonth, "calls");
  // A waived call was made all the same.
  const waived = difference("0", sumBy(inMonth.filter(isWaived), "calls"));
  const elsewhere = difference(difference(made, here), waived);
  const total = sumBy(lines, "calls");
  const rows = [
    ["calls_of_the_bill", total],
    ...LINE_TYPES.map((type) => [type, sumBy(earlier.filter((row) => row.line_type === type), "calls")])
      .filter(([, calls]) => calls !== "0")
      .map(([type, calls]) => [type, difference("0", calls)]),
    ...(waived === "0" ? [] : [["calls_waived", waived]]),
    ...(elsewhere === "0" ? [] : [["calls_on_later_bills", elsewhere]]),
    ["calls_of_the_month", made],
  ];
  if (compareDecimals(total, made) === 0 && rows.length === 2)
    return html`<p id="calls">${t("calls_agree", { calls: number(total), month: monthName(month) })}</p>`;
  return html`
    <p id="calls">${t(earlier.length ? "calls_differ" : "calls_differ_within", {
      calls: html`<b>${number(total)}</b>`,
      made: html`<b>${number(made)}</b>`,
      month: monthName(month),
    })}</p>
    <table class="steps calls" aria-label=${t("from_bill_to_usage")}>
      <tbody>${rows.map(
        ([key, calls], at) => html`
          <tr class=${at === rows.length - 1 ? "deducted_amount" : ""}>
            <th scope="row">${LINE_TYPES.includes(key)
              ? t("of_earlier_months", { type: term(key) })
              : t(key, { month: monthName(month) })}</th>
            <td class="number" data-value=${calls}>${number(calls, { signed: at > 0 && at < rows.length - 1 })}</td>
          </tr>`,
      )}</tbody>
    </table>`;
}

// ---- By day, by price and component, by caller.

function ByDay({ bill }) {
  const { month, usage, lines } = bill;
  const days = daysOf(month);
  const rows = days.map((day) => {
    const used = usage.filter((row) => row.usage_date === day);
    const billed = lines.filter((row) => row.usage_date === day);
    return {
      usage_date: day,
      ...Object.fromEntries(OUTCOMES.map((column) => [column, sumBy(used, column)])),
      real_cost: billed.length ? sumBy(billed, "real_cost") : "0.00000000",
    };
  });
  const text = OUTCOMES.map((column) => `${number(sumBy(usage, column))} ${term(column)}`).join(", ");
  const earlier = lines.filter((row) => !row.usage_date.startsWith(month));
  return html`
    <${Fold} name="by-day" title=${t("by_day")}>
    <${Bars} id="usage-chart" labels=${days.map((day) => String(Number(day.slice(8))))}
      label=${`${t("calls_by_usage_date", { month: monthName(month) })}: ${text}.`}
      series=${OUTCOMES.map((column) => ({ column, values: rows.map((row) => row[column]) }))}
      axis=${{ title: term("calls"), isCount: true }} />
    <${Calls} bill=${bill} />
    <${Fold} level="3" open=${false} name="days" title=${t("days_as_a_table")}
        note=${earlier.length ? t("without_earlier_months", { cost: number(sumBy(earlier, "real_cost")) }) : null}>
      <${Table} name="days" label=${t("by_day")} rows=${rows}
        columns=${["usage_date", ...OUTCOMES, "real_cost"]} totals=${[...OUTCOMES, "real_cost"]} />
    <//>
    <${Fold} level="3" open=${false} name="usage" title=${t("calls_by_day_and_caller")}>
      <${Table} name="usage" label=${t("calls_by_day_and_caller")} columns=${USAGE} rows=${usage}
        totals=${["calls_received", ...OUTCOMES]}
        cells=${{ operate_uin: (row) => html`<${Account} owner=${row.operate_uin} name=${bill.nameOf(row.operate_uin)} />` }} />
      <${Source} mart="daily_usage" where=${`owner_uin = ${quoted(bill.owner)}`} />
    <//>
    <//>`;
}

const PRICES = [
  ...["component_name", "list_price", "discount", "contract_price", "first_usage_date"],
  ...["last_usage_date", "calls", "real_cost"],
];

function ByPrice({ bill }) {
  const rows = grouped(bill.lines, (row) =>
    [row.component_code, row.list_price, row.discount, row.contract_price].join(" "),
  ).map((lines) => ({
    ...lines[0],
    first_usage_date: lines.map((row) => row.usage_date).sort()[0],
    last_usage_date: lines.map((row) => row.usage_date).sort().at(-1),
    calls: sumBy(lines, "calls"),
    real_cost: sumBy(lines, "real_cost"),
  }));
  return html`
    <${Fold} name="by-component" title=${t("by_component")}>
      <${Table} name="prices" label=${t("by_component")} columns=${PRICES} rows=${rows}
        totals=${["calls", "real_cost"]} cells=${PRICE_CELLS} />
    <//>`;
}

const PRICE_CELLS = {
  list_price: (row) => html`${number(row.list_price)} <small>${term(componentOf(row.component_code).price_unit)}</small>`,
  contract_price: (row) =>
    html`${number(row.contract_price)} <small>${term(componentOf(row.component_code).price_unit)}</small>`,
  discount: (row) => row.discount ?? t("agreed_price"),
};

function ByCaller({ bill, before }) {
  const callers = (of) => grouped(of, (row) => row.operate_uin);
  const total = sumBy(bill.callers, "real_cost");
  const earlier = new Map(
    callers(before?.callers ?? []).map((rows) => [rows[0].operate_uin, sumBy(rows, "real_cost")]),
  );
  const rows = callers(bill.callers)
    .map((of) => {
      const real_cost = sumBy(of, "real_cost");
      const { operate_uin } = of[0];
      return {
        operate_uin,
        account_name: bill.nameOf(operate_uin),
        calls: sumBy(of, "calls"),
        list_cost: sumBy(of, "list_cost"),
        real_cost,
        share: percent(real_cost, total),
        change_amount: before?.adjustment
          ? difference(real_cost, earlier.get(operate_uin) ?? "0.00000000")
          : null,
      };
    })
    .sort((a, b) => compareDecimals(b.real_cost, a.real_cost));
  const columns = ["operate_uin", "calls", "list_cost", "real_cost", "share"];
  if (before?.adjustment) columns.push("change_amount");
  return html`
    <${Fold} name="by-caller" title=${t("by_caller")}>
    <p>${t("most_was_spent_by", {
      caller: html`<${Account} owner=${rows[0].operate_uin} name=${rows[0].account_name} />`,
      cost: html`<${Money} value=${rows[0].real_cost} />`,
      share: rows[0].share ?? "–",
    })}</p>
    <${Table} name="callers" label=${t("by_caller")} columns=${columns} rows=${rows}
      totals=${["calls", "list_cost", "real_cost"]}
      cells=${{ operate_uin: (row) => html`<${Account} owner=${row.operate_uin} name=${row.account_name} />` }} />
    <${Fold} level="3" open=${false} name="regions" title=${t("by_caller_and_region")}>
      <${Table} name="regions" label=${t("by_caller_and_region")} rows=${bill.callers}
        columns=${["operate_uin", "region", "component_name", "calls", "list_cost", "real_cost"]}
        totals=${["calls", "list_cost", "real_cost"]} />
      <p>${t("shares_are_exact")}</p>
      <${Source} mart="cost_allocation" where=${ofBill(bill)} />
    <//>
    <//>`;
}

const ofBill = ({ owner, month }) => `owner_uin = ${quoted(owner)} and bill_month = date '${month}-01'`;

// ---- Beside the month before.

function Compared({ bill, before }) {
  if (!before?.adjustment) return null;
  const [now, then] = [figuresOf(bill), figuresOf(before)];
  const rows = Object.keys(now).map((name) => ({
    figure: term(name),
    before_value: then[name],
    this_value: now[name],
    change_value: difference(now[name], then[name]),
  }));
  return html`
    <${Fold} name="compared" title=${t("beside_the_month_before", { month: monthName(before.month) })}>
      <${Table} name="compared" label=${t("beside_the_month_before", { month: monthName(before.month) })}
        columns=${["figure", "before_value", "this_value", "change_value"]} rows=${rows} />
    <//>`;
}

// ---- Lines, by type, folded.

function Lines({ bill, values, change }) {
  const { from = "", to = "", product = "", mode = "", type = "" } = values;
  const { lines } = bill;
  const rows = useMemo(
    () =>
      lines.filter(
        (row) =>
          (!from || row.usage_date >= from) &&
          (!to || row.usage_date <= to) &&
          (!product || componentOf(row.component_code).product_code === product) &&
          (!mode || mode === "postpay") &&
          (!type || row.line_type === type),
      ),
    [lines, from, to, product, mode, type],
  );
  const isFiltered = Boolean(from || to || product || mode || type);
  const products = choicesOf(
    lines.map((row) => componentOf(row.component_code)),
    "product_code",
    (row) => row.product_name,
  );
  const day = (label, key, value) => html`
    <label><span>${label}</span>
      <input type="date" value=${value} onInput=${(event) => change({ [key]: event.target.value })} />
    </label>`;
  return html`
    <${Fold} open=${false} level="3" name="filter" title=${t("filter")}>
      <form class="filters" aria-label=${t("filter")} onSubmit=${(event) => event.preventDefault()}>
        ${day(t("used_from"), "from", from)} ${day(t("used_to"), "to", to)}
        <${Choice} label=${term("product_name")} value=${product} options=${products}
          onChange=${(code) => change({ product: code })} />
        <${Choice} label=${term("billing_mode")} value=${mode} options=${billingModes()}
          onChange=${(code) => change({ mode: code })} />
        <${Choice} label=${term("line_type")} value=${type}
          options=${choicesOf(lines, "line_type", (row) => term(row.line_type))}
          onChange=${(code) => change({ type: code })} />
      </form>
    <//>
    ${LINE_TYPES.map((name) => [name, rows.filter((row) => row.line_type === name)])
      .filter(([, of]) => of.length > 0)
      .map(
        ([name, of]) => html`
          <${Fold} key=${`${name} ${isFiltered}`} level="3" name=${`lines-${name}`} open=${isFiltered}
              title=${term(name)}
              note=${t("lines_and_cost", {
                lines: number(String(of.length)),
                calls: number(sumBy(of, "calls")),
                cost: number(sumBy(of, "real_cost")),
              })}>
            <p>${inLanguage(facts.terms[name], 2)}${t("full_stop")}</p>
            <${Table} name=${`lines-${name}`} label=${term(name)} columns=${columnsOf(of)} rows=${of}
              totals=${["calls", "list_cost", "real_cost"]}
              cells=${{
                ...PRICE_CELLS,
                stands: standsFor,
                line_id: (row) => html`<code class="id">${row.line_id}</code>`,
              }} />
          <//>`,
      )}
    ${rows.length === 0 ? html`<p>${t("none")}</p>` : null}
    <p class="soft no-print">${t("lines_never_change")}</p>
    <${Source} mart="bill_lines" where=${ofBill(bill)} />`;
}

// ---- The page.

/** Asks which bill, if the address does not say. */
function Which({ owner, month }) {
  const open = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    window.location.hash = fragment({ owner: form.get("owner").trim(), month: form.get("month") });
  };
  return html`
    <h1>${t("which_bill")}</h1>
    <form class="filters" aria-label=${t("which_bill")} onSubmit=${open}>
      <label><span>${term("owner_uin")}</span>
        <input type="search" name="owner" required value=${owner || facts.customer || ""} placeholder=${t("its_number")} />
      </label>
      <label><span>${term("bill_month")}</span>
        <select name="month">${facts.months.map(
          (one) => html`<option value=${one} selected=${one === month}>${one}</option>`,
        )}</select>
      </label>
      <button type="submit">${t("show")}</button>
    </form>
    ${facts.customer === null
      ? html`<p><a href="accounts.html">${t("all_accounts")}</a> · <a href="bills.html">${t("all_bills")}</a></p>`
      : null}`;
}

function Months({ owner, month, account }) {
  const known = new Set([
    ...(account?.months ?? []).map((row) => row.bill_month.slice(0, 7)),
    ...(account?.used ?? []).map((row) => row.usage_month.slice(0, 7)),
  ]);
  const months = facts.months.filter((one) => known.has(one));
  const earlier = months.find((one) => one < month);
  const later = months.findLast((one) => one > month);
  return html`
    <p class="paging no-print">
      ${earlier ? html`<${BillLink} owner=${owner} month=${earlier}>← ${monthName(earlier)}<//>` : null}
      ${later ? html`<${BillLink} owner=${owner} month=${later}>${monthName(later)} →<//>` : null}
      <button type="button" onClick=${() => window.print()}>${t("print")}</button>
    </p>`;
}

/** Whether the vendor's bill for the month agrees with ours, if there is one. */
function VendorBill({ owner, month, reconciled }) {
  if (!reconciled) return null;
  const link = (text) => html`<a href=${address("reconciliation", { owner, month })}>${t(text)}</a>`;
  const cost = sumBy(reconciled, "cost_difference");
  return html`
    <p id="vendor-bill">${reconciled.every((row) => row.category === "none")
      ? t("vendor_bill_agrees", { link: link("see_what") })
      : t("vendor_bill_differs", {
          cost: html`<b><${Money} name="vendor_difference" value=${cost} signed /></b>`,
          link: link("see_why"),
        })}</p>`;
}

function Bill() {
  const [values, change] = useAddress();
  const { owner = "", month = "" } = values;
  const isAsked = Boolean(owner) && isMonth(month);
  const previous = isAsked ? monthBefore(month) : "";
  const account = useLoaded(async () => (owner ? loadAccount("accounts", owner) : null), [owner]);
  const tables = useLoaded(async () => (isAsked ? loadAccount(month, owner) : null), [owner, month]);
  const tablesBefore = useLoaded(
    async () => (isAsked ? loadAccount(previous, owner) : null),
    [owner, previous],
  );
  const vendors = useLoaded(
    async () => (isAsked ? loadAccount(`reconciled-${month}`, owner) : null),
    [owner, month],
  );
  useTitle(isAsked ? t("bill_of", { month: monthName(month), owner }) : t("which_bill"));
  if (!isAsked) return html`<${Which} owner=${owner} month=${month} />`;
  const heading = html`
    <h1>${t("bill_for", { month: monthName(month) })}</h1>`;
  if ([account, tables, tablesBefore, vendors].includes(undefined)) return html`${heading}<p>${t("loading")}</p>`;
  const months = html`<${Months} owner=${owner} month=${month} account=${account} />`;
  if (account === null)
    return html`${heading}<p id="nothing">${t("no_such_account", { owner: html`<b class="uin">${owner}</b>` })}</p>
      <${Which} owner=${owner} month=${month} />`;
  if (tables === null)
    return html`${heading}
      <p id="nothing">${t("no_bill_and_no_calls", {
        owner: html`<${AccountLink} owner=${owner} />`,
        month: monthName(month),
      })}</p>${months}`;
  const bill = billOf(owner, month, tables, account);
  const before = tablesBefore === null ? null : billOf(owner, previous, tablesBefore, account);
  if (bill.adjustment === null)
    return html`${heading}
      <p><${AccountLink} owner=${owner} name=${bill.name} /></p>
      ${months}
      <p id="nothing">${t("nothing_charged", { month: monthName(month) })}</p>
      <${ByDay} bill=${bill} />`;
  return html`
    ${heading}
    <${Head} bill=${bill} before=${before} />
    ${months}
    <${VendorBill} owner=${owner} month=${month} reconciled=${vendors?.reconciled} />
    <h2>${t("how_it_comes_about")}</h2>
    <${Steps} bill=${bill} />
    <${Adjustment} bill=${bill} />
    <${Compared} bill=${bill} before=${before} />
    <${ByCaller} bill=${bill} before=${before} />
    <${ByPrice} bill=${bill} />
    ${bill.usage.length > 0
      ? html`<${ByDay} bill=${bill} />`
      : html`<h2>${t("by_day")}</h2><p>${t("no_calls_in", { month: monthName(month) })}</p><${Calls} bill=${bill} />`}
    <h2>${t("bill_lines")}</h2>
    <${Lines} bill=${bill} values=${values} change=${change} />
    <${Fold} open=${false} name="settlements" title=${t("settlements")}
        note=${t("settlements_note", { number: number(String(bill.settlements.length)) })}>
      <${Table} name="settlements" label=${t("settlements")} columns=${SETTLEMENTS}
        rows=${bill.settlements} totals=${["rated_amount", "deducted_amount", "residual_amount"]} />
      <${Source} mart="settlements" where=${ofBill(bill)} />
    <//>
    <section class="no-print"><h2>${t("the_account_now")}</h2>
    <${Standing} status=${account.status[0]} notice=${account.notice[0]} last=${account.entries[0]} /></section>`;
}

show(Bill);
