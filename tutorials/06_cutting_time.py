# %% [markdown]
# # 6 · Cutting time: truncation, memory, checkpoints
#
# A novel has a million letters. A network that reads it letter by letter can carry its state from
# the first page to the last. But for backpropagation through time every state on the way must be
# kept until the gradient has come back. So people cut: they go back a few steps and stop. This
# lesson measures what that saves, what it costs, and what else one could do.
#
# **You will be able to**
#
# * say how much memory the way back takes, and trade it for time with checkpoints;
# * cut a gradient with k1 and k2, and measure the error you make;
# * recognise a task that a cut makes impossible, and make the cut unbiased.
#
# *Needs:* lessons 3 and 5. *Takes:* 30 minutes to read, 15 seconds to run.

# %% [markdown]
# ## Predict
#
# A network reads a text 64 letters at a time. We compare its true gradient with one that is cut
# after every *single* letter, so that no gradient ever goes back in time. The cosine of the angle
# between the two is 1 if they point the same way and 0 if they have nothing in common. What is it?

# %%
GUESS = 0.1  # your cosine

# %% [markdown]
# ## The problem
#
# A record keeps what its way back will need. How much is that? The network is a plain recurrent one
# with 64 units; it reads the text that Python's `help()` shows.

# %%
import numpy as np

import viz
from tinygrad_rnn import grad, measure, named, nn, scope, stack, tasks
from tinygrad_rnn.train import Adam, fit

text = tasks.python_documentation()
letters = tasks.Alphabet(text)
numbers = letters.encode(text)
V = int(numbers.max()) + 1


class Reader(nn.Module):
    """Reads letters, and scores each possible next one."""

    def __init__(self, rng):
        self.embedding = nn.Embedding(V, 32, rng=rng)
        self.cell = nn.RNNCell(32, 64, rng=rng)
        self.readout = nn.Linear(64, V, rng=rng)

    def loss(self, xs, targets, truncate=None):
        outputs, _ = nn.unroll(self.cell, self.embedding(xs), truncate=truncate)
        return nn.cross_entropy(self.readout(stack(outputs)), targets)


reader = Reader(np.random.default_rng(0))

# %%
inputs = reader.embedding(numbers[:400, None]).data


def kept(T, **how):
    """The last state after T letters."""
    return nn.unroll(reader.cell, inputs[:T], **how)[0][-1]


bytes_at = measure.bytes_by_length(kept, [100, 200, 400])
per_step = np.diff(bytes_at.bytes) / np.diff(bytes_at.lengths)
print("kept after 100, 200, 400 letters:", *(f"{b / 1e3:.0f} kB" for b in bytes_at.bytes))
novel = per_step[0] * 1e6
print(f"{per_step[0]:.0f} bytes per letter, {novel / 1e9:.1f} GB for a novel, batch 1, 64 units")
assert np.allclose(per_step, per_step[0], rtol=0.01)

# %% [markdown]
# The memory grows with every letter, for a tiny network and a single text. With 1000 units and a
# batch of 50 it is nearly eight hundred times as much.
#
# ## The picture
#
# Here is the usual way out. The state goes on from step to step, but after every second step the
# gradient is stopped: the orange edge is a *cut*. To the left of it nobody hears what happens on
# the right. So everything before the cut can be thrown away.

# %%
small = nn.RNNCell(3, 4, bias=False, rng=0)
signal = np.random.default_rng(0).normal(size=(6, 1, 3))


def cut_after(T, truncate):
    """The sum of all states of T steps, with cuts."""
    outputs, _ = nn.unroll(small, signal[:T], truncate=truncate)
    with scope("loss"):
        return named(L=stack(outputs).sum())


viz.keep(lambda: viz.truncation(cut_after(4, 2)), "06_cut.svg")

# %% [markdown]
# ## The number
#
# How wrong is the gradient that is left? We train the reader for 200 steps with the full gradient,
# so that it has learnt something that a cut could spoil. Then we compare.


