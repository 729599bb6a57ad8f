"use strict";
(() => {
  const D = JSON.parse(document.getElementById("data").textContent);
  const n = D.ids.length;
  const byName = Object.fromEntries(D.columns.map((c) => [c.name, c]));
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const marks = { reliable: "●", inconclusive: "◆", unreliable: "" };
  const $ = (id) => document.getElementById(id);

  // Elements are made by name and filled with text only: no string from a file is ever read as HTML.
  function el(tag, attributes = {}, ...children) {
    const node = tag.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (key === "vars") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
    return node;
  }

  // numbers -----------------------------------------------------------------------------------------------------------
  const whole = (x) => x.toLocaleString("en-US");
  const rate = (i) => (D.n_runs[i] ? D.n_learned[i] / D.n_runs[i] : null);
  function percent(x) {
    if (x === null) return "";
    if (x === 0 || x === 1) return `${100 * x}%`;
    const least = Math.min(x, 1 - x);
    return `${(100 * x).toFixed(least >= 0.05 ? 0 : least >= 0.005 ? 1 : Math.max(2, Math.ceil(-2 - Math.log10(least))))}%`;
  }
  const interval = (i) => `${D.low[i].toFixed(3)}–${D.high[i].toFixed(3)}`;
  const short = (i) => D.ids[i].slice(0, D.id_length);
  const describe = (i) => D.columns.map((c) => `${c.title} ${value(c, i)}`).join(", ");
  const value = (c, i) => (c.values[i] === null ? "none" : String(c.values[i]));
  const unpack = (text) => Array.from(text, (c) => alphabet.indexOf(c) / 63);

  const viridis = ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"].map((h) =>
    [0, 2, 4].map((k) => parseInt(h.slice(k, k + 2), 16)),
  );
  function colour(x) {
    const place = x * (viridis.length - 1);
    const low = Math.min(Math.floor(place), viridis.length - 2);
    const mixed = viridis[low].map((a, k) => Math.round(a + (viridis[low + 1][k] - a) * (place - low)));
    return `rgb(${mixed.join(",")})`;
  }

  // where the folder is: the page knows its own address, the file does not hold it
  function folder() {
    if (location.protocol !== "file:") return ".";
    let path = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "") || "/";
    if (/^\/[A-Za-z]:/.test(path)) path = path.slice(1);
    return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replace(/'/g, "'\\''")}'`;
  }
  const results = folder();
  const commands = {
    report: `sweep report ${results}`,
    run: `sweep run ${results === "." ? "." : results}/experiment.yaml --out again`,
    verify: `sweep verify ${results}`,
  };
  for (const node of document.querySelectorAll("[data-command]")) node.textContent = commands[node.dataset.command];

  async function copy(text, button, node) {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(node);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = before), 1500);
  }
  for (const button of document.querySelectorAll("button.copy")) {
    const node = $(button.dataset.from);
    button.addEventListener("click", () => copy(node.textContent, button, node));
  }

  // which configurations are shown: the filters serve the map and the table -------------------------------------------
  const filters = { text: "", verdict: "", levels: {}, only: null };
  let shown = [];
  const haystack = D.ids.map((id, i) => `${id} ${describe(i)} ${D.verdicts[D.verdict[i]]}`.toLowerCase().split(/[\s,]+/));
  const isNumber = (word) => word !== "" && !Number.isNaN(Number(word)); // 8 is not a part of 18, or of an id
  const matches = (word, i) => haystack[i].some((own) => (isNumber(word) ? own === word : own.includes(word)));
  function isShown(i) {
    if (filters.only && !filters.only.has(i)) return false;
    if (filters.verdict !== "" && D.verdict[i] !== +filters.verdict) return false;
    for (const [name, code] of Object.entries(filters.levels)) if (byName[name].codes[i] !== code) return false;
    return filters.text.split(/[\s,]+/).every((word) => matches(word, i));
  }
  function refresh() {
    shown = [];
    for (let i = 0; i < n; i++) if (isShown(i)) shown.push(i);
    drawTable();
    drawMap();
    const alone = filters.only ? "; only those of one cell of the map" : "";
    $("status").textContent = `${whole(shown.length)} of ${whole(n)} configurations${alone}`;
    $("clear").hidden = shown.length === n && !filters.text && !filters.only;
  }
  function select(label, options, chosen, onchange) {
    const list = options.map(([v, text]) => el("option", { value: v, selected: String(v) === String(chosen) }, text));
    return el("label", {}, label, el("select", { onchange: (e) => onchange(e.target.value) }, list));
  }
  function drawFilters() {
    const search = el("input", { type: "search", placeholder: "id, optimizer adam ...", oninput: (e) => ((filters.text = e.target.value.toLowerCase().trim()), refresh()) });
    const verdicts = [["", "all"], ...D.verdicts.map((v, k) => [k, v])];
    const levels = D.columns.filter((c) => c.levels.length > 1).map((c) =>
      select(c.title, [["", "all"], ...c.levels.map((v, k) => [k, v])], "", (v) => {
        if (v === "") delete filters.levels[c.name];
        else filters.levels[c.name] = +v;
        refresh();
      }),
    );
    const clear = el("button", { type: "button", id: "clear", hidden: true, onclick: () => {
      Object.assign(filters, { text: "", verdict: "", levels: {}, only: null });
      drawFilters();
      refresh();
      $("filters").querySelector("input").focus();
    } }, "Show all");
    $("filters").replaceChildren(el("label", {}, "search", search), select("verdict", verdicts, "", (v) => ((filters.verdict = v), refresh())), ...levels, clear);
  }

  // the map -----------------------------------------------------------------------------------------------------------
  const none = "";
  const layout = [...D.layout];
  const axes = { x: layout[0], y: layout[1] || none, side: D.is_sparse ? none : layout[2] || none };
  let isPooled = D.is_sparse;
  function drawMapControls() {
    const names = D.layout.map((name) => [name, byName[name].title]);
    const choose = (key) => (v) => {
      for (const other of ["x", "y", "side"]) if (other !== key && v && axes[other] === v) axes[other] = axes[key];
      axes[key] = v;
      drawMapControls();
      drawMap();
    };
    $("map-controls").replaceChildren(
      select("across", names, axes.x, choose("x")),
      ...(names.length > 1 ? [select("down", [[none, "nothing"], ...names], axes.y, choose("y"))] : []),
      ...(names.length > 2 ? [select("panels side by side", [[none, "nothing"], ...names], axes.side, choose("side"))] : []),
      ...(names.length > 2 ? [select("all others", [[none, "rows of their own"], ["pooled", "pooled: mean rates"]], isPooled ? "pooled" : none, (v) => ((isPooled = v === "pooled"), drawMap()))] : []),
    );
  }
  const single = { title: "", levels: [""], codes: new Array(n).fill(0) };
  const column = (name) => (name ? byName[name] : single);
  let cells = [];
  let current = null;
  function drawMap() {
    const [x, y, side] = [column(axes.x), column(axes.y), column(axes.side)];
    const rest = isPooled ? [] : D.layout.filter((name) => !Object.values(axes).includes(name)).map((name) => byName[name]);
    const isIn = new Set(shown);
    const rows = new Map(); // the other hyperparameters, joined, in the order of their levels
    const keyed = Array.from({ length: n }, (_, i) => i).sort((a, b) => {
      for (const c of rest) if (c.codes[a] !== c.codes[b]) return c.codes[a] - c.codes[b];
      return 0;
    });
    for (const i of keyed) {
      const key = rest.map((c) => c.codes[i]).join();
      if (!rows.has(key)) rows.set(key, { name: rest.map((c) => `${c.title} ${c.levels[c.codes[i]]}`), members: new Map(), any: false });
      const row = rows.get(key);
      const place = `${side.codes[i]},${y.codes[i]},${x.codes[i]}`;
      if (!row.members.has(place)) row.members.set(place, []);
      row.members.get(place).push(i);
      row.any ||= isIn.has(i);
    }
    cells = [];
    const bodies = [...rows.values()].filter((row) => row.any);
    const names = [axes.y && `${y.title} ↓`, axes.x && `${x.title} →`].filter(Boolean).join("  ");
    const head = (scope) => el("tr", {}, el("td", { class: "corner", colspan: 2 }, names), side.levels.map((_, s) => [
      ...(s ? [el("td", { class: "gap" })] : []), ...x.levels.map((name) => el("th", { scope }, name))]));
    const table = el("table", { class: "map" });
    if (axes.side) {
      table.append(el("tr", {}, el("td", {}), el("td", {}), side.levels.map((name, s) => [
        ...(s ? [el("td", { class: "gap" })] : []), el("th", { class: "facet", scope: "colgroup", colspan: x.levels.length }, `${side.title} ${name}`)])));
    }
    table.append(head("col"));
    bodies.forEach((row, r) => {
      if (r) table.append(el("tr", { class: "gap", "aria-hidden": "true" }, el("td", {})));
      y.levels.forEach((name, j) => {
        const line = el("tr", {});
        if (j === 0) line.append(el(row.name.length ? "th" : "td", { class: "side", scope: row.name.length ? "rowgroup" : null, rowspan: y.levels.length }, row.name.map((t) => el("div", {}, t))));
        line.append(el(name ? "th" : "td", { class: "y", scope: name ? "row" : null }, name));
        const buttons = [];
        side.levels.forEach((_, s) => {
          if (s) line.append(el("td", { class: "gap" }));
          x.levels.forEach((_, k) => {
            const members = (row.members.get(`${s},${j},${k}`) || []).filter((i) => isIn.has(i));
            const button = cell(members);
            buttons.push(button);
            line.append(el("td", {}, button));
          });
        });
        cells.push(buttons);
        table.append(line);
      });
    });
    $("map-view").replaceChildren(table);
    current = null;
    const first = cells.flat().find((b) => b.members.length);
    if (first) first.tabIndex = 0;
  }
  function cell(members) {
    if (!members.length) return Object.assign(el("div", { class: "cell empty" }), { members });
    const one = members.length === 1 ? members[0] : null;
    const mean = members.reduce((sum, i) => sum + (rate(i) || 0), 0) / members.length;
    const found = new Set(members.map((i) => D.verdict[i]));
    const verdict = found.size === 1 ? D.verdicts[[...found][0]] : "";
    const button = el("button", { type: "button", class: "cell", tabindex: -1, vars: { "--c": colour(mean), "--on": mean > 0.5 ? "#111" : "#fff" }, "aria-label": tipLines(members, mean).join(", ") }, marks[verdict] || "");
    button.addEventListener("click", () => {
      hideTip();
      if (one !== null) return openConfiguration(one);
      filters.only = new Set(members);
      refresh();
      $("configurations").scrollIntoView();
    });
    return Object.assign(button, { members, mean });
  }
  function tipLines(members, mean) {
    if (members.length > 1) {
      const counted = D.verdicts.map((v, k) => [v, members.filter((i) => D.verdict[i] === k).length]).filter(([, c]) => c);
      return [`${whole(members.length)} configurations`, `mean success rate ${percent(mean)}`, counted.map(([v, c]) => `${c} ${v}`).join(", ")];
    }
    const i = members[0];
    return [describe(i), `${whole(D.n_learned[i])} of ${whole(D.n_runs[i])} learned: ${percent(rate(i))}`, `interval ${interval(i)} (${D.method[i].replace(/_/g, " ")})`, D.verdicts[D.verdict[i]]];
  }
  function showTip(button) {
    const tip = $("tip");
    const [first, ...others] = tipLines(button.members, button.mean);
    tip.replaceChildren(el("b", {}, first), ...others.map((t) => el("div", {}, t)));
    tip.hidden = false;
    const box = button.getBoundingClientRect();
    const top = box.bottom + 8 + tip.offsetHeight > innerHeight ? box.top - tip.offsetHeight - 8 : box.bottom + 8;
    tip.style.top = `${Math.max(4, top)}px`;
    tip.style.left = `${Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
  }
  const hideTip = () => ($("tip").hidden = true);
  const view = $("map-view");
  for (const kind of ["mouseover", "focusin"]) view.addEventListener(kind, (e) => e.target.members && e.target.members.length ? showTip(e.target) : hideTip());
  for (const kind of ["mouseleave", "focusout", "scroll"]) view.addEventListener(kind, hideTip);
  addEventListener("scroll", hideTip, { passive: true });
  view.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
    if (e.key === "Escape") hideTip();
    if (!step || !e.target.members) return;
    e.preventDefault();
    let r = cells.findIndex((row) => row.includes(e.target));
    let c = cells[r].indexOf(e.target);
    do { r += step[0]; c += step[1]; } while (cells[r] && cells[r][c] && !cells[r][c].members.length);
    const next = cells[r] && cells[r][c];
    if (!next) return;
    for (const b of cells.flat()) if (b.tabIndex === 0) b.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });

  // the table ---------------------------------------------------------------------------------------------------------
  const page = 25;
  let limit = page;
  const order = { key: "low", falling: true };
  const opened = new Set();
  const isOfNetworks = Boolean(D.n_parameters);
  const heads = [
    { key: "id", title: "configuration", of: (i) => D.ids[i] },
    { key: "low", title: "rate, interval", numeric: true, of: (i) => D.low[i], node: intervalBar },
    { key: "strip", title: "outcomes", node: outcomeStrip },
    { key: "verdict", title: "verdict", of: (i) => -D.verdict[i], node: (i) => verdictWord(D.verdicts[D.verdict[i]]) },
    ...D.columns.map((c) => ({ key: c.name, title: c.title, numeric: c.numeric, of: (i) => (c.numeric ? c.values[i] : c.codes[i]), text: (i) => value(c, i) })),
    isOfNetworks && { key: "size", title: "parameters", numeric: true, of: (i) => D.n_parameters[i], text: (i) => whole(D.n_parameters[i]) },
    { key: "learned", title: "learned", numeric: true, of: (i) => D.n_learned[i] / (D.n_runs[i] || 1), text: (i) => `${whole(D.n_learned[i])}/${whole(D.n_runs[i])}` },
    isOfNetworks && { key: "epochs", title: "median epochs", numeric: true, of: (i) => D.median_epochs[i], text: (i) => (D.median_epochs[i] === null ? "" : whole(D.median_epochs[i])) },
  ].filter(Boolean);
  const verdictWord = (v) => el("span", { class: "verdict" }, el("i", { class: `mark v-${v}` }), v);
  function intervalBar(i) {
    const at = (x) => `${(100 * x).toFixed(2)}%`;
    const bar = el("span", { class: "interval", role: "img", "aria-label": `interval ${interval(i)}` }, el("u", { style: `left:${at(D.target)}` }),
      el("i", { style: `left:${at(D.low[i])};width:${at(D.high[i] - D.low[i])}` }), rate(i) === null ? null : el("b", { style: `left:${at(rate(i))}` }));
    return el("span", { title: interval(i) }, percent(rate(i)), bar);
  }
  const counts = (i) => [[D.outcomes[0], D.n_learned[i]], ...D.outcomes.slice(1).map((o, k) => [o, D.failures[i][k]]), ["missing", D.n_missing[i]]].filter(([, c]) => c > 0);
  const countWords = (i) => counts(i).map(([o, c]) => `${whole(c)} ${o}`).join(", ");
  function outcomeStrip(i) {
    const parts = counts(i).map(([o, c]) => el("span", { class: `o-${o}`, style: `flex:${c} 0 0` }));
    return el("span", { class: "strip", role: "img", "aria-label": countWords(i), title: countWords(i) }, parts);
  }
  function sorted() {
    const head = heads.find((h) => h.key === order.key);
    const sign = order.falling ? -1 : 1;
    const isGone = (v) => v === null || v === undefined;
    return [...shown].sort((a, b) => {
      const [u, v] = [head.of(a), head.of(b)];
      if (isGone(u) || isGone(v)) return isGone(u) - isGone(v) || a - b; // what is missing comes last
      return u < v ? -sign : u > v ? sign : a - b;
    });
  }
  function drawTable() {
    const head = el("tr", {}, heads.map((h) => {
      const isChosen = h.key === order.key;
      const arrow = isChosen ? el("span", { class: "arrow", "aria-hidden": "true" }, order.falling ? "▼" : "▲") : null;
      const inside = h.of ? el("button", { type: "button", "data-sort": h.key, onclick: () => sortBy(h) }, h.title, arrow) : el("span", {}, h.title);
      return el("th", { scope: "col", class: h.numeric ? "n" : null, "aria-sort": isChosen ? (order.falling ? "descending" : "ascending") : null }, inside);
    }));
    const list = sorted();
    const body = el("tbody", {});
    for (const i of list.slice(0, limit)) {
      body.append(drawRow(i));
      if (opened.has(i)) body.append(drawDetail(i));
    }
    $("table").replaceChildren(el("thead", {}, head), body);
    $("more").hidden = list.length <= limit;
    $("more").textContent = `Show all ${whole(list.length)}`;
  }
  function sortBy(h) {
    order.falling = order.key === h.key ? !order.falling : h.key === "low" || h.key === "learned" || h.key === "verdict";
    order.key = h.key;
    drawTable();
    document.querySelector(`[data-sort="${CSS.escape(h.key)}"]`).focus();
  }
  function drawRow(i) {
    const isOpen = opened.has(i);
    const button = el("button", { type: "button", class: "id", "aria-expanded": String(isOpen), "aria-controls": isOpen ? D.ids[i] : null, "data-row": i }, short(i));
    const tds = heads.slice(1).map((h) => el("td", { class: h.numeric ? "n" : null }, h.node ? h.node(i) : h.text(i)));
    const row = el("tr", { class: isOpen ? "row open" : "row" }, el("td", {}, button), tds);
    row.addEventListener("click", () => getSelection().isCollapsed && toggle(i));
    return row;
  }
  function toggle(i) {
    if (!opened.delete(i)) opened.add(i);
    const button = document.querySelector(`[data-row="${i}"]`);
    const row = button.closest("tr");
    if (row.nextSibling && row.nextSibling.classList.contains("detail")) row.nextSibling.remove();
    const fresh = drawRow(i);
    row.replaceWith(fresh);
    if (opened.has(i)) fresh.after(drawDetail(i));
    fresh.querySelector(".id").focus({ preventScroll: true });
  }
  function openConfiguration(i) {
    if (!shown.includes(i)) {
      Object.assign(filters, { text: "", verdict: "", levels: {}, only: null });
      drawFilters();
    }
    opened.add(i);
    refresh();
    const place = sorted().indexOf(i);
    if (place >= limit) {
      limit = n;
      drawTable();
    }
    const button = document.querySelector(`[data-row="${i}"]`);
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "start" });
  }
  $("more").addEventListener("click", () => ((limit = n), drawTable()));
  function followAddress() {
    const i = D.ids.indexOf(location.hash.slice(1));
    if (i >= 0) openConfiguration(i);
  }
  addEventListener("hashchange", followAddress);

  // one configuration -------------------------------------------------------------------------------------------------
  function drawDetail(i) {
    const d = D.details.rows[i];
    const head = [el("h3", {}, `${D.ids[i]}: ${describe(i)}`), el("p", {}, `Success rate ${percent(rate(i))}, interval ${interval(i)} (${D.method[i].replace(/_/g, " ")}, ${whole(D.n_runs[i])} runs): ${countWords(i)}.`)];
    if (d.m.length) head.push(el("p", {}, "Rows given one output: ", d.m.map(([name, c]) => `${name} in ${whole(c)} run${c === 1 ? "" : "s"}`).join(", "), "."));
    const blocks = [seedsBlock(i, d), curveBlock(i, d), predictionsBlock(i, d), examplesBlock(i, d), commandsBlock(i, d)];
    const inner = el("div", { class: "inner", role: "region", id: D.ids[i], "aria-label": `configuration ${short(i)}` }, head, el("div", { class: "blocks" }, blocks));
    const row = el("tr", { class: "detail" }, el("td", { colspan: heads.length }, inner));
    row.querySelectorAll("canvas").forEach((canvas) => canvas.paint());
    return row;
  }
  const seedAt = (d, k) => (Array.isArray(d.s) ? d.s[k] : d.s + k);
  function seedsBlock(i, d) {
    const cells = Array.from(d.o, (letter, k) => {
      const name = D.outcomes[D.letters.indexOf(letter)];
      return el("span", { class: `o-${name}`, title: `seed ${seedAt(d, k)}: ${name}`, "data-seed": seedAt(d, k) });
    });
    const strip = el("div", { class: "seeds", role: "img", "aria-label": `outcome by seed: ${countWords(i)}` }, cells);
    strip.addEventListener("click", (e) => {
      if (!e.target.dataset.seed) return;
      const input = strip.closest(".inner").querySelector("input");
      if (!input) return;
      input.value = e.target.dataset.seed;
      input.dispatchEvent(new Event("input"));
    });
    const cut = d.o.length < D.n_runs[i] ? `, the first ${d.o.length} of ${whole(D.n_runs[i])}` : "";
    return el("div", {}, el("h4", {}, `Seeds${cut}`), strip, isOfNetworks ? el("p", { class: "hint" }, "Press a square for the command that replays its run.") : null);
  }
  const S = (tag, attributes, ...children) => el(`svg:${tag}`, attributes, ...children);
  function curveBlock(i, d) {
    if (!d.q) return null;
    const [w, h, left, bottom] = [260, 130, 34, 18];
    const total = D.n_runs[i] || 1;
    const px = (k) => left + ((w - left - 6) * k) / (d.q.length - 1);
    const py = (share) => 6 + (h - bottom - 6) * (1 - share);
    const path = d.q.map((c, k) => `${k ? "L" : "M"}${px(k).toFixed(1)},${py(c / total).toFixed(1)}`).join("");
    const lines = [0, 0.5, 1].map((s) => [S("line", { x1: left, x2: w - 6, y1: py(s), y2: py(s), stroke: "var(--line)" }), S("text", { x: left - 5, y: py(s) + 3, "text-anchor": "end" }, `${100 * s}%`)]);
    const svg = S("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": `share learned by epoch, ${percent(rate(i))} at the end` }, lines.flat(),
      S("text", { x: left, y: h - 4 }, "0"), S("text", { x: w - 6, y: h - 4, "text-anchor": "end" }, `${whole(D.epochs[i])} epochs`),
      S("path", { d: path, fill: "none", stroke: "var(--accent)", "stroke-width": 2 }));
    return el("div", {}, el("h4", {}, "Share learned by epoch"), svg);
  }
  function predictionsBlock(i, d) {
    if (!d.p.length) return null;
    const bins = d.p[0][1].length;
    const [w, left, step] = [260, 52, 16];
    const h = d.p.length * step + 18;
    const px = (b) => left + ((w - left - 6) * b) / bins;
    const task = D.details.tasks[D.task[i]];
    const rows = d.p.map(([place, counted], r) => {
      const most = Math.max(...counted);
      const name = D.details.prediction_columns[place];
      const boxes = counted.map((c, b) => c && S("rect", { x: px(b) + 0.5, y: r * step + 1, width: px(b + 1) - px(b) - 1, height: step - 3, fill: "var(--accent)", "fill-opacity": (0.15 + 0.85 * Math.sqrt(c / most)).toFixed(2) }, S("title", {}, `${name}: ${whole(c)} runs from ${(b / bins).toFixed(2)} to ${((b + 1) / bins).toFixed(2)}`))).filter(Boolean);
      const target = targetOf(task, name);
      const mark = target === null ? null : S("circle", { cx: target ? w - 6 : left, cy: r * step + step / 2 - 0.5, r: 3.5, fill: "none", stroke: "var(--ink)", "stroke-width": 1.4 });
      return [S("text", { x: left - 9, y: r * step + 11, "text-anchor": "end" }, name), ...boxes, mark];
    });
    const half = S("line", { x1: px(bins / 2), x2: px(bins / 2), y1: 0, y2: h - 18, stroke: "var(--muted)", "stroke-dasharray": "2 3" });
    const svg = S("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "runs by final prediction for each row of the table" }, rows.flat(), half,
      S("text", { x: left, y: h - 5 }, "0"), S("text", { x: px(bins / 2), y: h - 5, "text-anchor": "middle" }, "0.5"), S("text", { x: w - 6, y: h - 5, "text-anchor": "end" }, "1"));
    return el("div", {}, el("h4", {}, "Final predictions by row, all runs (ring: target)"), svg);
  }
  function targetOf(task, name) {
    if (!task) return null;
    const [bits, output] = name.split("_");
    const row = task.x.findIndex((x) => x.join("") === bits);
    return row < 0 ? null : task.y[row][output ? +output : 0];
  }
  function examplesBlock(i, d) {
    if (!d.e.length) return null;
    const task = D.details.tasks[D.task[i]];
    const made = d.e.map((e) => {
      const name = D.outcomes[e.o];
      const words = `seed ${e.s}, loss ${e.f === null ? "not finite" : e.f}`;
      const at = e.p.map((p) => (p === null ? "not finite" : p.toPrecision(2))).join(", ");
      const picture = e.z && task ? surface(e, task, `decision surface of a run that ended ${name}; predictions ${at}`) : null;
      return el("div", { class: "example" }, el("p", {}, el("i", { class: `swatch o-${name}` }), name), picture, lossLine(e), el("p", { class: "hint" }, words));
    });
    return el("div", { class: "wide" }, el("h4", {}, d.e.some((e) => e.z) && task ? "One run of each outcome: what it answers between the rows (blue 0, orange 1; rings: the table's targets), and its loss" : "One run of each outcome: its loss by epoch, on a logarithmic scale"), el("div", { class: "examples" }, made));
  }
  function rgb(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).split(",").map(Number);
  }
  function surface(e, task, label) {
    const size = Math.round(Math.sqrt(e.z.length));
    const canvas = el("canvas", { width: 300, height: 300, role: "img", "aria-label": label });
    canvas.paint = () => {
      const [zero, middle, one] = [rgb("--zero"), rgb("--middle"), rgb("--one")];
      const small = el("canvas", { width: size, height: size });
      const image = small.getContext("2d").createImageData(size, size);
      unpack(e.z).forEach((p, k) => {
        const at = 4 * ((size - 1 - Math.floor(k / size)) * size + (k % size));
        const [end, share] = p < 0.5 ? [zero, 1 - 2 * p] : [one, 2 * p - 1];
        for (let c = 0; c < 3; c++) image.data[at + c] = middle[c] + (end[c] - middle[c]) * share;
        image.data[at + 3] = 255;
      });
      small.getContext("2d").putImageData(image, 0, 0);
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = true;
      context.drawImage(small, 0, 0, 300, 300);
      const [x0, x1, y0, y1] = task.range;
      task.x.forEach(([x, y], row) => {
        context.beginPath();
        context.arc((300 * (x - x0)) / (x1 - x0), 300 * (1 - (y - y0) / (y1 - y0)), 9, 0, 7);
        context.fillStyle = `rgb(${task.y[row][0] ? one : zero})`;
        context.strokeStyle = "#fff";
        context.lineWidth = 4;
        context.stroke();
        context.fill();
      });
    };
    return canvas;
  }
  function lossLine(e) {
    const epochs = D.details.snapshots[e.t];
    const [w, h] = [150, 46];
    const end = epochs[epochs.length - 1] || 1;
    const points = unpack(e.l).map((v, k) => `${((w * epochs[k]) / end).toFixed(1)},${(2 + (h - 4) * (1 - v)).toFixed(1)}`);
    const grid = [-3, -2, -1, 0].map((power) => {
      const y = 2 + (h - 4) * (1 - (power + 4) / 5);
      return S("line", { x1: 0, x2: w, y1: y, y2: y, stroke: "var(--line)" });
    });
    return S("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "loss by epoch, logarithmic, from 10 above to 0.0001 below" }, grid,
      S("polyline", { points: points.join(" "), fill: "none", stroke: "var(--ink)", "stroke-width": 1.3 }));
  }
  function commandsBlock(i, d) {
    if (!isOfNetworks) return null;
    const failed = d.e.find((e) => e.o > 0) || d.e[0];
    const first = failed ? failed.s : seedAt(d, 0);
    const replay = el("code", { tabindex: 0 });
    const input = el("input", { type: "number", min: 0, step: 1, value: first ?? 0 });
    const show = () => {
      replay.textContent = `sweep replay ${results} ${D.ids[i]}-${Number(input.value) || 0}`;
      const block = input.closest(".inner");
      if (block) for (const s of block.querySelectorAll(".seeds span")) s.classList.toggle("chosen", s.dataset.seed === input.value);
    };
    input.addEventListener("input", show);
    show();
    const rescue = el("code", { tabindex: 0 }, `sweep rescue ${results} ${D.ids[i]}`);
    const button = (code, what) => el("button", { type: "button", "aria-label": `Copy the command to ${what}`, onclick: (e) => copy(code.textContent, e.target, code) }, "Copy");
    return el("div", { class: "wide" }, el("h4", {}, "Look closer"), el("div", { class: "commands" },
      el("div", {}, el("label", {}, "replay seed ", input)),
      el("div", {}, replay, button(replay, "replay")),
      el("div", {}, rescue, button(rescue, "rescue")),
    ));
  }

  const all = [...D.outcomes, ...(D.n_missing.some((c) => c > 0) ? ["missing"] : [])];
  const seen = (o) => o === "missing" || (o === D.outcomes[0] ? D.n_learned.some((c) => c) : D.failures.some((f) => f[D.outcomes.indexOf(o) - 1]));
  $("outcome-key").append(...all.filter(seen).map((o) => el("li", {}, el("i", { class: `swatch o-${o}` }), o)));
  $("map-app").hidden = $("table-app").hidden = false;
  drawFilters();
  drawMapControls();
  refresh();
  followAddress();
})();
