"use strict";
// All accounts, to find an account in.

const COLUMNS = ["owner_uin", "status", "balance", "available", "amount_due", "last_bill_month"];

async function loadAccounts(text, whole) {
  const { rows, isWhole } = await loadList("accounts", "accounts", { text, whole });
  return {
    rows: rows.map((row) => ({ ...row, last_bill_month: row.last_bill_month?.slice(0, 7) ?? null })),
    isWhole,
  };
}

function Accounts() {
  const [values, change] = useAddress();
  const [whole, setWhole] = useState(false);
  const { state = "", account = "" } = values;
  const isAll = whole || state !== "";
  const text = isLong("accounts") && !isAll ? account.trim() : "";
  const all = useLoaded(() => loadAccounts(text, isAll), [text, isAll]);
  const rows = useMemo(
    () =>
      (all?.rows ?? []).filter(
        (row) =>
          (!state || (row.amount_due !== null && compareDecimals(row.amount_due, "0") > 0)) &&
          isAbout(row, account),
      ),
    [all, state, account],
  );
  useTitle(t("accounts"));
  const open = (event) => {
    event.preventDefault();
    const exact = rows.find((row) => row.owner_uin === account.trim());
    const match = exact ?? (rows.length === 1 ? rows[0] : null);
    if (match) window.location.href = address("account", { owner: match.owner_uin });
  };
  return html`
    <h1>${t("accounts")}</h1>
    <form class="filters" aria-label=${t("filter")} onSubmit=${open}>
      <label><span>${term("owner_uin")}</span>
        <input type="search" value=${account} placeholder=${t("number_or_name")}
          onInput=${(event) => change({ account: event.target.value })} />
      </label>
      <${Choice} label=${term("state")} value=${state}
        options=${[["", t("all")], ["owes", t("owes_money")]]}
        onChange=${(chosen) => change({ state: chosen })} />
    </form>
    ${all === undefined
      ? html`<p>${t("loading")}</p>`
      : html`
          ${all.isWhole || isAll ? null : html`<p class="warning">${t("list_is_cut")} <button type="button"
            onClick=${() => setWhole(true)}>${t("load_all")}</button></p>`}
          <${Table} name="accounts" label=${t("accounts")} columns=${COLUMNS} rows=${rows}
            cells=${{
              owner_uin: (row) => html`<${AccountLink} owner=${row.owner_uin} name=${row.account_name} />`,
              status: (row) => html`<${Badge} value=${row.status} />`,
              last_bill_month: (row) =>
                row.last_bill_month &&
                html`<${BillLink} owner=${row.owner_uin} month=${row.last_bill_month}
                  >${row.last_bill_month}<//>`,
            }} />
          <${Source} mart="accounts" />`}`;
}

show(Accounts);
