"use strict";
// A simulation: the bills that would have been beside those that were.

const BILLS = [
  ...["bill_month", "owner_uin", "product_name", "calls", "simulated_calls", "rated_amount"],
  ...["simulated_rated_amount", "deducted_amount", "simulated_deducted_amount", "difference"],
];
const MONTHS_SHOWN = BILLS.filter((column) => !["owner_uin", "product_name"].includes(column));
const ADDED = MONTHS_SHOWN.filter((column) => column !== "bill_month");
// What changes comes first: the other columns may need more room than there is.
const LINES = [
  ...["usage_date", "owner_uin", "component_name", "line_type", "difference", "calls"],
  ...["simulated_calls", "contract_price", "simulated_contract_price", "real_cost"],
  ...["simulated_real_cost", "settled_on"],
];

function Cards() {
  const [deducted, simulated, difference] = [
    "deducted_amount", "simulated_deducted_amount", "difference",
  ].map((column) => sumBy(tables.months, column)); // prettier-ignore
  const cards = [
    ["deducted_amount", deducted],
    ["simulated_deducted_amount", simulated],
    ["difference", difference],
  ];
  return html`
    <ul class="cards">
      ${cards.map(
        ([name, value]) => html`
          <li><span class="label"><${Term} name=${name} /></span>
            <b><${Money} name=${name} value=${value} signed=${name === "difference"} /></b></li>`,
      )}
    </ul>`;
}

const List = ({ remarks }) =>
  html`<ul>${remarks.map(({ key, values }) => html`<li>${t(`remark_${key}`, values)}</li>`)}</ul>`;

/** That a table is cut, if it is. */
function Cut({ rows, all }) {
  if (BigInt(all) === BigInt(rows.length)) return null;
  return html`<p class="warning">${t("simulation_is_cut", {
    first: number(String(rows.length)),
    all: number(all),
  })}</p>`;
}

function Simulation() {
  useTitle(t("simulation"));
  const [counts] = tables.counts;
  return html`
    <h1>${t("simulation_of", { first: facts.first, through: facts.through })}</h1>
    <p>${t("simulation_about")}</p>
    <h2>${t("simulation_asked")}</h2>
    <${List} remarks=${facts.asked} />
    ${facts.rejects.length
      ? html`
          <p class="warning">${t("simulation_rejects", { lines: facts.rejects.length })}</p>
          <${Table} name="rejects" label=${t("rejected")} columns=${["name", "line", "reason", "detail"]}
            rows=${facts.rejects} />`
      : null}
    ${facts.notes.length
      ? html`<div class="warning"><${List} remarks=${facts.notes} /></div>`
      : null}
    <${Cards} />
    <h2 id="months">${t("bills_by_month")}</h2>
    <${Table} name="months" label=${t("bills_by_month")} columns=${MONTHS_SHOWN} rows=${tables.months}
      totals=${ADDED} />
    <h2 id="bills">${t("bills")}</h2>
    <${Cut} rows=${tables.bills} all=${counts.bills} />
    <${Table} name="bills" label=${t("bills")} columns=${BILLS} rows=${tables.bills} totals=${ADDED}
      cells=${{
        owner_uin: (row) => html`<${Account} owner=${row.owner_uin} name=${row.account_name} />`,
      }} />
    <h2 id="lines">${t("simulation_lines")}</h2>
    <p>${t("simulation_lines_about", { lines: number(counts.lines), all: number(counts.all_lines) })}</p>
    <${Cut} rows=${tables.lines} all=${counts.lines} />
    <${Table} name="lines" label=${t("simulation_lines")} columns=${LINES} rows=${tables.lines}
      totals=${["difference"]}
      cells=${{
        owner_uin: (row) => html`<${Account} owner=${row.owner_uin} />`,
        line_type: (row) => html`<${Badge} value=${row.line_type} />`,
      }} />
    ${tables.unrated.length
      ? html`
          <h2 id="unrated">${t("simulation_unrated")}</h2>
          <${Table} name="unrated" label=${t("simulation_unrated")} rows=${tables.unrated}
            columns=${["component_name", "calls", "simulated_calls"]} />`
      : null}
    <h2>${t("simulation_left_out")}</h2>
    <${List} remarks=${facts.leftOut} />`;
}

show(Simulation);
