"use strict";
// Long tables: heads that sort the rows, and a field that finds some. Without scripts, these are all that is missing.
(() => {
  const BLANK = new Set(["", "–"]);
  const NUMBER = /^\[?([−+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[−+-]?\d+)?)(?=$|[\s,;%\]])/;
  const ORDERS = { none: "ascending", ascending: "descending", descending: "none" };
  const collator = new Intl.Collator("en", { numeric: true });

  const plain = (text) => text.replaceAll("−", "-").replaceAll("\u00a0", " ").toLowerCase();

  function made(name, properties, ...children) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  }

  // what a cell says, without the small lines and the badge below it
  function said(cell) {
    const own = [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    return own.map((node) => node.data).join("").trim();
  }

  function firstNumber(text) {
    const found = NUMBER.exec(text);
    return found ? Number(plain(found[1]).replaceAll(",", "")) : NaN;
  }

  // what a column is sorted by: the numbers behind its texts, else their first numbers, else the texts; null comes last
  function keys(cells) {
    const texts = cells.map(said);
    const blank = texts.map((text) => BLANK.has(text));
    const exact = cells.every((cell, place) => blank[place] || "value" in cell.dataset);
    const numbers = exact ? cells.map((cell) => Number(cell.dataset.value)) : texts.map(firstNumber);
    const numeric = numbers.every((number, place) => blank[place] || !Number.isNaN(number));
    return texts.map((text, place) => (blank[place] ? null : numeric ? numbers[place] : text));
  }

  function isNumber(cell) {
    return "value" in cell.dataset || !Number.isNaN(firstNumber(said(cell)));
  }

  // what a row is found by: its first cell and all that are no numbers, small lines included
  function names(cells) {
    const kept = cells.filter((cell, place) => !place || !isNumber(cell));
    return plain(kept.map((cell) => cell.textContent).join(" "));
  }

  function compared(one, other) {
    return typeof one === "number" ? one - other : collator.compare(one, other);
  }

  function ordered(rows, place, order) {
    if (order === "none") return rows;
    const found = keys(rows.map((row) => row.cells[place]));
    const sign = order === "ascending" ? 1 : -1;
    const places = [...rows.keys()].sort((one, other) => {
      const [left, right] = [found[one], found[other]];
      if (left === null || right === null) return (left === null) - (right === null);
      return sign * compared(left, right);
    });
    return places.map((each) => rows[each]);
  }

  function enrich(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const sortable = heads.filter(said);
    const searched = rows.map((row) => names([...row.cells]));
    const field = made("input", { type: "search", autocomplete: "off" });
    const status = made("output", {});
    field.setAttribute("aria-label", `Find rows: ${table.getAttribute("aria-label")}`);
    const label = made("label", {}, "Find rows ", field);
    table.closest(".scroll").before(made("p", { className: "find" }, label, " ", status));

    function tell() {
      const shown = rows.filter((row) => !row.hidden).length;
      const head = sortable.find((each) => each.getAttribute("aria-sort") !== "none");
      const order = head ? `, ${head.getAttribute("aria-sort")} by ${head.querySelector("button").textContent}` : "";
      status.textContent = `${shown === rows.length ? "" : `${shown} of `}${rows.length} rows${order}`;
    }

    field.addEventListener("input", () => {
      const wanted = plain(field.value).split(/\s+/).filter(Boolean);
      rows.forEach((row, place) => (row.hidden = !wanted.every((word) => searched[place].includes(word))));
      tell();
    });

    sortable.forEach((head) => {
      const button = made("button", { type: "button" }, said(head));
      head.firstChild.replaceWith(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const order = ORDERS[head.getAttribute("aria-sort")];
        sortable.forEach((each) => each.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", order);
        body.append(...ordered(rows, head.cellIndex, order));
        tell();
      });
    });
    tell();
  }

  document.querySelectorAll("table.long").forEach(enrich);
})();
