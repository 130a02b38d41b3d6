"""How are the numbers told? results.json as results.md: goals first, then what they rest on."""

import math
from collections.abc import Iterator
from typing import Any

PEERS = ("ours, C", "ours, NumPy", "ours, eager", "hand C", "hand NumPy", "torch module",
         "torch Cell loop", "torch primitives", "jax.jit scan", "HIPS autograd", "MyGrad",
         "tinygrad JIT")  # fmt: skip
LONG = ("ours, NumPy", "ours, C", 'memory="sqrt"')
STEPS = [f"{c} {s}" for s in ("tiny", "small", "medium", "large") for c in ("rnn", "lstm", "gru")]

# Ours, its peer, the largest ratio allowed, below or at it, and in how many of the twelve steps.
GOALS = (
    ("ours, NumPy", "hand NumPy", 1.10, "at most", 12),
    ("ours, NumPy", "torch module", 1.00, "at most", 11),
    ("ours, C", "torch module", 1.00, "below", 12),
    ("ours, C", "jax.jit scan", 1.00, "below", 12),
    ("ours, C", "hand C", 1.05, "at most", 12),
)
SECONDS = {"ours, NumPy": {"first": 0.5}, "ours, C": {"first": 2.0, "cached": 0.05}}
LINEAR = 1.2  # the power of T: on the way the step outgrows caches
MEGABYTES = 50  # at most, for a medium LSTM step
ABOUT = """\
# How fast

Written by `make bench`; the numbers behind it are in `results.json`. One step = forward over T
steps, softmax cross-entropy at every step through a projection to V classes, all gradients, one
plain update. Sizes: tiny T=25 B=1 V=64 H=32; small T=50 B=16 V=64 H=128; medium T=100 B=32 V=128
H=256; large T=100 B=64 V=256 H=512. Losses and gradients of all were compared with the eager
engine's before anything was timed. All took turns in one process; of each the fastest round counts.
On one thread that is CPU time, on two wall time, as threads that wait for work burn time, too.

* *hand NumPy* is `bptt_by_hand.py`, *hand C* is `bptt_by_hand.c`: derived by hand, the latter with
  the whole loop in C, sizes known when it was compiled, and the BLAS that NumPy has loaded.
* *limit*: the products of the step at the best rate that NumPy's BLAS reaches here (the fastest of
  256, 512 and 1024 squared, in the same rounds), plus all of hand C but for its products. Who packs
  a weight once for all steps may be a little faster.
"""


def written(known: dict) -> str:
    """The whole page."""
    parts = [ABOUT, about_machine(known), *goals(known)]
    for name, section in sorted(known.get("times", {}).items(), key=_by_threads):
        parts += [f"## {name} thread{'s' * (section['threads'] > 1)}\n", *times(section)]
    parts += [*memory(known), *compiling(known), *long(known), *scalars(known)]
    return "\n".join(parts)


def _by_threads(item: tuple[str, dict]) -> tuple[int, str]:
    return item[1]["threads"], item[0]


def about_machine(known: dict) -> str:
    """What the numbers depend on."""
    lines = [f"* Machine: {known.get('machine', 'unknown')}."]
    for name, s in known.get("times", {}).items():
        absent = ", ".join(s.get("absent", [])) or "none"
        lines.append(
            f"* {name} thread{'s' * (s['threads'] > 1)}: {s['date']}, "
            f"{s['load before']} processes busy before; {', '.join(s.get('versions', []))}; "
            f"NumPy's BLAS {s.get('blas')}, OPENBLAS_CORETYPE unset; absent: {absent}."
        )
    return "\n".join(lines) + "\n"


def seconds(section: dict, step: str, name: str) -> float | None:
    """CPU seconds on one thread, wall seconds on more; None if it was not or could not be timed."""
    found = section.get("steps", {}).get(step)
    if found is None:
        return None
    times = found["limit"] if name == "limit" else found["times"].get(name)
    return times[0 if section["threads"] == 1 else 2] if times else None


def ratio(section: dict, step: str, ours: str, theirs: str) -> float | None:
    """Time of ours by time of theirs."""
    a, b = seconds(section, step, ours), seconds(section, step, theirs)
    return a / b if a and b else None


def compiled(section: dict, step: str, ours: str) -> bool:
    """Did what was asked for run, and not something slower in its place?"""
    return ours not in section["steps"][step]["notes"]


def verdict(section: dict, ours: str, theirs: str, most: float, how: str, needed: int) -> str:
    """In how many steps the goal is met, the worst, and whether that is enough."""
    found = {}
    for step in STEPS:
        r = ratio(section, step, ours, theirs)
        if r is not None:
            found[step] = r
    if not found:
        return "not measured"
    good = [
        step
        for step, r in found.items()
        if (r <= most if how == "at most" else r < most) and compiled(section, step, ours)
    ]
    worst = max(found, key=found.__getitem__)
    allowed = 12 - needed
    state = "**met**" if len(found) == 12 else "met so far"
    state = state if len(found) - len(good) <= allowed else "**missed**"
    failed = [step for step in found if not compiled(section, step, ours)]
    more = f"; not compiled: {', '.join(failed)}" if failed else ""
    return f"{state}: {len(good)} of {len(found)}; worst {found[worst]:.2f} ({worst}){more}"


