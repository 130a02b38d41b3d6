"""What is one training step of a recurrent language model, here and elsewhere?

Forward over T steps from one-hot inputs, a projection of every hidden state to V classes, softmax
cross-entropy averaged over all of them, all gradients, one step of plain gradient descent. Every
function here takes a `Task` and gives a step: called, it returns the loss before the update.
`step.gradients()` are the last gradients, in the order and layout of `Task.start`.
"""

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import bptt_by_hand
import bptt_in_c
import numpy as np

LR = 0.01
GATES = bptt_in_c.GATES


class Task(NamedTuple):
    """Inputs x (T, B, V) one-hot, labels y (T, B), start values W_x, W_h, b_x, b_h, W, b."""

    cell: str
    sizes: tuple[int, int, int, int]  # T, B, V, H
    x: np.ndarray
    y: np.ndarray
    start: list[np.ndarray]

    @classmethod
    def random(cls, cell: str, T: int, B: int, V: int, H: int, dtype: Any = np.float32) -> "Task":
        """One task of these sizes, always the same."""
        rng, G = np.random.default_rng(0), GATES[cell] * H
        symbols = rng.integers(V, size=(T + 1, B))
        shapes = [(V, G), (H, G), (G,), (G,), (H, V), (V,)]
        start = [(rng.uniform(-1, 1, shape) / H**0.5).astype(dtype) for shape in shapes]
        x = np.eye(V, dtype=dtype)[symbols[:-1]]
        return cls(cell, (T, B, V, H), x, symbols[1:], start)

    @property
    def dtype(self) -> np.dtype:
        return self.x.dtype

    def copies(self) -> list[np.ndarray]:
        return [p.copy() for p in self.start]


# The cells, once for whoever computes with arrays: `f` has tanh, sigmoid, and parts (of columns).
# a is what the input brings to the gates, h what the state brings.


def rnn(f: Any, a: Any, h: Any, state: tuple) -> tuple:
    return (f.tanh(a + h),)


def lstm(f: Any, a: Any, h: Any, state: tuple) -> tuple:
    i, f_, g, o = f.parts(a + h, 4)
    c = f.sigmoid(f_) * state[1] + f.sigmoid(i) * f.tanh(g)
    return f.sigmoid(o) * f.tanh(c), c


def gru(f: Any, a: Any, h: Any, state: tuple) -> tuple:
    a_r, a_z, a_n = f.parts(a, 3)
    h_r, h_z, h_n = f.parts(h, 3)
    z = f.sigmoid(a_z + h_z)
    n = f.tanh(a_n + f.sigmoid(a_r + h_r) * h_n)
    return (n + z * (state[0] - n),)


CELLS = {"rnn": rnn, "lstm": lstm, "gru": gru}


class Functions(NamedTuple):
    """What the cells need of a library."""

    tanh: Callable
    sigmoid: Callable
    parts: Callable


def columns(a: Any, n: int) -> list[Any]:
    """Slices, for libraries without a split."""
    H = a.shape[-1] // n
    return [a[:, k * H : (k + 1) * H] for k in range(n)]


def unrolled(f: Functions, task: Task, parameters: list[Any], zero: Any, xs: Any) -> list[Any]:
    """All hidden states, by a loop in Python."""
    W_x, W_h, b_x, b_h, *_ = parameters
    cell, outputs = CELLS[task.cell], []
    state = (zero, zero)
    for x in xs:
        state = cell(f, x @ W_x + b_x, state[0] @ W_h + b_h, state)
        outputs.append(state[0])
    return outputs


def zeros(task: Task) -> np.ndarray:
    """The state before the first step."""
    _, B, _, H = task.sizes
    return np.zeros((B, H), task.dtype)


# Ours, and by hand


def _model(task: Task) -> tuple[Any, Callable]:
    from tinygrad_rnn import nn, stack

    _, _, V, H = task.sizes

    class Model(nn.Module):
        def __init__(self) -> None:
            kind = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[task.cell]
            self.cell = kind(V, H, rng=0, dtype=task.dtype)
            self.readout = nn.Linear(H, V, rng=0, dtype=task.dtype)

    def loss_fn(m: Any, x: Any, y: Any) -> Any:
        outputs, _ = nn.unroll(m.cell, x)
        return nn.cross_entropy(m.readout(stack(outputs)), y)

    model = Model()
    for p, value in zip(model.parameters(), task.copies(), strict=True):
        p.data = value
    return model, loss_fn


