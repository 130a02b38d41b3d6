// Where is what bears a name, and where does the gradient of a node go?

let into = null;  // links by where they end
function trace(from) {
  if (!into) {
    into = new Map();
    links.forEach(({ends: [a, n, b, m]}, k) => {
      const key = `${b}.${m}`;
      if (!into.has(key)) into.set(key, []);
      into.get(key).push([`${a}.${n}`, k]);
    });
  }
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
  const [b, n] = hits[hit];
  if (closed(b)) toggle(b);
  sight(...where(b, n), 100);
  $("found").textContent = `${hit + 1} of ${hits.length}`;
}
