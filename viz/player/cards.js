// What is there to know of one node, or of one edge?

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
$("edges").addEventListener("pointerout", hideCard);

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
