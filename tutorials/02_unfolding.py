# %% [markdown]
# # 2 · One graph, k copies: unfolding
#
# A network with a loop looks like trouble. To compute its output you need its output. To
# differentiate it you would have to go round and round.
#
# The way out is old and simple: draw the loop once for every time step. The circle becomes a line,
# the line is an ordinary feed-forward network, and everything known about those applies. The one
# thing to keep in mind is that all copies share the same weights. Minsky and Papert (1969) noted
# that such an unfolded twin always exists; Rumelhart, Hinton and Williams (1986) trained it;
# Werbos (1990) is the classic account.
#
# Here nobody draws anything by hand. A loop in Python runs, each operation records itself, and
# that record *is* the unfolded network.

# %%
import copy

import numpy as np

import viz
from tinygrad_rnn import Tensor, ancestors, grad, named, nn, scope, tanh
from tinygrad_rnn.train import SGD

# %% [markdown]
# ## The model, in two functions
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


rng = np.random.default_rng(0)
layer = Layer(rng)
W_y = Tensor(rng.uniform(-0.5, 0.5, (HIDDEN, 1)), name="W_y")
xs = rng.standard_normal((40, BATCH, INPUTS))

# %% [markdown]
# ## Folded and unfolded: two views of one record
#
# Both pictures are made from the same y. For the folded one, the program compares the steps in the
# record, finds that they are equal, draws one of them and adds the arrow t → t+1. For the unfolded
# one it shows what is really there.
#
# First from far away, one box per step: the lecturer's figure.

# %%
y = unfold([layer] * 3, W_y, xs[:3])
viz.keep(viz.folded(y, detail="cell"), "02_folded.svg")

# %%
viz.keep(viz.unrolled(y, detail="cell"), "02_unfolded.svg")

# %% [markdown]
# And closer, with the mathematics inside. Same colours, same names: look for h in both.

# %%
viz.keep(viz.folded(y, detail="gate"), "02_folded_inside.svg")

# %%
viz.keep(viz.unrolled(y, detail="gate"), "02_unfolded_inside.svg")

# %% [markdown]
# The yellow weights appear at every step, but they are one thing. Drawn as one thing:

# %%
viz.keep(viz.unrolled(y, detail="gate", weights="hub"), "02_shared.svg")

# %% [markdown]
# ## What does a longer sequence cost?
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
for k, row in table.items():
    assert (row == table[1] + (k - 1) * step).all()

# %% [markdown]
# ## One weight, k gradients
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
    """K separate layers, with names that tell them apart in pictures."""
    layers = [copy.deepcopy(layer) for _ in range(k)]
    for t, twin in enumerate(layers):
        for p in twin.parameters():
            p.name = f"{p.name}{t}"
    return layers


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
# The picture of the untied net has the same shape as before. But where one yellow weight served
# all steps, there is now a separate one at each.

# %%
viz.keep(viz.unrolled(unfold(copies(layer, 3), W_y, xs[:3]), detail="gate"), "02_untied.svg")

# %% [markdown]
# ## Training them
#
# If the gradients agree, so must the training. Three runs from the same start, on the same data:
#
# 1. the recurrent net, by plain gradient descent;
# 2. the deep feed-forward net, where every copy moves by the *sum* of all k gradients;
# 3. the deep feed-forward net left to itself, each copy moving by its own gradient.


# %%
def train(layers, W_y, share, updates=150, lr=0.05):
    """The losses on the way."""
    different = list(dict.fromkeys(layers))
    optimiser = SGD([*(p for one in different for p in one.parameters()), W_y], lr)
    losses = []
    for update in range(updates):
        x = np.random.default_rng(update).standard_normal((len(layers), BATCH, INPUTS))
        loss = loss_of(layers, W_y, x)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        if share:
            for same in zip(*(one.parameters() for one in different), strict=True):
                joint = sum(p.grad for p in same)
                for p in same:
                    p.grad = joint
        optimiser.step()
    return np.array(losses)


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
# ## What to take along
#
# * Folded and unfolded are two drawings of one record.
# * Nodes and edges grow linearly with k; the weights do not grow.
# * The gradient of a shared weight is the sum of the gradients of its uses.
# * Keep the copies equal by giving each the summed gradient, and an unfolded recurrent net *is* a
#   feed-forward net in training. Nothing new has to be invented to differentiate it, which is the
#   next lesson.

# %%
assert difference < 1e-12
assert apart < 1e-12
assert (table[40] - table[20] == 20 * step).all()
print(f"{K} copies, one gradient: the parts add up to it within {difference:.0e}.")
