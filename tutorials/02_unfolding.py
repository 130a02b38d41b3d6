# %% [markdown]
# # 2 · One graph, k copies: unfolding
#
# A network with a loop looks like trouble. To compute its output you need its output. To
# differentiate it you would have to go round and round.
#
# The way out is old and simple: draw the loop once for every time step. The circle becomes a line,
# the line is an ordinary feed-forward network, and everything known about those applies. The one
# thing to keep in mind is that all copies share the same weights. Minsky and Papert (1969) noted
# that such an unfolded twin always exists; Rumelhart, Hinton and Williams (1986) trained it; Werbos
# (1990) is the classic account.
#
# **You will be able to**
#
# * draw the same network folded and unfolded, and say what a longer sequence costs;
# * explain why the gradient of a shared weight is a sum over its uses;
# * turn a recurrent network into a feed-forward one that trains the same way, to the last bit.
#
# *Needs:* lessons 0 and 1. *Takes:* 25 minutes to read, 4 seconds to run.

# %% [markdown]
# ## Predict
#
# A recurrent network has a matrix of 5 × 5 weights from state to state. It reads 8 inputs. How many
# *different* numbers are in the matrices from state to state of its unfolded twin, and how many
# gradients arrive at each of them?

# %%
GUESS = (25, 1)  # your (numbers, gradients)

# %%
import copy

import numpy as np

import viz
from tinygrad_rnn import Tensor, ancestors, grad, named, nn, scope, tanh
from tinygrad_rnn.train import SGD

# %% [markdown]
# ## The problem
#
# Lectures draw it like this: an input goes into f, which also reads its own last result; after the
# last step g computes the answer.
#
# $$h_t = f(h_{t-1}, x_t) \qquad y = g(h_k)$$
#
# Folded it is x → f → h → g → y with an arrow from h back to f. Unfolded three times it is f₁ → f₂
# → f₃ → g.
#
# The function below takes a *list of layers*, one for each step. That is the whole trick of this
# lesson. `[layer] * k` is a list that holds the same layer k times: a recurrent network. A list of
# k different layers is a feed-forward network of depth k. The loop cannot tell them apart.

# %%
INPUTS, HIDDEN, BATCH = 2, 5, 16


class Layer(nn.Module):
    """The weights of f."""

    def __init__(self, rng):
        self.W_x = Tensor(rng.uniform(-0.5, 0.5, (INPUTS, HIDDEN)))
        self.W_h = Tensor(rng.uniform(-0.5, 0.5, (HIDDEN, HIDDEN)))
        self.b = Tensor(np.zeros(HIDDEN))


def unfold(layers, W_y, xs):
    """One copy of f per step, then g; the scopes say where and when for the pictures."""
    h = np.zeros((xs.shape[1], HIDDEN))
    for t, (layer, x) in enumerate(zip(layers, xs, strict=True)):
        with scope("f", t=t, x=x):
            h = named(h=tanh(x @ layer.W_x + h @ layer.W_h + layer.b))
    with scope("g"):
        return named(y=h @ W_y)


def loss_of(layers, W_y, xs):
    """The task: say by how much the first input was on average larger than the second."""
    answer = (xs[:, :, :1] - xs[:, :, 1:]).mean(axis=0)
    return nn.mse_loss(unfold(layers, W_y, xs), answer)


# %%
rng = np.random.default_rng(0)
layer = Layer(rng)
W_y = Tensor(rng.uniform(-0.5, 0.5, (HIDDEN, 1)), name="W_y")
xs = rng.standard_normal((40, BATCH, INPUTS))

# %% [markdown]
# ## The picture
#
# Both drawings are made from the same y. For the folded one, the program compares the steps in the
# record, finds that they are equal, draws one of them and adds the arrow t → t+1. For the unfolded
# one it shows what is really there.

# %%
y = unfold([layer] * 3, W_y, xs[:3])
viz.keep(viz.unfolding(y, across=False), "02_unfolding.svg")

# %% [markdown]
# A weight is used at every step, but it is one thing. Drawn as one thing, it is a hub with an arrow
# to each of its uses:

# %%
viz.keep(viz.unrolled(y, detail="gate", weights="hub", shapes=False), "02_shared.svg")

# %% [markdown]
# ## The number: what a longer sequence costs
#
# We unfold k times and count: operations (nodes), uses of a value by an operation (edges), and
# weights. The first two grow along a straight line. The third does not grow at all.


# %%
def counts(loss):
    """Operations, edges and trainable numbers of a record."""
    nodes = ancestors(loss)
    operations = [node for node in nodes if node.op is not None]
    edges = sum(len(node.inputs) for node in operations)
    weights = sum(node.size for node in nodes if node.op is None)
    return np.array([len(operations), edges, weights])


