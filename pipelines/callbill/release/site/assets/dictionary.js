"use strict";
// What other programs wrote, in the frame of the site: dbt's docs, Great Expectations' results.

const FRAMED = {
  dictionary: ["data_dictionary", "dictionary_about", "dbt/index.html"],
  checks: ["what_each_found", "checks_about", "controls/index.html"],
};

function Dictionary() {
  const [title, about, file] = FRAMED[facts.page];
  useTitle(t(title));
  return html`
    <h1>${t(title)}</h1>
    <p>${t(about)} <a href=${file + window.location.hash}>${t("without_the_frame")}</a></p>
    <iframe src=${file + window.location.hash} title=${t(title)}></iframe>`;
}

show(Dictionary);
