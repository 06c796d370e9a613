// The demo shop: queues and purchases through the public API (docs/api.md), on clocks that are wrong and networks that fail.
//
// One loop asks for the next thing that the purchase needs, and buttons only say what is wanted. The purchase is kept in
// localStorage, each Idempotency-Key before the request that it belongs to. So a reload, the back button, a second tab and
// a lost answer all lead to the same request again, and that to the same hold and the same order. A ticket for a queue is
// kept in the same way, one for each product: it is the place, and no second one is asked for while there is one.

const API = "/api/v1";
const PURCHASE = "flashsale.purchase", CUSTOMER = "flashsale.customer", TICKET = "flashsale.ticket.";
const CHECKS = 6, CHECK_EVERY_MS = 5_500; // The shop asks its provider about an order at most once in 5 s.
const HOLD_WITHIN_MS = 120_000; // A request for a hold that is older is not repeated: the buyer has left.

// --- What went wrong, in words: by the code of the problem, which has the members that a sentence uses -----------------

const SENTENCES = {
  insufficient_stock: ({ available }) => available
    ? `Only ${available} left: choose fewer.`
    : "Sold out, for now. Units that others hold may come back.",
  sale_not_started: ({ sale_starts_at, queue_opens_at }) =>
    queue_opens_at
      ? `The queue opens ${moment(queue_opens_at)}.`
      : `The sale has not started. It begins ${moment(sale_starts_at)}.`,
  sale_ended: "The sale has ended.",
  sale_paused: "The sale is paused. It can go on at any moment.",
  limit_exceeded: ({ limit }) => `At most ${limit} for each buyer, those in your other orders included.`,
  hold_expired: "Your time was over before you ordered. The units went back; nothing was charged.",
  hold_released: "You gave these units back. Nothing was charged.",
  hold_already_used: "This was ordered already: here is the order.",
  order_already_paid: "The order is paid already: it cannot be cancelled or paid again.",
  order_not_pending: "The order is not open any more.",
  payment_id_in_use: "This payment belongs to another order.",
  payment_closed: "The time to pay is over. If you have paid, you will see it here in a moment.",
  payment_not_possible: "This order cannot be paid here. Nothing was charged.",
  payment_provider_unavailable: "The payment provider does not answer. Trying again; nothing was charged.",
  payment_declined: "The payment was declined and nothing was charged. Try again, or with another card.",
  payment_missing: "No payment has arrived so far. If your card was declined, nothing was charged: try again, or with another card.",
  payment_on_its_way: "Your payment is on its way. This page shows it as soon as it is here.",
  price_changed: ({ before, after }) => `The price changed from ${before} to ${after} just before you bought.`,
  not_admitted: "It is not your turn yet. Your place is kept: wait a little more.",
  ticket_invalid: "The shop does not know this ticket (any more). Join the queue again: you are at its end then.",
  ticket_used: "Each ticket is good for one purchase, and this one was used for one. Join the queue again to buy once more.",
  ticket_missing: "There is a queue for this product. Join it first.",
  admission_expired: "A turn lasts a few minutes, and yours is over. Join the queue again: you are at its end then.",
  throttled: ({ wait }) => `Too many requests from your address. Trying again in ${wait} s.`,
  busy: "Very many buyers are here at once. Trying again; nothing is lost.",
  outcome_unknown: "The answer was lost. Asking again: you get it once, or not at all.",
  offline: "No connection. What you have is safe, and this page tries again.",
  unanswered: "Your request got no answer in time. Try again.",
  not_found: "The shop does not know this any more.",
  idempotency_key_reused: "This was asked for with other contents before. Try again.",
  invalid: ({ errors }) => `The shop does not accept this: ${errors?.[0]?.detail ?? "it is not a valid request."}`,
  not_authenticated: "This shop's API needs a token, which a public page cannot have (API_ACCESS).",
  scope_missing: "This shop's API does not allow this to a public page.",
  forbidden: "The shop does not allow this.",
  internal_error: "Something broke in the shop. Trying again; nothing is lost.",
  payload_too_large: "The request is too large.",
  unsupported_media_type: "The shop did not understand the request.",
  not_acceptable: "The shop did not understand the request.",
  method_not_allowed: "The shop did not understand the request.",
};

function inWords({ code, detail, ...members }) {
  const sentence = SENTENCES[code] ?? detail ?? "Something went wrong.";
  return typeof sentence === "function" ? sentence(members) : sentence;
}

// --- The shop's clock ---------------------------------------------------------------------------------------------------
// Every answer says the server's time in whole seconds: together they narrow down what it was at the start of this page.
// The device's clock may be wrong and is never read.

const clock = { low: -Infinity, high: Infinity };

function setClock(date, sentAt, receivedAt) {
  const second = Date.parse(date);
  if (Number.isNaN(second)) return;
  const low = second - receivedAt, high = second + 1000 - sentAt;
  const isConsistent = low < clock.high && high > clock.low; // Not after the device slept.
  clock.low = isConsistent ? Math.max(low, clock.low) : low;
  clock.high = isConsistent ? Math.min(high, clock.high) : high;
}

// The server's time in milliseconds; NaN before its first answer.
const now = () => (clock.low + clock.high) / 2 + performance.now();

// --- Requests -----------------------------------------------------------------------------------------------------------

class Problem extends Error {
  constructor(members) {
    super(members.code);
    Object.assign(this, members);
  }

  get isTemporary() {
    return this.code === "offline" || this.status === 429 || this.status >= 500;
  }
}

