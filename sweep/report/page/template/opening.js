  // what is open: one configuration at a time, where the reader asked for it. The address has its id; Esc and Back return. --
  // `current`: { place: "mine" | "map" | "table", id: its place in the table, or members: of a pooled cell }, or null.
  const isNarrow = matchMedia("(max-width: 1099px)");
  let drawn = null; // the node that shows it
  let opener = null; // what had the focus before

  const addressOf = (state) => (state && state.id !== undefined ? `#${D.ids[state.id]}` : location.pathname + location.search);
  function replaceState(state) {
    history.replaceState(state, "", addressOf(state));
    current = state;
    if (!state) remove();
  }
  function open(state, { isReplacing = false, keepsFocus = false } = {}) {
    opener = current && current.place === state.place ? opener : document.activeElement;
    history[isReplacing ? "replaceState" : "pushState"](state, "", addressOf(state));
    show(state, { keepsFocus });
  }
  function close({ keepsFocus = false } = {}) {
    if (!current || n < 2) return;
    const { place } = current;
    replaceState(null);
    if (!keepsFocus) giveBack(place);
  }
  function giveBack(place) {
    const to = opener && opener.isConnected && opener !== document.body ? opener : place === "mine" ? $("mine-search") : null;
    if (!to) return;
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: "nearest" });
  }
  function remove() {
    for (const b of document.querySelectorAll('.id[aria-expanded="true"]')) {
      b.setAttribute("aria-expanded", "false");
      b.closest("tr").classList.remove("open");
    }
    for (const b of document.querySelectorAll(".cell.open")) b.classList.remove("open");
    if (drawn) drawn.remove();
    drawn = null;
    document.body.classList.remove("is-beside");
  }
  // Draws it in its place. What the reader looks at stays where it was, whatever was open above.
  function show(state, { keepsFocus = false } = {}) {
    const fixed = keepsFocus ? document.activeElement : opener;
    const before = fixed && fixed.isConnected ? fixed.getBoundingClientRect().top : null;
    remove();
    current = null;
    if (!state) return;
    const node = state.id === undefined ? drawMembers(state.members) : drawDetail(state.id);
    if (state.place === "table") putBelow(rowButton(state.id), node);
    else if (state.place === "map") putBeside(state, node);
    else {
      drawn = node;
      $("mine-detail").append(node);
      if (n > 1) followMine(state.id);
    }
    current = state;
    if (before !== null && fixed.isConnected) scrollBy({ top: fixed.getBoundingClientRect().top - before, behavior: "instant" });
    if (keepsFocus) return;
    node.querySelector("h3").focus({ preventScroll: true });
    const isBeside = state.place === "map" && !isNarrow.matches;
    if (!isBeside) node.scrollIntoView({ block: state.place === "mine" ? "start" : "nearest" });
  }
  function inRow(node, width) {
    drawn = el("tr", { class: "detail" }, el("td", { colspan: width }, node));
    return drawn;
  }
  function putBelow(button, node) {
    button.setAttribute("aria-expanded", "true");
    const row = button.closest("tr");
    row.classList.add("open");
    row.after(inRow(node, heads.length));
  }
  function putBeside(state, node) {
    const own = cells.flat().find((b) => (state.id === undefined ? b.members.join() === state.members.join() : b.members.includes(state.id)));
    if (own) own.classList.add("open");
    const row = own && own.closest("tr");
    if (isNarrow.matches && row) row.after(inRow(node, [...row.closest("table").rows].reduce((most, r) => Math.max(most, r.cells.length), 0) + 2));
    else {
      drawn = node;
      $("map-side").append(node);
      document.body.classList.add("is-beside");
    }
  }
  // the address: one that names a configuration shows it at the top
  function follow() {
    const i = D.ids.indexOf(location.hash.slice(1));
    if (n < 2 || (!history.state && i < 0 && location.hash)) return; // a link to a section
    const state = history.state || (i < 0 ? null : { place: "mine", id: i });
    const { place } = current || {};
    if (state && !history.state) opener = document.activeElement;
    show(state, { keepsFocus: !state });
    if (!state && place) giveBack(place);
  }

  addEventListener("popstate", follow);
  addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    if (!$("tip").hidden) return hideTip();
    close();
  });
  if (n > 1) {
    const all = [...D.outcomes, ...(D.n_missing.some((c) => c > 0) ? ["missing"] : [])];
    const seen = (o) => o === "missing" || (o === D.outcomes[0] ? D.n_learned.some((c) => c) : D.failures.some((f) => f[D.outcomes.indexOf(o) - 1]));
    $("outcome-key").append(...all.filter(seen).map((o) => el("li", {}, el("i", { class: `swatch o-${o}` }), o)));
    $("mine-app").hidden = $("map-app").hidden = $("table-app").hidden = false;
    drawMine();
    drawFilters();
    drawMapControls();
    listenToMap();
    refresh();
    history.replaceState(null, ""); // places in the table may be others since
    follow();
  } else if (n === 1) show({ place: "mine", id: 0 }, { keepsFocus: true });
