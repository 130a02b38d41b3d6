"""What do errors say?

What was done and where, what was expected and what came, and how to mend it. The sentences stand
here, so that the code they belong to can be read without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import Frame, context
from tinygrad_rnn.hints import unknown_keyword

# -- names ----------------------------------------------------------------------------------------


def placed(name: str) -> str:
    """A name, and the scope it is called in."""
    return _at(name, context.get().scope)


def called(node: Any) -> str:
    """The name of a Tensor in errors: its letter, its primitive, and its place if it has one."""
    what = node.name or "a leaf"
    if node.op is not None:
        what = f"{node.name} = {node.op.name}" if node.name else node.op.name
    return _at(what, node.scope)


def _at(what: str, frames: tuple[Frame, ...]) -> str:
    """Outermost first: ``"tanh at encoder · lstm · t = 3"``."""
    return f"{what} at {' · '.join(map(str, frames))}" if frames else what


def _shapes(arrays: list[Any]) -> str:
    return " and ".join(str(np.shape(a)) for a in arrays)


def _flaw(a: Any) -> str:
    return "NaN" if np.isnan(a).any() else "infinity"


# -- of a Tensor ----------------------------------------------------------------------------------

LEAVES = (
    "float(), int(), math.* or array[i] = t of a recorded Tensor: the number leaves the record, "
    "and no gradient flows back through it. To collect results, put them in a list and stack(...) "
    "it; to compute, take tinygrad_rnn's exp, tanh, …; if only the number is meant, t.item() gives "
    "it without this warning."
)
NOT_ASSIGNED = (
    "t[i] = v would change a value that the record still needs. Build a new Tensor: "
    "where(mask, v, t), concatenate(...) or stack(...); a leaf gets new values by t.data = array."
)
NOT_BY_NUMPY = (
    "NumPy functions do not record, so np.add(t, …), np.sum(t) and np.asarray(t) refuse a Tensor. "
    "Use the operators or the functions of tinygrad_rnn (add, tanh, sum, …); tinygrad_rnn.numpy "
    "has them under NumPy's names. t.data is the plain array."
)


def keeps_its_data(x: Any) -> str:
    """New data for a recorded result."""
    return (
        f"the data of a recorded result ({x!r}) cannot be replaced: its history says how it was "
        "computed. Compute a new Tensor, or .detach() it first."
    )


def other_data(x: Any, fresh: Any) -> str:
    """New data of another shape or dtype."""
    return (
        f"new data for {x.name or 'a leaf'}: expected shape {x.shape} and dtype {x.dtype}, got "
        f"{fresh.shape} and {fresh.dtype}. Reshape or convert it, or make a new Tensor."
    )


def not_one(x: Any) -> str:
    """``item()`` of several elements."""
    return f"item(): one element expected, got shape {x.shape}. Index or reduce it first."


def ambiguous(x: Any) -> str:
    """``if t:`` of several elements."""
    return (
        f"`if t:` with {x.size} elements (shape {x.shape}) is ambiguous. Compare to get an array "
        "and ask it: (t > 0).any() or .all()."
    )


def not_copied(x: Any) -> str:
    """A copy of a recorded result."""
    return (
        f"{x!r} is a recorded result: copying or pickling it would carry its whole history along. "
        "Copy t.detach() or save t.data; leaves and modules copy and pickle as they are."
    )


def not_real(owner: str, dtype: Any) -> str:
    """A Tensor of complex numbers, text or objects."""
    return (
        f"{owner}: expected a dtype of real numbers, got {dtype}. Tensors hold floats "
        "(differentiable), integers or bool."
    )


# -- of a primitive -------------------------------------------------------------------------------


def wrong_number(op: Any, n: int) -> str:
    """Arguments of another number than a primitive takes."""
    takes = f"{op.arity} input{'s' * (op.arity != 1)}"
    if op.options:
        takes += f" and the options {', '.join(op.options)}"
    return f"{placed(op.name)}: {n} arguments given; it takes {takes}."


def not_computed(op: Any, error: Exception, arrays: list[Any], options: dict[str, Any]) -> str:
    """An error of NumPy's, with the primitive, the scope, the shapes and the way out."""
    takes = _nothing if isinstance(op.forward, np.ufunc) else op.forward
    if unknown := unknown_keyword(placed(op.name), takes, options):
        return unknown
    many = len(arrays) > 1
    hint = {
        "matmul": " Multiply by a number with *."
        if () in map(np.shape, arrays)
        else " The last axis of one must be as long as the last but one of the other.",
        "conv": " The channels must agree, and the padded space hold the kernel.",
        "getitem": " Indices count from 0 and must stay inside the shape.",
        "reshape": " The number of elements must stay the same.",
        "concatenate": " Only the axis along which they are joined may differ.",
        "stack": " All shapes must be equal.",
    }.get(op.name, " Shapes must be equal or broadcast, compared from the right." * many)
    given = f"shape{'s' * many} {_shapes(arrays)}"
    given += "".join(f", {key}={value!r}" for key, value in options.items())
    return f"{placed(op.name)}: got {given}; {str(error).rstrip('.')}.{hint}"