def ours(task: Task, **options: Any) -> Callable[[], float]:
    """A compiled step, with the options of `compile`."""
    from tinygrad_rnn import compile

    model, loss_fn = _model(task)
    compiled, parameters = compile(loss_fn, **options), model.parameters()

    def step() -> float:
        loss, gradients = compiled(model, task.x, task.y)
        descend(parameters, gradients.values())
        step.gradients = lambda: list(gradients.values())
        return float(loss)

    step.compiled, step.model = compiled, model
    return step


def descend(parameters: Any, gradients: Any) -> None:
    """Plain gradient descent on Tensors."""
    for p, g in zip(parameters, gradients, strict=True):
        p.data = p.data - LR * g


def ours_numpy(task: Task) -> Callable[[], float]:
    """Ours, compiled to NumPy."""
    return ours(task)


def ours_c(task: Task) -> Callable[[], float]:
    """Ours, compiled to C."""
    return ours(task, target="c")


def ours_eager(task: Task) -> Callable[[], float]:
    """Ours, recorded anew in each step."""
    from tinygrad_rnn import grad

    model, loss_fn = _model(task)
    parameters = model.parameters()

    def step() -> float:
        loss = loss_fn(model, task.x, task.y)
        gradients = grad(loss, parameters)
        descend(parameters, gradients)
        step.gradients = lambda: gradients
        return loss.item()

    return step


def by_hand(task: Task, compute: Callable) -> Callable[[], float]:
    parameters = task.copies()

    def step() -> float:
        loss, *gradients = compute(*parameters, task.x, task.y)
        for k, g in enumerate(gradients):
            parameters[k] = parameters[k] - LR * g
        step.gradients = lambda: gradients
        return float(loss)

    return step


def hand_numpy(task: Task) -> Callable[[], float]:
    """`bptt_by_hand.py`."""
    return by_hand(task, getattr(bptt_by_hand, task.cell)(*task.sizes, task.dtype.type))


def hand_c(task: Task) -> Callable[[], float]:
    """`bptt_by_hand.c`."""
    return by_hand(task, bptt_in_c.step(task.cell, *task.sizes, task.dtype))


def without_products(task: Task) -> Callable[[], float]:
    """`bptt_by_hand.c` but for its products: what remains is part of the limit."""
    bare = bptt_in_c.step(task.cell, *task.sizes, task.dtype, bare=True)
    nothing = [np.zeros_like(p) for p in task.start]

    def compute(*arrays: np.ndarray) -> list[Any]:
        bare(*arrays)
        return [0.0, *nothing]

    return by_hand(task, compute)


def products(task: Task) -> int:
    """Floating-point operations in the products of a step; the first state is zero, so skipped."""
    T, B, V, H = task.sizes
    G, n = GATES[task.cell] * H, T * B
    return 2 * (2 * n * V * G + 3 * (n - B) * H * G + 3 * n * H * V)


# torch


def torch_module(task: Task) -> Callable[[], float]:
    """Torch's own `nn.RNN`, `nn.LSTM`, `nn.GRU`: the whole loop in C++."""
    import torch

    _, _, V, H = task.sizes
    kind = getattr(torch.nn, task.cell.upper())
    cell, parameters, readout = _torch_modules(task, kind(V, H))
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y).ravel()
    return _torch_step(lambda: _torch_loss(readout(cell(x)[0]), y), parameters)


def torch_cell(task: Task) -> Callable[[], float]:
    """Torch's `nn.RNNCell`, `nn.LSTMCell`, `nn.GRUCell`, in a loop."""
    import torch

    _, _, V, H = task.sizes
    kind = getattr(torch.nn, task.cell.upper() + "Cell")
    cell, parameters, readout = _torch_modules(task, kind(V, H))
    xs, y = torch.from_numpy(task.x), torch.from_numpy(task.y).ravel()

    def forward() -> Any:
        state, outputs = None, []
        for x in xs:
            state = cell(x, state)
            outputs.append(state[0] if task.cell == "lstm" else state)
        return _torch_loss(readout(torch.stack(outputs)), y)

    return _torch_step(forward, parameters)


