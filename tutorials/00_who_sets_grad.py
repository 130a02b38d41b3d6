# %% [markdown]
# # 0 · Who sets `.grad`?
#
# Every framework has a line like `loss.backward()`. Before it, `weight.grad` is empty; after it, a
# number is there, and training works. The line looks like magic, and it is about forty lines of
# Python. In this lesson you write them.
#
# **You will be able to**
#
# * build reverse-mode automatic differentiation from an array, a table and a loop;
# * say why a gradient must be *added up*, and in which *order* values are visited;
# * explain why nobody has to write backpropagation through time.
#
# *Needs:* what a derivative and a matrix product are. *Takes:* 30 minutes to read, 2 seconds to
# run.

# %% [markdown]
# ## Predict
#
# Let y = x·x + x, and x = 3. After `y.backward()`, what stands in `x.grad`? Write your guess here,
# and do not go on before you have one.

# %%
GUESS = 6.0  # your number

# %% [markdown]
# ## The problem
#
# Training needs the derivative of one number, the loss, with respect to every weight. There are two
# obvious ways. One is to do it on paper, anew for each network. The other is to move each weight a
# little and look how the loss changes:

# %%
import inspect
import math

import numpy as np

import viz
from tinygrad_rnn import Tensor as LibraryTensor
from tinygrad_rnn import grad, named
from tinygrad_rnn import tanh as library_tanh


def difference(f, x, eps=1e-6):
    """df/dx by moving each entry of x up and down a little."""
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += eps
        down[place] -= eps
        slopes[place] = (f(up) - f(down)) / (2 * eps)
    return slopes


print("dy/dx at 3, by a difference:", difference(lambda x: x * x + x, np.array(3.0)))

# %% [markdown]
# Differences are easy to believe and too slow to use: a network with a million weights would have
# to run two million times for one step of training. They will serve us as the judge.
#
# There is a third way. A program that computes y does nothing but multiply and add. The derivative
# of each of these steps is known. If the program *remembered* what it did, somebody could walk
# through its memory backwards and multiply the known derivatives together. That is all.
#
# ## An array that remembers
#
# First, the memory. A `Tensor` is an array that knows which operation made it, and from what.

# %%
COUNT = iter(range(10**9))


class Tensor:
    """An array that remembers how it was made."""

    def __init__(self, data, op=None, inputs=()):
        self.data, self.op, self.inputs = np.asarray(data, float), op, inputs
        self.number = next(COUNT)  # results are younger than what they are made from
        self.grad = None

    def __add__(self, other):
        return apply("add", self, other)

    def __mul__(self, other):
        return apply("mul", self, other)

    def __matmul__(self, other):
        return apply("matmul", self, other)

    def __sub__(self, other):
        return apply("sub", self, other)


# %% [markdown]
# Next, what can be computed. Eight *primitives* are plenty for today. `apply` calls one on the
# arrays and writes down what it did.

# %%
FORWARD = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "matmul": lambda a, b: a @ b,
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "sum": np.sum,
}


def apply(op, *inputs):
    """Compute, and remember."""
    return Tensor(FORWARD[op](*(x.data for x in inputs)), op, inputs)


x = Tensor(3.0)
y = x * x + x
print("y =", y.data, "· made by", y.op, "· from", [z.op or "a leaf" for z in y.inputs])

# %% [markdown]
# ## The picture
#
# The library does the same when it computes, so it can draw the record. Forward first, with the
# operations in the order in which they happened. Then backward: δ stands for the gradient that
# arrives at an operation, and each arrow says what the operation makes of it on the way to its
# input.

# %%
xl = LibraryTensor(3.0, name="x")
yl = named(y=xl * xl + xl)
viz.keep(viz.forward_backward(yl), "00_forward_backward.svg")

# %% [markdown]
# ## The table of rules
#
# The rules on those arrows are one table. `g` is the gradient of the loss with respect to the
# operation's result `out`; each entry turns it into the gradient with respect to one input. You
# know all of them from school, except perhaps that of the matrix product. The shapes leave no other
# choice there: if a is (n, k) and b is (k, m), then g is (n, m), and only g bᵀ is (n, k).

# %%
RULES = {
    "add": [lambda g, out, a, b: g, lambda g, out, a, b: g],
    "sub": [lambda g, out, a, b: g, lambda g, out, a, b: g * -1],
    "mul": [lambda g, out, a, b: g * b, lambda g, out, a, b: g * a],
    "matmul": [lambda g, out, a, b: g @ b.T, lambda g, out, a, b: a.T @ g],
    "tanh": [lambda g, out, a: g * (1 - out * out)],
    "exp": [lambda g, out, a: g * out],
    "log": [lambda g, out, a: g / a],
    "sum": [lambda g, out, a: g * np.ones_like(a)],
}

