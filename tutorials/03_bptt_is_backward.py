# %% [markdown]
# # 3 · BPTT is just `backward()`
#
# Backpropagation through time has a grand name, and textbooks give it pages of sums over t. Lesson
# 2 took the mystery out of it: the unfolded network is a feed-forward network, and how to
# differentiate one of those is known. Werbos (1990) says it in his title: "Backpropagation through
# time: what it does and how to do it".
#
# In this lesson we watch one training step in slow motion, derive BPTT by hand for an RNN and for
# an LSTM, and find that `grad` had the same numbers all along. Then we look at what the backward
# pass looks like, and at what it costs.

# %%

import numpy as np

import viz
from tinygrad_rnn import Tensor, ancestors, grad, named, nn, scope, stack, stop_gradient, tanh
from tinygrad_rnn.train import SGD

# %% [markdown]
# ## One training step in six
#
# A tiny net: one input, two units, three time steps. Its task is the sum of its inputs. Lectures
# count six stages, and here is each with its numbers.

# %%
W_x = Tensor([[0.5, -0.3]], name="W_x")
W_h = Tensor([[0.4, 0.1], [-0.2, 0.6]], name="W_h")
W_y = Tensor([[1.0], [-1.0]], name="W_y")
weights = [W_x, W_h, W_y]
xs, target = np.array([[[1.0]], [[-0.5]], [[0.2]]]), np.array([[0.7]])


def show(x):
    return np.array2string(np.asarray(x), precision=4, suppress_small=True).replace("\n", "")


def forward(trace=lambda *_: None):
    """The loss and all states; `trace` prints what happens."""
    h, states = np.zeros((1, 2)), []
    for t, x in enumerate(xs):
        with scope("rnn", t=t, x=x):
            trace(1, f"t = {t}: the input is x = {show(x)}")
            h = named(h=tanh(x @ W_x + h @ W_h))
            trace(2, f"       with the state before it makes h = {show(h.data)}")
            states.append(h)
    trace(3, f"all {len(xs)} inputs are read; the last h has heard of each of them")
    y = named(y=h @ W_y)
    trace(4, f"the output is read from the last state: y = {show(y.data)}")
    loss = nn.mse_loss(y, target)
    trace(5, f"the target is {show(target)}, so the loss is {loss.item():.6f}")
    return loss, states


def trace(number, text):
    print(f"  {number}. {text}")


loss, states = forward(trace)
at_states, by_weight = grad(loss, [states, weights])
for t in reversed(range(len(xs))):
    trace(6, f"backward, t = {t}: ∂loss/∂h = {show(at_states[t])}")
optimiser = SGD(weights, lr=0.1)
for p, g in zip(weights, by_weight, strict=True):
    trace(6, f"∂loss/∂{p.name} = {show(g)}")
    p.grad = g
optimiser.step()
for p in weights:
    trace(6, f"moved by -0.1 times that: {p.name} = {show(p.data)}")
after = forward()[0].item()
print(f"The loss falls from {loss.item():.6f} to {after:.6f}.")
assert after < loss.item()

# %% [markdown]
# Only the sixth stage needs calculus, and it is one call. In a picture: the same net, where colour
# and width say how much gradient flows back along each edge. The number on the way from one step
# to the next is the length of ∂loss/∂h there.

# %%
loss, states = forward()
viz.keep(viz.gradient_flow(loss, detail="op"), "03_gradient_flow.svg")

# %% [markdown]
# ## Backward is a graph as well
#
# What did `grad` do? The same kind of thing as the forward pass: it multiplied and added. With
# `create_graph=True` it is recorded while it does, and can be drawn (blue) like anything else.
# Read it from the loss: it visits the steps in the opposite order, t = 2, 1, 0, and each visit
# uses values of the forward step. Those values had to be kept. That is where the memory goes.

# %%
by_W_h = grad(loss, W_h, create_graph=True)
viz.keep(viz.graph(by_W_h), "03_backward_graph.svg")


def operations(*tensors):
    """The operations recorded on the way to these tensors."""
    return {node for node in ancestors(*tensors) if node.op is not None}


