"""Does the player tell what the record says, whole and in one file?"""

import json
import re
from collections import defaultdict

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, ancestors, grad, named, nn, scope
from viz.__main__ import main

NASTY = "</script><img src=x onerror=alert(1)>"


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def by_time(data, sweep=0):
    """Every drawn operation by the time of its birth: name, norm of its gradient, its turn."""
    found = {}
    for block in data["blocks"]:
        nodes, back = data["shapes"][block["shape"]]["nodes"], block["sweeps"][sweep]
        born, came = data["patterns"][block["times"]], data["patterns"][back["times"]]
        for k, node in enumerate(nodes):
            if "op" in node:
                turn = came[len(nodes) + k]
                found[born[k] + block["start"]] = (
                    data["ops"][node["op"]]["name"],
                    back["nodes"][k],
                    None if turn is None else turn + back["start"],
                )
    return found


def number(value):
    return float(str(value).replace("Infinity", "inf"))


@pytest.fixture(params=[nn.RNNCell, nn.LSTMCell, nn.GRUCell], ids=lambda cell: cell.__name__)
def loss(request, record):
    return record(request.param(3, 4, rng=0), steps=4)


# -- the numbers ----------------------------------------------------------------------------------


def test_operations_play_in_the_order_of_the_record_and_of_its_backward_pass(loss):
    data = data_of(viz.play(loss).html)
    operations = [x for x in ancestors(loss) if x.op]
    drawn = by_time(data)
    assert [drawn[k][0] for k in range(1, data["count"] + 1)] == [x.op.name for x in operations]
    turns = []
    leaves = [x for x in ancestors(loss) if x.op is None]
    grad(loss, leaves, on_edge=lambda node, k, g: turns.append(node))
    turns = list(dict.fromkeys(turns))
    assert data["sweeps"][0]["count"] == len(turns)
    found = {turn: operations[born - 1] for born, (_, _, turn) in drawn.items() if turn is not None}
    assert [found[k] for k in range(1, len(turns) + 1)] == turns


def test_the_gradient_of_a_value_is_there_when_the_last_part_of_it_has_arrived(loss):
    data = data_of(viz.play(loss).html)
    turns: dict[Tensor, int] = {}
    last = {loss: 1}

    def see(node, k, g):
        last[node.inputs[k]] = turns.setdefault(node, len(turns) + 1)

    grad(loss, [x for x in ancestors(loss) if x.op is None], on_edge=see)
    came = {}
    for block in data["blocks"]:
        back = block["sweeps"][0]
        born, times = data["patterns"][block["times"]], data["patterns"][back["times"]]
        for k, node in enumerate(data["shapes"][block["shape"]]["nodes"]):
            if "op" in node and times[k] is not None:
                came[born[k] + block["start"]] = times[k] + back["start"]
    operations = [x for x in ancestors(loss) if x.op]
    assert came == {k: last[x] for k, x in enumerate(operations, start=1) if x in last}


def test_a_record_with_gradients_in_it_plays_each_operation_where_it_happened():
    outputs, _ = nn.unroll((cell := nn.RNNCell(3, 4, rng=0)), np.ones((3, 2, 3)))
    slope = grad((outputs[-1] * outputs[-1]).sum(), cell.W_h, create_graph=True)
    loss = (slope * slope).sum()
    drawn = by_time(data_of(viz.play(loss).html))
    operations = [x.op.name for x in ancestors(loss) if x.op]
    assert [drawn[k][0] for k in range(1, len(operations) + 1)] == operations


def test_norms_of_gradients_are_those_of_the_record(loss):
    data = data_of(viz.play(loss).html)
    operations = [x for x in ancestors(loss) if x.op]
    norms = [np.linalg.norm(g) for g in grad(loss, operations, unused="zero")]
    for born, (_, norm, turn) in by_time(data).items():
        if turn is not None:
            np.testing.assert_allclose(norm, norms[born - 1], rtol=0.006)
    leaves = {x.name: x for x in ancestors(loss) if x.op is None}
    for leaf in data["leaves"]:
        norm = np.linalg.norm(grad(loss, leaves[leaf["name"]]))
        np.testing.assert_allclose(leaf["sweeps"][0][0], norm, rtol=0.006)