// Sends one request; throws a Problem. `no-cache` makes the browser ask with the ETag of what it has.
async function send(method, path, { body, key, ticket } = {}) {
  const headers = { Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (ticket) headers["Queue-Ticket"] = ticket;
  const signal = AbortSignal.timeout(10_000), sentAt = performance.now();
  const options = { method, headers, signal, cache: "no-cache", credentials: "omit", body: body && JSON.stringify(body) };
  let response, content;
  try {
    response = await fetch(path, options);
    setClock(response.headers.get("Date"), sentAt, performance.now());
    content = response.status === 204 ? null : await response.json();
  } catch {
    throw new Problem({ code: "offline" });
  }
  const wait = Number(response.headers.get("Retry-After") ?? 0);
  if (!response.ok) throw new Problem({ ...content, status: response.status, wait });
  return { content, wait };
}

const inHex = (bytes) => Array.from(new Uint8Array(bytes), (n) => n.toString(16).padStart(2, "0")).join("");
const random = () => inHex(crypto.getRandomValues(new Uint8Array(16)));

// --- The purchase of this browser, in all its tabs ----------------------------------------------------------------------

let inMemory = {}; // Where the browser stores nothing.

function stored(name) {
  try { return JSON.parse(localStorage.getItem(name)); } catch { return inMemory[name] ?? null; }
}

function store(name, value) {
  try { localStorage.setItem(name, JSON.stringify(value)); } catch { inMemory[name] = value; }
}

// What is added to a purchase, or a ticket, later has a place of its own each: two tabs that write at once lose nothing to
// each other.
function storedWhole(at, names) {
  const whole = stored(at);
  for (const name of whole ? names : []) {
    const part = stored(`${at}.${name}`);
    if (part?.key === whole.key) whole[name] = part.value;
  }
  return whole;
}

// Adds to what is stored, unless another tab ended it or began another one meanwhile.
function storeParts(at, { key }, parts) {
  if (stored(at)?.key !== key) return;
  for (const [name, value] of Object.entries(parts)) store(`${at}.${name}`, { key, value });
}

function end(at, { key }) {
  if (stored(at)?.key === key) store(at, null);
}

const current = () => storedWhole(PURCHASE, ["hold", "orderKey", "order"]);
const keep = (purchase, parts) => storeParts(PURCHASE, purchase, parts);
const forget = (purchase) => end(PURCHASE, purchase);

function customer() {
  if (!stored(CUSTOMER)) store(CUSTOMER, random());
  return stored(CUSTOMER);
}

function stepOf(purchase) {
  if (!purchase) return "none";
  if (!purchase.hold) return "asking";
  if (purchase.order) return purchase.order.status; // pending_payment, paid, cancelled, expired
  if (purchase.orderKey || purchase.hold.order_id) return "ordering";
  return purchase.hold.status === "active" ? "held" : "lost";
}

const isUnderWay = (purchase) => ["asking", "held", "ordering", "pending_payment"].includes(stepOf(purchase));

// --- Loops: a task answers after how many milliseconds to run again; on temporary problems it waits longer each time ----

const loops = [];

function loop(task) {
  const state = { at: 0, isRunning: false, failures: 0, trouble: "" };
  state.run = async () => {
    if (state.isRunning || performance.now() < state.at) return;
    state.isRunning = true;
    try {
      state.at = performance.now() + await task();
      state.failures = 0;
      state.trouble = "";
    } catch (problem) {
      state.at = performance.now() + 10_000;
      if (!(problem instanceof Problem)) throw problem;
      // As the shop says, plus a random part, so that browsers do not all come back at once.
      state.at = performance.now() + 1000 * ((problem.wait || 0) + Math.random() * Math.min(10, 2 ** state.failures));
      state.failures += 1;
      state.trouble = inWords(problem);
    } finally {
      state.isRunning = false;
      render();
    }
  };
  loops.push(state);
  return state;
}

function runSoon() {
  for (const each of loops) each.at = 0;
}

// --- The loop of the purchase: each step sends one request --------------------------------------------------------------

let wish = null; // What a button asked for (release, cancel, pay), and for which purchase.
let checks = CHECKS, nextCheck = 0; // The buyer may just have come back from the payment page,
let returned = null; // and this is what that page said.
let opening = null; // The key of a purchase that this tab shows as soon as it is held.
let message = {}; // What was refused in a step of the purchase.
const refusals = new Map(); // What was refused to this tab, by product.

const STEPS = {
  async asking(purchase) {
    if (Number.isNaN(now())) await send("GET", `${API}/products/${purchase.product.id}`);
    if (now() - purchase.askedAt > HOLD_WITHIN_MS) throw new Problem({ code: "unanswered" });
    const { product, quantity, key, ticket } = purchase;
    const buyer = product.max_per_customer ? { customer_id: customer() } : {};
    const { content } = await send("POST", `${API}/holds`, { key, ticket, body: { product_id: product.id, quantity, ...buyer } });
    keep(purchase, { hold: content });
    if (opening === key) location.hash = "purchase";
    return 0;
  },

  async held(purchase) {
    const path = `${API}/holds/${purchase.hold.hold_id}`;
    if (wants("release", purchase)) {
      await send("DELETE", path);
      forget(purchase);
      return 0;
    }
    const { content } = await send("GET", path);
    keep(purchase, { hold: content });
    return untilDeadline(content.expires_at, 10_000);
  },

  async ordering(purchase) {
    const { hold, orderKey } = purchase;
    const { content } = hold.order_id
      ? await send("GET", `${API}/orders/${hold.order_id}`)
      : await send("POST", `${API}/orders`, { key: orderKey, body: { hold_id: hold.hold_id } });
    keep(purchase, { order: content });
    forgetTicket(purchase.product.id, { key: purchase.ticket }); // It is good for one order.
    return 0;
  },

  async pending_payment(purchase) {
    const path = `${API}/orders/${purchase.order.order_id}`;
    if (wants("pay", purchase)) return pay(path);
    const { content } = wants("cancel", purchase) ? await send("POST", `${path}/cancel`)
      : isCheckDue() ? await send("POST", `${path}/payment/check`) : await send("GET", path);
    keep(purchase, { order: content });
    if (returned) message = { step: "pending_payment", text: inWords({ code: returned }) };
    returned = null;
    return untilDeadline(content.payment_due_at, 2_000);
  },

  paid: readOrder, // It may be refunded.
  cancelled: readOrder,
  expired: readOrder, // It may still become paid.
};

const wants = (what, purchase) => wish?.what === what && wish.key === purchase.key;

async function readOrder(purchase) {
  const { content } = await send("GET", `${API}/orders/${purchase.order.order_id}`);
  keep(purchase, { order: content });
  return 10_000;
}

// Goes to the page to pay on. Its address contains a secret: it is used once and kept nowhere.
async function pay(path) {
  const { payment, provider } = document.body.dataset, back = `${location.origin}/?back`;
  const body = payment === "checkout" ? { return_url: back } : {};
  const { content, wait } = await send("POST", `${path}/payment`, { body });
  const { status, url, client_secret } = content.payment;
  if (status === "creating") return 1000 * Math.max(1, wait);
  wish = null;
  const query = new URLSearchParams({ client_secret, return_url: back });
  location.assign(url ?? `${provider}/pay/${client_secret.split("_secret_")[0]}?${query}`);
  return 5_000;
}

// Whether to let the shop ask its provider: its webhook may be late, or never come.
function isCheckDue() {
  const isDue = document.body.dataset.payment && checks > 0 && performance.now() >= nextCheck;
  if (!isDue) return false;
  checks -= 1;
  nextCheck = performance.now() + CHECK_EVERY_MS;
  return true;
}

function untilDeadline(deadline, most) {
  const left = Date.parse(deadline) - now();
  return left > 0 ? Math.min(most, left + 300) : 1_000;
}

const purchases = loop(async () => {
  const purchase = current(), step = stepOf(purchase);
  try {
    return STEPS[step] ? await STEPS[step](purchase) : 250;
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.isTemporary) throw problem;
    refused(problem, purchase, step);
    return 0;
  }
});

