"""What does one step of the recurrence do to a small change of its state?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.primitives import concatenate, reshape
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.measure.arguments import is_whole, letters_of
from tinygrad_rnn.measure.lanes import Lane, one_lane
from tinygrad_rnn.measure.results import Table

__all__ = ["StepJacobians", "growth_bound", "step_jacobians"]

SLOPES = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0, "identity": 1.0}


@dataclass(frozen=True, eq=False, repr=False)
class StepJacobians(Table):
    """J_t = ∂s_{t+1}/∂s_t for one lane, s being all parts of the state in a row.

    The derivative of what was recorded: across a cut (`stop_gradient`, truncation) J_t is 0.

    Attributes
    ----------
    lane, letters
        Whose, and the parts in their order.
    sizes
        How many numbers each part has.
    steps
        t of each state, T of them, in the order they were run. Without the last step if the
        record does not have all of its state: a loss of h alone does not need the last c.
    matrices
        (T − 1, examples, n, n), rows by s_{t+1}, columns by s_t.
    """

    lane: str
    letters: tuple[str, ...]
    sizes: tuple[int, ...]
    steps: np.ndarray
    matrices: np.ndarray

    def singular_values(self) -> np.ndarray:
        """Of each J_t, largest first: (T − 1, examples, n); NaN where it is not finite."""
        J = self.matrices
        good = np.isfinite(J).all(axis=(-2, -1))
        found = np.full(J.shape[:-1], np.nan)
        if good.any():
            found[good] = np.linalg.svd(J[good], compute_uv=False)
        return found

    def product(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """∂s_last/∂s_first by number of the step (0 … T − 1): (examples, n, n).

        Raises ValueError if there are no such steps.
        """
        last = len(self.steps) - 1 if last is None else last
        if not (is_whole(first) and is_whole(last) and 0 <= first <= last < len(self.steps)):
            raise ValueError(
                f"product: expected 0 ≤ first ≤ last < {len(self.steps)}, got {first}, {last}."
            )
        _, examples, n, _ = self.matrices.shape
        total = np.broadcast_to(np.eye(n), (examples, n, n)).copy()
        with np.errstate(all="ignore"):
            for J in self.matrices[first:last]:
                total = J @ total
        return total

    def log_norms(self) -> np.ndarray:
        """The logarithm of ‖∂s_T/∂s_t‖ (spectral) for every t: (T, examples); nothing overflows."""
        T, (_, examples, n, _) = len(self.steps), self.matrices.shape
        found = np.zeros((T, examples))
        P, scale = np.broadcast_to(np.eye(n), (examples, n, n)), np.zeros(examples)
        with np.errstate(all="ignore"):
            for t in range(T - 2, -1, -1):
                P = P @ self.matrices[t]
                top = np.abs(P).max(axis=(-2, -1))
                scale = scale + np.log(top)
                P = P / np.where(top > 0, top, 1)[:, None, None]
                good = np.isfinite(P).all(axis=(-2, -1))
                found[t] = np.where(good, scale, np.nan)
                found[t, good] += np.log(np.linalg.norm(P[good], 2, axis=(-2, -1)))
        return found

    def lyapunov(self, burn_in: int = 0) -> np.ndarray:
        """Exponents per step in nats, largest first: (examples, n).

        The mean of ln|R_ii| where J_t Q = Q' R (Benettin et al. 1980; for recurrent nets Vogt et
        al. 2020, "On Lyapunov exponents for RNNs"). −∞ where a direction is lost for good, that
        is, where R_ii is no larger than the rounding of the product; NaN where a step is not finite
        or there is none.

        Parameters
        ----------
        burn_in
            How many first steps only turn Q into the directions of growth, and do not count.

        Raises
        ------
        ValueError
            No step would be left to count.
        """
        curve = self.lyapunov_curve(burn_in)
        return curve[-1] if len(curve) else np.full(self.matrices.shape[1:3], np.nan)

    def lyapunov_curve(self, burn_in: int = 0) -> np.ndarray:
        """The exponents as they converge: (steps that count, examples, n).

        Row k is the mean over the first k + 1 steps after the burn-in; the last row is that of
        `lyapunov`, whose order all others have.
        """
        T, examples, n, _ = self.matrices.shape
        if not (is_whole(burn_in) and 0 <= burn_in < max(T, 1)):
            raise ValueError(
                f"lyapunov: expected a burn-in of 0 ≤ burn_in < {max(T, 1)} of the {T} Jacobians, "
                f"got {burn_in!r}."
            )
        finite: np.ndarray = np.asarray(np.isfinite(self.matrices).all(axis=(0, 2, 3)))
        growth = np.zeros((T, examples, n))
        Q, alive = np.broadcast_to(np.eye(n), (examples, n, n)), np.ones((examples, n), bool)
        for t, J in enumerate(np.where(finite[:, None, None], self.matrices, 0)):
            Q, growth[t], alive = _stretched(J, Q, alive)
        counted = np.cumsum(growth[burn_in:], axis=0)
        counted /= np.arange(1, len(counted) + 1)[:, None, None]
        if not T:
            return counted
        counted[:, ~finite] = np.nan
        return np.take_along_axis(counted, np.argsort(-counted[-1], axis=-1)[None], axis=-1)

    def columns(self) -> dict[str, Any]:
        """One row per step, example and singular value."""
        found = self.singular_values()
        t, example, number = np.indices(found.shape).reshape(3, -1)
        return {
            "t": self.steps[t],
            "example": example,
            "number": number,
            "singular_value": found.ravel(),
        }


def _stretched(
    J: np.ndarray, Q: np.ndarray, alive: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``J Q = Q' R``: Q', the logarithms of |R_ii|, and which columns are still alive.

    A column that J maps into the space of those before it is dead, and 0 from then on. QR puts an
    arbitrary direction in its place and takes that out of all columns after it: dead ones go last.
    """
    unit = Q.shape[-1] * np.finfo(float).eps
    with np.errstate(all="ignore"):
        A, rounding = J @ Q, (unit * np.abs(J) @ np.abs(Q)).sum(axis=-2)
        alive = alive & (np.abs(A).max(axis=-2) > rounding)
        while True:
            order = np.argsort(~alive, axis=-1, kind="stable")
            q, R = np.linalg.qr(np.take_along_axis(A * alive[:, None], order[:, None], axis=-1))
            q[np.abs(q) <= unit] = 0  # its rounding, on which a later J must not live
            r = np.abs(np.diagonal(R, axis1=-2, axis2=-1))
            dead = np.take_along_axis(alive, order, -1) & ~(
                r > np.take_along_axis(rounding, order, -1)
            )
            found = dead.any(axis=-1)
            if not found.any():
                break
            first = order[found, np.argmax(dead[found], axis=-1)]  # those after it may yet live
            alive[found, first] = False
        back = np.argsort(order, axis=-1)
        Q = np.take_along_axis(q, back[:, None], axis=-1) * alive[:, None]
        return Q, np.log(np.take_along_axis(r, back, axis=-1) * alive), alive