def _nothing() -> None:
    """A ufunc's argument by name, given to a primitive."""


def not_finite(op: Any, inputs: tuple[Any, ...], arrays: list[Any], data: Any) -> str:
    """The first NaN or infinity: it came in by an input, or this primitive made it."""
    letters = {id(a): s for frame in context.get().scope for s, a in frame.arrays.items()}
    for k, (x, a) in enumerate(zip(inputs, arrays, strict=True)):
        if not np.isfinite(a).all():
            name = getattr(x, "name", None) or letters.get(id(a)) or "unnamed"
            return (
                f"{placed(op.name)}: input {k} ({name}, shape {np.shape(a)}) already holds "
                f"{_flaw(a)}; all inputs: {_shapes(arrays)}. Look where it comes from: the data, "
                "or a parameter."
            )
    return (
        f"{placed(op.name)}: the result (shape {np.shape(data)}) has {_flaw(data)}, though the "
        f"inputs (shapes {_shapes(arrays)}) are finite. Keep them in range: clip gradients, take "
        "smaller steps, or a stable form such as log_softmax."
    )


def not_found(name: str) -> str:
    """A primitive that is loaded, and not there."""
    return f"there is no primitive {name!r} with a rule: define it before loading."


def hidden(name: str) -> str:
    """A primitive that is saved, and could not be loaded."""
    return (
        f"the name {name!r} finds another primitive, so this one could not be loaded again. Give "
        "it a name of its own."
    )


def other_padding(padding: Any, axes: int) -> str:
    """The padding of a convolution."""
    return (
        f'padding is "same", "valid" or a pair (before, after) for each of {axes} axes, not '
        f"{padding!r}"
    )


def uneven(axis: int, length: int, sections: int) -> str:
    """A split into equal parts."""
    return f"split: axis {axis} of length {length} does not fall into {sections} equal parts."


def not_sections(sections: Any) -> str:
    """A split into something else."""
    return f"split: expected a number of equal parts or the places to cut before, got {sections!r}."


def not_an_index(part: Any) -> str:
    """An index of floats or text."""
    return f"getitem: an index is made of integers, slices and arrays, not {part!r}."


# -- of a gradient --------------------------------------------------------------------------------


def not_recorded(loss: Any) -> str:
    """``backward()`` of a leaf, or of a result made from arrays alone."""
    return (
        f"backward(): {loss!r} was not computed from any float Tensor, so there is nothing to go "
        "back to. Was it made under no_grad(), detached, or from arrays alone?"
    )


def not_a_scalar(loss: Any) -> str:
    """The gradient of many numbers."""
    return (
        f"the gradient of {called(loss)} with shape {loss.shape}: expected a scalar, or a "
        "cotangent of that shape. Reduce it first (sum, mean), or pass the cotangent that weights "
        "its elements."
    )