behind = len(operations(by_W_h) - operations(loss))
print(f"{len(operations(loss))} operations forward, {behind} more for ∂loss/∂W_h.")

# %% [markdown]
# ## BPTT by hand: the Elman net
#
# Now as the textbooks do it. Step t computes
#
# $$a_t = x_t W_x + b_x + h_{t-1} W_h + b_h \qquad h_t = \tanh(a_t)$$
#
# and there is a loss at every step. Let $\delta h_t$ be the gradient of the whole loss with
# respect to $h_t$. It has two parts: what step t itself says, and what comes back from step t+1.
#
# $$\delta a_t = \delta h_t \cdot (1 - h_t^2) \qquad
# \delta h_{t-1} = \text{own part} + \delta a_t W_h^\top$$
#
# And each weight collects over time: $\delta W_h = \sum_t h_{t-1}^\top \delta a_t$. In NumPy:


# %%
def rnn_by_hand(cell, xs, targets):
    """Loss and gradients of W_x, W_h, b_x, b_h, from the textbook formulas."""
    W_x, W_h, b_x, b_h = (p.data for p in (cell.W_x, cell.W_h, cell.b_x, cell.b_h))
    hs = [np.zeros((xs.shape[1], cell.hidden_size))]
    for x in xs:
        hs.append(np.tanh(x @ W_x + b_x + hs[-1] @ W_h + b_h))
    errors = np.stack(hs[1:]) - targets
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b_x)
    from_later = np.zeros_like(hs[0])
    for t in reversed(range(len(xs))):
        dh = 2 * errors[t] / errors.size + from_later
        da = dh * (1 - hs[t + 1] ** 2)
        dW_x += xs[t].T @ da
        dW_h += hs[t].T @ da
        db += da.sum(axis=0)
        from_later = da @ W_h.T
    return (errors**2).mean(), [dW_x, dW_h, db, db]


# %% [markdown]
# ## BPTT by hand: the LSTM
#
# The LSTM (Hochreiter and Schmidhuber 1997; the forget gate f is from Gers and others 2000) has
# two states and four gates:
#
# $$c_t = f \cdot c_{t-1} + i \cdot g \qquad h_t = o \cdot \tanh(c_t)$$
#
# So two gradients travel back, $\delta h$ and $\delta c$, and at each step they meet. It is the
# same game with more lines, and with more places to go wrong. (A sign, a missing `1 -`, the old c
# where the new one belongs: everybody who did this has been there.)


# %%
def lstm_by_hand(cell, xs, targets):
    """Loss and gradients of W_x, W_h, b_x, b_h; columns in the order i, f, g, o."""
    W_x, W_h, b_x, b_h = (p.data for p in (cell.W_x, cell.W_h, cell.b_x, cell.b_h))
    h = c = np.zeros((xs.shape[1], cell.hidden_size))
    kept, outputs = [], []
    for x in xs:
        a_i, a_f, a_g, a_o = np.split(x @ W_x + b_x + h @ W_h + b_h, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-a)) for a in (a_i, a_f, a_o))
        g = np.tanh(a_g)
        c_before, h_before, c = c, h, f * c + i * g
        h = o * np.tanh(c)
        kept.append((x, h_before, c_before, i, f, g, o, np.tanh(c)))
        outputs.append(h)
    errors = np.stack(outputs) - targets
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(b_x)
    dh_later = dc_later = np.zeros_like(h)
    for t in reversed(range(len(xs))):
        x, h_before, c_before, i, f, g, o, tanh_c = kept[t]
        dh = 2 * errors[t] / errors.size + dh_later
        dc = dh * o * (1 - tanh_c**2) + dc_later
        da_i = dc * g * i * (1 - i)
        da_f = dc * c_before * f * (1 - f)
        da_g = dc * i * (1 - g**2)
        da_o = dh * tanh_c * o * (1 - o)
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)
        dW_x += x.T @ da
        dW_h += h_before.T @ da
        db += da.sum(axis=0)
        dh_later, dc_later = da @ W_h.T, dc * f
    return (errors**2).mean(), [dW_x, dW_h, db, db]


