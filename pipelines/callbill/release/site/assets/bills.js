"use strict";
// All bills, by time, product and account, as in the vendor's console.

const COLUMNS = [
  ...["owner_uin", "bill_month", "product_name", "calls", "list_cost"],
  ...["discount_amount", "rated_amount", "adjustment_amount", "deducted_amount"],
];
const ADDED = [
  ...["calls", "list_cost", "discount_amount", "rated_amount", "adjustment_amount"],
  "deducted_amount",
];


/** The bills of some months, with names; all of them only if they are few or asked for. */
async function loadBills(months, text, whole) {
  const lists = await Promise.all(months.map((month) => loadList(month, "bills", { text, whole })));
  const names = await namesOf(lists.flatMap(({ rows }) => rows.map((row) => row.owner_uin)));
  return {
    rows: lists.flatMap(({ rows }, at) =>
      rows.map((row) => ({
        ...asAdded(row),
        bill_month: months[at],
        account_name: names.get(row.owner_uin) ?? null,
      })),
    ),
    isWhole: lists.every((list) => list.isWhole),
  };
}

function Bills() {
  const [values, change] = useAddress();
  const [whole, setWhole] = useState(false);
  // By default the last month, and the month before it, which has ended.
  const [last = "", before = last] = facts.billed;
  const from = facts.billed.includes(values.from) ? values.from : before;
  const until = values.to ?? (values.from ? from : last);
  const to = facts.billed.includes(until) && until >= from ? until : from;
  const { product = "", mode = "", account = "" } = values;
  const months = facts.billed.filter((month) => from <= month && month <= to);
  const text = months.some(isLong) && !whole ? account.trim() : "";
  const all = useLoaded(() => loadBills(months, text, whole), [from, to, text, whole]);
  const rows = useMemo(
    () =>
      (all?.rows ?? [])
        .filter(
          (row) =>
            (!product || row.product_code === product) &&
            (!mode || mode === "postpay") &&
            isAbout(row, account),
        )
        .map((row) => ({ ...row, product_name: productName(row.product_code) })),
    [all, product, mode, account, language],
  );
  useTitle(t("bills"));
  const choices = facts.billed.map((month) => [month, month]);
  return html`
    <h1>${t("bills")}</h1>
    <form class="filters" aria-label=${t("filter")} onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label=${t("from_month")} value=${from} options=${choices}
        onChange=${(month) => change({ from: month, to: month > to ? month : to })} />
      <${Choice} label=${t("to_month")} value=${to}
        options=${choices.filter(([month]) => month >= from)}
        onChange=${(month) => change({ from, to: month })} />
      <${Choice} label=${term("product_name")} value=${product}
        options=${choicesOf(
          Object.values(facts.components),
          "product_code",
          (row) => productName(row.product_code),
        )}
        onChange=${(code) => change({ product: code })} />
      <${Choice} label=${term("billing_mode")} value=${mode} options=${billingModes()}
        onChange=${(code) => change({ mode: code })} />
      <label><span>${term("owner_uin")}</span>
        <input type="search" value=${account} placeholder=${t("number_or_name")}
          onInput=${(event) => change({ account: event.target.value })} />
      </label>
    </form>
    ${facts.billed.length === 0
      ? html`<p>${t("no_bill_yet")}</p>`
      : all === undefined
        ? html`<p>${t("loading")}</p>`
        : html`
            ${all.isWhole || whole ? null : html`<p class="warning">${t("list_is_cut")} <button type="button"
              onClick=${() => setWhole(true)}>${t("load_all")}</button></p>`}
            <${Table} name="bills" label=${t("bills")} columns=${COLUMNS} rows=${rows}
              totals=${all.isWhole || whole ? ADDED : []}
              cells=${{
                owner_uin: (row) =>
                  html`<${BillLink} owner=${row.owner_uin} month=${row.bill_month}
                    ><${Account} owner=${row.owner_uin} name=${row.account_name} /><//>`,
              }} />
            <${Source} mart="monthly_bills"
              where=${`bill_month between date '${from}-01' and date '${to}-01'`} />`}`;
}

show(Bills);