def goals(known: dict) -> Iterator[str]:
    """Each target against what it set out to reach."""
    sections = dict(sorted(known.get("times", {}).items(), key=_by_threads))
    for ours in ("ours, NumPy", "ours, C"):
        yield f"## Goals of the target in {ours.split(', ')[1]}\n"
        rows = [
            [f"{how} {most:.2f} × {theirs}, in {needed} of 12"]
            + [verdict(s, ours, theirs, most, how, needed) for s in sections.values()]
            for mine, theirs, most, how, needed in GOALS
            if mine == ours
        ]
        away = []
        for s in sections.values():
            found = [r for step in STEPS if (r := ratio(s, step, ours, "limit")) is not None]
            away.append(f"{min(found):.2f} to {max(found):.2f}" if found else "")
        rows.append(["distance to the limit, as a ratio", *away])
        yield from table(["goal", *sections], rows)
        rows = []
        for key, most in SECONDS[ours].items():
            found = {
                step: record[ours][key]
                for step, record in known.get("compiling", {}).items()
                if record.get(ours)
            }
            what = {"first": "for the first time", "cached": "from the cache"}[key]
            if found:
                cost = {s: f["first"] - f["replay"] for s, f in found.items()}
                worst = max(cost, key=cost.__getitem__)
                state = "**met**" if cost[worst] < most else "**missed**"
                good = sum(c < most for c in cost.values())
                rows.append(
                    [
                        f"recording and compiling below {most:g} s {what}",
                        f"{state}: {good} of {len(cost)}; worst {cost[worst]:.2f} s ({worst})",
                    ]
                )
        peak = known.get("memory", {}).get(ours)
        if peak:
            state = "**met**" if peak["later"] <= MEGABYTES else "**missed**"
            rows.append(
                [
                    f"a medium LSTM step in at most {MEGABYTES} MB",
                    f"{state}: {peak['later']:.0f} MB; {peak['first']:.0f} MB in the call that "
                    "records",
                ]
            )
        lengths = known.get("long", {}).get(ours, {})
        if {"1000", "10000"} <= lengths.keys():
            power = math.log10(lengths["10000"]["replay"] / lengths["1000"]["replay"])
            state = "**met**" if power <= LINEAR and not lengths["10000"]["said"] else "**missed**"
            rows.append(
                [
                    f"T = 1,000 to 10,000 in linear time (power of T at most {LINEAR})",
                    f"{state}: T^{power:.2f}",
                ]
            )
        rooted = known.get("long", {}).get('memory="sqrt"', {}).get("10000", {})
        if ours == "ours, NumPy" and rooted.get("states"):
            most = 3 * 10_000**0.5
            state = "**met**" if rooted["states"] < most else "**missed**"
            rows.append(
                [
                    'T = 10,000 with `memory="sqrt"` in below 3 √T = 300 states',
                    f"{state}: {rooted['states']} states at a time",
                ]
            )
        if rows:
            yield from table(["goal", "float32, 1 thread"], rows)


def times(section: dict) -> Iterator[str]:
    """Ratios to torch's module, and ours to those it is to be compared with."""
    steps = [step for step in STEPS if step in section.get("steps", {})]
    kind = "CPU" if section["threads"] == 1 else "Wall"
    quick = [step for step in steps if section["steps"][step]["quick"]]
    if quick:
        yield f"Only a few rounds, for a first look: {', '.join(quick)}.\n"
    yield f"{kind} time, ratio to torch's module; below 1 is faster than torch.\n"
    names = [n for n in PEERS if any(seconds(section, step, n) for step in steps)]
    base = "torch module" if "torch module" in names else "hand NumPy"
    if base != "torch module":
        yield "Without torch: ratio to hand NumPy.\n"
    head = ["step", f"{base}, ms", *(n for n in names if n != base), "limit, ms", "GFLOP/s"]
    rows = []
    for step in steps:
        its = section["steps"][step]
        row = [step, _ms(seconds(section, step, base))]
        row += [
            _number(ratio(section, step, n, base), n in its["notes"]) for n in names if n != base
        ]
        rate = its["gflops"][0 if section["threads"] == 1 else 2]
        rows.append([*row, _ms(seconds(section, step, "limit")), f"{rate:.0f}"])
    yield from table(head, rows)
    other = "wall" if section["threads"] == 1 else "CPU"
    pairs = [*((ours, theirs) for ours, theirs, *_ in GOALS), ("ours, C", "limit")]
    pairs += [("hand C", "limit")]
    yield (
        f"Ours by theirs, {kind} time of the fastest rounds; then of the median rounds; then "
        f"{other} time of the fastest.\n"
    )
    rows = []
    for step in steps:
        its = section["steps"][step]
        row = [step]
        for ours, theirs in pairs:
            a = its["times"].get(ours)
            b = its["limit"] if theirs == "limit" else its["times"].get(theirs)
            order = (0, 1, 2) if section["threads"] == 1 else (2, 3, 0)
            row.append(" · ".join(f"{a[k] / b[k]:.2f}" for k in order) if a and b else "")
        rows.append(row)
    yield from table(["step", *(f"{a} / {b}" for a, b in pairs)], rows)
    notes: dict[str, list[str]] = {}
    for step in steps:
        for name, note in section["steps"][step]["notes"].items():
            notes.setdefault(f"{name}: {note}", []).append(step)
    if notes:
        yield "Marked with *, or without a number:\n"
        yield from (f"* {note} ({', '.join(where)})" for note, where in notes.items())
        yield ""


