"""Does the recipe of CONTRIBUTING for a primitive work, in NumPy and in C?"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]
LINES = {  # before which line of which file, what is added
    "engine/functions.py": [
        ("arctan   = Primitive", 'arcsinh = Primitive("arcsinh", np.arcsinh, 1, FUNCTION)\n'),
        ("    arctan:  ", "    arcsinh: (lambda g, y, x: g / (x * x + 1) ** 0.5,),\n"),
    ],
    "program/backends/c/names.py": [('"log": "log",', '"arcsinh": "asinh", ')],
}
USE = """
import numpy as np
from tinygrad_rnn import Tensor, check_grads, compile, grad, named
from tinygrad_rnn.engine.functions import arcsinh

check_grads(arcsinh, np.linspace(-1.0, 1.0, 5), order=2)
xs = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
for letter in ("arcsinh", "arcsinhf", "x"):
    for dtype in (np.float32, np.float64):
        def loss_fn(p, xs):
            y = named(**{letter: arcsinh(xs * p[letter])})
            return (y * y.sum(axis=0)).sum() + (arcsinh(y) * y[0]).sum()
        p = {letter: Tensor(np.array([0.5, -1.0, 0.25], dtype))}
        exact = loss_fn(p, xs.astype(dtype))
        for target in ("numpy", "c"):
            step = compile(loss_fn, target=target)
            loss, grads = step(p, xs.astype(dtype))
            assert not step.reason and step.stats["eager"] == 0, step.explain()
            np.testing.assert_allclose(loss, exact.data, rtol=1e-5)
            np.testing.assert_allclose(grads[letter], grad(exact, p[letter]), 1e-4, 1e-6)
        assert ("asinhf(" if dtype == np.float32 else "asinh(") in step.c_source
"""


def test_a_primitive_made_by_the_recipe_is_in_numpy_and_c(tmp_path):
    shutil.copytree(ROOT / "tinygrad_rnn", tmp_path / "tinygrad_rnn")
    for file, lines in LINES.items():
        path = tmp_path / "tinygrad_rnn" / file
        text = path.read_text("utf-8")
        for before, line in lines:
            assert before in text, (file, before)
            text = text.replace(before, line + before, 1)
        path.write_text(text, "utf-8")
    paths = {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-W", "error", "-c", USE]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
