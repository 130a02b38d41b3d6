"""Does a summary count what is there, by formulas that are true, and leave the model as it was?"""

import re

import numpy as np
import pytest
from enrolled import enrolled

from tinygrad_rnn import Tensor, grad, nn, tanh
from tinygrad_rnn.measure import cost
from tinygrad_rnn.nn.summary import formula

RNG = np.random.default_rng(0)


class Model(nn.Module):
    def __init__(self):
        self.embedding = nn.Embedding(30, 8, rng=0)
        self.net = nn.LSTM(8, 8, num_layers=2, rng=0)
        self.heads = {"next": nn.TiedLinear(self.embedding), "more": [nn.Linear(8, 2, rng=0)]}
        self.scale = Tensor(np.ones(8))

    def __call__(self, xs):
        outputs, _ = self.net(self.embedding(xs))
        return self.heads["next"](outputs * self.scale), self.heads["more"][0](outputs)


SYMBOLS = RNG.integers(30, size=(6, 2))


def test_every_parameter_is_counted_once_where_it_is():
    found = nn.summary(Model(), SYMBOLS)
    counts = {row.path: row.parameters for row in found.rows}
    assert counts == {
        "": 8,
        "embedding": 240,
        "net": 0,
        "net.layers.0.0": 576,
        "net.layers.1.0": 576,
        "heads.next": 30,
        "heads.more.0": 18,
    }
    model = Model()
    assert found.parameters == sum(p.size for p in model.parameters())
    assert found.bytes == 8 * found.parameters


def test_shapes_and_states_are_those_of_the_first_call():
    rows = {row.path: row for row in nn.summary(Model(), SYMBOLS).rows}
    assert rows["embedding"].output == "(6, 2, 8)"
    assert rows["heads.next"].output == "(6, 2, 30)"
    assert rows["net.layers.1.0"].states == "h (2, 8), c (2, 8)"
    assert rows["heads.next"].formula == "W is embedding.W"


def test_operations_are_those_of_the_record():
    model = nn.many_to_many(3, 4, 2, cell=nn.GRUCell, rng=0)
    xs = RNG.standard_normal((5, 2, 3))
    expected = sum(int(part.operations.sum()) for part in cost(model(xs)))
    found = nn.summary(model, xs)
    assert found.operations == expected
    assert [row.path for row in found.rows if row.operations] == ["cell", "read"]


@pytest.mark.parametrize("sample", enrolled(), ids=repr)
def test_the_formula_of_a_cell_counts_its_parameters(sample):
    cell, xs, state = sample()
    found = nn.summary(cell, xs, state)
    assert found.parameters == sum(p.size for p in cell.parameters())
    sizes = {"I": "input_size", "H": "hidden_size", "O": "output_size"}
    for row in found.rows:
        said = re.sub("[IHO]", lambda m: str(getattr(cell, sizes[m[0]], 0)), row.formula)
        if row.path == "" and said:
            assert eval(said.replace("·", "*")) == row.parameters


FORMULAS = [
    (nn.LSTMCell(3, 4), "4·H·(I + H + 2)"),
    (nn.LSTMCell(5, 5, bias=False), "4·H·(I + H)"),
    (nn.GRUCell(4, 4), "3·H·(I + H + 2)"),
    (nn.PeepholeLSTMCell(3, 4), "H·(4·I + 4·H + 7)"),
    (nn.ProjectedLSTMCell(3, 4, 2), "H·(4·I + 5·O + 8)"),
    (nn.Linear(2, 2), "O·(I + 1)"),
    (nn.Linear(1, 1, bias=False), "I·O"),
    (nn.Embedding(5, 3), "N·D"),
]


@pytest.mark.parametrize(("module", "expected"), FORMULAS)
def test_formulas_are_those_of_the_papers_whatever_the_sizes(module, expected):
    shapes = {path: p.shape for path, p in module.named_parameters().items()}
    assert formula(module, shapes) == expected


def test_a_module_that_cannot_be_made_again_has_no_formula():
    class Odd(nn.Module):
        def __init__(self, array):
            self.W = Tensor(array)

    assert nn.summary(Odd(np.ones((2, 3)))).rows[0].formula == ""


def test_a_summary_leaves_the_model_as_it_was():
    model = Model()
    classes = [type(model), type(model.net), type(model.heads["more"][0])]
    before = grad(model(SYMBOLS)[0].sum(), model.parameters(), unused="zero")
    nn.summary(model, SYMBOLS)
    with pytest.raises(IndexError):
        nn.summary(model, SYMBOLS + 30)
    assert [type(model), type(model.net), type(model.heads["more"][0])] == classes
    after = grad(model(SYMBOLS)[0].sum(), model.parameters(), unused="zero")
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_cell_is_unrolled_and_a_loss_is_called():
    assert nn.summary(nn.RNNCell(3, 4, rng=0), np.ones((5, 2, 3))).operations > 0

    class Trained(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(3, 1, rng=0)

        def loss(self, x, y):
            return nn.mse_loss(tanh(self.layer(x)), y)

    rows = nn.summary(Trained(), np.ones((5, 3)), np.ones((5, 1))).rows
    assert [row.output for row in rows] == ["", "(5, 1)"]


def test_text_and_html_have_every_row():
    found = nn.summary(Model(), SYMBOLS)
    text, page = str(found), found._repr_html_()
    assert repr(found) == text
    assert page.count("<tr>") == len(found.rows) + 2
    for row in found.rows:
        assert row.path in text
        assert f"<td>{row.path}</td>" in page
    assert len({len(line) for line in text.split("\n") if line.startswith("─")}) == 1


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match="summary: expected a Module, got a function"):
        nn.summary(tanh.__call__.__func__)


def test_the_repr_of_a_module_shows_sizes_and_what_is_in_it():
    assert repr(nn.LSTM(3, 4, num_layers=2)) == "LSTM(input_size=3, hidden_size=4, num_layers=2)"
    assert repr(nn.RNN(3, 4)) == "RNN(input_size=3, hidden_size=4)"
    model = nn.Sequential(nn.Linear(3, 4), tanh, nn.Linear(4, 2))
    assert repr(model).startswith("Sequential(0=Linear(in_features=3, out_features=4), 2=Linear(")
    model.itself = model
    assert "itself=…" in repr(model)
