"use strict";
// One account's bill of a month.

const LINES = [
  ...["settled_on", "usage_date", "line_type", "product_name", "component_name", "list_price"],
  ...["contract_price", "discount", "used_amount", "list_cost", "real_cost", "line_id"],
];
const SETTLEMENTS = [
  ...["settled_on", "product_code", "rated_amount", "deducted_amount", "residual_amount"],
];
const USAGE = [
  ...["usage_date", "operate_uin", "component_code", "calls_received", "calls_billed"],
  ...["calls_failed", "calls_unbilled"],
];
const SHOWN = ["calls_billed", "calls_failed", "calls_unbilled"];
const COLOURS = ["#1d5fd1", "#c2410c", "#8a94a3"];

/** The days of a month, as texts. */
function daysOf(month) {
  const [year, number] = month.split("-").map(Number);
  const last = new Date(Date.UTC(year, number, 0)).getUTCDate();
  return Array.from({ length: last }, (_, n) => `${month}-${String(n + 1).padStart(2, "0")}`);
}

function UsageChart({ month, usage }) {
  const days = daysOf(month);
  const counts = (column) => {
    const calls = new Map(days.map((day) => [day, 0]));
    for (const row of usage) {
      calls.set(row.usage_date, calls.get(row.usage_date) + Number(row[column]));
    }
    return days.map((day) => calls.get(day));
  };
  useEffect(() => {
    const style = window.getComputedStyle(document.body);
    window.Chart.defaults.color = style.color;
    window.Chart.defaults.font.family = style.fontFamily;
    const chart = new window.Chart(document.getElementById("usage-chart"), {
      type: "bar",
      data: {
        labels: days.map((day) => day.slice(8)),
        datasets: SHOWN.map((column, at) => ({
          label: facts.terms[column].slice(0, 2).join(" "),
          data: counts(column),
          backgroundColor: COLOURS[at],
        })),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        scales: {
          x: { stacked: true, title: { display: true, text: `Day of ${month} (usage date)` } },
          y: {
            stacked: true,
            ticks: { precision: 0 },
            title: { display: true, text: "Calls 调用次数" },
          },
        },
      },
    });
    return () => chart.destroy();
  }, [month, usage]);
  const sums = SHOWN.map(
    (column) => `${sumOf(usage.map((row) => row[column]))} ${facts.terms[column][0].toLowerCase()}`,
  );
  return html`
    <div class="chart">
      <canvas id="usage-chart" role="img"
        aria-label=${`Calls by usage date in ${month}: ${sums.join(", ")}. The table below has them.`}
      ></canvas>
    </div>`;
}

/** The precision adjustment in one sentence, with its numbers. */
function Adjustment({ month, adjustment, settlements }) {
  const { rated_amount, deducted_amount, adjustment_amount, is_final } = adjustment;
  const sign = compareDecimals(adjustment_amount, "0");
  const meaning =
    sign === 0
      ? settlements.every((row) => compareDecimals(row.residual_amount, "0") === 0)
        ? "nothing had to be rounded"
        : "what was rounded cancels out"
      : sign > 0
        ? "so much more was deducted than the calls cost"
        : "so much less was deducted than the calls cost, which the platform bears";
  const rounding =
    facts.rounding === "down"
      ? "cut to the fen, toward zero"
      : "rounded to the fen, halves away from zero";
  const figure = (name) => html`<b data-figure=${name}>${adjustment[name]}</b>`;
  return html`
    <p id="adjustment">
      <b><${Term} name="adjustment_amount" /></b>: the bill's lines cost ${figure("rated_amount")} CNY
      to 8 decimals; each settlement (of a day and product) is deducted ${rounding}, ${figure("deducted_amount")} CNY
      together; the difference is ${deducted_amount} − ${rated_amount} = ${figure(
        "adjustment_amount",
      )} CNY: ${meaning}. ${is_final === "true"
        ? "The month has ended; this is final."
        : `${month} is still open: more may come.`}
    </p>`;
}

function Summary({ lines, adjustment }) {
  const figures = [
    ["calls", sumOf(lines.map((row) => row.calls))],
    ["list_cost", sumOf(lines.map((row) => row.list_cost))],
    ["real_cost", adjustment.rated_amount],
    ["adjustment_amount", adjustment.adjustment_amount],
    ["deducted_amount", adjustment.deducted_amount],
  ];
  return html`
    <ul class="cards">
      ${figures.map(
        ([name, value]) =>
          html`<li><b data-figure=${`sum-${name}`}>${value}</b> <${Term} name=${name} /></li>`,
      )}
    </ul>`;
}

