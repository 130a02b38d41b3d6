# %% [markdown]
# # 1 · Memory: why a loop
#
# A feed-forward network answers from what is in front of it. Show it the same input twice and it
# says the same thing twice, whatever came in between. For a photograph that is fine. For a
# sentence, a melody or a grammar it is not: there the right answer depends on what came *before*.
#
# This lesson finds out how much that costs, in nats, on a task whose best possible score we can
# compute. Then it adds one arrow, from the network back to itself, and measures again.
#
# Everything runs in a few seconds. Each claim is a number printed by the cell below it.

# %%
from collections import Counter

import numpy as np

import viz
from tinygrad_rnn import (
    Tensor,
    ancestors,
    grad,
    jacobian,
    named,
    nn,
    no_grad,
    relu,
    sigmoid,
    stack,
    tanh,
)
from tinygrad_rnn.train import Adam, clip_grad_norm

# %% [markdown]
# ## A task with a known right answer
#
# Reber's grammar (Reber 1967) is a small machine that writes strings. It starts in node 0, and at
# every node tosses a coin between two arrows; each arrow writes a letter.
#
# The *embedded* grammar (Cleeremans, Servan-Schreiber and McClelland 1989; experiment 1 of
# Hochreiter and Schmidhuber 1997) wraps such a string: `B`, then `T` or `P`, then a whole Reber
# string, then **the same** `T` or `P` again, then `E`. Reading letter by letter, the network
# predicts the next one. To get the last but one right it has to remember the second, across
# everything in between.

# %%
SYMBOLS = "BTPSXVE"
ARROWS = [  # at each node: (letter, next node), (letter, next node)
    [("T", 1), ("P", 2)],
    [("S", 1), ("X", 3)],
    [("T", 2), ("V", 4)],
    [("X", 2), ("S", 5)],
    [("P", 3), ("V", 5)],
]


def embedded_reber(rng):
    """One string, and where in the grammar we are after each of its letters."""
    outer = "TP"[rng.integers(2)]
    letters, places = ["B", outer, "B"], ["start", "outer", 0]
    node = 0
    while node != 5:
        letter, node = ARROWS[node][rng.integers(2)]
        letters.append(letter)
        places.append(node)
    return "".join([*letters, "E", outer, "E"]), [*places, "inner end", "last"]


rng = np.random.default_rng(0)
strings = [embedded_reber(rng) for _ in range(20_000)]
for string, _ in strings[:4]:
    print(" ", string)
length = np.mean([len(s) for s, _ in strings])
print(f"Strings have between {min(len(s) for s, _ in strings)} letters and ", end="")
print(f"{max(len(s) for s, _ in strings)}, {length:.2f} on average (exactly: 12).")

# %% [markdown]
# How well can anybody do? That depends on what they see. A predictor with a certain *view* of the
# past can do no better than the conditional entropy H(next letter | view). Three views matter:
#
# * only the current letter: all that a feed-forward net gets;
# * the place in the grammar, but not which letter the string was wrapped in: short memory;
# * the place and the wrapping: full memory.
#
# The last two can be done by hand. A string has 11 letters to predict. Full memory leaves 7 coin
# tosses among them (one for the wrapping and, on average, 6 inside), so 7 ln 2 / 11 nats per
# letter. Forgetting the wrapping makes the last but one letter a coin toss as well: 8 ln 2 / 11.
# The first view has no such short formula; we count.


# %%
def entropy(view):
    """H(next letter | view) in nats, counted over all the strings."""
    pairs = Counter()
    for string, places in strings:
        for t in range(len(string) - 1):
            pairs[view(string, places, t), string[t + 1]] += 1
    seen = Counter()
    for (what, _), n in pairs.items():
        seen[what] += n
    return -sum(n * np.log(n / seen[what]) for (what, _), n in pairs.items()) / seen.total()


