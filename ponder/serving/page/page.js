"use strict";
// Ask, watch the tree grow, compare two budgets. Everything that a model wrote enters the page as text and never as HTML.
const NAMES = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const MOST = 400; // steps of a tree that are shown; the tree's own page has more
const at = (id) => document.getElementById(id);
const state = { model: null, budgets: {}, running: null, past: [] };

function made(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

const amount = (value) => (Math.round(value * 10) / 10).toLocaleString("en");

function headers() {
  const key = at("key").value.trim();
  return key ? { authorization: `Bearer ${key}` } : {};
}

async function fetched(path) {
  const answer = await fetch(path, { headers: headers(), cache: "no-store" });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error ? data.error.message : answer.statusText);
  return data;
}

function say(text, wrong) {
  at("status").textContent = text;
  at("status").className = wrong ? "wrong" : "";
}

async function connect() {
  try {
    const model = (await fetched("/v1/models")).data[0];
    state.model = model.id;
    state.budgets = model.ponder.efforts;
    state.shows = model.ponder.shows_thinking;
    const judged = model.ponder.verifier ? "with a verifier" : "without a verifier";
    at("model").textContent = `${model.id}, ${judged}, at most ${amount(model.ponder.budget)} token-equivalents a request`;
    const chosen = at("strategy").value;
    at("strategy").replaceChildren(...["auto", ...model.ponder.strategies.filter((name) => name !== "auto")].map((name) => made("option", name)));
    at("strategy").value = chosen;
    say("");
  } catch (error) {
    at("model").textContent = "not connected";
    at("access").open = true;
    say(error.message, true);
  }
  turned();
  account();
}

function turned() {
  for (const id of ["dial", "dial2"]) {
    const name = NAMES[at(id).value];
    at(`${id}-name`).textContent = name;
    at(`${id}-tokens`).textContent = state.budgets[name] === undefined ? "–" : amount(state.budgets[name]);
    at(id).setAttribute("aria-valuetext", `${name}, ${at(`${id}-tokens`).textContent} token-equivalents`);
  }
  for (const element of document.querySelectorAll(".second")) element.hidden = !at("compare").checked;
}

// One answer with its tree, growing.
class Result {
  constructor(effort, question) {
    this.effort = effort;
    this.question = question;
    this.nodes = new Map();
    this.element = at("result").content.cloneNode(true).firstElementChild;
    this.part("h2").textContent = `${effort}: ${amount(state.budgets[effort] || 0)} token-equivalents`;
    this.part(".answer").classList.add("waiting");
    this.part(".answer").textContent = "thinking …";
    this.text = "";
    at("results").append(this.element);
  }

  part(selector) { return this.element.querySelector(selector); }

  progress(news) {
    for (const node of news.nodes) this.nodes.set(node.id, node);
    this.meter({ spent: news.spent, kept: 0, discarded: news.spent, verifier: 0, limit: news.budget });
    this.part(".bill").textContent = `${amount(news.spent)} of ${amount(news.budget)} spent`;
    this.list(news.answers);
    this.draw();
  }

  list(answers) {
    this.part(".answers").replaceChildren(...answers.map(([text, votes, score]) => {
      const item = made("li");
      item.append(made("code", text), ` ${votes} ${votes === 1 ? "vote" : "votes"}`, score === null ? "" : `, best score ${score.toFixed(2)}`);
      return item;
    }));
  }

  meter(bill) {
    const parts = ["kept", "discarded", "verifier"].map((name) => {
      const bar = made("i", undefined, name);
      bar.style.width = `${Math.min(100, 100 * bill[name] / Math.max(1, bill.limit))}%`;
      return bar;
    });
    this.part(".meter").replaceChildren(...parts);
    this.part(".meter").setAttribute("aria-label", `${amount(bill.spent)} of ${amount(bill.limit)} token-equivalents spent`);
  }