function Lines({ lines, values, change }) {
  const { from = "", to = "", product = "", mode = "", type = "" } = values;
  const rows = useMemo(
    () =>
      lines.filter(
        (row) =>
          (!from || row.usage_date >= from) &&
          (!to || row.usage_date <= to) &&
          (!product || row.product_code === product) &&
          (!mode || mode === "postpay") &&
          (!type || row.line_type === type),
      ),
    [lines, from, to, product, mode, type],
  );
  const named = (name) => facts.terms[name].slice(0, 2).join(" ");
  const day = (label, key, value) => html`
    <label><span>${label}</span>
      <input type="date" value=${value} onInput=${(event) => change({ [key]: event.target.value })} />
    </label>`;
  return html`
    <form class="filters" aria-label="Filters" onSubmit=${(event) => event.preventDefault()}>
      ${day("Used from 使用日期起", "from", from)} ${day("Used to 使用日期止", "to", to)}
      <${Choice} label="Product 产品" value=${product}
        options=${choicesOf(lines, "product_code", (row) => row.product_name)}
        onChange=${(code) => change({ product: code })} />
      <${Choice} label="Billing mode 计费模式" value=${mode} options=${BILLING_MODES}
        onChange=${(code) => change({ mode: code })} />
      <${Choice} label="Line 交易类型" value=${type}
        options=${choicesOf(lines, "line_type", (row) => named(row.line_type))}
        onChange=${(code) => change({ type: code })} />
    </form>
    <${Table} name="lines" label="Bill lines" columns=${LINES} rows=${rows}
      totals=${["used_amount", "list_cost", "real_cost"]}
      cells=${{
        line_type: (row) => html`<${Term} name=${row.line_type} />`,
        component_name: (row) => html`${row.component_name} <small>${row.component_code}</small>`,
        list_price: (row) => html`${row.list_price} <small>${row.price_unit}</small>`,
        contract_price: (row) => html`${row.contract_price} <small>${row.price_unit}</small>`,
        discount: (row) => row.discount ?? html`agreed <small lang="zh">协议价</small>`,
        used_amount: (row) => html`${row.used_amount} <small>${row.used_amount_unit}</small>`,
        line_id: (row) => html`<code class="id">${row.line_id}</code>`,
      }} />`;
}

function Bill() {
  const [values, change] = useAddress();
  const { owner = "", month = "" } = values;
  const account = useLoaded(() => loadAccount("accounts", owner), [owner]);
  const tables = useLoaded(
    () => loadAccount(month, owner),
    [owner, month],
  );
  useEffect(() => {
    document.title = `Bill of ${owner}, ${month} · callbill`;
  }, [owner, month]);
  const at = facts.months.indexOf(month);
  const neighbours = [
    ["Month before", facts.months[at + 1]],
    ["Month after", facts.months[at - 1]],
  ].filter(([, other]) => at >= 0 && other);
  const heading = html`
    <h1>Bill <span lang="zh">账单</span> ${month} of <${AccountLink} owner=${owner} /></h1>
    <p class="paging">
      ${neighbours.map(
        ([name, other]) =>
          html`<${BillLink} owner=${owner} month=${other}>${name} (${other})<//> `,
      )}
    </p>`;
  if (tables === undefined) return html`${heading}<p>Loading …</p>`;
  if (tables === null)
    return html`${heading}<p>This account has no bill and made no calls in ${month || "no month"}.</p>`;
  const [adjustment] = tables.adjustment;
  return html`
    ${heading}
    ${adjustment
      ? html`
          <${Summary} lines=${tables.lines} adjustment=${adjustment} />
          <${Adjustment} month=${month} adjustment=${adjustment}
            settlements=${tables.settlements} />`
      : html`<p>Nothing was charged in ${month}.</p>`}
    ${tables.usage.length > 0
      ? html`
          <h2>Daily usage <span lang="zh">每日用量</span></h2>
          <${UsageChart} month=${month} usage=${tables.usage} />
          <details><summary>Calls by day and caller</summary>
            <${Table} name="usage" label="Daily usage" columns=${USAGE} rows=${tables.usage}
              totals=${["calls_received", ...SHOWN]} />
          </details>`
      : html`<p>No calls were made in ${month}: what is billed is of earlier days.</p>`}
    ${adjustment
      ? html`
          <h2>Bill lines <span lang="zh">账单明细</span></h2>
          <${Lines} lines=${tables.lines} values=${values} change=${change} />
          <p>A line's calls and files: <code>callbill explain</code> with its id. Lines are never
            changed; what becomes known later is a line of a later settlement.</p>
          <h2>Settlements <span lang="zh">日结扣费</span></h2>
          <${Table} name="settlements" label="Settlements" columns=${SETTLEMENTS}
            rows=${tables.settlements}
            totals=${["rated_amount", "deducted_amount", "residual_amount"]} />
`
      : null}
    <h2>The account now <span lang="zh">账户状态</span></h2>
    ${account
      ? html`<${Standing} status=${account.status[0]} notice=${account.notice[0]}
          last=${account.entries[0]} />`
      : null}`;
}

show(Bill);