# %%
def flat(gradients):
    return np.concatenate([g.ravel() for g in gradients])


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


pages = list(tasks.chunks(numbers, 20, 64))
run = fit(
    reader,
    lambda step: pages[step],
    Adam(reader.parameters(), lr=0.003),
    steps=200,
    clip=1.0,
    target="auto",
    progress=False,
)
print(f"nats per letter: {run.losses[0]:.2f} = about ln {V}, then {run.losses[-1]:.2f}")

# %%
full = flat(grad(reader.loss(*pages[-1]), reader.cell.parameters()))
cosines = {}
for k in (1, 2, 4, 8, 16, 32):
    cut = flat(grad(reader.loss(*pages[-1], truncate=k), reader.cell.parameters()))
    cosines[k] = cosine(cut, full)
    print(f"cut after every {k:2} letters: cosine to the full gradient {cosines[k]:.4f}")
print(f"You guessed {GUESS} for k = 1.")
assert cosines[1] > 0.7
assert cosines[16] > 0.98

# %% [markdown]
# Surprisingly good. The next letter mostly depends on the last few, and lesson 5 showed that what
# lies further back hardly arrives anyway. With cuts every 16 letters the direction is practically
# the true one. So is truncation harmless?
#
# ## The wrong way
#
# "The cosine is nearly 1, so the cut costs nothing." Take a task whose answer lies in a *known*
# place: repeat the bit that came six steps ago. The reader that we cut carries its state on across
# the cuts, so nothing is missing from its memory.


# %%
LAG, T = 6, 40


class Echo(nn.Module):
    """At each step, say which bit came LAG steps ago."""

    def __init__(self, rng, truncate=None):
        self.cell = nn.start.orthogonal(nn.RNNCell(1, 32, rng=rng), rng=rng)
        self.readout, self.truncate = nn.Linear(32, 1, rng=rng), truncate

    def loss(self, xs, rng=None):
        outputs, _ = nn.unroll(self.cell, xs, truncate=self.truncate, rng=rng)
        return nn.binary_cross_entropy(self.readout(stack(outputs[LAG:])), xs[:-LAG])


def bits(rng):
    return (rng.random((T, 20, 1)) < 0.5).astype(float)


# %%
curves, angle = {}, {}
cuts = {"k = 3": 3, "k = 6": 6, "k1 = 6, k2 = 12": (6, 12), "uncut": None}
for title, truncate in cuts.items():
    rng = np.random.default_rng(0)
    model, whole = Echo(rng, truncate), Echo(np.random.default_rng(0))
    xs = bits(rng)
    found, true = (flat(grad(m.loss(xs), m.cell.parameters())) for m in (model, whole))
    angle[title] = cosine(found, true)
    draw, optimiser = lambda step, rng=rng: (bits(rng),), Adam(model.parameters(), lr=0.003)
    run = fit(model, draw, optimiser, steps=400, clip=1.0, target="auto", progress=False)
    curves[title] = run.losses
    print(f"{title:16} cosine at the start {angle[title]:.3f}", end="   ")
    print(f"loss {np.mean(run.losses[:20]):.3f} → {np.mean(run.losses[-20:]):.4f}")
guessing = {"guessing, ln 2": np.log(2)}
viz.keep(lambda: viz.learning_curves(curves, smooth=10, baseline=guessing), "06_echo.svg")
assert curves["k = 6"][-1] > 0.5
assert curves["k1 = 6, k2 = 12"][-1] < 0.01

