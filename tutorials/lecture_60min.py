# %% [markdown]
# # Recurrent networks, by the graph they unroll into
#
# An hour: sequential data · unfolding and BPTT · vanishing · LSTM · stacking · are the slides
# right?
#
# Everything on these slides was computed when they were made: `make slides`.
#
# > Hand out the quiz on the next slide before you begin, and again at the end. Blocks: 10, 15, 5,
# 20, 5 and 5 minutes. Arrow keys move, S opens these notes. To print, put `?print-pdf` behind the
# address.

# %% [markdown]
# ## Before we begin: eight questions
#
# 1. Can a feed-forward network learn to close a bracket that was opened 20 letters ago?
# 2. How many weights does a network of 91 weights have after it is unfolded 50 times?
# 3. What has to be written by hand to train a new cell by backpropagation through time?
# 4. Does a longer sequence have a longer gradient?
# 5. Which part of an LSTM keeps a gradient alive, and under which condition?
# 6. Who decides when a gate opens?
# 7. How many of an LSTM's weights has a GRU of the same size?
# 8. "An RNN remembers everything." True?
#
# > Two minutes. Nobody hands anything in; the point is to have committed to an answer.

# %%
import inspect
import subprocess
import sys

import numpy as np

import viz
from tinygrad_rnn import Tensor, compile, equations, grad, measure, nn, stack, tasks
from tinygrad_rnn.train import SGD, fit

rng = np.random.default_rng(0)

# %% [markdown]
# # 1 · Sequential data
#
# *10 minutes*
#
# > Three data sets, three reasons for memory. End with the bet.

# %% [markdown]
# ## Three data sets
#
# Letters of a grammar: rows of different length. Blue is what is read; a bar marks where an answer
# is due.
#
# > Ask: which letter cannot be predicted from the one before? (The last but one repeats the
# second.)

# %%
strings = tasks.embedded_reber(6, 3)
viz.padded_batch(strings, letters=tasks.REBER_SYMBOLS)

# %% [markdown]
# ## Three data sets
#
# Numbers in time: windows of the yearly sunspots. Blue is shown, orange is to be predicted.
#
# > The series repeats about every eleven years, but never exactly.

# %%
years, spots = tasks.sunspots()
viz.windows(spots[:80], 20, times=years[:80])

# %% [markdown]
# ## Three data sets
#
# Pictures in time: what a pixel of the fourth picture has seen of the four.
#
# > Each step back widens the view by half a kernel on every side. The gradient says so exactly: 81,
# 49, 25, 9 pixels.

# %%
film = Tensor(rng.standard_normal((4, 1, 11, 11, 1)), name="x")
frames, _ = nn.unroll(nn.ConvLSTM2dCell(1, 2, rng=0), film)
viz.receptive_field(frames[-1][0, 5, 5].sum(), film)

# %% [markdown]
# ## A bet: guess the next letter
#
# > Let the room guess letter by letter: B … then T or P … Somebody notices the rule for the last
# but one. That is the memory that we want a network to have.

# %%
for seed in range(4):
    print(tasks.reber_string(seed))
print()
for memory, view in (
    ("symbol", "the current letter alone"),
    ("short", "the place in the grammar"),
    ("full", "everything"),
):
    print(f"{tasks.reber_entropy(memory):.3f} nats per letter at best, seeing {view}")

# %% [markdown]
# # 2 · The loop, and how to differentiate it
#
# *15 minutes*
#
# > Folded, unfolded, forward, backward, four ways to one gradient.

# %% [markdown]
# ## A cell: input and state in, state out
#
# $$h_t = \tanh(x_t W_x + h_{t-1} W_h + b)$$
#
# > Vectors are rows. The drawing is read from the record of one step.

# %%
viz.cell(nn.RNNCell(3, 4, rng=0), equations=False)

# %% [markdown]
# ## One record, folded and unfolded
#
# > The program finds that the steps are equal and draws one of them. Same weights at each step.

# %%
outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), rng.standard_normal((4, 1, 3)))
half = {"size": (880, 215), "min_font": 14, "shapes": False, "initial": False}
viz.folded(outputs[-1], "cell", **half).show()
viz.unrolled(outputs[-1], "cell", **half).show()

# %% [markdown]
# ## Forward, then backward
#
# $$\delta_{t-1} = \left(\delta_t \odot (1 - h_t^2)\right) W_h^\top$$
#
# The gradient δ arrives at a step, and this much of it is passed on. Its norm stands on the arrow.
#
# > Follow δ from the loss back along h: each step multiplies by the same matrix. The next slide has
# the operations inside the steps.

# %%
viz.gradient_flow(
    (outputs[-1] * outputs[-1]).sum(), "cell", size=(880, 360), min_font=14, shapes=False
)

# %% [markdown]
# ## Play it
#
# > Move the slider. Forward first; then watch the gradient arrive at the same weight once per step.

# %%
outputs, _ = nn.unroll(nn.RNNCell(3, 4, bias=False, rng=0), rng.standard_normal((2, 1, 3)))
viz.play((outputs[-1] * outputs[-1]).sum(), labels="ab", title="A recurrent network over two steps")