function refused(problem, purchase, step) {
  wish = null;
  if (step === "asking" || problem.code === "not_found") {
    const { product, ticket } = purchase;
    refusals.set(product.id, inWords(problem.code === "ticket_invalid" && !ticket ? { code: "ticket_missing" } : problem));
    if (ticket) ticketRefused(product.id, { key: ticket }, problem);
    forget(purchase);
    catalog.at = 0;
  } else {
    message = { step, text: inWords(problem) };
    if (problem.code === "hold_already_used") keep(purchase, { hold: { ...purchase.hold, order_id: problem.order_id } });
    else if (step === "ordering") keep(purchase, { orderKey: null });
  }
}

// --- The loops of the queues: one for each product that this browser has a ticket for, or whose queue is on the screen ---

const queues = new Map(); // By product: what was read of it and of its queue, and the loop that reads.
const joins = new Set(); // The products whose queue a button asked to join.
const NOT_DRAWN = ["not_open", "open"], OVER = ["ended", "gone"], LOST = ["ticket_invalid", "ticket_used", "admission_expired"];
const PRODUCT_EVERY_MS = 15_000;

// The key of a ticket is the text that the shop signed. Its place is null before the draw; `seed_hash` is what the shop
// showed first; `refused` is the code of what ended it.
const ticketOf = (id) => storedWhole(TICKET + id, ["place", "seed_hash", "refused"]);
const keepTicket = (id, ticket, parts) => storeParts(TICKET + id, ticket, parts);
const forgetTicket = (id, ticket) => end(TICKET + id, ticket);
const drawnName = ({ key }) => key.split(".")[2];

function productsWithTicket() {
  let names = Object.keys(inMemory);
  try { names = Object.keys(localStorage); } catch { /* What is in memory is all there is. */ }
  const ids = names.filter((name) => name.startsWith(TICKET)).map((name) => Number(name.slice(TICKET.length)));
  return ids.filter((id) => id && ticketOf(id));
}

// The queue of a product, as far as it is known here.
function queueOf(id) {
  if (!queues.has(id)) {
    const product = products.find((each) => each.id === id);
    queues.set(id, { product, readAt: -Infinity, loop: loop(() => followQueue(id)) });
  }
  return queues.get(id);
}

function followedQueues() {
  const shown = shownQueue(), ids = productsWithTicket().filter((id) => !OVER.includes(queueOf(id).page?.state));
  return shown && !ids.includes(shown) ? [shown, ...ids] : ids;
}

async function followQueue(id) {
  const queue = queueOf(id), path = `${API}/products/${id}`, stepBefore = queueStepOf(id);
  try {
    if (performance.now() - queue.readAt > PRODUCT_EVERY_MS) {
      queue.product = (await send("GET", path)).content;
      queue.readAt = performance.now();
    }
    if (joins.has(id)) await joinQueue(id);
    const { content: page } = await send("GET", `${path}/queue`);
    if (page.state !== queue.page?.state) queue.readAt = -Infinity;
    queue.page = page;
    await followTicket(id, page);
    if (queueStepOf(id) !== stepBefore && stepBefore !== "loading") refusals.delete(id);
    // A random part of this browser's own: caches give the same answer to many.
    return 1000 * page.poll_in_seconds * (0.85 + 0.3 * Math.random());
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.isTemporary) throw problem;
    return queueRefused(id, problem);
  }
}

