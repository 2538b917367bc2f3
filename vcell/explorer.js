// The explorer in the browser: draws what Python tells, moves it with the slider, and says what a person does.

const PINNED = ["#D55E00", "#0072B2", "#009E73", "#CC79A7"], DASHES = [[], [11, 5], [4, 4], [13, 4, 3, 4]];
const RAMP = ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const RED_GREEN = ["#a50026", "#d73027", "#f46d43", "#fdae61", "#b8a93e", "#a6d96a", "#66bd63", "#1a9850", "#006837"];
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
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let now = model.get("now"), doses = [], scene = {}, color = {}, level = 0, moving = false, said = {};
  let points = new Float32Array(0), extent = [1, 1], codes = null, only = null, lit = null, found = null, asked = "";
  let view = { k: 1, x: 0, y: 0 }, stale = true, paint = null, glass = null, version = 0, seenAt = view, settling, spot = null, cross = null, outline = null, lasso = false;

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
  const cells = canvas("vx-canvas", { "aria-hidden": "true" }); // not drawn in a drag
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
  const who = opens("", cellsBox, { class: "vx-who" }), whoName = make("span"), whoKind = make("span");
  who.append(whoName, whoKind);
  const [geneBox, geneList] = nameBox("gene", "Hold a gene (/)", { class: "vx-gene", "aria-label": "Hold a gene" },
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
  const take = what => () => send("take", { what: what === "zip" ? what : `${size.value}.${what}` });
  const exportBox = popup("export", "Take away", make("label", {}, "Sheet: map, lens, genes, neighbours, caption", size),
    make("div", { class: "vx-row" }, ...["png", "svg", "pdf"].map(kind => button(kind.toUpperCase(), take(kind)))),
    make("div", { class: "vx-row" }, button("Data: CSV, h5ad, Python in a zip", take("zip"))), code,
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
  const waysBox = popup("ways", "Genes that take it to (share of the way)", goal, wayWorth, wayList);
  const waysOpener = opens("Find genes that take it to ▾", waysBox, {});
  const [followBox, followList] = nameBox("gene", "Follow …", { class: "vx-follow", "aria-label": "Follow a gene" }, gene => act("watch", { gene }));
  const [colorBox, colorList] = nameBox("color", "Colour by", { class: "vx-color", keeps: true }, name => act("color", { name }));
  colorBox.addEventListener("change", () => { if (!colorBox.value.trim()) act("color", { name: "" }); });

  const tool = (text, label, does) => button(text, does, { "aria-label": label, title: label });
  const lassoButton = tool("⬚", "Draw around a group of cells", () => { lasso = !lasso; lassoButton.setAttribute("aria-pressed", lasso); });
  lassoButton.setAttribute("aria-pressed", "false");
  const tools = make("div", { class: "vx-tools", role: "group", "aria-label": "Zoom" },
    tool("+", "Zoom in", () => zoom(1.5)), tool("−", "Zoom out", () => zoom(1 / 1.5)), tool("⤢", "Show all", () => zoom(0)), lassoButton);
  const mapBox = make("div", { class: "vx-map" }, cells, map, tip, tools, pins, toast, alarm);
  root.append(
    make("header", { class: "vx-head" }, make(hosted ? "h1" : "h2", { class: "vx-brand", text: "vcell" }), who, geneBox, geneList, question,
      make("span", { class: "vx-grow" }), trustChip, kept, undo, opens("Link", linkPopup, { class: "vx-link" }),
      opens("Export", exportBox, { class: "vx-main" }), opens("More", moreBox)),
    make("div", { class: "vx-legendrow" }, make("label", { class: "vx-sub" }, "colour ", colorBox), colorList, legend), mapBox, rows,
    make("div", { class: "vx-side" },
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
  const dark = () => rgb(css("bg"))[0] < 128, FONT = "12.5px system-ui, sans-serif";
  const sizeOf = target => { const { width, height } = target.getBoundingClientRect(), d = devicePixelRatio; return [width, height, Math.max(1, Math.round(width * d)), Math.max(1, Math.round(height * d))]; };
  function fit(target) {
    const [W, H, w, h] = sizeOf(target), c = target.getContext("2d"), d = devicePixelRatio;
    if (target.width !== w || target.height !== h) { target.width = w; target.height = h; }
    c.setTransform(d, 0, 0, d, 0, 0);
    c.clearRect(0, 0, W, H);
    c.font = FONT;
    return [c, W, H];
  }
  const slots = {};
  function still(slot, key, W, H, draws) { // what stands still in a drag is drawn once, and then copied
    const made = slots[slot] ??= make("canvas"), d = devicePixelRatio;
    if (made.key === (key = `${version} ${W} ${H} ${key}`)) return made;
    Object.assign(made, { key, width: Math.ceil(W * d), height: Math.ceil(H * d) });
    const c = made.getContext("2d");
    c.font = FONT; c.scale(d, d); draws(c);
    return made;
  }
  function place(W, H) { // from places of the map to pixels
    const m = 28, low = 62, s = Math.min((W - 2 * m) / extent[0], (H - m - low) / extent[1]);
    const ox = (W - s * extent[0]) / 2, oy = (H - low + m - s * extent[1]) / 2;
    return p => [(ox + p[0] * s) * view.k + view.x, (oy + (extent[1] - p[1]) * s) * view.k + view.y];
  }
  const spotAt = (to, i) => to([points[2 * i], points[2 * i + 1]]);
  const between = (spots, a) => [0, 1].map(k => lerp(spots[a.i][k], spots[a.i + 1][k], a.w));
  const apart = ([x, y], [u, v]) => Math.hypot(x - u, y - v);
  const readable = parts => dark() ? parts.map(v => Math.round(lerp(v, 255, 0.3))) : parts;
  function shades() { // the colour of each cell, and whether it is faded
    if (paint) return paint;
    const grey = rgb(css("unknown")), n = points.length / 2, colors = new Uint8Array(3 * n), faded = new Uint8Array(n);
    const table = (color.colors || []).map(hex => readable(rgb(hex)));
    const values = color.kind === "numbers" ? new Float32Array(codes.buffer) : null, span = color.high - color.low || 1;
    const ramp = values && [...Array(64).keys()].map(k => shade(RAMP, k / 63)), shown = lit ?? only;
    for (let i = 0; i < n; i++) {
      const code = values ? (isNaN(values[i]) ? -1 : Math.round(63 * clamp((values[i] - color.low) / span, 0, 1))) : codes ? codes[i] : -1;
      faded[i] = shown !== null && (values ? (code < 0) !== (shown < 0) : code !== shown) ? 1 : 0;
      colors.set(code < 0 || faded[i] ? grey : values ? ramp[code] : table[code], 3 * i);
    }
    return paint = [colors, faded];
  }
  function drawCells(to) { // all cells as discs, by hand: ten times faster than as many arcs
    const [c, W, H] = fit(cells), d = devicePixelRatio, w = cells.width, h = cells.height, n = points.length / 2;
    const picture = c.createImageData(w, h), out = picture.data, [colors, faded] = shades();
    const r = clamp(Math.sqrt(W * H * 0.05 / Math.max(n, 1)), 1.2, 4) * Math.min(2, Math.sqrt(view.k)) * d, reach = Math.ceil(r + 0.5);
    const strong = n > 8000 ? 0.5 : 0.65, stamp = [];
    for (let y = -reach; y <= reach; y++) for (let x = -reach; x <= reach; x++) {
      const cover = clamp(r + 0.5 - Math.hypot(x, y), 0, 1);
      if (cover > 0) stamp.push([x, y, cover]);
    }
    const step = 7919 % n ? 7919 : 1, [[x0, y0], [x1, y1]] = [to([0, 0]), to([1, 1])]; // not in the order of the data, or the last label would lie over the others
    for (const pass of [1, 0]) for (let j = 0; j < n; j++) {
      const i = (j * step) % n;
      if (faded[i] !== pass) continue;
      const px = Math.round((x0 + (x1 - x0) * points[2 * i]) * d), py = Math.round((y0 + (y1 - y0) * points[2 * i + 1]) * d);
      if (px < -reach || py < -reach || px >= w + reach || py >= h + reach) continue;
      for (const [x, y, cover] of stamp) {
        const u = px + x, v = py + y;
        if (u < 0 || v < 0 || u >= w || v >= h) continue;
        const k = 4 * (v * w + u), a = cover * strong * (pass ? 0.25 : 1), b = out[k + 3] / 255 * (1 - a), all = a + b;
        out[k] = (colors[3 * i] * a + out[k] * b) / all; out[k + 1] = (colors[3 * i + 1] * a + out[k + 1] * b) / all; out[k + 2] = (colors[3 * i + 2] * a + out[k + 2] * b) / all;
        out[k + 3] = 255 * all;
      }
    }
    c.putImageData(picture, 0, 0);
    c.globalAlpha = clamp(80 / now.n, 0.15, 0.7);
    if (now.n > 1) for (const i of now.rows) ring(c, spotAt(to, i), 3.5, css("fg"), 1);
    stale = false; seenAt = view;
  }

  function pen(c, spots, ink, width = 1, dash = []) {
    c.lineJoin = "round"; c.lineCap = dash.length ? "butt" : "round"; c.setLineDash(dash); c.strokeStyle = ink; c.lineWidth = width;
    c.beginPath(); spots.forEach((p, i) => i ? c.lineTo(...p) : c.moveTo(...p)); c.stroke(); c.setLineDash([]);
  }
  function ring(c, [x, y], r, edge, width) { c.beginPath(); c.arc(x, y, r, 0, 7); c.strokeStyle = edge; c.lineWidth = width; c.stroke(); }
  function disc(c, p, r, fill, edge, width = 2.5) { c.beginPath(); c.arc(...p, r, 0, 7); c.fillStyle = fill; c.fill(); if (edge) ring(c, p, r, edge, width); }
  function label(c, text, [x, y]) {
    const w = c.measureText(text).width;
    c.globalAlpha = 0.85; c.fillStyle = css("bg"); c.fillRect(x - 3, y - 12, w + 6, 16);
    c.globalAlpha = 1; c.fillStyle = css("fg"); c.fillText(text, x, y);
  }
  function annotate(c, labels, path, inside) { // words beside their marks, off the path and off each other
    const taken = [], clear = (b, t) => b[0] > t[2] + 4 || b[2] < t[0] - 4 || b[1] > t[3] || b[3] < t[1];
    for (const [text, p] of labels) {
      const w = c.measureText(text).width;
      const free = [[-w / 2, -16], [-w / 2, 28], [14, 5], [-w - 14, 5], [8 - w, -16], [-8, -16], [8 - w, 28], [-8, 28], [14, -12], [-w - 14, -12], [14, 22], [-w - 14, 22]]
        .map(([dx, dy]) => [p[0] + dx, p[1] + dy - 12, p[0] + dx + w, p[1] + dy + 4])
        .find(b => [[b[0], b[1]], [b[2], b[3]], [b[0], b[3]], [b[2], b[1]]].every(inside) && taken.every(t => clear(b, t))
          && path.every(q => q[0] < b[0] - 3 || q[0] > b[2] + 3 || q[1] < b[1] - 3 || q[1] > b[3] + 3));
      if (!free) continue;
      taken.push(free);
      label(c, text, [free[0], free[1] + 12]);
    }
  }
  const pinColor = number => { const hex = PINNED[number % 4]; return dark() ? `rgb(${rgb(hex).map(v => Math.round(lerp(v, 255, 0.35)))})` : hex; };
  const levelOf = curve => curve === scene.curves[0] || curve.gene === scene.curves[0].gene ? level : curve.level;

  function stretches(all) { // a path, [place, distance] by step, in parts within and beyond the data
    const parts = [];
    all.forEach(([p, far], i) => {
      if (!i) return;
      if (!parts.length || parts.at(-1).far !== (far && all[i - 1][1])) parts.push(Object.assign([all[i - 1][0]], { far: far && all[i - 1][1] }));
      parts.at(-1).push(p);
    });
    return parts;
  }
  function way(c, curve, spots, number, width) { // the whole range thin, what is gone thick, dashed beyond the data
    const first = number < 0, mine = first ? css("fg") : pinColor(number), l = levelOf(curve), a = at(curve, l), o = at(curve, curve.own), L = curve.levels;
    const here = between(spots, a), own = between(spots, o), far = curve.distance.map(d => d > curve.edge), [low, high] = [Math.min(l, curve.own), Math.max(l, curve.own)];
    const gone = [[own, o.distance > curve.edge], ...L.map((v, i) => [spots[i], far[i], v]).filter(each => each[2] > low && each[2] < high).sort((p, q) => l < curve.own ? q[2] - p[2] : p[2] - q[2]), [here, a.distance > curve.edge]];
    const dash = first ? [] : DASHES[number], thick = gone.map(each => each[0]);
    pen(c, spots, css("bg"), width * 0.55 + 4); pen(c, thick, css("bg"), width + 4);
    for (const part of stretches(spots.map((p, i) => [p, far[i]]))) pen(c, part, first ? css("path") : mine, width * 0.55, part.far ? [2, 4] : curve.exact ? dash : [2, 5]);
    if (first && now.palette !== "plain") {
      pen(c, thick, css("fg"), width);
      for (let i = 1; i < thick.length; i++) pen(c, thick.slice(i - 1, i + 1), `rgb(${shade(now.palette === "redgreen" ? RED_GREEN : RAMP, (i - 1) / Math.max(1, thick.length - 2))})`, width - 1);
    } else for (const part of stretches(gone)) pen(c, part, mine, width, part.far ? [5, 3] : dash);
    return { here, own, known: a.known };
  }
  const ends = (curve, spots, start) => [["as it is", start], [`${curve.gene} 0`, spots[0]], [`${curve.gene} ${curve.levels.at(-1).toFixed(1)}`, spots.at(-1)]];

  function lensOf(to, W, H) { // where the lens goes, once for a scene: where it hides few cells, and none of the path
    const curves = scene.curves, spots = curves.flatMap(each => [...each.xy, each.start]).map(to), o = to(curves[0].start), key = [W, H, view.k].join();
    const clear = p => spots.every(q => apart(p, q) > p[2] + 22);
    if (glass && glass.key === key && (!glass.shown || glass.tight || clear(glass.spot))) return;
    glass = { key, shown: Boolean(scene.lens) && Math.max(...spots.map(p => apart(p, o))) < 0.35 * Math.min(W, H) * view.k };
    if (!glass.shown) return;
    const some = Math.max(1, Math.floor(points.length / 3000)), seen = [];
    for (let i = 0; i < points.length / 2; i += some) seen.push(spotAt(to, i));
    let least = Infinity;
    for (const share of [0.31, 0.26, 0.21]) {
      const R = Math.min(H * share, W * (share - 0.02));
      for (let i = 0; i <= 12; i++) for (let j = 0; j <= 6; j++) {
        const p = [lerp(R + 10, W - R - 10, i / 12), lerp(R + 10, Math.max(R + 10, H - R - 58), j / 6), R];
        const hidden = seen.reduce((n, q) => n + (apart(p, q) < R + 8), 0) / seen.length;
        const cost = hidden + (0.31 - share) * 0.4 + (clear(p) ? 0 : 10) + apart(p, o) / W * 0.06;
        if (cost < least) { least = cost; glass.spot = p; }
      }
    }
    glass.tight = least > 5;
    const [cx, cy, R] = glass.spot, uv = [[0, 0], ...curves.flatMap(each => each.uv)], sides = [0, 1].map(k => [Math.min(...uv.map(p => p[k])), Math.max(...uv.map(p => p[k]))]);
    const half = Math.max(0.725 * Math.max(...sides.map(([a, b]) => b - a)), 0.05), middle = sides.map(([a, b]) => (a + b) / 2), z = R / half;
    Object.assign(glass, { R, z, bar: [5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01].find(b => b * z < R * 0.7) ?? 0.005, to: p => [cx - (p[0] - middle[0]) * z, cy - (p[1] - middle[1]) * z] });
  }
  function drawGlass(c, o) { // what stands still in the lens; it points at the ring, and no line crosses the map
    const { spot: [x, y, R], z, bar, to } = glass, [colors, faded] = shades(), turn = Math.atan2(o[1] - y, o[0] - x), fg = css("fg");
    const tip = Math.max(R, Math.min(R + 14, apart(o, [x, y]) - 18));
    c.beginPath(); c.arc(x, y, R, turn + 9 / R, turn - 9 / R + 2 * Math.PI); c.lineTo(x + Math.cos(turn) * tip, y + Math.sin(turn) * tip); c.closePath();
    c.fillStyle = css("bg"); c.fill(); c.strokeStyle = fg; c.lineWidth = 1.5; c.stroke();
    c.save();
    c.beginPath(); c.arc(x, y, R - 1, 0, 7); c.clip();
    scene.lens.rows.forEach((i, j) => {
      c.globalAlpha = faded[i] ? 0.2 : 0.6;
      disc(c, to(scene.lens.uv[j]), 4.5, `rgb(${colors.subarray(3 * i, 3 * i + 3)})`);
    });
    c.restore();
    const low = y + R * 0.78, text = `${bar} ${R > 90 ? "usual " : ""}step${bar > 1 ? "s" : ""}${R > 150 ? " to the next cell" : ""}`;
    pen(c, [[x - bar * z / 2, low], [x + bar * z / 2, low]], fg, 2);
    label(c, text, [x - c.measureText(text).width / 2, low - 7]);
    if (R > 150) { c.fillStyle = css("mut"); c.fillText("around the path", x - c.measureText("around the path").width / 2, y - R * 0.84); }
  }
  function drawWays(c, spotsOf, startOf, labels, inside, [thick, big, small], ticks) { // the curves, on the map or in the lens
    const curves = scene.curves, fg = css("fg"), bg = css("bg");
    for (let k = curves.length - 1; k >= 0; k--) {
      const curve = curves[k], spots = spotsOf(curve), start = startOf(curve), ink = k ? pinColor(k - 1) : fg, { here, own, known } = way(c, curve, spots, k - 1, k ? thick * 0.7 : thick);
      if (apart(own, start) > 6) pen(c, [start, own], k ? ink : css("mut"), 1.5, [2, 4]);
      if (!k && ticks) curve.levels.forEach((v, i) => { if (!curve.exact || i % 5 === 0) disc(c, spots[i], 2.5, bg, fg, 1.2); });
      disc(c, start, k ? small : small + 1, bg, ink);
      disc(c, here, k ? small : big, k ? ink : known ? css("acc") : bg, known ? bg : css("acc"));
      if (k && ticks) labels.push([`${String.fromCharCode(65 + k)} ${curve.gene}`, here]);
      if (!k && labels) annotate(c, [...ends(curve, spots, start), ...labels], curves.flatMap(spotsOf), inside);
    }
  }

  function drawMap() {
    if (!points.length) return void fit(map);
    const [W, H, w, h] = sizeOf(map), to = place(W, H), fg = css("fg"), curves = scene.curves || [];
    if (curves.length) lensOf(to, W, H);
    if (stale || cells.width !== w || cells.height !== h) drawCells(to);
    const f = view.k / seenAt.k, away = seenAt !== view; // moved as a picture, and drawn when it rests
    cells.style.transform = away ? `translate(${view.x - seenAt.x * f}px, ${view.y - seenAt.y * f}px) scale(${f})` : "";
    if (away) { clearTimeout(settling); settling = setTimeout(() => { stale = true; draw(); }, 120); }
    const shown = curves.length && glass.shown, [c] = fit(map);
    if (root.classList.contains("vx-print")) { // Chromium prints no layer of pixels
      const [colors, faded] = shades();
      for (let i = 0; i < points.length / 2; i++) { c.globalAlpha = faded[i] ? 0.15 : 0.6; disc(c, spotAt(to, i), points.length > 16000 ? 1.5 : 3, `rgb(${colors.subarray(3 * i, 3 * i + 3)})`); }
      c.globalAlpha = 1;
    }
    if (shown) {
      const [x, y, R] = glass.spot, r = Math.ceil(R + 16), o = to(curves[0].start);
      ring(c, o, 14, fg, 1.5);
      c.drawImage(still("lens", `${x} ${y} ${o.map(Math.round)}`, 2 * r, 2 * r, g => { g.translate(r - x, r - y); drawGlass(g, o); }), x - r, y - r, 2 * r, 2 * r);
    }
    Object.assign(root.dataset, { path: curves.length ? curves[0].levels.length : 0, view: JSON.stringify([view.k, view.x, view.y].map(v => Math.round(v * 100) / 100)), lens: Boolean(shown) });
    if (curves.length) {
      const inside = q => q[0] > 4 && q[0] < W - 4 && q[1] > 4 && q[1] < H - 50, a = at(curves[0], level);
      if (!shown) for (const i of curves[0].near[a.w > 0.5 ? a.i + 1 : a.i]) ring(c, spotAt(to, i), 4.5, fg, 1.2);
      drawWays(c, each => each.xy.map(to), each => to(each.start), shown || !scene.lens ? null : [], inside, [5, 8, 5], false);
      if (shown) {
        const [x, y, R] = glass.spot;
        c.save(); c.beginPath(); c.arc(x, y, R - 1, 0, 7); c.clip();
        drawWays(c, each => each.uv.map(glass.to), () => glass.to([0, 0]), R > 90 ? [] : null, q => apart(q, [x, y]) < R - 4, [5.5, 10, 6], true);
        c.restore();
      } else if (!scene.lens) annotate(c, [[`${curves[0].gene} moves nothing here`, to(curves[0].start)]], [], q => q[0] > 4 && q[0] < W - 4);
    } else if (now.n === 1) {
      const p = spotAt(to, now.row);
      disc(c, p, 7, css("acc"), css("bg")); ring(c, p, 12, css("acc"), 2);
    }
    if (spot !== null) ring(c, spotAt(to, spot), 6, fg, 2);
    if (cross) for (const [x, y] of [[10, 0], [0, 10]]) pen(c, [[cross[0] - x, cross[1] - y], [cross[0] + x, cross[1] + y]], fg, 2);
    if (outline && lasso) pen(c, outline, fg, 1.5, [5, 4]);
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
    const [c, W, H] = fit(genes), curves = scene.curves, fg = css("fg"), mut = css("mut");
    if (!curves) { c.fillStyle = mut; c.fillText("Hold a gene to see which genes go with it.", 4, 30); return; }
    const A = curves[0], L = A.levels, top = L.at(-1), a = at(A, level), wide = W > 400, z = W - 60, s1 = wide ? W - 204 : W - 168;
    const s0 = 104, X = q => s0 + (s1 - s0) * q / (top || 1), h = 22, room = 54, others = curves.slice(1).map(each => [each, at(each, levelOf(each))]);
    const most = reach => Math.max(1e-6, ...shownRows.flatMap(r => curves.flatMap(each => each.values[r].map((v, i) => Math.abs(v - each.before[r]) + reach * each.spread[r][i]))));
    const scale = room / Math.min(most(1), 1.8 * most(0)), x = d => z + clamp(d * scale, -room - 4, room + 4);
    const write = (c, text, at, y, align = "right", ink = mut) => { c.textAlign = align; c.fillStyle = ink; c.fillText(text, at, y); };
    const rows = shownRows.map((r, k) => {
      const y = 18 + h * k, v = A.values[r], s = A.spread[r], low = Math.min(...v.map((u, i) => Math.max(0, u - s[i]))), high = Math.max(...v.map((u, i) => u + s[i]), low + 0.2);
      return { r, y, v, s, Y: u => clamp(y + h - 3 - (u - low) / (high - low) * (h - 6), y + 1, y + h - 1) };
    }), end = 18 + h * rows.length, now_ = wide ? s1 + 76 : s1 + 40;
    c.drawImage(still("genes", "", W, H, g => { // the curves; the rest moves with the level
      g.textBaseline = "middle";
      for (const { r, y, v, s, Y } of rows) {
        g.fillStyle = css("line"); g.beginPath();
        v.forEach((u, i) => g.lineTo(X(L[i]), Y(u + s[i])));
        for (let i = v.length - 1; i >= 0; i--) g.lineTo(X(L[i]), Y(Math.max(0, v[i] - s[i])));
        g.fill();
        others.forEach(([each], p) => each.gene === A.gene && pen(g, each.values[r].map((u, i) => [X(Math.min(each.levels[i], top)), Y(u)]), pinColor(p), 1.2));
        pen(g, v.map((u, i) => [X(L[i]), Y(u)]), fg, 1.5);
        if (wide) write(g, A.before[r].toFixed(2), s1 + 38, y + h / 2);
        g.setLineDash([2, 2]); g.strokeStyle = mut; g.lineWidth = 1; g.strokeRect(Math.min(z, x(v[0] - A.before[r])), y + 4, Math.abs(x(v[0] - A.before[r]) - z), h - 8);
      }
      pen(g, [[z, 18], [z, end]], mut); pen(g, [[X(A.own), 16], [X(A.own), end]], mut, 1, [3, 3]);
      write(g, `${rows.length} of ${number(about.genes)}`, 4, 7, "left"); write(g, wide ? `by ${A.gene}, band: ${scene.interval}` : `by ${A.gene}`, s0, 7, "left");
      if (wide) write(g, "was", s1 + 38, 7);
      write(g, "now", now_, 7); write(g, "change", z, 7, "center");
    }), 0, 0, W, H);
    c.textBaseline = "middle";
    for (const { r, y, Y } of rows) {
      const box = (ink, d, from, tall) => { c.fillStyle = ink; c.fillRect(Math.min(z, x(d)), from, Math.abs(x(d) - z), tall); };
      const value = a.value(r), change = value - A.before[r], spread = a.spread(r), tall = (h - 6) / (others.length + 1);
      disc(c, [X(level), Y(value)], 3, css("acc"), css("bg"), 1);
      write(c, value.toFixed(2), now_, y + h / 2, "right", fg);
      box(css(change > 0 ? "up" : "down"), change, y + 3, tall);
      others.forEach(([each, there], p) => box(pinColor(p), there.value(r) - each.before[r], y + 3 + tall * (p + 1), tall - 1));
      pen(c, [[x(change - spread), y + 3 + tall / 2], [x(change + spread), y + 3 + tall / 2]], fg);
    }
    pen(c, [[X(level), 16], [X(level), end]], css("acc"), 1.2);
    c.textAlign = "left"; c.textBaseline = "alphabetic";
    root.dataset.genes = shownRows.map(r => a.value(r).toFixed(3)).join(" ");
  }

  function drawFate() {
    const [c, W, H] = fit(fate);
    best.textContent = away.textContent = "";
    if (!scene.curves) return;
    const A = scene.curves[0], L = A.levels, F = scene.fate, X = q => Math.round(1 + (W - 2) * q / (L.at(-1) || 1)), high = H - 14, a = at(A, level);
    c.drawImage(still("fate", "", W, H, g => {
      g.fillStyle = css("line"); g.fillRect(1, 0, W - 2, high);
      const floor = L.slice(1).map(() => high), tops = F.colors.map((hex, k) => floor.map((y, i) => { // from the bottom up
        const tall = (F.shares[i][k] + F.shares[i + 1][k]) / 2 * high;
        g.fillStyle = `rgb(${readable(rgb(hex))})`; g.fillRect(X(L[i]), y - tall, X(L[i + 1]) - X(L[i]), tall);
        floor[i] -= tall;
        return [tall, y - tall / 2, (X(L[i]) + X(L[i + 1])) / 2];
      }));
      L.slice(1).forEach((to, i) => {
        const d = (A.distance[i] + A.distance[i + 1]) / 2, kind = d > A.edge ? 2 : d > 0.75 * A.edge ? 1 : 0; // thicker, too: not by colour alone
        g.fillStyle = css(["near", "mid", "far"][kind]); g.fillRect(X(L[i]), H - [3, 6, 9][kind], X(to) - X(L[i]), [3, 6, 9][kind]);
      });
      tops.forEach((each, k) => { // its name where it is widest, if that is high enough
        const [tall, y, x] = each.reduce((p, q) => q[0] > p[0] + 0.5 ? q : p), w = g.measureText(F.names[k]).width;
        if (tall > 20) label(g, F.names[k], [clamp(x - w / 2, 8, W - w - 8), y + 4]);
      });
    }), 0, 0, W, H);
    pen(c, [[X(level), 0], [X(level), H]], css("bg"), 5); pen(c, [[X(level), 0], [X(level), H]], css("fg"), 2);
    const like = F.names.map((name, k) => [lerp(F.shares[a.i][k], F.shares[a.i + 1][k], a.w), name]).sort((p, q) => q[0] - p[0]).filter(each => each[0] > 0.02).slice(0, 2);
    best.textContent = like.map(([v, name]) => `${Math.round(100 * v)} % ${name}`).join(", ");
    away.textContent = `Distance from measured cells: ${a.distance.toFixed(1)} × usual${a.distance > A.edge ? ", beyond the data" : ""}`;
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
        make("div", { class: "vx-gene-name" }, make("strong", { text: dose.gene }), remove, box, track.note), track,
        make("div", { class: "vx-buttons" }, to("Knock out", 0, "level 0"), to("As it is", dose.own, "the own level of the cell"),
          ...(calm ? [] : [button("▶ Play", play)])));
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
    whoName.textContent = now.who; whoKind.textContent = `${now.kind ? ` · ${now.kind}` : ""} ▾`;
    question.textContent = held.join(", ");
    trustChip.textContent = `by ${A ? A.by : now.source}${scene.signal != null && root.clientWidth > 1290 ? ` · signal ${scene.signal.toFixed(2)}` : ""} ▾`;
    const a = A && at(A, level), beyond = a && (a.distance > A.edge || level > A.range + 1e-6);
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
  const paintAll = () => { drawMap(); drawGenes(); drawFate(); drawDose(); drawWords(); };
  function draw() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      const begun = performance.now();
      paintAll();
      root.dataset.frames = ++frames;
      (root.took ??= []).push(performance.now() - begun);
      if (root.took.length > 600) root.took.shift();
      if (!moving) sayWords();
    });
  }
  function redraw() { stale = true; paint = glass = null; version++; draw(); }

  // ---- the map under the hand
  const spotOf = event => { const box = map.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const takes = i => only === null || color.kind !== "labels" || codes[i] === only; // not what the legend has put aside
  function nearest([x, y], reach = 14) {
    const [W, H] = sizeOf(map), to = place(W, H);
    let best = -1, least = reach;
    const tries = (p, i) => { const d = apart(p, [x, y]); if (d < least) { least = d; best = i; } };
    if (glass && glass.shown && apart(glass.spot, [x, y]) < glass.R) scene.lens.rows.forEach((i, j) => tries(glass.to(scene.lens.uv[j]), i));
    else for (let i = 0; i < points.length / 2; i++) if (takes(i)) tries(spotAt(to, i), i);
    return best;
  }
  function zoom(factor, [x, y] = [map.clientWidth / 2, map.clientHeight / 2]) { // what is under the pointer stays there
    const k = factor ? clamp(view.k * factor, 1, 60) : 1, f = k / view.k;
    view = k === 1 ? { k: 1, x: 0, y: 0 } : { k, x: x - (x - view.x) * f, y: y - (y - view.y) * f };
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
      if (!lasso && far(outline) > 4) view = { k: view.k, x: view.x + p[0] - x, y: view.y + p[1] - y };
      return draw();
    }
    const row = nearest(p);
    if ((row < 0 ? null : row) === spot) return;
    spot = row < 0 ? null : row;
    root.dataset.spot = spot ?? "";
    tip.hidden = true;
    if (spot !== null) { send("name", { row: spot }); tip.at = p; }
    draw();
  });
  const far = spots => Math.max(...spots.map(p => apart(p, spots[0])));
  map.addEventListener("pointerup", event => {
    if (!outline) return;
    const drawn = outline, p = spotOf(event);
    outline = null;
    if (far(drawn) < 5) { const row = nearest(p, 20); if (row >= 0) act("rows", {}, [new Uint32Array([row]).buffer]); }
    else if (lasso) {
      const [W, H] = sizeOf(map), to = place(W, H), inside = [];
      for (let i = 0; i < points.length / 2; i++) {
        if (!takes(i)) continue;
        const [x, y] = spotAt(to, i);
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
      const made = button("", toggle(code), { "aria-pressed": String(only === code), title: text, ...hover(code) });
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
    trustList.replaceChildren(...(scene.trust || []).map(text => make("li", { text })));
    glass = null; version++;
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
  const printed = event => { // as it stands on the screen, by day, and as wide as a sheet of paper
    const begins = event.type === "beforeprint", { width, height } = root.getBoundingClientRect();
    if (begins) for (const [name, value] of [["wide", `${width}px`], ["high", `${height}px`], ["zoom", 700 / width]]) root.style.setProperty(`--vx-${name}`, value);
    root.classList.toggle("vx-print", begins);
    restyled(); paintAll();
  };
  for (const name of ["beforeprint", "afterprint"]) addEventListener(name, printed);
  const restyled = () => { style = {}; layLegend(); layPins(); redraw(); };
  scheme.addEventListener("change", restyled);
  const sized = new ResizeObserver(() => {
    if (root.classList.contains("vx-print")) return;
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
    document.removeEventListener("visibilitychange", visible); scheme.removeEventListener("change", restyled); removeEventListener("beforeprint", printed); removeEventListener("afterprint", printed);
    model.off("msg:custom", message);
  };
}
export default { render };
