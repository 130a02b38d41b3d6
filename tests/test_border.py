"""Do all entrances treat what comes from outside alike?"""

import datetime
import decimal

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, measure, nn, tasks, train
from tinygrad_rnn.border import as_array, refuse_foreign
from tinygrad_rnn.interop import from_torch, torch_weights
from tinygrad_rnn.train.checkpoint import save

XS = np.random.default_rng(0).standard_normal((6, 2, 3))
LABELS = np.zeros((6, 2), int)
LENGTHS = np.array([6, 3])
MASK = np.ones((6, 2), bool)


def foreign(name, attribute):
    """An array of another library, as far as NumPy can see."""
    module, _, kind = name.rpartition(".")
    around = {
        "__init__": lambda self, x: setattr(self, "x", x),
        "__len__": lambda self: len(self.x),
        "__getitem__": lambda self, k: type(self)(self.x[k]),
        "shape": property(lambda self: self.x.shape),
        "dtype": property(lambda self: self.x.dtype),
        "ndim": property(lambda self: self.x.ndim),
        "__module__": module,
        attribute: lambda self, *_, **__: self.x,
    }
    return type(kind, (), around)


STRANGERS = {
    "numpy.ma.MaskedArray": lambda x: np.ma.array(x, mask=np.zeros_like(x, bool)),
    "torch.Tensor": foreign("torch.Tensor", "__array__"),
    "jaxlib.ArrayImpl": foreign("jaxlib.ArrayImpl", "__array__"),
    "pandas.Series": foreign("pandas.Series", "__array__"),
    "elsewhere.Buffer": foreign("elsewhere.Buffer", "__dlpack__"),
}
NO_NUMBERS = {
    "dtype complex128": lambda x: x.astype(complex),
    "dtype datetime64[D]": lambda x: x.astype(int).astype("M8[D]"),
    "dtype object": lambda x: x.astype(object),
    "dtype timedelta64[s]": lambda x: x.astype(int).astype("m8[s]"),
}


class Model(nn.Module):
    def __init__(self):
        self.cell = nn.RNNCell(3, 4, rng=0)

    def loss(self, xs, *_):
        return (nn.unroll(self.cell, xs)[0][-1] ** 2).mean()


def fitted(batch, **how):
    model = Model()
    optimiser = train.SGD(model.parameters(), lr=0.1)
    return train.fit(model, lambda step: batch, optimiser, steps=1, progress=False, **how)


def state_of(module, change):
    return {name: change(array) for name, array in module.state_dict().items()}


def cell():
    return nn.LSTMCell(3, 4, rng=0)


def compiled(*args):
    step = tg.compile(
        lambda p, x: ((x["x"] if isinstance(x, dict) else x) @ p["W"]).sum(), target="numpy"
    )
    return step({"W": Tensor(np.ones((3, 2)))}, *args)