def memory(known: dict) -> Iterator[str]:
    """Peaks, each in a process of its own."""
    found = known.get("memory", {})
    if found:
        yield "## Memory of the medium LSTM step, float32, one thread\n"
        yield (
            "Peak of resident memory over that of the process with its imports and the data, MB, "
            "each in its own process: of the first step, which may record and compile, and of "
            "later ones.\n"
        )
        rows = [[n, f"{m['first']:.0f}", f"{m['later']:.0f}"] for n in PEERS if (m := found.get(n))]
        yield from table(["", "first", "later"], rows)


def compiling(known: dict) -> Iterator[str]:
    """What stands before the first fast step."""
    found = known.get("compiling", {})
    if found:
        yield "## Recording and compiling, float32, one thread\n"
        yield (
            "Seconds of wall time of the first call less those of a later one, in a new process "
            "with an empty cache; with what that left there; and for another T after that. Eager "
            "is one recorded step with its gradients: what recording alone costs at least.\n"
        )
        names = ["ours, NumPy", "ours, C", "jax.jit scan"]
        head = ["step", "eager"]
        for n in names:
            head += [n, f"{n}, cached"] + ([f"{n}, another T"] if n.startswith("ours") else [])
        rows = []
        for step in STEPS:
            if step not in found:
                continue
            its = found[step]
            eager = next((r["first"]["eager"] for r in its.values() if r), None)
            row = [step, _number(eager)]
            for n in names:
                a, b = (its.get(n) or {}).get("first"), (its.get(n) or {}).get("cached")
                row += [_number(x["first"] - x["replay"] if x else None) for x in (a, b)]
                if n.startswith("ours"):
                    more = "another length"
                    row.append(_number(a[more] - a["its replay"] if a and more in a else None))
            rows.append(row)
        yield from table(head, rows)


def long(known: dict) -> Iterator[str]:
    """Time and memory against T."""
    found = known.get("long", {})
    if found:
        yield "## Long sequences: a tiny LSTM, float32, one thread\n"
        rows = []
        for name in LONG:
            for T, its in sorted(found.get(name, {}).items(), key=lambda item: int(item[0])):
                states = its["states"] or "all"
                each = 1e6 * its["replay"] / int(T)
                row = [f"{name}, T = {int(T):,}", f"{its['first']:.2f}", _ms(its["replay"])]
                rows.append([*row, f"{each:.2f}", states, its["said"]])
        head = ["", "first call, s", "a step, ms", "µs per step of time", "states at a time", ""]
        yield from table(head, rows)


def scalars(known: dict) -> Iterator[str]:
    """Micrograd, at what it does."""
    found = known.get("scalars", {}).get("times")
    if found:
        yield "## Scalars: micrograd's MLP of 2-16-16-1 on 100 points, median\n"
        rows = []
        for k, t in found.items():
            us, them = t["ours, eager"], t["micrograd"]
            rows.append([f"Python's collector {k}", _ms(us), _ms(them), f"{them / us:.2f}"])
        yield from table(["", "ours, eager, ms", "micrograd, ms", "micrograd / ours"], rows)


def one_line(section: dict, step: str) -> str:
    """A step, for the terminal."""
    pairs: list[tuple[str, str]] = [(ours, theirs) for ours, theirs, *_ in GOALS]
    found = [(a, b, ratio(section, step, a, b)) for a, b in pairs]
    return f"{step}: " + ", ".join(f"{a} / {b} {r:.2f}" for a, b, r in found if r)


def table(head: list[str], rows: list[list[Any]]) -> Iterator[str]:
    """As Markdown, numbers to the right."""

    def line(row: list[Any]) -> str:
        return "| " + " | ".join(map(str, row)) + " |"

    yield line(head)
    yield line(["---", *["---:"] * (len(head) - 1)])
    yield from (line(row) for row in rows)
    yield ""


def _ms(x: float | None) -> str:
    return f"{1e3 * x:.3g}" if x else ""


def _number(x: float | None, marked: bool = False) -> str:
    return "" if x is None else f"{max(x, 0):.2f}" + "\\*" * marked
