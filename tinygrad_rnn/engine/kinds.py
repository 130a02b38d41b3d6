"""What is known of a primitive without running it?

Its kind, and in which of its inputs it is linear. Each fact is said once, on the primitive's own
line; scalars, measures, pictures and programs go by it, and keep no lists of names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Linear = tuple[tuple[Any, ...], ...]


class Kind(NamedTuple):
    """The form of a primitive, what it costs, and whether it rounds.

    Attributes
    ----------
    form
        How the result follows from the inputs: ``"elementwise"``, ``"reduction"`` over axes,
        ``"scan"`` and ``"normalisation"`` along one, ``"product"``, ``"view"`` (other places, the
        same elements), ``"move"`` (inputs put side by side), ``"identity"`` (only the gradient is
        another).
    cost
        ``"nothing"``, ``"arithmetic"`` and ``"choice"`` (one operation per element),
        ``"function"`` (the same, about ten times as dear), ``"read"`` (one operation per element
        read), ``"normalise"`` (four), ``"product"`` and ``"convolution"`` (two per pair).
    exact
        Whether each element of the result is an input's, its negative, 0 or a bool, so that nothing
        is rounded. (`scatter` adds where a place is named twice.)
    """

    form: str
    cost: str
    exact: bool = False


# fmt: off
ARITHMETIC    = Kind("elementwise",   "arithmetic")
SIGN          = Kind("elementwise",   "arithmetic", exact=True)
FUNCTION      = Kind("elementwise",   "function")
CHOICE        = Kind("elementwise",   "choice",     exact=True)
CAST          = Kind("elementwise",   "nothing")
SUM           = Kind("reduction",     "read")
EXTREME       = Kind("reduction",     "read",       exact=True)
SCAN          = Kind("scan",          "read")
LOGSUMEXP     = Kind("reduction",     "normalise")
NORMALISATION = Kind("normalisation", "normalise")
PRODUCT       = Kind("product",       "product")
CONVOLUTION   = Kind("product",       "convolution")
VIEW          = Kind("view",          "nothing",    exact=True)
MOVE          = Kind("move",          "nothing",    exact=True)
IDENTITY      = Kind("identity",      "nothing",    exact=True)
PIECE         = Kind("piece of time", "nothing",    exact=True)
UNKNOWN       = Kind("unknown",       "function")

# Groups of inputs: linear in those of a group together, while all others stay as they are.
FIRST:  Linear = ((0,),)        # x / n
BOTH:   Linear = ((0, 1),)      # a + b
EACH:   Linear = ((0,), (1,))   # a * b
CHOSEN: Linear = ((1, 2),)      # where(condition, a, b)
ALL:    Linear = ((...,),)      # stack(xs)
# fmt: on
