"use strict";
// What a table shows, as a file: CSV, or a workbook in which money is a number with all its digits.

function save(name, type, parts) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type }));
  const values = addressValues();
  const about = [values.month, values.owner].filter(Boolean).map((text) => text.replace(/[^\w-]/g, "_"));
  link.download = ["callbill", ...about, name].join("-");
  link.click();
  URL.revokeObjectURL(link.href);
}

const exactly = (row, column) => {
  const value = row[column];
  return value === null || value === undefined ? "" : String(value);
};

/** A cell of CSV. Texts that a spreadsheet would compute begin with an apostrophe. */
function csvCell(text, column) {
  const safe = !NUMBERS.has(column) && /^'*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function saveCsv(name, columns, rows) {
  const lines = [
    columns.map((column) => csvCell(term(column), column)).join(","),
    ...rows.map((row) => columns.map((column) => csvCell(exactly(row, column), column)).join(",")),
  ];
  // With a byte order mark, which spreadsheets expect.
  save(`${name}.csv`, "text/csv", [`\ufeff${lines.join("\r\n")}\r\n`]);
}

const xml = (text) =>
  text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");

function letters(at) {
  return (at >= 26 ? letters(Math.floor(at / 26) - 1) : "") + String.fromCharCode(65 + (at % 26));
}

// Styles: 0 text, 1 heading, 2 whole number, 3 two decimals, 4 eight decimals, 5 to 7 their sums.
const STYLES = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<numFmts count="1"><numFmt numFmtId="164" formatCode="#,##0.00000000"/></numFmts>
<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border/></borders>
<cellStyleXfs count="1"><xf/></cellStyleXfs>
<cellXfs count="9">${[
  [0, 0],
  [0, 1],
  [3, 0],
  [4, 0],
  [164, 0],
  [3, 1],
  [4, 1],
  [164, 1],
  [49, 0],
]
  .map(([format, font]) => `<xf numFmtId="${format}" fontId="${font}" xfId="0" applyNumberFormat="1" applyFont="1"/>`)
  .join("")}</cellXfs></styleSheet>`;

/** A cell. Numbers are written as they are: no program here makes floats of them. */
function sheetCell(text, column, place, isSum) {
  const isNumber = NUMBERS.has(column) && /^-?\d+(\.\d+)?$/.test(text);
  // A spreadsheet keeps 15 digits.
  if (isNumber && text.replace(/[-.]/g, "").replace(/^0+/, "").length <= 15) {
    const decimals = (text.split(".")[1] ?? "").length;
    const style = (decimals === 0 ? 2 : decimals === 2 ? 3 : 4) + (isSum ? 3 : 0);
    return `<c r="${place}" s="${style}"><v>${text}</v></c>`;
  }
  if (text === "") return "";
  const style = isSum ? 1 : 8;
  return `<c r="${place}" s="${style}" t="inlineStr"><is><t xml:space="preserve">${xml(text)}</t></is></c>`;
}

function saveWorkbook(name, columns, rows, totals) {
  const row = (values, at, isSum = false) =>
    `<row r="${at}">${values
      .map((text, n) => sheetCell(text, columns[n], `${letters(n)}${at}`, isSum))
      .join("")}</row>`;
  const heading = `<row r="1">${columns
    .map((column, n) => `<c r="${letters(n)}1" s="1" t="inlineStr"><is><t>${xml(term(column))}</t></is></c>`)
    .join("")}</row>`;
  const sums = columns.map((column, at) =>
    totals.includes(column) ? sumBy(rows, column) : at === 0 ? t("sum_of", { rows: rows.length }) : "",
  );
  const width = (column) =>
    Math.min(
      60,
      4 + rows.slice(0, 500).reduce(
        (widest, one) => Math.max(widest, exactly(one, column).length),
        [...term(column)].reduce((sum, letter) => sum + (letter > "\u2e80" ? 2 : 1), 0),
      ),
    );
  const last = rows.length + 1;
  const range = `A1:${letters(columns.length - 1)}${last}`;
  const sheet = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>${columns
    .map((column, n) => `<col min="${n + 1}" max="${n + 1}" width="${width(column)}" customWidth="1"/>`)
    .join("")}</cols><sheetData>${heading}${rows
    .map((one, at) => row(columns.map((column) => exactly(one, column)), at + 2))
    .join("")}${totals.length && rows.length > 1 ? row(sums, last + 1, true) : ""}</sheetData><autoFilter ref="${range}"/><pageSetup paperSize="9" orientation="landscape" fitToWidth="1" fitToHeight="0"/></worksheet>`;
  const files = {
    "[Content_Types].xml": `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>`,
    "_rels/.rels": `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
    "xl/workbook.xml": `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="${xml(name)}" sheetId="1" r:id="rId1"/></sheets><definedNames><definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">'${xml(name)}'!$A$1:$${letters(columns.length - 1)}$${last}</definedName><definedName name="_xlnm.Print_Titles" localSheetId="0">'${xml(name)}'!$1:$1</definedName></definedNames></workbook>`,
    "xl/_rels/workbook.xml.rels": `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>`,
    "xl/worksheets/sheet1.xml": sheet,
    "xl/styles.xml": STYLES,
  };
  const packed = window.fflate.zipSync(
    Object.fromEntries(Object.entries(files).map(([path, text]) => [path, window.fflate.strToU8(text)])),
  );
  save(`${name}.xlsx`, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", [packed]);
}
