// The explorer in the browser: draws what Python tells, moves it with the slider, and says what a person does.

const PINNED = ["#D55E00", "#0072B2", "#009E73", "#CC79A7"], DASHES = [[], [11, 5], [4, 4], [13, 4, 3, 4]];
const RAMP = ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const RED_GREEN = ["#a50026", "#d73027", "#f46d43", "#fdae61", "#b8a93e", "#a6d96a", "#66bd63", "#1a9850", "#006837"];
const FAR = 3, NEAR = 1.5; // usual distances from measured cells
const lerp = (a, b, w) => a + (b - a) * w, clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const rgb = hex => [1, 3, 5].map(k => parseInt(hex.slice(k, k + 2), 16));
const shade = (ramp, share) => {
  const x = clamp(share, 0, 1) * (ramp.length - 1), k = Math.min(Math.floor(x), ramp.length - 2);
  const [a, b] = [rgb(ramp[k]), rgb(ramp[k + 1])];
  return a.map((v, j) => Math.round(lerp(v, b[j], x - k)));
};
const number = value => value.toLocaleString("en");

function make(name, settings = {}, ...inside) {
  const made = document.createElement(name); // and no key pressed on it is a shortcut of JupyterLab, where d d deletes the cell
  if (/^(button|canvas|input|select|pre)$/.test(name)) made.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [key, value] of Object.entries(settings)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "text") made.textContent = value;
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...inside);
  return made;
}
const button = (text, does, settings = {}) => make("button", { type: "button", text, onclick: does, ...settings });

// A curve at a level: between which states, and what is between them.
function at(curve, level) {
  const L = curve.levels;
  let i = 0;
  while (i < L.length - 2 && L[i + 1] < level) i++;
  const w = clamp((level - L[i]) / (L[i + 1] - L[i] || 1), 0, 1);
  const mix = rows => rows.length ? rows[i].map((v, k) => lerp(v, rows[i + 1][k], w)) : [0, 0];
  return { i, w, xy: mix(curve.xy), uv: mix(curve.uv), distance: lerp(curve.distance[i], curve.distance[i + 1], w),
    value: r => lerp(curve.values[r][i], curve.values[r][i + 1], w),
    spread: r => lerp(curve.spread[r][i], curve.spread[r][i + 1], w),
    known: curve.exact || Math.min(level - L[i], L[i + 1] - level) < 1e-3 };
}

const bar = share => make("span", { class: "vx-bar", "aria-hidden": "true", style: `--share:${Math.round(100 * clamp(share, 0, 1))}%` });

