  // the map -------------------------------------------------------------------------------------------------------------
  const none = "";
  const axes = { x: D.layout[0], y: D.layout[1] || none, side: D.is_sparse ? none : D.layout[2] || none };
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
  function rowsOfMap(rest, place, isIn) {
    const rows = new Map(); // the other hyperparameters, joined, in the order of their levels
    const keyed = [...everything].sort((a, b) => {
      for (const c of rest) if (c.codes[a] !== c.codes[b]) return c.codes[a] - c.codes[b];
      return 0;
    });
    for (const i of keyed) {
      if (!isIn.has(i)) continue;
      const key = rest.map((c) => c.codes[i]).join();
      if (!rows.has(key)) rows.set(key, { name: rest.map((c) => `${c.title} ${c.levels[c.codes[i]]}`), members: new Map() });
      const { members } = rows.get(key);
      if (!members.has(place(i))) members.set(place(i), []);
      members.get(place(i)).push(i);
    }
    return [...rows.values()];
  }
  const isPhone = matchMedia("(max-width: 760px)");
  function drawMap() {
    const isStacked = isPhone.matches && axes.side; // one panel a row
    const [x, y, side] = [column(axes.x), column(axes.y), isStacked ? single : column(axes.side)];
    const others = isPooled ? [] : D.layout.filter((name) => !Object.values(axes).includes(name));
    const rest = [...(isStacked ? [axes.side] : []), ...others].map((name) => byName[name]);
    const bodies = rowsOfMap(rest, (i) => `${side.codes[i]},${y.codes[i]},${x.codes[i]}`, new Set(shown));
    const names = [axes.y && `${y.title} ↓`, axes.x && `${x.title} →`].filter(Boolean).join("  ");
    const isLong = x.levels.some((name) => name.length > 4);
    const heads = side.levels.map((_, s) => [
      ...(s ? [el("td", { class: "gap" })] : []), ...x.levels.map((name) => el("th", { scope: "col", class: isLong ? "long" : null, title: isLong ? name : null }, el("span", {}, name)))]);
    const table = el("table", { class: "map" });
    if (axes.side && !isStacked) {
      table.append(el("tr", {}, el("td", {}), el("td", {}), side.levels.map((name, s) => [
        ...(s ? [el("td", { class: "gap" })] : []), el("th", { class: "facet", scope: "colgroup", colspan: x.levels.length }, `${side.title} ${name}`)])));
    }
    table.append(el("tr", {}, el("td", { class: "corner", colspan: 2 }, names), heads));
    cells = [];
    bodies.forEach((row, r) => {
      if (r) table.append(el("tr", { class: "gap", "aria-hidden": "true" }, el("td", {})));
      y.levels.forEach((name, j) => {
        const line = el("tr", {});
        if (j === 0) line.append(el(row.name.length ? "th" : "td", { class: "side", scope: row.name.length ? "rowgroup" : null, rowspan: y.levels.length }, row.name.map((t) => el("div", {}, t))));
        line.append(el(name ? "th" : "td", { class: "y", scope: name ? "row" : null, title: name.length > 14 ? name : null }, name));
        const buttons = [];
        side.levels.forEach((_, s) => {
          if (s) line.append(el("td", { class: "gap" }));
          x.levels.forEach((_, k) => {
            const button = cell(row.members.get(`${s},${j},${k}`) || []);
            buttons.push(button);
            line.append(el("td", {}, button));
          });
        });
        cells.push(buttons);
        table.append(line);
      });
    });
    if (current && current.place === "map") replaceState(null); // its cell goes
    $("map-view").replaceChildren(table);
    fitMap();
    drawMarks();
    const first = cells.flat().find((b) => b.members.length);
    if (first) first.tabIndex = 0;
  }
  // A cell takes its part of the room; a number stands in it where that is enough.
  function fitMap() {
    const view = $("map-view");
    const table = view.firstChild;
    const n_across = cells.length ? cells[0].length : 1;
    const width = Math.max(24, Math.min(44, Math.floor((view.clientWidth - 150 - 14 * (isPhone.matches ? 1 : column(axes.side).levels.length)) / n_across) - 2));
    table.style.setProperty("--w", `${width}px`);
    table.classList.toggle("numbered", width >= 29);
  }
  function drawMarks() {
    const words = cells.flat().some((b) => b.members.length > 1)
      ? [el("span", {}, el("i", { class: "shares sample" }, D.verdicts.map((v) => el("i", { class: `v-${v}`, style: "flex:1" }))), ` bar of a pooled cell: its share of ${D.verdicts.join(", ")} ones`)]
      : [el("span", {}, el("b", { "aria-hidden": "true" }, "●"), " reliable"), el("span", {}, el("b", { "aria-hidden": "true" }, "◆"), " inconclusive"), el("span", {}, "no mark: unreliable")];
    $("map-marks").replaceChildren(...words);
  }
  // a whole percentage that never stands on the other side of the target, nor for all or none where it is not
  function figure(x) {
    const near = rounded(100 * x);
    if (x < 1 && x > 0 && (near === 100 || near === 0)) return near ? "99" : "1";
    return String(x < D.target && near >= 100 * D.target ? near - 1 : near);
  }
  const meanOf = (members) => members.reduce((sum, i) => sum + (rate(i) || 0), 0) / members.length;
  const verdictsOf = (members) => D.verdicts.map((v, k) => [v, members.filter((i) => D.verdict[i] === k).length]).filter(([, c]) => c);
  function cell(members) {
    if (!members.length) return Object.assign(el("div", { class: "cell empty" }), { members });
    const mean = meanOf(members);
    const mark = members.length === 1
      ? el("i", { class: "sign" }, marks[verdict(members[0])])
      : el("i", { class: "shares" }, verdictsOf(members).map(([v, c]) => el("i", { class: `v-${v}`, style: `flex:${c}` })));
    const button = el("button", { type: "button", class: "cell", tabindex: -1, vars: colourOf(mean), "aria-label": tipLines(members).join(", ") }, el("span", { class: "figure" }, figure(mean)), mark);
    button.addEventListener("click", () => {
      button.focus({ preventScroll: true });
      hideTip();
      open(members.length === 1 ? { place: "map", id: members[0] } : { place: "map", members });
    });
    return Object.assign(button, { members });
  }
  function tipLines(members) {
    if (members.length > 1) return [counted(members.length, "configuration"), `mean success rate ${percent(meanOf(members))}`, verdictsOf(members).map(([v, c]) => `${c} ${v}`).join(", ")];
    const i = members[0];
    return [describe(i), `${whole(D.n_learned[i])} of ${whole(D.n_runs[i])} learned: ${percent(rate(i))}`, `interval ${interval(i)} (${D.method[i].replace(/_/g, " ")})`, verdict(i)];
  }
  // what a pooled cell holds, as a list beside the map
  const max_listed = 50;
  function drawMembers(members) {
    const rows = members.slice(0, max_listed).map((i) => el("tr", {}, el("td", {}, el("button", { type: "button", class: "link", onclick: () => open({ place: "map", id: i }) }, describe(i))), el("td", { class: "n" }, `${percent(rate(i))} (${interval(i)})`, intervalBar(rate(i), D.low[i], D.high[i])), el("td", {}, verdictWord(verdict(i)))));
    const more = members.length > max_listed ? el("p", { class: "hint" }, `The first ${max_listed} of ${whole(members.length)}, in the order of the table.`) : null;
    const closing = el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => close() }, "×");
    return el("div", { class: "inner", role: "region", "aria-label": counted(members.length, "configuration") }, closing, el("h3", { tabindex: -1 }, tipLines(members).join(", ")), el("table", { class: "help" }, el("tbody", {}, rows)), more);
  }
  function showTip(button) {
    const tip = $("tip");
    const [first, ...others] = tipLines(button.members);
    tip.replaceChildren(el("b", {}, first), ...others.map((t) => el("div", {}, t)));
    tip.hidden = false;
    const box = button.getBoundingClientRect();
    const top = box.bottom + 8 + tip.offsetHeight > innerHeight ? box.top - tip.offsetHeight - 8 : box.bottom + 8;
    tip.style.top = `${Math.max(4, top)}px`;
    tip.style.left = `${Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
  }
  const hideTip = () => ($("tip").hidden = true);
  function listenToMap() {
    const view = $("map-view");
    const cellOf = (e) => e.target.closest && e.target.closest(".cell");
    for (const kind of ["mouseover", "focusin"]) view.addEventListener(kind, (e) => (cellOf(e) && cellOf(e).members.length ? showTip(cellOf(e)) : hideTip()));
    for (const kind of ["mouseleave", "focusout"]) view.addEventListener(kind, hideTip);
    const follows = () => document.activeElement.members && !$("tip").hidden; // the arrow keys scroll too
    addEventListener("scroll", () => (follows() ? showTip(document.activeElement) : hideTip()), { passive: true });
    addEventListener("resize", fitMap);
    isPhone.addEventListener("change", drawMap);
    view.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
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
  }