table = {k: counts(loss_of([layer] * k, W_y, xs[:k])) for k in (1, 2, 3, 5, 10, 20, 40)}
print("   k   nodes   edges   weights")
for k, (nodes, edges, weights) in table.items():
    print(f"{k:4} {nodes:7} {edges:7} {weights:9}")
step = table[2] - table[1]
print(f"Each further step adds {step[0]} nodes, {step[1]} edges and {step[2]} weights.")
print(f"You guessed {GUESS}; it is ({HIDDEN**2}, 8).")
for k, row in table.items():
    assert (row == table[1] + (k - 1) * step).all()

# %% [markdown]
# ## The number: one weight, k gradients
#
# How should one change W_h, if it is used at k places? Pretend for a moment that the k uses are k
# different matrices that happen to be equal. Moving all of them together moves the loss by the sum
# of what each would do. So the gradient of the shared W_h is the *sum over steps*.
#
# We can watch the parts go by. `grad` calls `on_edge(node, argument, g)` for every edge that the
# gradient flows along, and each use of W_h is an edge of its own.

# %%
K = 8
loss = loss_of([layer] * K, W_y, xs[:K])
parts = {}


def note(node, argument, g):
    if node.inputs[argument] is layer.W_h:
        parts[node.scope[0].t] = g


total = grad(loss, layer.W_h)
grad(loss, layer.W_h, on_edge=note)
print(" t   size of its part of ∂loss/∂W_h")
for t in range(K):
    size = np.linalg.norm(parts[t])
    print(f" {t}   {size:.4f}  {'█' * round(size * 300)}")
difference = np.abs(sum(parts.values()) - total).max()
print(f"Their sum and ∂loss/∂W_h differ by at most {difference:.1e}.")
assert len(parts) == K
assert difference < 1e-12

# %% [markdown]
# The first step contributes nothing: it multiplies W_h by the initial state, which is zero. The
# others differ in size, later ones being larger here. That has a name, and lesson 5.
#
# ## The same network with k different layers
#
# Now for real: k copies of the layer, equal in value but separate. The two lists give the same
# output, of course. The claim is about the gradients: add up those of the k layers, and you have
# the gradient of the recurrent net.


# %%
def copies(layer, k):
    """K separate layers."""
    return [copy.deepcopy(layer) for _ in range(k)]


def gradients(layers, W_y, xs):
    """The loss, and its gradient for each different layer in the list: W_x, W_h, b."""
    different = list(dict.fromkeys(layers))
    loss = loss_of(layers, W_y, xs)
    return loss, grad(loss, [one.parameters() for one in different])


for k in (1, 2, 8, 40):
    tied_loss, (tied,) = gradients([layer] * k, W_y, xs[:k])
    untied_loss, untied = gradients(copies(layer, k), W_y, xs[:k])
    sums = [sum(one) for one in zip(*untied, strict=True)]
    worst = max(np.abs(a - b).max() for a, b in zip(tied, sums, strict=True))
    print(f"k = {k:2}: losses {tied_loss.item():.6f} and {untied_loss.item():.6f};", end=" ")
    print(f"gradient against sum of {len(untied):2} gradients: {worst:.1e}")
    assert tied_loss.item() == untied_loss.item()
    assert worst < 1e-12
    if k == 1:
        assert all(np.array_equal(a, b) for a, b in zip(tied, untied[0], strict=True))
        print("        at k = 1 they are the same numbers, to the last bit")

# %% [markdown]
# The picture of the untied network has the same shape as before. But where one weight served all
# steps, there is now a separate one at each.

# %%
untied_y = unfold(copies(layer, 3), W_y, xs[:3])
viz.keep(viz.unrolled(untied_y, detail="gate", shapes=False, weights="hub"), "02_untied.svg")

# %% [markdown]
# ## The wrong way: copies left to themselves
#
# If the gradients agree, so must the training. Three runs from the same start, on the same data:
#
# 1. the recurrent net, by plain gradient descent;
# 2. the deep feed-forward net, where every copy moves by the *sum* of all k gradients;
# 3. the deep feed-forward net left to itself, each copy moving by its own gradient.


# %%
def train(layers, W_y, share, updates=150, lr=0.05):
    """The losses on the way; `share` gives each copy the summed gradient."""
    different = list(dict.fromkeys(layers))
    optimiser = SGD([*(p for one in different for p in one.parameters()), W_y], lr)
    losses = []
    for update in range(updates):
        x = np.random.default_rng(update).standard_normal((len(layers), BATCH, INPUTS))
        loss = loss_of(layers, W_y, x)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        for same in zip(*(one.parameters() for one in different), strict=True) if share else ():
            joint = sum(p.grad for p in same)
            for p in same:
                p.grad = joint
        optimiser.step()
    return np.array(losses)