# %% [markdown]
# With a cut after every 6 steps, each bit lies just beyond a cut when it is asked for. Look at the
# curves. At first the loss falls: the untrained state still holds old bits by chance, and the
# readout finds them. But the same gradient also changes W_h, without ever hearing that somebody
# needs the old bits, and in the end it destroys what was there. The loss climbs back to guessing,
# and no number of steps will help. A cut gradient is not a noisy one. It is *biased*: wrong in the
# same way every time.
#
# The third curve makes as many cuts but looks further. After every k1 = 6 steps the gradient goes
# back k2 = 12 steps, so each answer has its bit within reach, and the curve lies on the uncut one.
# The price: most steps belong to two windows and are run twice.
#
# So the cosine says how good the direction is *while what matters lies close by*. It does not say
# what will never be learnt.
#
# ## Less memory without a cut
#
# If memory is what hurts, there is a way that changes no gradient at all. Keep only every √T-th
# state. When the gradient comes back to such a *checkpoint*, run the √T steps after it once more,
# and go back through those. Besides the checkpoints, one such segment is in memory at a time. The
# price is the time of one more forward pass (Chen, Xu, Zhang and Guestrin 2016).
#
# The picture shows what is kept between the two passes.

# %%
lengths = [25, 50, 100, 200, 400]
ways = {"all is kept": False, "checkpoints": True}
memory = {
    title: measure.bytes_by_length(lambda T, on=on: kept(T, checkpoint=on), lengths)
    for title, on in ways.items()
}
viz.keep(lambda: viz.bytes_by_length(memory), "06_bytes.svg")

# %%
ours = reader.cell.parameters()
one, other = (flat(grad((kept(400, checkpoint=on) ** 2).sum(), ours)) for on in (False, True))
print("   T   all is kept   checkpoints   and a segment   = so many steps   3 √T")
for length, everything, states in zip(lengths, *(m.bytes for m in memory.values()), strict=True):
    segment = np.ceil(length**0.5) * per_step[0]
    steps = (states + segment) / per_step[0]
    print(f"{length:4} {everything / 1e3:10.0f} kB {states / 1e3:10.1f} kB", end="")
    print(f"{segment / 1e3:13.1f} kB {steps:15.1f} {3 * length**0.5:8.1f}")
    assert steps <= 3 * length**0.5
print(f"largest difference between the two gradients: {np.abs(one - other).max():.1e}")
assert np.abs(one - other).max() < 1e-12

# %% [markdown]
# ## A cut that is right on average
#
# And if one must cut, because the text never ends? Then cut at *random* places. Before each step
# toss a coin. With probability p stop the gradient, else pass it on multiplied by 1/(1 - p). A
# gradient that has survived many tosses has been enlarged just so much that the mean over all coins
# is the full gradient (Tallec and Ollivier 2017).
#
# We draw 200 gradients of the untrained echo network and ask what share of the full gradient
# arrives: its component along the full one, where 1 is right.

# %%
rng = np.random.default_rng(1)
xs, share = bits(rng), {}
whole = Echo(np.random.default_rng(0))
full = flat(grad(whole.loss(xs), whole.cell.parameters()))
for title, truncate in {"k = 6": 6, "p = 1/6": nn.RandomTruncation(1 / 6)}.items():
    model = Echo(np.random.default_rng(0), truncate)
    draws = [flat(grad(model.loss(xs, rng), model.cell.parameters())) for _ in range(200)]
    share[title] = np.array([g @ full / (full @ full) for g in draws])
    error = share[title].std(ddof=1) / 200**0.5
    print(f"{title:8} mean {share[title].mean():.3f} ± {error:.3f}", end="   ")
    print(f"standard deviation of a single gradient {share[title].std():.2f}")
assert abs(share["k = 6"].mean() - 1) > 0.2
assert abs(share["p = 1/6"].mean() - 1) < 3 * error

# %% [markdown]
# The fixed cut misses a large part, and always the same part. The random cut misses nothing on
# average, but each of its gradients is noisy. A smaller learning rate averages noise away. It does
# nothing against bias.
#
# ## Forward instead of back
#
# The last way needs no past at all: carry ∂h_t/∂W *forward* along with the state. This is real-time
# recurrent learning, RTRL (Williams and Zipser 1989). Its memory does not depend on T. But it
# carries one number for each pair of a unit and a weight, and renews all of them at every step.

