// Opens a page of `apify-runs report` in Chromium, uses it, and writes screenshots of it.
// Usage: node check.mjs PAGE FOLDER
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [file, folder] = process.argv.slice(2).map((path) => resolve(path));
mkdirSync(folder, { recursive: true });
const address = pathToFileURL(file).href;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

// The page must send no request and log no error.
async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const found = [];
  page.on("request", (request) => {
    const isOwn = request.url() === address || request.url().startsWith("data:");
    if (!isOwn) found.push(`request: ${request.url()}`);
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) found.push(message.text());
  });
  page.on("pageerror", (error) => found.push(error.message));
  await page.goto(address);
  return { context, page, found };
}

const shot = (page, name, options) =>
  page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled", ...options });
const isDark = (page) =>
  page.evaluate(() => {
    const [red] = getComputedStyle(document.body).backgroundColor.match(/\d+/g);
    return Number(red) < 100;
  });
const column = (page, place) =>
  page.$$eval(
    "table.sortable tbody tr:not([hidden])",
    (rows, place) => rows.map((row) => row.cells[place].dataset.v ?? row.cells[place].textContent),
    place,
  );
const numbers = (texts) => texts.map((text) => Number(text.replaceAll(",", "")));
const isSorted = (values, compare) =>
  values.every((value, place) => place === 0 || compare(values[place - 1], value));

{
  const { context, page, found } = await open({ colorScheme: "light" });
  await shot(page, "light", { fullPage: true });
  await shot(page, "top");
  assert.equal(await isDark(page), false);

  // Each chart has a name and a description, and each header a scope.
  const charts = await page.$$eval("svg[role=img]", (charts) =>
    charts.map((chart) =>
      chart
        .getAttribute("aria-labelledby")
        .split(" ")
        .map((id) => document.getElementById(id)?.textContent ?? "")));
  assert.equal(charts.length, 4);
  for (const [title, description] of charts) {
    assert.ok(title.length > 5 && description.length > 20, `${title}: ${description}`);
  }
  assert.deepEqual(await page.$$eval("th:not([scope])", (cells) => cells.length), 0);
  assert.deepEqual(await page.$$eval("table:not(:has(caption))", (tables) => tables.length), 0);
  const ids = await page.$$eval("[id]", (elements) => elements.map((element) => element.id));
  assert.equal(new Set(ids).size, ids.length);
  const unnamed = await page.$$eval("button, input, a, [role=group]", (elements) =>
    elements.filter((element) => {
      const labels = (element.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
      const name = labels.map((id) => document.getElementById(id)?.textContent ?? "").join("");
      const label = element.getAttribute("aria-label") ?? element.closest("label")?.textContent;
      return !(name + (label ?? "") + element.textContent).trim();
    }).length);
  assert.equal(unnamed, 0);
  const levels = await page.$$eval("h1, h2, h3", (headings) => headings.map((it) => it.localName));
  assert.equal(levels.filter((level) => level === "h1").length, 1);
  // Nothing is painted in black for want of a colour.
  const black = await page.$$eval(
    "svg path[class], i",
    (elements) =>
      elements.filter((element) => {
        const style = getComputedStyle(element);
        const color = element.localName === "i" ? style.backgroundColor : style.fill;
        return element.localName === "i" ? color === "rgba(0, 0, 0, 0)" : color === "rgb(0, 0, 0)";
      }).length,
  );
  assert.equal(black, 0);

  // Sorting, by pointer and by keyboard.
  const names = await column(page, 0);
  await page.getByRole("button", { name: "Runs", exact: true }).click();
  assert.ok(isSorted(numbers(await column(page, 1)), (one, other) => one >= other));
  const header = page.locator("table.sortable thead th").nth(1);
  assert.equal(await header.getAttribute("aria-sort"), "descending");
  await page.getByRole("button", { name: "Runs", exact: true }).focus();
  await page.keyboard.press("Enter");
  assert.equal(await header.getAttribute("aria-sort"), "ascending");
  assert.ok(isSorted(numbers(await column(page, 1)), (one, other) => one <= other));
  for (const [place, name] of [[4, "Cost"], [3, "Failure rate"], [6, "Median"]]) {
    await page.getByRole("button", { name, exact: true }).click();
    const values = await column(page, place);
    assert.ok(isSorted(numbers(values), (one, other) => one >= other), `${name}: ${values}`);
    assert.equal(await page.locator("[aria-sort]").count(), 1);
  }
  await page.getByRole("button", { name: "Actor", exact: true }).click();
  assert.ok(isSorted(await column(page, 0), (one, other) => one.localeCompare(other) <= 0));
  assert.deepEqual((await column(page, 0)).sort(), names.sort());

  // Searching.
  await page.getByRole("searchbox").fill("PRICES");
  assert.equal((await column(page, 0)).length, 1);
  assert.match(await page.getByRole("status").textContent(), /^1 of \d+ found/);
  await page.getByRole("searchbox").fill("");
  assert.equal((await column(page, 0)).length, names.length);

  // The other colours stay when the page is opened again.
  await page.locator("#theme").click();
  assert.equal(await isDark(page), true);
  await page.reload();
  assert.equal(await isDark(page), true);
  await shot(page, "dark", { fullPage: true });
  await page.emulateMedia({ media: "print" });
  assert.equal(await isDark(page), false, "paper is white");
  // As wide as A4, landscape.
  await page.setViewportSize({ width: 1030, height: 700 });
  await shot(page, "print", { fullPage: true });
  const cut = await page.$$eval(".scroll, .chart, .panel", (boxes) =>
    boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).length);
  assert.equal(cut, 0, "paper does not scroll");
  await page.pdf({ path: join(folder, "print.pdf"), format: "A4", printBackground: true });
  assert.deepEqual(found, []);
  await context.close();
}

{
  const { context, page, found } = await open({ colorScheme: "dark" });
  assert.equal(await isDark(page), true);
  for (const width of [320, 390, 768, 1280, 1920]) {
    await page.setViewportSize({ width, height: 844 });
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(overflow, 0, `${width} pixels`);
    if (width === 390) await shot(page, "narrow", { fullPage: true });
  }
  assert.deepEqual(found, []);
  await context.close();
}

{
  const { context, page, found } = await open({ javaScriptEnabled: false });
  assert.ok(await page.getByRole("heading", { name: "Actors" }).isVisible());
  assert.equal(await page.getByRole("button").count(), 0);
  assert.equal(await page.getByRole("searchbox").count(), 0);
  assert.deepEqual(found, []);
  await context.close();
}

await browser.close();
console.log(`the page can be used: ${folder} has screenshots`);