def torch_primitives(task: Task) -> Callable[[], float]:
    """Torch's tensor functions, in a loop."""
    import torch

    f = Functions(torch.tanh, torch.sigmoid, lambda a, n: torch.chunk(a, n, dim=-1))
    xs, y = torch.from_numpy(task.x), torch.from_numpy(task.y).ravel()
    parameters = [torch.from_numpy(p).requires_grad_() for p in task.copies()]
    zero = torch.from_numpy(zeros(task))

    def forward() -> Any:
        hs = torch.stack(unrolled(f, task, parameters, zero, xs))
        return _torch_loss(hs @ parameters[4] + parameters[5], y)

    return _torch_step(forward, parameters, transposed=False)


def _torch_modules(task: Task, cell: Any) -> tuple[Any, list[Any], Any]:
    import torch

    _, _, V, H = task.sizes
    dtype = getattr(torch, task.dtype.name)
    cell, readout = cell.to(dtype), torch.nn.Linear(H, V).to(dtype)
    parameters = [*cell.parameters(), *readout.parameters()]
    with torch.no_grad():
        for p, value in zip(parameters, task.start, strict=True):
            p.copy_(torch.from_numpy(value.T.copy()))
    return cell, parameters, readout


def _torch_loss(logits: Any, y: Any) -> Any:
    import torch

    return torch.nn.functional.cross_entropy(logits.reshape(len(y), -1), y)


def _torch_step(forward: Callable, parameters: list[Any], transposed: bool = True) -> Callable:
    import torch

    def step() -> float:
        loss = forward()
        gradients = torch.autograd.grad(loss, parameters)
        step.gradients = lambda: [
            (g.mT if transposed and g.ndim == 2 else g).numpy() for g in gradients
        ]
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p.sub_(g, alpha=LR)
        return loss.item()

    return step


# Others