# %% [markdown]
# ## One gradient, four ways
#
# > Forward accumulation never goes back. The printed program is the record, folded up. Torch agrees
# as well: the project's parity tests.

# %%
xs, targets = rng.standard_normal((12, 4, 3)), rng.uniform(-1, 1, (12, 4, 5))
cell = nn.RNNCell(3, 5, rng=1)


def loss_of(cell, xs, targets):
    return nn.mse_loss(stack(nn.unroll(cell, xs)[0]), targets)


ours = grad(loss_of(cell, xs, targets), cell.parameters())
step = compile(loss_of, target="numpy")
step(cell, xs, targets)
namespace = {}
exec(step.plain, namespace)
printed = namespace["step"](*step.arguments(cell, xs, targets), *step.plain.constants.values())[1:]
_, forward = nn.rtrl(cell, xs, lambda h, t: nn.mse_loss(h, targets[t]) * (1 / 12))
start, differences = cell.W_h.data.copy(), np.zeros((5, 5))
for place in np.ndindex(5, 5):
    ends = []
    for sign in (1, -1):
        moved = start.copy()
        moved[place] += sign * 1e-5
        cell.W_h.data = moved
        ends.append(loss_of(cell, xs, targets).item())
    differences[place] = (ends[0] - ends[1]) / 2e-5
for road, found in (
    ("forward accumulation (RTRL)", forward[1]),
    ("the printed program", printed[1]),
    ("differences", differences),
):
    print(f"{road:28} differs from backward() by {np.abs(found - ours[1]).max():.0e}")

# %% [markdown]
# ## Backpropagation through time, as nobody wrote it
#
# > Two loops. Point out the line with `dh_next`: that is "through time".

# %%
print("\n".join(step.plain.splitlines()[7:]))

# %% [markdown]
# # 3 · Vanishing and exploding
#
# *5 minutes*
#
# > One slide for the product of Jacobians, one for the wall.

# %% [markdown]
# ## The gradient, step by step back
#
# $$\left\| \frac{\partial L}{\partial h_t} \right\|
# \le (\gamma\, \sigma_{\max}(W_h))^{T-t} \left\| \frac{\partial L}{\partial h_T} \right\|$$
#
# > Below one it must vanish. Above one it may explode.

# %%
nets = {}
for scale in (0.5, 1.0, 2.0):
    net = nn.RNNCell(3, 16, rng=0)
    net.W_h.data = scale * np.linalg.qr(net.W_h.data)[0]
    outputs, _ = nn.unroll(net, 0.1 * rng.standard_normal((60, 1, 3)))
    nets[f"σ = {scale:g}"] = (outputs[-1] * outputs[-1]).sum()
viz.gradient_norms(nets)

# %% [markdown]
# ## A wall
#
# The loss of one unit after 50 steps, over its two weights. A step from the foot of the wall throws
# everything away, unless it is clipped.
#
# > Pascanu, Mikolov and Bengio 2013, figure 6.

# %%
viz.loss_surface()

# %% [markdown]
# # 4 · Long short-term memory
#
# *20 minutes*
#
# > Opened as a notebook, the next cell starts experiment 6a of 1997 in the background; it is done
# when you get to the conclusions. On these slides it has run.


# %%
def experiment_6a(seed=0, steps=16_000):
    """Hochreiter & Schmidhuber 1997, 6a: how many of 200 unseen sequences are wrong in the end."""
    draws = np.random.default_rng(seed)

    class Net(nn.Module):
        def __init__(self):
            self.net = nn.historic_net("6a", rng=draws)

        def loss(self, xs, target):
            error = nn.unroll(self.net, xs)[0][-1] - target
            return (error * error).sum() / 2

    def sequence(_):
        batch = tasks.temporal_order(1, 100, draws)
        return tasks.one_hot(batch.xs[:, 0], 8), tasks.one_hot(batch.targets, 4)[0]

    model = Net()
    optimiser = SGD(model.parameters(), lr=0.5)
    run = fit(model, sequence, optimiser, steps=steps, target="auto", progress=False)
    test = tasks.temporal_order(200, 100, 99)
    outputs, _ = nn.unroll(model.net, tasks.one_hot(test.xs, 8), lengths=test.lengths)
    answers = np.stack([o.data for o in outputs])[test.lengths - 1, np.arange(200)]
    wrong = (np.abs(answers - tasks.one_hot(test.targets, 4)) >= 0.3).any(axis=1).sum()
    return int(wrong), sum(p.size for p in model.parameters()), run.step


IMPORTS = """
import numpy as np
from tinygrad_rnn import nn, tasks
from tinygrad_rnn.train import SGD, fit
"""
code = IMPORTS + inspect.getsource(experiment_6a) + "print(*experiment_6a())"
background = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

# %% [markdown]
# ## The cell, read from its record
#
# > c straight on top: nothing but a product and a sum. h below. Each gate is a sigmoid of input and
# state.