BLIND = entropy(lambda string, places, t: string[t])
short = entropy(lambda string, places, t: places[t])
full = entropy(lambda string, places, t: (places[t], string[1 : t + 1][:1]))
SHORT, FULL = 8 * np.log(2) / 11, 7 * np.log(2) / 11
print(f"the current letter alone     {BLIND:.4f} nats per letter")
print(f"short memory                 {short:.4f}   8 ln 2 / 11 = {SHORT:.4f}")
print(f"full memory                  {full:.4f}   7 ln 2 / 11 = {FULL:.4f}")
assert abs(BLIND - 1.272) < 0.005
assert abs(short - SHORT) < 0.005
assert abs(full - FULL) < 0.005

# %% [markdown]
# ## Without a loop, and with one
#
# Here are both networks. A *cell* takes the input x and the state h, and gives the next state:
#
# $$h_t = f(h_{t-1}, x_t) = \tanh(h_{t-1} W_h + x_t W_x)$$
#
# That is Elman's simple recurrent network (Elman 1990, "Finding structure in time"). The
# feed-forward net is the same thing without the term in $h_{t-1}$. (Vectors are rows here, one row
# per example, so the weights stand on the right. Textbooks with columns write $W_h h_{t-1}$.)
#
# There are no biases to see: each input is one-hot, so a row of `W_x` is the bias of its letter.


# %%
class FeedForwardCell(nn.Module):
    def __init__(self, inputs, hidden, rng):
        self.W_x = Tensor(rng.uniform(-1, 1, (inputs, hidden)) / hidden**0.5)
        self.hidden = hidden

    def initial_state(self, *batch):
        return np.zeros((*batch, self.hidden))

    def __call__(self, x, h):
        return named(h=tanh(x @ self.W_x))  # h is offered, and ignored


class ElmanCell(FeedForwardCell):
    def __init__(self, inputs, hidden, rng):
        super().__init__(inputs, hidden, rng)
        self.W_h = Tensor(rng.uniform(-1, 1, (hidden, hidden)) / hidden**0.5)

    def __call__(self, x, h):
        return named(h=tanh(x @ self.W_x + h @ self.W_h))


class Predictor(nn.Module):
    """A cell that reads, and a linear layer y = h W_y + b that scores each possible next letter."""

    def __init__(self, cell, rng):
        self.cell = cell
        self.readout = nn.Linear(cell.hidden, len(SYMBOLS), rng=rng)

    def loss(self, letters, targets, mask, state=None):
        states, _ = nn.unroll(self.cell, np.eye(len(SYMBOLS))[letters], state)
        return nn.cross_entropy(self.readout(stack(states)[mask]), targets[mask])


# %% [markdown]
# Is our one-line formula really the Elman net that everyone uses? We copy our weights into the
# library's `nn.RNNCell`, whose outputs the tests compare with `torch.nn.RNN`, and run both.

# %%
ours = ElmanCell(7, 5, rng)
theirs = nn.RNNCell(7, 5, bias=False)
theirs.W_x.data, theirs.W_h.data = ours.W_x.data, ours.W_h.data
xs = rng.standard_normal((10, 3, 7))
largest = np.abs(nn.unroll(ours, xs)[1].data - nn.unroll(theirs, xs)[1].data).max()
print(f"After ten steps the two cells differ by at most {largest:.1e}.")
assert largest < 1e-12

# %% [markdown]
# Two steps of it, every operation drawn, shapes below the names: 3 examples, 7 letters, 5 units.
# It is the same cell twice, with the same weights.

# %%
two_steps, _ = nn.unroll(ours, xs[:2])
viz.keep(viz.unrolled(two_steps, detail="op"), "01_cell.svg")

# %% [markdown]
# ## One step after the other, for as long as the input lasts
#
# Nothing in a cell knows how long the sequence is. `nn.unroll` is a plain loop, and you could
# write it yourself: `for x in xs: h = cell(x, h)`. Two consequences, each with its number.
#
# **The record grows by the same amount at every step.** Each pass through the loop records the
# same few operations.


# %%
def operations(*tensors):
    """How many operations were recorded on the way to these tensors."""
    return sum(node.op is not None for node in ancestors(*tensors))


