"""How long does micrograd's demo take with Tensors in place of its Values?

Micrograd's nodes are reference cycles, so Python's collector is part of what its step costs. It
also walks over whatever else lives in the process (pytest, torch), which is set aside here: frozen.
"""

import gc
import importlib.util

import pytest
import scalar_steps
from measure import collector_off, machine, table, take_turns


def test_step_of_micrograds_network(show):
    steps = {"ours": scalar_steps.ours()}
    if importlib.util.find_spec("micrograd"):
        steps["micrograd"] = scalar_steps.micrograd()
        for _ in range(2):
            losses = {name: step() for name, step in steps.items()}
            assert losses["micrograd"] == pytest.approx(losses["ours"], rel=1e-9)
            expected = pytest.approx(steps["ours"].gradients, rel=1e-6, abs=1e-10)
            assert steps["micrograd"].gradients == expected

    gc.freeze()
    on = take_turns(steps, rounds=4, at_least=2.0)  # several steps, so that full collections occur
    gc.unfreeze()
    with collector_off():
        off = take_turns(steps, rounds=5)
    rows = []
    for name, times, goal in (("collector on", on, 3.0), ("collector off", off, "")):
        us, *theirs = (t.median for t in times.values())
        rows.append(
            [name, us * 1e3, *([theirs[0] * 1e3, theirs[0] / us] if theirs else ["", ""]), goal]
        )
    head = ["MLP 2-16-16-1, 100 points", "ours ms", "micrograd ms", "micrograd / ours", "goal"]
    skipped = [] if "micrograd" in steps else ["micrograd: skipped, micrograd is not installed"]
    show(machine(), table(head, rows), *skipped)
