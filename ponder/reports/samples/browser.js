"use strict";
const samples = JSON.parse(document.getElementById("data").textContent);
const field = (name) => document.getElementById(name);
const list = field("list"), more = field("more"), found = field("found");
const PAGE = 20;
let matching = [], shown = 0;

// Everything a model wrote enters the page through textContent.
function element(kind, name, text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function drawn(sample) {
  const article = element("article");
  article.append(element("p", "question", sample.question));
  const facts = element("p", "facts");
  const verdict = element("span", "verdict " + sample.verdict, (sample.verdict === "right" ? "✓ " : sample.verdict === "wrong" ? "✗ " : "") + sample.verdict);
  facts.append(verdict, ` · ${sample.family}, level ${sample.level} · round ${sample.round} · ${sample.tokens} tokens` +
    (sample.answer === null ? " · no answer" : ` · answer ${sample.answer}`) + (sample.why ? ` · ${sample.why}` : ""));
  article.append(facts, element("pre", "", sample.response));
  return article;
}

function extend() {
  for (const sample of matching.slice(shown, shown + PAGE)) list.append(drawn(sample));
  shown = Math.min(matching.length, shown + PAGE);
  more.hidden = shown >= matching.length;
}

function search() {
  const words = field("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  const family = field("family").value, round = field("round").value, verdict = field("verdict").value;
  matching = samples.filter((s) => (!family || s.family === family) && (!round || String(s.round) === round) &&
    (!verdict || s.verdict === verdict) && words.every((w) => (s.question + "\n" + s.response).toLowerCase().includes(w)));
  const order = field("order").value;
  if (order !== "drawn") matching.sort((a, b) => order === "long" ? b.tokens - a.tokens : a.tokens - b.tokens);
  const right = matching.filter((s) => s.verdict === "right").length;
  found.textContent = matching.length === 0 ? "No sample matches." :
    `${matching.length.toLocaleString("en")} ${matching.length === 1 ? "sample" : "samples"}, ${right.toLocaleString("en")} right.`;
  list.replaceChildren();
  shown = 0;
  extend();
}

for (const name of ["family", "round", "verdict", "order"]) field(name).addEventListener("change", search);
let waiting;
field("words").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 150); });
field("filters").addEventListener("submit", (event) => { event.preventDefault(); search(); });
more.addEventListener("click", extend);
field("filters").hidden = false;
search();
