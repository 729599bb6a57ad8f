  // what a person types: `width 2`, `width=2`, `width>=4`, `2 x 3`, or words that stand in the row ----------------------
  const valuesOf = (c) => [...new Set(c.values.map((_, i) => value(c, i).toLowerCase()))].sort((a, b) => (c.numeric ? a - b : 0));
  const numbersOf = (key, title, of) => ({ key, title, numeric: true, of, texts: null });
  const fields = [
    ...D.columns.map((c) => ({ key: c.name.toLowerCase(), title: c.title.toLowerCase(), numeric: c.numeric, of: (i) => c.values[i], texts: valuesOf(c) })),
    { key: "verdict", title: "verdict", numeric: false, of: (i) => verdict(i), texts: D.verdicts },
    ...(isOfNetworks ? [numbersOf("parameters", "parameters", (i) => D.n_parameters[i])] : []),
    numbersOf("rate", "rate", (i) => rate(i)),
  ];
  const known = new Set(fields.flatMap((f) => f.texts || []));
  const said = new Map(); // the words of a row, made when a word is first looked for in it
  function rowWords(i) {
    if (!said.has(i)) said.set(i, [D.ids[i], verdict(i), ...D.columns.map((c) => value(c, i).toLowerCase()), ...`${words(i)} ${describe(i)}`.toLowerCase().split(/[\s,]+/)]);
    return said.get(i);
  }
  const isNumber = (word) => word !== "" && !Number.isNaN(Number(word));
  const operators = {
    "=": (a, b) => a === b, "!=": (a, b) => a !== b, ">=": (a, b) => a >= b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, "<": (a, b) => a < b,
  };
  // a field by its name, or by the beginning of one that no other has
  function fieldOf(word) {
    const exact = fields.find((f) => f.key === word);
    const begun = fields.filter((f) => word.length > 1 && f.key.startsWith(word));
    return exact || (begun.length === 1 ? begun[0] : null);
  }
  function test(field, operator, text) {
    const [, share] = text.match(/^(.+)%$/) || [];
    if (field.numeric && isNumber(share ?? text)) {
      const wanted = share === undefined ? Number(text) : Number(share) / 100;
      return (i) => field.of(i) !== null && operators[operator](field.of(i), wanted);
    }
    if (operator !== "=" && operator !== "!=") return null; // words have no order
    return (i) => operators[operator](String(field.of(i) ?? "none").toLowerCase(), text);
  }
  const listed = (f) => (f.texts && f.texts.length <= 12 ? `; ${f.title} is ${f.texts.join(", ")}` : "");
  function compared(name, operator, text) {
    const field = fieldOf(name);
    if (!field) return { problem: `no setting ${name}; settings: ${fields.map((f) => f.key).join(", ")}` };
    const holds = test(field, operator, text);
    return holds ? { holds, none: `no ${field.title} ${operator === "=" ? "" : `${operator} `}${text}${listed(field)}` } : { problem: `${name}: ${text} is no number` };
  }
  // A word that is a value of its own is that value; any other may be a part of one. A number is no part of 18, or of an id.
  function word(text) {
    const isWhole = isNumber(text) || known.has(text);
    return { holds: (i) => rowWords(i).some((own) => (isWhole ? own === text : own.includes(text))), none: `${text} stands in no row` };
  }
  function parts(text) {
    let plain = text.toLowerCase().replace(/\s*(>=|<=|!=|=|>|<)\s*/g, "$1");
    for (const f of fields) if (f.title !== f.key) plain = plain.replaceAll(f.title, f.key);
    if (byName.width && byName.depth) plain = plain.replace(/(?<![\w.])(\d+)\s*[x×]\s*(\d+)(?![\w.])/, "width=$1 depth=$2");
    const tokens = plain.match(/(?:\([^)]*\)|[^\s,(])+/g) || []; // what stands in parentheses stays together
    const found = [];
    for (let k = 0; k < tokens.length; k++) {
      const [, name, operator, given] = tokens[k].match(/^([^=<>!()]+)(>=|<=|!=|=|>|<)(.+)$/) || [];
      const next = tokens[k + 1];
      const field = known.has(tokens[k]) ? null : fieldOf(tokens[k]);
      if (operator) found.push(compared(name, operator, given));
      else if (field && next !== undefined && (field.numeric ? isNumber(next) || next === "none" : field.texts.includes(next))) found.push(compared(tokens[k++], "=", next));
      else found.push(word(tokens[k]));
    }
    return found;
  }
  const everything = Array.from({ length: n }, (_, i) => i);
  // The configurations that all of a text holds for, in the order of the table; where none fits, why, in words.
  function find(text, among = everything) {
    const asked = parts(text);
    const problem = asked.find((p) => p.problem);
    const fits = problem ? [] : among.filter((i) => asked.every((p) => p.holds(i)));
    if (fits.length) return { fits, why: "" };
    const alone = problem ? null : asked.find((p) => !among.some(p.holds));
    return { fits, why: `Nothing fits: ${problem ? problem.problem : alone ? alone.none : "each part holds somewhere, all together nowhere"}.` };
  }

  // mine: a configuration by what is typed, or by its values -------------------------------------------------------------
  const choosable = D.columns.filter((c) => c.levels.length > 1);
  const chosen = {}; // the select of each column, by its name
  const isChosen = (c, i) => chosen[c.name].value === "" || c.codes[i] === +chosen[c.name].value;
  const say = (text) => ($("mine-status").textContent = text);
  function drawMine() {
    const search = el("input", { type: "search", id: "mine-search", class: "long", oninput: (e) => typed(e.target.value.trim()), placeholder: `${D.columns.slice(0, 3).map((c) => `${c.title} ${value(c, 0)}`).join(" ")} ...` });
    const labels = choosable.map((c) => {
      const label = select(c.title, [["", "choose"], ...c.levels.map((v, k) => [k, v])], "", () => picked(c));
      chosen[c.name] = label.querySelector("select");
      return label;
    });
    $("mine-controls").replaceChildren(el("label", {}, isOfNetworks ? "your network" : "your settings", search), ...labels);
  }
  function typed(text) {
    const { fits, why } = text ? find(text) : { fits: [], why: "" };
    if (fits.length === 1) showMine(fits[0]);
    else {
      if (current && current.place === "mine") close({ keepsFocus: true });
      for (const c of choosable) chosen[c.name].value = "";
    }
    say(why || (fits.length > 1 ? unclear(fits) : ""));
  }
  function picked(changed) {
    $("mine-search").value = "";
    const fits = everything.filter((i) => choosable.every((c) => isChosen(c, i)));
    const isAll = choosable.every((c) => chosen[c.name].value !== "");
    if (fits.length > 1 && !isAll) return say(unclear(fits));
    const alike = (i) => choosable.filter((c) => isChosen(c, i)).length;
    const i = fits.length ? fits[0] : everything.filter((j) => isChosen(changed, j)).reduce((a, b) => (alike(b) > alike(a) ? b : a));
    showMine(i);
    say(fits.length > 1 ? `${whole(fits.length)} fit; the first of the table is shown.` : fits.length ? "" : "These values were not tried together; the nearest that was is shown.");
  }
  const unclear = (fits) => `${whole(fits.length)} fit; say more until it is one: ${D.columns.filter((c) => new Set(fits.map((i) => value(c, i))).size > 1).map((c) => c.title).join(", ")}.`;
  function showMine(i) {
    if (current && current.place === "mine" && current.id === i) return;
    open({ place: "mine", id: i }, { isReplacing: Boolean(current && current.place === "mine"), keepsFocus: true });
  }
  function followMine(i) {
    for (const c of choosable) chosen[c.name].value = c.codes[i];
  }
