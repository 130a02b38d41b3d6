"""Does every picture of a graph show honest extremes, and refuse nonsense in a sentence?"""

import inspect

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, named, nn, no_grad, scope

ALL = {
    "unrolled": viz.unrolled,
    "folded": viz.folded,
    "gradient_flow": viz.gradient_flow,
    "graph": viz.graph,
    "unfolding": viz.unfolding,
    "differences": lambda loss, *args, **how: viz.differences({"a": loss, "b": loss}, *args, **how),
    "forward_backward": viz.forward_backward,
    "truncation": viz.truncation,
    "zoom": viz.zoom,
}
WITH_GRADIENT = ("gradient_flow", "forward_backward", "truncation")
every_picture = pytest.mark.parametrize("picture", ALL)


def steps_of(factor, steps=3):
    """A linear recurrence: its gradient grows or shrinks by `factor` at each step."""
    h, W = Tensor(np.ones((1, 1)), name="h0"), Tensor(np.full((1, 1), factor), name="W")
    with np.errstate(all="ignore"):
        for t in range(steps):
            with scope("step", t=t):
                h = named(h=h @ W)
        return h.sum()


def lstm(steps, hidden=4):
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(nn.LSTMCell(3, hidden, rng=0), rng.standard_normal((steps, 2, 3)))
    return (outputs[-1] * outputs[-1]).sum()


def no_gradient():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((3, 2, 3)))
    return tr.stop_gradient(outputs[-1]).sum() + Tensor(1.0, name="a")


EXTREMES = {
    "exploding to inf": lambda: steps_of(1e200),
    "vanishing to exact zero": lambda: steps_of(1e-200),
    "exactly zero": lambda: steps_of(0.0),
    "NaN": lambda: steps_of(np.nan),
    "one step": lambda: lstm(1),
    "1000 steps": lambda: lstm(1000),
    "hidden 1": lambda: lstm(3, hidden=1),
    "no gradient": no_gradient,
}


@pytest.mark.sampled(5)
@every_picture
@pytest.mark.parametrize("extreme", EXTREMES)
def test_every_picture_of_every_extreme_is_drawn(extreme, picture, parsed, count):
    drawing = ALL[picture](EXTREMES[extreme]())
    shown = parsed(drawing)
    assert shown.counts["node"] > 2
    for one in getattr(drawing, "panels", [drawing]):
        kinds = count(one)
        assert kinds["op"] + kinds["value"] + kinds["state"] <= 3_000  # the rest is left out
    looks = {edge.style.get("class") for edge in drawing.parts.edges()}
    if picture in WITH_GRADIENT:
        expected = {
            "exploding to inf": "not-finite",
            "vanishing to exact zero": "zero-gradient",
            "exactly zero": "zero-gradient",
            "NaN": "not-finite",
            "no gradient": "no-gradient",
        }
        assert expected.get(extreme, "gradient") in looks
    if extreme == "1000 steps" and picture in ("unrolled", "graph", *WITH_GRADIENT[:2]):
        assert any("of 1000 steps are left out" in text for text in shown.texts)


# -- one order of arguments ------------------------------------------------------------------------


@every_picture
def test_the_loss_comes_first_then_the_detail_then_options_by_keyword(picture):
    first, *rest = inspect.signature(getattr(viz, picture)).parameters.values()
    assert first.name == ("losses" if picture == "differences" else "loss")
    places = [p.name for p in rest if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert places in ([], ["detail"], ["op"])
    options = [p.name for p in rest if p.kind is p.KEYWORD_ONLY]
    known = ["t", "which", "element", "weights", "per_line", "budget", "across"]
    assert options == [name for name in known if name in options]
    assert picture == "zoom" or {"weights", "per_line", "budget"} <= set(options)
    assert all(word in (getattr(viz, picture).__doc__ or "") for word in [*places, *options])


# -- what is no loss, no detail, no number ---------------------------------------------------------


@every_picture
@pytest.mark.parametrize(
    "wrong",
    [None, 1.0, "loss", np.ones(3), [], {}, [[]], [None], object(), nn.RNNCell(3, 4), Tensor(1.0)],
    ids=lambda x: type(x).__name__,
)
def test_what_is_no_record_is_refused_by_the_name_of_the_picture(picture, wrong):
    with pytest.raises((TypeError, ValueError), match=f"^{picture}: ") as error:
        ALL[picture](wrong)
    assert len(str(error.value)) < 400


WRONG = [
    ("detail", "fine"),
    ("detail", None),
    ("detail", 3),
    ("detail", np.ones(2)),
    ("weights", "all"),
    ("weights", 0),
    ("weights", np.ones(2)),
    ("per_line", 0),
    ("per_line", -1),
    ("per_line", 2.5),
    ("per_line", True),
    ("per_line", np.ones(2)),
    ("budget", 0),
    ("budget", "all"),
    ("budget", None),
    ("budget", np.inf),
    ("across", 1),
    ("across", "yes"),
    ("t", "0"),
    ("t", 1.5),
    ("t", 99),
    ("which", -1),
    ("which", 1.0),
    ("which", None),
    ("element", 0),
    ("element", (0,)),
    ("element", (0, 99)),
    ("element", (0.0, 0)),
    ("element", "00"),
    ("op", "matmull"),
    ("op", 3),
]


@pytest.mark.parametrize(
    ("picture", "option", "wrong"),
    [
        (picture, option, wrong)
        for picture in ALL
        for option, wrong in WRONG
        if option in inspect.signature(getattr(viz, picture)).parameters
    ],
)
def test_a_wrong_option_is_refused_by_the_name_of_the_picture(picture, option, wrong):
    with pytest.raises((TypeError, ValueError), match=f"^{picture}: ") as error:
        ALL[picture](lstm(2), **{option: wrong})
    assert len(str(error.value)) < 400


def test_details_that_are_given_for_the_weights_by_mistake_are_refused():
    with pytest.raises(TypeError):
        viz.unrolled(lstm(2), "op", "hide")


def test_losses_of_another_record_cannot_be_differentiated():
    with no_grad():
        loss = lstm(2)
    with pytest.raises(ValueError, match="nothing was recorded"):
        viz.gradient_flow(loss)
