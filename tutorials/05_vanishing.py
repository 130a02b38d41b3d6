# %% [markdown]
# # 5 · Vanishing and exploding
#
# In lesson 1 a plain recurrent network carried one letter across a dozen steps. Stretch the gap to
# fifty steps and it learns nothing at all: the loss stays where guessing puts it. The network
# *could* do the task. One unit is enough, and you will wire it by hand in one line. What fails is
# the learning, and the reason is a product of many numbers.
#
# **You will be able to**
#
# * measure how fast a gradient shrinks or grows on its way back through time;
# * say what bounds it, and why larger weights are not the cure;
# * explain why a network that stores a bit safely must have a vanishing gradient.
#
# *Needs:* lessons 1 and 3, singular values. *Takes:* 30 minutes to read, 20 seconds to run.

# %% [markdown]
# ## Predict
#
# A network of one unit reads three numbers that say "plus" or "minus", and then a hundred numbers
# of noise. It never forgets what it was told. How large is the gradient of its last state with
# respect to the state a hundred steps earlier? Give a power of ten: -2 means 0.01.

# %%
GUESS = -2  # your power of ten

# %% [markdown]
# ## The problem
#
# The task is as simple as a memory can be. The first three inputs are all 1 or all -1. Everything
# after them is noise. At the end, say which it was. (It is experiment 3a of Hochreiter and
# Schmidhuber 1997, after the latch of Bengio, Simard and Frasconi 1994.)
#
# The network is Elman's from lesson 1, with 16 tanh units and one answer at the end. `fit` is the
# training loop, as in lesson 1. `target="auto"` asks it to run each step as a compiled program,
# which is faster and gives the same numbers. Only the length T changes from row to row.

# %%
import numpy as np

import viz
from tinygrad_rnn import Tensor, grad, measure, named, nn, no_grad, tanh, tasks
from tinygrad_rnn.train import Adam, fit


class Latch(nn.Module):
    """A plain recurrent net that answers once, at the end."""

    def __init__(self, rng, scale=1.0):
        self.net = nn.many_to_one(1, 16, 1, cell=nn.RNNCell, rng=rng)
        W_h = self.net.cell.W_h
        W_h.data = W_h.data * scale

    def loss(self, xs, targets, lengths=None):
        return nn.binary_cross_entropy(self.net(xs, lengths=lengths), targets)


# %%
@no_grad()
def right(net, batch):
    """The share of answers with the right sign; guessing gives one half."""
    answers = net(batch.xs, lengths=batch.lengths).data
    return float(((answers > 0) == (batch.targets > 0.5)).mean())


def trained(seed, T, scale=1.0):
    """The share that is right after 500 steps of Adam, and the longest gradient met on the way."""
    rng = np.random.default_rng(seed)
    model = Latch(rng, scale)
    run = fit(
        model,
        lambda _: tuple(tasks.two_sequence(20, T, rng))[:3],
        Adam(model.parameters(), lr=0.01),
        steps=500,
        clip=1.0,
        target="auto",
        progress=False,
    )
    return right(model.net, tasks.two_sequence(500, T, rng=99)), max(run.norms)


# %%
print("  T   share right, three seeds")
learnt = {}
for T in (10, 20, 30, 50, 100):
    learnt[T] = [trained(seed, T)[0] for seed in range(3)]
    print(f"{T:3}  ", *(f"{share:5.2f}" for share in learnt[T]))
assert min(learnt[10]) > 0.95
assert max(learnt[50] + learnt[100]) < 0.65

# %% [markdown]
# Ten steps: always. Fifty: never. Nothing about the task has become harder, except that the answer
# lies further back.
#
# ## The picture
#
# We ask the untrained network for T = 30 how much each of its states could change the loss: the
# length of ∂L/∂h_t, for 50 examples at once. Read each panel from right to left, as the gradient
# travels. The dashed line is a bound; it comes in a moment. In the first panel the weights are as
# they were drawn. In the other two, all entries of W_h were multiplied by 3 and by 6.

