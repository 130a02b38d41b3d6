// What can a reader operate? Buttons, keys, the choice of a loss, and the first view.

function legend() {
  const {low, high} = data.sweeps[sweep], made = $("legend"), span = high - low;
  made.replaceChildren();
  html("span", "‖∂loss/∂value‖", made);
  const sample = (text, border) => {
    const one = html("span", "", made), line = html("i", "", one);
    line.style.borderTop = border;
    one.append(text);
    return line;
  };
  const powers = new Set([0, 0.25, 0.5, 0.75, 1].map((f) => Math.round(low + f * span)));
  for (const power of powers) {
    const norm = 10 ** power;
    tint(sample(`1e${power}`, `${1 + 3.6 * level(norm)}px solid var(--norm)`), norm);
  }
  sample("exactly zero", "2px dashed var(--zero)");
  sample("no gradient", "2px dotted var(--idle)");
  const broken = (x) => x.came !== null && !Number.isFinite(Number(x.norm));
  if (blocks.some((x) => x.edgeTimes.some(broken) || x.nodeTimes.some(broken)))
    sample("NaN or ∞", "5px solid var(--broken)");
  if (links.some(({kind}) => kind === "cut") ||
      shapes.some(({edges}) => edges.some(({kind}) => kind === "cut")))
    sample("cut: gradients do not come back", "4px dashed var(--cut)");
  html("span", "dashed: not computed yet · a … b: smallest and largest value, ⌀ mean", made);
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  strip();
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

document.documentElement.dataset.theme = night.matches ? "dark" : "light";
openSome(() => steps.length <= 12);  // few steps in every detail …
fit();
if (steps.length > FEW && (steps.length > 12 || camera.k < READABLE)) {
  openSome((c) => c === first || c === last);
  fit();  // … as long as they can be read
}
choose(0);
go(Number(location.hash.slice(1)) || 0);
