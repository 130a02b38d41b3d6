"""What does micrograd's demo cost, a step of its 2-16-16-1 network on 100 points of two moons?

Every number is a node: about 65,000 of them. The network, the max-margin loss and the penalty are
written once, for anything with `+`, `*` and `relu()`.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

SIZES = [2, 16, 16, 1]
LR, PENALTY = 0.5, 1e-4


def moons(points: int = 100) -> tuple[list[list[float]], list[float]]:
    """Two interleaved half circles with noise, labelled -1 and 1."""
    rng = np.random.default_rng(0)
    angle = np.linspace(0, np.pi, points // 2)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    xs = np.concatenate([upper, [1, 0.5] - upper]) + 0.1 * rng.standard_normal((points, 2))
    return xs.tolist(), [-1.0] * (points // 2) + [1.0] * (points // 2)


def start() -> list[float]:
    """Weights and a bias for each neuron, layer by layer."""
    rng = np.random.default_rng(1)
    return [
        value
        for inputs, outputs in pairwise(SIZES)
        for _ in range(outputs)
        for value in [*rng.uniform(-1, 1, inputs).tolist(), 0.0]
    ]


def network(parameters: list[Any], xs: list[Any]) -> Any:
    """The score of one point."""
    numbers = iter(parameters)
    for outputs in SIZES[1:]:
        last = outputs == 1
        sums = []
        for _ in range(outputs):
            products = [next(numbers) * x for x in xs]
            sums.append(sum(products, next(numbers)))
        xs = sums if last else [a.relu() for a in sums]
    return xs[0]


def loss_of(parameters: list[Any], points: list[list[Any]], labels: list[float]) -> Any:
    """Mean of max(0, 1 - label · score), and the penalty on the squares of all parameters."""
    scores = [network(parameters, x) for x in points]
    margins = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
    return sum(margins) * (1 / len(margins)) + PENALTY * sum(p * p for p in parameters)


def ours() -> Callable[[], float]:
    """The step with Tensors without axes; the points are constants, so plain numbers."""
    from tinygrad_rnn import Tensor, grad

    points, labels = moons()
    parameters = [Tensor(p) for p in start()]

    def step() -> float:
        loss = loss_of(parameters, points, labels)
        step.gradients = grad(loss, parameters)
        for p, g in zip(parameters, step.gradients, strict=True):
            p.data = p.data - LR * g
        return loss.item()

    return step


def micrograd() -> Callable[[], float]:
    """The step with micrograd's Values, as its demo writes it."""
    from micrograd.engine import Value

    points, labels = moons()
    parameters = [Value(p) for p in start()]

    def step() -> float:
        inputs = [[Value(x) for x in point] for point in points]
        loss = loss_of(parameters, inputs, labels)
        for p in parameters:
            p.grad = 0
        loss.backward()
        step.gradients = [p.grad for p in parameters]
        for p in parameters:
            p.data -= LR * p.grad
        return loss.data

    return step
