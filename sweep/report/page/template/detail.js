  // one configuration: its rate, why it fails, what would help, its seeds, surfaces and code ----------------------------
  function drawDetail(i) {
    const d = D.details.rows[i];
    const title = el("h3", { tabindex: -1 }, isOfNetworks ? capital(words(i)) : describe(i));
    const sure = { reliable: `shown to be at least ${percent(D.target)}`, unreliable: `shown to be below ${percent(D.target)}`, inconclusive: "the seeds cannot tell" }[verdict(i)];
    const fresh = D.fresh[D.ids[i]];
    const head = [
      el("p", { class: "id-line" }, el("code", {}, D.ids[i]), isOfNetworks ? ` ${settingsWords(i)}` : null),
      el("p", { class: "rate-line" }, el("b", {}, rate(i) === null ? "no run" : percent(rate(i))), ` ${whole(D.n_learned[i])} of ${counted(D.n_runs[i], "seed")} ${D.outcomes[0]}, interval ${interval(i)} (${D.method[i].replace(/_/g, " ")}) `, intervalBar(rate(i), D.low[i], D.high[i])),
      el("p", {}, verdictWord(verdict(i)), `: ${sure}.`, fresh ? ` Tried again: ${whole(fresh[0])} of ${whole(fresh[1])} fresh seeds, interval ${between(fresh[2], fresh[3])}.` : ""),
    ];
    const blocks = [reasonsBlock(i, d), helpBlock(i), seedsBlock(i, d), curveBlock(i, d), predictionsBlock(i, d), accuracyBlock(d), examplesBlock(i, d), codeBlock(i), commandsBlock(i, d)];
    const closing = n > 1 ? el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => close() }, "×") : null;
    const inner = el("div", { class: "inner", role: "region", "data-id": D.ids[i], "aria-label": `configuration ${short(i)}` }, closing, title, head, el("div", { class: "blocks" }, blocks));
    inner.querySelectorAll("canvas").forEach((canvas) => canvas.paint());
    return inner;
  }
  function reasonsBlock(i, d) {
    const failed = counts(i).filter(([o]) => o !== D.outcomes[0]);
    const bound = D.bounds && D.bounds[i] ? el("p", {}, `Known without training: ${D.bounds[i]}.`) : null;
    if (!failed.length && !bound) return null;
    const total = D.n_runs[i] - D.n_learned[i];
    const lines = failed.sort(([, a], [, b]) => b - a).map(([o, c]) => {
      const meaning = o === "missing" ? "planned, and not there" : D.meanings[D.outcomes.indexOf(o)];
      return el("li", {}, el("i", { class: `swatch o-${o}` }), el("b", {}, `${whole(c)} ${o}`), `: ${meaning}`);
    });
    const merged = d.m.length ? el("p", {}, "Rows given one output: ", d.m.map(([name, c]) => `${name} in ${counted(c, "run")}`).join(", "), ".") : null;
    return el("div", { class: "wide" }, el("h4", {}, total ? `Why it fails: ${whole(total)} of ${counted(D.n_runs[i], "seed")}` : "Why it fails"), lines.length ? el("ul", { class: "reasons" }, lines) : null, merged, bound);
  }

  // what one other setting did, as the table has it: no claim about any other
  function differing(i, j) {
    const changed = D.columns.filter((c) => value(c, i) !== value(c, j));
    const names = new Set(changed.map((c) => c.name));
    return changed.filter((c) => !names.has(D.follows[c.name])); // what follows another setting is no change of its own
  }
  const changeWords = (i, j) => differing(i, j).map((c) => `${c.title} ${value(c, i)} → ${value(c, j)}`).join(", ");
  function neighbours(i) {
    let [single, further, least] = [[], [], Infinity];
    for (const j of everything) {
      if (j === i || !D.n_runs[j]) continue;
      const k = differing(i, j).length;
      if (k === 1) single.push(j);
      else if (verdict(j) === "reliable" && k <= least) [further, least] = [k < least ? [j] : [...further, j], k];
    }
    return { single, further, least };
  }
  function helpBlock(i) {
    if (n < 2) return isOfNetworks ? el("div", { class: "wide" }, el("h4", {}, "What would help"), el("p", {}, "This sweep has no other network to compare with. The command below changes one thing at a time for the seeds that failed.")) : null;
    const { single, further, least } = neighbours(i);
    const isGood = verdict(i) === "reliable";
    single.sort((a, b) => (isGood ? D.high[a] - D.high[b] : D.low[b] - D.low[a]) || a - b);
    const reliable = single.filter((j) => verdict(j) === "reliable");
    const few = single.slice(0, 6);
    const lead = single.length
      ? `${counted(single.length, isOfNetworks ? "network" : "configuration")} of this sweep ${single.length === 1 ? "differs" : "differ"} from it in one setting; ${whole(reliable.length)} ${reliable.length === 1 ? "is" : "are"} shown reliable.`
      : "No configuration of this sweep differs from it in one setting.";
    const next = !isGood && !reliable.length && further.length ? further.reduce((a, b) => (isOfNetworks && D.n_parameters[b] < D.n_parameters[a] ? b : a)) : null;
    const rows = few.map((j) => neighbourRow(i, j));
    if (next !== null) rows.push(el("tr", {}, el("td", { colspan: 3, class: "between" }, `The nearest that is shown reliable changes ${least}:`)), neighbourRow(i, next));
    const table = rows.length ? el("table", { class: "help" }, el("tbody", {}, rows)) : null;
    const hint = few.length > 1 ? `${isGood ? "Worst" : "Best"} first${few.length < single.length ? `, ${few.length} of ${single.length}` : ""}; chosen by the same seeds, so the first looks ${isGood ? "worse" : "better"} than it is.` : null;
    return el("div", { class: "wide" }, el("h4", {}, isGood ? "What would break it" : "What would help"), el("p", {}, lead), table, hint ? el("p", { class: "hint" }, hint) : null);
  }
  function neighbourRow(i, j) {
    const size = isOfNetworks && D.n_parameters[j] !== D.n_parameters[i] ? ` (${whole(D.n_parameters[i])} → ${whole(D.n_parameters[j])} parameters)` : "";
    const apart = D.low[j] > D.high[i] ? "more often" : D.high[j] < D.low[i] ? "less often" : "not told apart";
    const go = el("button", { type: "button", class: "link", "data-to": D.ids[j], onclick: () => open({ ...current, id: j }) }, changeWords(i, j));
    return el("tr", {}, el("td", {}, go, el("span", { class: "hint" }, size)), el("td", { class: "n" }, `${percent(rate(j))} (${interval(j)})`, intervalBar(rate(j), D.low[j], D.high[j])), el("td", {}, verdictWord(verdict(j)), el("span", { class: "hint" }, `, ${apart}`)));
  }

  // The squares are one stop of the Tab key; arrows go from seed to seed.
  const seedAt = (d, k) => (Array.isArray(d.s) ? d.s[k] : d.s + k);
  function seedsBlock(i, d) {
    if (!d.o.length) return null;
    const told = el("p", { class: "hint seed-line" }, "Press a square for the command that shows its run; arrows go from seed to seed.");
    const squares = Array.from(d.o, (letter, k) => {
      const name = D.outcomes[D.letters.indexOf(letter)];
      const words = `seed ${seedAt(d, k)}: ${name}`;
      const square = el("button", { type: "button", class: `o-${name}`, title: words, "aria-label": words, "data-seed": seedAt(d, k), tabindex: k ? -1 : 0 });
      square.addEventListener("focus", () => (told.textContent = `${capital(words)}, ${D.meanings[D.outcomes.indexOf(name)]}.`));
      square.addEventListener("click", () => choose(square));
      return square;
    });
    const choose = (square) => {
      const input = square.closest(".inner").querySelector(".commands input");
      input.value = square.dataset.seed;
      input.dispatchEvent(new Event("input"));
    };
    const strip = el("div", { class: "seeds", role: "group", "aria-label": `outcome by seed: ${countWords(i)}` }, squares);
    strip.addEventListener("keydown", (e) => {
      const across = getComputedStyle(strip).gridTemplateColumns.split(" ").length;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[e.key];
      const to = squares[squares.indexOf(e.target) + step];
      if (!step || !to) return;
      e.preventDefault();
      for (const square of squares) square.tabIndex = square === to ? 0 : -1;
      to.focus();
    });
    const cut = d.o.length < D.n_runs[i] ? `, the first ${d.o.length} of ${whole(D.n_runs[i])}` : "";
    const key = counts(i).filter(([o]) => o !== "missing").map(([o, c]) => el("li", {}, el("i", { class: `swatch o-${o}` }), `${whole(c)} ${o}`));
    return el("div", {}, el("h4", {}, `Seeds by outcome${cut}`), strip, el("ul", { class: "key" }, key), told);
  }
  function codeBlock(i) {
    if (!isOfNetworks) return null;
    if (!D.code.of[i].length) return el("div", { class: "wide" }, el("h4", {}, "The code"), el("p", {}, "Its table is too long to paste."));
    const pre = el("pre", { tabindex: 0, class: "code" }, D.code.of[i].map((k) => D.code.lines[k]).join("\n"));
    const button = el("button", { type: "button", "aria-label": "Copy the code", onclick: (e) => copy(pre.textContent, e.target, pre) }, "Copy");
    return el("details", { class: "wide" }, el("summary", {}, `The code, for ${D.code.frameworks[i]}`), pre, button);
  }
  function commandsBlock(i, d) {
    const failed = d.e.find((e) => e.o > 0) || d.e[0];
    const first = failed ? failed.s : seedAt(d, 0);
    const replay = el("code", { tabindex: 0 });
    const input = el("input", { type: "number", min: 0, step: 1, value: first ?? 0 });
    const show = () => {
      replay.textContent = `sweep replay ${results} ${D.ids[i]}-${Number(input.value) || 0}`;
      const inner = input.closest(".inner");
      if (inner) for (const s of inner.querySelectorAll(".seeds button")) s.classList.toggle("chosen", s.dataset.seed === input.value);
    };
    input.addEventListener("input", show);
    show();
    const button = (code, what) => el("button", { type: "button", "aria-label": `Copy the command to ${what}`, onclick: (e) => copy(code.textContent, e.target, code) }, "Copy");
    const rescue = isOfNetworks ? el("code", { tabindex: 0 }, `sweep rescue ${results} ${D.ids[i]}`) : null;
    return el("div", { class: "wide" }, el("h4", {}, "Look closer"), el("div", { class: "commands" },
      el("div", {}, el("label", {}, "replay seed ", input)),
      el("div", {}, replay, button(replay, "replay")),
      rescue ? el("div", {}, rescue, button(rescue, "rescue")) : null,
    ), place ? el("p", { class: "hint" }, place) : null);
  }
