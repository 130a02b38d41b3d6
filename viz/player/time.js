// How does time pass? By operation, by step, by itself; the strip shows all steps at a glance.

function go(p, spoken = true) {
  position = Math.max(0, Math.min(end(), Math.round(p)));
  $("time").value = position;
  const back = position > data.count, [b, n] = active[position] ?? [];
  $("phase").textContent = back ? `backward ${position - data.count} / ${end() - data.count}`
    : `forward ${position} / ${data.count}`;
  $("time").setAttribute("aria-valuetext", $("phase").textContent);
  const rules = b === undefined ? [] : data.ops[shapeOf(b).nodes[n].op]?.rules ?? [];
  const still = position ? "The loss passes no gradient on."
    : "Only what is given is there. Press play.";
  const text = b === undefined ? still :
    [blocks[b].scope || "outside of time", shapeOf(b).nodes[n].label.replaceAll("\n", " "),
     back ? rules.slice(1).join(", ") : rules[0]].filter(Boolean).join("  ·  ");
  $("now").setAttribute("aria-live", spoken ? "polite" : "off");
  $("now").textContent = text;
  if (b !== undefined) sight(...where(b, n));  // what is being done stays in sight
  ask();
}

function step(by) {  // through one time step, to its last operation in that direction
  const column = (q) => (active[q] ? blocks[active[q][0]].column : -1);
  let p = Math.max(0, Math.min(end(), position + by));
  while (p > 0 && p < end() && column(p + by) === column(p)) p += by;
  go(p);
}

let playing = 0, clock = 0, owed = 0, ticking = 0;
function play(on = !playing) {
  if (on && position >= end()) go(0);
  playing = on ? Math.max(8, end() / 30) : 0;  // operations per second
  $("play").textContent = on ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
  clock = performance.now();
  cancelAnimationFrame(ticking);
  if (on) ticking = requestAnimationFrame(tick);
}

function tick(now) {
  owed += ((now - clock) / 1000) * playing * Number($("speed").value);
  clock = now;
  if (owed >= 1) { go(position + Math.floor(owed), false); owed %= 1; }
  if (position >= end()) play(false);
  else ticking = requestAnimationFrame(tick);
}

// -- the strip -----------------------------------------------------------------------------------

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
      pen.fillStyle = now === 2 ? colour(level(best.norm), dark()) : fills[now];
      const y = rowsOf.indexOf(block.row) * h;
      pen.fillRect(i * w, y, Math.max(w - (w > 6 ? 1 : 0), 0.7), h - 0.5);
    }
  });
  const at = active[position], i = at ? steps.indexOf(blocks[at[0]].column) : -1;
  pen.fillStyle = of("--accent");
  if (i >= 0) pen.fillRect(i * w, 18, Math.max(w, 4), 4);
  pen.fillStyle = of("--soft");
  pen.font = "10px Helvetica, Arial, sans-serif";
  const round = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];
  const every = round.find((n) => n * w > 34) ?? steps.length;
  steps.forEach((c, j) => {
    const {t, label: name} = columns[c], text = w > 20 ? `${t} ${brief(name, w / 8 - 3)}` : t;
    if (j % every === 0) pen.fillText(text, j * w + 2, 30);
  });
}

function stripStep(event) {
  if (event.buttons !== 1 || !steps.length) return;
  const i = Math.floor((event.offsetX / $("strip").clientWidth) * steps.length);
  const {x, size, line} = columns[steps[Math.max(0, Math.min(steps.length - 1, i))]];
  sight(x + size / 2, line * pitch + data.height / 2, Infinity);
}
$("strip").onpointerdown = (event) => {
  $("strip").setPointerCapture(event.pointerId);
  stripStep(event);
};
$("strip").onpointermove = stripStep;
