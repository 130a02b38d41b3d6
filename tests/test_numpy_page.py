"""Is every line of the page for users of NumPy true?"""

import inspect
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_rnn as rnn
import tinygrad_rnn.numpy as renamed
from tinygrad_rnn import Tensor, grad

PAGE = Path(__file__).parents[1] / "docs" / "numpy.md"
BEGIN, END = "<!-- names: by tests/test_numpy_page.py -->\n", "<!-- names end -->\n"
ROWS = re.findall(r"^\| `(.*)` \| `(.*)` \|$", PAGE.read_text("utf-8"), re.MULTILINE)
rng = np.random.default_rng(5)
VALUES = {name: rng.uniform(0.2, 1.5, shape)
          for name, shape in (("x", (3, 4)), ("y", (3, 4)), ("v", (4,)), ("w", (4,)))}  # fmt: skip


def softmax(x, axis):
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


SPECIAL = SimpleNamespace(
    erf=np.vectorize(math.erf),
    expit=lambda x: 1 / (1 + np.exp(-x)),
    logsumexp=lambda x, axis: np.log(np.exp(x).sum(axis)),
    softmax=softmax,
)


def same():
    """The functions with NumPy's name, but for those whose defaults differ."""
    names = [n for n in rnn.__all__ if callable(getattr(np, n, None))]
    return [n for n in names if n not in {*renamed.__all__, *renamed.OTHERS}]


def listed():
    return PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0]


def test_the_page_lists_the_functions_of_numpys_name():
    assert re.findall(r"`(\w+)`", listed()) == same(), " ".join(f"`{n}`" for n in same())


def by_place(f):
    """The parameters that may be given by place, until one that is not here; or their number."""
    found = inspect.signature(f).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        p for p in found if p.kind in kinds and p.name not in ("out", "dtype", "subok", "order")
    ]


@pytest.mark.parametrize("name", [*same(), *renamed.__all__])
def test_a_function_takes_by_place_what_numpys_takes(name):
    ours, theirs = getattr(renamed, name), getattr(np, name)
    if name in ("where", "einsum", "dot"):  # NumPy's say nothing of what they take
        return
    if isinstance(theirs, np.ufunc):
        assert getattr(ours, "arity", 1) == theirs.nin
        return
    ours = [p for p in by_place(getattr(ours, "forward", ours)) if p.name != "keepdims"]
    for mine, other in zip(ours, by_place(theirs), strict=False):
        assert mine.default == other.default or repr(other.default) == "<no value>", mine
        if other.default is not other.empty:
            assert mine.name == other.name


@pytest.mark.parametrize(("theirs", "here"), ROWS, ids=[left for left, _ in ROWS])
def test_both_sides_of_a_line_compute_the_same(theirs, here):
    exact = eval(theirs, {"np": np, "scipy": SimpleNamespace(special=SPECIAL), **VALUES})
    tensors = {name: Tensor(x) for name, x in VALUES.items()}
    names = {n: getattr(rnn, n) for n in [*rnn.__all__, "sum", "max", "min"]}
    found = eval(here, {**names, "np": np, **tensors})
    for a, b in zip(found, exact, strict=True) if type(exact) is list else [(found, exact)]:
        np.testing.assert_allclose(a.data if type(a) is Tensor else a, b, rtol=1e-12, atol=1e-15)
        if type(a) is Tensor:
            slopes = grad(a, [*tensors.values()], np.ones(a.shape), unused="zero")
            assert any(map(np.any, slopes))


def test_the_rest_of_the_namespace_is_numpys_and_refuses_a_tensor():
    assert renamed.pi is np.pi
    assert renamed.float32 is np.float32
    assert renamed.tanh is rnn.tanh
    assert renamed.abs is rnn.absolute
    with pytest.raises(TypeError, match=r"refuse.* a Tensor"):
        renamed.linalg.norm(Tensor([1.0]))
    with pytest.raises(AttributeError, match="tnah"):
        renamed.tnah  # noqa: B018


def test_it_has_numpys_defaults_where_ours_differ():
    x = VALUES["x"]
    for f in (
        lambda np, x: np.flip(x),
        lambda np, x: np.flip(x, (0, 1)),
        lambda np, x: np.split(x, 3)[1],
        lambda np, x: np.split(x, [1], 1)[1],
        lambda np, x: np.clip(x, 0.5, 1),
        lambda np, x: np.clip(x, None, 1),
    ):
        np.testing.assert_array_equal(f(renamed, Tensor(x)).data, f(np, x))
