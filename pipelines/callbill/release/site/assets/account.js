"use strict";
// One account: whether it is served, what it owes, its bills, its last movements.

const MONTHS = [
  ...["bill_month", "product_code", "calls", "list_cost", "discount_amount", "rated_amount"],
  ...["adjustment_amount", "deducted_amount"],
];
const USED = ["usage_month", "calls_received", "calls_billed", "calls_failed", "calls_unbilled"];
const ENTRIES = [
  ...["entry_no", "posted_at", "entry_type", "amount", "credit_amount", "cash_amount", "balance"],
  ...["credit", "frozen", "available", "reference"],
];

function Account() {
  const [values] = useAddress();
  const { owner = "" } = values;
  const tables = useLoaded(() => loadAccount("accounts", owner), [owner]);
  useEffect(() => {
    document.title = `Account ${owner} · callbill`;
  }, [owner]);
  const heading = html`<h1>Account <span lang="zh">账户</span> ${owner}</h1>`;
  if (tables === undefined) return html`${heading}<p>Loading …</p>`;
  if (tables === null)
    return html`${heading}
      <p>This release knows no such account. <a href="accounts.html">All accounts</a></p>`;
  const months = tables.months.map((row) => ({ ...row, bill_month: row.bill_month.slice(0, 7) }));
  const used = tables.used.map((row) => ({ ...row, usage_month: row.usage_month.slice(0, 7) }));
  return html`
    ${heading}
    <${Standing} status=${tables.status[0]} notice=${tables.notice[0]} last=${tables.entries[0]} />
    <h2>Bills <span lang="zh">账单</span></h2>
    <${Table} name="months" label="Bills" columns=${MONTHS} rows=${months}
      cells=${{
        bill_month: (row) =>
          html`<${BillLink} owner=${owner} month=${row.bill_month}>${row.bill_month}<//>`,
      }} />
    <h2>Usage <span lang="zh">用量</span></h2>
    <${Table} name="used" label="Usage by month" columns=${USED} rows=${used}
      cells=${{
        usage_month: (row) =>
          html`<${BillLink} owner=${owner} month=${row.usage_month}>${row.usage_month}<//>`,
      }} />
    ${tables.status.length > 0
      ? html`
          <h2>Service <span lang="zh">服务状态</span></h2>
          <${Table} name="status" label="Service"
            columns=${["status", "valid_from", "valid_to", "reason"]} rows=${tables.status}
            cells=${{ status: (row) => html`<${Badge} value=${row.status} />` }} />
          <h2>Arrears <span lang="zh">欠费</span></h2>
          <${Table} name="arrears" label="Arrears"
            columns=${["since", "stops_at", "ended_at", "reason", "ended_by"]}
            rows=${tables.arrears} />
          <h2>Movements <span lang="zh">收支明细</span></h2>
          <p>The last ${facts.lastEntries} at most; <code>billing.account_ledger</code> has all.</p>
          <${Table} name="entries" label="Movements" columns=${ENTRIES} rows=${tables.entries}
            cells=${{ entry_type: (row) => html`<${Term} name=${row.entry_type} />` }} />`
      : null}`;
}

show(Account);