def test_edges_between_operations_of_a_step_carry_what_flows_between_them(loss):
    data = data_of(viz.play(loss).html)
    operations = [x for x in ancestors(loss) if x.op]
    flowing = defaultdict(list)

    def on_edge(node, k, g):
        flowing[node.inputs[k], node].append(np.linalg.norm(g))

    grad(loss, [x for x in ancestors(loss) if x.op is None], on_edge=on_edge)
    seen = defaultdict(list)
    for block in data["blocks"]:
        shape = data["shapes"][block["shape"]]
        born = data["patterns"][block["times"]]
        for edge, norm in zip(shape["edges"], block["sweeps"][0]["edges"], strict=True):
            if all("op" in shape["nodes"][k] for k in edge["ends"]):
                ends = [operations[born[k] + block["start"] - 1] for k in edge["ends"]]
                seen[tuple(ends)].append(norm)
    assert len(seen) > 20
    for ends, found in seen.items():
        np.testing.assert_allclose(sorted(found), sorted(flowing[ends]), rtol=0.006)


def test_statistics_of_values_are_those_of_the_record():
    x = Tensor(np.array([1.0, np.nan, -3.0]), name="x")
    with np.errstate(all="ignore"):
        data = viz.play((x * 2.0).sum()).data
    known = {
        node["label"]: value
        for block in data["blocks"]
        for node, value in zip(
            data["shapes"][block["shape"]]["nodes"], block["values"], strict=True
        )
    }
    assert known["x"] == [-3, -1, 1, 1]
    assert known["Σ"] == [None, None, None, 1]


def test_the_gradient_of_a_part_of_the_loss_is_that_part_alone():
    h, parts = Tensor(np.ones(2), name="h0"), {}
    for t in range(3):
        with scope("step", t=t):
            h = named(h=h * 2.0)
            parts[f"t = {t}"] = h.sum()
    data = data_of(viz.play(parts["t = 0"] + parts["t = 1"] + parts["t = 2"], losses=parts).html)
    assert [sweep["name"] for sweep in data["sweeps"]] == ["loss", "t = 0", "t = 1", "t = 2"]
    first = [norm for name, norm, turn in by_time(data, 1).values() if turn is not None]
    assert first == [pytest.approx(np.sqrt(2), abs=0.01), 1]  # h_0, and the sum it ends in


def test_zero_none_and_not_finite_stay_apart():
    x, y, z = (Tensor(np.ones(3), name=name) for name in "xyz")
    loss = (x * np.zeros(3)).sum() + (y * np.full(3, np.inf)).sum() + tr.stop_gradient(z).sum()
    data = data_of(viz.play(loss).html)
    given = {
        node["label"]: norm
        for block in data["blocks"]
        for node, norm in zip(
            data["shapes"][block["shape"]]["nodes"], block["sweeps"][0]["nodes"], strict=True
        )
    }
    assert (given["x"], given["y"], given["z"]) == (0, "Infinity", None)


@pytest.mark.parametrize(("steps", "hidden"), [(1, 1), (1, 4), (2, 1)])
def test_the_smallest_nets_play(steps, hidden, record):
    cell = nn.LSTMCell(3, hidden, rng=0)
    assert viz.play(record(cell, steps=steps)).data["count"] > 10


def test_every_operation_has_its_rule_as_a_formula(record):
    data = viz.play(record(nn.LSTMCell(3, 4, rng=0))).data
    rules = {(op["name"], *op["rules"]) for op in data["ops"]}
    assert ("multiply", "y = a × b", "∂a = g × b", "∂b = g × a") in rules
    assert ("tanh", "y = tanh(x)", "∂x = g (1 − y²)") in rules
    assert all(len(op["rules"]) > 1 for op in data["ops"])


# -- the file -------------------------------------------------------------------------------------


def test_the_same_net_gives_the_same_file(record):
    pages = [viz.play(record(nn.GRUCell(3, 4, rng=0))).html for _ in range(2)]
    assert pages[0] == pages[1]


def test_names_and_labels_are_text():
    x = Tensor(np.ones(2), name=NASTY)
    with scope(NASTY, t=0):
        h = named(**{NASTY: x * 2.0})
    player = viz.play((loss := h.sum()), labels=[NASTY], losses={NASTY: loss}, title=NASTY)
    page = player.html
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert NASTY in [column["label"] for column in data_of(page)["columns"] if "label" in column]
    inline = player._repr_mimebundle_()["text/html"]
    assert inline.count("</script>") == 1
    assert inline.count("<img") == 1  # ours


