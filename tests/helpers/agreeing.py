"""Does a compiled step give what the record gives?"""

import numpy as np

from tinygrad_rnn import grad


def leaves_of(params):
    """The parameters of a module, or the values of a dict, in the order of the gradients."""
    return params.parameters() if hasattr(params, "parameters") else list(params.values())


def agrees(step, loss_fn, params, *args, tolerance=1e-12, least=1.0):
    """Call a compiled step: loss and gradients are the record's, and the program gave them.

    The loss may be off by the tolerance of its size, a gradient by that of its largest element, or
    of `least` if that is more.
    """
    loss, grads = step(params, *args)
    exact = loss_fn(params, *args)
    np.testing.assert_allclose(loss, exact.data, rtol=tolerance)
    for g, e in zip(grads.values(), grad(exact, leaves_of(params), unused="zero"), strict=True):
        assert (g.shape, g.dtype) == (e.shape, e.dtype)
        assert np.abs(g - e).max(initial=0) <= tolerance * max(least, np.abs(e).max(initial=0))
    assert not step.reason
    return step
