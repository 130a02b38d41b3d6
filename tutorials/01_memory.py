# %% [markdown]
# # 1 · Memory: why a loop
#
# A feed-forward network answers from what is in front of it. Show it the same input twice and it
# says the same thing twice, whatever came in between. For a photograph that is fine. For a
# sentence, a melody or a grammar it is not: there the right answer depends on what came *before*.
#
# This lesson finds out how much that costs, in nats, on a task whose best possible score is known.
# Then it adds one arrow, from the network back to itself, and measures again.
#
# **You will be able to**
#
# * write a recurrent cell in one line, and say what its state is;
# * bound the score of any predictor by what it can see, and recognise a network that has hit its
#   bound;
# * measure how far back a network looks, and say when its state must be reset.
#
# *Needs:* lesson 0, one-hot vectors, what a training step is. *Takes:* 30 minutes to read, 5
# seconds to run.

# %% [markdown]
# ## Predict
#
# The letters below were written by a small machine. After each letter it tosses a coin between at
# most two that may follow. A network that reads letter by letter tries to guess the next one, and
# may miss by so-and-so many nats. (One nat is e times as surprising; a coin toss costs ln 2 = 0.69
# nats.)
#
# What would the best possible predictor score, if it saw *only the current letter*: below 0.5,
# about 0.7, or above 1?

# %%
GUESS = 0.7  # your number of nats

# %%
import numpy as np

import viz
from tinygrad_rnn import Tensor, grad, jacobian, named, nn, no_grad, relu, sigmoid, stack, tanh
from tinygrad_rnn.tasks import REBER_SYMBOLS, embedded_reber, one_hot, reber_entropy, reber_string
from tinygrad_rnn.train import Adam, fit

rng = np.random.default_rng(0)
for _ in range(4):
    print("  " + reber_string(rng))

# %% [markdown]
# ## The problem
#
# This is the *embedded Reber grammar* (Cleeremans, Servan-Schreiber and McClelland 1989; experiment
# 1 of Hochreiter and Schmidhuber 1997). A string begins with `B`. Then comes `T` or `P`, then a
# whole string of an inner grammar from `B` to `E`, then **the same** `T` or `P` again, and `E`. To
# predict the last letter but one, a network has to remember the second, across everything in
# between.
#
# How well can anybody do? That depends on what they see, and can be computed without training
# anything. A predictor with a certain *view* of the past can do no better than the entropy of the
# next letter given that view. Three views matter:
#
# * only the current letter, which is all that a feed-forward network gets;
# * the place in the grammar, but not the letter that the string was wrapped in: short memory;
# * the place and the wrapping: full memory.
#
# Full memory leaves 7 coin tosses in 11 predictions on average, so 7 ln 2 / 11 nats per letter. Who
# has forgotten the wrapping tosses an eighth coin at the last letter but one.

# %%
BLIND, SHORT, FULL = (reber_entropy(memory) for memory in ("symbol", "short", "full"))
print(f"the current letter alone   {BLIND:.4f} nats per letter; you guessed {GUESS}")
print(f"short memory               {SHORT:.4f} = 8 ln 2 / 11")
print(f"full memory                {FULL:.4f} = 7 ln 2 / 11")
assert np.isclose(SHORT, 8 * np.log(2) / 11)
assert np.isclose(FULL, 7 * np.log(2) / 11)

# %% [markdown]
# ## Without a loop, and with one
#
# Here are both networks. A *cell* takes the input x and the state h, and gives the next state:
#
# $$h_t = f(h_{t-1}, x_t) = \tanh(x_t W_x + h_{t-1} W_h)$$
#
# That is Elman's simple recurrent network (Elman 1990, "Finding structure in time"). The
# feed-forward network is the same thing without the term in $h_{t-1}$. (Vectors are rows here, one
# row per example, so the weights stand on the right. Textbooks with columns write $W_h h_{t-1}$.)
# An input is one-hot, so a row of $W_x$ serves as the bias of its letter.


# %%
def weights(rows, columns):
    return Tensor(rng.uniform(-1, 1, (rows, columns)) / columns**0.5)


