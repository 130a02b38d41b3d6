# %% [markdown]
# # 11 · Sentences have two ends, images rows, batches lengths
#
# So far a network read one sequence from left to right, with one layer. Real data asks for more. A
# word in the middle of a sentence depends on what comes *after* it. Sentences in a batch have
# different lengths. An answer may have another length than the question. And a film is a sequence
# of pictures.
#
# None of this needs a new idea: layers, directions, masks and decoders are ways to wire cells, and
# the record takes care of the gradient.
#
# **You will be able to**
#
# * stack layers and read in both directions, and say when either helps;
# * batch sequences of different lengths so that padding can do no harm;
# * map a sequence to one of another length, forecast a series, and measure what a pixel sees.
#
# *Needs:* lessons 1, 3 and 4. *Takes:* 40 minutes to read, 25 seconds to run.

# %% [markdown]
# ## Predict
#
# The tag of a symbol is the sum of its two neighbours, modulo 3. A network that reads from left to
# right gives each symbol its tag as soon as it reads it. How often can it be right at best, however
# large it is?

# %%
GUESS = 0.5  # your share of right tags

# %% [markdown]
# ## The problem: the other neighbour has not come yet

# %%
import numpy as np

import viz
from tinygrad_rnn import Tensor, nn, no_grad, tasks
from tinygrad_rnn.train import Adam, fit

T = 12
batch = tasks.tagging(1, T, rng=0)
print("symbols", *batch.xs[:, 0])
print("tags   ", *batch.targets[:, 0])
BEST = {sees: tasks.tagging_accuracy(T, sees=sees) for sees in ("past", "both")}
print(f"right at best: from the past {BEST['past']:.3f}, from both sides {BEST['both']:.3f}")
print(f"you guessed {GUESS}")

# %% [markdown]
# ## The picture
#
# A layer reads the outputs of the layer below. A bidirectional layer has two cells: one reads from
# left to right, the other from right to left, and their outputs are put side by side. Time runs to
# the right, layers are stacked upwards; look at the arrows of the second lane.

# %%
both = nn.GRU(3, 16, num_layers=2, bidirectional=True, rng=0)
outputs, _ = both(tasks.one_hot(batch.xs[:4], 3))
viz.keep(viz.unrolled(outputs, "cell", shapes=False), "11_grid.svg")

# %% [markdown]
# ## The number
#
# Four networks on the same task: one layer or two, one direction or both.


# %%
class Tagger(nn.Module):
    def __init__(self, layers, bidirectional):
        self.rnn = nn.GRU(3, 16, num_layers=layers, bidirectional=bidirectional, rng=0)
        self.readout = nn.Linear(16 * (1 + bidirectional), 3, rng=1)

    def __call__(self, xs):
        return self.readout(self.rnn(tasks.one_hot(xs, 3))[0])

    def loss(self, xs, tags):
        return nn.cross_entropy(self(xs), tags)


def right(model, seed=9):
    test = tasks.tagging(500, T, seed)
    with no_grad():
        return (model(test.xs).data.argmax(axis=-1) == test.targets).mean()


# %%
found, runs = {}, {}
for layers in (1, 2):
    for bidirectional in (False, True):
        name = f"{layers} layer{'s' * (layers > 1)}, {'both ways' if bidirectional else 'one way'}"
        model = Tagger(layers, bidirectional)
        runs[name] = fit(
            model,
            lambda step: tasks.tagging(32, T, step + 100)[:2],
            Adam(model.parameters(), lr=0.01),
            steps=300,
            target="auto",
            progress=False,
        )
        found[name] = right(model)
        weights = sum(p.size for p in model.parameters())
        print(f"{name:20} {found[name]:.3f} right, {weights:6,} weights")
one_way, two_ways = found["2 layers, one way"], found["2 layers, both ways"]
assert one_way < BEST["past"] + 0.02 < 0.95 < two_ways

# %% [markdown]
# More layers do not help a network that cannot see: the one-way networks arrive at their bound and
# stay there, as the feed-forward network of lesson 1 did at its own. And seeing is not enough. With
# one layer both ways, past and future meet only in the read-out, which adds, and a sum modulo 3 is
# more than adding. The second layer has both in one place, and works it out.
#
# ## Batches of unequal length
#
# Rows of a batch are padded at their end to one length. What the padding holds must not matter: not
# in the loss, not in a gradient, not in the state that a backward direction starts with. So
# `lengths` are given to the layer and to the loss.