# %%
batch = tasks.two_sequence(50, 30, rng=7)
losses, matrices = {}, {}
for scale in (1, 3, 6):
    model = Latch(np.random.default_rng(0), scale)
    title = f"W_h × {scale}"
    losses[title] = model.loss(batch.xs[:30], batch.targets)
    matrices[title] = model.net.cell.W_h
viz.keep(lambda: viz.gradient_norms(losses, W=matrices), "05_norms.svg")

# %% [markdown]
# On a logarithmic axis the curves are nearly straight lines. So each step multiplies the length by
# about the same factor, and what happens over t steps is that factor to the power t. A factor of
# 0.6 makes 0.6³⁰ = 0.0000002. A factor of 1.6 makes more than a million. Only a factor of almost
# exactly 1 would do no harm.
#
# ## Why: a product of Jacobians
#
# One step of the net is $h_t = \tanh(h_{t-1} W_h + \dots)$. Its derivative is a matrix, the
# Jacobian of the step:
#
# $$\frac{\partial h_t}{\partial h_{t-1}} = W_h \cdot \mathrm{diag}(1 - h_t^2)$$
#
# (Row vectors, as always here.) The way back over many steps is the product of many such matrices.
# A matrix stretches a vector at most by its largest singular value σ. The slope of tanh is at most
# γ = 1; that of the sigmoid at most γ = ¼. So no step back stretches the gradient by more than
#
# $$\gamma \cdot \sigma_{\max}(W_h)$$
#
# If this number is below 1, the gradient *must* vanish. If it is above 1, the gradient *may*
# explode, but need not (Pascanu, Mikolov and Bengio 2013, section 2.1). The dashed line is this
# bound.
#
# ## The number
#
# The slope of the logarithm per step back, beside the largest slope that the bound allows.

# %%
norms = {title: measure.gradient_norms(losses[title], W=matrices[title]) for title in losses}
slopes = {}
print("           per step back: median example   the bound   |∂L/∂h| over 29 steps")
for title, found in norms.items():
    median = np.median(found.norms, axis=1)
    slopes[title] = -np.polyfit(found.steps, np.log(median), 1)[0]
    print(
        f"{title}    {slopes[title]:+20.2f}   {np.log(found.rate):+20.2f}   "
        f"{median[-1]:13.1e} → {median[0]:.1e}"
    )
assert slopes["W_h × 1"] < -0.4
assert slopes["W_h × 6"] > 0

# %% [markdown]
# As drawn, the matrix itself hardly shrinks anything: its bound is just about 1. The gradient
# vanishes all the same, because a singular value is a *maximum* over directions, and a vector that
# is multiplied thirty times does not keep to the best direction. The bound says what must happen,
# the measurement what does.
#
# ## A memory made by hand
#
# Now the network that can do it: one unit, h = tanh(3h + x/2). Because of the factor 3 it has two
# states in which it stays, near 1 and near -1. Small inputs cannot move it away. The picture shows
# where it goes from nine different starts while the input is constant.


# %%
def latch(x, h):
    return named(h=tanh(3 * h + x / 2))


inputs = {"x = 0": [0.0], "x = 1": [1.0], "x = 3": [3.0]}
starts = np.linspace(-0.9, 0.9, 9)[:, None]
viz.keep(lambda: viz.attractors(latch, inputs, starts, steps=15), "05_attractors.svg")

# %% [markdown]
# Without input there are two states that attract, with a watershed between them at 0. An input of 1
# moves the watershed, but both states survive: one noisy number cannot erase the bit. An input of 3
# can. That is a good memory: the noise has a standard deviation of 0.45.
#
# Is it right at T = 100? And what is its gradient? We also try the obvious alternative, a unit that
# simply *adds* what comes in: h = h + x. Its Jacobian is exactly 1.


# %%
def adder(x, h):
    return named(h=h + x)


def holds(cell, batch):
    """The share of rows at whose end the state has the right sign."""
    _, h = nn.unroll(cell, batch.xs, Tensor(np.zeros((500, 1))), lengths=batch.lengths)
    return float(((h.data > 0) == (batch.targets > 0.5)).mean())