def step_jacobians(
    roots: Tensor | Sequence[Tensor],
    letters: str | Sequence[str] | None = None,
    lane: str | None = None,
    *,
    batch_axes: int | None = None,
) -> StepJacobians:
    """∂s_{t+1}/∂s_t for every step, from the record; n walks over one step each, for all examples.

    Parameters
    ----------
    roots
        The loss, or outputs.
    letters
        The parts of the state; all by default. Parts left out are held constant: with ``"c"``
        alone the way by h is cut.
    lane
        Which, the top layer by default.
    batch_axes
        How many leading axes count examples, which do not see each other (seen to at the first
        step); by default all but the last.

    Raises
    ------
    ValueError
        No such lane or letter, no state, a state that changes its shape, or examples that do see
        each other.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> outputs, _ = nn.unroll(nn.RNNCell(2, 3, rng=0), np.ones((5, 1, 2)))
    >>> step_jacobians(outputs[-1]).matrices.shape
    (4, 1, 3, 3)
    """
    found = one_lane(roots, lane)
    wanted = letters_of(letters, found.states)
    if not wanted:
        raise ValueError(f"step_jacobians: {found.name} hands no state on from step to step.")
    T = _complete(found, wanted)
    parts = [found.of(letter)[1][:T] for letter in wanted]
    held = [found.values[letter][:T] for letter in found.states if letter not in wanted]
    examples = _examples(found, parts, batch_axes)
    sizes = tuple(xs[0].size // max(examples, 1) for xs in parts)
    n = sum(sizes)
    J = np.zeros((T - 1, examples, n, n))
    token = context.set(context.get().at(()))
    try:
        for t in range(T - 1):
            now = [xs[t] for xs in parts]
            rest = [x for xs in held if (x := xs[t]) is not None]
            after = concatenate(
                [
                    reshape(xs[t + 1], shape=(examples, s))
                    for xs, s in zip(parts, sizes, strict=True)
                ],
                axis=-1,
            )
            wrt = [*now, *_edge(after, [*now, *rest])]
            if t == 0 and examples > 1:
                _check_apart(found, after, wrt, now, examples)
            for j in range(n):
                cotangent = np.zeros(after.shape, after.dtype)
                cotangent[:, j] = 1
                with np.errstate(all="ignore"):
                    gs = grad(after, wrt, cotangent, unused="zero", partial=True)
                J[t, :, j] = np.concatenate(
                    [np.reshape(g, (examples, -1)) for g in gs[: len(now)]], axis=1
                )
    finally:
        context.reset(token)
    return StepJacobians(found.name, wanted, sizes, np.array(found.steps[:T]), J)


def growth_bound(W: Any, activation: str = "tanh") -> float:
    """γ·σ_max(W) ≥ ‖∂h_{t+1}/∂h_t‖ for h' = act(… + h W); γ is the largest slope of act.

    1 for tanh and relu, 1/4 for the sigmoid (Pascanu, Mikolov & Bengio 2013, section 2.1). Below 1
    gradients must vanish; above 1 they may explode. NaN if W is not finite.

    Parameters
    ----------
    W
        The recurrent matrix, a Tensor or an array, (n, n).
    activation
        One of tanh, sigmoid, relu, identity.

    Raises
    ------
    ValueError
        W is no square matrix, or the activation is another.

    Examples
    --------
    >>> growth_bound(np.diag([0.5, 2.0]), "sigmoid")
    0.5
    """
    if not isinstance(activation, str) or activation not in SLOPES:
        raise ValueError(
            f"growth_bound: activation is one of {', '.join(SLOPES)}, not {activation!r}."
        )
    W = as_array(values(W), "growth_bound")
    if W.dtype.kind not in "iuf" or W.ndim != 2 or W.shape[0] != W.shape[1] or not W.size:
        raise ValueError(
            f"growth_bound: expected the square matrix from h to h, got shape {W.shape} of "
            f"{W.dtype}. Pass that of a plain recurrent cell, cell.W_h; an LSTM or GRU has no such "
            "bound, see step_jacobians."
        )
    if not np.isfinite(W).all():
        return float("nan")
    return SLOPES[activation] * float(np.linalg.norm(W, 2))


def _examples(lane: Lane, parts: list[list[Tensor]], batch_axes: int | None) -> int:
    """The number of examples in the states; all must agree on it at all steps."""
    shape = parts[0][0].shape
    axes = max(len(shape) - 1, 0) if batch_axes is None else batch_axes
    if (
        not is_whole(axes)
        or not 0 <= axes <= len(shape)
        or any(xs[0].shape[:axes] != shape[:axes] for xs in parts)
    ):
        raise ValueError(
            f"step_jacobians: the states of {lane.name} have shapes "
            f"{', '.join(str(xs[0].shape) for xs in parts)}, which do not share {axes} batch axes. "
            "Say how many they do share: batch_axes=…"
        )
    for t, *now in zip(lane.steps, *parts, strict=False):
        if [x.shape for x in now] != [xs[0].shape for xs in parts]:
            raise ValueError(
                f"step_jacobians: the state of {lane.name} changes its shape, to "
                f"{', '.join(str(x.shape) for x in now)} at t = {t}. Pad the short sequences, and "
                "say how long they are: nn.unroll(…, lengths=…)."
            )
    return int(np.prod(shape[:axes]))


def _complete(lane: Lane, letters: tuple[str, ...]) -> int:
    """The number of steps that have all these letters: all, or all but the last."""
    T = len(lane.steps)
    for letter in letters:
        indices, _ = lane.of(letter)
        if indices[: T - 1] != list(range(T - 1)):
            missing = next(t for k, t in enumerate(lane.steps) if k not in indices)
            raise ValueError(
                f"step_jacobians: {lane.name} has no {letter!r} at t = {missing}, so there is no "
                "derivative from step to step. Choose others: letters=…"
            )
    return min(len(lane.of(letter)[0]) for letter in letters)


def _edge(after: Tensor, now: list[Tensor]) -> list[Tensor]:
    """The nodes at which to stop: nothing older than a state depends on it."""
    oldest = min(x.serial for x in now)
    stop: list[Tensor] = []
    seen, todo = {after, *now}, [after]
    while todo:
        node = todo.pop()
        for x in node.inputs:
            if type(x) is Tensor and x not in seen and x.op is not None:
                seen.add(x)
                if x.serial > oldest:
                    todo.append(x)
                elif x.dtype.kind == "f":
                    stop.append(x)
    return [*now, *stop]


def _check_apart(
    lane: Lane, after: Tensor, wrt: list[Tensor], now: list[Tensor], examples: int
) -> None:
    """Walks from some examples must reach no other.

    Any two numbers differ in a binary digit, so halves by digit part every pair: two walks a digit.
    """
    for digit in range((examples - 1).bit_length()):
        for side in (0, 1):
            chosen = np.arange(examples) >> digit & 1 == side
            cotangent = np.zeros(after.shape, after.dtype)
            cotangent[chosen] = 1
            with np.errstate(all="ignore"):
                gs = grad(after, wrt, cotangent, unused="zero", partial=True)
            for g in gs[: len(now)]:
                if np.nan_to_num(np.reshape(g, (examples, -1))[~chosen]).any():
                    raise ValueError(
                        f"step_jacobians: in {lane.name} one example's state depends on another's, "
                        "so they have no Jacobian each. Say how many leading axes count examples: "
                        "batch_axes=0 takes the whole state as one."
                    )