# %%
strings = tasks.embedded_reber(6, 3)
viz.keep(viz.padded_batch(strings, letters=tasks.REBER_SYMBOLS), "11_padded.svg")

# %%
reader, readout = nn.LSTM(7, 8, bidirectional=True, rng=0), nn.Linear(16, 7, rng=1)


def loss_of(inputs, targets, lengths):
    outputs, _ = reader(inputs, lengths=lengths)
    return nn.cross_entropy(readout(outputs), targets, lengths=lengths)


inputs, lengths = tasks.one_hot(strings.xs, 7), strings.lengths
beyond = np.arange(len(inputs))[:, None] >= lengths
poisoned = np.where(beyond[..., None], np.nan, inputs)
longer = np.concatenate([poisoned, np.full((20, *poisoned.shape[1:]), np.nan)])
more = np.concatenate([strings.targets, np.zeros((20, 6), int)])
tidy = loss_of(inputs, strings.targets, lengths)
wild = loss_of(longer, more, lengths)
print(f"loss {tidy.item():.15f}, with 20 more steps and NaN in all padding {wild.item():.15f}")
assert tidy.item() == wild.item()

# %% [markdown]
# ## The wrong way: the mean over everything
#
# Without `lengths`, the padding is a part of the data: of what is read and of what is scored.
# Nothing crashes. The loss changes with the company that a row keeps in its batch.

# %%
careless = nn.cross_entropy(readout(reader(inputs)[0]), strings.targets)
alone = nn.cross_entropy(
    readout(reader(inputs[: lengths[0], :1])[0]), strings.targets[: lengths[0], :1]
)
careful = loss_of(inputs[:, :1], strings.targets[:, :1], lengths[:1])
print(f"row 0 alone {alone.item():.6f}, padded with lengths {careful.item():.6f}")
print(f"batch with lengths {tidy.item():.6f}, without {careless.item():.6f}")
assert abs(alone.item() - careful.item()) < 1e-12
assert abs(careless.item() - tidy.item()) > 1e-3

# %% [markdown]
# ## From one sequence to another: n → m
#
# A question of five digits, an answer of five: the same digits in reverse. One cell reads all,
# another writes, starting from the last state of the first (Cho et al. 2014; Sutskever, Vinyals and
# Le 2014). While it is trained, the decoder reads the right last symbol; later it reads its own.

# %%
translator = nn.sequence_to_sequence(8, 48, 9, rng=0)


class Reversing(nn.Module):
    def __init__(self):
        self.model = translator

    def loss(self, digits):
        targets = digits[::-1]
        scores = self.model(tasks.one_hot(digits, 8), targets, start=8)
        return nn.cross_entropy(scores, targets)


def digits(step, size=64):
    return (np.random.default_rng(step).integers(8, size=(5, size)),)


net = Reversing()
run = fit(net, digits, Adam(net.parameters(), lr=0.005), steps=600, target="auto", progress=False)
(asked,) = digits(10**6, 500)
with no_grad():
    written = translator(tasks.one_hot(asked, 8), start=8, steps=5, teacher=0.0).data.argmax(
        axis=-1
    )
share = (written == asked[::-1]).all(axis=0).mean()
print(f"question {asked[:, 0]}, answer {written[:, 0]}; all five right in {share:.0%}")
assert share > 0.8

# %% [markdown]
# ## A series of numbers
#
# The number of sunspots has been counted since 1700. A network sees 20 years and predicts the next;
# the last fifth of the series is kept for the test. The forecast to beat is the simplest: as last
# year.

# %%
years, spots = tasks.sunspots()
train, test = tasks.split(spots / 100)
seen = tasks.windows(train, 20)


def forecaster(seed):
    model = nn.many_to_one(1, 16, 1, cell=nn.GRUCell, rng=seed)
    optimiser = Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimiser.zero_grad()
        nn.mse_loss(model(seen.xs), seen.targets).backward()
        optimiser.step()
    return model


models = [forecaster(seed) for seed in range(4)]
unseen = tasks.windows(test, 20)
with no_grad():
    errors = [1e4 * nn.mse_loss(m(unseen.xs), unseen.targets).item() for m in models]