long = tasks.two_sequence(500, 100, rng=99)
result = {}
for cell in (latch, adder):
    start = Tensor(np.full((500, 1), 0.9), name="h_0")  # a state that was told "plus"
    _, last = nn.unroll(cell, long.xs[3:103], start)
    slope = np.median(grad(last.sum(), start))
    result[cell.__name__] = holds(cell, long), np.log10(slope)
    print(f"{cell.__name__}: {holds(cell, long):.2f} right, ∂h_103/∂h_3 = {slope:.1e}")
print(f"You guessed 10^{GUESS}; the latch has 10^{result['latch'][1]:.0f}.")

# %%
assert result["latch"][0] == 1.0
assert result["latch"][1] < -100
assert result["adder"][0] < 0.9
assert result["adder"][1] == 0

# %% [markdown]
# Look at the two rows again; they are the whole dilemma. The latch remembers perfectly, *because*
# it pulls every small disturbance back to where it was. But what the gradient asks is: what would a
# small disturbance back then change today? Nothing. In a state that attracts, the Jacobian is below
# 1, and a hundred of them multiplied are zero for all purposes. The adder passes the gradient on
# undamped, and for the same reason it keeps every bit of noise, and so it forgets. Bengio, Simard
# and Frasconi (1994) show that this holds in general.
#
# Lesson 7 builds the way out: an adder with a gate that keeps the noise away from it.
#
# How hard is it, then, to find good weights without any gradient? We *guess* them: six numbers
# between -10 and 10, again and again, until the one-unit net is right on all 500 sequences.

# %%
tries = []
for seed in range(3):
    rng, count, found = np.random.default_rng(seed), 0, 0.0
    while found < 1:
        count += 1
        net = nn.many_to_one(1, 1, 1, cell=nn.RNNCell, rng=rng)
        for p in net.parameters():
            p.data = rng.uniform(-10, 10, p.shape)
        found = right(net, long.take(slice(20)))  # most guesses fail on the first twenty
        found = right(net, long) if found == 1 else 0.0
    tries.append(count)
print("guesses until 500 of 500 are right, T = 100, three seeds:", *tries)
print("gradient descent, 500 steps of 20: share right", *(f"{s:.2f}" for s in learnt[100]))
assert max(tries) < 10_000

# %% [markdown]
# A few hundred throws of dice beat the gradient. That does not speak for dice, which are hopeless
# with more than a handful of weights. It says how little the gradient knows here (Schmidhuber and
# Hochreiter 1996 made the same point against several published tasks).
#
# ## The wrong way
#
# "If the gradient vanishes, start with larger weights." In the second panel of the first picture
# the median hardly changes over 30 steps, and in the third it grows. So let us train from there.

# %%
print("  T              share right      longest gradient on the way, three seeds")
larger, largest = {}, 0.0
for T in (50, 100):
    for scale in (3, 6):
        shares, longest = zip(*(trained(seed, T, scale) for seed in range(3)), strict=True)
        larger[T, scale], largest = shares, max(largest, *longest)
        print(f"{T:3}   W_h × {scale} ", *(f"{share:5.2f}" for share in shares), end="   ")
        print(*(f"{length:9.1e}" for length in longest))
assert max(larger[50, 3]) > 0.9
assert max(larger[100, 3] + larger[100, 6]) < 0.65
assert largest > 1e6

# %% [markdown]
# A factor that keeps the median near 1 buys some distance: at T = 50 there are seeds that learn
# what none could before. At T = 100 it is over again, and the still larger weights help nowhere.
# The factor would have to be 1 the more exactly the longer the sequence is, for every example, and
# to stay there while the weights are trained. Instead the length of the gradient jumps over many
# powers of ten. The state has become chaotic: two sequences that differ by a hair end in different
# places, and the derivative, quite rightly, is enormous.
#
# One unit is enough to see why such a gradient is of no use. Pascanu, Mikolov and Bengio (2013,
# figure 6) drew the loss of such a net after 50 steps over its weight w and its bias b. It has a
# wall. At the foot of the wall the gradient is right, and so long that one step of gradient descent
# leaves the picture.