  draw() {
    const place = (id) => id.split(".").map(Number);
    const order = [...this.nodes.values()].sort((a, b) => {
      const x = place(a.id), y = place(b.id);
      for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i] - y[i];
      return x.length - y.length;
    });
    const forks = new Map();
    for (const node of order) forks.set(node.parent, (forks.get(node.parent) || 0) + 1);
    const depth = new Map([["", 0]]);
    const rows = [];
    for (const node of order) {
      const above = depth.get(node.parent) || 0;
      const own = above + (node.parent !== "" && forks.get(node.parent) > 1 ? 1 : 0);
      depth.set(node.id, own);
      if (rows.length >= MOST) continue;
      const row = made("div", undefined, `step ${node.state} d${Math.min(4, own)}${node.parent === "" ? " first" : ""}`);
      row.setAttribute("role", "treeitem");
      row.setAttribute("aria-level", String(own + 1));
      const score = node.score === null ? node.step_score : node.score;
      const facts = [node.state, `${node.tokens} tokens`];
      if (score !== null) facts.unshift(`score ${score.toFixed(2)}`);
      if (node.visits) facts.push(`${node.visits} visits`);
      row.append(made("code", node.text.replace("</think>", "").trim() || "(ends its thinking)"), made("span", facts.join(" · "), "fate"));
      rows.push(row);
    }
    if (order.length > rows.length) rows.push(made("p", `${order.length - rows.length} more steps; the tree's own page has them`, "soft"));
    this.part(".tree").replaceChildren(...rows);
  }

  write(piece) {
    this.text += piece;
    this.part(".answer").classList.remove("waiting");
    this.part(".answer").textContent = this.text;
  }

  told(own) {
    this.own = own;
    this.part(".why").textContent = [`Strategy ${own.strategy}.`, ...own.why, ...own.notes.map((note) => `${note}.`)].join(" ");
    if (own.checked === true) this.part(".why").textContent += " Checked against the question: right.";
    if (own.tree) {
      const link = made("a", "The whole tree");
      link.href = "#";
      link.addEventListener("click", (event) => { event.preventDefault(); opened(`/v1/thinking/${encodeURIComponent(own.tree)}`, "this search is not kept any more"); });
      this.part(".links").append(link);
    }
  }

  billed(usage) {
    const bill = usage.ponder;
    this.meter(bill);
    const cost = bill.price ? `, cost ${bill.price}` : "";
    this.part(".bill").textContent =
      `${amount(bill.kept)} kept + ${amount(bill.discarded)} discarded + ${amount(bill.verifier)} verifier = ` +
      `${amount(bill.spent)} of ${amount(bill.limit)}; ${bill.calls} calls, ${bill.seconds.toFixed(1)} s${cost}`;
    this.usage = usage;
  }

  failed(message) {
    this.part(".answer").classList.remove("waiting");
    this.part(".answer").textContent = this.text || "no answer";
    this.part(".why").textContent = message;
  }
}

// A page of the server wants the key in a header, so it is fetched and opened from memory.
async function opened(path, missing) {
  const answer = await fetch(path, { headers: { ...headers(), accept: "text/html" } });
  if (!answer.ok) return say(missing, true);
  const url = URL.createObjectURL(await answer.blob());
  window.open(url, "_blank", "noopener");
  setTimeout(() => URL.revokeObjectURL(url), 60000);
  return undefined;
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ") && line !== "data: [DONE]") yield JSON.parse(line.slice(6));
  }
}

