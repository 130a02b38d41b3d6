"""What does one training step of an LSTM language model look like, here and elsewhere?

Forward over T steps from one-hot inputs, a projection of every hidden state to V classes, softmax
cross-entropy averaged over all of them, all gradients, one step of plain gradient descent. Every
function here takes a `Task` and gives a step: called, it returns the loss before the update.
`step.gradients()` are the last gradients, in the order and layout of `Task.start`.
"""

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

LR = 0.01


class Task(NamedTuple):
    """Inputs (T, B, V) one-hot, labels (T, B), start values W_x, W_h, b_x, b_h, W, b."""

    xs: np.ndarray
    labels: np.ndarray
    start: list[np.ndarray]

    @classmethod
    def random(cls, T: int, B: int, V: int, H: int, dtype: type = np.float32) -> "Task":
        """One task of these sizes, always the same."""
        rng = np.random.default_rng(0)
        symbols = rng.integers(V, size=(T + 1, B))
        shapes = [(V, 4 * H), (H, 4 * H), (4 * H,), (4 * H,), (H, V), (V,)]
        start = [rng.uniform(-1, 1, shape).astype(dtype) / dtype(H**0.5) for shape in shapes]
        return cls(np.eye(V, dtype=dtype)[symbols[:-1]], symbols[1:], start)


def ours(task: Task) -> Callable[[], float]:
    """tinygrad_rnn, eager: the cell of the package, unrolled, differentiated."""
    record, differentiate = ours_in_two(task)

    def step() -> float:
        loss = record()
        gradients = differentiate(loss)
        step.gradients = lambda: gradients
        for p, g in zip(record.parameters, gradients, strict=True):
            p.data = p.data - LR * g
        return loss.item()

    return step


def ours_in_two(task: Task) -> tuple[Callable, Callable]:
    """The two halves of our step: record the loss, differentiate it."""
    from tinygrad_rnn import grad, nn, stack

    V, H = task.start[5].shape[0], len(task.start[1])
    cell, readout = nn.LSTMCell(V, H, dtype=np.float32), nn.Linear(H, V, dtype=np.float32)
    parameters = cell.parameters() + readout.parameters()
    for p, value in zip(parameters, task.start, strict=True):
        p.data = value

    def record():
        outputs, _ = nn.unroll(cell, task.xs)
        return nn.cross_entropy(readout(stack(outputs)), task.labels)

    record.parameters = parameters
    return record, lambda loss: grad(loss, parameters)


def torch_primitives(task: Task) -> Callable[[], float]:
    """Torch, the same loop written with its tensor functions."""
    import torch

    xs, labels = torch.from_numpy(task.xs), torch.from_numpy(task.labels)
    parameters = [torch.tensor(p, requires_grad=True) for p in task.start]
    W_x, W_h, b_x, b_h, W, b = parameters
    zeros = torch.zeros(xs.shape[1], len(W_h))

    def forward() -> torch.Tensor:
        h, c = zeros, zeros
        outputs = []
        for x in xs:
            i, f, g, o = torch.chunk(x @ W_x + b_x + (h @ W_h + b_h), 4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch_loss(torch.stack(outputs) @ W + b, labels)

    return torch_step(forward, parameters)


def torch_module(task: Task) -> Callable[[], float]:
    """Torch, its own `nn.LSTM`, which runs the whole loop in C++."""
    import torch

    xs, labels = torch.from_numpy(task.xs), torch.from_numpy(task.labels)
    W_x, W_h, b_x, b_h, W, b = (torch.tensor(p.T.copy()) for p in task.start)
    cell, readout = torch.nn.LSTM(W_x.shape[1], W_h.shape[1]), torch.nn.Linear(*W.T.shape)
    with torch.no_grad():
        for p, value in zip(
            [*cell.parameters(), *readout.parameters()], [W_x, W_h, b_x, b_h, W, b], strict=True
        ):
            p.copy_(value)
    parameters = [*cell.parameters(), *readout.parameters()]
    return torch_step(lambda: torch_loss(readout(cell(xs)[0]), labels), parameters, transpose=True)


def torch_loss(logits, labels):
    """Cross-entropy averaged over steps and batch."""
    import torch

    return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.ravel())