per_step = operations(nn.unroll(ours, xs[:1])[1])
for T in (1, 2, 5, 10):
    counted = operations(nn.unroll(ours, xs[:T])[1])
    print(f"T = {T:2}: {counted:3} operations = {T} × {per_step}")
    assert counted == T * per_step

# %% [markdown]
# **Order matters.** Read the same letters backwards and the Elman net ends in another state. The
# feed-forward net treats every letter for itself, so turning the string round only turns its
# answers round; taken together they are the same.

# %%
blind = FeedForwardCell(7, 5, rng)
for cell in (blind, ours):
    there = stack(nn.unroll(cell, xs)[0]).data
    back = stack(nn.unroll(cell, xs[::-1])[0]).data
    change = np.abs(there - back[::-1]).max()
    print(
        f"{type(cell).__name__:15} read backwards: answers to the same letter move by {change:.2f}"
    )
    assert (change == 0) == (cell is blind)

# %% [markdown]
# **Any length will do.** Strings in a batch have different lengths, so the short ones are padded
# at the end, and a mask says which predictions count. Padding comes after the real letters, so no
# real state can depend on it. We check: more padding, other padding, same loss.


# %%
def batch(strings, extra=0, padding=0):
    """Letters, next letters, and where they are real; time first, one column per string."""
    T = max(len(s) for s in strings) - 1 + extra
    letters = np.full((T, len(strings)), padding)
    targets, mask = letters.copy(), np.zeros(letters.shape, bool)
    for column, string in enumerate(strings):
        numbers = [SYMBOLS.index(letter) for letter in string]
        n = len(string) - 1
        letters[:n, column], targets[:n, column] = numbers[:-1], numbers[1:]
        mask[:n, column] = True
    return letters, targets, mask


words = [string for string, _ in strings]
untrained = Predictor(ElmanCell(7, 24, rng), rng)
tight = untrained.loss(*batch(words[:8])).item()
loose = untrained.loss(*batch(words[:8], extra=30, padding=5)).item()
print(f"loss with little padding {tight:.12f}, with 30 more steps of V {loose:.12f}")
assert abs(tight - loose) < 1e-12

# %% [markdown]
# ## Training both
#
# Same optimiser, same data, same number of units. The mean gradient of 32 strings makes one step
# of Adam. The last part of the training takes smaller steps, to settle.

# %%
TRAIN, TEST = words[:4000], batch(words[4000:5000])


def train(model, updates, rng, lr=0.01):
    """Loss on unseen strings, now and then."""
    optimiser = Adam(model.parameters(), lr=lr)
    curve = []
    for update in range(updates + 1):
        if update % 25 == 0:
            with no_grad():
                curve.append((update, model.loss(*TEST).item()))
        if update > 0.7 * updates:
            optimiser.lr = lr / 5
        chosen = rng.integers(len(TRAIN), size=32)
        optimiser.zero_grad()
        model.loss(*batch([TRAIN[k] for k in chosen])).backward()
        clip_grad_norm(model.parameters(), 1.0)
        optimiser.step()
    return np.array(curve)


feedforward = Predictor(FeedForwardCell(7, 24, rng), rng)
elman = Predictor(ElmanCell(7, 24, rng), rng)
curves = {
    "feed-forward": train(feedforward, 400, np.random.default_rng(1)),
    "Elman": train(elman, 600, np.random.default_rng(1)),
}
for name, curve in curves.items():
    print(
        f"{name:12} {curve[0, 1]:.4f} → {curve[-1, 1]:.4f} nats after {int(curve[-1, 0])} updates"
    )
STUCK, REACHED = curves["feed-forward"][-1, 1], curves["Elman"][-1, 1]
print(
    f"The feed-forward net is stuck {STUCK - BLIND:+.4f} from the bound for its view, {BLIND:.4f}."
)
print(f"The Elman net ends {REACHED - FULL:+.4f} from the best anybody can do, {FULL:.4f}.")

