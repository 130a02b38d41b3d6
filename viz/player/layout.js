// Where does everything stand? Lengths are points, y grows downwards.
// A closed cell is a narrow bar; a time step all of whose cells are closed is as narrow.

const BAR = 38, GAP = 44, NEAR = 20, MARGIN = 12;  // a bar, between steps, between bars, around
const LANE = 6;  // between edges that run side by side

const inColumn = columns.map(() => []);
blocks.forEach((block, b) => inColumn[block.column].push(b));
const linksOf = blocks.map(() => []);
links.forEach(({ends: [a, , b]}, k) => {
  linksOf[a].push(k);
  if (a !== b) linksOf[b].push(k);
});
const steps = columns.map((_, c) => c).filter(isStep);
const first = steps[0] ?? 0, last = steps.at(-1) ?? -1;
const closed = (b) => blocks[b].kind === "step" && !blocks[b].open;
const narrow = (c) => isStep(c) && inColumn[c].every(closed);
const openSome = (some) => {
  for (const c of steps) for (const b of inColumn[c]) blocks[b].open = some(c);
};

let lines = 1, pitch = 0, world = {width: 0, height: 0};  // pitch: from line to line

function layout(n) {
  const gap = (c) => (narrow(c) && c + 1 < columns.length && narrow(c + 1) ? NEAR : GAP);
  columns.forEach((column, c) => { column.size = narrow(c) ? BAR : column.width; });
  const limit = steps.reduce((sum, c) => sum + columns[c].size + gap(c), 0) / n;
  let line = 0, run = 0;
  columns.forEach((column, c) => {
    if (isStep(c)) {
      if (line < n - 1 && run > 0 && run + column.size / 2 > limit) { line++; run = 0; }
      run += column.size + gap(c);
    }
    column.line = line;
  });
  const side = LANE * lanes();
  pitch = data.height + 34 + side;
  let x = MARGIN, right = 0;
  columns.forEach((column, c) => {
    if (c === first && isStep(c)) x += side;
    if (isStep(c) && c > first && column.line !== columns[c - 1].line) x = columns[first].x;
    if (c === last + 1) x = Math.max(x, right) + side;
    column.x = x;
    x += column.size + gap(c);
    right = Math.max(right, x);
  });
  world = {width: right - GAP + MARGIN, height: line * pitch + data.height};
  lines = n;
}

function lanes() {  // edges from line to line get a lane each between the two; how many at most?
  const between = new Map();
  for (const link of links) {
    const [a, n, b, m] = link.ends, lineOf = (block) => columns[blocks[block].column].line;
    link.lane = null;
    if (lineOf(a) === lineOf(b)) continue;
    const [upper, k, lower] = lineOf(a) < lineOf(b) ? [a, n, b] : [b, m, a];
    const above = isStep(blocks[upper].column) ? lineOf(upper) : lineOf(lower) - 1;
    const edges = between.get(above) ?? between.set(above, new Map()).get(above);
    // what goes to or from outside of time is one edge, wherever it is joined
    const both = [upper, lower].every((block) => blocks[block].kind === "step");
    const edge = both ? `${upper}.${k}` : link.floor ?? `${lower}`;
    const y = blocks[upper].y + shapeOf(upper).nodes[k].at[1];
    if (!edges.has(edge)) edges.set(edge, {above, y});
    link.lane = edges.get(edge);
  }
  let most = 0;
  for (const edges of between.values()) {
    // from the top: the upper of two leaves outside of the lower, and comes in inside of it
    const sorted = [...edges.values()].sort((v, w) => v.y - w.y);
    sorted.forEach((lane, k) => Object.assign(lane, {inner: k, outer: sorted.length - 1 - k}));
    most = Math.max(most, sorted.length);
  }
  return most;
}

function box(b) {
  const block = blocks[b], column = columns[block.column], dy = column.line * pitch;
  const open = !closed(b), width = open ? column.size : BAR;
  const x = column.x + (column.size - width) / 2;
  return {x, width, open, column, top: block.top + dy, bottom: block.bottom + dy,
          left: x + block.x, base: block.y + dy};
}

function port(b, n, out) {
  const at = box(b), {at: [x, y, w], kind} = shapeOf(b).nodes[n];
  if (!at.open) return [at.x + (out > 0 ? at.width : 0), at.base + y];
  return [at.left + x + (kind === "port" ? 0 : (out * w) / 2), at.base + y];
}

function where(b, n) {  // the middle of a node, or of the bar that it is in
  const at = box(b), {at: [x, y]} = shapeOf(b).nodes[n];
  return [at.open ? at.left + x : at.x + BAR / 2, at.base + y];
}

function rounded(corners) {  // right angles with round corners
  let path = `M${corners[0]}`;
  for (let k = 1; k < corners.length - 1; k++) {
    const at = corners[k], cut = (other) => {
      const [dx, dy] = [other[0] - at[0], other[1] - at[1]], far = Math.abs(dx) + Math.abs(dy);
      const r = far ? Math.min(9, far / 2) / far : 0;
      return [at[0] + dx * r, at[1] + dy * r];
    };
    path += `L${cut(corners[k - 1])}Q${at} ${cut(corners[k + 1])}`;
  }
  return `${path}L${corners.at(-1)}`;
}

function neighbours(a, b) {  // two cells of one step with none between them
  const {column, top} = blocks[a], low = Math.min(top, blocks[b].top);
  const high = Math.max(top, blocks[b].top);
  return column === blocks[b].column && a !== b &&
    !inColumn[column].some((c) => blocks[c].top > low && blocks[c].top < high);
}

function route({ends: [a, n, b, m], floor, away, lane}) {
  const ba = box(a), bb = box(b), {line} = ba.column;
  const out = blocks[a].mirrored ? -1 : 1, into = blocks[b].mirrored ? -1 : 1;
  const from = port(a, n, out), to = port(b, m, -into);
  if (!ba.open && !bb.open && neighbours(a, b)) {
    const x = ba.x + BAR / 2, up = ba.top > bb.top;
    return `M${x},${up ? ba.top : ba.bottom}L${x},${up ? bb.bottom : bb.top}`;
  }
  if (floor === undefined && !lane) {
    const bend = (to[0] - from[0]) / 2;
    return `M${from}C${from[0] + bend},${from[1]} ${to[0] - bend},${to[1]} ${to}`;
  }
  // out at one side of its column, down or up to the floor, along it, and in at a side again
  const beside = ({x, size}, right, far) => (right ? x + size + far : x - far);
  const apart = 3 * (blocks[b].row % 3);  // the same value to several rows: an edge for each
  const far = ({t, size}, right) => {
    if (lane) return 20 + LANE * (right && t !== undefined ? lane.outer : lane.inner);
    return size > BAR ? away : Math.min(away, NEAR / 2 - 4);
  };
  const xa = beside(ba.column, out > 0, far(ba.column, out > 0) + (lane ? 0 : apart));
  const xb = beside(bb.column, into < 0, far(bb.column, into < 0));
  const y = lane ? data.height + lane.above * pitch + 16 + LANE * lane.outer : floor + line * pitch;
  const corners = [from, [xa, from[1]], [xa, y], [xb, y], [xb, to[1]], to];
  // what many share begins at the shared end, so that the dashes of all fall on each other
  return rounded(blocks[b].kind === "step" ? corners : corners.reverse());
}
