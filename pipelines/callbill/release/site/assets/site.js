"use strict";
// What the pages share: the facts of the release, the data beside the pages, decimals, addresses,
// the two languages, the frame, tables.

const { html, render, useEffect, useMemo, useState } = window.htmPreact;
const facts = JSON.parse(document.getElementById("facts").textContent);
const tables = facts.tables;

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
    script.src = `data/${facts.data}/${name}.js?${facts.release}`;
    script.onerror = () =>
      show(() => html`<p class="warning">${t("file_is_missing", { file: script.src })}</p>`);
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
  const read = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const low = read % 4294967296n;
  const mixed = (low * 2654435761n + read / 4294967296n) % 4294967291n;
  return Number(mixed) % facts.shares;
}

function isWritten(folder, share) {
  const bits = Object.hasOwn(facts.written, folder) ? facts.written[folder] : "0";
  return ((BigInt(`0x${bits}`) >> BigInt(share)) & 1n) === 1n;
}

/** An account's rows by kind, null if it has none. `folder` is a month or "accounts". */
async function loadAccount(folder, owner) {
  const number = shareOf(owner);
  if (!isWritten(folder, number)) return null;
  const share = new Map(await load(`${folder}/${number}`));
  if (!share.has(owner)) return null;
  const kinds = Object.keys(facts.columns);
  const found = share.get(owner);
  return Object.fromEntries(kinds.map((kind) => [kind, rowsOf(kind, found[kind] ?? [])]));
}

// A list longer than so many files is not loaded as a whole, unless it is asked for.
const FILES_AT_ONCE = 5;