// Asks for a ticket, in one tab at a time, unless there is one by then.
async function joinQueue(id) {
  const ask = async () => {
    if (ticketOf(id)) return;
    const { content } = await send("POST", `${API}/products/${id}/queue`, { body: {} });
    store(TICKET + id, { key: content.ticket, place: content.place });
    await new Promise((resolve) => setTimeout(resolve, 200)); // Browsers show it to other tabs a moment later.
  };
  await (navigator.locks ? navigator.locks.request(TICKET + id, ask) : ask());
  joins.delete(id);
  refusals.delete(id);
}

async function followTicket(id, page) {
  const ticket = ticketOf(id);
  if (!ticket || ticket.refused) return;
  if (!ticket.seed_hash && page.seed_hash) keepTicket(id, ticket, { seed_hash: page.seed_hash });
  if (ticket.place === null && !NOT_DRAWN.includes(page.state)) {
    const { content } = await send("POST", `${API}/products/${id}/queue`, { body: {}, ticket: ticket.key });
    if (content.place !== null) keepTicket(id, ticket, { place: content.place });
  }
  await checkDraw(id, page);
}

function queueRefused(id, problem) {
  const queue = queueOf(id), ticket = ticketOf(id);
  joins.delete(id);
  queue.readAt = -Infinity;
  refusals.set(id, inWords(problem));
  if (problem.code === "not_found") queue.page = { state: "gone" };
  if (ticket) ticketRefused(id, ticket, problem);
  return 5_000;
}

// Notes what a refusal says about a ticket, which stays what it is.
function ticketRefused(id, ticket, { code, place, serving }) {
  const { page, loop } = queueOf(id);
  if (LOST.includes(code)) {
    keepTicket(id, ticket, { refused: code });
    refusals.delete(id);
  }
  if (code === "not_admitted") {
    if (place !== null) keepTicket(id, ticket, { place });
    if (page) page.serving = serving;
  }
  loop.at = 0;
}

// Works a drawn place out from the seed, as anybody can, and the seed's hash that was shown before.
async function checkDraw(id, { seed }) {
  const queue = queueOf(id), ticket = ticketOf(id);
  if (!seed || !isDrawn(ticket) || queue.checked === ticket.key) return;
  const text = new TextEncoder(), HMAC = { name: "HMAC", hash: "SHA-256" };
  queue.check = "This browser cannot work it out on a page without HTTPS.";
  if (crypto.subtle) {
    const key = await crypto.subtle.importKey("raw", text.encode(seed), HMAC, false, ["sign"]);
    const digest = inHex(await crypto.subtle.sign("HMAC", key, text.encode(drawnName(ticket))));
    const isHash = inHex(await crypto.subtle.digest("SHA-256", text.encode(seed))) === ticket.seed_hash;
    const isPlace = parseInt(digest.slice(0, 13), 16) / 2 ** 52 === ticket.place;
    queue.check = isHash && isPlace ? "Right: this browser has worked both out." : "Wrong: this is not what was drawn.";
  }
  queue.checked = ticket.key;
}

const isDrawn = (ticket) => ticket?.seed_hash && ticket.place !== null && ticket.place < 1;

// What a queue is to this browser: the name of what its screen shows.
function queueStepOf(id) {
  const { page } = queueOf(id), ticket = ticketOf(id);
  if (!page) return "loading";
  if (OVER.includes(page.state)) return page.state;
  if (ticket?.refused) return ticket.refused;
  if (NOT_DRAWN.includes(page.state)) return ticket ? "joined" : page.state;
  if (page.state !== "serving") return page.state;
  if (!ticket) return "serving";
  if (ticket.place === null) return "drawing";
  return ticket.place <= page.serving ? "turn" : "waiting";
}

// How long a ticket waits, at the present rate: nothing that is promised.
function waitInWords({ place }, { serving, rate, seed }) {
  if (!(rate > 0)) return "we cannot say yet";
  const isAfterDrawn = seed && place >= 1 && serving < 1, seconds = ((isAfterDrawn ? 1 : place) - serving) / rate;
  const minutes = Math.max(1, Math.round(seconds / 60)), hours = Math.round(minutes / 60);
  const time = minutes > 90 ? `${hours} hours` : minutes > 1 ? `${minutes} minutes` : "a minute";
  if (isAfterDrawn) return `more than ${time}`; // How many came after the draw is not known here.
  return seconds < 60 ? "less than a minute" : `about ${time}`;
}

// How far the queue has come towards a place, from 0 to 1. Where there was a draw, those who came later wait for it first.
function progressOf({ place }, { serving, seed }) {
  if (place < 1) return serving / place;
  const sinceDraw = Math.max(0, serving - 1) / Math.max(1e-9, place - 1);
  return seed ? (Math.min(1, serving) + sinceDraw) / 2 : sinceDraw;
}

// --- The loop of the products ------------------------------------------------------------------------------------------

let products = [], pages = 1, hasMore = false;

const catalog = loop(async () => {
  const found = [];
  let query = "";
  for (let page = 0; page < pages && query !== null; page += 1) {
    const { content } = await send("GET", `${API}/products${query}`);
    found.push(...content.results);
    query = content.next && new URL(content.next).search;
  }
  products = found;
  hasMore = query !== null;
  return untilNextChange();
});

// Often enough for what is on sale, and when the next sale begins or ends, not all browsers at the same moment.
function untilNextChange() {
  const times = products.flatMap((product) => [product.queue_opens_at, product.sale_starts_at, product.sale_ends_at]);
  const soonest = Math.min(...times.map((time) => Date.parse(time) - now()).filter((left) => left > -2_000));
  const usual = products.some(({ sale_status }) => sale_status === "live") ? 3_000 : 10_000;
  return soonest < usual ? Math.max(soonest, 500) + 500 * Math.random() : usual;
}

