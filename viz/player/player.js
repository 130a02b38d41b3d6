// How does a reader move through time and picture?

// -- the strip: every step at a glance -----------------------------------------------------------

const rowsOf = [...new Set(blocks.filter((x) => x.kind === "step").map((x) => x.row))];
rowsOf.sort((i, j) => i - j);

function strip() {
  const canvas = $("strip"), wide = canvas.clientWidth, pen = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name), ratio = devicePixelRatio || 1;
  const w = wide / Math.max(steps.length, 1), h = 18 / Math.max(rowsOf.length, 1);
  canvas.width = wide * ratio;
  canvas.height = 30 * ratio;
  pen.scale(ratio, ratio);
  const fills = {0: of("--bar"), 1: of("--idle"), 3: of("--paper"), 4: of("--broken")};
  steps.forEach((c, i) => {
    for (const b of inColumn[c]) {
      const block = blocks[b], best = block.best ?? {came: null};
      const now = look({...best, born: block.done}, position);
      pen.fillStyle = now === 2 ? colour(best.norm) : fills[now];
      const y = rowsOf.indexOf(block.row) * h;
      pen.fillRect(i * w, y, Math.max(w - (w > 6 ? 1 : 0), 0.7), h - 0.5);
    }
  });
  const at = active[position], i = at ? steps.indexOf(blocks[at[0]].column) : -1;
  pen.fillStyle = of("--accent");
  if (i >= 0) pen.fillRect(i * w, 18, Math.max(w, 4), 4);
  pen.fillStyle = pen.strokeStyle = of("--soft");
  pen.font = "10px Helvetica, Arial, sans-serif";
  const round = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];
  const every = round.find((n) => n * w > 34) ?? steps.length;
  steps.forEach((c, j) => {
    const {t, label: name} = columns[c];
    if (j % every === 0) pen.fillText(name && w > 20 ? `${t} ${name}` : t, j * w + 2, 30);
  });
}

function stripStep(event) {
  if (event.buttons !== 1 || !steps.length) return;
  const i = Math.floor((event.offsetX / $("strip").clientWidth) * steps.length);
  center(steps[Math.max(0, Math.min(steps.length - 1, i))]);
}
$("strip").onpointerdown = (event) => {
  $("strip").setPointerCapture(event.pointerId);
  stripStep(event);
};
$("strip").onpointermove = stripStep;

// -- camera --------------------------------------------------------------------------------------

function fit() {  // as many lines as make it largest; a very long one runs off to the right
  const [wide, high] = [graph.clientWidth, graph.clientHeight];
  let best = {n: 1, k: 0};
  for (let n = 1; n <= 6; n++) {
    layout(n);
    const k = Math.min(wide / (world.width + MARGIN), high / (world.height + MARGIN), 2);
    if (k > best.k * 1.15) best = {n, k};
  }
  if (best.k < DETAIL) best = {n: 1, k: Math.min(1.3, high / (data.height + 2 * MARGIN))};
  layout(best.n);
  const left = world.width * best.k < wide ? (wide - world.width * best.k) / 2 : MARGIN;
  Object.assign(camera, {k: best.k, x: left, y: Math.max(4, (high - world.height * best.k) / 2)});
  redraw();
}

function redraw() {
  for (const {parts} of drawn.values()) parts.forEach((g) => g.remove());
  drawn.clear();
  ask(true);
}

function zoom(factor, x = graph.clientWidth / 2, y = graph.clientHeight / 2) {
  const k = Math.min(8, Math.max(0.02, camera.k * factor)), by = k / camera.k;
  const crossed = camera.k < TINY !== k < TINY;
  Object.assign(camera, {k, x: x - (x - camera.x) * by, y: y - (y - camera.y) * by});
  if (crossed) redraw();
  else ask(true);
}

function center(c) {
  const {x, size, line} = columns[c];
  camera.x = graph.clientWidth / 2 - (x + size / 2) * camera.k;
  const y = line * pitch * camera.k + camera.y;
  if (y < -9 || y + data.height * camera.k > graph.clientHeight + 9)
    camera.y = graph.clientHeight / 2 - (line * pitch + data.height / 2) * camera.k;
  ask(true);
}

function toggle(c, open = !columns[c].open) {
  const before = columns[c].x * camera.k + camera.x;
  columns[c].open = open;
  layout(lines);
  camera.x = before - columns[c].x * camera.k;
  redraw();
}

