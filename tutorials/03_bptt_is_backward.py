# %% [markdown]
# # 3 · BPTT is just `backward()`
#
# Backpropagation through time has a grand name, and textbooks give it pages of sums over t. Lesson
# 2 took the mystery out of it: the unfolded network is a feed-forward network, and how to
# differentiate one of those is known. Werbos (1990) says it in his title: "Backpropagation through
# time: what it does and how to do it".
#
# In this lesson we watch one training step in slow motion, derive BPTT by hand, and take four other
# roads to the same gradient. Then we ask what it costs.
#
# **You will be able to**
#
# * name the six stages of a training step, and say which of them needs calculus;
# * derive BPTT for a simple recurrent network, and read it in a printed program;
# * say why one updates once per sequence and not at every step.
#
# *Needs:* lessons 0 to 2, the chain rule. *Takes:* 40 minutes to read, 4 seconds to run.

# %% [markdown]
# ## Predict
#
# A sequence has 40 steps, and a loss at each. You could improve the weights once, after the whole
# sequence, or after every step, each time with the exact gradient of the loss so far. How many
# times as much work are 40 updates?

# %%
GUESS = 2  # your factor

# %% [markdown]
# ## The problem: one training step in six stages
#
# A tiny network: one input, two units, three time steps. Its task is the sum of its inputs.

# %%
import numpy as np

import tinygrad_rnn as tg
import viz
from tinygrad_rnn import Tensor, grad, named, nn, scope, stack, tanh
from tinygrad_rnn.train import SGD

W_x = Tensor([[0.5, -0.3]], name="W_x")
W_h = Tensor([[0.4, 0.1], [-0.2, 0.6]], name="W_h")
W_y = Tensor([[1.0], [-1.0]], name="W_y")
weights = [W_x, W_h, W_y]
inputs, target = np.array([[[1.0]], [[-0.5]], [[0.2]]]), np.array([[0.7]])


# %%
def show(x):
    return np.array2string(np.asarray(x), precision=4, suppress_small=True).replace("\n", "")


def forward(say=lambda text: None, steps=3):
    """The loss and all states; `say` is told what happens."""
    h, states = np.zeros((1, 2)), []
    for t, x in enumerate(inputs[:steps]):
        with scope("rnn", t=t, x=x):
            say(f"1. t = {t}: the input is x = {show(x)}")
            h = named(h=tanh(x @ W_x + h @ W_h))
            say(f"2.        with the state before it makes h = {show(h.data)}")
            states.append(h)
    say(f"3. all {steps} inputs are read; the last h has heard of each of them")
    y = named(y=h @ W_y)
    say(f"4. the output is read from the last state: y = {show(y.data)}")
    loss = nn.mse_loss(y, target)
    say(f"5. the target is {show(target)}, so the loss is {loss.item():.6f}")
    return loss, states


loss, states = forward(print)

# %%
at_states, by_weight = grad(loss, [states, weights])
for t in reversed(range(len(inputs))):
    print(f"6. backward, t = {t}: ∂loss/∂h = {show(at_states[t])}")
optimiser = SGD(weights, lr=0.1)
for p, g in zip(weights, by_weight, strict=True):
    p.grad = g
optimiser.step()
for p in weights:
    print(f"   moved by −0.1 times its gradient: {p.name} = {show(p.data)}")
after = forward()[0].item()
print(f"The loss falls from {loss.item():.6f} to {after:.6f}.")
assert after < loss.item()

# %% [markdown]
# Only the sixth stage needs calculus, and it is one call.
#
# ## The picture
#
# The same network for two steps, forward and then backward. On each edge of the lower half stands
# the rule by which the gradient δ that arrives passes on. It is read from the engine's own rules,
# by running them on symbols.

# %%
loss, states = forward(steps=2)
viz.keep(viz.forward_backward(loss), "03_forward_backward.svg")

# %% [markdown]
# What did `grad` do? The same kind of thing as the forward pass: it multiplied and added. With
# `create_graph=True` it is recorded while it does. It visits the steps in the opposite order, t =
# 2, 1, 0, and each visit uses values of the forward step. Those values had to be kept. That is
# where the memory goes (lesson 6).


# %%
def operations(*tensors):
    """The operations recorded on the way to these tensors."""
    return {node for node in tg.ancestors(*tensors) if node.op is not None}


