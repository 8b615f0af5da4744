// The answer, the plots and the tables need no script. This adds languages that sort and filter, curves, tooltips, themes, copying.
const data = JSON.parse(document.getElementById("data").textContent);
const make = (tag, fields = {}, ...children) => {
  const one = Object.assign(document.createElement(tag), fields);
  one.append(...children);
  return one;
};
const points = (value) => value.toFixed(1).replace("-", "−").replace("−0.0", "0.0");
const signed = (value) => (value > 0 && points(value) !== "0.0" ? "+" : "") + points(value);
const ends = (low, high, show) => (low === null ? "" : ` [${show(low)}, ${show(high)}]`);
const bounded = (value) => points(Math.max(0, Math.min(100, value)));

// Tooltips: by pointer, touch, and keyboard; arrow keys move between the cells of a table, of which one is a tab stop.
const tip = make("div", { id: "tip", hidden: true });
tip.setAttribute("role", "tooltip");
document.querySelector("main").append(tip);
let shown = null;
const hide = () => {
  shown?.removeAttribute("aria-describedby");
  shown = null;
  tip.hidden = true;
};
const reveal = (cell) => {
  if (!cell) { hide(); return; }
  hide();
  shown = cell;
  tip.textContent = cell.dataset.tip;
  tip.hidden = false;
  cell.setAttribute("aria-describedby", "tip");
  const box = cell.getBoundingClientRect();
  const left = Math.min(box.left, window.innerWidth - tip.offsetWidth - 8);
  const below = box.bottom + 6 + tip.offsetHeight < window.innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below ? box.bottom + 6 : Math.max(4, box.top - tip.offsetHeight - 6)}px`;
};
const tipped = (event) => (event.target instanceof Element ? event.target.closest("[data-tip]") : null);
for (const kind of ["pointerover", "click", "focusin"]) document.addEventListener(kind, (event) => reveal(tipped(event)));
document.addEventListener("focusout", hide);
document.addEventListener("scroll", () => reveal(shown === document.activeElement ? shown : null), { capture: true, passive: true });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { hide(); return; }
  const cell = event.target.closest?.("td[tabindex]");
  const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  if (!cell || !move) return;
  event.preventDefault();
  const rows = [...cell.closest("tbody").rows];
  let [row, column] = [rows.indexOf(cell.parentElement), cell.cellIndex];
  for (let next; (next = rows[(row += move[0])]?.cells[(column += move[1])]); ) {
    if (!next.dataset.tip) continue;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    return;
  }
});
const reachable = (table) => [...table.querySelectorAll("td[data-tip]")].forEach((cell, number) => { cell.tabIndex = number ? -1 : 0; });

// Languages: rows that sort and filter; columns are the recipes on one task, or the tasks of one recipe.
const state = { model: 0, view: "task:0", family: "", script: "", sort: -1, down: true };
const explorer = document.getElementById("explorer");
const tools = document.getElementById("tools");
const step = (value, end) => {
  const level = Math.min(5, Math.round((Math.abs(value) / end) * 5));
  return level ? (value > 0 ? "p" : "n") + level : "z";
};
const tell = (cell, where) => {
  if (!cell) return `${where}: not measured`;
  const own = `${points(cell[0])}${ends(cell[1], cell[2], bounded)}`;
  if (cell.length < 4) return `${where}: ${own}`;
  const verdict = ["too few seeds to say", "undecided", cell[3] > 0 ? "clear gain" : "clear loss"][cell[6]];
  const seeds = cell[7].length > 1 ? `; by seed ${cell[7].map(signed).join(", ")}` : "";
  return `${where}: ${signed(cell[3])} points${ends(cell[4], cell[5], signed)}, ${verdict}; own score ${own}${seeds}`;
};
// The columns of the view: {label, muted, at(language) -> {value, gain, clear, text, detail, tip}}.
const columns = () => {
  const model = data.models[state.model];
  const [kind, chosen] = state.view.split(":");
  const one = (task, run) => ({
    label: kind === "task" ? model.runs[run][0] : data.tasks[task],
    detail: kind === "task" ? "" : data.metrics[task],
    muted: model.runs[run][1],
    at: (language) => {
      const cells = model.cells[task][language];
      if (!cells) return null;
      const cell = cells[run];
      const found = { tip: tell(cell, `${model.runs[run][0]}, ${data.languages[language][1]}, ${data.tasks[task]}`), text: "–", value: null };
      if (!cell) return found;
      const gain = cell.length > 3;
      const value = gain ? cell[3] : cell[0];
      const detail = gain ? ends(cell[4], cell[5], signed) : ends(cell[1], cell[2], bounded);
      return { ...found, value, gain, detail, clear: cell[6] === 2, text: gain ? signed(value) : points(value) };
    },
  });
  if (kind === "run") return data.tasks.map((_, task) => one(task, Number(chosen)));
  const task = Number(chosen);
  const chance = (language) => {
    const value = data.chance[task][language];
    return value === null ? null : { value, text: points(value) };
  };
  return [...model.runs.map((_, run) => one(task, run)), { label: "majority baseline", detail: "", muted: true, at: chance }];
};
const draw = () => {
  const shown = columns();
  const rows = data.languages
    .map((language, number) => ({ language, number, cells: shown.map((column) => column.at(number)) }))
    .filter(({ language, cells }) => cells.slice(0, state.view.startsWith("task") ? 1 : undefined).some(Boolean)
      && (!state.family || language[2] === state.family) && (!state.script || language[3] === state.script));
  const value = (row) => (state.sort === -1 ? row.number : row.cells[state.sort]?.value ?? null);
  rows.sort((a, b) => {
    const [one, two] = [value(a), value(b)];
    if (one === null || two === null) return (one === null) - (two === null);
    return state.sort === -1 ? one - two : (state.down ? two - one : one - two);
  });
  const gains = rows.flatMap((row) => row.cells).filter((cell) => cell?.gain);
  const end = Math.max(2, ...gains.map((cell) => Math.abs(cell.value)));
  const head = shown.map((column, number) => {
    const button = make("button", { type: "button", textContent: column.label });
    button.addEventListener("click", () => {
      Object.assign(state, state.sort === number ? { down: !state.down } : { sort: number, down: true });
      draw();
      explorer.querySelectorAll("thead button")[number + 1].focus();
    });
    const cell = make("th", { scope: "col" }, button);
    if (column.detail) cell.append(make("small", { textContent: column.detail }));
    if (state.sort === number) cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    return cell;
  });
  const first = make("button", { type: "button", textContent: "language", title: "in the order of the experiment" });
  first.addEventListener("click", () => { state.sort = -1; draw(); explorer.querySelector("thead button").focus(); });
  const draws = (cell, column) => {
    if (!cell) return make("td", { textContent: "" });
    const made = make("td", { textContent: cell.text + (cell.clear ? "•" : "") });
    if (cell.detail) made.append(make("small", { textContent: cell.detail.trim() }));
    if (cell.tip) made.dataset.tip = cell.tip;
    made.className = [cell.gain && !column.muted ? step(cell.value, end) : "", cell.clear ? "clear" : "", column.muted ? "muted" : ""].join(" ");
    return made;
  };
  const means = shown.map((column, number) => {
    const all = rows.map((row) => row.cells[number]).filter((cell) => cell && cell.value !== null);
    const known = all.some((cell) => cell.gain) ? all.filter((cell) => cell.gain) : all;
    if (!known.length) return make("td");
    const mean = known.reduce((sum, cell) => sum + cell.value, 0) / known.length;
    return make("td", { textContent: known[0].gain ? signed(mean) : points(mean) });
  });
  const body = make("tbody", {}, make("tr", { className: "baseline" },
    make("th", { scope: "row", textContent: `mean of ${rows.length}` }), ...means));
  for (const { language, cells } of rows) {
    const name = make("th", { scope: "row", textContent: language[1] }, make("small", { textContent: [language[0], language[3], language[2]].filter(Boolean).join(" · ") }));
    body.append(make("tr", {}, name, ...cells.map((cell, number) => draws(cell, shown[number]))));
  }
  const table = make("table", { className: "languages" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, first), ...head)), body);
  hide();
  explorer.replaceChildren(table);
  reachable(table);
};
const choice = (label, options, name) => {
  const select = make("select", {}, ...options.map((one) => (one instanceof Element ? one : new Option(one[1], one[0]))));
  select.addEventListener("change", () => {
    state[name] = name === "model" ? Number(select.value) : select.value;
    state.sort = -1;
    if (name === "model") { fill(); tools.querySelector("select").focus(); }
    draw();
  });
  select.value = state[name];
  return make("label", {}, label, select);
};
const group = (label, options) => make("optgroup", { label }, ...options.map(([value, text]) => new Option(text, value)));
const distinct = (field) => [...new Set(data.languages.map((one) => one[field]).filter(Boolean))].sort();
const fill = () => {
  const runs = data.models[state.model].runs;
  if (state.view.startsWith("run") && Number(state.view.split(":")[1]) >= runs.length) state.view = "task:0";
  const views = [
    group("Recipes on a task", data.tasks.map((task, number) => [`task:${number}`, task])),
    group("Tasks of a recipe", runs.map(([run], number) => [`run:${number}`, run])),
  ];
  const filters = [["family", 2, "Family"], ["script", 3, "Script"]].filter(([, field]) => distinct(field).length > 1)
    .map(([name, field, label]) => choice(label, [["", "all"], ...distinct(field).map((one) => [one, one])], name));
  const models = data.models.length > 1 ? [choice("Model", data.models.map((one, number) => [number, one.name]), "model")] : [];
  tools.replaceChildren(...models, choice("Task or recipe", views, "view"), ...filters);
};
fill();
draw();
data.models.forEach((model, number) => {
  const table = document.querySelectorAll("table.heat")[number];
  const rows = [...table.tBodies[0].rows].filter((row) => !["source", "chance"].includes(row.className));
  rows.forEach((row, run) => row.querySelectorAll("td").forEach((cell, column) => {
    cell.dataset.tip = tell(model.main[column][run], `${model.runs[run][0]}, ${data.headed[column]}`);
  }));
  reachable(table);
});

// Training: a chart for each recipe or phase of the view, with a curve per seed; those of a target share their scales.
const curves = document.getElementById("curves");
const views = [...new Set(data.charts.map((chart) => chart.view))];
const three = (value) => String(Number(value.toPrecision(3)));
const known = (line) => line.filter(([, value]) => value !== null);
const extent = (lines, more = []) => {
  const values = [...lines.flatMap((line) => known(line).map(([, value]) => value)), ...more.filter((value) => value !== null)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
};
const order = [...new Set(data.charts.flatMap((chart) => chart.seeds))].sort((a, b) => a - b);
const colour = (seed) => `var(--c${order.indexOf(seed) % 6})`;
const panel = (name, top, seeds, lines, [low, high], x, show, chance = null) => {
  const y = (value) => (top + (66 * (high - value)) / (high - low)).toFixed(1);
  const level = (value, look) => `<path d="M40 ${y(value)}H272" ${look}/>`;
  const rules = [low, high].map((value) => `${level(value, 'stroke="var(--rule)"')}<text x="35" y="${Number(y(value)) + 4}" text-anchor="end">${show(value)}</text>`);
  const drawn = lines.map((line, number) => {
    const look = `stroke="${colour(seeds[number])}"`;
    const places = known(line).map(([step, value]) => `${x(step)} ${y(value)}`);
    const dots = places.length > 30 ? "" : places.map((at) => `M${at}h0`).join("");
    return places.length ? `<path d="M${places.join("L")}" ${look}/><path d="${dots}" ${look} class="dots"/>` : "";
  });
  return `<text x="40" y="${top - 7}">${name}</text>${rules.join("")}${chance === null ? "" : level(chance, 'stroke="var(--dim)" stroke-dasharray="4 3"')}${drawn.join("")}`;
};
const charted = (chart, beside) => {
  const last = Math.max(...beside.flatMap((one) => [...one.steps.slice(-1), ...one.scores.flat().map(([step]) => step)]));
  const x = (step) => (40 + (232 * step) / last).toFixed(1);
  const loss = (one) => one.loss.map((values) => values.map((value, at) => [one.steps[at], value]));
  const scored = chart.scores.some((line) => line.length);
  const bottom = scored ? 186 : 86;
  const told = chart.seeds.map((seed, at) => {
    const [all, scores] = [known(loss(chart)[at]), chart.scores[at]];
    return `seed ${seed}: ${all.length ? `loss ${three(all[0][1])} to ${three(all.at(-1)[1])}` : "no loss"}${scores.length ? `, validation ${points(scores.at(-1)[1])} at step ${scores.at(-1)[0]}` : ""}`;
  });
  const text = `${chart.title}: ${told.join("; ")}${chart.majority === null ? "" : `; majority baseline ${points(chart.majority)}`}`;
  const figure = make("figure", { tabIndex: 0 }, make("figcaption", { textContent: chart.title }));
  figure.dataset.tip = text;
  figure.insertAdjacentHTML("beforeend", `<svg viewBox="0 0 280 ${bottom + 20}" role="img">${panel("loss", 22, chart.seeds, loss(chart), extent(beside.flatMap(loss)), x, three)}${
    scored ? panel("validation score", 120, chart.seeds, chart.scores, extent(beside.flatMap((one) => one.scores), beside.map((one) => one.majority)), x, points, chart.majority) : ""
  }<text x="40" y="${bottom + 14}">0</text><text x="272" y="${bottom + 14}" text-anchor="end">${last} steps</text></svg>`);
  figure.querySelector("svg").setAttribute("aria-label", text);
  return figure;
};
const drawCurves = (view) => {
  const beside = data.charts.filter((chart) => chart.view === view);
  const shared = !view.endsWith("before the target");
  const legend = make("p", { className: "legend" }, make("b", { textContent: view }), ...order.map((seed) => {
    const word = make("span", { textContent: `seed ${seed}` });
    word.style.borderColor = colour(seed);
    return word;
  }), data.absent);
  curves.replaceChildren(legend, ...beside.map((chart) => charted(chart, shared ? beside : [chart])));
};
if (curves) {
  const select = make("select", {}, ...views.map((view) => new Option(view)));
  select.addEventListener("change", () => drawCurves(select.value));
  document.getElementById("views").append(make("label", {}, "Training", select));
  drawCurves(views[0]);
}

// Copy, theme, print.
for (const block of document.querySelectorAll("[data-copy]")) {
  const button = make("button", { type: "button", textContent: "Copy" });
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(block);
    const done = await navigator.clipboard?.writeText(block.textContent).then(() => true, () => false);
    button.textContent = done || document.execCommand("copy") ? "Copied" : "Selected";
  });
  block.after(button);
}
const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