// --- The page ----------------------------------------------------------------------------------------------------------

const $ = (selector, root = document) => root.querySelector(selector);
const money = (amount, currency) => new Intl.NumberFormat(undefined, { style: "currency", currency }).format(amount);
const TIME = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
const moment = (time) => new Intl.DateTimeFormat(undefined, TIME).format(Date.parse(time));

// Shows values in the elements that are named after them; without a value they are hidden.
function fill(root, values) {
  for (const [name, value] of Object.entries(values)) {
    const text = String(value ?? ""), target = $(`[data-fill=${name}]`, root), frame = $(`[data-show=${name}]`, root);
    if (target && target.textContent !== text) target.textContent = text;
    (frame ?? target).hidden = text === "";
  }
}

// Counts down to `time` in the element named `left`.
function countDown(root, time) {
  const target = $("[data-fill=left]", root), frame = $("[data-show=left]", root) ?? target;
  frame.hidden = !time;
  target.dataset.until = time ? Date.parse(time) : "";
}

function duration(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000)), days = Math.floor(seconds / 86_400);
  const parts = [Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  if (!days && !parts[0]) parts.shift();
  const digits = parts.map((part, place) => place ? String(part).padStart(2, "0") : part).join(":");
  return days ? `${days} d ${digits}` : digits;
}

// The picture of a product, or a pattern made of its id and its initials.
function paint(tile, { id, name, image_url }) {
  const image = $("img", tile), initials = name.split(/\s+/).map((word) => word[0]).join("").slice(0, 2).toUpperCase();
  Object.assign(tile.dataset, { pattern: id % 4, initials });
  tile.style.setProperty("--hue", Math.round(id * 137.5) % 360);
  if (image.getAttribute("src") === (image_url ?? null)) return;
  image.hidden = true;
  image.onload = () => { image.hidden = false; };
  if (image_url) image.src = image_url;
  else image.removeAttribute("src");
}

const BADGES = {
  upcoming: "Coming up", queue: "Queue open", live: "On sale", low: "Almost gone", paused: "Paused", sold_out: "Sold out",
  ended: "Ended",
};
const cards = new Map();

function renderProduct(product) {
  if (!cards.has(product.id)) cards.set(product.id, newCard(product.id));
  const card = cards.get(product.id);
  const { sale_status: status, available_stock: available, total_stock: total } = product;
  const isLow = status === "live" && available <= Math.max(1, total / 10);
  const isInQueue = product.queue === "on", isQueueToOpen = status === "upcoming" && isInQueue && !isQueueOpen(product);
  card.dataset.status = isLow ? "low" : status;
  paint($("[data-tile]", card), product);
  fill(card, {
    name: product.name,
    price: money(product.price, product.currency),
    description: product.description,
    badge: status === "upcoming" && isInQueue && !isQueueToOpen ? BADGES.queue : BADGES[card.dataset.status],
    stock: status === "ended" ? "" : status === "upcoming" ? `${total} for sale` : `${available} of ${total} left`,
    share: status === "upcoming" ? "" : available,
    when: isQueueToOpen ? "Queue opens in" : status === "upcoming" ? "Starts in" : "Ends in",
    message: refusals.get(product.id),
    state: stateOf(product),
    queue: queueLabel(product),
  });
  $("[data-fill=queue]", card).classList.toggle("quiet", queueLabel(product) === SEE);
  countDown(card, isQueueToOpen ? product.queue_opens_at
    : status === "upcoming" ? product.sale_starts_at : status === "ended" ? null : product.sale_ends_at);
  Object.assign($("progress", card), { max: Math.max(1, total), value: available });
  $("form", card).hidden = status !== "live" || isInQueue;
  renderForm($("form", card), product);
  return card;
}

function renderForm(form, { id, name, max_per_hold, max_per_customer }) {
  const most = Math.min(max_per_hold, max_per_customer ?? max_per_hold), purchase = current();
  const isAsking = stepOf(purchase) === "asking" && purchase.product.id === id;
  Object.assign($("input", form), { max: most, ariaLabel: `How many ${name}` });
  $(".quantity", form).hidden = most === 1;
  Object.assign($("[type=submit]", form), { ariaBusy: isAsking, textContent: isAsking ? "Setting aside…" : "Buy" });
}

function stateOf({ sale_status, sale_starts_at, sale_ends_at, max_per_customer, queue }) {
  return {
    upcoming: () => queue === "on" ? `Places are drawn when the sale starts: ${moment(sale_starts_at)}.` : moment(sale_starts_at),
    live: () => max_per_customer && `At most ${max_per_customer} for each buyer.`,
    paused: () => inWords({ code: "sale_paused" }),
    sold_out: () => inWords({ code: "insufficient_stock", available: 0 }),
    ended: () => `The sale ended ${moment(sale_ends_at)}.`,
  }[sale_status]();
}

const JOIN = "Join the queue", SEE = "See the queue";
const isQueueOpen = ({ queue_opens_at }) => !queue_opens_at || now() >= Date.parse(queue_opens_at);

// What the button of a product with a queue says; empty without one.
function queueLabel(product) {
  const { id, queue, sale_status } = product, hasTicket = Boolean(ticketOf(id));
  if (queue !== "on" || sale_status === "ended") return "";
  if (hasTicket) return queueStepOf(id) === "turn" ? "It is your turn" : "Your place in the queue";
  return isQueueOpen(product) && ["upcoming", "live"].includes(sale_status) ? JOIN : SEE;
}

