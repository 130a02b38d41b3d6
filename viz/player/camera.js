// What part of the picture is in sight, and which of its cells are open?

const READABLE = 0.5, DETAIL = 0.3;  // scales at which labels, and at which nodes can be told apart
const FEW = 4;  // steps that open in every detail, however small

let fitted = true;  // until the reader moves the picture

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
  fitted = true;
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
  fitted = false;
  if (crossed) redraw();
  else ask(true);
}

function move(dx, dy) {
  camera.x += dx;
  camera.y += dy;
  fitted = false;
  ask(true);
}

function sight(x, y, margin = 25) {  // a point of the picture comes to the middle if it is outside
  const at = [x * camera.k + camera.x, y * camera.k + camera.y];
  const [dx, dy] = [graph.clientWidth, graph.clientHeight].map((size, k) =>
    (at[k] < margin || at[k] > size - margin ? size / 2 - at[k] : 0));
  if (dx || dy) move(dx, dy);
}

function toggle(b, whole = false, open = closed(b)) {  // a cell, or all of its time step
  const {column} = blocks[b], before = columns[column].x * camera.k + camera.x;
  for (const one of whole ? inColumn[column] : [b]) blocks[one].open = open;
  layout(lines);
  camera.x = before - columns[column].x * camera.k;
  redraw();
}

function all(open) {
  openSome(() => open);
  fit();
}

// -- by hand: one finger or the mouse drags, two fingers drag and zoom ---------------------------

const fingers = new Map();
let moved = 0;

function grip() {  // the middle of all fingers, and how far they are apart
  const [a, b = a] = [...fingers.values()];
  return {x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2,
          far: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)};
}

graph.onpointerdown = (event) => {
  if (!fingers.size) moved = 0;
  if (fingers.size < 2) fingers.set(event.pointerId, event);
};
graph.onpointermove = (event) => {
  if (!fingers.has(event.pointerId)) return;
  const was = grip();
  fingers.set(event.pointerId, event);
  const now = grip(), around = graph.getBoundingClientRect();
  moved += Math.hypot(now.x - was.x, now.y - was.y) + Math.abs(now.far - was.far);
  if (moved > 4) graph.setPointerCapture(event.pointerId);
  move(now.x - was.x, now.y - was.y);
  if (was.far) zoom(now.far / was.far, now.x - around.left, now.y - around.top);
};
const lift = (event) => fingers.delete(event.pointerId);
addEventListener("pointerup", lift);  // wherever it happens
addEventListener("pointercancel", lift);
graph.addEventListener("click", (event) => { if (moved > 4) event.stopPropagation(); }, true);
graph.addEventListener("wheel", (event) => {
  if (window !== window.parent && !event.ctrlKey) return;  // inside a notebook the wheel scrolls it
  event.preventDefault();
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    move(-(event.deltaX || event.deltaY), 0);
  } else zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
}, {passive: false});

new ResizeObserver(() => {
  if (matchMedia("print").matches) return;  // paper gets what was on the screen, as large as it can
  graph.setAttribute("viewBox", `0 0 ${graph.clientWidth} ${graph.clientHeight}`);
  if (fitted) fit();
  else ask(true);
}).observe(graph);