# %% [markdown]
# ## Three roads, one gradient
#
# The third road knows no calculus at all. Move one weight by a tiny step up and down, and see how
# the loss answers: (loss₊ - loss₋) / 2ε. It takes two forward passes for *each* weight, so nobody
# trains that way. But it cannot make the same mistake as a derivation, which is why WildML's
# tutorial and every autodiff library check themselves with it.


# %%
def loss_of(cell, xs, targets):
    outputs, _ = nn.unroll(cell, xs)
    return nn.mse_loss(stack(outputs), targets)


def by_differences(cell, xs, targets, epsilon=1e-5):
    """Every gradient by central differences."""
    gradients = []
    for p in cell.parameters():
        start, slopes = p.data.copy(), np.zeros(p.shape)
        for place in np.ndindex(p.shape):
            ends = []
            for sign in (1, -1):
                moved = start.copy()
                moved[place] += sign * epsilon
                p.data = moved
                ends.append(loss_of(cell, xs, targets).item())
            slopes[place] = (ends[0] - ends[1]) / (2 * epsilon)
        p.data = start
        gradients.append(slopes)
    return gradients


rng = np.random.default_rng(0)
long, targets = rng.standard_normal((12, 4, 3)), rng.uniform(-1, 1, (12, 4, 5))
worst = {}
print("      largest gradient   against the hand-derived   against differences (relative)")
derived = [(nn.RNNCell(3, 5, rng=1), rnn_by_hand), (nn.LSTMCell(3, 5, rng=1), lstm_by_hand)]
for cell, by_hand in derived:
    ours = grad(loss_of(cell, long, targets), cell.parameters())
    hand_loss, hand = by_hand(cell, long, targets)
    assert abs(hand_loss - loss_of(cell, long, targets).item()) < 1e-14
    numeric = by_differences(cell, long, targets)
    largest = max(np.abs(g).max() for g in ours)
    from_hand = max(np.abs(a - b).max() for a, b in zip(ours, hand, strict=True))
    from_numeric = max(np.abs(a - b).max() for a, b in zip(ours, numeric, strict=True)) / largest
    name = type(cell).__name__.removesuffix("Cell")
    worst[name] = from_hand, from_numeric
    print(
        f"{name:4}  {largest:.4f}             {from_hand:.1e}                    {from_numeric:.1e}"
    )
    assert from_hand < 1e-12
    assert from_numeric < 1e-7

# %% [markdown]
# The hand-derived code agrees to the last digits a float has. It took some twenty lines for the
# RNN and some thirty for the LSTM, and a GRU would take as many again. `grad` never heard of any
# of these cells. It knows one derivative for each operation (have a look at the table in
# `engine/rules.py`), walks the record from its end to its beginning, and adds up where ways meet.
# The sums over t in the textbooks are what that adding does on an unfolded graph.
#
# Would a mistake show? The most natural one is to forget the time in BPTT: to differentiate each
# step as if its incoming state were a constant. `stop_gradient` records such a cut.

# %%
cell = derived[0][0]
h, states = np.zeros((4, 5)), []
for x in long:
    h = cell(x, stop_gradient(h) if states else h)
    states.append(h)
cut = grad(nn.mse_loss(stack(states), targets), cell.W_h)
whole = grad(loss_of(cell, long, targets), cell.W_h)
missing = np.linalg.norm(whole - cut) / np.linalg.norm(whole)
print(f"Without the way back through time, ∂loss/∂W_h is off by {missing:.0%} of its length.")
assert missing > 0.05

# %% [markdown]
# In colour, for the LSTM. Two gradients travel from step to step, on two lanes: c and h.

# %%
small = nn.LSTMCell(3, 5, rng=1)
viz.keep(
    viz.gradient_flow(loss_of(small, long[:3], targets[:3]), detail="gate"), "03_lstm_flow.svg"
)

# %% [markdown]
# ## Any shape of task
#
# Sequences come in and go out in many ways. Karpathy's essay "The unreasonable effectiveness of
# recurrent neural networks" (2015) made a famous drawing of five. None of them needs a derivation
# of its own: the loss says what is compared, and `backward()` does the rest.
#
# A `reader` takes inputs in. A `writer` is given one input, and then its own outputs: each y is
# the next x.

