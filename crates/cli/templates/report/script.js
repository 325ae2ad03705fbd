"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const show = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", `Use ${isDark() ? "light" : "dark"} colours`);
  };
  // A browser may refuse to store anything for a file.
  const stored = (work) => {
    try {
      return work(localStorage);
    } catch {
      return null;
    }
  };
  const saved = stored((storage) => storage.getItem("apify-runs-theme"));
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    stored((storage) => storage.setItem("apify-runs-theme", root.dataset.theme));
    show();
  });
  dark.addEventListener("change", show);
  show();
  theme.hidden = false;

  const table = document.querySelector("table.sortable");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];
  // What is not known is null, and comes last in either order.
  const value = (row, place, isNumber) => {
    const cell = row.cells[place];
    const text = cell.dataset.v ?? cell.firstChild?.textContent ?? "";
    if (!isNumber) return text.toLowerCase();
    return text === "" ? null : Number(text.replaceAll(",", ""));
  };
  const sort = (place) => {
    const header = headers[place];
    const isNumber = "n" in header.dataset;
    const before = header.getAttribute("aria-sort");
    const isDown = before ? before === "ascending" : isNumber;
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    const keyed = rows.map((row) => [value(row, place, isNumber), row]);
    keyed.sort(([one], [other]) => {
      if (one === other) return 0;
      if (one === null) return 1;
      if (other === null) return -1;
      const order = isNumber ? one - other : one.localeCompare(other);
      return isDown ? -order : order;
    });
    body.append(...keyed.map(([, row]) => row));
  };
  headers.forEach((header, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sort(place));
    header.replaceChildren(button);
  });

  const label = document.getElementById("search");
  const input = label.querySelector("input");
  const found = document.getElementById("found");
  const texts = rows.map((row) => row.cells[0].textContent.toLowerCase());
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    let count = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      if (!row.hidden) count += 1;
    });
    found.textContent = input.value ? `${count} of ${rows.length} found.` : "";
  });
  label.hidden = false;
})();