def torch_step(forward, parameters, transpose=False) -> Callable[[], float]:
    """Gradients and update in torch."""
    import torch

    def step() -> float:
        loss = forward()
        gradients = torch.autograd.grad(loss, parameters)
        step.gradients = lambda: [
            (g.mT if transpose and g.ndim == 2 else g).numpy() for g in gradients
        ]
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p -= LR * g
        return loss.item()

    return step


def hips_autograd(task: Task) -> Callable[[], float]:
    """HIPS autograd, the same loop."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    places = tuple(np.ogrid[: task.labels.shape[0], : task.labels.shape[1]])

    def sigmoid(x):
        return 0.5 * anp.tanh(0.5 * x) + 0.5

    def forward(parameters):
        W_x, W_h, b_x, b_h, W, b = parameters
        H = len(task.start[1])
        h = c = np.zeros((task.xs.shape[1], H), task.xs.dtype)
        outputs = []
        for x in task.xs:
            a = anp.dot(x, W_x) + b_x + (anp.dot(h, W_h) + b_h)
            i, f, g, o = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
            c = sigmoid(f) * c + sigmoid(i) * anp.tanh(g)
            h = sigmoid(o) * anp.tanh(c)
            outputs.append(h)
        logits = anp.dot(anp.array(outputs), W) + b
        logits = logits - anp.max(logits, axis=-1, keepdims=True)
        log_p = logits - anp.log(anp.sum(anp.exp(logits), axis=-1, keepdims=True))
        return -anp.mean(log_p[(*places, task.labels)])

    differentiate = value_and_grad(forward)
    parameters = [p.copy() for p in task.start]

    def step() -> float:
        loss, gradients = differentiate(parameters)
        step.gradients = lambda: gradients
        for p, g in zip(parameters, gradients, strict=True):
            p -= LR * g
        return float(loss)

    return step


def mygrad_unguarded(task: Task) -> Callable[[], float]:
    """MyGrad without its check that nobody writes into recorded arrays, as its manual advises."""
    import mygrad as mg

    step, unguarded = mygrad(task), mg.mem_guard_off

    def quick() -> float:
        with unguarded:
            loss = step()
        quick.gradients = step.gradients
        return loss

    return quick


def mygrad(task: Task) -> Callable[[], float]:
    """MyGrad as it comes, the same loop."""
    import mygrad as mg
    from mygrad.nnet import sigmoid, softmax_crossentropy

    H, V = task.start[4].shape
    parameters = [mg.tensor(p.copy()) for p in task.start]
    W_x, W_h, b_x, b_h, W, b = parameters
    labels = task.labels.ravel()

    def step() -> float:
        h = c = np.zeros((task.xs.shape[1], H), task.xs.dtype)
        outputs = []
        for x in task.xs:
            a = mg.matmul(x, W_x) + b_x + (mg.matmul(h, W_h) + b_h)
            i, f, g, o = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
            c = sigmoid(f) * c + sigmoid(i) * mg.tanh(g)
            h = sigmoid(o) * mg.tanh(c)
            outputs.append(h)
        logits = mg.matmul(mg.stack(outputs), W) + b
        loss = softmax_crossentropy(logits.reshape(-1, V), labels)
        loss.backward()
        gradients = [p.grad for p in parameters]
        step.gradients = lambda: gradients
        for p, g in zip(parameters, gradients, strict=True):
            p.data -= LR * g
        return loss.item()

    return step


PEERS = {
    "torch primitives": ("torch", torch_primitives),
    "torch nn.LSTM": ("torch", torch_module),
    "HIPS autograd": ("autograd", hips_autograd),
    "MyGrad": ("mygrad", mygrad),
    "MyGrad, unguarded": ("mygrad", mygrad_unguarded),
}


def installed() -> tuple[dict[str, Callable], list[str]]:
    """The peers that can be imported, and a reason for each that can't."""
    found, reasons = {}, []
    for name, (package, build) in PEERS.items():
        if importlib.util.find_spec(package):
            found[name] = build
        else:
            reasons.append(f"{name}: skipped, {package} is not installed")
    return found, reasons
