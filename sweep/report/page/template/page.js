  // what the page holds, numbers and words -----------------------------------------------------------------------------
  const D = JSON.parse(document.getElementById("data").textContent);
  const n = D.ids.length;
  let current = null; // what is open, see the end
  const byName = Object.fromEntries(D.columns.map((c) => [c.name, c]));
  const isOfNetworks = Boolean(D.n_parameters);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
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
    node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
    return node;
  }
  const S = (tag, attributes, ...children) => el(`svg:${tag}`, attributes, ...children);

  const whole = (x) => x.toLocaleString("en-US");
  const counted = (k, noun) => `${whole(k)} ${noun}${k === 1 ? "" : "s"}`;
  const rate = (i) => (D.n_runs[i] ? D.n_learned[i] / D.n_runs[i] : null);
  const rounded = (x) => (Math.abs((x % 1) - 0.5) < 1e-9 ? 2 * Math.round(x / 2) : Math.round(x)); // a half to the even, as Python
  function percent(x) {
    if (x === null) return "";
    if (x === 0 || x === 1) return `${100 * x}%`;
    const least = Math.min(x, 1 - x);
    if (least >= 0.05) return `${rounded(100 * x)}%`;
    return `${(100 * x).toFixed(least >= 0.005 ? 1 : Math.max(2, Math.ceil(-2 - Math.log10(least))))}%`;
  }
  const between = (low, high) => `${low.toFixed(3)}–${high.toFixed(3)}`;
  const interval = (i) => between(D.low[i], D.high[i]);
  const short = (i) => D.ids[i].slice(0, D.id_length);
  const value = (c, i) => (c.values[i] === null ? "none" : String(c.values[i]));
  const describe = (i) => D.columns.map((c) => `${c.title} ${value(c, i)}`).join(", ");
  const settingsWords = (i) => describe(i) + (isOfNetworks ? `; ${counted(D.n_parameters[i], "parameter")}` : "");
  const words = (i) => (D.words ? D.words[i] : describe(i));
  const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
  const verdict = (i) => D.verdicts[D.verdict[i]];
  const marks = { reliable: "●", inconclusive: "◆", unreliable: "" };
  const verdictWord = (v) => el("span", { class: "verdict" }, el("i", { class: `mark v-${v}` }), v);
  const counts = (i) => [[D.outcomes[0], D.n_learned[i]], ...D.outcomes.slice(1).map((o, k) => [o, D.failures[i][k]]), ["missing", D.n_missing[i]]].filter(([, c]) => c > 0);
  const countWords = (i) => counts(i).map(([o, c]) => `${whole(c)} ${o}`).join(", ");
  const unpack = (text) => Array.from(text, (c) => alphabet.indexOf(c) / 63);

  // the colour of a rate, and the letters that are read on it
  const stops = D.colours.map(([at, hex]) => [at, [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16))]);
  function colourOf(x) {
    const [from, to] = x < D.target ? [0, 2] : [3, 5];
    let k = from;
    while (k < to - 1 && x > stops[k + 1][0]) k += 1;
    const [[low, a], [high, b]] = [stops[k], stops[k + 1]];
    const share = high > low ? (x - low) / (high - low) : 1;
    const mixed = a.map((c, j) => Math.round(c + (b[j] - c) * share));
    const light = mixed.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    const luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
    return { "--c": `rgb(${mixed.join(",")})`, "--on": luminance > 0.179 ? "#000" : "#fff" };
  }

  // a rate as a bar with its interval, the target as a line across
  function intervalBar(x, low, high) {
    const at = (y) => `${(100 * y).toFixed(2)}%`;
    return el("span", { class: "interval", role: "img", "aria-label": `interval ${between(low, high)}`, title: between(low, high) }, el("u", { style: `left:${at(D.target)}` }),
      el("i", { style: `left:${at(low)};width:${at(high - low)}` }), x === null ? null : el("b", { style: `left:${at(x)}` }));
  }

  // where the folder is called: by its own name, below results/ where it lies there; the file does not hold it
  function folder() {
    if (location.protocol !== "file:") return ".";
    const parts = decodeURIComponent(location.pathname).split("/").slice(0, -1);
    const path = parts.slice(parts[parts.length - 2] === "results" ? -2 : -1).join("/") || ".";
    return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replace(/'/g, "'\\''")}'`;
  }
  const results = folder();
  const place = results === "." ? "" : `Commands are for the folder that holds ${results.startsWith("results/") ? "results" : results}.`;
  const commands = {
    report: `sweep report ${results}`,
    run: `sweep run ${results}/experiment.yaml --out again`,
    verify: `sweep verify ${results}`,
  };
  for (const node of document.querySelectorAll("[data-command]")) node.textContent = commands[node.dataset.command];
  $("where").textContent = place;

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
  function select(label, options, chosen, onchange) {
    const list = options.map(([v, text]) => el("option", { value: v, selected: String(v) === String(chosen) }, text));
    return el("label", {}, label, el("select", { onchange: (e) => onchange(e.target.value) }, list));
  }
