"use strict";
// All accounts, to find an account in.

const COLUMNS = ["owner_uin", "status", "balance", "available", "amount_due", "bill_month"];
const STATES = [["", "All 全部"], ["owes", "Owes money 欠费"]];

async function loadAccounts() {
  const accounts = rowsOf("accounts", await load("accounts/all"));
  return accounts.map((row) => ({ ...row, bill_month: row.bill_month?.slice(0, 7) ?? null }));
}

function Accounts() {
  const [values, change] = useAddress();
  const { state = "", account = "" } = values;
  const all = useLoaded(loadAccounts, []);
  const rows = useMemo(
    () =>
      (all ?? []).filter(
        (row) => (!state || row.amount_due !== null) && row.owner_uin.includes(account.trim()),
      ),
    [all, state, account],
  );
  const open = (event) => {
    event.preventDefault();
    const exact = rows.find((row) => row.owner_uin === account.trim());
    const match = exact ?? (rows.length === 1 ? rows[0] : null);
    if (match) window.location.href = address("account", { owner: match.owner_uin });
  };
  return html`
    <h1>Accounts <span lang="zh">账户</span></h1>
    <form class="filters" aria-label="Filters" onSubmit=${open}>
      <label><span>Account 账户</span>
        <input type="search" value=${account} placeholder="its number, or a part"
          onInput=${(event) => change({ account: event.target.value })} />
      </label>
      <${Choice} label="State 状态" value=${state} options=${STATES}
        onChange=${(chosen) => change({ state: chosen })} />
    </form>
    ${all === undefined
      ? html`<p>Loading …</p>`
      : html`<${Table} name="accounts" label="Accounts" columns=${COLUMNS} rows=${rows}
          cells=${{
            owner_uin: (row) => html`<${AccountLink} owner=${row.owner_uin} />`,
            status: (row) => html`<${Badge} value=${row.status} />`,
            bill_month: (row) =>
              row.bill_month &&
              html`<${BillLink} owner=${row.owner_uin} month=${row.bill_month}>
                ${row.bill_month}<//>`,
          }} />`}
    <p>Service and balance are known of accounts that had at least one account event.</p>`;
}

show(Accounts);
