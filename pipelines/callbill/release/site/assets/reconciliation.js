"use strict";
// The vendor's own bills beside ours: which there are, and for one what agrees, what differs and why.

const BILLS = [
  ...["owner_uin", "result", "causes", "compared", "differing", "our_cost", "vendor_cost"],
  ...["cost_difference", "unexplained_difference"],
];
const DIFFERENCES = [
  ...["usage_date", "component_name", "category", "cost_difference", "our_calls"],
  ...["vendor_calls", "our_price", "vendor_price", "our_cost", "vendor_cost"],
];
const AGREEING = ["usage_date", "component_name", "our_calls", "our_price", "our_cost"];
const ADDED = ["our_calls", "vendor_calls", "our_cost", "vendor_cost", "cost_difference"];
// The causes, in the order in which they lead from our bill to the vendor's.
const CAUSES = [
  ...["missing_here", "missing_there", "volume", "package", "price", "rounding", "period"],
  "unexplained",
];

const causesOf = (row) => row.category.split("+");

/** A row with our side named as such: on this page there are two sides. */
const named = (row) => ({
  ...row,
  our_calls: row.calls,
  our_price: row.contract_price,
  our_cost: row.real_cost,
  component_name: componentName(row.component_code),
});

/** What our side of a comparison is: the vendor's bill shows a precision adjustment, or it does not. */
const baseOf = (rows) => (rows.some(isAdjustment) ? "base_adjusted" : "base_lines");

function Causes({ names }) {
  return html`${names.map((name, at) => html`${at > 0 ? " " : ""}<${Badge} value=${name} kind=${name === "unexplained" ? "error" : "care"} />`)}`;
}

function resultOf(row) {
  if (row.differing === "0") return "agrees";
  return compareDecimals(row.unexplained_difference, "0") === 0 && !(row.causes ?? "").includes("unexplained")
    ? "differs"
    : "unexplained";
}

function Result({ of }) {
  const kind = { agrees: "good", differs: "care", unexplained: "error" }[of];
  return html`<span class="badge ${kind}" data-state="result">${t(of === "unexplained" ? "has_unexplained" : of)}</span>`;
}

// ---- All of the vendor's bills.

async function loadBills(month, text, whole) {
  const folder = `reconciled-${month}`;
  const { rows, isWhole } = await loadList(folder, "reconciled_bills", { text, whole });
  const names = await namesOf(rows.map((row) => row.owner_uin));
  return {
    isWhole,
    rows: rows.map((row) => ({
      ...row,
      bill_month: month,
      our_cost: row.real_cost,
      account_name: names.get(row.owner_uin) ?? null,
      result: resultOf(row),
    })),
  };
}

function Bills({ values, change }) {
  const [whole, setWhole] = useState(false);
  const month = facts.reconciled.includes(values.month) ? values.month : facts.reconciled[0];
  const { state = "", account = "" } = values;
  const isAll = whole || state !== "";
  const text = isLong(`reconciled-${month}`) && !isAll ? account.trim() : "";
  const all = useLoaded(() => loadBills(month, text, isAll), [month, text, isAll]);
  const rows = useMemo(
    () =>
      (all?.rows ?? []).filter(
        (row) =>
          isAbout(row, account) &&
          (!state || row.result === "unexplained" || (state === "differs" && row.result === "differs")),
      ),
    [all, state, account],
  );
  useTitle(t("reconciliation"));
  return html`
    <h1>${t("reconciliation")}</h1>
    <p>${t("reconciliation_about")} ${t("our_cost_is")}</p>
    <form class="filters" aria-label=${t("filter")} onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label=${term("bill_month")} value=${month} options=${facts.reconciled.map((one) => [one, one])}
        onChange=${(chosen) => change({ month: chosen })} />
      <${Choice} label=${term("result")} value=${state}
        options=${[["", t("all")], ["differs", t("only_differing")], ["unexplained", t("only_unexplained")]]}
        onChange=${(chosen) => change({ state: chosen })} />
      <label><span>${term("owner_uin")}</span>
        <input type="search" value=${account} placeholder=${t("number_or_name")}
          onInput=${(event) => change({ account: event.target.value })} />
      </label>
    </form>
    ${all === undefined
      ? html`<p>${t("loading")}</p>`
      : html`
          ${all.isWhole || isAll ? null : html`<p class="warning">${t("list_is_cut")} <button type="button"
            onClick=${() => setWhole(true)}>${t("load_all")}</button></p>`}
          <${Table} name="reconciled" label=${t("reconciliation")} columns=${BILLS} rows=${rows}
            totals=${all.isWhole || isAll ? ["our_cost", "vendor_cost", "cost_difference", "unexplained_difference"] : []}
            cells=${{
              owner_uin: (row) => html`
                <a href=${address("reconciliation", { owner: row.owner_uin, month })}
                  ><${Account} owner=${row.owner_uin} name=${row.account_name} /></a>`,
              result: (row) => html`<${Result} of=${row.result} />`,
              causes: (row) => row.causes && html`<${Causes} names=${CAUSES.filter((name) => row.causes.split("+").includes(name))} />`,
            }} />
          <${Source} mart="reconciliation" where=${`bill_month = date '${month}-01'`} />`}`;
}