by_W_h = grad(loss, W_h, create_graph=True)
ahead, behind = operations(loss), operations(by_W_h)
print(f"{len(ahead)} operations forward, {len(behind - ahead)} more for ∂loss/∂W_h", end="; ")
print(f"of the forward results, {len(behind & ahead)} are used again")

# %% [markdown]
# ## The number: five roads, one gradient
#
# **By hand.** For $h_t = \tanh(a_t)$ with $a_t = x_t W_x + h_{t-1} W_h + b$, the gradient that
# arrives at $h_t$ has two parts: one from the loss at t, and one from the next step. So
#
# $$\delta h_t = \frac{\partial L_t}{\partial h_t} + \delta a_{t+1} W_h^\top$$
#
# $$\delta a_t = \delta h_t \, (1 - h_t^2)$$
#
# and the weights collect $x_t^\top \delta a_t$ and $h_{t-1}^\top \delta a_t$ over all t.


# %%
def by_hand(cell, xs, targets):
    """The gradients of W_x, W_h, b_x, b_h, from these formulas."""
    W_x, W_h, b_x, b_h = (p.data for p in cell.parameters())
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
    return [dW_x, dW_h, db, db]


# %% [markdown]
# **By differences**, as in lesson 0: two forward runs for *each* weight. **By forward
# accumulation**, also called real-time recurrent learning (RTRL, Williams and Zipser 1989): carry
# ∂h/∂W along with h, and never go back. **By a printed program**: `compile` finds the loop in the
# record of the gradient, rolls it up and writes it as a person would. And **by `grad`**.


# %%
def loss_of(cell, xs, targets):
    outputs, _ = nn.unroll(cell, xs)
    return nn.mse_loss(stack(outputs), targets)


def by_differences(cell, xs, targets, epsilon=1e-5):
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


# %%
rng = np.random.default_rng(0)
xs, targets = rng.standard_normal((12, 4, 3)), rng.uniform(-1, 1, (12, 4, 5))
cell = nn.RNNCell(3, 5, rng=1)
step = tg.compile(loss_of, target="numpy")
step(cell, xs, targets)
print(step.plain)

# %% [markdown]
# Compare it with `by_hand`, line for line. Nobody wrote this text: it is the record of the
# gradient, folded up.

# %%
pasted = {}
exec(step.plain, pasted)
arguments = [*step.arguments(cell, xs, targets), *step.plain.constants.values()]
terms = nn.rtrl(cell, xs, lambda h, t: nn.mse_loss(h, targets[t]) * (1 / len(xs)))
roads = {
    "by hand": by_hand(cell, xs, targets),
    "by differences": by_differences(cell, xs, targets),
    "by forward accumulation": nn.rtrl(
        cell, xs, lambda h, t: nn.mse_loss(h, targets[t]) * (1 / 12)
    )[1],
    "by the printed program": pasted["step"](*arguments)[1:],
}
ours, worst = grad(loss_of(cell, xs, targets), cell.parameters()), {}
for road, found in roads.items():
    worst[road] = max(np.abs(a - b).max() for a, b in zip(ours, found, strict=True))
    print(f"{road:24} differs from grad by {worst[road]:.0e}")

# %% [markdown]
# ## The wrong way: forget the time
#
# The most natural mistake is to differentiate each step as if the state that comes in were a
# constant. `stop_gradient` records such a cut. The loss is the same, training even works a little,
# and the gradient is another one.

# %%
h, states = np.zeros((4, 5)), []
for x in xs:
    h = cell(x, tg.stop_gradient(h) if states else h)
    states.append(h)
cut = grad(nn.mse_loss(stack(states), targets), cell.W_h)
missing = np.linalg.norm(ours[1] - cut) / np.linalg.norm(ours[1])
print(f"Without the way back through time, ∂loss/∂W_h is off by {missing:.0%} of its length.")
assert missing > 0.05

# %% [markdown]
# ## Any shape of task
#
# Sequences come in and go out in many ways. Karpathy's essay "The unreasonable effectiveness of
# recurrent neural networks" (2015) made a famous drawing of five. None of them needs a derivation
# of its own: the loss says what is compared, and `backward()` does the rest.

# %%
viz.keep(viz.sequence_shapes(), "03_shapes.svg")

