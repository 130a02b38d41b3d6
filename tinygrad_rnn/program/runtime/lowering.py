"""How does a program write a primitive of your own?"""

from __future__ import annotations

import re

import numpy as np

from tinygrad_rnn.engine.kinds import UNKNOWN
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.program.backends.c.prelude import REALS, pieces
from tinygrad_rnn.program.backends.numpy import names as of_numpy
from tinygrad_rnn.program.formula import python, writer
from tinygrad_rnn.program.ir import ops

__all__ = ["register_lowering"]

LETTERS = "xyz"
POINTS = np.array([-1.7, -0.6, 0.3, 0.8, 1.4])
# Other names in a program: operations, helpers, functions in C, notations of formulas.
TAKEN = frozenset(
    (
        *(*ops.PRIMITIVES, *ops.LIKE, *ops.KNOWN, *ops.HELPERS, "gates"),
        *(*python.HELPERS, *python.Python.forms, *writer.SHARED, *writer.FUNCTIONS),
        *(name.removesuffix("_f") for name in pieces()),
    )
)
_known: dict[str, tuple[str, str, str]] = {}


def register_lowering(primitive: Primitive, numpy: str, c: str = "", latex: str = "") -> None:
    """Say how programs write an elementwise primitive of your own.

    Parameters
    ----------
    primitive
        It takes one to three arrays and no options.
    numpy
        An expression of NumPy in its inputs ``x``, ``y``, ``z``: ``"x / (1 + np.abs(x))"``.
    c
        An expression in C on doubles, with the functions of ``math.h``: ``"x / (1 + fabs(x))"``.
        Without it, ``target="c"`` runs NumPy and warns.
    latex
        Its name in equations; by default its own name, upright.

    Raises
    ------
    TypeError
        It is no primitive that works element by element on one to three inputs.
    ValueError
        Its name is not an identifier, or is in use; the expression of NumPy gives other numbers
        than the primitive.

    Examples
    --------
    >>> from tinygrad_rnn import Primitive, Tensor, compile
    >>> from tinygrad_rnn.engine.kinds import FUNCTION
    >>> from tinygrad_rnn.engine.rules import RULES
    >>> softsign = Primitive("softsign", lambda x, /: x / (1 + np.abs(x)), kind=FUNCTION)
    >>> RULES[softsign] = (lambda g, y, x: g * (1 - abs(y)) ** 2,)
    >>> register_lowering(softsign, numpy="x / (1 + np.abs(x))", c="x / (1 + fabs(x))")
    >>> step = compile(lambda x: softsign(x).sum())
    >>> loss, gradient = step(Tensor([0.0, 1.0]))
    >>> gradient, step.stats["eager"]
    (array([1.  , 0.25]), 0)
    >>> _ = RULES.pop(softsign)
    """
    name = primitive.name
    _check(primitive, numpy, (numpy, c, latex))
    inputs = ", ".join(LETTERS[: primitive.arity])
    ufunc = re.fullmatch(rf"(np\.\w+)\({inputs}\)", numpy.strip())
    ops.PRIMITIVES[name] = primitive
    if ufunc and isinstance(getattr(np, ufunc[1][3:], None), np.ufunc):
        ops.ELEMENTWISE[name] = ufunc[1]
    else:
        ops.ELEMENTWISE[name] = name
        ops.HELPERS[name] = f"def {name}({inputs}, out):\n    out[...] = {numpy}"
        python.HELPERS[name] = f"def {name}({inputs}):\n    return {numpy}"
    of_numpy.RESERVED.add(name)
    writer.FUNCTIONS[name] = (latex, "", ops.ELEMENTWISE[name])
    if c:
        for letter, real in REALS.items():
            taken = ", ".join(f"{real} {x}" for x in LETTERS[: primitive.arity])
            pieces()[f"{name}_{letter}"] = (
                f"/* {name} */\nstatic inline {real} {name}_{letter}({taken}) {{ return {c}; }}\n"
            )
    _known[name] = numpy, c, latex


def _check(primitive: Primitive, numpy: str, forms: tuple[str, str, str]) -> None:
    name = primitive.name
    if (
        primitive.options
        or primitive.arity not in (1, 2, 3)
        or (primitive.kind is not UNKNOWN and primitive.kind.form != "elementwise")
    ):
        raise TypeError(
            f"register_lowering: {name} is expected to work element by element on one to three "
            "inputs without options. As a function made of primitives it needs no lowering."
        )
    if not name.isidentifier():
        raise ValueError(
            f"register_lowering: {name!r} cannot be the name of a function. Give the primitive "
            "letters, digits and _ as its name."
        )
    if name in TAKEN or _known.get(name, forms) != forms:
        raise ValueError(
            f"register_lowering: another primitive is called {name} in programs. Give this one a "
            "name of its own."
        )
    arrays = np.meshgrid(*[POINTS] * primitive.arity)
    with np.errstate(all="ignore"):
        try:
            found = eval(numpy, {"np": np}, dict(zip(LETTERS, arrays, strict=False)))
        except Exception as error:
            raise ValueError(
                f"register_lowering: {numpy!r} cannot be computed for {name} ({error}). Write an "
                f"expression of NumPy in {', '.join(LETTERS[: primitive.arity])}."
            ) from error
        exact = primitive.forward(*arrays)
    if not np.allclose(found, exact, rtol=1e-9, atol=1e-12, equal_nan=True):
        raise ValueError(
            f"register_lowering: at x = {POINTS}, {numpy!r} gives {np.ravel(found)[:5]}, and "
            f"{name} gives {np.ravel(exact)[:5]}. Write the expression that it computes."
        )