# %% [markdown]
# ## The walk
#
# Now somebody has to carry gradients from the loss back to the leaves. Two questions decide whether
# that goes right.
#
# *In which order?* An operation may pass its gradient on only when all of it has arrived, so
# whoever used its result must have been visited before. Results are younger than their inputs: from
# young to old is always a right order.
#
# *What if a value was used twice?* Then two gradients arrive, and the chain rule says: add them.


# %%
def ancestors(result):
    """Everything that `result` was made from, and itself."""
    found, waiting = {}, [result]
    while waiting:
        tensor = waiting.pop()
        if tensor.number not in found:
            found[tensor.number] = tensor
            waiting += tensor.inputs
    return found


def backward(loss):
    """Set .grad of every leaf that `loss` was made from."""
    tensors, gradients = ancestors(loss), {loss.number: np.ones_like(loss.data)}
    for number in sorted(tensors, reverse=True):
        tensor, g = tensors[number], gradients.pop(number)
        if tensor.op is None:
            tensor.grad = g
            continue
        arrays = [x.data for x in tensor.inputs]
        for x, rule in zip(tensor.inputs, RULES[tensor.op], strict=True):
            gradients[x.number] = gradients.get(x.number, 0) + rule(g, tensor.data, *arrays)


# %% [markdown]
# That was it. Who sets `.grad`? The line `tensor.grad = g`, when the walk arrives at a leaf.
#
# ## The number

# %%
backward(y)
print(f"x.grad = {x.grad}. You guessed {GUESS}: {'right' if x.grad == GUESS else 'not so'}.")
assert x.grad == 7.0  # 2x + 1: three uses of x, 3 + 3 + 1

# %% [markdown]
# ## The wrong way, twice
#
# Both mistakes below have been shipped in libraries. The first stores the gradient where it should
# add. The second walks from the loss to its inputs, and from those to theirs, without asking who
# else used a value: an operation passes on what has arrived *so far*, and is then never asked
# again.


# %%
def overwriting(loss):
    """Wrong: the last gradient that arrives wins."""
    tensors, gradients = ancestors(loss), {loss.number: np.ones_like(loss.data)}
    for number in sorted(tensors, reverse=True):
        tensor, g = tensors[number], gradients[number]
        tensor.grad = g
        for x, rule in zip(tensor.inputs, RULES.get(tensor.op, ()), strict=True):
            gradients[x.number] = rule(g, tensor.data, *(x.data for x in tensor.inputs))


# %%
def too_early(loss):
    """Wrong: values are visited once, in the order in which they are met."""
    gradients, waiting, done = {loss.number: np.ones_like(loss.data)}, [loss], set()
    while waiting:
        tensor = waiting.pop(0)
        tensor.grad = gradients[tensor.number]
        if tensor.number in done:
            continue
        done.add(tensor.number)
        for x, rule in zip(tensor.inputs, RULES.get(tensor.op, ()), strict=True):
            new = rule(tensor.grad, tensor.data, *(x.data for x in tensor.inputs))
            gradients[x.number] = gradients.get(x.number, 0) + new
            waiting.append(x)


# %%
def long_way():
    """z = (u + u·u) with u = exp(x): u is used by the sum at once, and by the product later."""
    x = Tensor(1.0)
    u = apply("exp", x)
    return x, u + u * u


right, found = math.e + 2 * math.e**2, {}
for walk in (backward, overwriting, too_early):
    x, z = long_way()
    walk(z)
    found[walk.__name__] = float(x.grad)
    print(f"{walk.__name__:12} dz/dx = {x.grad:8.4f}   (right: {right:.4f})")
assert abs(found["backward"] - right) < 1e-12
assert abs(found["overwriting"] - right) > 1
assert abs(found["too_early"] - right) > 1

# %% [markdown]
# ## A recurrent network, and nothing new
#
# Now the reason for this whole course. A recurrent network has a state h, and one line that makes
# the next state from an input and the last state, with the same weights at every step. We run it
# for four steps on our forty lines.

# %%
rng = np.random.default_rng(0)
XS = rng.normal(size=(4, 1, 2))  # four steps, a batch of one, two numbers each
TARGET = rng.normal(size=(1, 1))
WEIGHTS = [rng.normal(size=shape) * 0.5 for shape in [(2, 3), (3, 3), (3, 1)]]


def network(arrays, tensor, tanh, total):
    """The squared error after four steps, on any Tensor there is."""
    W, U, V = weights = [tensor(array) for array in arrays]
    h = tensor(np.zeros((1, 3)))
    for x in XS:
        h = tanh(tensor(x) @ W + h @ U)
    error = h @ V - tensor(TARGET)
    return weights, total(error * error)


ours, loss = network(WEIGHTS, Tensor, lambda a: apply("tanh", a), lambda a: apply("sum", a))
backward(loss)
print(f"loss {loss.data:.6f}, made from {len(ancestors(loss))} tensors")
print("∂loss/∂U =", np.array2string(ours[1].grad, precision=4, prefix="∂loss/∂U ="))