# %% [markdown]
# ## Why wait for the end of the sequence?
#
# There is a loss at every step, so one could improve the weights at every step. What does that
# cost? First, a surprise: after an update the record of the past is out of date. It was made with
# weights that no longer exist. The engine notices.

# %%
outputs, _ = nn.unroll(cell, xs)
early, late = nn.mse_loss(outputs[5], targets[5]), nn.mse_loss(outputs[11], targets[11])
early.backward()
SGD(cell.parameters(), lr=0.1).step()
try:
    late.backward()
    raise AssertionError("went backward through a record older than the weights")
except RuntimeError as refusal:
    print(refusal)

# %% [markdown]
# So an update at step t means: run steps 0 … t again with the new weights, and go back through all
# of them. For T steps that is 1 + 2 + … + T = T (T+1) / 2 steps each way, instead of T. We count
# what is really recorded, forward and backward.


# %%
def spent(steps, last_only):
    """Operations, forward and backward, for one update after so many steps."""
    outputs, _ = nn.unroll(cell, long[:steps])
    loss = sum((h * h).sum() for h in (outputs[-1:] if last_only else outputs))
    return len(operations(*grad(loss, cell.parameters(), create_graph=True)))


long = rng.standard_normal((40, 1, 3))
print("  T   one update   update at every step   ratio")
for T in (1, 5, 10, 20, 40):
    once, online = spent(T, False), sum(spent(t, True) for t in range(1, T + 1))
    print(f" {T:2}   {once:10}   {online:20}   {online / once:5.1f}")
print(f"You guessed {GUESS}.")
assert online / once > 15

# %% [markdown]
# Linear against quadratic. So one walks back once per sequence, and cuts long sequences into pieces
# (lesson 6).
#
# ## Play with it
#
# Pin the loss of one step, and watch how far its gradient travels back.

# %%
outputs, _ = nn.unroll(nn.LSTMCell(3, 5, rng=1), xs[:4])
losses = {f"t = {t}": nn.mse_loss(h, targets[t]) for t, h in enumerate(outputs)}
title = "An LSTM over four steps, a loss at each"
viz.keep(lambda: viz.play(sum(losses.values()), losses=losses, title=title), "03_player.html")

# %% [markdown]
# ## In the library this is
#
# ```python
# loss.backward()                                   # or grad(loss, parameters)
# nn.rtrl(cell, xs, loss)                           # forward accumulation, for any cell
# check_grads(f, x)                                 # against differences, by random projection
# step = compile(loss_fn); step.plain; step.latex   # the same gradient as a program, as equations
# ```
#
# ## In torch, Keras and JAX this is
#
# ```python
# loss.backward()                                   # torch: BPTT happens in here as well
# twin = torch.nn.RNN(3, 5)                         # our weights in torch's layout:
# twin.load_state_dict({k: torch.from_numpy(v) for k, v in interop.torch_weights(cell).items()})
# model.fit(xs, ys)                                 # Keras: in here
# jax.grad(loss)(params)                            # JAX: through lax.scan, which has a rule
# ```
#
# ## The check

# %%
for road, distance in worst.items():
    print(f"{road:24} {distance:.0e}")
    assert distance < (1e-7 if road == "by differences" else 1e-12)

# %% [markdown]
# ## Exercises
#
# 1. ★ In the tiny network of the beginning, what is ∂loss/∂$W_h$ if all inputs are 0? The number to
#    expect is 0: say why.
# 2. ★★ Derive BPTT for a *leaky* unit, $h_t = \frac12 h_{t-1} + \frac12 \tanh(x_t W)$, and write
#    the gradient of W by hand. It must agree with `grad`.
# 3. ★★★ Derive BPTT for the LSTM: two gradients travel back, δh and δc. (Then compare with what
#    `compile(...).plain` prints.)
#
# ## Questions
#
# 1. Which of the six stages would change for another task, and which for another cell?
# 2. Two gradients arrive at $h_t$. Where do they come from?
# 3. Why does RTRL need no memory of the past, and why does nobody use it for large networks?
# 4. After an update, why must the walk not go through the old record?
# 5. What is the price of an update at every step for T = 1,000?
#
# ## Read on
#
# * Werbos (1990), "Backpropagation through time: what it does and how to do it".
# * Williams and Zipser (1989), "A learning algorithm for continually running fully recurrent neural
#   networks".
# * Goodfellow, Bengio and Courville (2016), "Deep Learning", section 10.2.2.
