"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const colors = ["#8fa3b8", "#6fb38a", "#e8a33d", "#c97fb0", "#7f9fe0"];
const state = { at: 0, view: data.views[0].key, other: "", split: 0.5, timer: 0, curve: 0, region: 0 };

function make(tag, text, properties) {
  const node = Object.assign(document.createElement(tag), properties || {});
  if (text !== undefined) node.textContent = text;
  return node;
}
const url = (view, at) => `frames/${view}/${data.frames[at]}.${data.views.find((v) => v.key === view).ext}`;

function draw() {
  $("base").src = url(state.view, state.at);
  $("base").alt = `${state.view}, frame ${data.frames[state.at]}`;
  const wipe = state.other !== "";
  $("top").hidden = $("split").hidden = !wipe;
  if (wipe) {
    $("top").src = url(state.other, state.at);
    $("top").style.clipPath = `inset(0 0 0 ${100 * state.split}%)`;
    // Layers are transparent: without this the base would show through the half that is wiped away.
    $("base").style.clipPath = `inset(0 ${100 - 100 * state.split}% 0 0)`;
    $("split").style.left = `calc(${100 * state.split}% - 1px)`;
  } else {
    $("base").style.clipPath = "";
  }
  $("scrub").value = state.at;
  $("frame").textContent = `frame ${data.frames[state.at]}`;
  for (const b of $("views").children) b.setAttribute("aria-checked", b.dataset.key === state.view);
  cursor();
  for (const step of [1, -1, 2]) {
    const near = state.at + step;
    if (near >= 0 && near < data.frames.length) new Image().src = url(state.view, near);
  }
}

function seek(at) { state.at = Math.max(0, Math.min(data.frames.length - 1, at)); draw(); }

function play(on) {
  clearInterval(state.timer);
  state.timer = on ? setInterval(() => seek((state.at + 1) % data.frames.length), 1000 / data.fps) : 0;
  $("play").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", on);
}

function zoom() {
  const z = $("zoom").value, fit = z === "fit";
  $("canvas").className = fit ? "fit" : "";
  const k = fit ? Math.min($("stage").clientWidth / data.width, $("stage").clientHeight / data.height) : Number(z);
  for (const image of [$("base"), $("top")]) { image.width = data.width * k; image.height = data.height * k; }
}

function metrics() {
  if (!data.metrics.length) {
    $("metrics").append(make("p", "This shot has no truth to be measured against. Set `reference` in shot.yaml.", { className: "none" }));
    return;
  }
  data.metrics.forEach((block, i) => {
    const tab = make("button", block.region, { onclick: () => { state.region = i; metricTable(); } });
    tab.setAttribute("role", "tab");
    $("regions").append(tab);
  });
  metricTable();
}

