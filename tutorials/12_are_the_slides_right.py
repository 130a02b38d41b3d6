# %% [markdown]
# # 12 · Are the slides right?
#
# Lectures on recurrent networks contain sentences that everybody repeats. "An RNN remembers each
# and every information through time." "The inner memory has no activation, so vanishing does not
# occur." Some are true, some are true under a condition that the slide does not state, and some are
# wrong. You have the tools to tell: probes, gradients, and the record itself.
#
# **You will be able to**
#
# * test a sentence about networks: say what would have to be measured, and measure it;
# * find out what a state knows of the past, and how fast a cell forgets;
# * read the program behind a training step, and keep the promise that it asks for.
#
# *Needs:* lessons 5, 7 and 10. *Takes:* 35 minutes to read, 8 seconds to run.

# %% [markdown]
# ## Predict
#
# A recurrent network of 32 units reads random letters from an alphabet of 8. We ask its state: what
# was the letter 10 steps ago? A blind guess is right in 12.5 % of the cases. What will the state's
# answer be: better than 90 %, around 50 %, or no better than a guess?

# %%
GUESS = 0.5  # your share of right answers

# %% [markdown]
# ## The problem: a ledger of claims
#
# Five sentences from lecture slides, each with the experiment that decides it.
#
# | | claim | what we measure |
# |---|---|---|
# | A | an RNN remembers each and every information through time | can the state tell old inputs? |
# | B | the memory has no activation, so vanishing does not occur | gradient and gates |
# | C | it cannot process very long sequences with tanh or ReLU | keep a bit for 150 steps |
# | D | updating at each time step is expensive | lesson 3: operations |
# | E | a GRU has fewer parameters than an LSTM | counting |

# %%
import numpy as np

import viz
from tinygrad_rnn import compile, measure, nn, relu, tanh
from tinygrad_rnn.tasks import one_hot
from tinygrad_rnn.train import Adam, fit

ledger = {}

# %% [markdown]
# ## The picture: what does a state know?
#
# Claim A. We let networks read random letters, and fit a *linear probe* for each lag k: from the
# state at t to the letter at t − k. It is fitted on half of the sequences and scored on the others.
# If the state "remembers each and every information", all scores are 1.

# %%
rng = np.random.default_rng(0)
letters = rng.integers(8, size=(60, 400))  # 60 steps, 400 sequences


def states(cell):
    outputs, _ = nn.unroll(cell, one_hot(letters, 8))
    return np.stack([h.data for h in outputs])


cells = {
    "RNN": nn.RNNCell(8, 32, rng=1),
    "LSTM": nn.LSTMCell(8, 32, rng=1),
    "GRU": nn.GRUCell(8, 32, rng=1),
}
LAGS = range(16)
probes = {name: measure.memory_probe(states(cell), letters, LAGS) for name, cell in cells.items()}
viz.keep(viz.memory_probe(probes), "12_probe.svg")

# %%
print("lag  " + "".join(f"{k:6}" for k in range(0, 16, 2)))
for name, probe in probes.items():
    print(f"{name:5}" + "".join(f"{probe.scores[k]:6.2f}" for k in range(0, 16, 2)))
answer = float(probes["RNN"].scores[10])
print(f"10 letters ago the RNN is right in {answer:.0%} of the cases; you guessed {GUESS:.0%}")
ledger["A"] = ("false", f"32 tanh units: {answer:.0%} right at lag 10, a guess is 12.5 %")
assert answer < 0.3

# %% [markdown]
# It cannot be otherwise. A state of 32 numbers with finite precision has room for a finite number
# of letters, and what comes in pushes out what was there. What training changes is *which* past a
# state keeps.
#
# ## The number: how fast does an LSTM forget?
#
# Claim B. Along the cell state of an LSTM there is no squashing function, only a product with the
# forget gate: $c_t = f_t \odot c_{t-1} + i_t \odot g_t$. With the way through h cut, the gradient
# from the last cell state to the first is exactly the product of all forget gates.