# %%
reader, writer = nn.RNNCell(3, 5, rng=2), nn.RNNCell(3, 5, rng=3)
readout = nn.Linear(5, 3, rng=4)


def read(xs, answer=False):
    """The state after each input, or the answer to it."""
    h, found = reader.initial_state(4), []
    for t, x in enumerate(xs):
        with scope("reader", t=t, x=x):
            h = reader(x, h)
            found.append(named(y=readout(h)) if answer else h)
    return found


def write(x, h, steps, start=0):
    """As many outputs as you like, each fed back as the next input."""
    ys = []
    for t in range(start, start + steps):
        with scope("writer", t=t, x=x):
            h = writer(x, h)
            x = named(y=readout(h))
        ys.append(x)
    return ys


inputs, wanted, zeros = long[:3], rng.uniform(-1, 1, (4, 4, 3)), np.zeros((4, 3))
shapes = {
    "03_1_to_1.svg": ("1 → 1", read(inputs[:1], answer=True)),
    "03_1_to_n.svg": ("1 → n", write(inputs[0], writer.initial_state(4), 4)),
    "03_n_to_1.svg": ("n → 1", [named(y=readout(read(inputs)[-1]))]),
    "03_n_to_n.svg": ("n → n", read(inputs, answer=True)),
    "03_n_to_m.svg": ("n → m", write(zeros, read(inputs)[-1], 2, start=3)),
}
parameters = [p for part in (reader, writer, readout) for p in part.parameters()]
for file, (shape, ys) in shapes.items():
    error = nn.mse_loss(stack(ys), wanted[: len(ys)])
    length = np.sqrt(sum((g**2).sum() for g in grad(error, parameters, unused="zero")))
    print(f"{shape}: loss {error.item():.4f}, {len(operations(error)):2} operations,", end=" ")
    print(f"|gradient| {length:.3f};", end=" ")
    viz.keep(viz.unrolled(ys, detail="gate", weights="hide"), file)
    assert np.isfinite(length)
    assert length > 0

# %% [markdown]
# ## Why wait for the end of the sequence?
#
# There is a loss at every step, so one could improve the weights at every step. It is often said
# that this is too expensive. Let us see exactly what it costs.
#
# First, something that surprises: after an update the record of the past is out of date. It was
# made with weights that no longer exist. The engine notices.

# %%
cell = nn.RNNCell(3, 5, rng=1)
outputs, _ = nn.unroll(cell, long)
early, late = nn.mse_loss(outputs[5], targets[5]), nn.mse_loss(outputs[11], targets[11])
early.backward()
SGD(cell.parameters(), lr=0.1).step()
try:
    late.backward()
    raise AssertionError("went backward through a record older than the weights")
except RuntimeError as refusal:
    print(refusal)

# %% [markdown]
# So an update at step t means: run steps 1 … t again with the new weights, and go back through all
# of them. For a sequence of length T that is 1 + 2 + … + T = T (T+1) / 2 steps each way, instead
# of T. We count what is really recorded, forward and backward, for both schedules.


# %%
def spent(cell, loss):
    """Operations, forward and backward, for one update."""
    return len(operations(*grad(loss, cell.parameters(), create_graph=True)))


def last_loss(cell, xs, targets):
    """The error of the last prediction only, as known when its step is over."""
    return nn.mse_loss(nn.unroll(cell, xs)[0][-1], targets[-1])


sequence, wishes = rng.standard_normal((40, 4, 3)), rng.uniform(-1, 1, (40, 4, 5))
online = np.cumsum([spent(cell, last_loss(cell, sequence[:t], wishes[:t])) for t in range(1, 41)])
whole = {T: spent(cell, loss_of(cell, sequence[:T], wishes[:T])) for T in (1, 5, 10, 20, 40)}
print("      one update per sequence      an update at every step")
print("  T   operations                   operations   ratio   (T+1)/2   per update")
for T, count in whole.items():
    total = online[T - 1]
    print(f" {T:2}   {count:5}                        {total:7}     {total / count:5.1f}", end="")
    print(f"     {(T + 1) / 2:4.1f}      {total / T:6.1f}")