LAZY = 1e4 * tasks.persistence(test[19:])
print(f"mean squared error: {np.median(errors):.0f} (median of four nets), as last year {LAZY:.0f}")
assert np.median(errors) < 0.6 * LAZY

# %% [markdown]
# Further ahead, each forecast is read as if it had come. The rhythm of eleven years is right, the
# height is not: most of what came lies outside the band. A band of several networks says how much
# *they* differ. What they all get wrong, it cannot show.


# %%
def ahead(model, past, steps):
    values = list(past)
    with no_grad():
        for _ in range(steps):
            values.append(model(np.array(values[-20:])[:, None, None]).item())
    return np.array(values[len(past) :])


start = 30
paths = [100 * ahead(model, test[:start], 15) for model in models]
truth, times = 100 * test[start : start + 15], years[-len(test) :][: start + 15]
viz.keep(viz.forecast(paths, 100 * test[:start], truth, times=times), "11_forecast.svg")

# %% [markdown]
# ## A film
#
# A convolutional cell has a picture as its state and looks at a 3 × 3 neighbourhood of input and
# state (Shi et al. 2015). With each step back in time, what a pixel sees grows by a border of one.
# The gradient says so exactly.

# %%
film = Tensor(np.random.default_rng(0).standard_normal((4, 1, 11, 11, 1)), name="x")
frames, _ = nn.unroll(nn.ConvLSTM2dCell(1, 2, rng=0), film)
field = viz.receptive_field(frames[-1][0, 5, 5].sum(), film)
print("pixels seen, from the first picture to the last:", field.numbers.reached.sum(axis=(1, 2)))
viz.keep(field, "11_film.svg")

# %% [markdown]
# ## Play with it
#
# The grid again, small, to play through: which cell runs first in the lane that reads from the
# right?

# %%
small = nn.RNN(3, 4, bidirectional=True, rng=0)
outputs, _ = small(tasks.one_hot(batch.xs[:4], 3))
total = (outputs * outputs).sum()
viz.keep(lambda: viz.play(total, labels="abcd", title="Two directions"), "11_player.html")

# %% [markdown]
# ## In the library this is
#
# ```python
# nn.LSTM(3, 16, num_layers=2, bidirectional=True)(xs, lengths=lengths)
# nn.cross_entropy(scores, targets, lengths=lengths)     # or mask=
# nn.sequence_to_sequence(inputs, hidden, symbols, attention=True)
# tasks.windows, tasks.split, tasks.persistence          # series
# ```
#
# ## In torch, Keras and JAX this is
#
# ```python
# pack_padded_sequence(xs, lengths, enforce_sorted=False)     # torch: pack, run, unpack
# keras.layers.Masking(); keras.layers.Bidirectional(layer)   # Keras: a mask travels along
# jnp.where(t < lengths, new, old)                            # JAX: by hand, in the cell
# ```
#
# ## The check

# %%
print(f"one way {one_way:.3f} ≤ {BEST['past']:.3f} < both ways {two_ways:.3f} ≤ {BEST['both']:.0f}")
assert one_way < BEST["past"] + 0.02
assert two_ways > 0.95
assert list(field.numbers.reached.sum(axis=(1, 2))) == [81, 49, 25, 9]

# %% [markdown]
# ## Exercises
#
# 1. ★ How many weights has `nn.LSTM(3, 16, num_layers=2, bidirectional=True)`? The number to expect
#    is 9,088: 8,576 in the matrices, and two biases for each gate and unit.
# 2. ★★ The tag is now the sum of the symbols *three* steps before and after. What can a one-way
#    network reach for T = 12?
# 3. ★★★ Turn a one-way network into one that sees one symbol of the future, without a second
#    direction: let it answer one step later. How often is its tag right, after training?
#
# ## Questions
#
# 1. Why does a second layer not help the one-way network here?
# 2. From where does the backward direction start in a padded row?
# 3. Which two things must be given the lengths?
# 4. What does the decoder read in training, and what later?
# 5. Why must a series be split before its windows are cut?
#
# ## Read on
#
# * Schuster and Paliwal (1997), "Bidirectional recurrent neural networks".
# * Cho et al. (2014), "Learning phrase representations using RNN encoder–decoder".
# * Shi et al. (2015), "Convolutional LSTM network: a machine learning approach for precipitation
#   nowcasting".