# %%
print("forget bias   mean f   product of 100 gates   ∂c_T/∂c_0, h cut")
for bias in (0.0, 1.0, 2.2, 5.0):
    cell = nn.start.forget_bias(nn.LSTMCell(8, 4, rng=0), bias)
    outputs, _ = nn.unroll(cell, one_hot(letters[:, :1].repeat(2, 0)[:101], 8))
    found = measure.carousel(outputs[-1])
    f = found.gates[0].mean() ** (1 / (len(found.gates)))
    print(f"{bias:11.1f} {f:8.3f} {found.gates[0].mean():20.1e} {found.direct[0].mean():18.1e}")
    assert np.allclose(found.gates, found.direct, rtol=1e-9)
print(f"0.9 per step: 0.9^100 = {0.9**100:.1e}")
ledger["B"] = ("only if f = 1", f"0.9 per step leaves {0.9**100:.1e} after 100 steps")

# %% [markdown]
# The cell of 1997 had no forget gate: f was 1, and there the sentence is true. With a forget gate,
# the LSTM *can* keep a gradient alive, if its gates learn to stay near 1. A bias of 0 starts them
# at ½.
#
# ## Long sequences with ReLU
#
# Claim C. The task is the smallest that needs a long memory: the first input is +1 or −1, then come
# 149 times nothing, and at the end the network has to say which it was. The ReLU network starts
# from the identity (Le, Jaitly and Hinton 2015), so that nothing is lost or amplified on the way.

# %%
T = 150


class Latch(nn.Module):
    def __init__(self, activation):
        self.cell = nn.RNNCell(2, 16, activation=activation, rng=0)
        if activation is relu:
            nn.start.identity(self.cell)
        self.readout = nn.Linear(16, 1, rng=1)

    def loss(self, xs, bits):
        _, h = nn.unroll(self.cell, xs)
        return nn.binary_cross_entropy(self.readout(h)[:, 0], bits)


def sequences(step):
    draws = np.random.default_rng(step)
    bits, xs = draws.integers(2, size=32), np.zeros((T, 32, 2))
    xs[0, np.arange(32), bits] = 1.0
    return xs, bits.astype(float)


# %%
runs = {}
for name, activation in (("tanh", tanh), ("ReLU from the identity", relu)):
    model = Latch(activation)
    optimiser = Adam(model.parameters(), lr=0.003)
    runs[name] = fit(
        model, sequences, optimiser, steps=150, clip=1.0, target="auto", progress=False
    )
    print(f"{name:22} loss {runs[name].losses[-1]:.4f} (chance: ln 2 = {np.log(2):.4f})")
tanh_loss, relu_loss = (run.losses[-1] for run in runs.values())
curves = {name: run.losses for name, run in runs.items()}
viz.keep(viz.learning_curves(curves, baseline={"chance": np.log(2)}), "12_latch.svg")
ledger["C"] = (
    "not for ReLU",
    f"one bit over {T} steps: loss {relu_loss:.3f}; tanh {tanh_loss:.3f}",
)
assert relu_loss < 0.1 < 0.6 < tanh_loss

# %% [markdown]
# So the sentence holds for tanh from an ordinary start, and fails for ReLU from the right one.
# (Lesson 10 has the same network on the adding problem.)
#
# ## Counting
#
# Claims D and E need no training.

# %%
sizes = {name: sum(p.size for p in cell.parameters()) for name, cell in cells.items()}
share = sizes["GRU"] / sizes["LSTM"]
ledger["D"] = ("true", "T steps cost (T+1)/2 times as much: lesson 3")
ledger["E"] = ("true", f"{sizes['GRU']:,} against {sizes['LSTM']:,}, exactly {share}")
assert share == 0.75

# %% [markdown]
# ## Opening the box: the program behind a training step
#
# One more thing can be looked at: what is run. `compile` records a loss, finds the loop again, and
# prints the loss and its gradient as a program; `fit(target="auto")` used it above. The drawing
# shows its loops: what is computed at each step forward, and at each step backward.

