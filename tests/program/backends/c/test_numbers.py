"""Are exp, tanh, sigmoid and softplus in C as close as prelude.h says?"""

import ctypes
import re
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn.program.backends.c import build, prelude

SAID = {
    name: float(ulp)
    for name, ulp in re.findall(
        r"(\w+_[fd]) (\d\.\d+)", (Path(prelude.__file__).parent / "prelude.h").read_text()
    )
}
NAMES = [f"{f}_{letter}" for f in ("exp", "tanh", "sigmoid", "softplus") for letter in "fd"]


@pytest.fixture(scope="module")
def library():
    loops = [
        f"void all_{name}(long n, const {kind} *x, {kind} *y) {{\n"
        f'    _Pragma("omp simd") for (long k = 0; k < n; k++) y[k] = {name}(x[k]);\n}}\n'
        for name in NAMES
        for kind in [{"f": "float", "d": "double"}[name[-1]]]
    ]
    text = "".join(loops)
    return build.library("\n".join([prelude.INCLUDES, prelude.prelude(text), text]))


def computed(library, name, x):
    y = np.empty_like(x)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (x, y)]
    getattr(library, f"all_{name}")(ctypes.c_long(x.size), *pointers)
    return y


def exact(f, x):
    """In 40 digits."""
    with localcontext() as c:
        c.prec, c.Emin, c.Emax = 40, -99999, 99999
        e = Decimal(float(x)).exp()
        return {
            "exp": lambda: e,
            "tanh": lambda: (e - 1 / e) / (e + 1 / e) if abs(x) > 1e-9 else Decimal(float(x)),
            "sigmoid": lambda: 1 / (1 + 1 / e),
            "softplus": lambda: (1 + e).ln() if x > -40 else e,
        }[f]()


def samples(dtype):
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    top = float(np.log(info.max))
    bottom = float(np.log(info.smallest_subnormal))
    parts = [
        rng.uniform(bottom, top, 500),
        rng.uniform(-3, 3, 500),
        rng.choice([-1, 1], 500) * np.exp(rng.uniform(np.log(info.tiny) / 4, 3, 500)),
        [0.625, -0.625, 0.6249, 0.63, top, bottom],
    ]
    return np.concatenate(parts).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_as_small_as_said(library, name):
    dtype = np.dtype("f4" if name[-1] == "f" else "f8")
    x = samples(dtype)
    y = computed(library, name, x)
    worst = Decimal(0)
    for a, b in zip(x, y, strict=True):
        right = exact(name[:-2], a)
        with np.errstate(over="ignore"):
            near = dtype.type(float(right))
        if np.isinf(near):
            continue
        ulp = Decimal(float(np.spacing(abs(near))))
        worst = max(worst, abs(Decimal(float(b)) - right) / ulp)
    assert worst <= Decimal(str(SAID[name])) + Decimal("0.01")
    assert worst > Decimal("0.4")  # the samples try something


@pytest.mark.parametrize("name", NAMES)
def test_the_ends_are_those_of_numpy(library, name):
    dtype = "f4" if name[-1] == "f" else "f8"
    x = np.array([-np.inf, np.inf, np.nan, -0.0, 0.0, -1e30, 1e30], dtype)
    right = {
        "exp": [0, np.inf, np.nan, 1, 1, 0, np.inf],
        "tanh": [-1, 1, np.nan, -0.0, 0.0, -1, 1],
        "sigmoid": [0, 1, np.nan, 0.5, 0.5, 0, 1],
        "softplus": [0, np.inf, np.nan, np.log(2), np.log(2), 0, x[-1]],
    }[name[:-2]]
    found = computed(library, name, x)
    np.testing.assert_array_equal(found, np.array(right, x.dtype))
    np.testing.assert_array_equal(np.signbit(found[3:]), np.signbit(right)[3:])


def test_a_step_is_given_what_it_calls_and_nothing_else():
    given = prelude.prelude("y = tanh_f(x);")
    assert "split_f" in given
    for name in ("exp_f", "split_d", "sigmoid", "softplus", "product", "inside", "real", "_r("):
        assert name not in given
    assert prelude.prelude("y = x;") == ""
