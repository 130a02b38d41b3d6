"use strict";
// What is known when? `data` is what timeline.py wrote; time is the number of operations done:
// `count` forward, then those of the chosen backward sweep.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const LOOKS = ["", "computed", "gradient", "zero", "broken", "none"];

function svg(tag, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

function html(tag, text, parent) {
  const made = document.createElement(tag);
  made.textContent = text;  // never innerHTML: names are whatever their author liked
  if (parent) parent.append(made);
  return made;
}

function written(value, digits = 3) {
  const x = Number(value);
  if (value === null || value === undefined) return "none";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "∞" : "−∞";
  const small = x !== 0 && (Math.abs(x) < 0.001 || Math.abs(x) >= 1e5);
  const text = small ? x.toExponential(digits - 1) : String(Number(x.toPrecision(digits)));
  return text.replace("e+", "e").replaceAll("-", "−");
}

function brief(text, most) {  // by characters, not by halves of them
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

// -- the record: absolute times, who is active when, what flows where ----------------------------

const {blocks, links, columns, shapes, leaves} = data;
let sweep = 0;  // which backward pass is shown
let active = [];  // by time: [block, node]
const shapeOf = (b) => shapes[blocks[b].shape];
const end = () => data.count + data.sweeps[sweep].count;
const isStep = (c) => columns[c].t !== undefined;

function unfold() {
  active = new Array(end() + 1);
  blocks.forEach((block, b) => {
    const {nodes, edges} = shapeOf(b), back = block.sweeps[sweep];
    const forth = data.patterns[block.times], came = data.patterns[back.times];
    const at = (pattern, k, start) => (pattern[k] === null ? null : pattern[k] + start);
    block.nodeTimes = nodes.map((node, k) => {
      const leaf = node.leaf === undefined ? null : leaves[node.leaf].sweeps[sweep];
      const turn = at(came, nodes.length + k, back.start), born = at(forth, k, block.start);
      if (node.op !== undefined) active[born] = [b, k];
      if (turn !== null) active[data.count + turn] = [b, k];
      return {born: born ?? 0, norm: leaf ? leaf[0] : back.nodes[k],
              came: leaf ? leaf[1] : at(came, k, back.start)};
    });
    block.edgeTimes = edges.map((_, k) => ({
      born: at(forth, nodes.length + k, block.start) ?? 0, norm: back.edges[k],
      came: at(came, 2 * nodes.length + k, back.start)}));
    // what the strip and a very small step show: of its states, or else of all that it computes,
    // the value whose gradient is largest
    const states = nodes.map(({kind}) => ["state", "result"].includes(kind));
    const shown = states.includes(true) ? states : nodes.map(({op}) => op !== undefined);
    const reached = block.nodeTimes.filter((x, k) => shown[k] && x.came !== null);
    block.best = reached.sort((x, y) => Number(y.norm) - Number(x.norm))[0];
    block.done = Math.max(0, ...block.nodeTimes.map((x) => x.born));
  });
  for (const link of links) {
    const [norm, came] = link.sweeps[sweep];
    link.times = {born: link.time ?? 0, norm, came};
  }
}

function look(x, p, given = 1) {
  // 0 not yet, 1 computed, 2 gradient, 3 exactly zero, 4 NaN or infinite, 5 no gradient at all
  if (x.came !== null && p >= data.count + x.came) {
    const norm = Number(x.norm);
    return norm === 0 ? 3 : Number.isFinite(norm) ? 2 : 4;
  }
  if (p > data.count && x.came === null && given === 5) return 5;
  return p >= x.born ? 1 : 0;
}

const dark = () => document.documentElement.dataset.theme === "dark";

function level(norm) {
  const {low, high} = data.sweeps[sweep];
  return Math.min(1, Math.max(0, (Math.log10(Number(norm)) - low) / (high - low)));
}

// dark is much on paper, light is much on a dark screen
const colour = (k, night) => data.scale[Math.round(night ? 13 - 13 * k : 16 * k)];

function tint(el, norm) {  // both, of which the style sheet takes one
  el.style.setProperty("--day", colour(level(norm), false));
  el.style.setProperty("--night", colour(level(norm), true));
}
