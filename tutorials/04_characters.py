# %% [markdown]
# # 4 · A character model in thirty lines
#
# Give a recurrent network one letter at a time, ask it for the next, and train it on a book. Then
# let it write: draw a letter from what it predicts, feed it back, and go on. What comes out has
# words, punctuation and indentation that nobody put in. Karpathy's "min-char-rnn" (2015) made this
# famous with a hundred lines, thirty of which are a backward pass. Here nobody writes a backward
# pass.
#
# **You will be able to**
#
# * train a language model by teacher forcing, and say what its loss means in nats and as
#   perplexity;
# * check a new model by the loss that it must have before training;
# * sample from it at any temperature, and look at what single units do.
#
# *Needs:* lessons 1 to 3. *Takes:* 30 minutes to read, 25 seconds to run.

# %% [markdown]
# ## Predict
#
# The text has about 90 different characters. What is the loss of a network that was just made and
# knows nothing, in nats per character?

# %%
GUESS = 1.0  # your number

# %% [markdown]
# ## The problem
#
# The text is the reference of the Python language, which comes with Python. Its characters are
# numbered. A *language model* gives a probability to each possible next character, and pays the
# negative logarithm of the probability that it gave to the right one. The mean of that is its loss,
# in nats per character. e to the power of the loss is the *perplexity*: among how many equally
# likely characters it hesitates.

# %%
from collections import Counter

import numpy as np

import viz
from tinygrad_rnn import Tensor, nn, no_grad, softmax, stack
from tinygrad_rnn.tasks import Alphabet, chunks, python_documentation
from tinygrad_rnn.train import Adam, fit

text = python_documentation()
alphabet = Alphabet(text)
numbers = alphabet.encode(text)
cut = int(0.9 * len(numbers))
TRAIN, TEST = numbers[:cut], numbers[cut:]
V = len(set(text))
print(f"{len(text):,} characters, {V} different ones; the last tenth is for testing")
print(text[20_000:20_160])

# %% [markdown]
# Two models without a network say what is worth beating: one that knows how frequent each character
# is, and one that knows which character follows which.


# %%
def entropy_of(order):
    """Nats per character on the test text, by counts of `order` characters and the next."""
    pairs, seen = Counter(), Counter()
    for k in range(order, len(TRAIN)):
        before = tuple(TRAIN[k - order : k])
        pairs[before, TRAIN[k]] += 1
        seen[before] += 1
    views = [(tuple(TEST[k - order : k]), TEST[k]) for k in range(order, len(TEST))]
    return -np.mean([np.log((pairs[v] + 0.1) / (seen[v[0]] + 0.1 * V)) for v in views])


UNIGRAM, BIGRAM = entropy_of(0), entropy_of(1)
for name, nats in (("all alike", np.log(V)), ("frequencies", UNIGRAM), ("pairs", BIGRAM)):
    print(f"{name:12} {nats:.3f} nats, perplexity {np.exp(nats):5.1f}")

# %% [markdown]
# ## The model, in thirty lines
#
# An embedding gives each character a vector; an LSTM cell reads; a linear layer scores what may
# come next. While it trains, the *right* last character is the next input, whatever the model would
# have said: that is teacher forcing. The state is carried from chunk to chunk, and the gradient is
# cut there: truncated backpropagation through time (lesson 6).


# %%
class CharModel(nn.Module):
    def __init__(self, hidden, rng):
        rng = np.random.default_rng(rng)
        self.embedding = nn.Embedding(V, 32, rng=rng, dtype=np.float32)
        self.cell = nn.LSTMCell(32, hidden, rng=rng, dtype=np.float32)
        self.readout = nn.Linear(hidden, V, rng=rng, dtype=np.float32)

    def loss(self, x, y, state=None):
        outputs, state = nn.unroll(self.cell, self.embedding(x), state)
        return nn.cross_entropy(self.readout(stack(outputs)), y), state


model = CharModel(96, 0)
pieces = list(chunks(TRAIN, 16, 32))
start = model.loss(*pieces[0])[0].item()
print(f"before training {start:.3f} nats; ln {V} = {np.log(V):.3f}; you guessed {GUESS}")
print(f"min-char-rnn sums over 25 characters, so it starts at 25 ln V = {25 * np.log(V):.1f}")
assert abs(start - np.log(V)) < 0.1

# %% [markdown]
# That first loss is the cheapest test there is. A model that knows nothing must find all V
# characters equally likely: ln V. If it starts far above, its first weights are too large; far
# below, it can see the answer.
#
# ## The number

# %%
run = fit(
    model,
    lambda step: pieces[step % len(pieces)],
    Adam(model.parameters(), lr=4e-3),
    state=model.cell.initial_state(16),
    steps=1200,
    clip=1.0,
    restart=len(pieces),
    target="auto",
    progress=False,
)
with no_grad():
    tests, state = [], model.cell.initial_state(16)
    for x, y in chunks(TEST, 16, 32):
        loss, state = model.loss(x, y, state)
        tests.append(loss.item())
REACHED = np.mean(tests)
print(f"after {run.step} steps {REACHED:.3f} nats on unseen text, perplexity {np.exp(REACHED):.1f}")
assert REACHED < BIGRAM - 0.3

# %%
known = {"all alike": np.log(V), "frequencies": UNIGRAM, "pairs": BIGRAM}
words = ("step", "nats per character")
curves = viz.learning_curves({"LSTM": run.losses}, smooth=25, baseline=known, words=words)
viz.keep(curves, "04_curve.svg")

