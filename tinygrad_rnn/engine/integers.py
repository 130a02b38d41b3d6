"""Which integer stands where a parameter was meant?

Integers get no gradient. As an index, a condition, a class or a count they need none; as a bias
they were meant to be floats, and training would go on without them.
"""

from __future__ import annotations

from collections.abc import Collection

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.primitives import astype
from tinygrad_rnn.engine.rules import RULES
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["check_integers", "users"]


def users(loss: Tensor, nodes: list[Tensor]) -> dict[Tensor, Tensor]:
    """For each of `nodes` that a gradient flows to, or would if it held floats, one user of it.

    A gradient does not flow into an index or a condition, nor through `stop_gradient` and
    comparisons, nor from integers into floats. `nodes` are those of `loss`, in the order of birth.
    """
    found = {loss: loss}
    for node in reversed(nodes):
        if node not in found or node.op not in RULES:
            continue
        rules = RULES[node.op]
        for k, x in enumerate(node.inputs):
            if type(x) is not Tensor or x in found:
                continue
            if type(rules) is tuple:
                flows = k < len(rules) and rules[k] is not None
            else:  # a scatter has indices after what it puts in place
                flows = k < len(node.options.get("indices", node.inputs))
            floats = x._data.dtype.kind == "f", node._data.dtype.kind == "f"
            if flows and (floats[1] or not floats[0]) and (floats[0] or node.op is not astype):
                found[x] = node
    return found


def check_integers(loss: Tensor, nodes: list[Tensor], data: Collection[Tensor] = ()) -> None:
    """TypeError if an integer leaf without axes stands where a float would get a gradient.

    As the bias in ``w * x + Tensor(0)``, it was meant to be Tensor(0.0), or to be a number. It may
    be an index, a condition, a class or an operand of a comparison, and it may be converted
    (`astype`). With axes, integers may stand anywhere: inputs in one-hot code, counts, targets and
    masks come so, and nothing tells them from weights. A single one is no batch of data.

    `nodes` are those of `loss`, in the order of birth; leaves in `data` are no parameters.
    """
    single = [x for x in nodes if x.op is None and not x._data.ndim and x._data.dtype.kind in "iu"]
    integers = [x for x in single if x not in {*data}]
    used = users(loss, nodes) if integers else {}
    for x in integers:
        if x in used:
            raise TypeError(messages.integer(x, used[x]))