# %% [markdown]
# No amount of training moves the feed-forward net below 1.27: the information is not in its input.
# The Elman net has one matrix more, and its loss is a third of that.
#
# Its loss is below 8 ln 2 / 11, so it must carry some of the wrapping across the inner string. We
# can look at that directly, at the one letter where it matters. Guessing between T and P there
# costs ln 2.


# %%
@no_grad()
def at_the_link(model):
    """Mean loss on the last but one letter, and how far the letter it repeats is behind."""
    letters, targets, mask = TEST
    last = mask.sum(axis=0) - 2
    link = np.zeros_like(mask)
    link[last, np.arange(len(last))] = True
    return model.loss(letters, targets, link).item(), last


LINK, distance = at_the_link(elman)
print(f"Loss at the long link: {LINK:.3f} nats; guessing costs ln 2 = {np.log(2):.3f}.")
print(f"The letter to remember lies {np.median(distance):.0f} letters back in the median,", end=" ")
print(f"{distance.min()} at least, {distance.max()} at most.")
assert 0 < LINK < np.log(2)

# %% [markdown]
# A word on history. Hochreiter and Schmidhuber (1997) list Elman nets with 0 % successful trials
# on this task, where success means that the legal letters always get the highest scores. Ours is
# trained otherwise (exact gradients through the whole string, batches, Adam) and judged by its
# mean loss, which is the easier test. And most of these links are short, so a simple loop with
# exact gradients can hold them. Lesson 5 stretches them until it breaks.

# %%
runs = {name: curve[:, 1] for name, curve in curves.items()}
updates = {name: curve[:, 0] for name, curve in curves.items()}
known = {"current letter": BLIND, "short memory": SHORT, "full memory": FULL}
labels = ("updates", "nats per letter, unseen strings")
viz.keep(viz.learning_curves(runs, updates, baseline=known, words=labels), "01_curves.svg")

# %% [markdown]
# ## What the loop looks like
#
# Both graphs below were drawn from the record of a forward pass over the same four letters. Look
# for the arrows *between* the steps: the feed-forward net has none. Folded up, those arrows become
# one arrow from the cell to itself: the internal loop.

# %%
four = np.eye(7)[batch(["BTBTX"])[0]]
without_loop, _ = nn.unroll(feedforward.cell, four)
viz.keep(viz.unrolled(without_loop, detail="gate"), "01_feedforward.svg")

# %%
with_loop, _ = nn.unroll(elman.cell, four)
viz.keep(viz.unrolled(with_loop, detail="gate"), "01_elman.svg")

# %%
viz.keep(viz.folded(with_loop), "01_elman_folded.svg")

# %% [markdown]
# ## How far back does it look?
#
# A convolution has a receptive field: the inputs that can influence an output. A recurrent net has
# one too, and the gradient measures it. If $\partial h_T / \partial x_t$ is zero, input t cannot
# matter; if it is not, it does.


# %%
def influence(cell, letters):
    """The norm of ∂h_T/∂x_t for each t."""
    xs = Tensor(np.eye(7)[letters], name="x")
    _, last = nn.unroll(cell, xs)
    slopes = jacobian(last, xs)  # (1, hidden, T, 1, 7)
    return np.sqrt((slopes**2).sum(axis=(0, 1, 3, 4)))


sentence = "BTBTXXVPSE"
letters = batch([sentence + "T"])[0]
memory, none = influence(elman.cell, letters), influence(feedforward.cell, letters)
print("  t  letter   Elman      feed-forward")
for t, letter in enumerate(sentence):
    print(f" {t:2}    {letter}      {memory[t]:.1e}    {none[t]:.1e}")
field, blind_field = np.count_nonzero(memory), np.count_nonzero(none)
print(f"Receptive field after {len(sentence)} letters: Elman {field}, feed-forward {blind_field}.")
assert field == len(sentence)
assert blind_field == 1
assert none[-1] > 0

# %% [markdown]
# Every input counts for the Elman net, back to the first. Some count more than others: that is
# what training shaped, and also what fades with distance. Lesson 5 is about the fading.
#
# ## Starting afresh: the reset
#
# The state is memory of *this* sequence. Before the next, independent one it has to go back to
# zero. What happens if you forget? First with a cell that is easy to follow: it counts ones.


