"""What does a primitive's derivative look like on paper?

The calculus itself is the engine's table of rules; these are the same rules as a reader writes
them. `g` is the gradient that arrives at the output y, and ∂a what goes on to the input a.
"""

from __future__ import annotations

# fmt: off
FORMULAS: dict[str, tuple[str, ...]] = {
    # primitive:     the value,                   the gradient of each input
    "add":           ("y = a + b",                "∂a = g", "∂b = g"),
    "subtract":      ("y = a − b",                "∂a = g", "∂b = −g"),
    "multiply":      ("y = a × b",                "∂a = g × b", "∂b = g × a"),
    "divide":        ("y = a / b",                "∂a = g / b", "∂b = −g y / b"),
    "power":         ("y = xⁿ",                   "∂x = g n xⁿ⁻¹", "∂n = g y log x"),
    "negative":      ("y = −x",                   "∂x = −g"),
    "exp":           ("y = eˣ",                   "∂x = g y"),
    "log":           ("y = log x",                "∂x = g / x"),
    "log1p":         ("y = log(1 + x)",           "∂x = g / (1 + x)"),
    "expm1":         ("y = eˣ − 1",               "∂x = g (y + 1)"),
    "sqrt":          ("y = √x",                   "∂x = g / 2y"),
    "sin":           ("y = sin x",                "∂x = g cos x"),
    "cos":           ("y = cos x",                "∂x = −g sin x"),
    "tanh":          ("y = tanh x",               "∂x = g (1 − y²)"),
    "sigmoid":       ("y = σ(x)",                 "∂x = g y (1 − y)"),
    "softplus":      ("y = log(1 + eˣ)",          "∂x = g σ(x)"),
    "relu":          ("y = max(x, 0)",            "∂x = g where x > 0, else 0"),
    "absolute":      ("y = |x|",                  "∂x = g sign x"),
    "clip":          ("y = min(max(x, low), high)", "∂x = g inside the bounds, else 0"),
    "maximum":       ("y = max(a, b)",            "∂a = g where y = a, half on a tie", "∂b alike"),
    "minimum":       ("y = min(a, b)",            "∂a = g where y = a, half on a tie", "∂b alike"),
    "where":         ("y = a where c, else b",    "∂a = g where c", "∂b = g where not c"),
    "astype":        ("y = x in another dtype",   "∂x = g"),
    "pass_gradient": ("y = x",                    "∂x = g, scaled or clipped"),
    "cut_gradient":  ("y = x",                    "∂x = 0 where cut, else g scaled"),
    "matmul":        ("y = a @ b",                "∂a = g @ bᵀ", "∂b = aᵀ @ g"),
    "conv":          ("y = x ∗ w",                "∂x = g ∗ w turned over", "∂w = x ∗ g"),
    "sum":           ("y = Σ x",                  "∂x = g, repeated to the shape of x"),
    "max":           ("y = max x",                "∂x = g where x = y (shared on a tie), else 0"),
    "min":           ("y = min x",                "∂x = g where x = y (shared on a tie), else 0"),
    "logsumexp":     ("y = log Σ eˣ",             "∂x = g eˣ⁻ʸ"),
    "softmax":       ("y = eˣ / Σ eˣ",            "∂x = y (g − Σ g y)"),
    "log_softmax":   ("y = x − log Σ eˣ",         "∂x = g − eʸ Σ g"),
    "broadcast_to":  ("y = x, repeated",          "∂x = Σ g over what was repeated"),
    "reshape":       ("y = x in another shape",   "∂x = g in the shape of x"),
    "transpose":     ("y = xᵀ",                   "∂x = gᵀ"),
    "stack":         ("y = all xₖ, stacked",      "∂xₖ = slice k of g"),
    "concatenate":   ("y = all xₖ, in a row",     "∂xₖ = the part of g where xₖ stands"),
    "scatter":       ("y = zeros, with xₖ added at its place", "∂xₖ = g at that place"),
    "getitem":       ("y = x[index]",             "∂x = zeros, with g put back at the index"),
    "segment":       ("y = a piece of time",      "∂x = the piece, run again and differentiated"),
    "stop_gradient": ("y = x",                    "nothing passes"),
}
# fmt: on