function newCard(id) {
  const card = $("#product").content.firstElementChild.cloneNode(true);
  const product = () => products.find((each) => each.id === id);
  connectForm($("form", card), product);
  $("[data-fill=queue]", card).addEventListener("click", () => {
    if (queueLabel(product()) === JOIN) joins.add(id);
    location.hash = `queue-${id}`;
  });
  return card;
}

function connectForm(form, product) {
  const input = $("input", form);
  form.addEventListener("click", ({ target }) => {
    const { step } = target.dataset;
    if (step) input.value = Math.min(input.max, Math.max(1, Number(input.value) + Number(step)));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.reportValidity()) buy(product(), Number(input.value));
  });
  for (const [step, name] of [["-1", "One fewer"], ["1", "One more"]]) $(`[data-step="${step}"]`, form).ariaLabel = name;
}

function buy({ id, name, price, currency, image_url, max_per_customer }, quantity) {
  if (isUnderWay(current())) {
    location.hash = "purchase";
    return;
  }
  refusals.clear();
  const product = { id, name, price, currency, image_url, max_per_customer };
  opening = random();
  store(PURCHASE, { key: opening, product, quantity, askedAt: now(), ticket: ticketOf(id)?.key });
  runSoon();
  render();
}

const SCREENS = {
  asking: () => ({
    title: "Setting your units aside…", text: "This takes a moment when many buyers are here.", buttons: { finish: "Stop" },
  }),
  held: ({ hold }) => ({
    eyebrow: "Held for you", title: "Yours, for now",
    text: "Other buyers cannot take these units while the time runs. Order them, and you have time to pay.",
    timer: hold.expires_at, from: hold.created_at, label: "Held for", buttons: { order: "Order now", release: "Give back" },
  }),
  ordering: () => ({ eyebrow: "Held for you", title: "Ordering…", text: "A moment, please." }),
  pending_payment: ({ order, ...purchase }) => ({
    eyebrow: "Ordered", title: "Pay to make them yours", text: "Your price is fixed, and the units stay yours until the time is over.",
    timer: order.payment?.pay_until ?? order.payment_due_at, from: order.created_at, label: "Time to pay",
    buttons: {
      ...(document.body.dataset.payment && { pay: wants("pay", purchase) ? "Opening the payment page…" : `Pay ${money(order.total_amount, order.currency)}` }),
      cancel: "Cancel order",
    },
    small: !document.body.dataset.payment && "This shop takes no payments: it pays on the page of the local provider, or by hosted"
      + " checkout (STRIPE_PAYMENT_MODE=checkout), since its policy allows no other host's script.",
  }),
  paid: ({ order }) => ({
    eyebrow: "Receipt", title: order.refund ? "Paid, then refunded" : "Thank you. It is yours.",
    text: order.refund === "due" ? "Your money is on its way back to you." : "Keep the order number, in case you have a question.",
    buttons: { finish: "Back to the shop" },
  }),
  lost: ({ hold }) => ({
    eyebrow: "Not bought", title: hold.status === "released" ? "Given back" : "Your time was over",
    text: inWords({ code: hold.status === "released" ? "hold_released" : "hold_expired" }), buttons: { finish: "Back to the shop" },
  }),
  cancelled: ({ order }) => ({
    eyebrow: "Not bought", title: "Order cancelled",
    text: order.refund ? "A payment arrived all the same: the money goes back to you." : "The units went back, and nothing was charged.",
    buttons: { finish: "Back to the shop" },
  }),
  expired: ({ order }) => ({
    eyebrow: "Not bought", title: "The time to pay is over",
    text: order.refund ? "Your payment came too late: the money goes back to you."
      : "The units went back. If you paid in the last moment, this page will say whether it was in time; else the money goes back.",
    buttons: { finish: "Back to the shop" },
  }),
};

function renderPurchase(purchase, step) {
  const root = $("#purchase"), { product, quantity, order } = purchase, screen = SCREENS[step](purchase);
  const focused = document.activeElement, { currency } = product;
  const [price, total] = order ? [order.unit_price, order.total_amount] : [product.price, product.price * quantity];
  const isDearer = step === "pending_payment" && order.unit_price !== product.price;
  const priceChange = { code: "price_changed", before: money(product.price, currency), after: money(price, currency) };
  root.dataset.step = step;
  paint($("[data-tile]", root), product);
  fill(root, {
    eyebrow: screen.eyebrow, title: screen.title, text: screen.text, small: screen.small || "",
    timer: screen.timer && " ", timer_label: screen.label,
    message: message.step === step ? message.text : isDearer ? inWords(priceChange) : "",
    name: product.name, line: `${quantity} × ${money(price, currency)}`, total: money(total, currency),
    paid_at: order?.paid_at && moment(order.paid_at),
    refund: order?.refund && `${money(order.refunded_amount, currency)}${order.refund === "due" ? " so far" : ""}`,
    order_id: order?.order_id,
  });
  countDown(root, screen.timer);
  if (screen.timer) Object.assign($("progress", root).dataset, { from: Date.parse(screen.from), until: Date.parse(screen.timer) });
  for (const button of root.querySelectorAll("[data-do]")) {
    const label = screen.buttons?.[button.dataset.do];
    button.hidden = !label;
    if (label && button.textContent !== label) button.textContent = label;
    button.ariaBusy = wants(button.dataset.do, purchase);
  }
  if (focused?.hidden && root.contains(focused)) $("h1", root).focus();
}

// --- The screen of a queue ----------------------------------------------------------------------------------------------