# %%
def count(x, h):
    return h + x


coins = (rng.random((8, 10, 1)) < 0.5).astype(float)  # eight sequences of ten tosses
state = np.zeros(1)
print("sequence   heads   counted with reset   counted without")
for k, tosses in enumerate(coins):
    _, fresh = nn.unroll(count, tosses, np.zeros(1))
    _, state = nn.unroll(count, tosses, state)
    print(
        f"    {k}       {tosses.sum():3.0f}           {fresh[0]:3.0f}               {state[0]:3.0f}"
    )
    assert fresh[0] == tosses.sum()
assert state[0] == coins.sum()
print(f"Without a reset the last answer is off by {state[0] - coins[-1].sum():.0f}.")

# %% [markdown]
# The count drifts away, and each sequence makes it worse. Now the trained Elman net, on four
# strings one after the other. Its tanh keeps the state between -1 and 1, so it cannot drift far.
# But it starts every string as if in the middle of another one.


# %%
@no_grad()
def in_a_row(model, rows, reset):
    """Mean loss of the k-th string of each row, for every k."""
    state, losses = None, []
    for k in range(len(rows[0])):
        each, ends = [], []
        for row, strings in enumerate(rows):
            start = None if reset or state is None else state[row]
            letters, targets, mask = batch([strings[k]])
            each.append(model.loss(letters, targets, mask, start).item())
            ends.append(nn.unroll(model.cell, np.eye(7)[letters], start)[1])
        state = ends
        losses.append(np.mean(each))
    return np.array(losses)


rows = [words[5000 + 4 * k : 5004 + 4 * k] for k in range(60)]
with_reset, without = in_a_row(elman, rows, True), in_a_row(elman, rows, False)
print("string        ", *(f"{k:7}" for k in range(4)))
print("with reset    ", *(f"{loss:7.3f}" for loss in with_reset))
print("without reset ", *(f"{loss:7.3f}" for loss in without))
cost = without[1:].mean() - with_reset[1:].mean()
print(f"Forgetting to reset costs {cost:.3f} nats per letter from the second string on.")
assert without[0] == with_reset[0]
assert cost > 0.01

# %% [markdown]
# The library never resets behind your back and never carries a state in secret. `nn.unroll` starts
# from zero unless you pass a state, and hands you the last one: keep it, or drop it.
#
# ## Which squashing function?
#
# The formula used tanh. Sigmoid and ReLU are common too. What matters for training is the slope,
# because on its way back through time the gradient is multiplied by it at every step. The slopes
# come from the same engine that trains: `grad` of the activation.

# %%
z = Tensor(np.linspace(-6, 6, 1201), name="z")
slopes = {f.name: grad(f(z).sum(), z) for f in (sigmoid, tanh, relu)}
for name, slope in slopes.items():
    ten = slope.max() ** 10
    print(f"{name:8} largest slope {slope.max():.4f}; after ten steps at most {ten:.1e}")
assert np.allclose([slope.max() for slope in slopes.values()], [1 / 4, 1, 1], atol=1e-12)

viz.keep(viz.activation(["sigmoid", "tanh", "relu"]), "01_activations.svg")

# %% [markdown]
# Sigmoid passes on a quarter at best. Ten steps back, less than a millionth is left from the
# activation alone.
#
# ## What to take along
#
# * Without a state, the score is bounded by what one input says: 1.27 nats here.
# * With a state, $h_t = f(h_{t-1}, x_t)$, the whole past can count, and the gradient shows that it
#   does.
# * Elements are read in order, sequences may have any length, and the state is reset between them.
#
# The claim of this lesson, as one line that fails if it is wrong:

# %%
assert REACHED < SHORT < BLIND - 0.02 < STUCK
print(f"full memory {FULL:.3f} < Elman {REACHED:.3f} < short memory {SHORT:.3f}", end=" ")
print(f"< current letter only {BLIND:.3f} ≈ feed-forward {STUCK:.3f}")