async function ask(effort, question, signal) {
  const result = new Result(effort, question);
  const body = {
    model: state.model, messages: [{ role: "user", content: question }], stream: true, stream_options: { include_usage: true },
    reasoning_effort: effort, seed: Number(at("seed").value) || 0,
    ponder: { strategy: at("strategy").value, show: state.shows ? "full" : "hidden", progress: state.shows },
  };
  try {
    const answer = await fetch("/v1/chat/completions", {
      method: "POST", signal, headers: { "content-type": "application/json", ...headers() }, body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    for await (const event of events(answer.body)) {
      if (event.error) throw new Error(event.error.message);
      if (event.id) result.id = event.id;
      if (event.ponder && event.ponder.progress) result.progress(event.ponder.progress);
      for (const choice of event.choices || []) if (choice.delta.content) result.write(choice.delta.content);
      if (event.ponder && event.ponder.strategy) result.told(event.ponder);
      if (event.usage) result.billed(event.usage);
    }
    if (!result.text) result.failed("the model gave no answer within this budget");
  } catch (error) {
    result.failed(error.name === "AbortError" ? "stopped" : error.message);
    if (error.name !== "AbortError") say(error.message, true);
  }
  return result;
}

async function send(event) {
  event.preventDefault();
  const question = at("question").value.trim();
  if (!question || state.running) return;
  state.running = new AbortController();
  at("send").disabled = true;
  at("stop").disabled = false;
  at("results").replaceChildren();
  say("Thinking …");
  const efforts = [NAMES[at("dial").value], ...(at("compare").checked ? [NAMES[at("dial2").value]] : [])];
  const found = await Promise.all(efforts.map((effort) => ask(effort, question, state.running.signal)));
  state.running = null;
  at("send").disabled = false;
  at("stop").disabled = true;
  if (at("status").className !== "wrong") say(found.map((result) => `${result.effort}: ${result.text || "no answer"}`).join("; "));
  for (const result of found) if (result.usage) remember(result);
  account();
}

function remember(result) {
  const bill = result.usage.ponder;
  state.past.unshift({
    id: result.id, when: new Date(), question: result.question, strategy: result.own ? result.own.strategy : "",
    prompt: bill.prompt, spent: bill.spent, seconds: bill.seconds, cost: bill.price || 0,
  });
  state.past.length = Math.min(state.past.length, 50);
  list(state.past);
}

function list(rows) {
  at("history").replaceChildren(...rows.map((row) => {
    const line = made("tr");
    const values = [row.when.toLocaleTimeString(), row.question, row.strategy, row.prompt, amount(row.spent), row.seconds.toFixed(1), row.cost];
    line.append(...values.map((value) => made("td", String(value))));
    return line;
  }));
}

// With a key the history is the server's, which knows every request and no question; this tab adds those that it knows.
async function history() {
  const known = new Map(state.past.map((row) => [row.id, row.question]));
  const rows = (await fetched("/v1/account/requests")).data;
  if (rows.length) {
    list(rows.map((row) => ({
      when: new Date(1000 * row.created), question: known.get(row.id) || `(${row.state}, not kept)`, strategy: row.strategy || "",
      prompt: row.prompt || 0, spent: (row.kept || 0) + (row.discarded || 0) + (row.verifier || 0), seconds: row.seconds || 0, cost: (row.micros || 0) / 1e6,
    })));
  }
}

async function account() {
  try {
    const mine = await fetched("/v1/account");
    const used = mine.used;
    const month = mine.tier.month ? ` of ${amount(mine.tier.month)}` : "";
    at("account").textContent = used.month === undefined ? "" :
      `Account ${mine.key}, tier ${mine.tier.name}: ${used.month_requests} requests and ${amount(used.month)}${month} token-equivalents this month, cost ${mine.cost}.`;
    if (headers().authorization && used.month !== undefined) await history();
  } catch (error) {
    at("account").textContent = "";
  }
}

document.addEventListener("DOMContentLoaded", () => {
  at("ask").addEventListener("submit", send);
  at("stop").addEventListener("click", () => state.running && state.running.abort());
  for (const id of ["dial", "dial2", "compare"]) at(id).addEventListener("input", turned);
  at("key").addEventListener("change", connect);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
    if (event.key === "Escape" && state.running) state.running.abort();
  });
  connect();
});