const shownQueue = () => Number(/^#queue-(\d{1,15})$/.exec(location.hash)?.[1] ?? 0);
const KEPT = "Your place is kept in this browser: you can reload this page, or close it and come back.";
const AGAIN = { join: "Join again" };

const QUEUE_SCREENS = {
  loading: () => ({ title: "The queue", text: "A moment, please." }),
  gone: () => ({ title: "There is no queue", text: "This product has none, or is not in the shop any more." }),
  not_open: ({ product }) => ({
    title: "The queue opens soon", timer: product.queue_opens_at, label: "Opens in",
    text: `Join it at any time before the sale starts, ${moment(product.sale_starts_at)}. Places are drawn then:`
      + " it does not matter when you come.",
  }),
  open: ({ product }) => ({
    title: "The queue is open", timer: product.sale_starts_at, label: "Draw in", buttons: { join: JOIN },
    text: `Places are drawn when the sale starts, ${moment(product.sale_starts_at)}: it does not matter when you come.`,
  }),
  joined: ({ product }) => ({
    title: "You are in", timer: product.sale_starts_at, label: "Draw in",
    text: `Places are drawn when the sale starts, ${moment(product.sale_starts_at)}; it does not matter when you came. ${KEPT}`,
  }),
  drawing: () => ({ title: "Places are drawn", text: "Yours is on its way. A moment, please." }),
  serving: ({ page }) => ({
    title: "The queue is moving", buttons: { join: JOIN },
    text: page.seed ? "Places were drawn when the sale started. Those who come now are next, in the order in which they come."
      : "First come, first served: those who come now are next.",
  }),
  waiting: ({ page, ticket }) => ({
    title: "Your turn is coming", text: KEPT, wait: waitInWords(ticket, page), progress: progressOf(ticket, page),
  }),
  turn: ({ page }) => ({
    title: "It is your turn", canBuy: true, stock: `${page.available} left`,
    text: "Buy within a few minutes: then your turn is over. A turn promises nothing: units are yours once they are set"
      + " aside.",
  }),
  paused: ({ ticket }) => ({
    title: "The sale is paused", buttons: !ticket && { join: JOIN },
    text: `It can go on at any moment. Turns do not run out meanwhile. ${ticket ? KEPT : ""}`,
  }),
  sold_out: ({ page, ticket }) => page.may_return ? {
    title: "Sold out, for now", buttons: !ticket && { join: JOIN },
    text: `Units that others hold or have not paid for may still come back. ${ticket ? KEPT : ""}`,
  } : { title: "All are sold", text: "Every unit is paid for, and none is expected back." },
  ended: ({ product }) => ({
    title: "The sale is over",
    text: product.sale_ends_at ? `It ended ${moment(product.sale_ends_at)}.` : "Nothing is sold any more.",
  }),
  ticket_invalid: () => ({ title: "Your ticket is not valid", text: inWords({ code: "ticket_invalid" }), buttons: AGAIN }),
  ticket_used: () => ({
    title: "Your ticket was used", text: inWords({ code: "ticket_used" }), buttons: { ...AGAIN, retry: "Try this ticket again" },
    small: "A ticket whose units were given back, or not ordered in time, is good again until its turn is over.",
  }),
  admission_expired: () => ({ title: "Your turn is over", text: inWords({ code: "admission_expired" }), buttons: AGAIN }),
};

const queueScreen = (id) => QUEUE_SCREENS[queueStepOf(id)]({ ...queueOf(id), ticket: ticketOf(id) });

const inPercent = (part) => new Intl.NumberFormat(undefined, { style: "percent" }).format(part);

function beforeInWords({ place }, { seed }) {
  if (place < 1) return `about ${inPercent(place)} of those who were drawn`;
  return seed ? "all who were drawn, and those who came before you" : "those who came before you";
}

function renderQueue(id) {
  const root = $("#queue"), step = queueStepOf(id), { product, page, check } = queueOf(id), ticket = ticketOf(id);
  const screen = queueScreen(id), focused = document.activeElement;
  root.dataset.step = step;
  if (product) paint($("[data-tile]", root), product);
  fill(root, {
    eyebrow: product?.name ?? "", title: screen.title, text: screen.text, small: screen.small,
    timer: screen.timer && " ", timer_label: screen.label, wait: screen.wait, message: refusals.get(id),
    price: product && money(product.price, product.currency), stock: screen.stock,
    before: screen.wait && beforeInWords(ticket, page),
    served: screen.wait && page.seed && page.serving < 1 ? `about ${inPercent(page.serving)} of them` : "",
    check: page?.seed_hash && " ",
    seed_hash: ticket?.seed_hash ?? page?.seed_hash, seed: page?.seed,
    ticket_id: ticket && drawnName(ticket), place: ticket?.place, checked: isDrawn(ticket) ? check : "",
  });
  countDown(root, screen.timer);
  $(".progress", root).value = screen.progress ?? 0;
  $("form", root).hidden = !screen.canBuy;
  if (product) renderForm($("form", root), product);
  for (const button of root.querySelectorAll("[data-queue]")) {
    const label = screen.buttons?.[button.dataset.queue], isBusy = button.dataset.queue === "join" && joins.has(id);
    button.hidden = !label;
    if (label) Object.assign(button, { textContent: isBusy ? "Joining…" : label, ariaBusy: isBusy });
  }
  if (focused?.closest("[hidden]") && root.contains(focused)) $("h1", root).focus();
}

const QUEUE_ACTIONS = {
  join: (id) => {
    if (ticketOf(id)?.refused) forgetTicket(id, ticketOf(id));
    joins.add(id);
  },
  retry: (id) => keepTicket(id, ticketOf(id), { refused: null }),
};

// --- One of three screens, by the address -------------------------------------------------------------------------------

let shownStep = "";
const spokenSteps = new Map(); // By product: the step of its queue that was said last.

function render() {
  const purchase = current(), step = stepOf(purchase), queue = shownQueue();
  const screen = purchase && location.hash === "#purchase" ? "purchase" : queue ? "queue" : "shop";
  const followed = [purchases, catalog, ...followedQueues().map((id) => queueOf(id).loop)], notice = $("#notice");
  const trouble = followed.find((each) => each.trouble)?.trouble ?? "";
  for (const each of ["shop", "queue", "purchase"]) $(`#${each}`).hidden = each !== screen;
  if (notice.textContent !== trouble) notice.textContent = trouble;
  notice.hidden = !trouble;
  if (screen === "shop") renderShop();
  else if (screen === "queue") renderQueue(queue);
  else renderPurchase(purchase, step);
  renderBar(purchase, step, screen);
  document.title = [titleOf(screen, purchase, step, queue), "Flash sale"].filter(Boolean).join(" · ");
  if (shownStep !== step && purchase && shownStep) speak(SCREENS[step](purchase).title);
  shownStep = step;
  speakOfQueues(queue);
  showTime();
}

// A turn is told on every screen.
function titleOf(screen, purchase, step, queue) {
  if (screen === "purchase") return SCREENS[step](purchase).title;
  if (screen === "queue") return queueScreen(queue).title;
  return productsWithTicket().some((id) => queueStepOf(id) === "turn") && QUEUE_SCREENS.turn({ page: {} }).title;
}

function speakOfQueues(shown) {
  for (const id of new Set([...productsWithTicket(), shown].filter(Boolean))) {
    const step = queueStepOf(id);
    if (spokenSteps.has(id) && spokenSteps.get(id) !== step && (id === shown || step === "turn")) speak(queueScreen(id).title);
    spokenSteps.set(id, step);
  }
}

function renderBar(purchase, step, screen) {
  $("#bar").hidden = screen === "purchase" || !isUnderWay(purchase);
  if ($("#bar").hidden) return;
  fill($("#bar"), { what: `${purchase.quantity} × ${purchase.product.name}` });
  countDown($("#bar"), SCREENS[step](purchase).timer);
}

function renderShop() {
  const list = $("#products"), shown = products.map(renderProduct), places = [...list.children];
  if (shown.length !== places.length || shown.some((card, place) => card !== places[place])) list.replaceChildren(...shown);
  if (catalog.at) list.ariaBusy = "false";
  $("#empty").hidden = !catalog.at || products.length > 0 || catalog.trouble !== "";
  $("#more").hidden = !hasMore;
}

function speak(text) {
  $("#spoken").textContent = text;
}

// Writes every countdown; runs four times a second and changes nothing else.
function showTime() {
  if (Number.isNaN(now())) return;
  for (const each of document.querySelectorAll("[data-until]:not([data-until=''])")) {
    const left = Number(each.dataset.until) - now();
    if (each.matches("progress")) each.value = Math.min(1, Math.max(0, left / (each.dataset.until - each.dataset.from)));
    else if (each.textContent !== duration(left)) each.textContent = duration(left);
    if (each.closest("#purchase:not([hidden])") && duration(left) === "0:30") speak("30 seconds left.");
  }
}

// --- What the buyer does -----------------------------------------------------------------------------------------------

const ACTIONS = {
  order: (purchase) => keep(purchase, { orderKey: random() }),
  pay: ({ key }) => { wish = { what: "pay", key }; },
  finish: (purchase) => { forget(purchase); location.hash = ""; },
  release: ({ key }) => ask("Give these units back?", "Give back", { what: "release", key }),
  cancel: ({ key }) => ask("Cancel this order?", "Cancel order", { what: "cancel", key }),
};

function ask(question, answer, wanted) {
  const dialog = $("#sure");
  fill(dialog, { question, answer });
  dialog.onclose = () => {
    if (dialog.returnValue === "yes") wish = wanted;
    runSoon();
    render();
  };
  dialog.returnValue = "";
  dialog.showModal();
}

for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => {
    message = {};
    ACTIONS[button.dataset.do](current());
    runSoon();
    render();
  });
}
for (const button of document.querySelectorAll("[data-queue]")) {
  button.addEventListener("click", () => {
    const id = shownQueue();
    refusals.delete(id);
    QUEUE_ACTIONS[button.dataset.queue](id);
    runSoon();
    render();
  });
}
connectForm($("#queue form"), () => queueOf(shownQueue()).product);
for (const button of document.querySelectorAll("#sure button")) {
  button.addEventListener("click", () => $("#sure").close(button.value));
}
$("#more").addEventListener("click", () => {
  pages += 1;
  runSoon();
});
addEventListener("hashchange", () => {
  render();
  scrollTo(0, 0);
  $("main:not([hidden]) h1").focus();
});
addEventListener("storage", () => {
  runSoon();
  render();
});
addEventListener("online", runSoon);
addEventListener("offline", runSoon);
document.addEventListener("visibilitychange", runSoon);
addEventListener("pageshow", () => {
  wish = null;
  checks = CHECKS;
  runSoon();
});

// The payment page leads back here, with its own parameters, among them a secret: they go out of the address at once.
const parameters = new URLSearchParams(location.search);
if (parameters.has("back")) {
  history.replaceState(null, "", "/#purchase");
  const codes = { failed: "payment_declined", succeeded: "payment_on_its_way", pending: "payment_on_its_way" };
  returned = codes[parameters.get("redirect_status")] ?? "payment_missing";
}
render();
setInterval(() => {
  showTime();
  const isUrgent = ["asking", "ordering"].includes(stepOf(current()));
  if (!document.hidden || isUrgent) purchases.run();
  if (!document.hidden && !$("#shop").hidden) catalog.run();
  // In the background too: buyers look at something else while they wait, and the title of the page calls them.
  for (const id of followedQueues()) queueOf(id).loop.run();
}, 250);
