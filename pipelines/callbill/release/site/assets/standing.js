"use strict";
// How an account stands: whether it is served, and what it owes. How its contracts are called.

/** A contract's number: the account, the component and the first date of the contract. A later
 *  version of it has the same. */
const contractNumber = (owner, { component_code, effective_from }) =>
  `${owner}/${component_code}/${effective_from}`;

/** A contract's number, which is broken where its parts are. */
const ContractNumber = ({ number }) =>
  number.split("/").map((part, at) => html`${at ? html`/<wbr />` : null}<span class="unbroken">${part}</span>`);

/** A sentence on when service stops, or stopped. */
function stopSentence(status, notice) {
  if (status.status === "not_activated") return "";
  const key = notice.state === "suspended" ? "service_stopped" : "service_stops";
  return t(key, { at: notice.stops_at });
}

function Standing({ status, notice, last }) {
  if (!status) return html`<p>${t("no_event_known")}</p>`;
  return html`
    <p>
      <${Badge} value=${status.status} /> ${t("since", { at: status.valid_from })}${last
        ? html`${t("standing", {
            balance: html`<b><${Money} name="balance" value=${last.balance} /></b>`,
            credit: html`<${Figure} value=${last.credit} />`,
            frozen: html`<${Figure} value=${last.frozen} />`,
            available: html`<b><${Money} name="available" value=${last.available} /></b>`,
          })}`
        : t("full_stop")}
    </p>
    ${notice
      ? html`<p class="warning" data-figure="arrears">
          ${t("in_arrears", {
            since: notice.since,
            due: html`<b><${Money} value=${notice.amount_due} /></b>`,
          })}${stopSentence(status, notice)}
        </p>`
      : null}`;
}