/** The numbers of the files that may hold some accounts, by the first account of each file. */
function filesOf(firsts, owners) {
  const fileOf = (owner) => {
    let [low, high] = [0, firsts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (firsts[middle] <= owner) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return [...new Set(owners.map(fileOf))].sort((a, b) => a - b);
}

async function loadFound(files) {
  const parts = await Promise.all(files.map((number) => load(`accounts/find-${number}`)));
  return parts.flatMap((part) => rowsOf("found", part));
}

/** The accounts that are meant by a part of their number or name. */
async function findAccounts(text) {
  const all = await loadFound(facts.found.map((_, number) => number));
  return all.filter((row) => isAbout(row, text));
}

/** The names of some accounts, by number. */
async function namesOf(owners) {
  const rows = facts.found.length ? await loadFound(filesOf(facts.found, owners)) : [];
  return new Map(rows.map((row) => [row.owner_uin, row.account_name]));
}

/** Whether a list is so long that only what is looked for is loaded of it. */
const isLong = (folder) => (facts.lists[folder] ?? []).length > FILES_AT_ONCE;

/** Rows of a list (a month's bills or all accounts), and whether all that are meant are there. Of a
 *  long list only files with accounts that the text may mean are loaded. */
async function loadList(folder, kind, { text = "", whole = false } = {}) {
  const firsts = facts.lists[folder] ?? [];
  const isSearched = !whole && text !== "" && isLong(folder);
  const files = isSearched
    ? filesOf(firsts, (await findAccounts(text)).map((row) => row.owner_uin))
    : firsts.map((_, number) => number);
  const taken = whole ? files : files.slice(0, FILES_AT_ONCE);
  const parts = await Promise.all(taken.map((number) => load(`${folder}/list-${number}`)));
  return {
    rows: parts.flatMap((part) => rowsOf(kind, part)),
    isWhole: taken.length === files.length,
  };
}

// ---- Decimals: texts in the data, whole numbers where they are added or compared, never floats.

function unscaled(text) {
  const [whole, decimals = ""] = text.split(".");
  return { value: BigInt(whole + decimals), scale: decimals.length };
}

function decimal(value, scale) {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  return (value < 0n ? "-" : "") + whole + (scale ? `.${digits.slice(-scale)}` : "");
}

/** Two decimals as whole numbers of one scale. */
function aligned(left, right) {
  const [a, b] = [unscaled(left), unscaled(right)];
  const scale = Math.max(a.scale, b.scale);
  return [
    a.value * 10n ** BigInt(scale - a.scale),
    b.value * 10n ** BigInt(scale - b.scale),
    scale,
  ];
}

function compareDecimals(left, right) {
  const [a, b] = aligned(left, right);
  return a < b ? -1 : a > b ? 1 : 0;
}

function difference(left, right) {
  const [a, b, scale] = aligned(left, right);
  return decimal(a - b, scale);
}

/** The exact sum of decimals; "0" of none. */
function sumOf(texts) {
  return texts.reduce((total, text) => {
    const [a, b, scale] = aligned(total, text);
    return decimal(a + b, scale);
  }, "0");
}

/** The sum of a column. */
const sumBy = (rows, column) => sumOf(rows.map((row) => row[column]));

/** A bill whose discount is negative, as the pages show it: list cost, discount and precision
 *  adjustment add up to what is deducted. The marts have list cost − cost. */
const asAdded = (row) => ({ ...row, discount_amount: difference("0", row.discount_amount) });

/** A part of a whole in percent with one decimal, null of nothing. */
function percent(part, whole) {
  const [a, b] = aligned(part, whole);
  if (b === 0n) return null;
  const tenths = (a * 2000n + (a < 0n === b < 0n ? b : -b)) / (2n * b);
  return `${decimal(tenths, 1)}%`;
}

/** A decimal for people: thousands apart, a true minus. With a sign also if it is positive. */
function number(text, { signed = false } = {}) {
  if (!/^-?\d+(\.\d+)?%?$/.test(text)) return text;
  const negative = text.startsWith("-");
  const [whole, decimals] = text.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const isZero = /^[0.%]*$/.test(text.replace("-", ""));
  const sign = isZero ? "" : negative ? "−" : signed ? "+" : "";
  return sign + grouped + (decimals === undefined ? "" : `.${decimals}`);
}

/** A price or a factor in a sentence, without the zeros behind its last digit. */
const short = (text, options) =>
  number(text.includes(".") ? text.replace(/\.?0+$/, "") : text, options);
const shortSigned = (text) => short(text, { signed: true });

/** Rows put together that have a key in common, in the order of the first of each. */
function grouped(rows, keyOf) {
  const groups = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return [...groups.values()];
}

// ---- Addresses: what a page shows is in its address, behind the #, so that it can be shared.

function addressValues() {
  return Object.fromEntries(new URLSearchParams(window.location.hash.slice(1)));
}

function fragment(values) {
  return `#${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`;
}

function address(page, values) {
  // In a site for one customer the account's page is the first.
  const file = facts.customer !== null && page === "account" ? "index" : page;
  return `${file}.html${fragment(values)}`;
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

// ---- Languages: the browser's, or the one that was chosen, which stays.

const LANGUAGES = [
  ["en", "English"],
  ["zh", "中文"],
];
const CHOSEN = "callbill-language";

function firstLanguage() {
  let chosen = null;
  try {
    chosen = window.localStorage.getItem(CHOSEN);
  } catch {
    // A browser may keep nothing for pages from disk.
  }
  const wanted = addressValues().language ?? chosen ?? window.navigator.language;
  return wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
}

let language = firstLanguage();

function chooseLanguage(next) {
  language = next;
  try {
    window.localStorage.setItem(CHOSEN, next);
  } catch {
    // Then it is chosen for this page.
  }
  refresh();
}

const inLanguage = (pair, at = 0) => pair[at + (language === "zh" ? 1 : 0)];

/** A sentence with values in it, which may be elements. What is in backticks is code. */
function t(key, values = {}) {
  const text = inLanguage(facts.texts[key]);
  const parts = text
    .split(/\{(\w+)\}/)
    .flatMap((part, at) =>
      at % 2
        ? [values[part] ?? ""]
        : part.split("`").map((one, n) => (n % 2 ? html`<code>${one}</code>` : one)),
    );
  return parts.every((part) => typeof part !== "object") ? parts.join("") : parts;
}

/** What a figure or a state is called. */
function term(name) {
  return Object.hasOwn(facts.terms, name) ? inLanguage(facts.terms[name]) : (name ?? "");
}

/** What a component of the catalogue, or a row beside them, is called. Those that ship have a name in
 *  both languages. */
const componentName = (code) =>
  term(Object.hasOwn(facts.components, code) ? facts.components[code].component_name : code);

const productName = (code) =>
  term(Object.values(facts.components).find((row) => row.product_code === code)?.product_name ?? code);

/** Whether a row of a comparison with the vendor's bill is the precision adjustment. */
const isAdjustment = (row) => row.component_code === "billVirtualId";

function Term({ name }) {
  const about = Object.hasOwn(facts.terms, name) ? inLanguage(facts.terms[name], 2) : "";
  return html`<span title=${about || null}>${term(name)}</span>`;
}

/** A sentence on so many: of one it may have its own words. */
const tOf = (count, key, values) => t(count.replace("-", "") === "1" ? `${key}_one` : key, values);

/** "1 call", "28 calls". */
const callsOf = (count, options) => tOf(count, "calls_number", { calls: number(count, options) });

const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July", "August", "September"],
  ...["October", "November", "December"],
];

/** A month as people write it. */
function monthName(month) {
  const [year, at] = month.split("-").map(Number);
  return language === "zh" ? `${year}年${at}月` : `${MONTHS[at - 1]} ${year}`;
}

/** A day as people write it. */
function dayName(day) {
  const [year, month, date] = day.split("-").map(Number);
  return language === "zh" ? `${year}年${month}月${date}日` : `${date} ${MONTHS[month - 1]} ${year}`;
}

/** The first and the last of some days, or the one that they are. */
function daysName(days) {
  const [first, last] = [days.toSorted()[0], days.toSorted().at(-1)];
  if (first === last) return dayName(first);
  // Days of one month name it once.
  const isOneMonth = first.slice(0, 7) === last.slice(0, 7);
  const [from, to] = language === "zh"
    ? [dayName(first), isOneMonth ? `${Number(last.slice(8))}日` : dayName(last)]
    : [isOneMonth ? String(Number(first.slice(8))) : dayName(first), dayName(last)];
  return t("from_to", { from, to });
}

/** The days of a month, as texts. */
function daysOf(month) {
  const [year, at] = month.split("-").map(Number);
  const last = new Date(Date.UTC(year, at, 0)).getUTCDate();
  return Array.from({ length: last }, (_, n) => `${month}-${String(n + 1).padStart(2, "0")}`);
}

const isMonth = (text) => /^\d{4}-(0[1-9]|1[0-2])$/.test(text ?? "");

function monthBefore(month) {
  const [year, at] = month.split("-").map(Number);
  return at === 1 ? `${year - 1}-12` : `${year}-${String(at - 1).padStart(2, "0")}`;
}

// ---- Small parts.

function Badge({ value, kind = value }) {
  if (!value) return "–";
  return html`<span class="badge ${kind}"><${Term} name=${value} /></span>`;
}

/** An account's number, which is never broken, and its name if it has one. */
function Account({ owner, name }) {
  return html`<span class="account"><span class="uin">${owner}</span>${
    name ? html` <span class="name">${name}</span>` : null
  }</span>`;
}

function AccountLink({ owner, name }) {
  return html`<a href=${address("account", { owner })}><${Account} owner=${owner} name=${name} /></a>`;
}

function BillLink({ owner, month, children }) {
  return html`<a href=${address("bill", { owner, month })}>${children}</a>`;
}

/** A figure for people; the exact text is in `data-value`. */
function Figure({ value, name, signed = false }) {
  return html`<span class="figure" data-figure=${name} data-value=${value}>${number(value, {
    signed,
  })}</span>`;
}

function Money({ value, name, signed }) {
  return html`<span class="money"><${Figure} value=${value} name=${name} signed=${signed} /> ${t("cny")}</span>`;
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

/** The different values of a column, as choices. */
function choicesOf(rows, key, name) {
  const values = new Map(rows.map((row) => [row[key], name(row)]));
  return [["", t("all")], ...[...values].sort()];
}

/** The billing modes: the vendor has one for the products here. */
const billingModes = () => [["", t("all")], ["postpay", term("postpay")]];

const isPhone = window.matchMedia("(max-width: 40rem)").matches;
// While a page is printed, everything is unfolded and every row is there.
let isPrinting = false;

/** A section that can be folded; on a phone it is. */
function Fold({ title, note = null, open = !isPhone, level = 2, name = null, children }) {
  const [isOpen, setIsOpen] = useState(open);
  const heading = level === 2 ? html`<h2>${title}</h2>` : html`<h3>${title}</h3>`;
  return html`
    <details class="fold level-${level}" data-fold=${name} open=${isOpen || isPrinting}
      onToggle=${(event) => isPrinting || setIsOpen(event.target.open)}>
      <summary>${heading}${note === null ? null : html`<span class="note">${note}</span>`}</summary>
      ${isOpen || isPrinting ? children : null}
    </details>`;
}

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

/** Where the figures of a table are in the release, and the query that gives them. */
function Source({ mart, where = "", file = `${mart}.parquet` }) {
  if (facts.customer !== null) return null;
  const sql = `select * from billing.${mart}${where && ` where ${where}`}`;
  return html`
    <details class="source">
      <summary>${t("query_it")}</summary>
      <p>${t("query_from", {
        database: html`<code>callbill.duckdb</code>`,
        parquet: html`<a href=${`../parquet/${file}`} download>${`parquet/${file}`}</a>`,
      })}</p>
      <pre tabindex="0">${`duckdb -readonly callbill.duckdb "${sql}"`}</pre>
    </details>`;
}

// ---- Tables.

const NUMBERS = new Set(
  [
    "calls calls_received calls_billed calls_failed calls_unbilled used_amount list_price discount",
    "contract_price list_cost discount_amount real_cost rated_amount deducted_amount",
    "residual_amount adjustment_amount balance available amount_due amount credit_amount",
    "cash_amount credit frozen entry_no share accounts actions unbilled_cost unexpected_rows",
    "files_loaded records_accepted records_rejected lines files before_amount change_amount",
    "calls_drawn calls_given_back calls_lost calls_left",
    "this_value before_value change_value calls_change usage_change compared differing vendor_calls",
    "calls_difference vendor_price vendor_cost our_calls our_price our_cost cost_difference",
    "unexplained_difference missing_difference volume_difference price_difference",
    "rounding_difference period_difference differing_accounts unexplained_accounts",
    "simulated_calls simulated_rated_amount simulated_deducted_amount simulated_contract_price",
    "simulated_real_cost difference callers agreed_price",
  ]
    .join(" ")
    .split(" "),
);
const SIGNED = new Set(
  [
    "change_amount change_value calls_change usage_change adjustment_amount residual_amount",
    "calls_difference cost_difference unexplained_difference difference discount_amount",
  ]
    .join(" ")
    .split(" "),
);

function compareBy(column) {
  const isNumber = (text) => /^-?\d+(\.\d+)?%?$/.test(text);
  return (row, otherRow) => {
    const [a, b] = [row[column], otherRow[column]];
    if (a === b) return 0;
    if (a === null || a === undefined) return -1;
    if (b === null || b === undefined) return 1;
    if (NUMBERS.has(column) && isNumber(a) && isNumber(b))
      return compareDecimals(a.replace("%", ""), b.replace("%", ""));
    return a < b ? -1 : 1;
  };
}

// On a phone a row is a card.
const ROWS_A_PAGE = isPhone ? 10 : 50;

/**
 * Rows in pages, sorted by the column whose heading is chosen. `cells` has a function for each column
 * that is not shown as it is, `totals` the columns that are added up under the rows. What is shown
 * can be taken along as CSV or a workbook. `sums` has what else the row of sums says, and `sumName`
 * what it is called if it is not of as many rows.
 */
function Table({ name, label, columns, rows, cells = {}, totals = [], page = ROWS_A_PAGE,
  files = true, sums: said = {}, sumName = t("sum_of", { rows: rows.length }) }) {
  const [order, setOrder] = useState({ column: null, descending: false });
  const [first, setFirst] = useState(0);
  useEffect(() => setFirst(0), [rows.length]);
  const sorted = useMemo(() => {
    if (order.column === null) return rows;
    const compare = compareBy(order.column);
    return [...rows].sort((a, b) => (order.descending ? compare(b, a) : compare(a, b)));
  }, [rows, order]);
  const sort = (column) => {
    setOrder({ column, descending: order.column === column && !order.descending });
    setFirst(0);
  };
  const start = first < rows.length ? first : 0;
  const shown = isPrinting ? sorted : sorted.slice(start, start + page);
  const direction = order.descending ? "descending" : "ascending";
  const kind = (column) => (NUMBERS.has(column) ? "number" : null);
  const cellOf = (column, row) => {
    if (cells[column]) return cells[column](row) ?? "–";
    const value = row[column];
    if (value === null || value === undefined || value === "") return "–";
    return NUMBERS.has(column) ? number(value, { signed: SIGNED.has(column) }) : value;
  };
  const sums = Object.fromEntries(totals.map((column) => [column, sumBy(rows, column)]));
  const hasTotals = totals.length > 0 && rows.length > 1;
  return html`
    <div class="scroll" role="region" aria-label=${label} tabindex="0">
      <table id=${`table-${name}`} role="table">
        <thead role="rowgroup"><tr role="row">
          ${columns.map(
            (column) => html`
              <th scope="col" role="columnheader" class=${kind(column)} data-column=${column}
                  aria-sort=${order.column === column ? direction : null}>
                ${isPrinting
                  ? // A heading that paper repeats on each page has no room for a button.
                    html`<${Term} name=${column} />`
                  : html`<button type="button" onClick=${() => sort(column)}><${Term} name=${column} /></button>`}
              </th>`,
          )}
        </tr></thead>
        <tbody role="rowgroup">
          ${shown.map(
            (row) => html`<tr role="row">
              ${columns.map(
                (column) => html`
                  <td role="cell" class=${kind(column)} data-column=${column}
                      data-value=${row[column] ?? ""} data-label=${term(column)}
                      ><div>${cellOf(column, row)}</div></td>`,
              )}
            </tr>`,
          )}
        </tbody>
        ${hasTotals
          ? html`<tfoot role="rowgroup"><tr role="row">
              ${columns.map((column, at) =>
                at === 0
                  ? html`<th scope="row" role="rowheader">${sumName}</th>`
                  : html`<td role="cell" class=${kind(column)} data-column=${column}
                        data-value=${sums[column] ?? ""} data-label=${term(column)}>${
                      column in sums ? number(sums[column], { signed: SIGNED.has(column) }) : (said[column] ?? "")
                    }</td>`,
              )}
            </tr></tfoot>`
          : null}
      </table>
    </div>
    ${rows.length === 0 ? html`<p>${t("none")}</p>` : null}
    <p class="paging">
      ${rows.length > page
        ? html`
            <button type="button" data-page="previous" disabled=${start === 0}
              onClick=${() => setFirst(start - page)}>${t("previous")}</button>
            <span role="status">${t("rows_shown", {
              first: number(String(start + 1)),
              last: number(String(Math.min(start + page, rows.length))),
              rows: number(String(rows.length)),
            })}</span>
            <button type="button" data-page="next" disabled=${start + page >= rows.length}
              onClick=${() => setFirst(start + page)}>${t("next")}</button>`
        : null}
      ${files && rows.length > 0
        ? html`
            <span class="files">
              <button type="button" class="quiet" data-file="csv" aria-label=${`CSV: ${label}`}
                onClick=${() => saveCsv(name, columns, sorted)}>CSV</button>
              <button type="button" class="quiet" data-file="xlsx" aria-label=${`${t("workbook")}: ${label}`}
                onClick=${() => saveWorkbook(name, columns, sorted, totals)}>${t("workbook")}</button>
            </span>`
        : null}
    </p>`;
}

// ---- The frame.

function Navigation() {
  const pages = [
    ["index", "overview"],
    ["bills", "bills"],
    ["accounts", "accounts"],
    ["reconciliation", "reconciliation"],
    ["runs", "runs_and_controls"],
    ["dictionary", "data_dictionary"],
  ];
  const customer = [["account", "account"]];
  if ((facts.reconciled ?? []).length > 0) customer.push(["reconciliation", "reconciliation"]);
  // A simulation stands alone.
  const simulation = [["index", "simulation"]];
  const links = facts.page === "simulation" ? simulation : facts.customer === null ? pages : customer;
  return html`
    <header>
      <nav aria-label=${t("site")}>
        <a class="brand" href="index.html">callbill</a>
        <ul>
          ${links.map(
            ([page, text]) => html`
              <li><a href=${page === "account" ? address("account", { owner: facts.customer }) : `${page}.html`}
                aria-current=${facts.page === page ? "page" : null}>${t(text)}</a></li>`,
          )}
        </ul>
        <div class="languages" role="group" aria-label="Language 语言">
          ${LANGUAGES.map(
            ([code, name]) => html`
              <button type="button" class="quiet" lang=${code} aria-pressed=${String(language === code)}
                onClick=${() => chooseLanguage(code)}>${name}</button>`,
          )}
        </div>
      </nav>
    </header>`;
}

function Frame({ content }) {
  return html`
    <a class="skip" href="#content" onClick=${(event) => {
      // The part of the address behind the # is the page's own; this link must not change it.
      event.preventDefault();
      document.getElementById("content").focus();
    }}>${t("to_the_content")}</a>
    <${Navigation} />
    <main id="content" class=${`page-${facts.page}`} tabindex="-1"><${content} /></main>
    <footer><p>${t("settled_through", {
      through: facts.through,
      zone: facts.zone,
      release: facts.release,
      version: facts.version,
    })}</p></footer>`;
}

let shownContent = null;

/** Show a page's component in the frame. */
function show(component) {
  shownContent = component;
  refresh();
}

function refresh() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  render(html`<${Frame} content=${shownContent} />`, document.getElementById("page"));
}

/** The title of the window. */
function useTitle(title) {
  useEffect(() => {
    document.title = `${title} · callbill`;
  }, [title]);
}

for (const [event, value] of [["beforeprint", true], ["afterprint", false]]) {
  window.addEventListener(event, () => {
    isPrinting = value;
    // Charts are drawn for a screen; on paper their tables say the same.
    refresh();
  });
}

/** Whether an account is meant by a part of its number or name. */
function isAbout(row, text) {
  const wanted = text.trim().toLowerCase();
  return (
    row.owner_uin.toLowerCase().includes(wanted) ||
    (row.account_name ?? "").toLowerCase().includes(wanted)
  );
}