// ---- One of them.

/** How much of the difference each cause makes, as `callbill reconcile` adds it up. */
function partsOf(rows) {
  const of = (cause, column) => sumBy(rows.filter((row) => causesOf(row).includes(cause)), column);
  const volume = (row) => !causesOf(row).includes("package");
  return {
    missing_here: of("missing_here", "missing_difference"),
    missing_there: of("missing_there", "missing_difference"),
    volume: sumBy(rows.filter(volume), "volume_difference"),
    package: of("package", "volume_difference"),
    price: sumBy(rows, "price_difference"),
    rounding: sumBy(rows, "rounding_difference"),
    period: sumBy(rows, "period_difference"),
    unexplained: sumBy(rows, "unexplained_difference"),
  };
}

function Steps({ rows }) {
  const parts = partsOf(rows);
  const about = (name) => inLanguage(facts.terms[name], 2);
  const [adjustments, lines] = [rows.filter(isAdjustment), rows.filter((row) => !isAdjustment(row))];
  const hasAdjustment = adjustments.length > 0;
  const ours = t(hasAdjustment ? "step_ours_adjusted" : "step_ours_lines", {
    lines: number(sumBy(lines, "real_cost")),
    adjustment: number(sumBy(adjustments, "real_cost"), { signed: true }),
  });
  const steps = [
    ["ours", "real_cost", t("ours"), ours, sumBy(rows, "real_cost")],
    ...CAUSES.filter((name) => compareDecimals(parts[name], "0") !== 0).map((name) => [
      name, "", html`<${Badge} value=${name} kind=${name === "unexplained" ? "error" : "care"} />`, about(name), parts[name],
    ]),
    ["theirs", "deducted_amount", t("theirs"), t(hasAdjustment ? "step_theirs_adjusted" : "step_theirs_lines"), sumBy(rows, "vendor_cost")],
  ];
  return html`
    <table class="steps" aria-label=${t("from_ours_to_theirs")}>
      <tbody>
        ${steps.map(
          ([name, style, title, text, value], at) => html`
            <tr class=${style}>
              <th scope="row">${title}<small>${text}</small></th>
              <td class="number"><${Figure} name=${`part-${name}`} value=${value}
                signed=${at > 0 && at < steps.length - 1} /></td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

function NotCompared({ about }) {
  const sentences = [];
  if (about && about.corrected_lines !== "0")
    sentences.push(t("vendor_corrected", { cost: number(about.corrected_cost), lines: number(about.corrected_lines) }));
  if (about && about.other_lines !== "0")
    sentences.push(t("lines_of_other_products", { lines: number(about.other_lines) }));
  if (about && compareDecimals(about.settled_since, "0") !== 0)
    sentences.push(t("settled_since_then", { cost: number(about.settled_since) }));
  if (sentences.length === 0) return null;
  return html`<h2>${t("not_compared")}</h2><ul id="not-compared">${sentences.map((text) => html`<li>${text}</li>`)}</ul>`;
}

/** The first of some months of which an account has a bill of the vendor's. */
async function firstBilled(owner, months) {
  for (const month of months)
    if ((await loadAccount(`reconciled-${month}`, owner)) !== null) return month;
  return null;
}

/** Earlier and later months, and the ways to our bill and to all of them. */
function Ways({ owner, month }) {
  const others = useLoaded(
    async () => [
      await firstBilled(owner, facts.reconciled.filter((one) => one < month)),
      await firstBilled(owner, facts.reconciled.filter((one) => one > month).toReversed()),
    ],
    [owner, month],
  );
  const [earlier, later] = others ?? [null, null];
  const link = (to, text) => html`<a href=${address("reconciliation", { owner, month: to })}>${text}</a>`;
  return html`
    <p class="paging no-print">
      ${earlier ? link(earlier, `← ${monthName(earlier)}`) : null}
      ${later ? link(later, `${monthName(later)} →`) : null}
      <${BillLink} owner=${owner} month=${month}>${t("bill_here")}<//>
      ${facts.customer === null ? html`<a href=${address("reconciliation", { month })}>${t("all_reconciled")}</a>` : null}
    </p>`;
}

function VendorBill({ owner, month }) {
  const found = useLoaded(() => loadAccount(`reconciled-${month}`, owner), [owner, month]);
  const names = useLoaded(() => namesOf([owner]), [owner]);
  const name = names?.get(owner) ?? null;
  useTitle(t("reconciliation_of", { owner, month: monthName(month) }));
  const heading = html`<h1>${t("reconciliation_for", { month: monthName(month) })}</h1>`;
  if ([found, names].includes(undefined)) return html`${heading}<p>${t("loading")}</p>`;
  const ways = html`<${Ways} owner=${owner} month=${month} />`;
  if (found === null)
    return html`${heading}
      <p id="nothing">${t("no_vendor_bill_of", {
        owner: html`<${AccountLink} owner=${owner} name=${name} />`,
        month: monthName(month),
      })}</p>${ways}`;
  const rows = found.reconciled.map(named);
  const differing = rows.filter((row) => row.category !== "none");
  const agreeing = rows.filter((row) => row.category === "none");
  const causes = CAUSES.filter((cause) => differing.some((row) => causesOf(row).includes(cause)));
  const about = found.vendor_bill[0];
  const result = differing.length === 0 ? "agrees" : causes.includes("unexplained") ? "unexplained" : "differs";
  const counts = {
    compared: number(String(rows.length)),
    agreeing: number(String(agreeing.length)),
    differing: number(String(differing.length)),
  };
  return html`
    ${heading}
    <section class="head" aria-label=${term("cost_difference")}>
      <div class="due">
        <p class="label">${t("vendors_less_ours")}</p>
        <p class="big"><${Money} name="cost_difference" value=${sumBy(rows, "cost_difference")} signed /></p>
        <p><${Result} of=${result} />${result === "differs" ? html` <span class="soft">${t("explained")}</span>` : null}</p>
        <p class="soft" id="counts">${t(differing.length ? "how_many_agree" : "all_agree", counts)}</p>
      </div>
      <dl class="facts">
        <div><dt>${t("recipient")}</dt><dd><${AccountLink} owner=${owner} name=${name} /></dd></div>
        <div><dt>${term("bill_month")}</dt><dd><${BillLink} owner=${owner} month=${month}>${month}<//></dd></div>
        <div><dt>${t("what_is_compared")}</dt><dd id="base">${t(baseOf(rows))}</dd></div>
        <div><dt>${t("ours")}</dt><dd><${Money} name="real_cost" value=${sumBy(rows, "real_cost")} /></dd></div>
        <div><dt>${t("theirs")}</dt><dd><${Money} name="vendor_cost" value=${sumBy(rows, "vendor_cost")} /></dd></div>
        <div><dt>${t("known_since")}</dt><dd>${about?.arrived_on ?? "–"}</dd></div>
      </dl>
    </section>
    ${ways}
    ${differing.length > 0
      ? html`
          <h2>${t("from_ours_to_theirs")}</h2>
          <${Steps} rows=${rows} />
          <${Fold} name="differences" title=${t("what_differs")}
              note=${t("rows_and_cost", { rows: counts.differing, cost: number(sumBy(differing, "cost_difference"), { signed: true }) })}>
          <${Table} name="differences" label=${t("what_differs")} columns=${DIFFERENCES} rows=${differing}
            totals=${ADDED} cells=${{ category: (row) => html`<${Causes} names=${causesOf(row)} />` }} />
          <${Source} mart="reconciliation" where=${`owner_uin = ${quoted(owner)} and bill_month = date '${month}-01'`} />
          <p class="no-print">${t("letter_command", {
            command: html`<code>callbill reconcile --bill FILE --format letter</code>`,
          })}</p>
          <//>`
      : null}
    ${agreeing.length > 0
      ? html`
          <${Fold} name="agreeing" open=${differing.length === 0} title=${t("what_agrees")}
              note=${t("rows_and_cost", { rows: counts.agreeing, cost: number(sumBy(agreeing, "our_cost")) })}>
            <${Table} name="agreeing" label=${t("what_agrees")} columns=${AGREEING} rows=${agreeing}
              totals=${["our_calls", "our_cost"]} />
          <//>`
      : null}
    <${NotCompared} about=${about} />`;
}

function NoBills() {
  useTitle(t("reconciliation"));
  return html`
    <h1>${t("reconciliation")}</h1>
    <p>${t("reconciliation_about")}</p>
    <p id="nothing">${t("no_vendor_bill", {
      folder: html`<code>vendor_bills</code>`,
      command: html`<code>callbill reconcile --bill FILE</code>`,
    })}</p>`;
}

function Reconciliation() {
  const [values, change] = useAddress();
  const { owner = facts.customer ?? "" } = values;
  if (facts.reconciled.length === 0) return html`<${NoBills} />`;
  const month = isMonth(values.month) ? values.month : facts.reconciled[0];
  return owner
    ? html`<${VendorBill} owner=${owner} month=${month} />`
    : html`<${Bills} values=${values} change=${change} />`;
}

show(Reconciliation);
