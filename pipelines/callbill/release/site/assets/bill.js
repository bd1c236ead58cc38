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

/** Lines in the order of their dates; what a re-rating takes back before what it charges again. */
function inOrder(a, b) {
  const key = (row) => [row.settled_on, row.usage_date, row.line_type, row.component_code].join(" ");
  const isCharged = (row) => Number(!row.calls.startsWith("-"));
  if (key(a) !== key(b)) return key(a) < key(b) ? -1 : 1;
  return isCharged(a) - isCharged(b) || (a.line_id < b.line_id ? -1 : 1);
}

/** A bill's tables with names, and the sums that several parts show. */
function billOf(owner, month, tables, account) {
  const named = (row) => ({
    ...row,
    component_name: row.component_code ? componentName(row.component_code) : null,
  });
  const names = new Map((account?.names ?? []).map((row) => [row.account_uin, row.account_name]));
  return {
    owner,
    month,
    name: names.get(owner) ?? null,
    nameOf: (uin) => names.get(uin) ?? null,
    lines: tables.lines.map(named).sort(inOrder),
    settlements: tables.settlements.map((row) => ({
      ...row,
      product_name: productName(row.product_code),
    })),
    callers: tables.callers.map(named),
    usage: tables.usage.map(named),
    adjustment: tables.adjustment[0] ?? null,
    later: tables.later,
    account,
  };
}

