  // pictures of one configuration's runs ---------------------------------------------------------------------------------
  function curveBlock(i, d) {
    if (!d.q) return null;
    const [w, h, left, bottom] = [260, 130, 34, 18];
    const total = D.n_runs[i] || 1;
    const px = (k) => left + ((w - left - 6) * k) / (d.q.length - 1);
    const py = (share) => 6 + (h - bottom - 6) * (1 - share);
    const path = d.q.map((c, k) => `${k ? "L" : "M"}${px(k).toFixed(1)},${py(c / total).toFixed(1)}`).join("");
    const lines = [0, 0.5, 1].map((s) => [S("line", { x1: left, x2: w - 6, y1: py(s), y2: py(s), stroke: "var(--line)" }), S("text", { x: left - 5, y: py(s) + 3, "text-anchor": "end" }, `${100 * s}%`)]);
    const target = S("line", { x1: left, x2: w - 6, y1: py(D.target), y2: py(D.target), stroke: "var(--ink)", "stroke-dasharray": "2 3" });
    const svg = S("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": `share learned by epoch, ${percent(rate(i))} at the end` }, lines.flat(), target,
      S("text", { x: left, y: h - 4 }, "0"), S("text", { x: w - 6, y: h - 4, "text-anchor": "end" }, `${whole(D.epochs[i])} epochs`),
      S("path", { d: path, fill: "none", stroke: "var(--accent)", "stroke-width": 2 }));
    return el("div", {}, el("h4", {}, "Share learned by epoch (dotted: target)"), svg);
  }
  function accuracyBlock(d) {
    if (!d.a) return null;
    const [w, h, bottom] = [260, 110, 18];
    const most = Math.max(...d.a, 1);
    const bars = d.a.map((c, b) => c && S("rect", { x: 4 + (b * (w - 8)) / d.a.length, y: 4 + (h - bottom - 4) * (1 - c / most), width: (w - 8) / d.a.length - 1, height: (h - bottom - 4) * (c / most), fill: "var(--accent)" }, S("title", {}, `${counted(c, "run")} from ${(b / d.a.length).toFixed(2)} to ${((b + 1) / d.a.length).toFixed(2)}`)));
    const svg = S("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": "runs by accuracy at the end" }, bars.filter(Boolean), S("line", { x1: 4, x2: w - 4, y1: h - bottom, y2: h - bottom, stroke: "var(--line)" }),
      S("text", { x: 4, y: h - 4 }, "0"), S("text", { x: w / 2, y: h - 4, "text-anchor": "middle" }, "0.5"), S("text", { x: w - 4, y: h - 4, "text-anchor": "end" }, "1"));
    return el("div", {}, el("h4", {}, "Accuracy over the seeds"), svg);
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
    return el("div", { class: "wide" }, el("h4", {}, d.e.some((e) => e.z) && task ? "One run of each outcome: what it answers between the rows (blue 0, orange 1; rings: the table's targets), and its loss by epoch, logarithmic from 10 to 0.0001" : "One run of each outcome: its loss by epoch, logarithmic from 10 to 0.0001"), el("div", { class: "examples" }, made));
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
        context.arc((300 * (x - x0)) / (x1 - x0), 300 * (1 - (y - y0) / (y1 - y0)), task.x.length > 16 ? 4 : 9, 0, 7);
        context.fillStyle = `rgb(${task.y[row][0] ? one : zero})`;
        context.strokeStyle = "#fff";
        context.lineWidth = task.x.length > 16 ? 2 : 4;
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