W = Tensor(np.ones((3, 2)), name="W")
ENTRANCES = {
    "operator": lambda f: f(XS) + Tensor(XS),
    "operator, right": lambda f: Tensor(XS) * f(XS),
    "function": lambda f: tg.tanh(f(XS)),
    "where": lambda f: tg.where(MASK, f(XS[..., 0]), Tensor(XS[..., 0])),
    "matmul": lambda f: f(XS) @ W,
    "comparison": lambda f: Tensor(XS) > f(XS),
    "Tensor": lambda f: Tensor(f(XS)),
    "rows of a Tensor": lambda f: Tensor([f(XS[0]), f(XS[1])]),
    "data": lambda f: setattr(Tensor(XS), "data", f(XS)),
    "cotangent": lambda f: tg.grad(W * 2, W, f(W.data)),
    "backward": lambda f: (W * 2).backward(f(W.data)),
    "stack": lambda f: tg.stack([f(XS), Tensor(XS)]),
    "concatenate": lambda f: tg.concatenate([Tensor(XS), f(XS)]),
    "vjp": lambda f: tg.vjp(W * 2, W, f(W.data)),
    "jvp": lambda f: tg.jvp(W * 2, W, f(W.data)),
    "hvp": lambda f: tg.hvp((W * W).sum(), W, f(W.data)),
    "cell": lambda f: cell()(f(XS[0]), cell().initial_state(2)),
    "state of a cell": lambda f: nn.RNNCell(3, 4)(XS[0], f(np.zeros((2, 4)))),
    "unroll": lambda f: nn.unroll(cell(), f(XS)),
    "unroll, steps": lambda f: nn.unroll(cell(), [f(x) for x in XS]),
    "unroll, lengths": lambda f: nn.unroll(cell(), XS, lengths=f(LENGTHS)),
    "unroll, mask": lambda f: nn.unroll(cell(), XS, mask=f(MASK)),
    "unroll, state": lambda f: nn.unroll(nn.RNNCell(3, 4), XS, f(np.zeros((2, 4)))),
    "LSTM": lambda f: nn.LSTM(3, 4, rng=0)(f(XS)),
    "LSTM, batch first": lambda f: nn.LSTM(3, 4, rng=0, batch_first=True)(f(XS)),
    "Linear": lambda f: nn.Linear(3, 2, rng=0)(f(XS)),
    "Embedding": lambda f: nn.Embedding(5, 3)(f(LABELS)),
    "dropout": lambda f: nn.dropout(f(XS), 0.5, np.random.default_rng(0)),
    "mse_loss": lambda f: nn.mse_loss(f(XS), XS),
    "mse_loss, target": lambda f: nn.mse_loss(Tensor(XS), f(XS)),
    "mse_loss, mask": lambda f: nn.mse_loss(Tensor(XS), XS, mask=f(MASK)),
    "mse_loss, lengths": lambda f: nn.mse_loss(Tensor(XS), XS, lengths=f(LENGTHS)),
    "cross_entropy": lambda f: nn.cross_entropy(f(XS), LABELS),
    "cross_entropy, labels": lambda f: nn.cross_entropy(Tensor(XS), f(LABELS)),
    "binary_cross_entropy": lambda f: nn.binary_cross_entropy(Tensor(XS), f(XS * 0)),
    "ctc_loss": lambda f: nn.ctc_loss(Tensor(XS), f(np.ones((2, 2), int))),
    "ctc_loss, lengths": lambda f: nn.ctc_loss(
        Tensor(XS), np.ones((2, 2), int), lengths=f(LENGTHS)
    ),
    "rtrl": lambda f: nn.rtrl(nn.RNNCell(3, 4), f(XS), lambda h, t: (h * h).sum()),
    "load_state_dict": lambda f: cell().load_state_dict(state_of(cell(), f)),
    "compile": lambda f: compiled(f(XS)),
    "compile, inside a dict": lambda f: compiled({"x": f(XS)}),
    "fit": lambda f: fitted((f(XS),)),
    "fit, inside a dict": lambda f: fitted((XS, {"more": [f(XS)]})),
    "fit, state": lambda f: fitted((XS,), state=(f(XS),)),
    "fit by a program": lambda f: fitted((f(XS),), target="numpy"),
    "windows": lambda f: tasks.windows(f(np.arange(9.0)), 3),
    "persistence": lambda f: tasks.persistence(f(np.arange(9.0))),
    "split": lambda f: tasks.split(f(np.arange(9.0))),
    "one_hot": lambda f: tasks.one_hot(f(LABELS), 3),
    "chunks": lambda f: next(tasks.chunks(f(np.arange(20)), 2, 3)),
    "decode": lambda f: tasks.Alphabet("abc").decode(f(np.array([0, 1]))),
    "attractors": lambda f: measure.attractors(
        lambda x, h: tg.tanh(h + x), f(np.zeros(1)), [[0.1]]
    ),
    "growth_bound": lambda f: measure.growth_bound(f(np.eye(3))),
}


def refused(enter, f, name):
    with pytest.raises((TypeError, ValueError)) as caught:
        enter(f)
    said = str(caught.value)
    assert "expected real numbers, got " in said
    assert name in said


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize("enter", ENTRANCES.values(), ids=ENTRANCES)
def test_arrays_of_other_libraries_are_refused_by_their_full_name_everywhere(enter, name):
    refused(enter, STRANGERS[name], name)


LIKE_STRINGS = ("comparison",)


@pytest.mark.parametrize("name", NO_NUMBERS)
@pytest.mark.parametrize("enter", [k for k in ENTRANCES if k not in LIKE_STRINGS])
def test_arrays_of_no_real_numbers_are_refused_everywhere(enter, name):
    if name == "dtype object" and enter in SCALARS:
        return  # an object array may hold Tensors without axes
    refused(ENTRANCES[enter], NO_NUMBERS[name], name)


SCALARS = ("operator", "operator, right", "function", "where", "matmul", "stack", "concatenate")
SCALARS += ("cell", "state of a cell", "Linear", "unroll, state", "cross_entropy")
SCALARS += ("compile", "compile, inside a dict")