function metricTable() {
  const block = data.metrics[state.region];
  [...$("regions").children].forEach((tab, i) => tab.setAttribute("aria-selected", i === state.region));
  const table = make("table"), head = make("tr");
  head.append(make("th", "method"), ...block.columns.map((c) => make("th", c.label, { title: c.meaning })));
  table.append(head);
  for (const row of block.rows) {
    const tr = make("tr");
    tr.append(make("td", row.method), ...row.cells.map((c) => make("td", c.text, { className: c.best ? "best" : "" })));
    table.append(tr);
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
  $("plot").replaceChildren();
  $("plotbar").replaceChildren();
  if (!curve) { $("plot").remove(); return; }
  const values = curve.series.flatMap((s) => s.values).filter((v) => v !== null);
  const low = Math.min(...values), span = Math.max(...values) - low || 1, last = Math.max(1, data.frames.length - 1);
  const choose = make("select", undefined, { onchange: (e) => { state.curve = Number(e.target.value); plot(); cursor(); } });
  data.curves.forEach((c, i) => choose.append(make("option", c.label, { value: i, selected: i === state.curve })));
  choose.setAttribute("aria-label", "Curve");
  $("plotbar").append(choose, make("span", `${low.toPrecision(3)} to ${(low + span).toPrecision(3)}`, { className: "key" }));
  curve.series.forEach((s, i) => {
    let path = "", pen = "M";
    s.values.forEach((v, x) => {
      if (v === null) { pen = "M"; return; }
      path += `${pen}${(1000 * x / last).toFixed(1)} ${(112 - 104 * (v - low) / span).toFixed(1)}`;
      pen = "L";
    });
    const color = colors[i % colors.length];
    $("plot").append(svg("path", { d: path, fill: "none", stroke: color, "stroke-width": 2, "vector-effect": "non-scaling-stroke" }));
    const key = make("span", undefined, { className: "key" }), swatch = make("i");
    swatch.style.background = color;
    key.append(swatch, make("span", s.name));
    $("plotbar").append(key);
  });
  $("plot").append(svg("line", { id: "cursor", y1: 0, y2: 120, stroke: "#e6e4df", "vector-effect": "non-scaling-stroke" }));
  $("plot").onclick = (e) => {
    const box = $("plot").getBoundingClientRect();
    seek(Math.round(last * (e.clientX - box.left) / box.width));
  };
}

function cursor() {
  const line = $("cursor"), x = 1000 * state.at / Math.max(1, data.frames.length - 1);
  if (line) { line.setAttribute("x1", x); line.setAttribute("x2", x); }
}

function start() {
  $("shot").textContent = data.shot;
  $("subtitle").textContent = data.subtitle;
  for (const file of data.files) $("files").append(make("a", file.name, { href: file.href }));
  data.views.forEach((view, i) => {
    const button = make("button", view.label, { title: `key ${i + 1}`, onclick: () => { state.view = view.key; draw(); } });
    button.dataset.key = view.key;
    button.setAttribute("role", "radio");
    $("views").append(button);
    $("other").append(make("option", view.label, { value: view.key }));
  });
  for (const [key, value] of data.provenance) $("provenance").append(make("dt", key), make("dd", value));
  $("scrub").max = data.frames.length - 1;
  $("scrub").oninput = (e) => seek(Number(e.target.value));
  $("play").onclick = () => play(!state.timer);
  $("other").onchange = (e) => { state.other = e.target.value; draw(); };
  $("zoom").onchange = zoom;
  $("paper").onchange = (e) => { $("stage").className = e.target.value; };
  $("canvas").onpointerdown = $("canvas").onpointermove = (e) => {
    if (!state.other || !(e.buttons & 1)) return;
    const box = $("canvas").getBoundingClientRect();
    state.split = Math.max(0, Math.min(1, (e.clientX - box.left) / box.width));
    draw();
  };
  const sheet = make("img", undefined, { src: "sheet.png", alt: "Contact sheet of the stylized frames", loading: "lazy" });
  sheet.onclick = (e) => {
    const box = sheet.getBoundingClientRect(), s = data.sheet;
    const column = Math.floor(s.columns * (e.clientX - box.left) / box.width);
    const row = Math.floor(s.rows * (e.clientY - box.top) / box.height);
    if (s.positions[row * s.columns + column] !== undefined) seek(s.positions[row * s.columns + column]);
  };
  $("sheet").append(sheet);
  addEventListener("keydown", (e) => {
    if (["SELECT", "INPUT"].includes(e.target.tagName) && e.key !== " ") return;
    const jump = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[e.key];
    if (jump) { play(false); seek(state.at + jump); }
    else if (e.key === "Home") seek(0);
    else if (e.key === "End") seek(data.frames.length - 1);
    else if (e.key === " ") play(!state.timer);
    else if (data.views[Number(e.key) - 1]) { state.view = data.views[Number(e.key) - 1].key; draw(); }
    else return;
    e.preventDefault();
  });
  addEventListener("resize", zoom);
  metrics();
  plot();
  zoom();
  seek(Math.floor(data.frames.length / 2));
}
start();
