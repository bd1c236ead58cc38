"use strict";
// All bills, by time, product, billing mode and account, as in the vendor's console.

async function loadBills(months) {
  const rows = await Promise.all(
    months.map(async (month) =>
      rowsOf("bills", await load(`${month}/bills`)).map((row) => ({
        bill_month: month,
        product_name: facts.products[row.product_code] ?? row.product_code,
        billing_mode: "postpay",
        ...row,
      })),
    ),
  );
  return rows.flat();
}

const COLUMNS = [
  ...["owner_uin", "bill_month", "product_name", "billing_mode", "calls", "list_cost"],
  ...["discount_amount", "rated_amount", "adjustment_amount", "deducted_amount"],
];
const ADDED = [
  ...["calls", "list_cost", "discount_amount", "rated_amount", "adjustment_amount"],
  "deducted_amount",
];

function Bills() {
  const [values, change] = useAddress();
  // By default the last month, and the month before it, which has ended.
  const [last = "", before = last] = facts.billed;
  const from = facts.billed.includes(values.from) ? values.from : before;
  const until = values.to ?? (values.from ? from : last);
  const to = facts.billed.includes(until) && until >= from ? until : from;
  const { product = "", mode = "", account = "" } = values;
  const months = facts.billed.filter((month) => from <= month && month <= to);
  const all = useLoaded(() => loadBills(months), [from, to]);
  const rows = useMemo(
    () =>
      (all ?? []).filter(
        (row) =>
          (!product || row.product_code === product) &&
          (!mode || row.billing_mode === mode) &&
          row.owner_uin.includes(account.trim()),
      ),
    [all, product, mode, account],
  );
  const choices = facts.billed.map((month) => [month, month]);
  return html`
    <h1>Bills <span lang="zh">账单</span></h1>
    <form class="filters" aria-label="Filters" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label="From 起始账期" value=${from} options=${choices}
        onChange=${(month) => change({ from: month, to: month > to ? month : to })} />
      <${Choice} label="To 截止账期" value=${to}
        options=${choices.filter(([month]) => month >= from)}
        onChange=${(month) => change({ from, to: month })} />
      <${Choice} label="Product 产品" value=${product}
        options=${choicesOf(all ?? [], "product_code", (row) => row.product_name)}
        onChange=${(code) => change({ product: code })} />
      <${Choice} label="Billing mode 计费模式" value=${mode} options=${BILLING_MODES}
        onChange=${(code) => change({ mode: code })} />
      <label><span>Account 账户</span>
        <input type="search" value=${account} placeholder="part of its number"
          onInput=${(event) => change({ account: event.target.value })} />
      </label>
    </form>
    ${all === undefined
      ? html`<p>Loading …</p>`
      : html`<${Table} name="bills" label="Bills" columns=${COLUMNS} rows=${rows} totals=${ADDED}
          cells=${{
            owner_uin: (row) =>
              html`<${BillLink} owner=${row.owner_uin} month=${row.bill_month}>${row.owner_uin}<//>`,
            billing_mode: (row) => html`<${Term} name=${row.billing_mode} />`,
          }} />`}`;
}

show(Bills);
