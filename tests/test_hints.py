"""Is a name of another library answered with the line to write, and a typo with the nearest?"""

import inspect

import numpy as np
import pytest

import tinygrad_rnn as tg
import viz
from tinygrad_rnn import Tensor, measure, nn, tasks, train
from tinygrad_rnn.hints import HINTS

T = Tensor(np.ones((2, 3)))
LAYER = nn.Linear(3, 4, rng=0)

# owner, a name it lacks, and what the sentence must hold
ANSWERED = [
    (T, "view", "reshape"),
    (T, "permute", "transpose"),
    (T, "unsqueeze", "expand_dims"),
    (T, "cuda", "one device"),
    (T, "requires_grad", "there"),
    (T, "softmax", "tinygrad_rnn.softmax"),
    (T, "reshpe", "'reshape'"),
    (LAYER, "train", "there is no mode: pass rng"),
    (LAYER, "eval", "there is no mode"),
    (LAYER, "to", "one device"),
    (LAYER, "forward", "y = layer(x)"),
    (LAYER, "parametres", "'parameters'"),
    (tg, "cat", "concatenate"),
    (tg, "manual_seed", "rng="),
    (tg, "LSTM", "nn.LSTM"),
    (tg, "mse_loss", "nn.mse_loss"),
    (tg, "Adam", "train.Adam"),
    (tg, "concatinate", "'concatenate'"),
    (nn, "functional", "relu"),
    (nn, "Dropout", "nn.dropout"),
    (nn, "CrossEntropyLoss", "nn.cross_entropy"),
    (nn, "tanh", "tinygrad_rnn.tanh"),
    (nn, "LSTMcell", "'LSTMCell'"),
    (train, "StepLR", "staircase"),
    (train, "adam", "'Adam'"),
    (viz, "make_dot", "viz.unrolled"),
    (viz, "gradientflow", "'gradient_flow'"),
    (measure, "gate", "'gates'"),
    (tasks, "reberr", "'reber'"),
]


@pytest.mark.parametrize(("owner", "name", "answer"), ANSWERED, ids=[x[1] for x in ANSWERED])
def test_a_name_that_is_not_there_is_answered_with_what_is(owner, name, answer):
    said = answer if name != "requires_grad" else "what is a Tensor is differentiated"
    with pytest.raises(AttributeError) as error:
        getattr(owner, name)
    assert name in str(error.value)
    assert said in str(error.value)
    assert not hasattr(owner, name)


PACKAGES = {"nn": nn, "train": train, "viz": viz, "measure": measure, "tasks": tasks}


def test_no_hint_hides_a_name_that_is_there():
    everywhere = {name for package in (tg, *PACKAGES.values()) for name in package.__all__}
    both = {"train", "unroll", "gather"} & everywhere  # the package `train`, and `nn.unroll`
    assert not (HINTS.keys() & everywhere) - both
    assert not HINTS.keys() & {name for name in dir(Tensor) if not name.startswith("_")}


def test_the_lines_of_the_hints_name_what_is_there():
    for line in HINTS.values():
        for room, package in PACKAGES.items():
            for part in line.split(f"{room}.")[1:]:
                name = part.split("(")[0].split(",")[0].split(" ")[0].rstrip(";.…")
                assert hasattr(package, name), line


@pytest.mark.parametrize("package", [tg, *PACKAGES.values()])
def test_dir_shows_what_is_public(package):
    assert [name for name in dir(package) if not name.startswith("__")] == sorted(package.__all__)


def test_an_attribute_error_inside_a_property_is_its_own():
    class Model(nn.Module):
        @property
        def width(self):
            return self.inner.size

    with pytest.raises(AttributeError, match="Model has no 'inner'"):
        _ = Model().width


DIM = [
    lambda: T.sum(dim=0),
    lambda: T.mean(dim=0),
    lambda: T.max(dim=1),
    lambda: tg.sum(T, dim=0),
    lambda: tg.mean(T, dim=0),
    lambda: tg.softmax(T, dim=-1),
    lambda: tg.logsumexp(T, dim=-1),
    lambda: tg.concatenate([T, T], dim=0),
    lambda: tg.stack([T, T], dim=0),
    lambda: tg.split(T, 2, dim=0),
    lambda: tg.flip(T, dim=0),
    lambda: tg.squeeze(T, dim=0),
    lambda: tg.expand_dims(T, dim=0),
]


@pytest.mark.parametrize("call", DIM)
def test_dim_is_answered_with_axis(call):
    with pytest.raises(TypeError, match=r"there is no argument 'dim'\. Here it is axis="):
        call()


KEYWORDS = [
    (lambda: nn.LSTMCell(2, 3, bia=False), "LSTMCell", "bias"),
    (lambda: nn.Linear(2, out_feature=3), "Linear", "out_features"),
    (lambda: nn.LSTM(2, 3, num_layer=2), "LSTM", "num_layers"),
    (lambda: nn.GRU(2, 3, bidirectionl=True), "GRU", "bidirectional"),
    (lambda: nn.Zoneout(nn.RNNCell(2, 3), prb=0.1), "Zoneout", ""),
    (lambda: train.Adam([T], amsgrad=True), "Adam", ""),
    (lambda: train.SGD([T], 0.1, momentun=0.9), "SGD", "momentum"),
    (lambda: tg.sum(T, keep_dims=True), "sum", "keepdims"),
]


@pytest.mark.parametrize(("call", "owner", "meant"), KEYWORDS)
def test_an_unknown_keyword_names_the_public_class_and_the_nearest(call, owner, meant):
    with pytest.raises(TypeError) as error:
        call()
    assert str(error.value).startswith(f"{owner}: there is no argument ")
    assert (
        f"Did you mean {meant!r}?" in str(error.value) if meant else "It takes " in str(error.value)
    )


def test_a_class_without_arguments_refuses_some():
    class Empty(nn.Module):
        pass

    with pytest.raises(TypeError, match="Empty: it takes no arguments"):
        Empty(3)


@pytest.mark.parametrize("cls", [nn.LSTMCell, nn.GRUCell, nn.Linear, nn.LSTM, train.Adam])
def test_the_signature_of_a_class_is_that_of_its_init(cls):
    expected = [*inspect.signature(cls.__init__).parameters][1:]
    assert [*inspect.signature(cls).parameters] == expected


def test_a_star_import_brings_ours_and_refuses_what_only_pythons_own_mean():
    names = {}
    exec("from tinygrad_rnn import *", names)
    assert all(names[name] is getattr(tg, name) for name in ("sum", "max", "min", "compile"))
    for call in ("max(-5, 0)", "min(5, -1)", "max([], default=0)", "sum(x for x in [1, 2])"):
        with pytest.raises((TypeError, ValueError, IndexError)):
            eval(call, names)