# %% [markdown]
# ## Let it write
#
# Draw a character, read it as the next input, and so on. A *temperature* divides the scores before
# the softmax. Near 0 the model always takes its favourite, and goes round in circles; at 1 it draws
# from what it believes; above, it gets careless.


# %%
@no_grad()
def write(begin, length, temperature, rng):
    state, found = None, list(alphabet.encode(begin))
    for k in range(len(begin) + length - 1):
        outputs, state = nn.unroll(model.cell, model.embedding(np.array([[found[k]]])), state)
        if k >= len(begin) - 1:
            scores = model.readout(outputs[0]).data[0].astype(float)
            p = softmax(scores / temperature)
            found.append(rng.choice(V, p=p / p.sum()))
    return alphabet.decode(found)


for temperature in (0.3, 0.7, 1.0, 1.5):
    sample = write("The ", 120, temperature, np.random.default_rng(1))
    print(f"--- temperature {temperature}\n{sample}")

# %% [markdown]
# ## The picture
#
# Which character did the model look at? Here the network has read the text, and the colour says how
# much each character moves the score of the one that it would choose next.

# %%
sentence = text[20_000:20_090].replace("\n", " ")
x = model.embedding(alphabet.encode(sentence)[:, None])
letters = Tensor(x.data, name="x")
outputs, _ = nn.unroll(model.cell, letters)
score = model.readout(outputs[-1])[0].max()
viz.keep(viz.text_connectivity(score, text=sentence, log=True), "04_connectivity.svg")

# %% [markdown]
# And what does a single unit do? Some follow words, some lines, some brackets (Karpathy, Johnson
# and Li 2015). Most mean nothing to us. This one differs most between spaces and other characters.

# %%
h = stack(outputs).data[:, 0]
spaces = np.array([s == " " for s in sentence])
UNIT = int(np.abs(h[spaces].mean(axis=0) - h[~spaces].mean(axis=0)).argmax())
viz.keep(viz.text_activation(outputs, text=sentence, unit=UNIT), "04_unit.svg")

# %% [markdown]
# ## The wrong way: never its own words
#
# Teacher forcing has a price. In training the model reads only what people wrote; when it writes,
# it reads itself. A mistake takes it to places where it has never been. So its loss on its *own*
# text, scored by the same model, is no measure of quality: at a low temperature it is tiny, and the
# text is dull.


# %%
def own_loss(sample):
    codes = alphabet.encode(sample)[:, None]
    with no_grad():
        return model.loss(codes[:-1], codes[1:])[0].item()


dull = write("The ", 400, 0.1, np.random.default_rng(2))
wild = write("The ", 400, 1.0, np.random.default_rng(2))
for name, sample in (("dull", dull), ("wild", wild)):
    words = sample.split()
    print(f"{name}: {own_loss(sample):.2f} nats by its own judgement", end=", ")
    print(f"{len(set(words))} different words among {len(words)}")
assert own_loss(dull) < 0.5 * REACHED < own_loss(wild)

# %% [markdown]
# ## Play with it
#
# Eight characters, forward and then backward. Pin the loss of the last step: how far back does its
# gradient reach?

# %%
word = "The func"
codes = alphabet.encode(word)[:, None]
outputs, _ = nn.unroll(model.cell, model.embedding(codes[:-1]))
guesses = zip(word[1:], outputs, codes[1:], strict=True)
losses = {s: nn.cross_entropy(model.readout(output), code) for s, output, code in guesses}
options = {"losses": losses, "labels": word[:-1], "title": "Seven guesses"}
viz.keep(lambda: viz.play(sum(losses.values()), **options), "04_player.html")

# %% [markdown]
# ## In the library this is
#
# ```python
# tasks.chunks(numbers, batch, steps)        # rows that continue, so that a state can be carried
# fit(model, batch, optimiser, state=state)  # carries and detaches the state, restarts it
# nn.decode(step, x, state, choose=draw)      # writes on: the most likely, or what `draw` draws
# ```
#
# ## In torch, Keras and JAX this is
#
# ```python
# out, state = lstm(embed(x), state)                    # torch
# state = tuple(s.detach() for s in state)              # torch: yours to remember
# keras.layers.LSTM(96, stateful=True)                  # Keras carries it in the layer
# state, out = jax.lax.scan(cell, state, embed(x))      # JAX: stop_gradient(state) by hand
# ```
#
# ## The check

# %%
print(f"{REACHED:.3f} < pairs {BIGRAM:.3f} < frequencies {UNIGRAM:.3f} < all alike {np.log(V):.3f}")
assert REACHED < BIGRAM < UNIGRAM < np.log(V)

# %% [markdown]
# ## Exercises
#
# 1. ★ What is the perplexity of a model with a loss of 1.5 nats? The number to expect is 4.48. How
#    many bits per character are that?
# 2. ★★ Count a model of *three* characters and the next, as `entropy_of` does, on the first 100,000
#    characters of the text. Does it beat pairs?
# 3. ★★★ Write a function that samples with a temperature, and never draws a character of less than
#    a given probability.
#
# ## Questions
#
# 1. Why must the first loss be ln V?
# 2. What does teacher forcing feed to the network, and what does it read when it writes?
# 3. Which temperature gives back the model's own belief?
# 4. Why is a low loss on its own text no sign of quality?
# 5. What would change if the state were reset for every chunk?
#
# ## Read on
#
# * Karpathy (2015), "The unreasonable effectiveness of recurrent neural networks".
# * Karpathy, Johnson and Li (2015), "Visualizing and understanding recurrent networks", section 4.
# * Graves (2013), "Generating sequences with recurrent neural networks", section 3.
