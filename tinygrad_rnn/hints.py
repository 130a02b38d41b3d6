"""What is it called here?

A name that other libraries have and this one has not is answered with the line to write, a
mistyped one with the nearest that there is. `HINTS` is the one table, for Tensors, modules and
packages.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from tinygrad_rnn import postponed

__all__ = [
    "HINTS",
    "WORDS",
    "Keywords",
    "absent",
    "checked_keywords",
    "nearest",
    "of_package",
    "unknown_keyword",
]

Function = TypeVar("Function", bound=Callable[..., Any])

_ROOMS = ("nn", "train", "measure", "tasks")
_OURS = ("tinygrad_rnn", *[f"tinygrad_rnn.{room}" for room in _ROOMS])

_NO_MODE = "there is no mode: pass rng=generator to a call in training, nothing in evaluation"
_NO_DEVICE = "there is one device, NumPy's: leave it out; another dtype is dtype=, or t.astype(…)"
_NO_SEED = "there is no global generator: pass rng=0 where something is drawn"
_NOT_IN_PLACE = "nothing writes into a Tensor: write t = t + u; a leaf takes new values, t.data = …"
_FROM_NUMPY = "make it with NumPy: Tensor(np.zeros(shape)), Tensor(rng.standard_normal(shape))"
_NO_FLAG = "what is a Tensor is differentiated, what is an array is not; freeze W by W = W.data"
_ACTIVATION = "activations are functions: from tinygrad_rnn import tanh, relu, sigmoid, softmax"
_COPY = "Tensor(t.data) is a leaf of its own; a recorded result needs no copy"

# fmt: off
HINTS: dict[str, str] = {
    # Tensors
    "view":               "t.reshape(2, -1)",
    "permute":            "t.transpose(1, 0, 2)",
    "t":                  "t.T",
    "unsqueeze":          "expand_dims(t, axis)",
    "expand":             "broadcast_to(t, shape)",
    "expand_as":          "broadcast_to(t, u.shape)",
    "clone":              _COPY,
    "copy":               _COPY,
    "contiguous":         "leave it out: every Tensor may be reshaped",
    "masked_fill":        "where(mask, value, t)",
    "gather":             "t[np.arange(len(t)), indices]",
    "argmax":             "t.data.argmax(axis)",
    "tolist":             "t.data.tolist()",
    "pow":                "t ** n",
    "mm":                 "a @ b",
    "bmm":                "a @ b",
    "clamp":              "clip(t, low, high)",
    "add_":               _NOT_IN_PLACE,
    "mul_":               _NOT_IN_PLACE,
    "zero_":              _NOT_IN_PLACE,
    "copy_":              _NOT_IN_PLACE,
    "requires_grad":      _NO_FLAG,
    "requires_grad_":     _NO_FLAG,
    "retain_grad":        "(gradient,) = grad(loss, [t])",
    "grad_fn":            "t.op, t.inputs",
    # modules
    "train":              _NO_MODE,
    "eval":               _NO_MODE,
    "forward":            "call it: y = layer(x); in a class of yours define forward or __call__",
    "children":           "vars(model) lists its parts, model.named_parameters() its Tensors",
    "modules":            "vars(model) lists its parts, model.named_parameters() its Tensors",
    "register_buffer":    "self.name = array: what is an array is saved, but not trained",
    "register_parameter": "self.name = Tensor(array)",
    "predict":            "y = model(xs); under no_grad() nothing is recorded",
    "apply":              "for p in model.parameters(): p.data = …; nn.start has start values",
    # devices and generators
    "to":                 _NO_DEVICE,
    "cuda":               _NO_DEVICE,
    "cpu":                _NO_DEVICE,
    "device":             _NO_DEVICE,
    "float":              "t.astype(np.float32); a module takes dtype=np.float32 when it is made",
    "double":             "t.astype(np.float64); a module takes dtype=np.float64 when it is made",
    "manual_seed":        _NO_SEED,
    "random":             _NO_SEED,
    # the package
    "tensor":             "Tensor(data)",
    "array":              "Tensor(data)",
    "from_numpy":         "Tensor(array)",
    "Variable":           "Tensor(data)",
    "zeros":              _FROM_NUMPY,
    "ones":               _FROM_NUMPY,
    "randn":              _FROM_NUMPY,
    "arange":             _FROM_NUMPY,
    "cat":                "concatenate(tensors, axis=0)",
    "autograd":           "loss.backward(), or grads = grad(loss, model.parameters())",
    "value_and_grad":     "loss = f(model); grads = grad(loss, model.parameters())",
    "GradientTape":       "nothing has to be opened: loss = f(model); loss.backward()",
    "jit":                "compile(loss_fn)",
    "vmap":               "write it for a batch: operations broadcast over leading axes",
    "optim":              "train.Adam(model.parameters(), lr=1e-3)",
    "save":               "np.savez(path, **model.state_dict())",
    "load":               "model.load_state_dict(np.load(path))",
    # layers and losses
    "functional":         "nn has the losses and dropout, tinygrad_rnn relu, softmax, tanh, …",
    "Parameter":          "Tensor(array), assigned to an attribute of a Module",
    "init":               "nn.start",
    "Dropout":            "nn.dropout(x, p, rng); nn.LSTM(…, dropout=p) has it between layers",
    "Dense":              "nn.Linear(in_features, out_features)",
    "SimpleRNN":          "nn.RNN(input_size, hidden_size)",
    "Bidirectional":      "nn.LSTM(…, bidirectional=True)",
    "TimeDistributed":    "leave it out: nn.Linear works on the last axis of (T, batch, features)",
    "Tanh":               _ACTIVATION,
    "ReLU":               _ACTIVATION,
    "Sigmoid":            _ACTIVATION,
    "Softmax":            _ACTIVATION,
    "CrossEntropyLoss":   "nn.cross_entropy(logits, labels)",
    "NLLLoss":            "nn.cross_entropy(logits, labels)",
    "MSELoss":            "nn.mse_loss(y, target)",
    "BCELoss":            "nn.binary_cross_entropy(logits, target)",
    "BCEWithLogitsLoss":  "nn.binary_cross_entropy(logits, target)",
    "CTCLoss":            "nn.ctc_loss",
    "scan":               "outputs, state = nn.unroll(cell, xs)",
    "utils":              "train.clip_grad_norm(model.parameters(), 1.0); lengths= for packing",
    # training
    "DataLoader":         "train.fit(model, optimiser=…, data=batches, epochs=5)",
    "Trainer":            "train.fit(model, batch, optimiser, steps=1000)",
    "clip_grad_norm_":    "train.clip_grad_norm(model.parameters(), 1.0)",
    "clip_grad_value_":   "train.clip_grad_value(model.parameters(), 1.0)",
    "lr_scheduler":       "train.staircase, cosine, exponential, warm_up: fit(schedule=…)",
    "StepLR":             "fit(schedule=train.staircase(lr, every, factor))",
    "CosineAnnealingLR":  "fit(schedule=train.cosine(lr, steps))",
    "ReduceLROnPlateau":  "fit(schedule=train.Plateau(lr))",
    "EarlyStopping":      "fit(validate=score, patience=5)",
    "ModelCheckpoint":    'fit(path="run.npz")',
    # pictures
    "make_dot":           "viz.unrolled(loss)",
    "unroll":             "nn.unroll(cell, xs) runs a cell, viz.unrolled(loss) draws it",
    "plot":               "viz.unrolled(loss), viz.learning_curves(run); help(viz) lists all",
    "plot_model":         "viz.unrolled(loss), viz.folded(loss)",
}
# fmt: on


# What other libraries call an argument.
WORDS = {
    "dim": "axis",
    "dims": "axes",
    "keepdim": "keepdims",
    "input": "x",
    "units": "hidden_size",
    "input_dim": "input_size",
    "nonlinearity": "activation",
    "seed": "rng",
    "random_state": "rng",
    "learning_rate": "lr",
    "optimizer": "optimiser",
    "callbacks": "callback",
    "class_weight": "weight",
}


class NoAttribute(AttributeError):
    """The sentence is made when it is read: `hasattr` asks often, and reads none."""

    def __init__(self, owner: str, name: str, known: Callable[[], Iterable[str]]) -> None:
        # With obj, Python adds no suggestion of its own to the sentence.
        super().__init__(owner, name, obj=owner)
        self.known = known

    def __str__(self) -> str:
        owner, name = self.args
        hint = HINTS.get(name) or _elsewhere(name)
        said = f" Here: {hint}." if hint else nearest(name, self.known())
        return f"{owner} has no {name!r}.{said}"


def absent(x: Any, name: str) -> NoReturn:
    """AttributeError for an attribute that an object lacks; that of a property is its own."""
    for cls in type(x).__mro__ if hasattr(type(x), name) else ():
        if name in vars(cls):  # it is there, and raised an AttributeError itself
            vars(cls)[name].__get__(x, type(x))
    raise NoAttribute(type(x).__name__, name, lambda: [n for n in dir(x) if n[0] != "_"])


def of_package(package: str, public: list[str]) -> tuple[Callable[[str], Any], Any]:
    """``__getattr__`` and ``__dir__`` of a package: postponed imports, hints, what is public."""

    def lacking(name: str) -> Any:
        try:
            return postponed.found(package, name)
        except AttributeError:
            pass
        raise NoAttribute(package.removeprefix("tinygrad_rnn."), name, lambda: public)

    def shown() -> list[str]:
        return sorted({*public, *[n for n in vars(sys.modules[package]) if n[:2] == "__"]})

    return lacking, shown


def _elsewhere(name: str) -> str:
    """The name in another of our packages that has it."""
    for package in _OURS:
        importlib.import_module(package)
    for package in (*_OURS, "viz"):
        if name in getattr(sys.modules.get(package), "__all__", ()):
            return f"{package.removeprefix('tinygrad_rnn.')}.{name}"
    return ""


# -- keywords -------------------------------------------------------------------------------------


class _Signature:
    """The signature of ``__init__``, for Python 3.11, which reads that of ``__new__``."""

    def __get__(self, x: Any, cls: type) -> inspect.Signature | None:
        if x is not None:
            return None
        if cls.__init__ is object.__init__:
            return inspect.Signature()
        whole = inspect.signature(cls.__init__)
        return whole.replace(parameters=[*whole.parameters.values()][1:])


class Keywords:
    """Base of classes that refuse an unknown keyword by their own name, with the nearest one."""

    __slots__ = ()

    if not TYPE_CHECKING:
        __signature__ = _Signature()

        def __new__(cls, *args, **keywords):  # noqa: D102
            if cls.__init__ is object.__init__ and (args or keywords):
                raise TypeError(f"{cls.__name__}: it takes no arguments.")
            if keywords:
                _check(cls.__name__, cls.__init__, keywords)
            return super().__new__(cls)


def checked_keywords(function: Function) -> Function:
    """`function`, whose unknown keywords are refused with the nearest that it has."""
    name = function.__name__

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except TypeError:
            _check(name, function, keywords)
            raise

    return cast("Function", call)


def unknown_keyword(owner: str, function: Callable[..., Any], keywords: Iterable[str]) -> str:
    """A sentence about the first keyword that a function does not have; empty if it has all."""
    known = _named(function)
    for name in keywords:
        if known is not None and name not in known:
            meant = WORDS.get(name)
            said = f" Here it is {meant}=." if meant in known else nearest(name, known)
            said = said or f" It takes {', '.join(known) or 'none'}."
            return f"{owner}: there is no argument {name!r}.{said}"
    return ""


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the name that may be meant; empty if none is like it."""
    by_letters = {k.lower().replace("_", ""): k for k in known}
    like = difflib.get_close_matches(name.lower().replace("_", ""), by_letters, 1)
    return f" Did you mean {by_letters[like[0]]!r}?" if like else ""


def _check(owner: str, function: Callable[..., Any], keywords: Iterable[str]) -> None:
    if said := unknown_keyword(owner, function, keywords):
        raise TypeError(said) from None


@functools.lru_cache(maxsize=512)
def _named(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """The arguments of a function by name, without self; None if it takes any, or in C."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(p.name for p in parameters if p.kind in kinds and p.name != "self")