/** The figures of a bill from list price to deduction. A discount is negative: so they add up. */
function figuresOf(bill) {
  const { rated_amount, adjustment_amount, deducted_amount } = bill.adjustment;
  const list_cost = sumBy(bill.lines, "list_cost");
  return {
    calls_of_month: sumBy(bill.usage, "calls_billed"),
    calls: sumBy(bill.lines, "calls"),
    list_cost,
    discount_amount: difference(rated_amount, list_cost),
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

/** What is charged, and what is known of its payment: the state of the badge, in a sentence. */
function Charged({ bill, isFinal, payment }) {
  const values = { month: monthName(bill.month) };
  if (payment === "paid") return t(isFinal ? "charged_paid" : "charged_paid_so_far", values);
  const due = bill.account?.notice[0]?.amount_due ?? "0";
  // As much is due as was ever deducted: nothing is paid.
  const isPartly =
    payment === "arrears" && compareDecimals(due, sumBy(bill.account.months, "deducted_amount")) < 0;
  if (isPartly)
    return t(isFinal ? "charged_due" : "charged_due_so_far", { ...values, due: html`<${Money} value=${due} />` });
  return html`${t(isFinal ? "owed" : "owed_so_far", values)}${payment === null ? html` ${t("payment_unknown")}` : null}`;
}

/** What made a bill more or less than that of the month before: up to three parts, which add up to
 *  it. If it is one alone, that is the cause. */
function ChangeOf({ bill, before }) {
  const [now, then] = [figuresOf(bill), figuresOf(before)];
  const parts = [
    ["list_cost", "change-calls", "change_by_calls", "changed_by_calls"],
    ["discount_amount", "change-discount", "change_by_discount", "changed_by_discount"],
    ["adjustment_amount", "change-adjustment", "change_by_adjustment", "changed_by_adjustment"],
  ]
    .map(([column, ...names]) => [difference(now[column], then[column]), ...names])
    .filter(([value]) => !isZero(value))
    .map(([value, name, part, cause]) => [
      t(part, { value: html`<b><${Figure} name=${name} value=${value} signed /></b>` }),
      cause,
    ]);
  const counts = (column) => ({ before: number(then[column]), now: number(now[column]) });
  return html`<span id="made-of">${parts.length === 1
    ? t(parts[0][1], { part: parts[0][0] })
    : t("made_of_changes", { parts: parts.map(([part], at) => html`${at ? t("comma") : ""}${part}`) })
  }</span> <span id="calls-changed">${t("calls_changed", {
    bill: t("from_to_count", counts("calls")),
    made: t("from_to_count", counts("calls_of_month")),
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
            : null}
        </p>
        <p id="owed"><${Charged} bill=${bill} isFinal=${isFinal} payment=${payment} /></p>
        <${Why} bill=${bill} />
        ${change === null
          ? null
          : html`<p class="soft" id="compared">${t(
              direction === 0 ? "same_as_before" : direction > 0 ? "more_than_before" : "less_than_before",
              {
                change: html`<${Money} value=${change.replace("-", "")} />`,
                month: html`<${BillLink} owner=${owner} month=${before.month}>${monthName(before.month)}<//>`,
                earlier: html`<${Money} value=${earlier} />`,
              },
            )} ${isFinal ? null : html`<span id="days-settled">${t("days_settled", {
              settled: String(days.filter((day) => day <= facts.through).length),
              days: String(days.length),
            })}</span> `}${direction === 0 ? null : html`<${ChangeOf} bill=${bill} before=${before} />`}</p>`}
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

/** The lines behind a row of the bill, added up. */
const sumsOf = (lines) => {
  const [list_cost, real_cost] = [sumBy(lines, "list_cost"), sumBy(lines, "real_cost")];
  return {
    lines,
    calls: sumBy(lines, "calls"),
    list_cost,
    discount_amount: difference(real_cost, list_cost),
    real_cost,
  };
};

const isZero = (text) => compareDecimals(text, "0") === 0;
const priceKey = (row) =>
  [row.component_code, row.list_price, row.discount, row.contract_price, row.stands].join(" ");
const byDay = (a, b) => (a.lines[0].usage_date < b.lines[0].usage_date ? -1 : 1);
const daysOfLines = (lines) => daysName(lines.map((row) => row.usage_date));

/** Of re-rated lines the calls of each day by price, those that are taken back first. */
function movesOf(lines) {
  return grouped(lines, (row) => `${row.component_code} ${row.usage_date}`).map((of) => {
    const moved = grouped(of, priceKey)
      .map(sumsOf)
      .filter((sums) => sums.calls !== "0");
    const side = (sign) => moved.filter(({ calls }) => compareDecimals(calls, "0") === sign);
    return { of, taken: side(-1), charged: side(1) };
  });
}

const pricesOf = (sides) => [...new Set(sides.map(({ lines }) => short(lines[0].contract_price)))].join(", ");
const unitOf = (row) => term(componentOf(row.component_code).price_unit);

/** What the bill is made of, so that a row says calls and price: the calls of the month as they are
 *  priced now, then what became known of calls of earlier months. */
function partsOf({ month, lines }) {
  const isMade = (row) => row.usage_date.startsWith(month);
  const made = grouped(lines.filter(isMade), priceKey).map((of) => ({ kind: "made", ...sumsOf(of) }));
  const later = LINE_TYPES.filter((type) => type !== "rerating").flatMap((type) =>
    grouped(lines.filter((row) => !isMade(row) && row.line_type === type), priceKey).map((of) => ({
      kind: type,
      ...sumsOf(of),
    })),
  );
  // Calls that went from the same old prices to the same new ones are one row.
  const moves = movesOf(lines.filter((row) => !isMade(row) && row.line_type === "rerating"));
  const rerated = grouped(moves, ({ of, taken, charged }) =>
    [of[0].component_code, pricesOf(taken), pricesOf(charged)].join("→"),
  ).map((days) => ({
    kind: "rerating",
    ...sumsOf(days.flatMap(({ of }) => of)),
    moved: sumBy(days.flatMap(({ charged }) => charged), "calls"),
    prices: `${pricesOf(days[0].taken)} → ${pricesOf(days[0].charged)}`,
  }));
  return [...made.toSorted(byDay), ...later, ...rerated].filter(
    ({ calls, moved = "0", list_cost, real_cost }) =>
      calls !== "0" || moved !== "0" || !isZero(list_cost) || !isZero(real_cost),
  );
}

/** How a price comes about, in a few signs. */
function basisOf(row) {
  if (isPackage(row)) return "";
  if (row.discount === null) return t("agreed_price");
  return isZero(difference(row.discount, "1"))
    ? t("at_list_price")
    : `${short(row.list_price)} × ${short(row.discount)}`;
}

const isPackage = (row) => /(^|; )package /.test(row.stands ?? "");

// What a row of the bill says of its calls.
const ABOUT = {
  made: "part_made_about",
  usage: "part_late_usage_about",
  late_usage: "part_late_usage_about",
  rerating: "part_rerating_about",
};

function PartTitle({ part, month, isAlone }) {
  const { kind, lines, moved } = part;
  const calls = callsOf((moved ?? part.calls).replace("-", ""));
  const values = { month: monthName(month), days: daysOfLines(lines), calls };
  const taken = sumBy(lines.filter((row) => row.calls.startsWith("-")), "calls");
  if (kind === "made" && isWaived(lines[0])) return html`${t("part_waived")}<small>${values.days}</small>`;
  const corrected = kind === "made" && taken !== "0"
    ? html`<small data-figure="corrected">${t("part_made_corrected", {
        charged: number(difference(part.calls, taken)),
        taken: number(taken.replace("-", "")),
      })}</small>`
    : null;
  if (kind === "made" && isAlone) return html`${t("part_made", values)}${corrected}`;
  const about = kind !== "correction"
    ? ABOUT[kind]
    : !isWaived(lines[0])
      ? "part_correction_void"
      : part.calls.startsWith("-") ? "part_correction_waived" : "part_correction_not_waived";
  return html`${kind === "made" ? t("part_made", values) : term(kind)}<small>${t(about, values)}</small>${corrected}`;
}

/** From calls and prices to the amount. Rows add up to the cost, and that with the precision
 *  adjustment to what is deducted. */
function Parts({ bill }) {
  const figures = figuresOf(bill);
  const columns = ["calls", "list_cost", "discount_amount", "real_cost"];
  const cells = (part) => columns.map((column) => html`
    <td class="number" data-column=${column} data-value=${part[column]} data-label=${term(column)}
      ><${Figure} value=${part[column]} signed=${SIGNED.has(column)} /></td>`);
  const parts = partsOf(bill);
  const isAlone = parts.filter(({ kind }) => kind === "made").length === 1;
  const wide = (name, about) => html`
    <tr class=${name}>
      <th scope="row" colspan="5"><${Term} name=${name} /><small>${about}</small></th>
      <td class="number" data-column="real_cost" data-value=${figures[name]}><${Figure} name=${`sum-${name}`} value=${figures[name]} signed=${SIGNED.has(name)} /></td>
    </tr>`;
  return html`
    <table id="parts" class="steps parts" aria-label=${t("how_it_comes_about")}>
      <thead><tr>
        <th scope="col">${term("name")}</th>
        <th scope="col" class="number"><${Term} name="contract_price" /></th>
        ${columns.map((column) => html`<th scope="col" class="number"><${Term} name=${column} /></th>`)}
      </tr></thead>
      <tbody>
        ${parts.map((part) => html`
          <tr class="part" data-kind=${part.kind}>
            <th scope="row"><${PartTitle} part=${part} month=${bill.month} isAlone=${isAlone} /></th>
            <td class="number" data-column="contract_price" data-label=${term("contract_price")}>${
              part.kind === "rerating"
                ? part.prices
                : html`<div>${short(part.lines[0].contract_price)} <small>${[basisOf(part.lines[0]), standsFor(part.lines[0])].filter(Boolean).join("; ")}</small></div>`
            }</td>
            ${cells(part)}
          </tr>`)}
        <tr class="rated_amount">
          <th scope="row" colspan="2"><${Term} name="rated_amount" /><small>${t("step_rated")}</small></th>
          ${columns.map((column) => {
            const name = column === "real_cost" ? "rated_amount" : column;
            return html`<td class="number" data-column=${column} data-value=${figures[name]} data-label=${term(column)}
              ><${Figure} name=${`sum-${name}`} value=${figures[name]} signed=${SIGNED.has(name)} /></td>`;
          })}
        </tr>
        ${wide("adjustment_amount", t("step_adjustment"))}
        ${wide("deducted_amount", t("step_deducted"))}
      </tbody>
    </table>`;
}

// ---- Why it is that amount: the prices and their contracts, in sentences.

// More prices than these are in the table alone.
const PRICES_IN_HEAD = 4;

/** A contract for some lines of a month that became known after it: they were charged without it. */
function lateContractOf({ account, month }, lines) {
  const last = lines.map((row) => row.usage_date).sort().at(-1);
  const first = lines.map((row) => row.usage_date).sort()[0];
  return (account?.contracts ?? [])
    .filter(
      (contract) =>
        contract.component_code === lines[0].component_code &&
        contract.known_from.slice(0, 7) > month &&
        contract.effective_from <= last &&
        (contract.effective_to === null ||
          (contract.effective_to > first && contract.effective_to > contract.effective_from)),
    )
    .toSorted((a, b) => (a.known_from < b.known_from ? -1 : 1))[0] ?? null;
}

/** The contract that gives some lines their price, null if there is none or it is not known. */
function contractOf({ account }, [row, ...others]) {
  const first = [row, ...others].map((line) => line.usage_date).sort()[0];
  const isSame = (a, b) => (a === null || b === null ? a === b : compareDecimals(a, b) === 0);
  return (
    (account?.contracts ?? [])
      .filter(
        (contract) =>
          contract.component_code === row.component_code &&
          contract.effective_from <= first &&
          (contract.effective_to === null || contract.effective_to > first) &&
          isSame(contract.discount, row.discount) &&
          (row.discount !== null || isSame(contract.contract_price, row.contract_price)),
      )
      .toSorted((a, b) => (a.effective_from < b.effective_from ? 1 : -1))[0] ?? null
  );
}

/** Whether other calls of the component have another price than the list price. */
const isLowered = (prices, { component_code: component }) =>
  prices.some(
    ([row]) =>
      row.component_code === component &&
      !isPackage(row) &&
      (row.discount === null || !isZero(difference(row.discount, "1"))),
  );

function PriceSentence({ bill, lines, prices }) {
  const [row] = lines;
  const price = html`<b>${short(row.contract_price)} ${unitOf(row)}</b>`;
  if (isPackage(row)) return t("price_of_package", { package: standsFor(row) });
  const at = row.stands ? html`${price} (${standsFor(row)})` : price;
  if (row.discount !== null && isZero(difference(row.discount, "1"))) {
    const late = lateContractOf(bill, lines);
    if (late === null) {
      return isLowered(prices, row)
        ? t("price_is_list_price_for", { price: at, days: daysOfLines(lines) })
        : t("price_is_list_price", { price: at });
    }
    const isRerated = bill.later.some(({ line_type }) => line_type === "rerating");
    return html`${t("price_was_list_price", { price: at })} ${t(
      isRerated ? "contract_known_later_rerated" : "contract_known_later",
      { from: dayName(late.effective_from), known: dayName(late.known_from) },
    )}`;
  }
  const contract = contractOf(bill, lines);
  const until = contract?.effective_to ?? null;
  const by = contract === null
    ? t("by_contract")
    : until === null
      ? t("by_contract_from", { from: dayName(contract.effective_from) })
      : t("by_contract_until", { from: dayName(contract.effective_from), until: dayName(until) });
  const values = { price: at, list: short(row.list_price), by };
  return row.discount === null
    ? t("price_is_agreed", values)
    : t("price_is_discounted", { ...values, factor: short(row.discount) });
}

/** What re-rating did on one settlement date. */
function ReratingSentence({ bill, lines }) {
  const moves = movesOf(lines).filter(({ charged, taken }) => charged.length && taken.length);
  if (moves.length === 0) return null;
  const charged = moves.flatMap((move) => move.charged);
  const isHere = (row) => row.usage_date.startsWith(bill.month);
  const earlier = sumBy(charged.filter((side) => !isHere(side.lines[0])), "calls");
  const here = sumBy(charged.filter((side) => isHere(side.lines[0])), "calls");
  const cost = (of) => html`<span class="figure">${shortSigned(sumBy(of, "real_cost"))}</span>`;
  const split = here === "0"
    ? null
    : earlier === "0"
      ? t("why_rerating_here")
      : t("why_rerating_split", {
          earlier: callsOf(earlier),
          earlier_cost: cost(lines.filter((row) => !isHere(row))),
          here: callsOf(here),
          here_cost: cost(lines.filter(isHere)),
        });
  const isContract = (bill.account?.contracts ?? []).some(
    ({ component_code, known_from }) =>
      known_from === lines[0].settled_on && component_code === lines[0].component_code,
  );
  return html`<li data-why="rerating">${t("why_rerating", {
    settled: dayName(lines[0].settled_on),
    cause: t(isContract ? "contract_became_known" : "price_became_known"),
    calls: callsOf(sumBy(charged, "calls")),
    days: daysOfLines(moves.flatMap(({ of }) => of)),
    old: pricesOf(moves.flatMap((move) => move.taken)),
    new: pricesOf(charged),
    cost: cost(lines),
    split,
  })}${earlier === "0" ? null : html` ${tOf(earlier, "why_rerating_earlier", { calls: number(earlier) })}`}</li>`;
}

function Why({ bill }) {
  const parts = partsOf(bill).filter(({ kind, lines }) => kind !== "rerating" && !isWaived(lines[0]));
  const prices = grouped(parts.flatMap(({ lines }) => lines), priceKey).filter(
    (lines) => compareDecimals(sumBy(lines, "calls"), "0") > 0,
  );
  const rerated = grouped(
    bill.lines.filter((row) => row.line_type === "rerating"),
    (row) => row.settled_on,
  );
  const left = prices.length - PRICES_IN_HEAD;
  return html`
    <ul id="why" aria-label=${t("why")}>
      ${prices.slice(0, PRICES_IN_HEAD).map((lines) => html`
        <li data-why="price"><${PriceSentence} bill=${bill} lines=${lines} prices=${prices} /></li>`)}
      ${left > 0 ? html`<li>${t("more_prices", { prices: number(String(left)) })}</li>` : null}
      ${rerated.map((lines) => html`<${ReratingSentence} bill=${bill} lines=${lines} />`)}
    </ul>`;
}

/** What later bills charge or take back of the calls of this month. */
function Later({ owner, month, later }) {
  if (later.length === 0) return null;
  const part = (row) => t(row.line_type === "rerating" ? "later_rerated" : "later_part", {
    type: term(row.line_type),
    calls: callsOf(row.line_type === "rerating" ? row.calls_charged : row.calls, { signed: row.line_type !== "rerating" }),
    cost: html`<span class="figure">${shortSigned(row.real_cost)}</span>`,
  });
  return html`
    <div id="later">
      <p>${t("later_about", { month: monthName(month) })}</p>
      <ul>${grouped(later, (row) => row.bill_month).map((rows) => html`
        <li><${BillLink} owner=${owner} month=${rows[0].bill_month.slice(0, 7)}>${monthName(rows[0].bill_month.slice(0, 7))}<//>: ${
          rows.map((row, at) => html`${at ? t("semicolon") : ""}${part(row)}`)
        }${rows.length > 1 ? html`${t("semicolon")}${t("later_together", {
          cost: html`<span class="figure">${shortSigned(sumBy(rows, "real_cost"))}</span>`,
        })}` : null}</li>`)}</ul>
    </div>`;
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

/** The calls of a month that this bill charges: a waived call was charged, and is taken back. */
function chargedOf({ month, lines }) {
  const inMonth = lines.filter((row) => row.usage_date.startsWith(month));
  return difference(sumBy(inMonth, "calls"), sumBy(inMonth.filter(isWaived), "calls"));
}

/** The calls of a month that are not on its bill, by what later bills did with them if that is all. */
function elsewhereOf(later, elsewhere) {
  const calls = (type) => difference("0", sumBy(later.filter((row) => row.line_type === type), "calls"));
  const known = [["calls_late_later", calls("late_usage")], ["calls_void_later", calls("correction")]];
  const isAll = compareDecimals(sumOf(known.map(([, count]) => count)), elsewhere) === 0;
  return (isAll ? known : [["calls_on_later_bills", elsewhere]]).filter(([, count]) => count !== "0");
}

/** Why a bill may count other calls than were made in its month, and how one becomes the other. */
function Calls({ bill }) {
  const { month, lines, usage } = bill;
  const inMonth = lines.filter((row) => row.usage_date.startsWith(month));
  const earlier = lines.filter((row) => !row.usage_date.startsWith(month));
  const made = sumBy(usage, "calls_billed");
  // A waived call was made all the same.
  const waived = sumBy(inMonth.filter(isWaived), "calls");
  const elsewhere = difference(chargedOf(bill), made);
  const total = sumBy(lines, "calls");
  const rows = [
    ["calls_of_the_month", made],
    ...(waived === "0" ? [] : [["calls_waived", waived]]),
    ...elsewhereOf(bill.later, elsewhere),
    ...LINE_TYPES.map((type) => [type, sumBy(earlier.filter((row) => row.line_type === type), "calls")])
      .filter(([, calls]) => calls !== "0"),
    ["calls_of_the_bill", total],
  ];
  if (compareDecimals(total, made) === 0 && rows.length === 2)
    return html`<p id="calls">${t("calls_agree", { calls: number(total), month: monthName(month) })}</p>`;
  return html`
    <p id="calls">${t(earlier.length ? "calls_differ" : "calls_differ_within", {
      calls: html`<b>${number(total)}</b>`,
      made: html`<b>${number(made)}</b>`,
      month: monthName(month),
    })}</p>
    <table class="steps calls" aria-label=${t("from_usage_to_bill")}>
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
  const [known, charged] = [sumBy(usage, "calls_billed"), chargedOf(bill)];
  const text = OUTCOMES.map((column) => `${number(sumBy(usage, column))} ${term(column)}`).join(", ");
  const earlier = lines.filter((row) => !row.usage_date.startsWith(month));
  return html`
    <${Fold} name="by-day" title=${t("by_day")} note=${t("made_in_month", { calls: number(sumBy(usage, "calls_billed")) })}>
    <${Bars} id="usage-chart" labels=${days.map((day) => String(Number(day.slice(8))))}
      label=${`${t("calls_by_usage_date", { month: monthName(month) })}: ${text}.`}
      series=${OUTCOMES.map((column) => ({ column, values: rows.map((row) => row[column]) }))}
      axis=${{ title: term("calls"), isCount: true }} />
    ${bill.adjustment === null ? null : html`<${Calls} bill=${bill} />`}
    <${Fold} level="3" open=${false} name="days" title=${t("days_as_a_table")}
        note=${earlier.length ? t("without_earlier_months", { cost: number(sumBy(earlier, "real_cost")) }) : null}>
      <${Table} name="days" label=${t("by_day")} rows=${rows}
        columns=${["usage_date", ...OUTCOMES, "real_cost"]} totals=${[...OUTCOMES, "real_cost"]} />
      ${bill.adjustment === null || known === charged ? null : html`
        <p id="calls-and-cost">${t("calls_and_cost_differ", { known: number(known), charged: callsOf(charged) })}</p>`}
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
    lines,
    first_usage_date: lines.map((row) => row.usage_date).sort()[0],
    last_usage_date: lines.map((row) => row.usage_date).sort().at(-1),
    calls: sumBy(lines, "calls"),
    real_cost: sumBy(lines, "real_cost"),
  }));
  const charged = (row) => row.lines.filter(({ calls }) => !calls.startsWith("-"));
  const taken = (row) => row.lines.filter(({ calls }) => calls.startsWith("-"));
  return html`
    <${Fold} name="by-component" title=${t("by_component")} note=${rows
      .filter((row) => compareDecimals(row.calls, "0") > 0)
      .map((row) => `${short(row.contract_price)} ${unitOf(row)}`)
      .join(" · ")}>
      <${Table} name="prices" label=${t("by_component")} columns=${PRICES} rows=${rows}
        totals=${["calls", "real_cost"]} cells=${{
          ...PRICE_CELLS,
          component_name: (row) => {
            const contract = contractOf(bill, row.lines);
            return html`${row.component_name}${contract === null ? null : html` <small class="contract">${t("contract_number", { number: html`<${ContractNumber} number=${contractNumber(bill.owner, contract)} />` })}</small>`}`;
          },
        }} />
      ${rows.filter((row) => row.calls.startsWith("-")).map((row) => html`
        <p class="taken">${t(taken(row).some(({ line_type }) => line_type === "rerating") ? "taken_by_rerating" : "taken_back", {
          price: short(row.contract_price),
          charged: number(sumBy(charged(row), "calls")),
          taken: number(sumBy(taken(row), "calls").replace("-", "")),
          earlier: number(sumBy(taken(row).filter(({ usage_date }) => !usage_date.startsWith(bill.month)), "calls").replace("-", "")),
          calls: number(row.calls),
        })}</p>`)}
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
    <${Fold} name="by-caller" title=${t("by_caller")} note=${`${rows[0].account_name ?? rows[0].operate_uin} · ${rows[0].share ?? "–"}`}>
    <p>${t("most_was_spent_by", {
      caller: html`<${Account} owner=${rows[0].operate_uin} name=${rows[0].account_name} />`,
      cost: html`<${Money} value=${rows[0].real_cost} />`,
      share: rows[0].share ?? "–",
    })}</p>
    <${Table} name="callers" label=${t("by_caller")} columns=${columns} rows=${rows}
      totals=${["calls", "list_cost", "real_cost"]} sums=${{ share: percent(total, total) }}
      cells=${{ operate_uin: (row) => html`<${Account} owner=${row.operate_uin} name=${row.account_name} />` }} />
    ${before?.adjustment ? html`<p class="soft" id="change-of-callers">${t("change_of_callers", { month: monthName(before.month) })}</p>` : null}
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
    figure: name === "calls" ? t("calls_of_the_bill") : name === "calls_of_month" ? t("calls_made_in_month") : term(name),
    before_value: then[name],
    this_value: now[name],
    change_value: difference(now[name], then[name]),
  }));
  return html`
    <${Fold} name="compared" title=${t("beside_the_month_before", { month: monthName(before.month) })}
        note=${html`<${Money} value=${difference(now.deducted_amount, then.deducted_amount)} signed />`}>
      <${Table} name="compared" label=${t("beside_the_month_before", { month: monthName(before.month) })}
        columns=${["figure", "before_value", "this_value", "change_value"]} rows=${rows} />
      <p class="soft">${t("change_of_figures")}</p>
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
    (row) => productName(row.product_code),
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

const WITHOUT_BILL = {
  calls_billed: "nothing_billed_here",
  calls_failed: "nothing_failed",
  calls_unbilled: "nothing_unbilled",
};

/** That there is no bill, and what became of the calls of the month. */
function Nothing({ bill }) {
  const { month, usage } = bill;
  const counts = ["calls_received", ...OUTCOMES].map((column) => [column, sumBy(usage, column)]);
  const calls = Object.fromEntries(counts);
  const isAll = (column) => calls[column] === calls.calls_received;
  const values = Object.fromEntries(counts.map(([column, count]) => [column, number(count)]));
  const reasons = isAll("calls_failed")
    ? [t("nothing_all_failed")]
    : OUTCOMES.filter((column) => calls[column] !== "0").map((column) =>
        tOf(calls[column], WITHOUT_BILL[column], values),
      );
  // The page of runs says why; a site for one customer has none.
  const isLinked = calls.calls_unbilled !== "0" && facts.customer === null;
  return html`
    <p id="nothing">${t("nothing_charged", { month: monthName(month), calls: values.calls_received })} ${
      reasons.map((reason) => html`${reason} `)
    }${isLinked ? t("reasons_are_in", { link: html`<a href="runs.html#unbilled">${t("runs_and_controls")}</a>` }) : null}</p>`;
}

/** Whether the vendor's bill for the month agrees with ours, if there is one. */
function VendorBill({ owner, month, reconciled }) {
  if (!reconciled) return null;
  const link = (text) => html`<a href=${address("reconciliation", { owner, month })}>${t(text)}</a>`;
  const cost = sumBy(reconciled, "cost_difference");
  const base = t(reconciled.some(isAdjustment) ? "base_adjusted" : "base_lines");
  return html`
    <p id="vendor-bill">${reconciled.every((row) => row.category === "none")
      ? t("vendor_bill_agrees", { base, link: link("see_what") })
      : t("vendor_bill_differs", {
          cost: html`<b><${Money} name="vendor_difference" value=${cost} signed /></b>`,
          base,
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
      <${Nothing} bill=${bill} />
      <${Later} owner=${owner} month=${month} later=${bill.later} />
      <${ByDay} bill=${bill} />`;
  return html`
    ${heading}
    <${Head} bill=${bill} before=${before} />
    ${months}
    <${VendorBill} owner=${owner} month=${month} reconciled=${vendors?.reconciled} />
    <${Later} owner=${owner} month=${month} later=${bill.later} />
    <h2>${t("how_it_comes_about")}</h2>
    <${Parts} bill=${bill} />
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
    <section><h2>${t("the_account_now")}</h2>
    <${Standing} status=${account.status[0]} notice=${account.notice[0]} last=${account.entries[0]} /></section>`;
}

show(Bill);
