// What does the picture look like at a moment? Only what is near the screen is drawn.

const TINY = 0.12;  // scale below which a closed cell is one colour
const REACH = 60;  // pixels beyond the screen that are drawn
const MANY = 60;  // links of one block that make it an edge of all steps

const graph = $("graph"), camera = {k: 1, x: 0, y: 0};
const drawn = new Map();  // block or "l" + link -> {parts, items}
let position = 0, shown = -1, traced = null, hits = [], hit = -1, focused = "";

function arrow(x, y, dx, dy, name) {  // its tip at x, y, pointing along dx, dy
  const far = Math.hypot(dx, dy) || 1, ux = (dx / far) * 7, uy = (dy / far) * 7;
  const [u, v] = [x - ux, y - uy];
  const d = `M${x},${y}L${u - uy * 0.4},${v + ux * 0.4}L${u + uy * 0.4},${v - ux * 0.4}Z`;
  return {class: `tip ${name}`, d};
}

function drawEdge(b, k, at, parent, items) {
  const {ends, path, kind, arrow: pointed} = shapeOf(b).edges[k];
  const p = path.map((v, i) => v + (i % 2 ? at.base : at.left));
  const n = pointed ? p.length - 2 : p.length;  // the arrow's tip comes last
  const g = svg("g", {class: `edge ${kind}`, "data-edge": `${b}.${k}`}, parent);
  let d = `M${p[0]},${p[1]}C`;
  for (let i = 2; i < n; i += 2) d += `${p[i]},${p[i + 1]} `;
  svg("path", {class: "line", d: pointed ? `${d}L${p[n]},${p[n + 1]}` : d}, g);
  if (pointed) svg("path", arrow(p[n], p[n + 1], p[n] - p[n - 2], p[n + 1] - p[n - 1], "forth"), g);
  if (shapeOf(b).nodes[ends[0]].kind !== "port") {  // the gradient's arrow, at the other end
    let i = 2;
    while (i < n - 2 && Math.hypot(p[i] - p[0], p[i + 1] - p[1]) < 1) i += 2;
    svg("path", arrow(p[0], p[1], p[0] - p[i], p[1] - p[i + 1], "back"), g);
  }
  const x = blocks[b].edgeTimes[k], name = `${label(b, ends[0])} → ${label(b, ends[1])}`;
  items.push({el: g, x, edge: true, keys: ends.map((n) => `${b}.${n}`)});
  g.onpointerenter = (event) => edgeCard(name, x, event);
}

function drawNode(b, k, at, parent, items) {
  const node = shapeOf(b).nodes[k], [x, y, w, h] = node.at, block = blocks[b];
  const transform = `translate(${at.left + x},${at.base + y})`;
  if (node.kind === "port") {
    svg("circle", {transform, r: 1.6, fill: "var(--idle)"}, parent);
    return;
  }
  const g = svg("g", {transform, class: `node k-${node.kind}`, tabindex: 0, role: "img",
                      "data-node": `${b}.${k}`}, parent);
  if (node.kind === "parameter") svg("ellipse", {class: "face", rx: w / 2, ry: h / 2}, g);
  else svg("rect", {class: "face", x: -w / 2, y: -h / 2, width: w, height: h, rx: 5}, g);
  const rows = node.label.split("\n"), high = rows.length * 12 + (node.note ? 9 : 0);
  rows.forEach((row, i) => { svg("text", {y: -high / 2 + 10 + i * 12}, g).textContent = row; });
  const note = svg("text", {class: "note", y: node.note ? high / 2 - 1.5 : h / 2 + 8}, g);
  const value = short(statistics(b, k), node, w);
  items.push({el: g, x: block.nodeTimes[k], note, shape: node.note, value, keys: [`${b}.${k}`]});
  const place = block.title || block.kind;
  g.setAttribute("aria-label", `${node.label}, ${node.note || "scalar"}, ${place}`);
  g.onpointerenter = (event) => nodeCard(b, k, event);
  g.onfocus = () => nodeCard(b, k);
  g.onblur = hideCard;
  g.onclick = () => trace(`${b}.${k}`);
}

function short(stats, node, width) {  // from … to, or the mean, as it fits under the label
  if (!stats || stats[0] === null) return node.note;
  if (stats[3]) return `NaN × ${stats[3]}`;
  const brief = (value) => written(value, 2).replace("0.", ".");
  const [low, mean, high] = stats.slice(0, 3).map(brief), range = `${low} … ${high}`;
  if (low === high) return low;
  return range.length * 4 < width ? range : `⌀${mean}`;
}

function statistics(b, k) {
  const node = shapeOf(b).nodes[k];
  return node.leaf === undefined ? blocks[b].values[k] : leaves[node.leaf].value;
}

