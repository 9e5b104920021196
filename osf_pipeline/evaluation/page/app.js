"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const colors = ["#9aa5b1", "#6fb38a", "#e0a458", "#c97fb0", "#7f9fe0"];
const zooms = ["fit", 0.25, 0.5, 1, 2, 4, 8];
// Modes with a strength: what it is called, its range, its start, how it is written.
const modes = {
  single: { label: "Single", key: "s" },
  wipe: { label: "Wipe", key: "w" },
  beside: { label: "Side by side", key: "b" },
  difference: { label: "Difference", key: "d", strength: "gain", min: 0, max: 5, value: 1, text: (v) => `${2 ** v}×`, apply: (v) => 2 ** v },
  blend: { label: "Blend", key: "o", strength: "opacity", min: 0, max: 20, value: 10, text: (v) => `${5 * v} %`, apply: (v) => v / 20 },
};
const last = data.frames.length - 1;
const state = { at: 0, view: data.views[0].key, other: (data.views[1] || data.views[0]).key, mode: "single", split: 0.5, zoom: "fit", playing: false, curve: 0, region: 0, paint: 0 };

function make(tag, text, properties) {
  const node = Object.assign(document.createElement(tag), properties || {});
  if (text !== undefined) node.textContent = text;
  return node;
}

// --- Pictures: decoded before they are shown, a bounded number kept

const pictures = new Map();
const room = Math.max(12, Math.min(128, Math.floor(2 ** 28 / (4 * data.width * data.height))));

function url(view, at) { return `frames/${view}/${data.frames[at]}.${data.views.find((v) => v.key === view).ext}`; }

function load(view, at) {
  const name = url(view, at);
  const entry = pictures.get(name) || { image: new Image(), ready: false };
  pictures.delete(name); // to the young end
  pictures.set(name, entry);
  if (!entry.done) {
    entry.image.src = name;
    entry.done = entry.image.decode().then(() => { entry.ready = true; return entry.image; });
    entry.done.catch(() => pictures.delete(name));
    for (const old of pictures.keys()) { if (pictures.size <= room) break; pictures.delete(old); }
  }
  return entry;
}

function shown() { return state.mode === "single" ? [state.view] : [state.view, state.other]; }

function ahead(step) {
  const reach = Math.floor(room / 3 / shown().length);
  for (let i = 1; i <= Math.min(reach, 12); i++) {
    const at = state.playing ? (state.at + i) % (last + 1) : state.at + step * i;
    if (at >= 0 && at <= last) for (const view of shown()) load(view, at).done.catch(() => {});
    if (!state.playing && i === 2) break;
  }
}

function draw(step = 1) {
  const paint = ++state.paint, at = state.at;
  // What belongs to the frame number never waits for a picture.
  $("scrub").value = at;
  $("scrub").setAttribute("aria-valuetext", `frame ${data.frames[at]}`);
  if (document.activeElement !== $("frame")) $("frame").value = data.frames[at];
  cursor();
  marker();
  Promise.all(shown().map((view) => load(view, at).done)).then((images) => {
    if (paint !== state.paint) return; // a later frame was asked for meanwhile
    images.forEach((image, i) => {
      const canvas = [$("first"), $("second")][i], context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
    });
    $("note").textContent = "";
    ahead(step);
  }, () => { if (paint === state.paint) { $("note").textContent = `Frame ${data.frames[at]}: a picture is missing from the folder "frames".`; } });
}

function seek(at) {
  const to = Math.max(0, Math.min(last, at)), step = to < state.at ? -1 : 1;
  state.at = to;
  draw(step);
}

// --- Playback: at the shot's rate when pictures are ready, slower but complete when they are not