def jax_scan(task: Task) -> Callable[[], float]:
    """Jax: one `jit` around all, `lax.scan` for time; the inputs' product before it."""
    import jax
    import jax.numpy as jnp

    f = Functions(jnp.tanh, jax.nn.sigmoid, lambda a, n: jnp.split(a, n, axis=-1))
    cell = CELLS[task.cell]
    x, y = jnp.asarray(task.x), jnp.asarray(task.y.astype(np.int32))
    zero = jnp.asarray(zeros(task))
    start = (zero, zero) if task.cell == "lstm" else (zero,)
    parameters = [jnp.asarray(p) for p in task.start]

    def forward(parameters: Any, x: Any, y: Any) -> Any:
        W_x, W_h, b_x, b_h, W, b = parameters

        def body(state: Any, a: Any) -> Any:
            state = cell(f, a, state[0] @ W_h + b_h, state)
            return state, state[0]

        _, hs = jax.lax.scan(body, start, x @ W_x + b_x)
        log_p = jax.nn.log_softmax(hs @ W + b)
        return -jnp.take_along_axis(log_p, y[..., None], axis=-1).mean()

    @jax.jit
    def update(parameters: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(forward)(parameters, x, y)
        moved = [p - LR * g for p, g in zip(parameters, gradients, strict=True)]
        return loss, gradients, moved

    def step() -> float:
        nonlocal parameters
        loss, gradients, parameters = jax.block_until_ready(update(parameters, x, y))
        step.gradients = lambda: [np.asarray(g) for g in gradients]
        return float(loss)

    return step


def hips_autograd(task: Task) -> Callable[[], float]:
    """HIPS autograd, in a loop."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    def sigmoid(x):
        e = anp.exp(anp.minimum(x, 50))
        return e / (1 + e)

    f = Functions(anp.tanh, sigmoid, columns)
    places = tuple(np.ogrid[: task.y.shape[0], : task.y.shape[1]])
    zero, parameters = zeros(task), task.copies()

    def forward(parameters: Any) -> Any:
        hs = anp.array(unrolled(f, task, parameters, zero, task.x))
        logits = anp.dot(hs, parameters[4]) + parameters[5]
        logits = logits - anp.max(logits, axis=-1, keepdims=True)
        log_p = logits - anp.log(anp.sum(anp.exp(logits), axis=-1, keepdims=True))
        return -anp.mean(log_p[(*places, task.y)])

    differentiate = value_and_grad(forward)

    def step() -> float:
        loss, gradients = differentiate(parameters)
        for p, g in zip(parameters, gradients, strict=True):
            p -= LR * g
        step.gradients = lambda: gradients
        return float(loss)

    return step


def mygrad(task: Task) -> Callable[[], float]:
    """MyGrad in a loop, without its guard of recorded arrays, as its manual advises."""
    import mygrad as mg
    from mygrad.nnet import sigmoid, softmax_crossentropy

    f = Functions(mg.tanh, sigmoid, columns)
    zero, y = zeros(task), task.y.ravel()
    parameters = [mg.tensor(p) for p in task.copies()]

    def step() -> float:
        with mg.mem_guard_off:
            hs = mg.stack(unrolled(f, task, parameters, zero, task.x))
            logits = mg.matmul(hs, parameters[4]) + parameters[5]
            loss = softmax_crossentropy(logits.reshape(len(y), -1), y)
            loss.backward()
        gradients = [p.grad for p in parameters]
        for p, g in zip(parameters, gradients, strict=True):
            p.data -= LR * g
        step.gradients = lambda: gradients
        return loss.item()

    return step


def tinygrad_jit(task: Task) -> Callable[[], float]:
    """Tinygrad, the loop unrolled in its `TinyJit`."""
    from tinygrad import Tensor, TinyJit, dtypes

    f = Functions(Tensor.tanh, Tensor.sigmoid, lambda a, n: a.chunk(n, dim=-1))
    T, B, _, _ = task.sizes
    x, zero = Tensor(task.x).realize(), Tensor(zeros(task)).realize()
    y = Tensor(task.y.ravel().astype(np.int32), dtype=dtypes.int32).realize()
    parameters = [Tensor(p, requires_grad=True).realize() for p in task.copies()]

    @TinyJit
    def update() -> Any:
        xs = [x[t] for t in range(T)]
        hs = Tensor.stack(*unrolled(f, task, parameters, zero, xs))
        logits = (hs @ parameters[4] + parameters[5]).reshape(T * B, -1)
        loss = logits.sparse_categorical_crossentropy(y)
        gradients = loss.gradient(*parameters)
        moved = [p - LR * g for p, g in zip(parameters, gradients, strict=True)]
        Tensor.realize(loss, *gradients, *moved)
        for p, m in zip(parameters, moved, strict=True):
            p.assign(m).realize()
        return loss, *gradients

    def step() -> float:
        loss, *gradients = update()
        step.gradients = lambda: [g.numpy() for g in gradients]
        return loss.item()

    return step


CANDIDATES: dict[str, tuple[str, Callable[[Task], Callable[[], float]]]] = {
    "ours, eager": ("tinygrad_rnn", ours_eager),  # the first: what all others are checked against
    "ours, NumPy": ("tinygrad_rnn", ours_numpy),
    "ours, C": ("tinygrad_rnn", ours_c),
    "hand NumPy": ("numpy", hand_numpy),
    "hand C": ("numpy", hand_c),
    "torch module": ("torch", torch_module),
    "torch Cell loop": ("torch", torch_cell),
    "torch primitives": ("torch", torch_primitives),
    "jax.jit scan": ("jax", jax_scan),
    "HIPS autograd": ("autograd", hips_autograd),
    "MyGrad": ("mygrad", mygrad),
    "tinygrad JIT": ("tinygrad", tinygrad_jit),
}
SLOW = {"ours, eager", "HIPS autograd", "MyGrad", "tinygrad JIT", "torch Cell loop"}
ONLY = {"tinygrad JIT": ("tiny",)}  # it unrolls: minutes to compile beyond


def absent() -> list[str]:
    """Packages that peers need and that are not installed."""
    packages = dict.fromkeys(package for package, _ in CANDIDATES.values())
    packages |= {"micrograd": None}  # for scalars
    return [p for p in packages if not importlib.util.find_spec(p)]


def disagreement(
    steps: dict[str, Callable[[], float]], losses: dict[str, float]
) -> dict[str, float]:
    """Each candidate's largest distance from the first: of its loss, of each gradient, by norm."""
    first = next(iter(steps))
    expected = [losses[first], *steps[first].gradients()]
    return {
        name: max(
            float(np.linalg.norm(np.subtract(found, e)) / np.linalg.norm(e))
            for found, e in zip([losses[name], *step.gradients()], expected, strict=True)
        )
        for name, step in steps.items()
    }
