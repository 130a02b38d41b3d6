"""Does what a user of torch, Keras, JAX or NumPy types run, or say the line to write?

Each snippet is as it would be typed there, with the package imported as the other one is. The first
lines run; the last is answered, where `ANSWERED` has what it must say.
"""

import numpy as np
import pytest

import tinygrad_rnn as tg
import viz
from tinygrad_rnn import nn, tasks, train

TORCH_MODEL = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 8, num_layers=2, batch_first=True)
        self.heads = nn.ModuleList([nn.Linear(8, 2), nn.Linear(8, 1)])
    def forward(self, x):
        out, (h, c) = self.rnn(x)
        return self.heads[0](out[:, -1])

model = Net()
optimizer = train.Adam(model.parameters(), lr=1e-2)
x, y = np.random.randn(4, 5, 3), np.array([0, 1, 1, 0])
for epoch in range(2):
    optimizer.zero_grad()
    loss = nn.cross_entropy(model(x), y)
    loss.backward()
    train.clip_grad_norm(model.parameters(), 1.0)
    optimizer.step()
for name, p in model.named_parameters():
    assert p.grad is None or p.grad.shape == p.shape
losses = [loss.item(), loss.detach().numpy()]
model.load_state_dict(model.state_dict())
"""

RUN = {
    "torch: a model and its loop": TORCH_MODEL,
    "torch: Sequential": """
model = nn.Sequential(nn.Linear(3, 4), tg.relu, nn.Linear(4, 1))
out = model(np.ones((2, 3)))
assert out.numel() == 2 and out.flatten().shape == (2,) and out.squeeze().ndim == 1
""",
    "Keras: compile and fit": """
class Model(nn.Module):
    def __init__(self):
        self.net = nn.many_to_one(2, 8, 1, cell=nn.GRUCell)
    def loss(self, xs, targets, lengths, *rest):
        return nn.mse_loss(self.net(xs, lengths=lengths), targets)

model = Model()
data = [tasks.adding(4, 6, rng=k) for k in range(3)]
history = train.fit(model, data=data, epochs=2, optimiser=train.Adam(model), progress=False,
                    callback=lambda run: None, validate=lambda: 1.0, every=3, patience=9)
assert len(history.losses) == 6
nn.summary(model.net, data[0].xs)
""",
    "JAX: gradients by a tree of parameters": """
params = {"W": tg.Tensor(np.ones((3, 2))), "b": tg.Tensor(np.zeros(2))}
def loss(params, x):
    return ((x @ params["W"] + params["b"]) ** 2).mean()
grads = tg.grad(loss(params, np.ones((4, 3))), params)
params = tg.tree.map(lambda p, g: tg.Tensor(p.data - 0.1 * g), params, grads)
step = tg.compile(loss)
value, grads = step(params, np.ones((4, 3)))
""",
    "NumPy: an RNN by hand": """
W, U = tg.Tensor(np.random.randn(3, 4)), tg.Tensor(np.random.randn(4, 4))
x, h, hs = np.random.randn(5, 2, 3), np.zeros((2, 4)), []
for t in range(5):
    h = tg.tanh(x[t] @ W + h @ U)
    hs.append(h)
H = tg.stack(hs, axis=0)
H = tg.swapaxes(tg.concatenate([H, H], axis=-1), 0, 1)
assert H.shape == (2, 5, 8) and H.sum(axis=(0, 1)).max().ndim == 0
dW, dU = tg.grad((H ** 2).mean(), [W, U])
""",
}

# the line that is answered, and what the answer must hold
ANSWERED = {
    "torch: a mode": ("nn.Linear(2, 3).eval()", "there is no mode: pass rng"),
    "torch: a device": ("nn.Linear(2, 3).to('cuda')", "one device"),
    "torch: view": ("tg.Tensor([[1.0, 2.0]]).view(-1)", "t.reshape(2, -1)"),
    "torch: cat over dim": ("tg.cat([1, 2], dim=0)", "concatenate(tensors, axis=0)"),
    "torch: sum over dim": ("tg.Tensor([[1.0]]).sum(dim=1)", "Here it is axis="),
    "torch: a loss object": ("nn.CrossEntropyLoss()", "nn.cross_entropy(logits, labels)"),
    "torch: a seed": ("tg.manual_seed(0)", "pass rng=0"),
    "torch: a global optimiser": ("tg.optim.Adam([], lr=0.1)", "train.Adam(model.parameters()"),
    "torch: a scheduler": ("train.cosine(train.Adam([tg.Tensor(1.0)]), 100)", "fit(schedule=…)"),
    "torch: in place": ("tg.Tensor([1.0, 2.0]).add_(1)", "t = t + u"),
    "torch: nonlinearity": ("nn.RNN(2, 3, nonlinearity='relu')", "Here it is activation="),
    "Keras: Dense": ("nn.Sequential(nn.Dense(3))", "nn.Linear(in_features, out_features)"),
    "Keras: return_sequences": ("nn.LSTM(3, 4, return_sequences=True)", "It takes input_size"),
    "Keras: learning_rate": ("train.Adam([tg.Tensor(1.0)], learning_rate=0.1)", "it is lr="),
    "Keras: model.fit": ("nn.Linear(2, 3).fit(1, 2, epochs=3)", "train.fit"),
    "Keras: units": ("nn.LSTM(3, units=4)", "Here it is hidden_size="),
    "Keras: a batch in place of a list": (
        "train.fit(nn.Linear(2, 3), [1], train.Adam(nn.Linear(2, 3)), epochs=3)",
        "has no method loss",
    ),
    "JAX: grad of a function": ("tg.grad(lambda x: x ** 2)(3.0)", "not a function: y = f(x)"),
    "JAX: scan": ("nn.scan(None, 0, [1])", "nn.unroll(cell, xs)"),
    "JAX: vmap": ("tg.vmap(lambda x: x)", "broadcast over leading axes"),
    "NumPy: np.sum": ("np.sum(tg.Tensor([1.0, 2.0]))", "sum"),
    "NumPy: assignment": ("tg.Tensor([1.0, 2.0])[0] = 3.0", "where(mask, v, t)"),
    "pictures: a plot": ("viz.make_dot(tg.Tensor(1.0))", "viz.unrolled(loss)"),
}


def names():
    return {"np": np, "tg": tg, "nn": nn, "train": train, "tasks": tasks, "viz": viz}


@pytest.mark.parametrize("name", RUN)
def test_it_runs_as_it_would_be_typed_there(name):
    np.random.seed(0)  # noqa: NPY002  (as it would be typed there)
    exec(RUN[name], names())


@pytest.mark.parametrize("name", ANSWERED)
def test_it_is_answered_with_the_line_to_write(name):
    line, says = ANSWERED[name]
    with pytest.raises((AttributeError, TypeError, ValueError)) as error:
        exec(line, names())
    assert says in str(error.value)
