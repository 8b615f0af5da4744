"use strict";
// Everything is readable without this script: it adds target tabs, quicker tool-tips, and opens details for printing.
for (const group of document.querySelectorAll("[data-tabs]")) {
  const panels = [...group.querySelectorAll("[data-panel]")];
  if (panels.length < 2) continue;
  const bar = document.createElement("div");
  bar.className = "tabs";
  bar.setAttribute("role", "tablist");
  bar.setAttribute("aria-label", group.dataset.tabs);
  const buttons = panels.map((panel, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = panel.dataset.panel;
    button.setAttribute("role", "tab");
    button.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.querySelector("h3").hidden = true;
    button.addEventListener("click", () => show(number));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) { const next = (number + step + panels.length) % panels.length; show(next); buttons[next].focus(); }
    });
    bar.append(button);
    return button;
  });
  const show = (chosen) => panels.forEach((panel, number) => {
    panel.hidden = number !== chosen;
    buttons[number].setAttribute("aria-selected", String(number === chosen));
    buttons[number].tabIndex = number === chosen ? 0 : -1;
  });
  group.prepend(bar);
  show(0);
}
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);
for (const title of document.querySelectorAll("svg g > title")) {
  const mark = title.parentElement;
  mark.dataset.tip = title.textContent;
  mark.setAttribute("aria-label", title.textContent);
  title.remove();
}
for (const cell of document.querySelectorAll("td[title]")) { cell.dataset.tip = cell.title; cell.removeAttribute("title"); }
document.addEventListener("pointermove", (event) => {
  const mark = event.target instanceof Element ? event.target.closest("[data-tip]") : null;
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip;
  const room = window.innerWidth - tip.offsetWidth - 12;
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, room))}px`;
  tip.style.top = `${event.clientY + 18 + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18}px`;
});
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
