// A day at the desk in a real browser: sign in, a call pops and goes, its recording plays, the journal
// has it; in both languages. Pictures go to the folder named by SCREENSHOTS, if it is set.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startGateway } from "./gateway.mjs";
import { Call, settings, startApi } from "./mango.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const PICTURES = process.env.SCREENSHOTS;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"];

let api, gateway, browser;
/** What a browser complained of, script errors and refused content alike. */
const complaints = [];

before(async () => {
  api = await startApi();
  gateway = await startGateway(api.url, settings);
  browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
  api?.stop();
});

async function signIn(login, { told, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, permissions: ["clipboard-read", "clipboard-write"], ...options });
  if (told) await context.addInitScript(told);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && complaints.push(`${login}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`${login}: ${error}`));
  await page.goto(gateway.link(login));
  await page.locator("main form button").click();
  await page.waitForURL(`${gateway.url}/`);
  return page;
}

async function picture(page, name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

const now = () => Math.floor(Date.now() / 1000);
const call = (id, client, ago = 0, line = "74950000090") =>
  new Call(gateway.url, { id, client, line, startedAt: now() - ago });

/** All of the story: after midnight its first calls are yesterday's, and pages show today. */
const period = () => {
  const day = new Intl.DateTimeFormat("sv", { timeZone: "Europe/Moscow" });
  return `from=${day.format(Date.now() - 86_400_000)}&to=${day.format(Date.now())}`;
};

const VERA = "74950000011";
const popOf = (page) => page.locator("#pops .pop");

test("yesterday's work is on the desk", async () => {
  await call("old-1", VERA, 5400).answeredBy("301");
  await call("old-2", "74950000021", 1500).missedBy("301");
  await call("old-3", "74950000022", 3000, "74950000091").answeredBy("302");
  await call("old-4", VERA, 2000, "74950000091").answeredBy("301");
  const anna = await signIn("anna");
  await anna.locator(".task-list li").waitFor();
  assert.match(await anna.locator(".task-list li").innerText(), /\+7 495 000-00-21/);
  assert.equal(await anna.locator("table.calls tbody tr").count(), 3);
  await picture(anna, "desk-ru");
  await anna.context().close();
});

test("a call pops at those it rings at, follows them, and goes elsewhere", async () => {
  const [anna, boris, helen] = [await signIn("anna"), await signIn("boris"), await signIn("helen")];
  await helen.goto(`${gateway.url}/?watch=1`);
  await anna.locator("h1").click();
  const focus = () => anna.evaluate(() => document.activeElement?.tagName);
  const focused = await focus();
  const live = call("live-1", VERA);
  await live.rings("301", 0);
  await live.rings("302", 0);
  for (const page of [anna, boris, helen]) await popOf(page).waitFor();
  assert.equal(await popOf(anna).locator("h2").innerText(), "Вера Сергеева");
  assert.match(await popOf(anna).innerText(), /Поиск → Сайт/);
  assert.equal(await anna.locator("#say").innerText(), "Звонит Вера Сергеева");
  assert.equal(await focus(), focused, "the pop takes the focus away");
  // Boris is rung for Anna's client: he sees the card until wrap-up ends.
  assert.match(await popOf(boris).innerText(), /Анна Лебедева/);
  await picture(anna, "pop-ringing-ru");
  await picture(helen, "pop-watched-ru");
  await popOf(anna).locator("[data-copy]").click();
  assert.equal(await anna.evaluate(() => navigator.clipboard.readText()), "+74950000011");

  await live.answers("301", 4);
  await anna.locator("#pops .pop.talking").waitFor();
  await popOf(boris).waitFor({ state: "detached" });
  await popOf(helen).waitFor({ state: "detached" });
  await live.leaves("302", 4, 1180);

  // What is being typed survives every fresher panel.
  // The key that says "n" in Latin and "т" in Russian.
  const press = { key: "т", code: "KeyN", bubbles: true, cancelable: true };
  await anna.evaluate((key) => document.body.dispatchEvent(new KeyboardEvent("keydown", key)), press);
  assert.equal(await focus(), "TEXTAREA");
  await anna.locator("#pops textarea").fill("Придёт в понедельник");
  await live.leaves("301", 34, 1120);
  await live.over({ extension: "301", talkedFrom: 4, end: 34, reason: 1120 });
  await anna.locator("#pops .pop.wrap_up").waitFor();
  assert.equal(await anna.locator("#pops textarea").inputValue(), "Придёт в понедельник");
  await anna.locator("#pops textarea").blur();
  await anna.keyboard.press("1");
  await picture(anna, "wrap-up-ru");
  await anna.locator("#pops form.wrap-up button[type=submit]").click();
  await popOf(anna).waitFor({ state: "detached" });

  await anna.locator("table.calls tbody tr", { hasText: "Вера" }).first().locator("a.client").click();
  await anna.locator(".timeline li.result").first().waitFor();
  assert.match(await anna.locator(".timeline li.result").first().innerText(), /Договорились\s+Придёт в понедельник/);
  await picture(anna, "card-ru");
  await live.recorded("301", 4, 34);
  for (const page of [anna, boris, helen]) await page.context().close();
});

test("a pop survives a lost connection and two stack", async () => {
  const anna = await signIn("anna");
  const first = call("live-2", "74950000031");
  const second = call("live-3", "74950000032");
  await first.rings("301", 0);
  await popOf(anna).waitFor();
  await anna.context().setOffline(true);
  await second.rings("301", 0);
  await anna.context().setOffline(false);
  await anna.locator("#pops .pop").nth(1).waitFor({ timeout: 15000 });
  await picture(anna, "two-pops-ru");
  await anna.reload();
  assert.equal(await popOf(anna).count(), 2);
  for (const one of [first, second]) await one.leaves("301", 20, 1111);
  for (const one of [first, second]) await one.over({ extension: "301", end: 20, reason: 1111 });
  await popOf(anna).first().waitFor({ state: "detached" });
  assert.equal(await popOf(anna).count(), 0);
  await anna.context().close();
});

test("the journal finds the call, its page explains it and its recording plays", async () => {
  const olga = await signIn("olga", { colorScheme: "dark" });
  await olga.goto(`${gateway.url}/calls?${period()}`);
  assert.equal(await olga.locator("h1").innerText(), "Calls");
  await picture(olga, "journal-en-dark");
  await olga.locator("input[name=q]").last().fill("0011");
  await olga.locator("form.filters button").click();
  const rows = olga.locator("main > .scroll table.calls tbody tr");
  assert.equal(await rows.count(), 3);
  await rows.first().locator("td.when a").click();
  await olga.locator("h1").waitFor();
  const player = olga.locator("[data-player]");
  // The recording is fetched by a job of its own.
  for (let tries = 0; tries < 40 && (await player.count()) === 0; tries += 1) {
    await olga.waitForTimeout(250);
    await olga.reload();
  }
  assert.equal(await player.locator("svg.waveform path").count(), 2);
  await player.locator("[data-play]").click();
  await olga.waitForFunction(() => document.querySelector("audio").currentTime > 0.3);
  await olga.keyboard.press("ArrowRight");
  await olga.waitForFunction(() => document.querySelector("audio").currentTime > 5);
  await olga.waitForFunction(() => document.querySelector("[data-position]").textContent !== "0:00");
  await picture(olga, "call-en-dark");
  await olga.keyboard.press(" ");
  assert.equal(await olga.evaluate(() => document.querySelector("audio").paused), true);
  const chain = olga.locator("table.pops tr", { hasText: "Анна" });
  assert.match(await chain.innerText(), /phone rang[\s\S]*\+\d+ ms[\s\S]*\+\d+ ms[\s\S]*\+\d+ ms/);
  await olga.locator("#chain-title").scrollIntoViewIfNeeded();
  await picture(olga, "call-chain-en-dark");
  await olga.context().close();
});

test("figures, accounts and settings read well in both languages", async () => {
  const olga = await signIn("olga");
  await olga.goto(`${gateway.url}/lines?${period()}`);
  assert.equal((await olga.locator("tr.total [data-figure=calls]").innerText()).split("\n")[0], "7");
  await picture(olga, "lines-en");
  await olga.goto(`${gateway.url}/accounts`);
  await picture(olga, "accounts-en");
  await olga.locator("form.languages button[value=ru]").click();
  assert.equal(await olga.locator("h1").innerText(), "АТС");
  await olga.goto(`${gateway.url}/lines`);
  await picture(olga, "lines-ru");
  await olga.goto(`${gateway.url}/calls`);
  await picture(olga, "journal-ru");
  await olga.goto(`${gateway.url}/me`);
  await picture(olga, "me-ru");
  await olga.context().close();
  const phone = await signIn("anna", { viewport: { width: 390, height: 800 } });
  await picture(phone, "desk-phone-ru");
  await phone.context().close();
});

test("everything works without script", async () => {
  const anna = await signIn("anna", { javaScriptEnabled: false });
  const live = call("live-9", VERA);
  await live.rings("301", 0);
  await anna.reload();
  assert.equal(await popOf(anna).locator("h2").innerText(), "Вера Сергеева");
  await live.answers("301", 3);
  await live.leaves("301", 20, 1120);
  await live.over({ extension: "301", talkedFrom: 3, end: 20, reason: 1120 });
  await anna.reload();
  await anna.locator("#pops input[value=thinking]").check();
  await anna.locator("#pops form.wrap-up button").click();
  assert.equal(await popOf(anna).count(), 0);
  await picture(anna, "no-script-ru");
  await anna.context().close();
});

/** Stands in for the desktop, which a headless browser has not: keeps what pages tell outside of themselves. */
function desktop() {
  localStorage.setItem("ringcard-notice", "1");
  window.outside = { shown: [], closed: 0, tones: 0 };
  document.hasFocus = () => false;
  window.Notification = class {
    static permission = "granted";
    constructor(words) {
      window.outside.shown.push(words);
    }
    close() {
      window.outside.closed += 1;
    }
  };
  const make = AudioContext.prototype.createOscillator;
  AudioContext.prototype.createOscillator = function () {
    window.outside.tones += 1;
    return make.call(this);
  };
}

test("a ringing phone is told outside the page: once, to those it rings at, as they have chosen", async () => {
  const pages = [await signIn("anna", { told: desktop })];
  await pages[0].goto(`${gateway.url}/me`);
  assert.equal(await pages[0].locator("[data-alert=notice]").isChecked(), true);
  await pages[0].locator("[data-alert=ring]").check();
  const tried = await pages[0].evaluate(() => window.outside.tones);
  assert.equal(tried, 2, "a ring is heard when it is chosen");
  await picture(pages[0], "me-alerts-ru");
  pages.push(await pages[0].context().newPage());
  await pages[1].goto(`${gateway.url}/calls`);
  const helen = await signIn("helen", { told: desktop });
  await helen.goto(`${gateway.url}/?watch=1`);
  const outside = async (what) => (await Promise.all(pages.map((page) => page.evaluate((what) => window.outside[what], what)))).flat();
  const until = async (holds) => {
    for (let tries = 0; tries < 100 && !(await holds()); tries += 1) await pages[0].waitForTimeout(100);
    assert.ok(await holds());
  };

  const first = call("live-a", VERA);
  await first.rings("301", 0);
  for (const page of [...pages, helen]) await popOf(page).waitFor();
  await until(async () => (await outside("shown")).length > 0);
  await until(async () => (await outside("tones")).reduce((sum, tones) => sum + tones) >= tried + 4);
  assert.deepEqual(await outside("shown"), ["Звонит Вера Сергеева"]);
  assert.ok((await outside("tones")).includes(0) || (await outside("tones")).includes(tried), "both pages ring");
  await first.answers("301", 4);
  await until(async () => (await outside("closed")).includes(1));

  // Whoever looks at one of the pages is not told again.
  await pages[1].evaluate(() => {
    document.hasFocus = () => true;
    dispatchEvent(new Event("focus"));
  });
  await pages[1].waitForFunction(async () => (await navigator.locks.query()).held.some((lock) => lock.name === "ringcard-focus"));
  const before = (await outside("tones")).reduce((sum, tones) => sum + tones);
  const second = call("live-b", "74950000033");
  await second.rings("301", 0);
  for (const page of pages) await popOf(page).nth(1).waitFor();
  await until(async () => (await outside("tones")).reduce((sum, tones) => sum + tones) > before);
  assert.equal((await outside("shown")).length, 1);
  assert.deepEqual(await helen.evaluate(() => [window.outside.shown, window.outside.tones]), [[], 0]);

  for (const [one, end] of [[first, 20], [second, 20]]) await one.leaves("301", end, 1120);
  await first.over({ extension: "301", talkedFrom: 4, end: 20, reason: 1120 });
  await second.over({ extension: "301", end: 20, reason: 1111 });
  for (const page of [...pages, helen]) if (!page.isClosed()) await page.context().close();
});

test("no browser complained of anything", () => {
  // Going offline is what the story does itself.
  const other = complaints.filter((words) => !/ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED/.test(words));
  assert.deepEqual(other, []);
});