def test_a_notebook_gets_an_image_and_a_script_that_replaces_it(record):
    bundle = viz.play(record(nn.RNNCell(3, 4, rng=0)))._repr_mimebundle_()
    assert re.match(r'<div class="player-\w+"><img alt="loss[^>]*base64,\w', bundle["text/html"])
    assert "srcdoc" in bundle["text/html"]
    assert bundle["text/plain"].startswith("<player of ")


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        (lambda x: np.ones(3), TypeError, "play: expected a Tensor"),
        (lambda x: x, ValueError, "play: nothing was recorded"),
        (lambda x: x * 2.0, ValueError, "play: a gradient starts at one scalar"),
        (lambda x: (tr.stop_gradient(x.detach())).sum() * 1, ValueError, "float Tensor"),
    ],
)
def test_mistakes_are_explained(what, error, says):
    x = Tensor(np.ones(3, dtype=int) if says == "float Tensor" else np.ones(3))
    with pytest.raises(error, match=says):
        viz.play(what(x))


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"losses": [1.0]}, TypeError, "losses must be the parts of the loss by name, got a list"),
        ({"losses": np.ones(3)}, TypeError, "by name, got a ndarray"),
        ({"losses": {"a": 1.0}}, TypeError, r"losses\['a'\]: expected a Tensor"),
        ({"labels": 5}, TypeError, "one thing to write on each step, got a int"),
        ({"budget": 0}, ValueError, "budget must be a whole number"),
    ],
)
def test_mistakes_beside_the_loss_are_explained(options, error, says, record):
    with pytest.raises(error, match=says):
        viz.play(record(nn.RNNCell(3, 4, rng=0)), **options)


def test_a_part_called_loss_does_not_take_the_place_of_the_whole():
    x = Tensor(np.ones(2), name="x")
    part = (x * 2.0).sum()
    data = viz.play(part + (x * 3.0).sum(), losses={"loss": part, 1: part, "1": part}).data
    assert [sweep["name"] for sweep in data["sweeps"]] == ["loss", "loss", "1", "1"]
    counts = [sweep["count"] for sweep in data["sweeps"]]
    assert counts[0] > counts[1] == counts[2]


@pytest.mark.parametrize(
    "name",
    ['"a"', "a'b", "a\nb", "<!--<script>", "\u2028", "\\", "{data}{style}", "\ud83d", "🐍" * 99],
)
def test_any_text_may_be_a_name_a_label_or_a_title(name, tmp_path):
    x = Tensor(np.ones(2), name=name)
    with scope(name, t=0):
        loss = named(**{name: x * 2.0}).sum()
    player = viz.play(loss, labels=[name], losses={name: loss}, title=name)
    page = player.save(tmp_path / "player.html").read_text(encoding="utf-8")
    data = data_of(page)
    assert data["sweeps"][1]["name"] == name
    assert name in [column.get("label") for column in data["columns"]]
    assert page.count("</script>") == 2
    assert player._repr_mimebundle_()["text/html"].count("</script>") == 1


def test_too_much_and_too_far_are_explained(record, tmp_path):
    loss = record(nn.RNNCell(3, 4, rng=0))
    with pytest.raises(ValueError, match="more than the budget of 5"):
        viz.play(loss, budget=5)
    with pytest.raises(ValueError, match="not in the record of the loss"):
        viz.play(loss, losses={"other": record(nn.RNNCell(3, 4, rng=0))})
    with pytest.raises(ValueError, match=r"Name it \.html"):
        viz.play(loss, tmp_path / "player.svg")
    with pytest.raises(OSError, match="cannot write"):
        viz.play(loss, tmp_path / "none" / "player.html")
    assert not list(tmp_path.iterdir())


def test_without_a_renderer_it_says_how_to_install_one(record, no_renderer):
    with pytest.raises(viz.NoRenderer, match="Install Graphviz"):
        viz.play(record(nn.RNNCell(3, 4, rng=0)))


def test_the_command_plays_a_text(tmp_path, capsys):
    path = tmp_path / "hello.html"
    assert main(["play", "lstm", "--text", "hello world", "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    data = data_of(path.read_text(encoding="utf-8"))
    labels = [column["label"] for column in data["columns"] if "t" in column]
    assert "".join(labels) == "hello worl"
    assert [sweep["name"] for sweep in data["sweeps"]][:2] == ["loss", "t = 0, 'e'"]
    assert main(["play", "gru", "--text", "h", "-o", str(path)]) == 2
    assert "--text must have 2 … 10000 characters" in capsys.readouterr().err