# %%
few = np.random.default_rng(2).normal(size=(30, 1, 3))
total, forward = nn.rtrl(small, few, lambda h, t: (h * h).sum())
outputs, _ = nn.unroll(small, few)
back = flat(grad(sum((h * h).sum() for h in outputs), small.parameters()))
for n in (4, 64, 1000):
    print(f"{n:4} units: {n * n * n:13,} numbers to carry for W_h alone")
rtrl_error = np.abs(flat(forward) - back).max()
print(f"over 30 steps RTRL and BPTT differ by at most {rtrl_error:.1e}")
assert rtrl_error < 1e-12

# %% [markdown]
# ## Play with it
#
# Choose k1 and k2 and run the cell again. Where are the cuts, which windows overlap, and which
# steps are run twice? What does the library say if k2 is smaller than k1?

# %%
K1, K2 = 2, 4

viz.keep(lambda: viz.truncation(cut_after(6, (K1, K2))), "06_windows.svg")

# %% [markdown]
# ## In the library this is
#
# * `nn.unroll(cell, xs, truncate=k)`, `truncate=(k1, k2)` or `truncate=nn.RandomTruncation(p)`;
# * `nn.unroll(..., checkpoint=True)`, and `nn.rtrl`;
# * `nn.detach(state)`, to carry a state to the next batch without its past. `fit` does it for every
#   loss that returns a pair (loss, state);
# * `measure.bytes_by_length`, `measure.cost` and `measure.reach`.
#
# ## In torch, Keras and JAX this is
#
# ```python
# h = h.detach()                                  # torch: between chunks, so k1 = k2
# torch.utils.checkpoint.checkpoint(steps, x, h)  # a segment that is run again
# ```
# ```python
# keras.layers.LSTM(64, stateful=True)            # Keras: the state goes on, the gradient ends
# ```
# ```python
# h = jax.lax.stop_gradient(h)                    # JAX
# jax.lax.scan(jax.checkpoint(step), h, xs)       # each step is run again
# ```
#
# Windows that overlap (k2 > k1) and random cuts are loops of your own there.
#
# ## The check
#
# A window as long as the sequence cuts nothing, so the gradient is the full one to the last bit.
# And the longer the window, the better the cosine.

# %%
model = Echo(np.random.default_rng(0), T)
uncut = flat(grad(model.loss(xs), model.cell.parameters()))
print(
    f"k = T = {T}: equal to the full gradient in all {(uncut == full).sum()} of {full.size} places"
)
assert (uncut == full).all()
assert sorted(cosines.values()) == list(cosines.values())

# %% [markdown]
# ## Exercises
#
# `make exercises` writes the sheets, `make grade` checks them.
#
# 1. ★ With k1 = 6 and k2 = 12, most of 40 steps are run twice. How many steps are run in all? Count
#    the tanh in the record. The number to expect is 78.
# 2. ★★ With k = 20, which share of the 34 answers of the echo network has its bit within reach?
#    (`measure.reach`.)
# 3. ★★★ The more cuts, the more variance. Measure the standard deviation of the share for p = 1/20,
#    and compare it with the one above.
#
# ## Questions
#
# 1. What is kept for the way back, and why does a forward pass alone not need it?
# 2. The cosine for k = 1 is high on text. Why does it say little about what can be learnt?
# 3. What is the difference between a biased gradient and a noisy one?
# 4. How much memory and how much time do checkpoints at every √T-th step take?
# 5. Why is RTRL rarely used, although it needs no past?
#
# ## Read on
#
# * Williams and Peng (1990), "An efficient gradient-based algorithm for on-line training of
#   recurrent network trajectories": k1 and k2.
# * Tallec and Ollivier (2017), "Unbiasing truncated backpropagation through time", sections 1 to 3.
# * Chen, Xu, Zhang and Guestrin (2016), "Training deep nets with sublinear memory cost", section 4.
# * Williams and Zipser (1989), "A learning algorithm for continually running fully recurrent neural
#   networks".
# * Then lesson 7: a cell whose gradient does not vanish in the first place.