# %%
step = compile(lambda model, xs, bits: model.loss(xs, bits), target="numpy")
step(model, *sequences(0))
viz.keep(viz.program(step), "12_program.svg")

# %%
print("\n".join(step.plain.splitlines()[8:40]))

# %% [markdown]
# ## The wrong way: breaking the promise
#
# Asking for a program is a promise: the loss depends on its arguments and the model, and on nothing
# else. A program that was recorded cannot know that a number outside has changed since. So `fit`
# does not trust the promise. It also runs the loss as written, at steps 2, 4, 8, …, and compares.

# %%
strength = 1.0


class Annealed(Latch):
    def loss(self, xs, bits):
        return super().loss(xs, bits) * strength


def stealthily(t):
    global strength
    strength = 1.0 / (1 + t)  # the loss depends on this, and no argument says so
    return sequences(t)


broken = Annealed(relu)
try:
    fit(broken, stealthily, Adam(broken.parameters()), steps=8, target="numpy", progress=False)
    raise AssertionError("a broken promise went unnoticed")
except ValueError as refusal:
    print(str(refusal).split("\n")[0])

# %% [markdown]
# The mend is to pass the number with the batch. By default `fit` runs the loss as written, and no
# promise is asked for.
#
# ## Play with it
#
# The evidence for claim B, step by step: an LSTM with forget bias 5 over six steps. Follow the
# gradient on the track of c, then set the bias to 0 and look again.

# %%
cell = nn.start.forget_bias(nn.LSTMCell(8, 4, rng=0), 5.0)
outputs, _ = nn.unroll(cell, one_hot(letters[:6, :1], 8))
total = (outputs[-1] * outputs[-1]).sum()
viz.keep(lambda: viz.play(total, title="Does c vanish?"), "12_player.html")

# %% [markdown]
# ## In the library this is
#
# ```python
# measure.memory_probe(states, symbols, lags)   # what a state knows of the past
# measure.carousel(loss)                        # gates against gradients on the track of c
# compile(loss_fn).plain, .latex, .explain()    # the program, the equations, and why it is so
# run.explain()                                 # what `fit` ran: as written, by program, compared
# ```
#
# ## In torch, Keras and JAX this is
#
# ```python
# torch.compile(step)                           # guards on what it sees; graph breaks elsewhere
# tf.function(step)                             # Python runs once: globals are frozen, in silence
# jax.jit(step)                                 # the same promise; a changed global is not noticed
# ```
#
# ## The check

# %%
for claim, (verdict, evidence) in sorted(ledger.items()):
    print(f"{claim}  {verdict:14} {evidence}")
assert [ledger[claim][0] for claim in "ABC"] == ["false", "only if f = 1", "not for ReLU"]

# %% [markdown]
# ## Exercises
#
# 1. ★ A forget gate stays at 0.99. After how many steps is a gradient below 1 %? The number to
#    expect is 459.
# 2. ★★ Probe a GRU whose update gate has a bias that keeps the state (claim A again). At which lag
#    does it do better than a guess by less than 5 points, and is that later than without the bias?
# 3. ★★★ Claim F: "dense networks are not suited to sequences." Give a dense network the last four
#    letters at once, and let it name the letter three steps ago. What does it score, and why is
#    that no counter-example?
#
# ## Questions
#
# 1. What would a probe show if a network did remember everything?
# 2. Under which condition does the gradient of an LSTM not vanish on the track of c?
# 3. Which two things does the identity start of a ReLU network preserve?
# 4. What does `fit(target="auto")` promise you, and what do you promise?
# 5. Which other sentence of your own lecture would you test, and how?
#
# ## Read on
#
# * Jaeger (2001), "Short term memory in echo state networks".
# * Le, Jaitly and Hinton (2015), "A simple way to initialize recurrent networks of rectified linear
#   units".
# * Gers, Schmidhuber and Cummins (2000), "Learning to forget: continual prediction with LSTM".