class FeedForwardCell(nn.Module):
    def __init__(self, inputs, hidden):
        self.W_x = weights(inputs, hidden)

    def initial_state(self, *batch):
        return np.zeros((*batch, self.W_x.shape[1]))

    def __call__(self, x, h):
        return named(h=tanh(x @ self.W_x))  # h is offered, and ignored


class ElmanCell(FeedForwardCell):
    def __init__(self, inputs, hidden):
        super().__init__(inputs, hidden)
        self.W_h = weights(hidden, hidden)

    def __call__(self, x, h):
        return named(h=tanh(x @ self.W_x + h @ self.W_h))


# %% [markdown]
# A model reads with a cell, scores each possible next letter with a linear layer $y = h W_y + b$,
# and pays the cross-entropy. Strings have different lengths: short ones are padded at the end, and
# a mask says which predictions count.


# %%
class Predictor(nn.Module):
    def __init__(self, cell):
        self.cell = cell
        self.readout = nn.Linear(cell.W_x.shape[1], 7, rng=rng)

    def loss(self, letters, targets, mask, state=None):
        states, _ = nn.unroll(self.cell, one_hot(letters, 7), state)
        return nn.cross_entropy(self.readout(stack(states)), targets, mask=mask)


def batch(size, rng):
    strings = embedded_reber(size, rng)
    return strings.xs, strings.targets, strings.mask


# %% [markdown]
# Is the one-line formula really the Elman network that everyone uses? We copy our weights into the
# library's `nn.RNNCell`, whose outputs are tested against `torch.nn.RNN`, and run both.

# %%
ours, theirs = ElmanCell(7, 5), nn.RNNCell(7, 5, bias=False)
theirs.W_x.data, theirs.W_h.data = ours.W_x.data, ours.W_h.data
xs = rng.standard_normal((10, 3, 7))
largest = np.abs(nn.unroll(ours, xs)[1].data - nn.unroll(theirs, xs)[1].data).max()
print(f"After ten steps the two cells differ by at most {largest:.1e}.")
assert largest < 1e-12

# %% [markdown]
# ## The picture
#
# Both graphs were drawn from the record of a forward run over the same three letters. Look for the
# arrows *between* the steps. The feed-forward network has none: each letter is processed alone.
# Folded up, the arrows become one arrow from the cell to itself, the internal loop.

# %%
word = "BTB"
letters = one_hot(np.array([[REBER_SYMBOLS.index(s)] for s in word]), 7)
blind = FeedForwardCell(7, 5)
no_loop, loop = (nn.unroll(cell, letters)[0] for cell in (blind, ours))
drawings = {
    "feed-forward": viz.unrolled(no_loop, "gate", labels=word, shapes=False),
    "Elman": viz.unrolled(loop, "gate", labels=word, shapes=False),
    "Elman, folded": viz.folded(loop, "cell"),
}
viz.keep(viz.sheet(drawings, across=False), "01_loop.svg")

# %% [markdown]
# ## The number
#
# Both networks get the same optimiser, the same strings and the same number of units: 32 strings to
# a step of Adam. `fit` runs the loop. Every 50 steps it asks for the loss on a thousand strings
# that the network has not seen.

# %%
TEST = batch(1000, 1)


def trained(cell, steps):
    """The model and its loss on unseen strings, now and then."""
    model, draws = Predictor(cell), np.random.default_rng(1)
    validate = no_grad()(lambda: model.loss(*TEST).item())
    run = fit(
        model,
        lambda step: batch(32, draws),
        Adam(model.parameters(), lr=0.01),
        schedule=lambda step: 0.01 if step < 0.7 * steps else 0.002,
        clip=1.0,
        steps=steps,
        validate=validate,
        every=50,
        target="auto",
        progress=False,
    )
    return model, np.array(run.scores)


# %%
feedforward, stuck = trained(FeedForwardCell(7, 24), 400)
elman, learned = trained(ElmanCell(7, 24), 800)
STUCK, REACHED = stuck[-1, 1], learned[-1, 1]
print(f"feed-forward  {STUCK:.4f} nats, {STUCK - BLIND:+.4f} from the bound for its view")
print(f"Elman         {REACHED:.4f} nats, {REACHED - FULL:+.4f} from the best anybody can do")
known = {"current letter": BLIND, "short memory": SHORT, "full memory": FULL}
curves = viz.learning_curves(
    {"feed-forward": stuck[:, 1], "Elman": learned[:, 1]},
    {"feed-forward": stuck[:, 0], "Elman": learned[:, 0]},
    baseline=known,
    words=("steps", "nats per letter, unseen strings"),
)
viz.keep(curves, "01_curves.svg")

