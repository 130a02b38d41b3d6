"""Do modules work as those of torch and Keras do?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, grad, named, nn, tanh, train
from tinygrad_rnn.tasks import one_hot

X = np.random.default_rng(0).standard_normal((5, 3))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 4, rng=0)])
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 2, rng=1)})

    def forward(self, x):
        return self.heads["a"](tanh(self.layers[0](x)))


def test_forward_says_what_a_call_computes():
    model = Net()
    assert np.array_equal(model(X).data, model.forward(X).data)

    class Twice(Net):
        def forward(self, x):
            return super().forward(x) * 2

    assert np.array_equal(Twice()(X).data, 2 * model(X).data)


def test_call_goes_before_forward():
    class Both(nn.Module):
        def __call__(self, x):
            return self.forward(x) + 1

        def forward(self, x):
            return x

    assert Both()(1) == 2


def test_lists_and_dicts_of_modules_have_the_paths_of_torch():
    paths = ["layers.0.W", "layers.0.b", "heads.a.W", "heads.a.b"]
    assert [path for path, _ in Net().named_parameters()] == paths


def test_named_parameters_are_pairs_and_a_dict():
    found = Net().named_parameters()
    assert [(path, p.shape) for path, p in found] == [(k, p.shape) for k, p in found.items()]
    assert len(found) == 4
    assert found["heads.a.b"].shape == (2,)
    assert "heads.a.b" in found
    assert dict(found) == {**found} == dict(found.items())
    gradients = grad(Net()(X).sum(), Net().named_parameters(), unused="zero")
    assert [path for path, _ in gradients.items()] == [path for path, _ in found]


def test_sequential_calls_one_after_the_other():
    model = nn.Sequential(nn.Linear(3, 4, rng=0), tanh, nn.Linear(4, 2, rng=1))
    assert np.array_equal(model(X).data, model[2](tanh(model[0](X))).data)
    assert len(model) == 3
    assert [*model][1] is tanh
    assert [path for path, _ in model.named_parameters()] == ["0.W", "0.b", "2.W", "2.b"]


def test_sequential_refuses_classes_and_layers_over_time_in_the_middle():
    with pytest.raises(TypeError, match=r"part 1 is a module or a function"):
        nn.Sequential(nn.Linear(3, 4), nn.Linear)
    model = nn.Sequential(nn.RNN(3, 4), nn.Linear(4, 2))
    with pytest.raises(TypeError, match=r"part 0 gave a tuple of 2.*many_to_one"):
        model(np.zeros((2, 1, 3)))


def test_an_optimiser_takes_a_module_a_dict_or_an_iterator():
    model = Net()
    expected = {*model.parameters()}
    for given in (model, [model], model.named_parameters(), {"a": model}, iter(expected)):
        assert {*train.Adam(given).parameters} == expected


class Pair:
    """A cell that returns its output beside its state, as torch's layers do."""

    def initial_state(self, *batch):
        return np.zeros((*batch, 3)), np.zeros((*batch, 3))

    def __call__(self, x, state):
        h, c = state
        c = c + x
        return named(h=tanh(c)), (h, c)


def test_a_cell_that_returns_its_output_beside_its_state_is_told_what_a_state_is():
    said = r"pair returned \(ndarray, \(ndarray, ndarray\)\) for the next state and was given"
    with pytest.raises(TypeError, match=said + r" \(ndarray, ndarray\).*nothing beside it"):
        nn.unroll(Pair(), X[:, None], (np.zeros((1, 3)), np.zeros((1, 3))))
    with pytest.raises(TypeError, match=r"method output\(state\)"):
        nn.unroll(lambda x, h: (tanh(Tensor(x) + h), h), one_hot(np.array([[0], [1]]), 3), X[:1])


GIVEN = [
    (lambda: nn.Linear(2, 3, bias="no"), "Linear: bias is True or False"),
    (lambda: nn.TiedLinear(nn.Embedding(2, 3), bias=1), "TiedLinear: bias is True or False"),
    (lambda: nn.LSTMCell(2, 3, bias="no"), "LSTMCell: bias is True or False"),
    (lambda: nn.LSTMCell(2, 3, dtype="flot32"), "LSTMCell: parameters are floats, got dtype 'flot"),
    (lambda: nn.GRU(2, 3, wrap=3), "GRU: wrap is a function or a class"),
    (lambda: nn.many_to_one(2, 3, 4, cell="lstm"), "cell is a function or a class, got 'lstm'"),
    (lambda: nn.SequenceModel(nn.RNNCell(2, 3), None, "one", "one"), "read is a function"),
    (lambda: nn.start.orthogonal(nn.RNNCell(2, 3), gain="1"), "gain is a finite number"),
    (lambda: nn.start.identity(nn.RNNCell(2, 3), scale=None), "scale is a finite number"),
    (lambda: nn.unroll(nn.RNNCell(2, 3), X, lenghts=[5]), "Did you mean 'lengths'?"),
]


@pytest.mark.parametrize(("make", "says"), GIVEN)
def test_arguments_are_checked_when_they_are_given(make, says):
    with pytest.raises(TypeError) as error:
        make()
    assert says in str(error.value)
