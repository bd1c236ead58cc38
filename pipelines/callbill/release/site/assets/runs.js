"use strict";
// The last runs, and what their controls found.

const RUNS = [
  ...["run_id", "started_at", "outcome", "through_date", "settle_from", "files_loaded"],
  ...["records_accepted", "records_rejected"],
];
const GOOD = ["published", "nothing_due"];
const BAD = ["failed", "crashed", "control_failed"];

const sentenceOf = (row) =>
  language === "zh" ? (facts.sentences[row.control_id] ?? row.sentence) : row.sentence;

/** A name that is broken, where it must be, behind an underscore. */
const nameOf = ({ control_id }) =>
  control_id.split("_").map((word, at) => (at ? html`_<wbr />${word}` : word));

function Runs() {
  useTitle(t("runs_and_controls"));
  const controls = tables.controls.map((row) => ({ ...row, sentence: sentenceOf(row) }));
  return html`
    <h1>${t("runs_and_controls")}</h1>
    <p>${t("controls_about")}</p>
    <h2>${t("controls_of_this_release")}</h2>
    <${Table} name="controls" label=${t("controls_of_this_release")} rows=${controls}
      columns=${["passed", "control_id", "sentence", "unexpected_rows"]}
      cells=${{
        control_id: nameOf,
        passed: (row) =>
          html`<span class="badge ${row.passed ? "good" : row.severity}">${
            row.passed ? t("passed") : term(row.severity)
          }</span>`,
      }} />
    <p><a class="button" href="checks.html">${t("what_each_found")}</a></p>
    <h2 id="unbilled">${t("unbilled")}</h2>
    ${tables.unbilled_by_account.length
      ? html`
          <${Table} name="unbilled" label=${t("unbilled")} rows=${tables.unbilled_by_account}
            columns=${["unbilled_reason", "action", "owner_uin", "calls_unbilled", "first_usage_date",
              "last_usage_date", "unbilled_cost"]}
            cells=${{
              unbilled_reason: (row) => html`<${Badge} value=${row.unbilled_reason} />`,
              owner_uin: (row) => html`<${AccountLink} owner=${row.owner_uin} />`,
            }} />
          ${facts.rows.unbilled_by_account > tables.unbilled_by_account.length
            ? html`<p>${t("the_first_of", {
                first: tables.unbilled_by_account.length,
                all: facts.rows.unbilled_by_account,
              })} <code>ops.unbilled_calls</code></p>`
            : null}`
      : html`<p>${t("none")}</p>`}
    <h2>${t("runs")}</h2>
    <${Table} name="runs" label=${t("runs")} columns=${RUNS} rows=${tables.runs}
      cells=${{
        outcome: (row) =>
          html`<${Badge} value=${row.outcome}
            kind=${GOOD.includes(row.outcome) ? "good" : BAD.includes(row.outcome) ? "error" : ""} />`,
      }} />
    <p>${t("runs_command")}</p>
    <h2>${t("what_controls_found")}</h2>
    <${Table} name="found" label=${t("what_controls_found")} rows=${tables.failed_controls}
      columns=${["run_id", "severity", "control_id", "unexpected_rows"]}
      cells=${{
        control_id: nameOf,
        severity: (row) => html`<${Badge} value=${row.severity} />`,
      }} />
    <h2>${t("rejected")}</h2>
    <${Table} name="rejected" label=${t("rejected")} rows=${tables.rejected}
      columns=${["feed", "reason", "lines", "files"]} />
    <p>${t("rejects_command")}</p>`;
}

show(Runs);
if (window.location.hash) document.querySelector(window.location.hash)?.scrollIntoView();