# %% [markdown]
# The matrix U was used four times, so four gradients arrived there and were added. *That sum is
# backpropagation through time.* Nobody wrote it: the loop ran, the record grew, the walk went back.
# Is it right? We ask the judge, and the library.

# %%
theirs, library_loss = network(WEIGHTS, LibraryTensor, library_tanh, lambda a: a.sum())
largest = {"differences": 0.0, "the library": 0.0}
for place, gradient in enumerate(grad(library_loss, theirs)):

    def moved(array, place=place):
        arrays = [*WEIGHTS[:place], array, *WEIGHTS[place + 1 :]]
        return network(arrays, LibraryTensor, library_tanh, lambda a: a.sum())[1].item()

    by_difference = difference(moved, WEIGHTS[place])
    for judge, other in (("differences", by_difference), ("the library", gradient)):
        largest[judge] = max(largest[judge], np.abs(ours[place].grad - other).max())
for judge, distance in largest.items():
    print(f"largest distance to {judge}: {distance:.1e}")
assert largest["differences"] < 1e-8
assert largest["the library"] < 1e-12

# %% [markdown]
# ## Play with it
#
# The page below plays a record forward and backward, one operation at a time. Type your own formula
# into `f` and run the cell again.


# %%
def f(x):
    return library_tanh(x * x + x)


page = viz.keep(lambda: viz.play(f(LibraryTensor(0.5, name="x"))), "00_player.html")
page

# %% [markdown]
# ## In the library this is
#
# The same five ideas, with errors that explain themselves, broadcasting, any dtype, and speed. Here
# is where to read them, and how long that takes.

# %%
from tinygrad_rnn.engine import backward as their_walk
from tinygrad_rnn.engine import primitive, primitives, rules, tensor

for what, file in [
    ("an array that remembers", tensor),
    ("compute, and remember", primitive),
    ("what can be computed", primitives),
    ("the table of rules", rules),
    ("the walk", their_walk),
]:
    lines = len(inspect.getsource(file).splitlines())
    print(f"{what:24} {lines:3} lines in {file.__name__.replace('.', '/')}.py")

# %% [markdown]
# Most of the difference is sentences: what went wrong, where, and how to mend it. The library's own
# rules are written *without NumPy*, on whatever they are given. Given Tensors they record, and so
# the gradient can be differentiated again. Exercise 3 shows why ours cannot.
#
# ## In torch, Keras and JAX this is
#
# ```python
# x = torch.tensor(3.0, requires_grad=True)          # torch: recorded as it runs, like here
# y = x * x + x
# y.backward()
# x.grad                                             # tensor(7.)
# ```
# ```python
# x = tf.Variable(3.0)                               # TensorFlow: recorded inside the `with`
# with tf.GradientTape() as tape:
#     y = x * x + x
# tape.gradient(y, x)                                # 7.0
# ```
# ```python
# jax.grad(lambda x: x * x + x)(3.0)                 # JAX: a function in, a function out
# ```
#
# ## The check
#
# A ninth primitive is three lines: its name, what it computes, and its rule. If the walk is right,
# it works at once, inside anything.

# %%
FORWARD["sin"] = np.sin
RULES["sin"] = [lambda g, out, a: g * np.cos(a)]

x = Tensor(0.7)
backward(apply("sin", x * x))
expected = 2 * 0.7 * math.cos(0.49)
print(f"d sin(x²)/dx at 0.7: {x.grad:.12f}, expected {expected:.12f}")
assert abs(x.grad - expected) < 1e-12

# %% [markdown]
# ## Exercises
#
# `make exercises` writes a sheet for each lesson into `out/exercises`, and `make grade` checks it.
#
# 1. ★ Add the primitive `div`, a / b. The derivative of x / (x + 1) at x = 1 is 0.25.
# 2. ★★ How many operations does the walk visit if the network above runs for T steps? Find the
#    formula by counting, and give the number for T = 100.
# 3. ★★★ Let a rule compute with Tensors instead of arrays, so that the gradient remembers how *it*
#    was made. Then differentiate x·x·x twice at x = 2.
#
# ## Questions
#
# 1. Why does the walk go from young to old, and not from one input to the next?
# 2. Which line adds, and what would `x * x` give without it?
# 3. What must be kept in memory between the forward run and the walk, and for which primitives?
# 4. Differences need two runs per weight. How many does the walk need?
# 5. Where in this lesson was backpropagation through time written?
#
# ## Read on
#
# * Baydin, Pearlmutter, Radul and Siskind (2018), "Automatic differentiation in machine learning: a
#   survey", sections 3.1 and 3.2.
# * Griewank and Walther (2008), "Evaluating Derivatives", chapter 3.
# * Then lesson 1: what is the loop in a recurrent network good for?
