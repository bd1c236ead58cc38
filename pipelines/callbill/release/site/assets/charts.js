"use strict";
// Charts. Each stands above a table that says the same exactly; a chart's own numbers are floats,
// which only decide how high a bar is drawn.

const COLOURS = ["#2563c9", "#c2410c", "#7b8794", "#0f766e"];

/**
 * Bars by label, one on the other; what is in `line` is drawn as a line with an axis of its own.
 * `series` has for each its column, the texts of its values, and whether it is a line.
 */
function Bars({ id, label, labels, series, axis, onChoose = null }) {
  const key = JSON.stringify([labels, series, language]);
  useEffect(() => {
    const canvas = document.getElementById(id);
    const style = window.getComputedStyle(document.body);
    window.Chart.defaults.color = style.color;
    window.Chart.defaults.borderColor = window.getComputedStyle(
      document.querySelector("header"),
    ).borderBottomColor;
    window.Chart.defaults.font.family = style.fontFamily;
    const hasLine = series.some((one) => one.line);
    const isAlone = (bar) => series.every((one) => one.line || one === bar);
    const chart = new window.Chart(canvas, {
      type: "bar",
      data: {
        labels,
        datasets: series.map((one, at) => ({
          type: one.line ? "line" : "bar",
          // What stands alone is called as its axis, which a phone has no room for.
          label: one.line ? axis.line : isAlone(one) ? axis.title : term(one.column),
          data: one.values.map(Number),
          texts: one.values,
          yAxisID: one.line ? "line" : "y",
          order: one.line ? 0 : 1,
          backgroundColor: COLOURS[one.colour ?? at],
          borderColor: COLOURS[one.colour ?? at],
          borderWidth: one.line ? 2 : 0,
          pointRadius: labels.length > 31 ? 0 : 2,
          maxBarThickness: 48,
        })),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        onClick: (event, elements) => onChoose && elements.length && onChoose(elements[0].index),
        plugins: {
          legend: { display: series.length > 1, position: "bottom" },
          tooltip: {
            callbacks: {
              // The exact text, not the bar's height.
              label: (item) => `${item.dataset.label}: ${number(item.dataset.texts[item.dataIndex])}`,
            },
          },
        },
        scales: {
          x: { stacked: true, grid: { display: false }, ticks: { maxRotation: 0, autoSkip: true } },
          y: {
            stacked: true,
            beginAtZero: true,
            ticks: { maxTicksLimit: 6, precision: axis.isCount ? 0 : undefined },
            title: { display: !isPhone, text: axis.title },
          },
          ...(hasLine
            ? {
                line: {
                  position: "right",
                  beginAtZero: true,
                  grid: { display: false },
                  ticks: { maxTicksLimit: 6 },
                  title: { display: !isPhone, text: axis.line },
                },
              }
            : {}),
        },
      },
    });
    return () => chart.destroy();
  }, [key]);
  return html`
    <div class="chart"><canvas id=${id} role="img" aria-label=${`${label} ${t("table_below")}`}></canvas></div>`;
}