def other_cotangent(loss: Any, cotangent: Any) -> str:
    """A cotangent of another shape."""
    return (
        f"the cotangent of {called(loss)}: expected its shape {loss.shape}, got {cotangent.shape}."
    )


def not_a_tensor(what: str, x: Any) -> str:
    """The gradient of an array, or by one."""
    way_out = (
        "Arrays are constants: wrap what you differentiate by, Tensor(array), before computing."
    )
    if callable(x) and what != "wrt":
        way_out = "It takes a result, not a function: y = f(x), then grad(y, x)."
    if what == "wrt" and isinstance(x, Iterable) and not isinstance(x, (np.ndarray, str)):
        way_out = "It is not opened: put what is in it into a list."
    return f"grad: expected {what} to be a Tensor, got {type(x).__name__}. {way_out}"


def not_floats(what: str, x: Any) -> str:
    """The gradient of integers, or by some."""
    return (
        f"grad: {what} ({called(x)}) holds {x.dtype}; only floats have a derivative. Convert "
        "first: Tensor(array, dtype=float), or astype(t, float) before computing."
    )


def integer(x: Any, user: Any) -> str:
    """An integer in the place of a parameter."""
    return (
        f"backward(): {called(x)} holds the {x.dtype} {x.data}, and integers get no gradient; in "
        f"{called(user)} a float would. For a parameter write Tensor({float(x.data)}), for a "
        f"constant {x.data}."
    )


def unused(x: Any, recorded: bool) -> str:
    """A gradient by a Tensor that the loss does not depend on."""
    cuts = "stop_gradient, integers, a condition or a primitive without a rule"
    why = f"only through {cuts}" if recorded else "not at all"
    return (
        f"grad: {x.name or 'a tensor'} (shape {x.shape}) is not in the graph of the loss, which "
        f'depends on it {why}. Leave it out, or pass unused="zero".'
    )


def newer(x: Any, node: Any) -> str:
    """A leaf that got new data in the meantime."""
    return (
        f"{x.name or 'a leaf'} (shape {x.shape}) got new data after {called(node)} was recorded "
        "with the old, so the gradient would be of neither. Compute the loss again after each step."
    )


def written(node: Any, array: Any) -> str:
    """An array that was written into in the meantime."""
    letters = {id(a): letter for frame in node.scope for letter, a in frame.arrays.items()}
    letters |= {id(x._data): x.name for x in node.inputs if getattr(x, "name", None)}
    return (
        f"{letters.get(id(array)) or 'an array'} (shape {array.shape}) was written into after "
        f"{called(node)} was recorded, so the gradient would be of neither. Record a copy, "
        "array.copy(), or write into it after backward()."
    )


def misshapen(g: Any, x: Any, nodes: list[Any]) -> str:
    """A gradient of a shape that does not broadcast from its Tensor's."""
    users = {n.op.name for n in nodes if n.op and any(i is x for i in n.inputs)}
    return (
        f"the gradient of {called(x)} has shape {g.shape}; expected {x.shape}, or what that "
        f"broadcasts to. The rule of one of its users is wrong: {', '.join(users)}."
    )


def flow_not_finite(node: Any, argument: int, arrived: Any) -> str:
    """NaN or infinity from a derivative rule."""
    x = node.inputs[argument]
    was = "finite" if np.isfinite(arrived).all() else "already not finite"
    return (
        f"backward through {called(node)}: the gradient for input {argument} "
        f"({x.name or 'unnamed'}, shape {x.shape}) is not finite; the cotangent that arrived "
        f"(shape {np.shape(arrived)}) was {was}."
    )


def sum_not_finite(node: Any) -> str:
    """NaN or infinity from adding up finite gradients."""
    return (
        f"backward into {called(node)}: what flows back from each of its uses is finite, but not "
        f"the sum (shape {node.shape}). Scale the loss down."
    )
