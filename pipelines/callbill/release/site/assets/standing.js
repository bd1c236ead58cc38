"use strict";
// How an account stands: whether it is served, and what it owes.

/** A sentence on when service stops, or stopped. */
function stopSentence(status, notice) {
  if (status.status === "not_activated") return "";
  return notice.state === "suspended"
    ? ` Service stopped on ${notice.stops_at}.`
    : ` Service stops on ${notice.stops_at}, unless the balance is not negative by then.`;
}

function Standing({ status, notice, last }) {
  if (!status) return html`<p>No account event is known: only usage and bills are.</p>`;
  return html`
    <p>
      <${Badge} value=${status.status} /> since ${status.valid_from}${last
        ? html`; balance <b data-figure="balance">${last.balance}</b> CNY, of it free credit ${
            last.credit
          }, frozen ${last.frozen}; available <b data-figure="available">${last.available}</b> CNY`
        : null}.
    </p>
    ${notice
      ? html`<p class="warning" data-figure="arrears">
          In arrears <span lang="zh">欠费</span> since ${notice.since}:
          <b> ${notice.amount_due}</b> CNY are due.${stopSentence(status, notice)}
        </p>`
      : null}`;
}