# %% [markdown]
# No amount of training moves the feed-forward network below its bound: the information is not in
# its input. The Elman network has one matrix more, and falls below 8 ln 2 / 11. So it carries at
# least some of the wrapping across the inner string.
#
# A word on history. Hochreiter and Schmidhuber (1997) report 0 % successful trials of Elman
# networks on this task, where success means that the legal letters always get the highest scores.
# Ours is trained otherwise (exact gradients through the whole string, batches, Adam) and judged by
# its mean loss, which is the easier test. And most of these links are short. Lesson 5 stretches
# them until the loop breaks.
#
# ## How far back does it look?
#
# A convolution has a receptive field: the inputs that can influence an output. A recurrent network
# has one too, and the gradient measures it. If $\partial h_T / \partial x_t$ is zero, input t
# cannot matter.


# %%
def influence(cell, word):
    """The norm of ∂h_T/∂x_t for each t."""
    numbers = np.array([[REBER_SYMBOLS.index(s)] for s in word])
    xs = Tensor(one_hot(numbers, 7), name="x")
    slopes = jacobian(nn.unroll(cell, xs)[1], xs)  # (1, hidden, T, 1, 7)
    return np.sqrt((slopes**2).sum(axis=(0, 1, 3, 4)))


sentence = "BTBTXXVPSE"
memory, none = influence(elman.cell, sentence), influence(feedforward.cell, sentence)
print("letter        " + "".join(f"{s:>9}" for s in sentence))
print("Elman         " + "".join(f"{n:9.1e}" for n in memory))
print("feed-forward  " + "".join(f"{n:9.1e}" for n in none))
assert np.count_nonzero(memory) == len(sentence)
assert list(np.nonzero(none)[0]) == [len(sentence) - 1]

# %% [markdown]
# Every input counts for the Elman network, back to the first. Some count more than others. That is
# what training shaped, and it is also what fades with distance.
#
# ## Any length, in order
#
# Nothing in a cell knows how long the sequence is. `nn.unroll` is a plain loop; you could write it
# yourself: `for x in xs: h = cell(x, h)`. So strings of any length will do, and padding after the
# end changes nothing. And order matters: read backwards, the same letters lead the Elman network to
# another state, while the feed-forward network gives each letter the answer that it always gives.

# %%
short_ones, targets, mask = batch(8, 2)
longer = [np.pad(a, ((0, 30), (0, 0))) for a in (short_ones, targets, mask)]
tight, loose = elman.loss(short_ones, targets, mask).item(), elman.loss(*longer).item()
print(f"loss {tight:.12f}, with 30 more steps of padding {loose:.12f}")
assert abs(tight - loose) < 1e-12

for name, cell in (("feed-forward", blind), ("Elman", ours)):
    there, back = (stack(nn.unroll(cell, x)[0]).data for x in (xs, xs[::-1]))
    change = np.abs(there - back[::-1]).max()
    print(f"{name:12} read backwards: the answer to a letter moves by {change:.2f}")
    assert (change == 0) == (cell is blind)

# %% [markdown]
# ## The wrong way: no reset
#
# The state is memory of *this* sequence. Before the next, independent one it has to go back to its
# start. If you forget that, nothing crashes. A cell that counts ones shows what happens: the count
# drifts, and each sequence makes it worse. The trained Elman network cannot drift far, because its
# tanh keeps the state between −1 and 1. But it starts each string as if in the middle of another.

# %%
coins = (rng.random((8, 10, 1)) < 0.5).astype(float)  # eight sequences of ten tosses
state = np.zeros(1)
for tosses in coins:
    _, state = nn.unroll(lambda x, h: h + x, tosses, state)
print(f"heads in the last sequence: {coins[-1].sum():.0f}; counted without a reset: {state[0]:.0f}")
assert state[0] == coins.sum()

with no_grad():
    first = embedded_reber(500, 3)
    _, end = nn.unroll(elman.cell, one_hot(first.xs, 7), lengths=first.lengths)
    next_strings = batch(500, 4)
    reset, carried = elman.loss(*next_strings).item(), elman.loss(*next_strings, end).item()
