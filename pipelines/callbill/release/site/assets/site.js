"use strict";
// What the pages share: the facts of the release, the data beside the pages, decimals, addresses,
// words, tables.

const { html, render, useEffect, useMemo, useState } = window.htmPreact;
const facts = JSON.parse(document.getElementById("facts").textContent);

// The part of the address behind the # is the page's own; this link must not change it.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("content").focus();
});

// ---- Data: scripts, since a page opened from disk may load nothing else.

// Requests by the script's name, each with its promise and what resolves it.
const requests = new Map();
// A script of the data folder calls this with its name and value. Its name is part of the format of
// those scripts (data.py): releases link scripts that earlier ones wrote.
window.callbill = {
  give(name, value) {
    requests.get(name).resolve(value);
  },
};

/** A promise of the value of a script of the data folder. */
function load(name) {
  if (!requests.has(name)) {
    const request = {};
    request.promise = new Promise((resolve) => {
      request.resolve = resolve;
    });
    requests.set(name, request);
    const script = document.createElement("script");
    // With the release's name, or a browser would show what it kept from the release before.
    script.src = `data/${facts.format}/${name}.js?${facts.release}`;
    script.onerror = () =>
      show(() => html`<p class="warning">A file of this release is missing: ${script.src}</p>`);
    document.head.append(script);
  }
  return requests.get(name).promise;
}

/** Rows as objects, by the columns of their kind. */
function rowsOf(kind, rows) {
  const columns = facts.columns[kind];
  return rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at]])));
}

/** The share that an account is in, by the last six bytes of its number; as in data.py. */
function shareOf(owner) {
  const bytes = new TextEncoder().encode(owner).slice(-6);
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0) % facts.shares;
}

/** An account's rows by kind, null if it has none. `folder` is a month or "accounts". */
async function loadAccount(folder, owner) {
  const number = shareOf(owner);
  if (!facts.written[folder]?.includes(number)) return null;
  const share = new Map(await load(`${folder}/${number}`));
  if (!share.has(owner)) return null;
  const kinds = Object.keys(facts.columns);
  const tables = share.get(owner);
  return Object.fromEntries(kinds.map((kind) => [kind, rowsOf(kind, tables[kind] ?? [])]));
}

// ---- Decimals: texts in the data, whole numbers where they are added or compared, never floats.

function unscaled(text) {
  const [whole, decimals = ""] = text.split(".");
  return { value: BigInt(whole + decimals), scale: decimals.length };
}

