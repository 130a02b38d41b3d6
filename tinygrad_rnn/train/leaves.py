"""Which Tensors would silently stay untrained?

A float leaf that a gradient reaches is meant to be trained. If it is not part of the model, e.g. a
global bias that the loss reads, the optimiser does not move it, no checkpoint holds it, and a
program would keep its first value: that is an error. A parameter of the model that the optimiser
does not have may be left out on purpose: it is named in one line.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from tinygrad_rnn.border import as_array, refuse_foreign
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.integers import users
from tinygrad_rnn.engine.messages import called
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.train.optimiser import Optimiser

__all__ = ["check_leaves", "tensors_in", "untrained"]

TEXT = "US"  # kinds of dtype that a loss may turn into numbers itself
NAMED = 5  # at most so many in one sentence


def check_leaves(
    loss: Tensor,
    parameters: Collection[Tensor],
    known: Any,
    born: int,
    reached: Collection[Tensor] | None = None,
) -> None:
    """Every old leaf that a gradient of `loss` reaches is a parameter or was given to the loss.

    Parameters
    ----------
    loss
        A recorded Tensor.
    parameters
        Those of the model.
    known
        The arguments of the loss, batch and carried state: Tensors in tuples, lists and dicts. The
        leaves that a recorded one was made from are known as well.
    born
        A serial number, e.g. ``Tensor(0.0).serial`` at the start of `fit`. Later leaves, made
        inside the loss, are skipped.
    reached
        The leaves that `tinygrad_rnn.engine.backward.backward` returned for `loss`. Without them
        the record is walked once.

    Raises
    ------
    ValueError
        A leaf is none of these: names each with its shape and one operation that uses it.
    """
    own = {*parameters}
    leaves = [x for x in ancestors(loss) if x.op is None] if reached is None else reached
    strange = [x for x in leaves if x.serial < born and x not in own and x._data.dtype.kind == "f"]
    if strange:
        given = {*ancestors(*tensors_in(known))}
        strange = [x for x in strange if x not in given]
    if not strange:
        return
    used = users(loss, ancestors(loss))
    strange = [x for x in strange if x in used]
    if strange:
        named = [f"{called(x)} (shape {x.shape}, used by {called(used[x])})" for x in strange]
        what = "which is not a parameter" if len(named) == 1 else "which are not parameters"
        raise ValueError(
            f"fit: the loss depends on {_listed(named)}, {what} of the model and would not be "
            "trained. Make it an attribute of the model (an nn.Module), or, if it is a constant, "
            "an array: tensor.data."
        )


def untrained(model: Module, optimiser: Optimiser) -> str:
    """A line that names the float parameters that the optimiser does not have; empty for none."""
    moved = {*optimiser.parameters}
    names = [
        path
        for path, p in model.named_parameters().items()
        if p not in moved and p.dtype.kind == "f"
    ]
    return f"fit: not trained, as the optimiser does not have them: {_listed(names)}" * bool(names)


def tensors_in(given: Any) -> list[Tensor]:
    """The Tensors in a structure and its modules; TypeError for arrays without numbers."""
    found = list[Tensor]()
    for x in tree.leaves(given):
        if type(x) is Tensor:
            found.append(x)
        elif isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind not in TEXT:
            as_array(x, "fit")
        else:
            refuse_foreign(x, "fit")
    return found


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