function drawBlock(b) {
  const block = blocks[b], at = box(b), {nodes, edges} = shapeOf(b), items = [], parts = [];
  const inside = svg("g", {}, $("inside"));
  parts.push(inside);
  if (block.kind === "step") {
    const {label: name} = columns[block.column], high = at.bottom - at.top;
    const step = svg("g", {class: at.open ? "step" : "step bar cell", "data-step": b, tabindex: 0,
                           role: "button", "aria-expanded": at.open,
                           "aria-label": `${block.title} ${name}`.trim()}, $("boxes"));
    svg("rect", {class: "box", x: at.x, y: at.top, width: at.width, height: high, rx: 6}, step);
    const title = at.open ? `${block.title}${name && `  ‘${brief(name, 40)}’`}`
      : `${block.t} ${brief(name, 4)}`;
    svg("text", {class: "title", x: at.x + at.width / 2, y: at.top + 14}, step).textContent = title;
    step.onclick = (event) => toggle(b, event.shiftKey);
    step.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      focused = `[data-step="${b}"]`;
      toggle(b, event.shiftKey);
    };
    parts.push(step);
    if (!at.open && camera.k < TINY && block.best) {
      const g = svg("g", {class: "cell"}, inside);
      svg("rect", {class: "chip", x: at.x, y: at.top, width: BAR + NEAR, height: high}, g);
      items.push({el: g, x: {...block.best, born: block.done}, keys: []});
    } else if (!at.open) {  // a chip for each value with a letter, from top to bottom as they stand
      const named = nodes.map((_, k) => k)
        .filter((k) => nodes[k].name && nodes[k].op !== undefined)
        .sort((i, j) => nodes[i].at[1] - nodes[j].at[1] || i - j).slice(0, 12);
      const room = (high - 26) / Math.max(named.length, 1), h = Math.min(room - 3, 26);
      named.forEach((k, i) => {
        const y = at.top + 22 + (i + 0.5) * room;
        const g = svg("g", {class: `cell k-${nodes[k].kind}`}, inside);
        const size = {width: BAR - 8, height: h, rx: 3};
        svg("rect", {class: "chip", x: at.x + 4, y: y - h / 2, ...size}, g);
        svg("text", {x: at.x + BAR / 2, y: y + 4}, g).textContent = nodes[k].name.slice(0, 4);
        items.push({el: g, x: block.nodeTimes[k], keys: [`${b}.${k}`]});
        g.onpointerenter = (event) => nodeCard(b, k, event);
        g.onclick = (event) => toggle(b, event.shiftKey);
      });
    }
  }
  if (at.open) {
    edges.forEach((_, k) => drawEdge(b, k, at, inside, items));
    nodes.forEach((_, k) => drawNode(b, k, at, inside, items));
  }
  const times = items.flatMap(({x}) => [x.born, data.count + (x.came ?? 1)]);
  drawn.set(b, {parts, items, from: Math.min(...times), to: Math.max(...times, data.count + 1)});
}

function drawLink(k) {
  const link = links[k], [a, n, b, m] = link.ends, d = route(link);
  const g = svg("g", {class: `edge link ${link.kind}`, "data-link": k}, $("edges"));
  svg("path", {class: "line", d}, g);
  const item = {el: g, x: link.times, edge: true, link: true, keys: [`${a}.${n}`, `${b}.${m}`]};
  if (link.kind === "state" && link.name && box(a).open) {
    const [x, y] = port(a, n, 1);
    item.text = svg("text", {x: x + 6, y: y - 5}, g);
    item.name = link.name;
  }
  g.onpointerenter = (event) => edgeCard(link.name || "value", link.times, event);
  drawn.set(`l${k}`, {parts: [g], items: [item], from: link.times.born, to: Infinity});
}

function paint(item, p) {
  const {el, x, edge, note} = item, now = look(x, p, edge ? 5 : 1);
  if (now === item.was) return;
  el.classList.remove(LOOKS[item.was] || "x", "strong");
  if (LOOKS[now]) el.classList.add(LOOKS[now]);
  if (!edge) el.classList.toggle("computed", now > 0);
  if (now === 2) {
    const k = level(x.norm);
    tint(el, x.norm);
    el.classList.toggle("strong", k > 0.4);
    if (edge) el.style.setProperty("--width", ((item.link ? 1.4 : 0.8) + 3.6 * k).toFixed(2));
  }
  if (note) note.textContent = now ? item.value : item.shape;
  if (item.text)
    item.text.textContent = now > 1 && now < 5 ? `${item.name} ${written(x.norm, 2)}` : item.name;
  item.was = now;
}

function visible() {
  const {k, x, y} = camera, wide = graph.clientWidth, high = graph.clientHeight, wanted = new Set();
  const near = (c) => {
    const {x: left, size, line} = columns[c];
    return (left + size) * k + x > -REACH && left * k + x < wide + REACH &&
      (line * pitch + pitch) * k + y > -REACH && line * pitch * k + y < high + REACH;
  };
  columns.forEach((_, c) => {
    if (near(c)) for (const b of inColumn[c]) {
      wanted.add(b);
      // what all steps join is one edge on the screen: only those that begin here are drawn
      for (const l of linksOf[b])
        if (linksOf[b].length < MANY || links[l].ends[0] === b) wanted.add(`l${l}`);
    }
  });
  return wanted;
}

let scene = true, asked = false;
function ask(changed = false) {
  scene ||= changed;
  if (!asked) { asked = true; requestAnimationFrame(render); }
}

function render() {
  asked = false;
  const fresh = scene ? visible() : null;
  if (fresh) {
    for (const [key, {parts}] of drawn) if (!fresh.has(key)) {
      parts.forEach((g) => g.remove());
      drawn.delete(key);
    }
    for (const key of fresh) if (!drawn.has(key)) {
      if (typeof key === "number") drawBlock(key);
      else drawLink(Number(key.slice(1)));
    }
    $("world").setAttribute("transform", `translate(${camera.x},${camera.y}) scale(${camera.k})`);
    markTraced();
    if (focused) document.querySelector(focused)?.focus();
    focused = "";
    scene = false;
  }
  const low = Math.min(shown, position), high = Math.max(shown, position);
  for (const {items, from, to} of drawn.values())
    if (fresh || (from <= high && to > low)) for (const item of items) paint(item, position);
  document.querySelectorAll(".active").forEach((el) => el.classList.remove("active"));
  const [b, n] = active[position] ?? [];
  if (b !== undefined) {
    document.querySelector(`[data-node="${b}.${n}"]`)?.classList.add("active");
    drawn.get(b)?.parts[1]?.querySelector(".box")?.classList.add("active");
  }
  shown = position;
  strip();
}