function all(open) {
  openSome(() => open);
  fit();
}

const fingers = new Map();
let pinch = 0, moved = 0;
graph.onpointerdown = (event) => { fingers.set(event.pointerId, event); moved = 0; pinch = 0; };
graph.onpointermove = (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  fingers.set(event.pointerId, event);
  moved += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
  if (moved > 4) graph.setPointerCapture(event.pointerId);
  if (fingers.size === 2) {
    const [a, b] = [...fingers.values()], at = graph.getBoundingClientRect();
    const far = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    const middle = [(a.clientX + b.clientX) / 2 - at.left, (a.clientY + b.clientY) / 2 - at.top];
    if (pinch) zoom(far / pinch, ...middle);
    pinch = far;
  } else {
    camera.x += event.clientX - before.clientX;
    camera.y += event.clientY - before.clientY;
    ask(true);
  }
};
graph.onpointerup = graph.onpointercancel = (event) => {
  fingers.delete(event.pointerId);
  pinch = 0;
};
graph.addEventListener("click", (event) => { if (moved > 4) event.stopPropagation(); }, true);
graph.addEventListener("wheel", (event) => {
  if (window !== window.parent && !event.ctrlKey) return;  // inside a notebook the wheel scrolls it
  event.preventDefault();
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    camera.x -= event.deltaX || event.deltaY;
    ask(true);
  } else zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
}, {passive: false});

// -- cards ---------------------------------------------------------------------------------------

const label = (b, n) => shapeOf(b).nodes[n].label.split("\n")[0] || "state";

function card(title, rows, event) {
  const made = $("card"), around = made.parentElement.getBoundingClientRect();
  made.replaceChildren();
  html("b", title, made);
  const list = html("dl", "", made);
  for (const [term, text] of rows) if (text) { html("dt", term, list); html("dd", text, list); }
  made.hidden = false;
  const at = event ?? (() => {
    const seen = document.activeElement.getBoundingClientRect();
    return {clientX: seen.right, clientY: seen.bottom};
  })();
  const x = at.clientX - around.left + 16, y = at.clientY - around.top + 16;
  const [wide, high] = [made.offsetWidth, made.offsetHeight];
  made.style.left = `${Math.max(0, x + wide < around.width ? x : x - wide - 32)}px`;
  made.style.top = `${Math.max(0, Math.min(y, around.height - high))}px`;
}
const hideCard = () => { $("card").hidden = true; };
$("inside").addEventListener("pointerout", hideCard);
$("wires").addEventListener("pointerout", hideCard);

function gradientText(x) {
  if (x.came === null) return position > data.count ? "none flows here" : "";
  if (position >= data.count + x.came) return written(x.norm);
  return position > data.count ? "has not arrived" : "";
}

function nodeCard(b, k, event) {
  const node = shapeOf(b).nodes[k], block = blocks[b], x = block.nodeTimes[k];
  const op = data.ops[node.op], stats = statistics(b, k);
  let value = stats ? "not yet" : "";
  if (stats && position >= x.born) {
    const [low, mean, high] = stats.map((one) => written(one));
    value = low === high ? low : `${low} … ${high}, mean ${mean}`;
  }
  card(node.label.replaceAll("\n", " "), [
    ["name", node.name], ["operation", op?.name],
    ["shape", `${node.note || "scalar"} ${node.dtype ?? ""}`],
    ["scope", op && [block.scope, node.scope].filter(Boolean).join(" · ")],
    ["value", value],
    ["NaN", stats?.[3] && String(stats[3])],
    ["‖gradient‖", gradientText(x)],
    ...(op?.rules ?? []).map((rule, i) => [i ? "\u00a0" : "rule", rule]),
  ], event);
}

const edgeCard = (title, x, event) =>
  card(title, [["‖gradient‖", gradientText(x) || "in the backward pass"]], event);

// -- where the gradient of a node goes, and search -----------------------------------------------

let into = null;  // links by where they end
function trace(from) {
  into ??= links.reduce((map, {ends: [a, n, b, m]}, k) => {
    const key = `${b}.${m}`;
    return map.set(key, [...(map.get(key) ?? []), [`${a}.${n}`, k]]);
  }, new Map());
  const start = traced?.from === from ? null : from;
  const seen = new Set([start]), todo = start ? [start] : [];
  while (todo.length) {
    const key = todo.pop(), [b, n] = key.split(".").map(Number);
    const back = shapeOf(b).edges.flatMap(({ends}, k) =>
      (ends[1] === n && blocks[b].edgeTimes[k].came !== null ? [`${b}.${ends[0]}`] : []));
    for (const [tail, k] of into.get(key) ?? []) if (links[k].times.came !== null) back.push(tail);
    for (const tail of back) if (!seen.has(tail)) { seen.add(tail); todo.push(tail); }
  }
  traced = start && {from: start, seen};
  markTraced();
}

