  // which configurations are shown: the filters serve the map and the table ---------------------------------------------
  const filters = { text: "", verdict: "", levels: {} };
  let shown = [];
  function refresh() {
    const among = everything.filter((i) => {
      if (filters.verdict !== "" && D.verdict[i] !== +filters.verdict) return false;
      return Object.entries(filters.levels).every(([name, code]) => byName[name].codes[i] === code);
    });
    const { fits, why } = filters.text ? find(filters.text, among) : { fits: among, why: among.length ? "" : "Nothing fits: these values were not tried together." };
    shown = fits;
    drawTable(why);
    drawMap();
    $("clear").hidden = shown.length === n && !filters.text;
  }
  function drawFilters() {
    const search = el("input", { type: "search", class: "long", placeholder: "width>=4 adam, an id ...", oninput: (e) => ((filters.text = e.target.value.trim()), refresh()) });
    const verdicts = [["", "all"], ...D.verdicts.map((v, k) => [k, v])];
    const levels = D.columns.filter((c) => c.levels.length > 1).map((c) =>
      select(c.title, [["", "all"], ...c.levels.map((v, k) => [k, v])], "", (v) => {
        if (v === "") delete filters.levels[c.name];
        else filters.levels[c.name] = +v;
        refresh();
      }),
    );
    const clear = el("button", { type: "button", id: "clear", hidden: true, onclick: () => {
      showAll();
      $("filters").querySelector("input").focus();
    } }, "Show all");
    $("filters").replaceChildren(el("label", {}, "search", search), select("verdict", verdicts, "", (v) => ((filters.verdict = v), refresh())), ...levels, clear);
  }
  function showAll() {
    Object.assign(filters, { text: "", verdict: "", levels: {} });
    drawFilters();
    refresh();
  }

  // the table -----------------------------------------------------------------------------------------------------------
  const page = 25;
  let limit = page;
  const order = { key: null, falling: true }; // null: the smallest reliable ones, then what is nearest to the target
  const heads = [
    { key: "id", title: "configuration", of: (i) => D.ids[i] },
    { key: "low", title: "rate, interval", numeric: true, of: (i) => D.low[i], node: (i) => el("span", {}, percent(rate(i)), intervalBar(rate(i), D.low[i], D.high[i])) },
    { key: "strip", title: "outcomes", node: outcomeStrip, isWide: true },
    { key: "verdict", title: "verdict", of: (i) => -D.verdict[i], node: (i) => verdictWord(verdict(i)) },
    ...D.columns.map((c) => ({ key: c.name, title: c.title, numeric: c.numeric, isExtra: true, of: (i) => (c.numeric ? c.values[i] : c.codes[i]), text: (i) => value(c, i) })),
    isOfNetworks && { key: "size", title: "parameters", numeric: true, isExtra: true, of: (i) => D.n_parameters[i], text: (i) => whole(D.n_parameters[i]) },
    { key: "learned", title: "learned", numeric: true, isWide: true, of: (i) => D.n_learned[i] / (D.n_runs[i] || 1), text: (i) => `${whole(D.n_learned[i])}/${whole(D.n_runs[i])}` },
    isOfNetworks && { key: "epochs", title: "median epochs", numeric: true, isExtra: true, of: (i) => D.median_epochs[i], text: (i) => (D.median_epochs[i] === null ? "" : whole(D.median_epochs[i])) },
  ].filter(Boolean);
  function outcomeStrip(i) {
    const parts = counts(i).map(([o, c]) => el("span", { class: `o-${o}`, style: `flex:${c} 0 0` }));
    return el("span", { class: "strip", role: "img", "aria-label": countWords(i), title: countWords(i) }, parts);
  }
  const n_smallest = 10;
  function aroundTarget() {
    const size = (i) => (isOfNetworks ? D.n_parameters[i] : i);
    const first = shown.filter((i) => verdict(i) === "reliable").sort((a, b) => size(a) - size(b) || a - b).slice(0, n_smallest);
    const taken = new Set(first);
    const away = (i) => (rate(i) === null ? 2 : Math.abs(rate(i) - D.target));
    return [...first, ...shown.filter((i) => !taken.has(i)).sort((a, b) => away(a) - away(b) || a - b)];
  }
  function sorted() {
    const head = heads.find((h) => h.key === order.key);
    if (!head) return aroundTarget();
    const sign = order.falling ? -1 : 1;
    const isGone = (v) => v === null || v === undefined;
    return [...shown].sort((a, b) => {
      const [u, v] = [head.of(a), head.of(b)];
      if (isGone(u) || isGone(v)) return isGone(u) - isGone(v) || a - b; // what is missing comes last
      return u < v ? -sign : u > v ? sign : a - b;
    });
  }
  function drawTable(why = "") {
    const head = el("tr", {}, heads.map((h) => {
      const isChosen = h.key === order.key;
      const arrow = isChosen ? el("span", { class: "arrow", "aria-hidden": "true" }, order.falling ? "▼" : "▲") : null;
      const inside = h.of ? el("button", { type: "button", "data-sort": h.key, onclick: () => sortBy(h) }, h.title, arrow) : el("span", {}, h.title);
      return el("th", { scope: "col", class: classOf(h), "aria-sort": isChosen ? (order.falling ? "descending" : "ascending") : null }, inside);
    }));
    if (current && current.place === "table") replaceState(null); // its row goes
    const list = sorted();
    $("table").replaceChildren(el("thead", {}, head), el("tbody", {}, list.slice(0, limit).map(drawRow)));
    $("more").hidden = list.length <= limit;
    $("more").textContent = `Show all ${whole(list.length)}`;
    const all = list.length < n ? ` that fit, of ${whole(n)}` : "";
    const first = order.key || list.length <= limit ? "" : `: first the smallest that are shown reliable, then those nearest to the target of ${percent(D.target)}`;
    $("status").textContent = why || `${whole(Math.min(limit, list.length))} of ${counted(list.length, "configuration")}${all}${first}`;
  }
  const classOf = (h) => [h.numeric && "n", h.isExtra && "extra", h.isWide && "wide-only"].filter(Boolean).join(" ") || null;
  function sortBy(h) {
    order.falling = order.key === h.key ? !order.falling : h.key === "low" || h.key === "learned" || h.key === "verdict";
    order.key = h.key;
    drawTable();
    document.querySelector(`[data-sort="${CSS.escape(h.key)}"]`).focus();
  }
  function drawRow(i) {
    const button = el("button", { type: "button", class: "id", "aria-expanded": "false", "data-row": i }, short(i));
    const tds = heads.slice(1).map((h) => el("td", { class: classOf(h) }, h.node ? h.node(i) : h.text(i)));
    const row = el("tr", { class: "row" }, el("td", {}, button, el("div", { class: "under" }, settingsWords(i))), tds);
    row.addEventListener("click", () => {
      if (!getSelection().isCollapsed) return;
      button.focus({ preventScroll: true });
      if (button.getAttribute("aria-expanded") === "true") close();
      else open({ place: "table", id: i }, { keepsFocus: true });
    });
    return row;
  }
  function rowButton(i) {
    if (!shown.includes(i)) showAll();
    if (sorted().indexOf(i) >= limit) {
      limit = n;
      drawTable();
    }
    return document.querySelector(`[data-row="${i}"]`);
  }
