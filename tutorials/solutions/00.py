"""Exercises of lesson 0: who sets `.grad`? Run from the project's folder."""

import runpy

import numpy as np

lesson = runpy.run_path("tutorials/00_who_sets_grad.py")
Tensor, apply, backward = lesson["Tensor"], lesson["apply"], lesson["backward"]
ancestors, FORWARD, RULES = lesson["ancestors"], lesson["FORWARD"], lesson["RULES"]


def exercise_1():
    """★ Add the primitive `div`. The derivative of x / (x + 1) at x = 1 is 0.25."""
    # BEGIN SOLUTION
    FORWARD["div"] = lambda a, b: a / b
    RULES["div"] = [lambda g, out, a, b: g / b, lambda g, out, a, b: g * -1 * out / b]
    # END SOLUTION
    x = Tensor(1.0)
    backward(apply("div", x, x + Tensor(1.0)))
    return x.grad


def exercise_2():
    """★★ How many operations does the walk visit for T = 100 steps of the lesson's network?

    For four steps there are 20. Count `op`s among the ancestors of the loss.
    """
    # BEGIN SOLUTION
    W, U, V = (Tensor(array) for array in lesson["WEIGHTS"])
    h = Tensor(np.zeros((1, 3)))
    for _ in range(100):
        h = apply("tanh", Tensor(np.ones((1, 2))) @ W + h @ U)
    error = h @ V - Tensor(np.zeros((1, 1)))
    visited = ancestors(apply("sum", error * error)).values()
    return sum(tensor.op is not None for tensor in visited)  # 4 T + 4
    # END SOLUTION


def exercise_3():
    """★★★ The second derivative of x·x·x at x = 2 is 12: let the walk compute with Tensors.

    Give the rule of `mul` Tensors instead of arrays, so that the gradient has a record too, and
    walk through that. Return the second derivative.
    """
    # BEGIN SOLUTION
    rules = [lambda g, a, b: g * b, lambda g, a, b: g * a]

    def gradient(y, x):
        found, gradients = ancestors(y), {y.number: Tensor(1.0)}
        for number in sorted(found, reverse=True):
            tensor = found[number]
            if tensor.op is None or number not in gradients:
                continue
            both = zip(tensor.inputs, RULES[tensor.op], strict=True)
            for place, (z, _) in enumerate(both):
                if tensor.op == "mul":
                    new = rules[place](gradients[number], *tensor.inputs)
                else:  # add
                    new = gradients[number]
                known = gradients.get(z.number)
                gradients[z.number] = new if known is None else known + new
        return gradients[x.number]

    x = Tensor(2.0)
    return gradient(gradient(x * x * x, x), x).data
    # END SOLUTION
