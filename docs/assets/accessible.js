// What the theme leaves out: a name for the search dialog, wide tables and pictures that the arrow keys can scroll, and places at which
// code may not be cut (options of a command) or had best be (long paths in tables).
document.querySelector(".md-search")?.setAttribute("aria-label", "Search");

const texts = (code) => {
  const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
};
const option = (text) => Object.assign(document.createElement("span"), { className: "option", textContent: text });
document.querySelectorAll(".md-typeset code").forEach((code) => texts(code).forEach((text) => {
  const places = code.closest("td") && code.textContent.length > 24 ? /(?<=[/_:.,=])/ : /$^/;
  const parts = text.data.split(/(--[\w-]+)/).map((part) => part.startsWith("--") ? [option(part)]
    : part.split(places).flatMap((piece, at) => at ? [document.createElement("wbr"), piece] : [piece]));
  if (parts.flat().length > 1) text.replaceWith(...parts.flat());
}));

const look = (frame) => {
  const wide = frame.scrollWidth > frame.clientWidth;
  const marks = { tabindex: "0", role: "group", "aria-label": "Wider than the window" };
  Object.entries(marks).forEach(([name, value]) => wide ? frame.setAttribute(name, value) : frame.removeAttribute(name));
};
const sizes = new ResizeObserver((seen) => seen.forEach((each) => look(each.target)));
// The theme puts its frames around tables after the page has loaded.
const frames = () => document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset p:has(> img)").forEach((each) => sizes.observe(each));
new MutationObserver(frames).observe(document.body, { childList: true, subtree: true });
frames();