function render({ model, el }) {
  const about = model.get("about"), config = document.getElementById("jupyter-config-data");
  const page = config ? JSON.parse(config.textContent) : {}, hosted = Boolean(page.kernelId);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let now = model.get("now"), doses = [], scene = {}, color = {}, level = 0, moving = false, said = {};
  let points = new Float32Array(0), extent = [1, 1], codes = null, only = null, lit = null, found = null, asked = "";
  let view = { k: 1, x: 0, y: 0 }, layer = null, glass = null, spot = null, cross = null, outline = null, lasso = false;

  const send = (name, words = {}, buffers) => model.send({ do: name, ...words }, undefined, buffers);
  function act(name, words = {}, buffers) { // what changes the state: what is shown is older from now on
    root.dataset.state = "working";
    send(name, words, buffers);
  }

  // ---- the parts
  const root = make("section", { class: "vx", "data-lm-suppress-shortcuts": "true", "data-state": "working", "data-answers": 0 });
  if (!document.querySelector("main, [role=main]")) root.setAttribute("role", "main");
  else root.setAttribute("aria-label", "vcell explorer");
  if (hosted) root.classList.add("vx-page");
  const canvas = (name, settings) => make("canvas", { class: name, ...settings });
  const map = canvas("vx-canvas", { tabindex: 0, role: "application", "aria-describedby": "vx-words",
    "aria-label": "Map of cells. Arrow keys move a cross, Enter picks the cell under it, plus and minus zoom, 0 shows all." });
  const genes = canvas("vx-canvas", { role: "img", "aria-label": "Levels of genes over the level of the one that is held" });
  const fate = canvas("vx-canvas", { role: "img", "aria-label": "Labels of the nearest measured cells over the level" });
  const words = make("p", { class: "vx-words", id: "vx-words" }), toast = make("div", { class: "vx-toast", role: "status" });
  const alarm = make("div", { class: "vx-toast vx-alarm", role: "alert" }), lost = make("div", { class: "vx-lost", role: "status" });
  const legend = make("div", { class: "vx-legend", role: "group", "aria-label": "Colours of the cells" });
  const pins = make("div", { class: "vx-pins", role: "group", "aria-label": "What is compared" });
  const names = make("div", { class: "vx-names" }), tip = make("div", { class: "vx-tip", hidden: "" });
  const rows = make("div", { class: "vx-doses" });
  const best = make("span", { class: "vx-sub" }), away = make("p", { class: "vx-away" }), same = make("p", { class: "vx-away vx-same" });
  const question = make("span", { class: "vx-question" });
  const kept = make("span", { class: "vx-chip vx-kept" });

  const lists = {};
  function nameBox(what, label, settings, enter) { // a box for a name, with completions that Python looks up
    const id = `vx-list-${what}-${Math.random().toString(36).slice(2)}`;
    const list = lists[what] = lists[what] || new Set(), options = make("datalist", { id });
    list.add(options);
    const box = make("input", { type: "text", list: id, "aria-label": label, placeholder: label, autocomplete: "off",
      spellcheck: "false", ...settings,
      oninput: event => {
        if ([...options.children].some(each => each.value === box.value) && event.inputType !== "insertText") return go();
        send("complete", { what, text: box.value });
      },
      onfocus: () => options.children.length || send("complete", { what, text: box.value }),
      onkeydown: event => event.key === "Enter" && go() });
    const go = () => { if (box.value.trim()) { enter(box.value.trim()); if (!settings.keeps) box.value = ""; } };
    return [box, options];
  }

  let open = null;
  function popup(name, title, ...inside) {
    const box = make("div", { class: "vx-popup", role: "dialog", "aria-label": title, hidden: "" },
      make("strong", { text: title }), ...inside);
    box.name = name;
    return box;
  }
  function opens(text, box, settings = {}) {
    const opener = button(text, () => toggle(box, opener), { "aria-expanded": "false", "aria-haspopup": "dialog", ...settings });
    box.opener = opener;
    return opener;
  }
  function toggle(box, opener) {
    const shows = box.hidden;
    if (open) { open.hidden = true; open.opener.setAttribute("aria-expanded", "false"); open = null; }
    if (!shows) return;
    box.hidden = false;
    open = box;
    opener.setAttribute("aria-expanded", "true");
    const all = root.getBoundingClientRect(), from = opener.getBoundingClientRect();
    const left = clamp(from.left - all.left, 8, Math.max(8, all.width - box.offsetWidth - 8));
    const below = from.bottom - all.top + 6, above = from.top - all.top - box.offsetHeight - 6;
    Object.assign(box.style, { left: `${left}px`, top: `${from.top > innerHeight / 2 && above > 0 ? above : below}px` });
    if (box.begin) box.begin();
    (box.querySelector("input, select, button") || box).focus();
  }

  // cells
  const [cellBox, cellList] = nameBox("cell", "Name of a cell", {}, name => act("pick", { name }));
  const query = make("input", { type: "text", "aria-label": "Condition", placeholder: about.example, spellcheck: "false",
    onkeydown: event => event.key === "Enter" && act("find", { query: query.value }) });
  const foundWords = make("p", { class: "vx-sub" });
  const cellsBox = popup("cells", "Which cell", cellBox, cellList,
    make("div", { class: "vx-row" }, button("◀ Previous", () => act("step", { by: -1 })), button("Next ▶", () => act("step", { by: 1 }))),
    make("label", {}, "Only cells that meet a condition", query),
    make("div", { class: "vx-row" }, button("Random match", () => act("random")), button("All matches, as a group", () => act("matches"))),
    foundWords);
  const who = opens("", cellsBox, { class: "vx-who" });
  const [geneBox, geneList] = nameBox("gene", "Hold a gene  ( / )", { class: "vx-gene", "aria-label": "Hold a gene" },
    gene => act("hold", { gene }));

  // trust
  const trustList = make("ul"), source = make("select", { "aria-label": "Effect by",
    onchange: () => act("settle", { source: source.value }) }, ...about.sources.map(name => make("option", { value: name, text: `by ${name}` })));
  const trustBox = popup("trust", "How far to believe it", make("label", {}, "Who answers", source), trustList);
  const trustChip = opens("", trustBox, { class: "vx-chip" });

  // link, export, more
  const linkBox = make("input", { type: "text", readonly: "", "aria-label": "Link to this state", onfocus: () => linkBox.select() });
  const copied = make("p", { class: "vx-sub" });
  const linkPopup = popup("link", "Link to this state", linkBox, make("div", { class: "vx-row" }, button("Copy", () => {
    linkBox.select();
    const done = () => { copied.textContent = "Copied."; };
    navigator.clipboard ? navigator.clipboard.writeText(linkBox.value).then(done, () => document.execCommand("copy")) : document.execCommand("copy");
  })), copied);
  linkPopup.begin = () => {
    linkBox.value = hosted ? `${location.origin}${location.pathname}#${model.get("link")}` : `vcell.explore(model, adata, state=${JSON.stringify(model.get("link"))})`;
    copied.textContent = hosted ? "Whoever opens it needs the token of this server, or an explorer of the same cells." : "";
  };
  const size = make("select", { "aria-label": "Size of the sheet" },
    ...[["178 mm", "178 mm, two columns"], ["85 mm", "85 mm, one column"], ["16:9", "16:9, a slide"]].map(([value, text]) => make("option", { value, text })));
  const code = make("pre", { tabindex: 0, "aria-label": "Python that repeats this" });
  const takes = what => () => send("take", { what: what === "zip" ? what : `${size.value}.${what}` });
  const exportBox = popup("export", "Take away", make("label", {}, "Sheet: map, lens, genes, neighbours, caption", size),
    make("div", { class: "vx-row" }, ...["png", "svg", "pdf"].map(kind => button(kind.toUpperCase(), takes(kind)))),
    make("div", { class: "vx-row" }, button("Data: CSV, h5ad, Python in a zip", takes("zip"))), code,
    make("div", { class: "vx-row" }, button("Copy the Python lines", () => navigator.clipboard && navigator.clipboard.writeText(code.textContent))));
  exportBox.begin = () => send("code");
  const field = (label, name, settings) => {
    const box = make("input", { type: "number", ...settings, onchange: () => act("settle", { [name]: Number(box.value) }) });
    return [make("label", {}, label, box), () => { box.value = now[name]; }];
  };
  const fields = [field("Steps of a path", "steps", { min: 1, max: 200 }), field("By network: steps at most", "max_steps", { min: 1, max: 500 }),
    field("By network: settled when no gene moves more than", "tolerance", { min: 0.0001, max: 1, step: "any" })];
  const live = make("input", { type: "checkbox", onchange: () => act("settle", { live: live.checked }) });
  const palette = make("select", { "aria-label": "Colours of the path", onchange: () => act("settle", { palette: palette.value }) },
    ...[["plain", "plain"], ["viridis", "by level, viridis"], ["redgreen", "by level, red to green"]].map(([value, text]) => make("option", { value, text })));
  const moreBox = popup("more", "More", make("label", {}, "Colours of the path", palette), ...fields.map(each => each[0]),
    make("label", { class: "vx-check" }, live, "Live: follow what is changed"),
    make("div", { class: "vx-row" }, button("Run", () => act("run")), button("Cancel", () => send("cancel"))));
  const undo = button("Undo", () => act("undo"), { class: "vx-undo" });

  // compare
  const another = label => make("option", { value: label, text: label });
  const [otherGene, otherGenes] = nameBox("gene", "another gene, knocked out", {}, gene => { toggle(compareBox, compare); act("compare", { gene }); });
  const [otherCell, otherCells] = nameBox("cell", "another cell, same genes", {}, cell => { toggle(compareBox, compare); act("compare", { cell }); });
  const kind = make("select", { "aria-label": "A cell of another label, same genes", onchange: () => {
    if (kind.value) { toggle(compareBox, compare); act("compare", { label: kind.value }); kind.value = ""; }
  } }, make("option", { value: "", text: "a cell of another label, same genes" }), ...about.labels.map(another));
  const compareBox = popup("compare", "Pin this, and compare it with", otherGene, otherGenes, otherCell, otherCells,
    ...(about.labels.length ? [kind] : []),
    make("div", { class: "vx-row" }, button("only pin it", () => { toggle(compareBox, compare); act("pin"); })));
  const compare = opens("+ compare with …", compareBox, { class: "vx-pin vx-more" });

  // which genes take it there
  const wayList = make("div", { class: "vx-ways" }), wayWorth = make("p", { class: "vx-sub" });
  const goal = make("select", { "aria-label": "Label to go to", onchange: () => {
    if (!goal.value) return;
    wayList.textContent = "Looking through all genes …";
    send("ways", { label: goal.value });
  } }, make("option", { value: "", text: "choose a label" }), ...about.labels.map(another));
  const waysBox = popup("ways", "Genes that take it to (share of the way)", goal, wayList, wayWorth);
  const waysOpener = opens("Find genes that take it to ▾", waysBox, {});
  const [followBox, followList] = nameBox("gene", "Follow …", { class: "vx-follow", "aria-label": "Follow a gene" }, gene => act("watch", { gene }));
  const [colorBox, colorList] = nameBox("color", "Colour by", { class: "vx-color", keeps: true }, name => act("color", { name }));
  colorBox.addEventListener("change", () => { if (!colorBox.value.trim()) act("color", { name: "" }); });

  const tool = (text, label, does) => button(text, does, { "aria-label": label, title: label });
  const lassoButton = tool("⬚", "Draw around a group of cells", () => { lasso = !lasso; lassoButton.setAttribute("aria-pressed", lasso); });
  lassoButton.setAttribute("aria-pressed", "false");
  const tools = make("div", { class: "vx-tools", role: "group", "aria-label": "Zoom" },
    tool("+", "Zoom in", () => zoom(1.5)), tool("−", "Zoom out", () => zoom(1 / 1.5)), tool("⤢", "Show all", () => zoom(0)), lassoButton);
  const mapBox = make("div", { class: "vx-map vx-stale" }, map, tip, tools, pins, toast, alarm);
  root.append(
    make("header", { class: "vx-head" }, make(hosted ? "h1" : "h2", { class: "vx-brand", text: "vcell" }), who, geneBox, geneList, question,
      make("span", { class: "vx-grow" }), trustChip, kept, undo, opens("Link", linkPopup, { class: "vx-link" }),
      opens("Export", exportBox, { class: "vx-main" }), opens("More", moreBox)),
    make("div", { class: "vx-legendrow" }, colorBox, colorList, legend), mapBox, rows,
    make("div", { class: "vx-side vx-stale" },
      make("div", { class: "vx-title" }, make(hosted ? "h2" : "h3", { class: "vx-h", text: "Genes that follow" }), make("span", { class: "vx-grow" }), followBox, followList, waysOpener),
      make("div", { class: "vx-genes" }, genes, names),
      make("div", { class: "vx-title" }, make(hosted ? "h2" : "h3", { class: "vx-h", text: "Who it is like" }), best),
      make("div", { class: "vx-fate" }, fate), away, same),
    words, lost, cellsBox, trustBox, linkPopup, exportBox, moreBox, compareBox, waysBox);
  if (!about.labels.length) waysOpener.hidden = true;
  el.append(root);

  // ---- drawing
  let style = {};
  const css = name => style[name] ??= getComputedStyle(root).getPropertyValue(`--vx-${name}`).trim();
  const dark = () => rgb(css("bg"))[0] < 128;
  function fit(target) {
    const box = target.getBoundingClientRect(), d = devicePixelRatio;
    const [w, h] = [Math.max(1, Math.round(box.width * d)), Math.max(1, Math.round(box.height * d))];
    if (target.width !== w || target.height !== h) { target.width = w; target.height = h; if (target === map) layer = glass = null; }
    const c = target.getContext("2d");
    c.setTransform(d, 0, 0, d, 0, 0);
    c.clearRect(0, 0, box.width, box.height);
    return [c, box.width, box.height];
  }
  function place(W, H) { // from places of the map to pixels
    const m = 28, low = 62, s = Math.min((W - 2 * m) / extent[0], (H - m - low) / extent[1]);
    const ox = (W - s * extent[0]) / 2, oy = (H - low + m - s * extent[1]) / 2;
    const to = p => [(ox + p[0] * s) * view.k + view.x, (oy + (extent[1] - p[1]) * s) * view.k + view.y];
    return { to, s: s * view.k, ox, oy, base: s };
  }
  const readable = parts => dark() ? parts.map(v => Math.round(lerp(v, 255, 0.3))) : parts;
  function shades() { // the colour of each cell, and whether it is faded
    const grey = rgb(css("unknown")), n = points.length / 2, colors = new Uint8Array(3 * n), faded = new Uint8Array(n);
    const table = (color.colors || []).map(hex => readable(rgb(hex)));
    const values = color.kind === "numbers" ? new Float32Array(codes.buffer) : null, span = color.high - color.low || 1;
    const ramp = values && [...Array(64).keys()].map(k => shade(RAMP, k / 63));
    const shown = lit ?? only;
    for (let i = 0; i < n; i++) {
      const code = values ? (isNaN(values[i]) ? -1 : Math.round(63 * clamp((values[i] - color.low) / span, 0, 1))) : codes ? codes[i] : -1;
      const shadeOf = code < 0 ? grey : values ? ramp[code] : table[code];
      colors.set(shadeOf, 3 * i);
      faded[i] = shown !== null && (values ? (code < 0) !== (shown < 0) : code !== shown) ? 1 : 0;
    }
    return [colors, faded];
  }
  function splat(M, W, H) { // all cells as discs, by hand: ten times faster than as many arcs
    const d = devicePixelRatio, w = Math.max(1, Math.round(W * d)), h = Math.max(1, Math.round(H * d)), n = points.length / 2;
    const made = document.createElement("canvas");
    made.width = w; made.height = h;
    const c = made.getContext("2d"), picture = c.createImageData(w, h), out = picture.data, [colors, faded] = shades();
    const r = clamp(Math.sqrt(W * H * 0.05 / Math.max(n, 1)), 1.2, 4) * Math.min(2, Math.sqrt(view.k)) * d, reach = Math.ceil(r + 0.5);
    const strong = n > 8000 ? 0.5 : 0.65, stamp = [];
    for (let y = -reach; y <= reach; y++) for (let x = -reach; x <= reach; x++) {
      const cover = clamp(r + 0.5 - Math.hypot(x, y), 0, 1);
      if (cover > 0) stamp.push([x, y, cover]);
    }
    const step = 7919 % n ? 7919 : 1; // not in the order of the data, or the last label would lie over the others
    for (const pass of [1, 0]) for (let j = 0; j < n; j++) {
      const i = (j * step) % n;
      if (faded[i] !== pass) continue;
      const [X, Y] = M.to([points[2 * i], points[2 * i + 1]]), px = Math.round(X * d), py = Math.round(Y * d);
      if (px < -reach || py < -reach || px >= w + reach || py >= h + reach) continue;
      const [R, G, B] = pass ? rgb(css("unknown")) : [colors[3 * i], colors[3 * i + 1], colors[3 * i + 2]];
      for (const [x, y, cover] of stamp) {
        const u = px + x, v = py + y;
        if (u < 0 || v < 0 || u >= w || v >= h) continue;
        const k = 4 * (v * w + u), a = cover * strong * (pass ? 0.25 : 1), b = out[k + 3] / 255 * (1 - a), all = a + b;
        out[k] = (R * a + out[k] * b) / all; out[k + 1] = (G * a + out[k + 1] * b) / all; out[k + 2] = (B * a + out[k + 2] * b) / all;
        out[k + 3] = 255 * all;
      }
    }
    c.putImageData(picture, 0, 0);
    if (now.n > 1) {
      c.scale(d, d);
      c.strokeStyle = css("fg"); c.lineWidth = 1; c.globalAlpha = 0.7;
      for (const i of now.rows) { c.beginPath(); c.arc(...M.to([points[2 * i], points[2 * i + 1]]), 3.5, 0, 7); c.stroke(); }
    }
    return made;
  }

  function line(c, spots, shadeOf, width, dash = []) {
    c.lineJoin = c.lineCap = "round";
    for (const [w, s] of [[width + 4, css("bg")], [width, shadeOf]]) {
      c.setLineDash(s === shadeOf ? dash : []); c.strokeStyle = s; c.lineWidth = w; c.beginPath();
      spots.forEach((p, i) => i ? c.lineTo(...p) : c.moveTo(...p));
      c.stroke();
    }
    c.setLineDash([]);
  }
  function disc(c, [x, y], r, fill, edge, width = 2.5) {
    c.beginPath(); c.arc(x, y, r, 0, 7); c.fillStyle = fill; c.fill(); c.strokeStyle = edge; c.lineWidth = width; c.stroke();
  }
  function label(c, text, [x, y]) {
    c.font = "12.5px system-ui, sans-serif";
    const w = c.measureText(text).width;
    c.globalAlpha = 0.85; c.fillStyle = css("bg"); c.fillRect(x - 3, y - 12, w + 6, 16);
    c.globalAlpha = 1; c.fillStyle = css("fg"); c.fillText(text, x, y);
  }
  function annotate(c, labels, path, inside) { // words beside their marks, off the path and off each other
    c.font = "12.5px system-ui, sans-serif";
    const taken = [], apart = (b, t) => b[0] > t[2] + 4 || b[2] < t[0] - 4 || b[1] > t[3] || b[3] < t[1];
    for (const [text, p] of labels) {
      const w = c.measureText(text).width, tries = [[-w / 2, -16], [-w / 2, 28], [14, 5], [-w - 14, 5], [8 - w, -16], [-8, -16], [8 - w, 28], [-8, 28], [14, -12], [-w - 14, -12], [14, 22], [-w - 14, 22]]
        .map(([dx, dy]) => [p[0] + dx, p[1] + dy - 12, p[0] + dx + w, p[1] + dy + 4])
        .filter(b => [[b[0], b[1]], [b[2], b[3]], [b[0], b[3]], [b[2], b[1]]].every(inside) && taken.every(t => apart(b, t)));
      const free = tries.find(b => path.every(q => q[0] < b[0] - 3 || q[0] > b[2] + 3 || q[1] < b[1] - 3 || q[1] > b[3] + 3)) ?? tries[0];
      if (!free) continue;
      taken.push(free);
      label(c, text, [free[0], free[1] + 12]);
    }
  }
  const pinColor = number => { const hex = PINNED[number % 4]; return dark() ? `rgb(${rgb(hex).map(v => Math.round(lerp(v, 255, 0.35)))})` : hex; };
  const levelOf = curve => curve === scene.curves[0] || curve.gene === scene.curves[0].gene ? level : curve.level;

  function way(c, curve, spots, number, width) { // the whole range thin, what is gone thick, dashed beyond the data
    const mine = number < 0 ? css("fg") : pinColor(number), l = levelOf(curve), a = at(curve, l), L = curve.levels;
    const here = [0, 1].map(k => lerp(spots[a.i][k], spots[a.i + 1][k], a.w)), gone = [], [low, high] = [Math.min(l, curve.own), Math.max(l, curve.own)];
    L.forEach((v, i) => { if (v > low && v < high) gone.push(spots[i]); });
    const o = at(curve, curve.own), own = [0, 1].map(k => lerp(spots[o.i][k], spots[o.i + 1][k], o.w));
    const whole = number < 0 ? css("path") : mine;
    for (let i = 0, from = 0; i < L.length; i++) { // parts within and beyond the data
      const far = curve.distance[Math.max(i, 1)] > FAR && curve.distance[i] > FAR;
      const next = i + 1 < L.length && curve.distance[i + 1] > FAR;
      if (i + 1 === L.length || next !== far) { line(c, spots.slice(from, i + 2), whole, width * 0.55, far ? [3, 6] : curve.exact ? DASHES[Math.max(number, 0)] : [2, 5]); from = i; }
    }
    const thick = l < curve.own ? [here, ...gone, own] : [own, ...gone, here];
    if (number < 0 && now.palette !== "plain") {
      const ramp = now.palette === "redgreen" ? RED_GREEN : RAMP;
      line(c, thick, css("fg"), width);
      for (let i = 1; i < thick.length; i++) {
        c.strokeStyle = `rgb(${shade(ramp, (l < curve.own ? thick.length - 1 - i : i - 1) / Math.max(1, thick.length - 2))})`;
        c.lineWidth = width - 1; c.beginPath(); c.moveTo(...thick[i - 1]); c.lineTo(...thick[i]); c.stroke();
      }
    } else line(c, thick, mine, width, a.distance > FAR ? [6, 6] : DASHES[Math.max(number, 0)]);
    return { here, own, known: a.known };
  }

  function lensOf(M, W, H) { // where the lens goes, once for a scene: where it hides few cells, and none of the path
    const curves = scene.curves, spots = curves.flatMap(each => [...each.xy, each.start]).map(M.to), o = M.to(curves[0].start);
    const clear = (x, y, R) => spots.every(p => Math.hypot(p[0] - x, p[1] - y) > R + 22);
    if (glass && glass.key === [W, H, scene.number, points.length].join() && (!glass.shown || clear(glass.cx, glass.cy, glass.R))) return;
    const reach = Math.max(...spots.map(p => Math.hypot(p[0] - o[0], p[1] - o[1])));
    glass = { key: [W, H, scene.number, points.length].join(), shown: Boolean(scene.lens) && reach < 0.35 * Math.min(W, H) * view.k };
    if (!glass.shown) return;
    const some = Math.max(1, Math.floor(points.length / 2 / 1500)), seen = [];
    for (let i = 0; i < points.length / 2; i += some) seen.push(M.to([points[2 * i], points[2 * i + 1]]));
    let best = { cost: Infinity };
    for (const share of [0.31, 0.26, 0.21]) {
      const R = Math.min(H * share, W * (share - 0.02)), high = H - R - 58, low = R + 10;
      for (let i = 0; i <= 12; i++) for (let j = 0; j <= 6; j++) {
        const x = lerp(R + 10, W - R - 10, i / 12), y = lerp(low, Math.max(low, high), j / 6);
        const hidden = seen.reduce((n, p) => n + (Math.hypot(p[0] - x, p[1] - y) < R + 4), 0) / seen.length;
        const cost = hidden + (0.31 - share) * 0.4 + (clear(x, y, R) ? 0 : 10) + Math.hypot(x - o[0], y - o[1]) / W * 0.02;
        if (cost < best.cost) best = { cost, R, cx: x, cy: y };
      }
    }
    const uv = [[0, 0], ...curves.flatMap(each => each.uv)], ends = [0, 1].map(k => [Math.min(...uv.map(p => p[k])), Math.max(...uv.map(p => p[k]))]);
    const half = Math.max(0.725 * Math.max(...ends.map(([a, b]) => b - a)), 0.05), middle = ends.map(([a, b]) => (a + b) / 2), z = best.R / half;
    const bar = [5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01].find(b => b * z < best.R * 0.7) ?? 0.005;
    Object.assign(glass, best, { z, bar, to: p => [best.cx - (p[0] - middle[0]) * z, best.cy - (p[1] - middle[1]) * z] });
  }
  function drawLens(c, M, W, H) {
    const { R, cx, cy, z, bar, to } = glass, curves = scene.curves, o = M.to(curves[0].start), fg = css("fg"), bg = css("bg");
    const turn = Math.atan2(cy - o[1], cx - o[0]);
    c.strokeStyle = css("mut"); c.lineWidth = 1; c.globalAlpha = 0.4;
    for (const side of [1, -1]) {
      const b = turn + side * Math.PI / 2;
      c.beginPath(); c.moveTo(o[0] + Math.cos(b) * 14, o[1] + Math.sin(b) * 14); c.lineTo(cx + Math.cos(b) * R, cy + Math.sin(b) * R); c.stroke();
    }
    c.globalAlpha = 1;
    c.beginPath(); c.arc(...o, 14, 0, 7); c.stroke();
    c.save();
    c.beginPath(); c.arc(cx, cy, R, 0, 7); c.fillStyle = bg; c.fill(); c.clip();
    if (!glass.cells) glass.cells = shades();
    const [colors, faded] = glass.cells;
    scene.lens.rows.forEach((i, j) => {
      const [x, y] = to(scene.lens.uv[j]);
      c.globalAlpha = faded[i] ? 0.12 : 0.6; c.fillStyle = `rgb(${colors[3 * i]},${colors[3 * i + 1]},${colors[3 * i + 2]})`;
      c.beginPath(); c.arc(x, y, 4.5, 0, 7); c.fill();
    });
    c.globalAlpha = 1;
    const labels = [];
    for (let k = curves.length - 1; k >= 0; k--) {
      const curve = curves[k], spots = curve.uv.map(to), { here, own, known } = way(c, curve, spots, k - 1, k ? 4 : 5.5);
      if (k === 0) curve.levels.forEach((v, i) => { if (!curve.exact || i % 5 === 0) disc(c, spots[i], 2.5, bg, fg, 1.2); });
      if (!k && Math.hypot(own[0] - to([0, 0])[0], own[1] - to([0, 0])[1]) > 8) line(c, [to([0, 0]), own], css("mut"), 1.5, [2, 4]);
      disc(c, here, k ? 6 : 10, k ? pinColor(k - 1) : known ? css("acc") : bg, known ? bg : css("acc"));
      disc(c, k ? own : to([0, 0]), k ? 0.1 : 7, bg, fg);
      if (k === 0) {
        labels.push([`${curve.gene} 0`, spots[0]], [`${curve.gene} ${curve.levels.at(-1).toFixed(1)}`, spots.at(-1)], ["as it is", to([0, 0])]);
      } else labels.push([`${String.fromCharCode(65 + k)} ${curve.gene}`, here]);
    }
    annotate(c, labels, curves.flatMap(each => each.uv.map(to)), q => Math.hypot(q[0] - cx, q[1] - cy) < R - 4);
    const y = cy + R * 0.78;
    c.strokeStyle = fg; c.lineWidth = 2; c.beginPath(); c.moveTo(cx - bar * z / 2, y); c.lineTo(cx + bar * z / 2, y); c.stroke();
    const text = `${bar === 1 ? "one" : bar} usual step${bar > 1 ? "s" : ""}${R > 150 ? " to the next cell" : ""}`;
    c.font = "12.5px system-ui, sans-serif";
    label(c, text, [cx - c.measureText(text).width / 2, y - 7]);
    c.restore();
    c.strokeStyle = fg; c.lineWidth = 1.5; c.beginPath(); c.arc(cx, cy, R, 0, 7); c.stroke();
  }

  function drawMap() {
    const [c, W, H] = fit(map), M = place(W, H), fg = css("fg"), bg = css("bg");
    if (!points.length) return;
    if (!layer) layer = splat(M, W, H);
    c.drawImage(layer, 0, 0, W, H);
    const curves = scene.curves || [];
    root.dataset.path = curves.length ? curves[0].levels.length : 0;
    root.dataset.view = JSON.stringify([view.k, view.x, view.y].map(v => Math.round(v * 100) / 100));
    if (curves.length) {
      lensOf(M, W, H);
      root.dataset.lens = glass.shown;
      for (let k = curves.length - 1; k >= 0; k--) {
        const curve = curves[k], spots = curve.xy.map(M.to), start = M.to(curve.start), own = M.to(at(curve, curve.own).xy);
        if (Math.hypot(own[0] - start[0], own[1] - start[1]) > 6) line(c, [start, own], k ? pinColor(k - 1) : css("mut"), 1.5, [2, 4]);
        const { here, known } = way(c, curve, spots, k - 1, k ? 3.5 : 5);
        if (k === 0 && !glass.shown) for (const i of curve.near[at(curve, level).w > 0.5 ? at(curve, level).i + 1 : at(curve, level).i]) {
          c.strokeStyle = fg; c.lineWidth = 1.2; c.beginPath(); c.arc(...M.to([points[2 * i], points[2 * i + 1]]), 4.5, 0, 7); c.stroke();
        }
        disc(c, start, 6, bg, k ? pinColor(k - 1) : fg);
        disc(c, here, k ? 5.5 : 8, k ? pinColor(k - 1) : known ? css("acc") : bg, known ? bg : css("acc"));
        if (k === 0 && !glass.shown) annotate(c, [["as it is", start], [`${curve.gene} 0`, spots[0]], [`${curve.gene} ${curve.levels.at(-1).toFixed(1)}`, spots.at(-1)]],
          spots, q => q[0] > 4 && q[0] < W - 4 && q[1] > 4 && q[1] < H - 50);
      }
      if (glass.shown) drawLens(c, M, W, H);
      else if (!scene.lens) annotate(c, [[`${curves[0].gene} moves nothing here`, M.to(curves[0].start)]], [], q => q[0] > 4 && q[0] < W - 4);
    } else if (now.n === 1) {
      const p = M.to([points[2 * now.row], points[2 * now.row + 1]]);
      disc(c, p, 7, css("acc"), bg); c.strokeStyle = css("acc"); c.lineWidth = 2; c.beginPath(); c.arc(...p, 12, 0, 7); c.stroke();
    }
    if (spot !== null) { c.strokeStyle = fg; c.lineWidth = 2; c.beginPath(); c.arc(...M.to([points[2 * spot], points[2 * spot + 1]]), 6, 0, 7); c.stroke(); }
    if (cross) { c.strokeStyle = fg; c.lineWidth = 2; c.beginPath(); c.moveTo(cross[0] - 10, cross[1]); c.lineTo(cross[0] + 10, cross[1]); c.moveTo(cross[0], cross[1] - 10); c.lineTo(cross[0], cross[1] + 10); c.stroke(); }
    if (outline && lasso) { c.setLineDash([5, 4]); c.strokeStyle = fg; c.lineWidth = 1.5; c.beginPath(); outline.forEach((p, i) => i ? c.lineTo(...p) : c.moveTo(...p)); c.stroke(); c.setLineDash([]); }
  }

  let shownRows = [];
  function layRows() { // which genes have room: those that matter most, in their fixed order; each name a button
    const H = genes.getBoundingClientRect().height, room = Math.max(6, Math.floor((H - 20) / 22));
    const order = scene.rank ? scene.rank.map((r, i) => [r, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, room).map(each => each[1]).sort((a, b) => a - b) : [];
    shownRows = order;
    names.replaceChildren(...order.map((r, k) => {
      const gene = scene.genes[r], followed = now.watched.includes(gene);
      return button(followed ? `★ ${gene}` : gene, () => act("hold", { gene }), { style: `top:${18 + 22 * k}px`, title: `${gene}: hold it too`, class: followed ? "vx-on" : "" });
    }));
  }
  function drawGenes() {
    const [c, W, H] = fit(genes), curves = scene.curves;
    if (!curves) {
      c.font = "13px system-ui, sans-serif"; c.fillStyle = css("mut");
      c.fillText("Hold a gene to see which genes go with it.", 4, 30);
      return;
    }
    const A = curves[0], L = A.levels, top = L.at(-1), a = at(A, level), fg = css("fg"), mut = css("mut"), soft = css("line");
    const n0 = 96, s0 = 104, s1 = W - 190, X = q => s0 + (s1 - s0) * q / (top || 1), h = 22, z = W - 56, room = 50;
    const others = curves.slice(1).map(each => [each, at(each, levelOf(each))]);
    const big = Math.max(1e-6, ...shownRows.flatMap(r => curves.flatMap(each => each.values[r].map(v => Math.abs(v - each.before[r])))));
    c.font = "12.5px system-ui, sans-serif"; c.textBaseline = "middle";
    shownRows.forEach((r, k) => {
      const y = 18 + h * k, m = y + h / 2, v = A.values[r], s = A.spread[r];
      const low = Math.min(...v.map((u, i) => Math.max(0, u - s[i]))), high = Math.max(...v.map((u, i) => u + s[i]), low + 0.2);
      const Y = u => y + h - 3 - (u - low) / (high - low) * (h - 6);
      c.fillStyle = soft; c.beginPath();
      v.forEach((u, i) => c.lineTo(X(L[i]), Y(u + s[i])));
      for (let i = v.length - 1; i >= 0; i--) c.lineTo(X(L[i]), Y(Math.max(0, v[i] - s[i])));
      c.fill();
      others.forEach(([each], p) => {
        if (each.gene !== A.gene) return;
        c.strokeStyle = pinColor(p); c.lineWidth = 1.2; c.beginPath();
        each.values[r].forEach((u, i) => c.lineTo(X(Math.min(each.levels[i], top)), clamp(Y(u), y + 1, y + h - 1))); c.stroke();
      });
      c.strokeStyle = fg; c.lineWidth = 1.5; c.beginPath(); v.forEach((u, i) => c.lineTo(X(L[i]), Y(u))); c.stroke();
      const value = a.value(r), change = value - A.before[r], spread = a.spread(r), end = v[0] - A.before[r], scale = room / big;
      disc(c, [X(level), Y(value)], 3, css("acc"), css("bg"), 1);
      c.textAlign = "right"; c.fillStyle = mut; c.fillText(A.before[r].toFixed(2), s1 + 38, m); c.fillStyle = fg; c.fillText(value.toFixed(2), s1 + 76, m);
      c.strokeStyle = mut; c.lineWidth = 1; c.setLineDash([2, 2]); c.strokeRect(Math.min(z, z + end * scale), y + 4, Math.abs(end) * scale, h - 8); c.setLineDash([]);
      const high2 = others.length ? (h - 6) / (others.length + 1) : h - 6;
      c.fillStyle = change > 0 ? css("up") : css("down"); c.fillRect(Math.min(z, z + change * scale), y + 3, Math.abs(change) * scale, high2);
      others.forEach(([each, there], p) => {
        const d = there.value(r) - each.before[r];
        c.fillStyle = pinColor(p); c.fillRect(Math.min(z, z + d * scale), y + 3 + high2 * (p + 1), Math.abs(d) * scale, high2 - 1);
      });
      c.strokeStyle = fg; c.beginPath(); c.moveTo(clamp(z + (change - spread) * scale, z - room - 4, W), y + 3 + high2 / 2); c.lineTo(clamp(z + (change + spread) * scale, 0, z + room + 4), y + 3 + high2 / 2); c.stroke();
      c.strokeStyle = mut; c.beginPath(); c.moveTo(z, y); c.lineTo(z, y + h); c.stroke();
    });
    const end = 18 + h * shownRows.length;
    c.strokeStyle = css("acc"); c.lineWidth = 1.2; c.beginPath(); c.moveTo(X(level), 16); c.lineTo(X(level), end); c.stroke();
    c.strokeStyle = mut; c.setLineDash([3, 3]); c.beginPath(); c.moveTo(X(A.own), 16); c.lineTo(X(A.own), end); c.stroke(); c.setLineDash([]);
    c.fillStyle = mut; c.font = "11.5px system-ui, sans-serif"; c.textAlign = "left"; c.fillText(`${shownRows.length} of ${number(about.genes)}`, 4, 7); c.fillText(`by ${A.gene}, band: ${scene.interval}`, s0, 7);
    c.textAlign = "right"; c.fillText("was", s1 + 38, 7); c.fillText("now", s1 + 76, 7); c.textAlign = "center"; c.fillText("change", z, 7);
    c.textAlign = "left"; c.textBaseline = "alphabetic";
    root.dataset.genes = shownRows.map(r => a.value(r).toFixed(3)).join(" ");
  }

  function drawFate() {
    const [c, W, H] = fit(fate);
    best.textContent = away.textContent = "";
    if (!scene.curves) return;
    const A = scene.curves[0], L = A.levels, top = L.at(-1), X = q => 1 + (W - 2) * q / (top || 1), high = H - 14, a = at(A, level);
    const F = scene.fate, shares = k => lerp(F.shares[a.i][k], F.shares[a.i + 1][k], a.w);
    c.fillStyle = css("line"); c.fillRect(1, 0, W - 2, high);
    for (let i = 0; i + 1 < L.length; i++) {
      let y = high;
      F.colors.forEach((hex, k) => {
        const v = (F.shares[i][k] + F.shares[i + 1][k]) / 2 * high;
        c.fillStyle = `rgb(${readable(rgb(hex))})`; c.fillRect(X(L[i]), y - v, X(L[i + 1]) - X(L[i]) + 0.7, v);
        y -= v;
      });
      const d = (A.distance[i] + A.distance[i + 1]) / 2;
      c.fillStyle = d > FAR ? css("far") : d > NEAR ? css("mid") : css("near");
      const thick = d > FAR ? 9 : d > NEAR ? 6 : 3; // not by colour alone
      c.fillRect(X(L[i]), H - thick, X(L[i + 1]) - X(L[i]) + 0.7, thick);
    }
    c.strokeStyle = css("bg"); c.lineWidth = 5; c.beginPath(); c.moveTo(X(level), 0); c.lineTo(X(level), H); c.stroke();
    c.strokeStyle = css("fg"); c.lineWidth = 2; c.beginPath(); c.moveTo(X(level), 0); c.lineTo(X(level), H); c.stroke();
    const like = F.names.map((name, k) => [shares(k), name]).sort((p, q) => q[0] - p[0]).filter(each => each[0] > 0.02).slice(0, 2);
    best.textContent = like.map(([v, name]) => `${Math.round(100 * v)} % ${name}`).join(", ");
    away.textContent = `Distance from measured cells: ${a.distance.toFixed(1)} × usual${a.distance > FAR ? ", beyond the data" : ""}`;
  }

  // ---- the levels of genes
  let track = null;
  function layDoses() {
    const active = now.gene;
    rows.replaceChildren(...doses.map(dose => {
      const remove = button("×", () => act("release", { gene: dose.gene }), { "aria-label": `Hold ${dose.gene} no longer`, title: "Hold it no longer" });
      if (dose.gene !== active) {
        return make("div", { class: "vx-other" }, button(`${dose.gene} ${dose.level.toFixed(2)}`, () => act("move", { gene: dose.gene }), { title: `Move ${dose.gene}` }),
          bar(dose.level / dose.top),
          make("span", { class: "vx-sub", text: dose.note || `own ${dose.own.toFixed(2)}` }), remove);
      }
      const box = make("input", { type: "number", min: 0, step: "any", "aria-label": `Exact level of ${dose.gene}`, onchange: () => set(Number(box.value)) });
      track = canvas("vx-track", { tabindex: 0, role: "slider", "aria-label": `Level of ${dose.gene}`, "aria-valuemin": 0, "aria-valuemax": dose.top.toFixed(2) });
      Object.assign(track, { dose, box, note: make("span", { class: "vx-sub" }) });
      track.addEventListener("pointerdown", event => { if (!event.button) { moving = true; track.setPointerCapture(event.pointerId); track.focus(); slide(event); } });
      track.addEventListener("pointermove", event => moving && slide(event));
      for (const end of ["pointerup", "pointercancel"]) track.addEventListener(end, () => { if (moving) { moving = false; set(level); } });
      track.addEventListener("keydown", event => {
        const step = dose.top / 100, to = { ArrowLeft: level - step, ArrowDown: level - step, ArrowRight: level + step, ArrowUp: level + step,
          PageDown: level - 10 * step, PageUp: level + 10 * step, Home: 0, End: dose.top }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        set(clamp(to, 0, dose.top));
      });
      const to = (text, value, title) => button(text, () => set(value), { title });
      return make("div", { class: "vx-dose" },
        make("div", { class: "vx-gene-name" }, make("strong", { text: dose.gene }), box, track.note), track,
        make("div", { class: "vx-buttons" }, to("Knock out", 0, "level 0"), to("As it is", dose.own, "the own level of the cell"),
          ...(still ? [] : [button("▶ Play", play)]), remove));
    }));
    if (!doses.length) rows.append(make("p", { class: "vx-hint", text: "Type a gene above, or press /, to hold it and move its level." }));
    if (!doses.length) track = null;
  }
  function set(to) { // a level that is meant: drawn at once, and told
    if (!isFinite(to) || to < 0) return void (track.box.value = level.toFixed(2));
    level = to;
    tell();
    draw();
  }
  let told = 0;
  function tell(now_ = true) {
    const known = scene.curves && scene.curves[0].exact && level <= scene.curves[0].levels.at(-1);
    if (!now_ && (known || performance.now() - told < 250)) return;
    told = performance.now();
    (known ? send : act)("level", { gene: track.dose.gene, level });
  }
  function slide(event) {
    const box = track.getBoundingClientRect();
    level = Math.round(1000 * clamp((event.clientX - box.left - 12) / (box.width - 24), 0, 1) * track.dose.top) / 1000;
    tell(false);
    draw();
  }
  function play() {
    const begun = performance.now(), from = track.dose.own, goes = frame => {
      const share = Math.min(1, (frame - begun) / 3000);
      level = Math.max(0, from * (1 - share));
      if (share < 1 && track && !moving) { draw(); requestAnimationFrame(goes); } else if (track) set(level);
    };
    requestAnimationFrame(goes);
  }
  function drawDose() {
    if (!track) return;
    const [c, W, H] = fit(track), { dose } = track, X = q => 12 + (W - 24) * q / (dose.top || 1), b = H - 26, fg = css("fg"), mut = css("mut");
    const most = Math.max(1, ...dose.seen);
    dose.seen.forEach((v, i) => { c.fillStyle = css("bars"); c.fillRect(X(dose.top * i / 40), b - v / most * (b - 4), (W - 24) / 40 - 1, v / most * (b - 4)); });
    c.lineCap = "round"; c.strokeStyle = css("mut"); c.lineWidth = 4;
    c.beginPath(); c.moveTo(X(0), b); c.lineTo(X(Math.min(dose.top, dose.range || dose.top)), b); c.stroke();
    if (dose.top > dose.range + 1e-6) { c.setLineDash([2, 7]); c.strokeStyle = css("warn"); c.beginPath(); c.moveTo(X(dose.range), b); c.lineTo(X(dose.top), b); c.stroke(); c.setLineDash([]); }
    c.strokeStyle = css("acc"); c.lineWidth = 6; c.beginPath(); c.moveTo(X(dose.own), b); c.lineTo(X(level), b); c.stroke();
    disc(c, [X(dose.own), b], 6, css("bg"), fg);
    disc(c, [X(level), b], 12, css("acc"), css("bg"));
    c.font = "12px system-ui, sans-serif"; c.fillStyle = mut;
    const ends = [["0 knock-out", X(0) - 6, "left"], [`highest seen ${dose.range.toFixed(1)}`, X(dose.top) + 8, "right"], [`own ${dose.own.toFixed(2)}`, X(dose.own), "center"]];
    const used = [];
    for (const [text, x, align] of ends) {
      const w = c.measureText(text).width, left = align === "left" ? x : align === "right" ? x - w : clamp(x - w / 2, 4, W - w - 4);
      if (used.some(([p, q]) => left < q + 8 && left + w > p - 8)) continue;
      used.push([left, left + w]); c.textAlign = "left"; c.fillText(text, left, H - 5);
    }
    if (document.activeElement !== track.box) track.box.value = level.toFixed(2);
    const change = dose.own > 0.005 ? Math.round(100 * (level / dose.own - 1)) : 0;
    track.note.textContent = dose.note || (level > dose.range + 1e-6 ? "beyond the range seen" : change ? `${Math.abs(change)} % ${change < 0 ? "down" : "up"}` : "as it is");
    track.setAttribute("aria-valuenow", level.toFixed(2));
    track.setAttribute("aria-valuetext", `${dose.gene} ${level.toFixed(2)}, own ${dose.own.toFixed(2)}`);
  }

  function drawWords() {
    const A = scene.curves && scene.curves[0], held = doses.map(d => `${d.gene} ${d.own.toFixed(2)} → ${(d.gene === now.gene ? level : d.level).toFixed(2)}`);
    who.textContent = `${now.who}${now.kind ? ` · ${now.kind}` : ""} ▾`;
    question.textContent = held.join(", ");
    trustChip.textContent = `by ${A ? A.by : now.source}${scene.signal != null && root.clientWidth > 560 ? ` · signal ${scene.signal.toFixed(2)}` : ""} ▾`;
    const a = A && at(A, level), beyond = a && (a.distance > FAR || level > A.range + 1e-6);
    kept.textContent = !A ? "nothing held" : scene.little ? `little is known of ${A.gene}` : beyond ? "beyond the data" : "prediction";
    kept.classList.toggle("vx-warn", Boolean(A && (scene.little || beyond)));
    root.classList.toggle("vx-little", Boolean(scene.little));
  }
  function sayWords() { // for whoever cannot see the picture
    if (!scene.curves) { words.textContent = ""; return; }
    const A = scene.curves[0], a = at(A, level), change = shownRows.map(r => [a.value(r) - A.before[r], scene.genes[r]]).sort((p, q) => Math.abs(q[0]) - Math.abs(p[0]));
    words.textContent = `${A.cell}: ${A.gene} from ${A.own.toFixed(2)} to ${level.toFixed(2)}, a prediction. Most like ${best.textContent}. ${away.textContent}. `
      + `Genes that change most: ${change.slice(0, 5).map(([d, gene]) => `${gene} ${d > 0 ? "up" : "down"} ${Math.abs(d).toFixed(2)}`).join(", ")}.`;
  }
  let queued = false, frames = 0;
  function draw() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      const begun = performance.now();
      drawMap(); drawGenes(); drawFate(); drawDose(); drawWords();
      root.dataset.frames = ++frames;
      (root.took ??= []).push(performance.now() - begun);
      if (root.took.length > 600) root.took.shift();
      if (!moving) sayWords();
    });
  }
  function redraw() { layer = glass = null; draw(); }

  // ---- the map under the hand
  const spotOf = event => { const box = map.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  function nearest([x, y], reach = 14) {
    const box = map.getBoundingClientRect(), M = place(box.width, box.height);
    if (glass && glass.shown && Math.hypot(x - glass.cx, y - glass.cy) < glass.R) {
      let best = -1, least = reach;
      scene.lens.rows.forEach((i, j) => { const p = glass.to(scene.lens.uv[j]), d = Math.hypot(p[0] - x, p[1] - y); if (d < least) { least = d; best = i; } });
      return best;
    }
    let best = -1, least = reach * reach;
    for (let i = 0; i < points.length / 2; i++) {
      if (only !== null && color.kind === "labels" && codes[i] !== only) continue;
      const [u, v] = M.to([points[2 * i], points[2 * i + 1]]), d = (u - x) ** 2 + (v - y) ** 2;
      if (d < least) { least = d; best = i; }
    }
    return best;
  }
  function zoom(factor, [x, y] = [map.clientWidth / 2, map.clientHeight / 2]) { // what is under the pointer stays there
    const k = factor ? clamp(view.k * factor, 1, 60) : 1, f = k / view.k;
    view = k === 1 ? { k: 1, x: 0, y: 0 } : { k, x: x - (x - view.x) * f, y: y - (y - view.y) * f };
    layer = null;
    draw();
  }
  map.addEventListener("wheel", event => { // a page has to be scrolled past a map: only with Ctrl, or once it was chosen
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== map) return;
    if (view.k === 1 && event.deltaY > 0) return;
    event.preventDefault();
    zoom(Math.exp(-clamp(event.deltaY, -80, 80) / 250), spotOf(event));
  }, { passive: false });
  map.addEventListener("pointerdown", event => {
    if (event.button) return;
    map.setPointerCapture(event.pointerId);
    map.focus({ preventScroll: true });
    outline = [spotOf(event)];
    if (event.shiftKey) lasso = true;
  });
  map.addEventListener("pointermove", event => {
    const p = spotOf(event);
    if (outline) {
      const [x, y] = outline.at(-1);
      outline.push(p);
      if (!lasso && far(outline) > 4) { view.x += p[0] - x; view.y += p[1] - y; layer = null; }
      return draw();
    }
    const row = nearest(p);
    if ((row < 0 ? null : row) === spot) return;
    spot = row < 0 ? null : row;
    tip.hidden = true;
    if (spot !== null) { send("name", { row: spot }); tip.at = p; }
    draw();
  });
  const far = spots => Math.max(...spots.map(p => Math.hypot(p[0] - spots[0][0], p[1] - spots[0][1])));
  map.addEventListener("pointerup", event => {
    if (!outline) return;
    const drawn = outline, p = spotOf(event);
    outline = null;
    if (far(drawn) < 5) { const row = nearest(p, 20); if (row >= 0) act("rows", {}, [new Uint32Array([row]).buffer]); }
    else if (lasso) {
      const box = map.getBoundingClientRect(), M = place(box.width, box.height), inside = [];
      for (let i = 0; i < points.length / 2; i++) {
        if (only !== null && color.kind === "labels" && codes[i] !== only) continue;
        const [x, y] = M.to([points[2 * i], points[2 * i + 1]]);
        let odd = false;
        for (let j = 0, k = drawn.length - 1; j < drawn.length; k = j++) {
          const [[a, b], [s, t]] = [drawn[j], drawn[k]];
          if ((b > y) !== (t > y) && x < (s - a) * (y - b) / (t - b) + a) odd = !odd;
        }
        if (odd) inside.push(i);
      }
      lasso = false; lassoButton.setAttribute("aria-pressed", "false");
      if (inside.length) act("rows", {}, [new Uint32Array(inside).buffer]);
    }
    draw();
  });
  map.addEventListener("pointerleave", () => { spot = null; tip.hidden = true; draw(); });
  map.addEventListener("keydown", event => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    cross = cross || [map.clientWidth / 2, map.clientHeight / 2];
    if (event.key === "Enter") { const row = nearest(cross, 30); if (row >= 0) act("rows", {}, [new Uint32Array([row]).buffer]); }
    else if (event.key === "+" || event.key === "=") zoom(1.5, cross);
    else if (event.key === "-") zoom(1 / 1.5, cross);
    else if (event.key === "0") zoom(0);
    else if (ways[event.key]) cross = cross.map((p, k) => p + ways[event.key][k] * (event.shiftKey ? 2 : 10));
    else return;
    event.preventDefault();
    draw();
  });
  map.addEventListener("blur", () => { cross = null; draw(); });

  function layLegend() {
    const toggle = code => () => { only = only === code ? null : code; layLegend(); redraw(); };
    const hover = code => ({ onpointerenter: () => { lit = code; redraw(); }, onpointerleave: () => { lit = null; redraw(); } });
    const key = (text, shadeOf, code) => {
      const made = button("", toggle(code), { "aria-pressed": String(only === code), ...hover(code) });
      made.append(make("i", { style: `background:${shadeOf}` }), text);
      return made;
    };
    const keys = color.kind === "labels" ? color.names.map((name, k) => key(`${name} `, `rgb(${readable(rgb(color.colors[k]))})`, k)) : [];
    if (color.kind === "numbers" && color.missing < points.length / 2) {
      keys.push(make("span", { class: "vx-sub", text: color.low.toFixed(1) }), make("i", { class: "vx-ramp", style: `background:linear-gradient(90deg, ${RAMP.join()})` }), make("span", { class: "vx-sub", text: color.high.toFixed(1) }));
    }
    if (color.missing) keys.push(key(`no value: ${number(color.missing)} cells`, css("unknown"), -1));
    legend.replaceChildren(...keys);
    if (document.activeElement !== colorBox) colorBox.value = color.name || "";
  }
  function layPins() {
    const title = held => Object.entries(held).map(([gene, to]) => `${gene} → ${to.toFixed(2)}`).join(", ");
    const shown = now.pins.map((pin, k) => {
      const letter = String.fromCharCode(66 + k), chip = make("span", { class: "vx-pin", style: `border-left-color:${pinColor(k)}` });
      chip.append(button(`${letter} ${title(pin.held)}`, () => act("swap", { number: k }), { title: `${pin.cell}, by ${pin.by}: go back to it` }),
        make("small", { text: pin.cell === now.who ? "" : pin.cell }), button("×", () => act("unpin", { number: k }), { "aria-label": `Take ${letter} away` }));
      return chip;
    });
    if (shown.length) shown.unshift(make("span", { class: "vx-pin vx-a", text: `A  ${doses.map(each => each.gene).join(", ")}` }));
    same.textContent = (scene.same || []).join(" ");
    pins.replaceChildren(...shown, ...(doses.length && now.pins.length < 4 ? [compare] : []));
  }

  // ---- what Python tells
  function heardPoints() {
    points = new Float32Array(model.get("points").buffer.slice(model.get("points").byteOffset, model.get("points").byteOffset + model.get("points").byteLength));
    extent = [0, 0];
    for (let i = 0; i < points.length; i++) extent[i % 2] = Math.max(extent[i % 2], points[i], 1e-6);
    redraw();
  }
  function heardColor() {
    color = model.get("color");
    const bytes = color.codes || color.values;
    const raw = bytes && bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    codes = raw ? (color.kind === "numbers" ? new Uint8Array(raw) : new Int16Array(raw)) : null;
    only = lit = null;
    layLegend(); redraw();
  }
  function heardState() {
    now = model.get("now"); doses = model.get("doses");
    const active = doses.find(each => each.gene === now.gene), same = track && active && JSON.stringify({ ...track.dose, level: 0 }) === JSON.stringify({ ...active, level: 0 });
    if (active && !moving) level = active.level;
    if (!same || rows.children.length !== doses.length) {
      const focused = rows.contains(document.activeElement);
      layDoses();
      if (focused && track) track.focus();
    }
    undo.disabled = !now.undo;
    source.value = now.source; palette.value = now.palette; live.checked = now.live;
    fields.forEach(each => each[1]());
    if (document.activeElement !== query) query.value = now.query;
    foundWords.textContent = now.n > 1 ? `A group of ${number(now.n)} cells.` : `Cell ${number(now.row + 1)} of ${number(about.cells)}.`;
    if (now.query) foundWords.textContent += ` ${number(now.matches)} meet the condition.`;
    layPins(); layRows(); redraw();
  }
  function heardScene() {
    scene = model.get("scene");
    scene.number = (scene.number || 0) + Math.random();
    trustList.replaceChildren(...(scene.trust || []).map(text => make("li", { text })));
    glass = null;
    layPins(); layRows(); draw();
  }
  function heardSaid() {
    said = model.get("said");
    root.dataset.state = said.state; root.dataset.answers = said.answers;
    const wrong = said.state === "error";
    alarm.textContent = wrong ? said.text : "";
    toast.replaceChildren(...(wrong || !said.text ? [] : [said.text]));
    if (said.state === "working") toast.append(said.text ? "" : "Working … ", button("Cancel", () => send("cancel")));
    if (said.state === "waiting") toast.append(button("Run", () => act("run")));
    if (wrong) colorBox.value = color.name || "";
  }
  function heard(message, buffers) {
    if (message.kind === "names") for (const list of lists[message.what] || []) list.replaceChildren(...message.names.map(value => make("option", { value })));
    if (message.kind === "name" && message.row === spot) {
      tip.replaceChildren(make("b", { text: message.name }), message.label ? ` ${message.label}` : "");
      tip.hidden = false;
      Object.assign(tip.style, { left: `${clamp(tip.at[0] + 14, 4, map.clientWidth - tip.offsetWidth - 4)}px`, top: `${clamp(tip.at[1] + 14, 4, map.clientHeight - 34)}px` });
    }
    if (message.kind === "code") code.textContent = message.text;
    if (message.kind === "ways") {
      wayList.replaceChildren(...message.rows.map(row => {
        const down = row.level === 0, name = `${down ? "↓" : "↑"} ${row.gene} to ${row.level.toFixed(1)}`;
        return make("div", {}, button(name, () => act("hold", { gene: row.gene, level: row.level })), bar(row.share / message.rows[0].share),
          make("span", { class: "vx-sub", text: `${(100 * row.share).toFixed(0)} %` }));
      }));
      if (!message.rows.length) wayList.textContent = "No gene takes it nearer.";
      wayWorth.textContent = message.worth;
    }
    if (message.kind === "file") {
      const link = make("a", { href: URL.createObjectURL(new Blob([buffers[0]])), download: message.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }
  }

  // ---- alive: a page cannot know that its kernel is gone, or that both only slept
  let unanswered = 0, ended = false;
  const alive = () => { unanswered = 0; lost.textContent = ""; };
  async function check() {
    if (document.hidden || ended) return;
    if (unanswered) {
      if (Date.now() - unanswered > 4000) lost.textContent = "No answer. Trying again …";
      if (hosted && Date.now() - unanswered > 15000) {
        try {
          const answer = await fetch(`${page.baseUrl}api/kernels/${page.kernelId}`);
          const gone = answer.status === 404 || (answer.ok && (await answer.json()).connections === 0 && Date.now() - unanswered > 45000);
          const last = Number(sessionStorage.getItem("vx-reloaded") || 0);
          if (gone && Date.now() - last > 30000) { sessionStorage.setItem("vx-reloaded", Date.now()); ended = true; location.reload(); }
          else if (gone) lost.textContent = "This session has ended. Reload the page to go on from here.";
        } catch { lost.textContent = "The server does not answer. Trying again …"; }
      }
    } else unanswered = Date.now();
    try { send("there"); } catch { /* asked again */ }
  }
  const pulse = setInterval(check, 5000);
  const visible = () => document.hidden || check();
  document.addEventListener("visibilitychange", visible);

  function linked() {
    if (hosted) history.replaceState(history.state, "", `${location.pathname}#${model.get("link")}`);
    asked = model.get("link");
  }
  const wanted = hosted ? location.hash.slice(1) : "";
  const hashed = () => { if (hosted && location.hash.slice(1) !== asked) act("restore", { link: location.hash.slice(1) }); };
  addEventListener("hashchange", hashed);
  const keyed = event => {
    if (event.key === "Escape" && open) { const { opener } = open; toggle(open, opener); opener.focus(); return; }
    const typing = /INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName);
    if (event.key === "/" && !typing && (hosted || root.contains(document.activeElement))) { event.preventDefault(); geneBox.focus(); }
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !typing && root.contains(document.activeElement)) { event.preventDefault(); if (now.undo) act("undo"); }
  };
  addEventListener("keydown", keyed);
  const outside = event => { if (open && !open.contains(event.target) && event.target !== open.opener) toggle(open, open.opener); };
  addEventListener("pointerdown", outside);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const restyled = () => { style = {}; layLegend(); layPins(); redraw(); };
  scheme.addEventListener("change", restyled);
  const sized = new ResizeObserver(() => {
    root.classList.toggle("vx-narrow", root.clientWidth < 1000);
    root.classList.toggle("vx-tiny", root.clientWidth < 560);
    style = {};
    layRows(); redraw();
  });
  sized.observe(root); sized.observe(mapBox);
  const themed = new MutationObserver(restyled);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });

  const told_ = { points: heardPoints, color: heardColor, now: heardState, doses: heardState, scene: heardScene, said: heardSaid, link: linked };
  for (const [name, does] of Object.entries(told_)) model.on(`change:${name}`, () => { alive(); does(); });
  const message = (content, buffers) => { alive(); heard(content, buffers); };
  model.on("msg:custom", message);
  heardPoints(); heardColor(); heardScene(); heardState(); heardSaid();
  if (wanted && wanted !== model.get("link") && wanted.includes("=")) act("restore", { link: wanted }); else linked();
  return () => {
    clearInterval(pulse); sized.disconnect(); themed.disconnect();
    removeEventListener("keydown", keyed); removeEventListener("pointerdown", outside); removeEventListener("hashchange", hashed);
    document.removeEventListener("visibilitychange", visible); scheme.removeEventListener("change", restyled);
    model.off("msg:custom", message);
  };
}
export default { render };