steps = np.diff(online[2:], n=2)  # of a parabola, the second differences are all the same
assert (steps == steps[0]).all()
assert online[39] / whole[40] > 15

# %% [markdown]
# Linear against quadratic: at 40 steps, updating online costs nearly twenty times as much for the
# same sequence. A single update is cheaper, though, by about half, because it looks back over half
# the sequence on average. So which of them learns more from the same amount of work?
#
# A small race: repeat the input from two steps ago. Both schedules may spend the same number of
# operations, and each takes the learning rate that suits it best.

# %%
T = 12


class Echo(nn.Module):
    def __init__(self):
        self.cell = nn.RNNCell(1, 8, rng=5)
        self.readout = nn.Linear(8, 1, rng=6)

    def losses(self, xs, last=False):
        """Squared error of all answers, or of the last; the first two should be 0."""
        answers = np.concatenate([np.zeros_like(xs[:2]), xs])[: len(xs)]
        states, _ = nn.unroll(self.cell, xs)
        if last:
            return nn.mse_loss(self.readout(states[-1]), answers[-1])
        return nn.mse_loss(self.readout(stack(states)), answers)


unseen = np.random.default_rng(7).uniform(-1, 1, (T, 200, 1))
net = Echo()
WORK = 250 * spent(net, net.losses(unseen))


def race(every_step, lr):
    """Error on unseen sequences, after so many operations."""
    net, rng, work, curve = Echo(), np.random.default_rng(8), 0, []
    optimiser = SGD(net.parameters(), lr)
    lengths = range(1, T + 1) if every_step else [T]
    xs = rng.uniform(-1, 1, (T, 8, 1))
    price = sum(spent(net, net.losses(xs[:t], last=every_step)) for t in lengths)
    while work < WORK:
        xs = rng.uniform(-1, 1, (T, 8, 1))
        for t in lengths:
            optimiser.zero_grad()
            net.losses(xs[:t], last=every_step).backward()
            optimiser.step()
        work += price
        curve.append((work, net.losses(unseen).item()))
    return np.array(curve)


def reached(curve, error=0.01):
    """The operations it took to come below that error."""
    below = curve[curve[:, 1] < error]
    return below[0, 0] if len(below) else np.inf


RATES = (0.01, 0.03, 0.1, 0.3)
curves = {}
for name, every_step in (("per sequence", False), ("every step", True)):
    curves[name] = curve = min((race(every_step, lr) for lr in RATES), key=reached)
    print(f"update {name:12}: error below 0.01 after {reached(curve):6,.0f} operations;", end=" ")
    print(f"{len(curve):3} sequences read in the end, error {curve[-1, 1]:.4f}")

# %% [markdown]
# By the amount of work it is about a draw. Change the seeds, and now the one is ahead, now the
# other; the online net gets there with far fewer sequences. So it is not the single update that is
# expensive. What hurts is that the work per *sequence* grows with the square of its length,
# because each update makes the record before it worthless. At 40 steps that was a factor of 18, at
# 1,000 steps it would be about 500. Therefore one walks back once per sequence, and cuts long
# sequences into pieces (lesson 6).

# %%
errors = {f"update {name}": curve[:, 1] for name, curve in curves.items()}
work = {f"update {name}": curve[:, 0] for name, curve in curves.items()}
words = ("operations", "squared error")
viz.keep(viz.learning_curves(errors, work, log=True, words=words), "03_online.svg")

# %% [markdown]
# ## What to take along
#
# * Backpropagation through time is reverse mode on the unfolded graph, nothing else.
# * Derived by hand, by finite differences, and by `grad`: one gradient.
# * The backward pass is a graph too, and it needs the forward values.
# * One update per sequence costs work linear in T; exact updates at every step cost T².

# %%
for name, (from_hand, from_numeric) in worst.items():
    print(f"{name:4} BPTT by hand is {from_hand:.0e} away,", end=" ")
    print(f"finite differences {from_numeric:.0e} of the largest gradient.")
    assert from_hand < 1e-12
    assert from_numeric < 1e-7