@pytest.mark.parametrize("enter", ENTRANCES.values(), ids=ENTRANCES)
def test_plain_arrays_may_enter_everywhere(enter):
    enter(lambda x: x)


def test_from_torch_takes_arrays_of_torch_by_value_and_no_masked_ones(tmp_path):
    weights = torch_weights(nn.LSTMCell(3, 4, rng=1))
    from_torch(cell(), {name: STRANGERS["torch.Tensor"](x) for name, x in weights.items()})
    with pytest.raises(TypeError, match=r"'weight_ih': .*got a numpy\.ma\.MaskedArray"):
        from_torch(cell(), {name: np.ma.array(x) for name, x in weights.items()})


def test_no_file_holds_a_masked_array(tmp_path):
    with pytest.raises(TypeError, match=r"'a': .*MaskedArray"):
        save(tmp_path / "a.npz", {"a": np.ma.array([1.0])}, {})
    optimiser = train.SGD([Tensor(1.0)], lr=0.1)
    state = {name: np.ma.array(x) for name, x in optimiser.state_dict().items()}
    with pytest.raises(ValueError, match=r"'t': .*MaskedArray"):
        optimiser.load_state_dict(state)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (None, "got a NoneType"),
        ("12", "got a str"),
        (b"12", "got a bytes"),
        ({1.0: 2}, "got a dict"),
        (decimal.Decimal(1), "got a decimal.Decimal"),
        (datetime.date(2000, 1, 1), "got a datetime.date"),
        (1j, "got a complex"),
        ((k for k in range(3)), "got a generator. It can be used up only once"),
        ([1.0, None], "got a list with a NoneType"),
        ([[1.0], [2.0, "a"]], "got a list whose rows differ|got dtype <U"),
        (
            [(1.0, [Tensor(1.0)])],
            "got a list with a tinygrad_rnn.engine.tensor.Tensor.*join Tensors",
        ),
        ([np.ma.array([1.0])], "got a list with a numpy.ma.MaskedArray"),
        ((1.0, STRANGERS["torch.Tensor"](np.ones(2))), "got a tuple with a torch.Tensor"),
        ([[1.0, 2.0], [3.0]], "got a list whose rows differ .*Pass rows of one shape"),
        ([10**30], "got dtype object"),
        (["a"], "got dtype <U1"),
        (np.array([b"a"]), r"got dtype \|S1"),
        (np.zeros(2, [("a", float)]), "got dtype"),
    ],
)
def test_what_is_no_number_is_said(x, said):
    with pytest.raises(TypeError, match=rf"^here: expected real numbers, {said}"):
        as_array(x, "here")


def test_a_list_that_contains_itself_is_refused():
    rows = []
    rows += [rows, rows]
    with pytest.raises(TypeError, match=r"^here: expected real numbers"):
        as_array(rows, "here")


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.float32, np.float64])
def test_numbers_arrays_and_rows_come_in_as_they_are(dtype):
    x = np.ones((2, 3), dtype)
    assert as_array(x, "here") is x
    assert as_array(x[0, 0], "here").dtype == dtype
    assert as_array(x[:, ::2], "here").strides == x[:, ::2].strides
    assert np.array_equal(as_array([[1, 2], (3, 4)], "here"), [[1, 2], [3, 4]])
    assert np.array_equal(as_array(range(3), "here"), [0, 1, 2])
    assert np.array_equal(as_array([x, x.tolist()], "here"), [x, x])
    assert as_array([], "here").shape == (0,)
    assert type(as_array(x.view(np.recarray), "here")) is np.ndarray


def test_what_is_no_array_may_pass_where_not_only_arrays_do():
    for x in (None, "a", 1j, object(), np.ones(1), np.float32(1), [STRANGERS["torch.Tensor"]]):
        refuse_foreign(x, "here")


ROWS_THAT_DIFFER = [[1.0], [1.0, 2.0]]


@pytest.mark.parametrize("x", [None, "abc", {"a": 1}, {1.0}, iter([1.0]), ROWS_THAT_DIFFER])
@pytest.mark.parametrize("enter", ["cell", "cross_entropy", "ctc_loss", "function", "mse_loss"])
def test_what_is_no_array_has_the_same_sentence_everywhere(enter, x):
    with pytest.raises(TypeError, match="expected real numbers, got a"):
        ENTRANCES[enter](lambda _: x)


def test_rows_that_differ_are_no_index():
    with pytest.raises(TypeError, match="getitem: expected real numbers, got a list whose rows"):
        Tensor(np.ones(5))[[[1], [1, 2]]]