function markTraced() {
  graph.classList.toggle("tracing", traced !== null);
  if (traced) for (const {items, parts} of drawn.values()) {
    let any = false;
    for (const {el, keys} of items) {
      const on = keys.every((key) => traced.seen.has(key));
      el.classList.toggle("traced", on);
      any ||= on;
    }
    if (parts[1]?.classList.contains("bar")) parts[1].classList.toggle("traced", any);
  }
  for (const [b, n] of hits)
    document.querySelector(`[data-node="${b}.${n}"]`)?.classList.add("hit");
}

function search(word) {
  document.querySelectorAll(".hit").forEach((el) => el.classList.remove("hit"));
  hits = [];
  hit = -1;
  word = word.trim().toLowerCase();
  if (word) {
    const exact = (n) => (n.name ?? "").toLowerCase() === word, known = (n) => data.ops[n.op]?.name;
    const match = (n) => `${n.label} ${n.name} ${known(n)}`.toLowerCase().includes(word);
    const strict = shapes.some((s) => s.nodes.some(exact));  // f finds the gate, not all with an f
    blocks.forEach((block, b) => {
      const place = `${block.title} ${block.scope} ${columns[block.column].label}`.toLowerCase();
      const here = word.length > 1 && place.includes(word);
      const wanted = (n) => (strict ? exact(n) : match(n) || (here && n.op !== undefined));
      shapeOf(b).nodes.forEach((node, n) => {
        if (node.kind !== "port" && wanted(node)) hits.push([b, n]);
      });
    });
  }
  $("found").textContent = word ? `${hits.length} found` : "";
  markTraced();
}

function next() {
  if (!hits.length) return;
  hit = (hit + 1) % hits.length;
  const {column} = blocks[hits[hit][0]];
  if (isStep(column) && !columns[column].open) toggle(column, true);
  center(column);
  $("found").textContent = `${hit + 1} of ${hits.length}`;
}

// -- time ----------------------------------------------------------------------------------------

function go(p, spoken = true) {
  position = Math.max(0, Math.min(end(), Math.round(p)));
  $("time").value = position;
  const back = position > data.count, [b, n] = active[position] ?? [];
  $("phase").textContent = back ? `backward ${position - data.count} / ${end() - data.count}`
    : `forward ${position} / ${data.count}`;
  $("time").setAttribute("aria-valuetext", $("phase").textContent);
  const rules = b === undefined ? [] : data.ops[shapeOf(b).nodes[n].op]?.rules ?? [];
  const text = b === undefined ? (position ? "" : "Only what is given is there. Press play.") :
    [blocks[b].scope || "outside of time", shapeOf(b).nodes[n].label.replaceAll("\n", " "),
     back ? rules.slice(1).join(", ") : rules[0]].filter(Boolean).join("  ·  ");
  $("now").setAttribute("aria-live", spoken ? "polite" : "off");
  $("now").textContent = text;
  if (b !== undefined) follow(b, n);
  ask();
}

function follow(b, n) {  // what is being done stays in sight
  const at = box(b), [x, y] = shapeOf(b).nodes[n].at;
  const here = [at.open ? at.left + x : at.x + BAR / 2, at.base + y];
  const sizes = [graph.clientWidth, graph.clientHeight];
  ["x", "y"].forEach((axis, k) => {
    const of = here[k], size = sizes[k];
    const seen = of * camera.k + camera[axis];
    if (seen > 25 && seen < size - 25) return;
    camera[axis] = size / 2 - of * camera.k;
    ask(true);
  });
}

function step(by) {  // through one time step, to its last operation in that direction
  const column = (q) => (active[q] ? blocks[active[q][0]].column : -1);
  let p = Math.max(0, Math.min(end(), position + by));
  while (p > 0 && p < end() && column(p + by) === column(p)) p += by;
  go(p);
}