# %%
wall = viz.loss_surface()
viz.keep(wall, "05_wall.svg")

# %%
found = wall.numbers
steepest = np.sqrt(found.slope_a**2 + found.slope_b**2).max()
print(f"longest gradient in the picture: {steepest:.1f}; clipped, it has length 1")
assert steepest > 30

# %% [markdown]
# The cure for this half of the problem is known and cheap. *Clipping*: if the gradient is longer
# than 1, shorten it to 1 and keep its direction. `fit` above does it with `clip=1.0`. But note what
# clipping cannot do. It shortens what is too long. What has vanished it does not bring back.
#
# ## Play with it
#
# The page plays a network of four units over 100 steps, forward and then backward; colour and width
# show the gradient as it arrives. How many steps does it survive? Then set `SCALE` to 3 and to 6.

# %%
SCALE = 1.0

small = nn.many_to_one(1, 4, 1, cell=nn.RNNCell, rng=0)
small.cell.W_h.data = small.cell.W_h.data * SCALE
one = tasks.two_sequence(1, 100, rng=7)
played = nn.binary_cross_entropy(small(one.xs[:100]), one.targets)
viz.keep(lambda: viz.play(played, title="100 steps"), "05_player.html")

# %% [markdown]
# ## In the library this is
#
# * `measure.gradient_norms(loss, W=cell.W_h)`: the lengths and the bound. `viz.gradient_norms`
#   draws them.
# * `measure.growth_bound(W, "tanh")`: the factor γ·σ_max alone.
# * `measure.step_jacobians(loss)`: every Jacobian, its singular values and their products.
# * `fit(..., clip=1.0)`, or `train.clip_grad_norm(parameters, 1.0)` in a loop of your own.
#
# ## In torch, Keras and JAX this is
#
# ```python
# torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)       # torch: before optimizer.step()
# ```
# ```python
# keras.optimizers.Adam(0.01, global_clipnorm=1.0)              # Keras: `clipnorm` is per variable
# ```
# ```python
# optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.01)) # JAX with optax
# ```
#
# The gradient with respect to a state in the middle is what they make hard: in torch it takes
# `h.retain_grad()` for every step of a loop written by hand.
#
# ## The check
#
# The bound holds for every example, at every step, whatever the weights.

# %%
for title, found in norms.items():
    closest = (found.norms[0] / found.bound[0]).max()
    print(f"{title}: 29 steps back, the longest gradient is {closest:.1e} of its bound")
    assert (found.norms <= found.bound * (1 + 1e-12)).all()
    assert slopes[title] <= np.log(found.rate)

# %% [markdown]
# ## Exercises
#
# `make exercises` writes the sheets, `make grade` checks them.
#
# 1. ★ A sigmoid net has σ_max(W) = 2. Over how many steps back can the gradient keep a millionth of
#    its length? The number to expect is 19.
# 2. ★★ Start W_h as an orthogonal matrix (`nn.start.orthogonal`): all its singular values are 1.
#    What is the slope per step of the median example?
# 3. ★★★ Wire a latch by hand that is right on all of 200 sequences with T = 1000, and return the
#    share. Then look at its Jacobian: can you have both?
#
# ## Questions
#
# 1. Why is the curve of the norms nearly straight on a logarithmic axis?
# 2. The bound is above 1. What do you know about the gradient? And if it is below 1?
# 3. Why must a unit that stores a bit safely have a small Jacobian?
# 4. Which half of the problem does clipping solve, and which not?
# 5. The adder has gradient 1 at any distance. What else does it need to solve the task?
#
# ## Read on
#
# * Bengio, Simard and Frasconi (1994), "Learning long-term dependencies with gradient descent is
#   difficult", sections III and IV.
# * Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural networks",
#   sections 2 and 3.
# * Hochreiter and Schmidhuber (1997), "Long short-term memory", section 3.
# * Schmidhuber and Hochreiter (1996), "Guessing can outperform many long time lag algorithms".
# * Then lesson 6: what does the long way back cost, and what may be cut off?