function compareDecimals(left, right) {
  const [a, b] = [unscaled(left), unscaled(right)];
  const scale = Math.max(a.scale, b.scale);
  const x = a.value * 10n ** BigInt(scale - a.scale);
  const y = b.value * 10n ** BigInt(scale - b.scale);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The exact sum of decimals of one scale. */
function sumOf(texts) {
  if (texts.length === 0) return "0";
  const { scale } = unscaled(texts[0]);
  const sum = texts.reduce((total, text) => total + unscaled(text).value, 0n);
  const digits = (sum < 0n ? -sum : sum).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  return (sum < 0n ? "-" : "") + whole + (scale ? `.${digits.slice(-scale)}` : "");
}

// ---- Addresses: what a page shows is in its address, behind the #, so that it can be shared.

function addressValues() {
  return Object.fromEntries(new URLSearchParams(window.location.hash.slice(1)));
}

function fragment(values) {
  return `#${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`;
}

function address(page, values) {
  return `${page}.html${fragment(values)}`;
}

/** The values in the address, and a function that changes some of them. */
function useAddress() {
  const [values, setValues] = useState(addressValues());
  useEffect(() => {
    const listen = () => setValues(addressValues());
    window.addEventListener("hashchange", listen);
    return () => window.removeEventListener("hashchange", listen);
  }, []);
  const change = (changes) => {
    const next = { ...values, ...changes };
    setValues(next);
    window.history.replaceState(null, "", fragment(next));
  };
  return [values, change];
}

/** The value of a promise, undefined until it is there. It is asked for again if the dependencies
 *  change. */
function useLoaded(promise, dependencies) {
  const [loaded, setLoaded] = useState({});
  const key = JSON.stringify(dependencies);
  useEffect(() => {
    let isCurrent = true;
    promise().then((value) => {
      if (isCurrent) setLoaded({ key, value });
    });
    return () => {
      isCurrent = false;
    };
  }, [key]);
  return loaded.key === key ? loaded.value : undefined;
}

// ---- Words.

function Term({ name }) {
  const [english, chinese, about] = facts.terms[name] ?? [name, "", ""];
  return html`<span title=${about || null}>${english} <span lang="zh">${chinese}</span></span>`;
}

function Badge({ value }) {
  if (!value) return "–";
  return html`<span class="badge ${value}"><${Term} name=${value} /></span>`;
}

function AccountLink({ owner }) {
  return html`<a href=${address("account", { owner })}>${owner}</a>`;
}

function BillLink({ owner, month, children }) {
  return html`<a href=${address("bill", { owner, month })}>${children}</a>`;
}

/** A list to choose one of a few values from. */
function Choice({ label, value, options, onChange }) {
  return html`
    <label><span>${label}</span>
      <select value=${value} onChange=${(event) => onChange(event.target.value)}>
        ${options.map(
          ([key, name]) => html`<option value=${key} selected=${key === value}>${name}</option>`,
        )}
      </select>
    </label>`;
}

/** The billing modes: the vendor has one for the products here. */
const BILLING_MODES = [
  ["", "All 全部"],
  ["postpay", facts.terms.postpay.slice(0, 2).join(" ")],
];

/** The different values of a column, as choices. */
function choicesOf(rows, key, name) {
  const values = new Map(rows.map((row) => [row[key], name(row)]));
  return [["", "All 全部"], ...[...values].sort()];
}

// ---- Tables.

const NUMBERS = new Set(
  [
    "calls calls_received calls_billed calls_failed calls_unbilled used_amount list_price discount",
    "contract_price list_cost discount_amount real_cost rated_amount deducted_amount",
    "residual_amount adjustment_amount balance available amount_due amount credit_amount",
    "cash_amount credit frozen entry_no",
  ]
    .join(" ")
    .split(" "),
);

function compareBy(column) {
  return (row, otherRow) => {
    const [a, b] = [row[column], otherRow[column]];
    if (a === b) return 0;
    if (a === null) return -1;
    if (b === null) return 1;
    if (NUMBERS.has(column)) return compareDecimals(a, b);
    return a < b ? -1 : 1;
  };
}

// On a phone a row is a card.
const PAGE = window.matchMedia("(max-width: 40rem)").matches ? 10 : 50;

/**
 * Rows in pages, sorted by the column whose heading is chosen. `cells` has a function for each column
 * that is not shown as it is, `totals` the columns that are added up under the rows.
 */
function Table({ name, label, columns, rows, cells = {}, totals = [] }) {
  const [order, setOrder] = useState({ column: null, descending: false });
  const [first, setFirst] = useState(0);
  useEffect(() => setFirst(0), [rows]);
  const sorted = useMemo(() => {
    if (order.column === null) return rows;
    const compare = compareBy(order.column);
    return rows.toSorted((a, b) => (order.descending ? compare(b, a) : compare(a, b)));
  }, [rows, order]);
  const sort = (column) => {
    setOrder({ column, descending: order.column === column && !order.descending });
    setFirst(0);
  };
  const start = first < rows.length ? first : 0;
  const direction = order.descending ? "descending" : "ascending";
  const cellOf = (column, row) => {
    const value = cells[column] ? cells[column](row) : row[column];
    return value === null || value === undefined || value === "" ? "–" : value;
  };
  const kind = (column) => (NUMBERS.has(column) ? "number" : null);
  return html`
    <div class="scroll" role="region" aria-label=${label} tabindex="0">
      <table id=${`table-${name}`} role="table">
        <thead role="rowgroup"><tr role="row">
          ${columns.map(
            (column) => html`
              <th scope="col" role="columnheader" class=${kind(column)}
                  aria-sort=${order.column === column ? direction : null}>
                <button type="button" onClick=${() => sort(column)}><${Term} name=${column} /></button>
              </th>`,
          )}
        </tr></thead>
        <tbody role="rowgroup">
          ${sorted.slice(start, start + PAGE).map(
            (row) => html`<tr role="row">
              ${columns.map(
                (column) => html`
                  <td role="cell" class=${kind(column)} data-column=${column}
                      data-label=${facts.terms[column]?.[0]}><div>${cellOf(column, row)}</div></td>`,
              )}
            </tr>`,
          )}
        </tbody>
        ${totals.length > 0 && rows.length > 1
          ? html`<tfoot role="rowgroup"><tr role="row">
              ${columns.map((column, at) =>
                at === 0
                  ? html`<th scope="row" role="rowheader">Sum of ${rows.length} <span lang="zh">合计</span></th>`
                  : html`<td role="cell" class=${kind(column)} data-column=${column}
                        data-label=${facts.terms[column]?.[0]}>${
                      totals.includes(column) ? sumOf(rows.map((row) => row[column])) : ""
                    }</td>`,
              )}
            </tr></tfoot>`
          : null}
      </table>
    </div>
    ${rows.length === 0 ? html`<p>None.</p>` : null}
    ${rows.length > PAGE
      ? html`<p class="paging">
          <button type="button" disabled=${start === 0} onClick=${() => setFirst(start - PAGE)}>
            Previous</button>
          <span role="status">
            ${start + 1} to ${Math.min(start + PAGE, rows.length)} of ${rows.length}</span>
          <button type="button" disabled=${start + PAGE >= rows.length}
              onClick=${() => setFirst(start + PAGE)}>Next</button>
        </p>`
      : null}`;
}

/** Show a page's component. */
function show(component) {
  render(html`<${component} />`, document.getElementById("page"));
}