print(f"next string: {reset:.3f} nats with a reset, {carried:.3f} without")
assert carried > reset + 0.01

# %% [markdown]
# The library never resets behind your back and never carries a state in secret. `nn.unroll` starts
# from zero unless you pass a state, and hands you the last one: keep it, or drop it.
#
# ## Which squashing function?
#
# The formula used tanh. Sigmoid and ReLU are common too. What matters for training is the slope,
# because on its way back through time the gradient is multiplied by it at every step.

# %%
z = Tensor(np.linspace(-6, 6, 1201), name="z")
slopes = {f.name: grad(f(z).sum(), z).max() for f in (sigmoid, tanh, relu)}
for name, slope in slopes.items():
    print(f"{name:8} largest slope {slope:.2f}; after ten steps at most {slope**10:.1e}")
assert np.allclose(list(slopes.values()), [1 / 4, 1, 1], atol=1e-12)
viz.keep(viz.activation(["sigmoid", "tanh", "relu"]), "01_activations.svg")

# %% [markdown]
# Sigmoid passes a quarter at best. Ten steps back, less than a millionth is left from the
# activation alone. Lesson 5 is about that.
#
# ## Play with it
#
# Move the slider: the network reads a letter at a time, then the gradient of the loss flows back.
# Which arrow would you have to cut to make it a feed-forward network?

# %%
word = "BTBTXST"
numbers = np.array([[REBER_SYMBOLS.index(s)] for s in word])
loss = elman.loss(numbers[:-1], numbers[1:], np.ones((6, 1), bool))
viz.keep(
    lambda: viz.play(loss, labels=word[:-1], title="Elman reads a Reber string"), "01_player.html"
)

# %% [markdown]
# ## In the library this is
#
# ```python
# from tinygrad_rnn import nn, tasks, train
#
# strings = tasks.embedded_reber(32, rng)          # xs, targets, lengths, mask, legal
# cell = nn.RNNCell(7, 24, bias=False, rng=0)      # or LSTMCell, GRUCell, or a class of your own
# outputs, state = nn.unroll(cell, xs)             # any cell; from zero, or from a state you pass
# tasks.reber_entropy("full")                      # the exact bound that a model cannot beat
# ```
#
# ## In torch, Keras and JAX this is
#
# ```python
# torch.nn.RNN(7, 24)(xs)                          # (outputs, last state); zero state by default
# keras.layers.SimpleRNN(24, return_sequences=True, stateful=True)   # stateful: you must reset it
# jax.lax.scan(cell, h0, xs)                       # JAX: the loop as a function
# ```
#
# ## The check
#
# The claim of this lesson, as one line that fails if it is wrong:

# %%
assert REACHED < SHORT < BLIND - 0.02 < STUCK
print(f"full memory {FULL:.3f} < Elman {REACHED:.3f} < short memory {SHORT:.3f}", end=" ")
print(f"< current letter only {BLIND:.3f} ≈ feed-forward {STUCK:.3f}")

# %% [markdown]
# ## Exercises
#
# 1. ★ Write a cell that outputs the sum of all inputs so far. After 1, 2, 3, 4 its state is 10.
# 2. ★★ Give the feed-forward network *two* letters at a time: the current one and the one before.
#    What is the bound for that view? Count it on 20,000 strings.
# 3. ★★★ An Elman network with hand-made weights can remember one bit for ever. Find $W_x$ and $W_h$
#    for a state of one number that stays above 0.5 for 100 steps after a single input 1, and below
#    0.1 if the input never was 1.
#
# ## Questions
#
# 1. Why can no training bring the feed-forward network below 1.27 nats?
# 2. What exactly is passed from one step to the next, and how large is it?
# 3. Where does the number 7 ln 2 / 11 come from?
# 4. How would you notice, from the loss alone, that somebody forgot to reset the state?
# 5. Which of the three squashing functions can pass a gradient through ten steps undiminished?
#
# ## Read on
#
# * Elman (1990), "Finding structure in time", sections 1 to 3.
# * Hochreiter and Schmidhuber (1997), "Long short-term memory", section 5.1.
# * Goodfellow, Bengio and Courville (2016), "Deep Learning", section 10.2.