# %%
viz.cell(nn.LSTMCell(3, 4, rng=0), equations=False)

# %% [markdown]
# ## Its equations
#
# > Read from the same record. Four times the simple network, and two lines of arithmetic.

# %%
equations(nn.LSTMCell)

# %% [markdown]
# ## Why it works: the carousel
#
# $$\frac{\partial c_T}{\partial c_0} = f_1 \odot f_2 \odot \dots \odot f_T$$
#
# with the way through h cut.
#
# > With forget bias 0 half is forgotten at each step; with 5, half is left after a
# hundred.

# %%
lines = {}
for bias in (0.0, 5.0):
    net = nn.start.forget_bias(nn.LSTMCell(3, 8, rng=0), bias)
    outputs, _ = nn.unroll(net, rng.standard_normal((60, 1, 3)))
    lines[f"forget bias {bias:g}"] = (outputs[-1] * outputs[-1]).sum()
viz.gradient_norms(lines, "c")

# %% [markdown]
# ## Gates obey the data
#
# The same weights, two inputs: a pulse at step 5, and none.
#
# > The difference on the right is the answer to "who decides when a gate opens?"

# %%
quiet, pulse = np.zeros((16, 1, 3)), np.zeros((16, 1, 3))
pulse[5] = 3.0
net = nn.LSTMCell(3, 8, rng=2)
runs = {name: nn.unroll(net, xs)[0][-1].sum() for name, xs in (("none", quiet), ("pulse", pulse))}
viz.gate_differences(runs)

# %% [markdown]
# ## Cheaper: the GRU
#
# > The state is its own memory; forget and input gate are one. Three quarters of the weights.

# %%
viz.cell(nn.GRUCell(3, 4, rng=0), equations=False)

# %% [markdown]
# # 5 · Stacking
#
# *5 minutes*
#
# > Layers upwards, directions as lanes.

# %% [markdown]
# ## Two layers
#
# > The states of the first layer are what the second reads.

# %%
room = {"size": (880, 440), "min_font": 14, "shapes": False, "initial": False, "loss": False}
outputs, _ = nn.GRU(3, 4, num_layers=2, rng=0)(rng.standard_normal((4, 1, 3)))
viz.unrolled(outputs, "cell", **room)

# %% [markdown]
# ## Both ways
#
# > Sentences have two ends: at each step past and future are in one place.

# %%
outputs, _ = nn.GRU(3, 4, bidirectional=True, rng=0)(rng.standard_normal((4, 1, 3)))
viz.unrolled(outputs, "cell", **room)

# %% [markdown]
# # 6 · Are the slides right?
#
# *5 minutes*
#
# > Read the claims aloud, let the room vote, then show the evidence.

# %%
letters = np.random.default_rng(0).integers(8, size=(60, 300))
outputs, _ = nn.unroll(nn.RNNCell(8, 32, rng=1), tasks.one_hot(letters, 8))
probe = measure.memory_probe([h.data for h in outputs], letters, range(12))
relu_net = nn.IRNNCell(1, 4, rng=0)
kept, _ = nn.unroll(relu_net, np.zeros((1000, 1, 1)), np.ones((1, 4)))
norms = measure.gradient_norms(kept[-1].sum()).norms[:, 0]
gru, lstm = (sum(p.size for p in kind(3, 8).parameters()) for kind in (nn.GRUCell, nn.LSTMCell))
for claim, found in (
    ("An RNN remembers everything", "False: of the letter 10 steps ago a probe reads"),
    ("", f"{probe.scores[10]:.1%}; guessing gives 12.5%."),
    ("No activation, no vanishing", f"Only if f = 1: 0.9^100 = {0.9**100:.1e}."),
    ("ReLU cannot learn long sequences", "False: started from the identity, it keeps"),
    ("", f"{norms[0] / norms[-1]:.0%} of the gradient over 1,000 steps."),
    ("A GRU is cheaper than an LSTM", f"True: {gru} weights against {lstm}, {gru / lstm:.0%}."),
):
    print(f"{claim:33}{found}")

# %% [markdown]
# ## 1997, live
#
# Temporal order, T = 100: the network of the paper, trained in the background while the
# slides before this one were made.
#
# > Whoever looks at the loss too early thinks that it cannot be learnt. The paper reports 31,390
# sequences on average until its own criterion.

# %%
wrong, count, sequences = map(int, background.communicate()[0].split())
print(f"{count} weights, {sequences:,} sequences: {wrong} of 200 unseen sequences wrong")

# %% [markdown]
# ## The eight questions again
#
# 1. No: what it does not see it cannot know. Its score is bounded.
# 2. 91: all copies share them.
# 3. Nothing: the record of the forward run is differentiated.
# 4. It is a product of as many Jacobians: it shrinks or grows exponentially.
# 5. The cell state, as far as the forget gate stays near 1.
# 6. The data: gates are computed from input and state.
# 7. Three quarters.
# 8. No: a state has finite room, and what comes in pushes out what was there.
#
# > Compare with the first round. Lessons 0 to 12 take it from here.