# %%
recurrent = copy.deepcopy(layer)
shared, separate = copies(layer, K), copies(layer, K)
runs = {
    "recurrent": train([recurrent] * K, copy.deepcopy(W_y), share=False),
    "copies, summed gradient": train(shared, copy.deepcopy(W_y), share=True),
    "copies, left to themselves": train(separate, copy.deepcopy(W_y), share=False),
}
print(f"{'update':28}" + "".join(f"{n:9}" for n in (0, 10, 50, 149)))
for name, losses in runs.items():
    print(f"{name:28}" + "".join(f"{losses[n]:9.5f}" for n in (0, 10, 50, 149)))
first, second, third = runs.values()
apart = np.abs(first - second).max()
print(f"The losses of the first two never differ by more than {apart:.1e}.")
viz.keep(
    viz.learning_curves(runs, log=True, smooth=10, words=("update", "loss")), "02_training.svg"
)


# %%
def spread(layers):
    """How far the copies of W_h are from the first one."""
    return max(np.abs(one.W_h.data - layers[0].W_h.data).max() for one in layers)


print(f"The copies of W_h differ by {spread(shared):.1e} in the second net,", end=" ")
print(f"by {spread(separate):.3f} in the third.")
assert apart < 1e-12
assert spread(shared) == 0
assert spread(separate) > 0.01
assert first[-20:].mean() < 0.5 * first[:20].mean()

# %% [markdown]
# The third net is no longer a recurrent one. It has k times the weights, and it can read exactly k
# inputs: there is no layer for a ninth. The recurrent net does not care.

# %%
longer = rng.standard_normal((12, 500, INPUTS))
print(f"The third net has {len(separate)} matrices W_h of {layer.W_h.size} numbers,", end=" ")
print("the first has one.")
try:
    loss_of(separate, W_y, longer)
    raise AssertionError("a net of eight layers read twelve inputs")
except ValueError:
    print("The net of eight layers has none for the ninth input;", end=" ")
answers = unfold([recurrent] * len(longer), W_y, longer)
print(f"the recurrent net reads all {len(longer)}, with the same {recurrent.W_h.size} numbers.")
assert answers.shape == (500, 1)

# %% [markdown]
# ## Play with it
#
# The slider runs through the eight steps, forward and then backward. Watch $\partial$loss/$\partial
# W_h$: where does it grow?

# %%
viz.keep(lambda: viz.play(loss, title="Eight copies of one layer"), "02_player.html")

# %% [markdown]
# ## In the library this is
#
# ```python
# outputs, state = nn.unroll(cell, xs)        # the loop, for any cell; its record is unfolded
# viz.unfolding(loss)                         # both drawings of that record
# grad(loss, cell.parameters())               # sums over the uses of each weight
# tinygrad_rnn.compile(loss_fn)               # finds the loop in the record again, and prints it
# ```
#
# ## In torch, Keras and JAX this is
#
# ```python
# for x in xs: h = cell(x, h)                 # torch.nn.RNNCell: the same loop, the same record
# keras.layers.RNN(cell, unroll=True)(xs)     # Keras unfolds a graph if asked, else runs a loop
# h, ys = jax.lax.scan(cell, h0, xs)          # JAX keeps the loop folded, and differentiates that
# ```
#
# ## The check
#
# Folded and unfolded are two drawings of one record. Nodes and edges grow with k, weights do not.
# The gradient of a shared weight is the sum of those of its uses; give each copy that sum, and an
# unfolded recurrent network *is* a feed-forward network in training.

# %%
assert difference < 1e-12
assert apart < 1e-12
assert (table[40] - table[20] == 20 * step).all()
print(f"{K} copies, one gradient: the parts add up to it within {difference:.0e}.")

# %% [markdown]
# ## Exercises
#
# 1. ★ A network has 3 inputs, 7 hidden units with biases, and 2 outputs without. How many weights
#    has it, unfolded 50 times? The answer is 91.
# 2. ★★ With a loss after the last of 8 steps, how often does a gradient pass from one step to the
#    one before? Count it with `on_edge`.
# 3. ★★★ Unfold a network in *two* directions: let h at row i and column j read the states above it
#    and to its left. How many operations has a grid of 4 × 6 states?
#
# ## Questions
#
# 1. Which two drawings show the same record, and what does each hide?
# 2. Why does the first step contribute nothing to $\partial$loss/$\partial W_h$ here?
# 3. What has to be done to the gradients of k copies so that they stay equal?
# 4. Why can the third network not read a ninth input?
# 5. How many times is $W_y$ used, and what would change if there were an output at every step?
#
# ## Read on
#
# * Werbos (1990), "Backpropagation through time: what it does and how to do it", section III.
# * Goodfellow, Bengio and Courville (2016), "Deep Learning", section 10.1.