function play(on) {
  state.playing = on && last > 0;
  $("play").textContent = state.playing ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", state.playing);
  if (!state.playing) return;
  ahead(1);
  let due = performance.now() + 1000 / data.fps;
  const tick = (now) => {
    if (!state.playing) return;
    const next = (state.at + 1) % (last + 1);
    if (now >= due) {
      const entries = shown().map((view) => load(view, next));
      entries.forEach((entry) => entry.done.catch(() => play(false)));
      if (entries.every((entry) => entry.ready)) {
        due = Math.max(due + 1000 / data.fps, now - 1000 / data.fps);
        seek(next);
      }
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

// --- Compare and display

function compose() {
  const mode = modes[state.mode], pair = state.mode !== "single";
  for (const b of $("views").children) b.setAttribute("aria-checked", b.dataset.key === state.view);
  for (const b of $("modes").children) b.setAttribute("aria-checked", b.dataset.key === state.mode);
  $("against").hidden = $("second").hidden = !pair;
  $("split").hidden = state.mode !== "wipe";
  $("strength").hidden = !mode.strength;
  $("other").value = state.other;
  if (mode.strength) {
    Object.assign($("amount"), { min: mode.min, max: mode.max, value: mode.value });
    $("strength").firstElementChild.textContent = mode.strength;
    $("amountof").textContent = mode.text(mode.value);
  }
  const box = $("canvas");
  for (const name of ["beside", "difference"]) box.classList.toggle(name, state.mode === name);
  box.style.filter = state.mode === "difference" ? `brightness(${mode.apply(mode.value)})` : "";
  $("second").style.opacity = state.mode === "blend" ? mode.apply(mode.value) : "";
  $("second").style.clipPath = state.mode === "wipe" ? `inset(0 0 0 ${100 * state.split}%)` : "";
  $("split").style.left = `${100 * state.split}%`;
  const label = (key) => data.views.find((v) => v.key === key).label;
  $("first").setAttribute("aria-label", label(state.view));
  $("second").setAttribute("aria-label", label(state.other));
  size();
}

function size(at) {
  const stage = $("stage"), before = $("first").getBoundingClientRect();
  const wide = state.mode === "beside" ? 2 * data.width + 6 : data.width;
  const fit = Math.min((stage.clientWidth - 2) / wide, (stage.clientHeight - 2) / data.height);
  const scale = state.zoom === "fit" ? Math.max(fit, 0.02) : state.zoom / devicePixelRatio; // 1 is one pixel of the screen
  for (const canvas of [$("first"), $("second")]) {
    canvas.style.width = `${data.width * scale}px`;
    canvas.style.height = `${data.height * scale}px`;
  }
  $("canvas").classList.toggle("sharp", state.zoom !== "fit");
  $("zoom").value = state.zoom;
  if (at && before.width) { // keep the point under the pointer
    const now = $("first").getBoundingClientRect();
    stage.scrollLeft += now.left + now.width * (at.clientX - before.left) / before.width - at.clientX;
    stage.scrollTop += now.top + now.height * (at.clientY - before.top) / before.height - at.clientY;
  }
}

function zoomBy(step, at) {
  const now = state.zoom === "fit" ? $("first").clientWidth * devicePixelRatio / data.width : state.zoom;
  const levels = zooms.slice(1), next = step > 0 ? levels.find((z) => z > now * 1.01) : levels.findLast((z) => z < now * 0.99);
  if (next) { state.zoom = next; size(at); }
}

function choose(change) { Object.assign(state, change); compose(); draw(); }

function dragging() {
  const stage = $("stage");
  let from = null;
  stage.onpointerdown = (e) => {
    if (e.button !== 0 && e.button !== 1) return;
    from = { x: e.clientX, y: e.clientY, left: stage.scrollLeft, top: stage.scrollTop, wipe: e.target === $("split") };
    stage.setPointerCapture(e.pointerId);
    stage.classList.toggle("panning", !from.wipe);
  };
  stage.onpointermove = (e) => {
    if (!from) return;
    if (from.wipe) {
      const box = $("first").getBoundingClientRect();
      state.split = Math.max(0, Math.min(1, (e.clientX - box.left) / box.width));
      compose();
    } else {
      stage.scrollLeft = from.left - e.clientX + from.x;
      stage.scrollTop = from.top - e.clientY + from.y;
    }
  };
  stage.onpointerup = stage.onpointercancel = () => { from = null; stage.classList.remove("panning"); };
  stage.addEventListener("wheel", (e) => { e.preventDefault(); zoomBy(-e.deltaY, e); }, { passive: false });
  stage.ondblclick = () => { state.zoom = state.zoom === "fit" ? 1 : "fit"; size(); };
}

// --- Metrics

function metrics() {
  if (!data.metrics.length) {
    $("regions").hidden = true;
    $("metrics").append(make("p", "This shot has no truth to be measured against. Set `reference` in shot.yaml.", { className: "none" }));
    return;
  }
  data.metrics.forEach((block, i) => $("regions").append(make("button", block.region, { onclick: () => { state.region = i; metricTable(); } })));
  metricTable();
}

function metricTable() {
  const block = data.metrics[state.region];
  [...$("regions").children].forEach((button, i) => button.setAttribute("aria-pressed", i === state.region));
  const table = make("table"), head = make("tr");
  head.append(make("th", "method"), ...block.columns.map((c) => make("th", c.label, { title: c.meaning })));
  table.createTHead().append(head);
  const body = table.createTBody();
  for (const row of block.rows) {
    const tr = make("tr");
    tr.append(make("th", row.method, { scope: "row" }), ...row.cells.map((c) => make("td", c.text, { className: c.best ? "best" : "" })));
    body.append(tr);
  }
  $("table").replaceChildren(table);
}

function svg(tag, attributes) {
  const node = document.createElementNS($("plot").namespaceURI, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function plot() {
  const curve = data.curves[state.curve];
  $("curve").hidden = !curve;
  if (!curve) return;
  $("plot").replaceChildren();
  $("plotbar").replaceChildren();
  const values = curve.series.flatMap((s) => s.values).filter((v) => v !== null);
  const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
  const x = (at) => 1000 * at / Math.max(1, last), y = (v) => 94 - 88 * (v - low) / span;
  const chooser = make("select", undefined, { onchange: (e) => { state.curve = Number(e.target.value); plot(); cursor(); } });
  data.curves.forEach((c, i) => chooser.append(make("option", c.label, { value: i, selected: i === state.curve })));
  chooser.setAttribute("aria-label", "Curve");
  $("plotbar").append(chooser);
  $("high").textContent = high.toPrecision(3);
  $("low").textContent = low.toPrecision(3);
  curve.series.forEach((s, i) => {
    let path = "", dots = "";
    s.values.forEach((v, at) => {
      if (v === null) return;
      const point = `${x(at).toFixed(1)} ${y(v).toFixed(1)}`, follows = at > 0 && s.values[at - 1] !== null;
      // A metric measured on some frames only has no neighbours to join: a dot, never a made-up line.
      if (follows || (at < last && s.values[at + 1] !== null)) path += (follows ? "L" : "M") + point;
      else dots += `M${point}h0`;
    });
    const color = colors[i % colors.length];
    $("plot").append(svg("path", { d: dots, fill: "none", stroke: color, "stroke-width": 5, "stroke-linecap": "round", "vector-effect": "non-scaling-stroke" }));
    $("plot").append(svg("path", { d: path, fill: "none", stroke: color, "stroke-width": 1.75, "stroke-linejoin": "round", "vector-effect": "non-scaling-stroke" }));
    const key = make("span", undefined, { className: "key" }), swatch = make("i");
    swatch.style.background = color;
    key.append(swatch, make("span", s.name), make("b"));
    $("plotbar").append(key);
  });
  $("plot").append(svg("line", { id: "cursor", y1: 0, y2: 100, stroke: "#e8e8e8", "stroke-width": 1, "vector-effect": "non-scaling-stroke" }));
  $("plot").onpointerdown = $("plot").onpointermove = (e) => {
    if (!(e.buttons & 1)) return;
    const box = $("plot").getBoundingClientRect();
    seek(Math.round(last * (e.clientX - box.left) / box.width));
  };
}

function cursor() {
  const line = $("cursor"), curve = data.curves[state.curve];
  if (!line || !curve) return;
  const x = 1000 * state.at / Math.max(1, last);
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
  $("plotbar").querySelectorAll("b").forEach((value, i) => {
    const v = curve.series[i].values[state.at];
    value.textContent = v === null ? "–" : v.toPrecision(3);
  });
}

// --- Contact sheet

function sheet() {
  const image = make("img", undefined, { src: "sheet.png", alt: "Contact sheet of the stylized frames; click to go to a frame", loading: "lazy" });
  const s = data.sheet;
  image.onclick = (e) => {
    const box = image.getBoundingClientRect();
    const column = Math.floor(s.columns * (e.clientX - box.left) / box.width);
    const row = Math.floor(s.rows * (e.clientY - box.top) / box.height);
    const at = s.positions[row * s.columns + column];
    if (at !== undefined) { play(false); seek(at); scrollTo({ top: 0, behavior: "smooth" }); }
  };
  $("sheet").prepend(image);
}

function marker() {
  const s = data.sheet;
  const cell = Math.max(0, s.positions.findLastIndex((at) => at <= state.at));
  Object.assign($("here").style, {
    left: `${100 * (cell % s.columns) / s.columns}%`, top: `${100 * Math.floor(cell / s.columns) / s.rows}%`,
    width: `${100 / s.columns}%`, height: `${100 / s.rows}%`,
  });
}

// --- Keys

const keys = [
  ["space", "play, pause", " ", () => play(!state.playing)],
  ["← →", "one frame", "ArrowLeft", () => { play(false); seek(state.at - 1); }],
  ["", "", "ArrowRight", () => { play(false); seek(state.at + 1); }],
  ["page up, down", "ten frames", "PageUp", () => seek(state.at - 10)],
  ["", "", "PageDown", () => seek(state.at + 10)],
  ["home, end", "first, last", "Home", () => seek(0)],
  ["", "", "End", () => seek(last)],
  ["1 – 9", "choose a picture", "", null],
  ["x", "swap the two pictures", "x", () => choose({ view: state.other, other: state.view })],
  ...Object.entries(modes).map(([name, mode]) => [mode.key, mode.label.toLowerCase(), mode.key, () => choose({ mode: name })]),
  ["+ −", "zoom, as the wheel", "+", () => zoomBy(1)],
  ["", "", "-", () => zoomBy(-1)],
  ["f", "fit", "f", () => { state.zoom = "fit"; size(); }],
];

function keyboard() {
  for (const [name, meaning] of keys.filter((k) => k[0])) {
    const term = make("dt");
    term.append(make("kbd", name));
    $("keys").append(term, make("dd", meaning));
  }
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target === $("frame") || e.target.tagName === "SELECT") return;
    if (e.target.tagName === "BUTTON" && e.key === " ") return; // presses the button
    if (e.target.type === "range" && /^(Arrow|Page|Home|End)/.test(e.key)) return; // moves the slider
    const bound = keys.find((k) => k[2] && k[2] === e.key), view = data.views[Number(e.key) - 1];
    if (bound) bound[3]();
    else if (view) choose({ view: view.key });
    else return;
    e.preventDefault();
  });
}

function start() {
  $("shot").textContent = data.shot;
  $("subtitle").textContent = data.subtitle;
  for (const file of data.files) $("files").append(make("a", file.name, { href: file.href }));
  $("origin").hidden = !data.provenance.length;
  for (const [key, value] of data.provenance) $("provenance").append(make("dt", key), make("dd", value));
  const radio = (key, label, title, onclick) => {
    const button = make("button", label, { title, onclick });
    button.dataset.key = key;
    button.setAttribute("role", "radio");
    return button;
  };
  data.views.forEach((view, i) => {
    $("views").append(radio(view.key, view.label, `key ${i + 1}`, () => choose({ view: view.key })));
    $("other").append(make("option", view.label, { value: view.key }));
  });
  for (const [name, mode] of Object.entries(modes)) $("modes").append(radio(name, mode.label, `key ${mode.key}`, () => choose({ mode: name })));
  for (const z of zooms) $("zoom").append(make("option", z === "fit" ? "fit" : `${100 * z} %`, { value: z }));
  for (const canvas of [$("first"), $("second")]) { Object.assign(canvas, { width: data.width, height: data.height }); canvas.setAttribute("role", "img"); }
  $("scrub").max = last;
  $("scrub").oninput = (e) => { play(false); seek(Number(e.target.value)); };
  $("back").onclick = () => { play(false); seek(state.at - 1); };
  $("on").onclick = () => { play(false); seek(state.at + 1); };
  $("play").onclick = () => play(!state.playing);
  $("frame").onchange = (e) => {
    const wanted = Number(e.target.value);
    if (Number.isFinite(wanted)) { play(false); seek(data.frames.reduce((best, f, i) => Math.abs(f - wanted) < Math.abs(data.frames[best] - wanted) ? i : best, 0)); }
    e.target.value = data.frames[state.at];
  };
  $("other").onchange = (e) => choose({ other: e.target.value });
  $("zoom").onchange = (e) => { state.zoom = e.target.value === "fit" ? "fit" : Number(e.target.value); size(); };
  $("paper").onchange = (e) => { for (const option of e.target.options) $("canvas").classList.toggle(option.value, option.selected); };
  $("amount").oninput = (e) => { modes[state.mode].value = Number(e.target.value); compose(); };
  addEventListener("resize", () => size());
  dragging();
  keyboard();
  metrics();
  plot();
  sheet();
  compose();
  seek(Math.floor(last / 2));
}
start();