let playing = 0, clock = 0;
function play(on = !playing) {
  if (on && position >= end()) go(0);
  playing = on ? Math.max(8, end() / 30) : 0;  // operations per second
  $("play").textContent = on ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
  clock = performance.now();
  if (on) requestAnimationFrame(tick);
}

let owed = 0;
function tick(now) {
  if (!playing) return;
  owed += ((now - clock) / 1000) * playing * Number($("speed").value);
  clock = now;
  if (owed >= 1) { go(position + Math.floor(owed), false); owed %= 1; }
  if (position >= end()) play(false);
  else requestAnimationFrame(tick);
}

// -- controls ------------------------------------------------------------------------------------

function legend() {
  const {low, high} = data.sweeps[sweep], made = $("legend"), span = high - low;
  made.replaceChildren();
  html("span", "‖∂loss/∂value‖", made);
  const sample = (text, style) => {
    const one = html("span", "", made);
    Object.assign(html("i", "", one).style, style);
    one.append(text);
  };
  const powers = new Set([0, 0.25, 0.5, 0.75, 1].map((f) => Math.round(low + f * span)));
  for (const power of powers) {
    const norm = 10 ** power;
    sample(`1e${power}`, {borderTop: `${1 + 3.6 * level(norm)}px solid ${colour(norm)}`});
  }
  sample("exactly zero", {borderTop: "2px dashed var(--zero)"});
  sample("no gradient", {borderTop: "2px dotted var(--idle)"});
  const broken = (x) => x.came !== null && !Number.isFinite(Number(x.norm));
  if (blocks.some((x) => x.edgeTimes.some(broken) || x.nodeTimes.some(broken)))
    sample("NaN or ∞", {borderTop: "5px solid var(--broken)"});
  html("span", "dashed: not computed yet · a … b: smallest and largest value, ⌀ mean", made);
}

function paintAll() {
  for (const {items} of drawn.values()) for (const item of items) item.was = -1;
  const looks = LOOKS.slice(1), any = looks.map((name) => `.${name}`).join();
  document.querySelectorAll(any).forEach((el) => el.classList.remove(...looks));
  legend();
  ask(true);
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  paintAll();
}

function choose(k) {
  sweep = k;
  $("sweep").value = k;
  unfold();
  $("time").max = end();
  traced = null;
  legend();
  redraw();
  go(position);
}

const KEYS = {
  " ": () => play(), ArrowRight: () => go(position + 1), ArrowLeft: () => go(position - 1),
  Home: () => go(0), End: () => go(end()),
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), f: fit,
  e: () => all(true), c: () => all(false), "/": () => $("search").focus(),
  Escape: () => { hideCard(); traced = null; markTraced(); },
};
addEventListener("keydown", (event) => {
  const here = event.target, writes = here.matches("#search, select");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (here.id === "search" && event.key === "Enter") return next();
  if (here.id === "search" && event.key === "Escape") return here.blur();
  if (writes || (here.matches("button") && event.key === " ")) return;
  if (event.key === "Enter" && here.dataset.node) return trace(here.dataset.node);
  const by = event.shiftKey && {ArrowRight: 1, ArrowLeft: -1}[event.key];
  const act = by ? () => step(by) : KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
});
$("time").oninput = () => { play(false); go(Number($("time").value)); };
$("play").onclick = () => play();
$("expand").onclick = () => all(true);
$("collapse").onclick = () => all(false);
$("fit").onclick = fit;
$("theme").onclick = () => theme(dark() ? "light" : "dark");
$("search").oninput = () => search($("search").value);
data.sweeps.forEach((one, k) => { html("option", one.name, $("sweep")).value = k; });
$("sweep").parentElement.hidden = data.sweeps.length < 2;
$("sweep").onchange = () => choose(Number($("sweep").value));
const night = matchMedia("(prefers-color-scheme: dark)");
night.onchange = () => theme(night.matches ? "dark" : "light");
let before = "light";
addEventListener("beforeprint", () => {
  before = document.documentElement.dataset.theme;
  theme("light");
  fit();
  render();
});
addEventListener("afterprint", () => theme(before));
new ResizeObserver(fit).observe(graph);

document.documentElement.dataset.theme = night.matches ? "dark" : "light";
openSome(() => steps.length <= 12);  // few steps in every detail …
fit();
if (steps.length > 12 || camera.k < READABLE) openSome((c) => c === first || c === last);
fit();  // … as long as they can be read
choose(0);
go(Number(location.hash.slice(1)) || 0);
