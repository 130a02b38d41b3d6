"""Can a result be read where it is printed, however long its record is?"""

import numpy as np
import pytest

from tinygrad_rnn import measure, nn, train

MEASURES = {
    "state_gradients": lambda outs, loss: measure.state_gradients(loss),
    "its row": lambda outs, loss: measure.state_gradients(loss)["c"],
    "gates": lambda outs, loss: measure.gates(loss),
    "step_jacobians": lambda outs, loss: measure.step_jacobians(loss),
    "reach": lambda outs, loss: measure.reach(loss)[0],
    "trajectories": lambda outs, loss: measure.trajectories(loss),
    "cost": lambda outs, loss: measure.cost(loss)[0],
    "lanes": lambda outs, loss: measure.lanes(loss)[0],
    "gradient_matrix": lambda outs, loss: measure.gradient_matrix([(h * h).sum() for h in outs]),
}


def measured(name, steps):
    outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((steps, 1, 2)))
    return MEASURES[name](outputs, (outputs[-1] * outputs[-1]).sum())


@pytest.mark.parametrize("name", MEASURES)
def test_a_result_says_how_much_there_is_in_one_line_of_any_record(name):
    short, long = (repr(measured(name, steps)) for steps in (12, 40))
    assert short.startswith(f"{type(measured(name, 12)).__name__}(")
    assert "\n" not in long
    assert len(long) < 600
    assert abs(len(long) - len(short)) < 60


def test_a_notebook_shows_the_first_rows_and_says_how_many_there_are():
    found = measured("state_gradients", 20)
    html = found._repr_html_()
    assert html.count("<tr>") == 1 + 8
    assert f"… {len(found.columns()['t']) - 8} more rows" in html
    assert "more rows" not in measured("state_gradients", 4)._repr_html_()
    assert measured("state_gradients", 4)._repr_html_().count("<tr>") == 1 + 2 * 4


def test_a_run_says_how_far_it_came_and_not_each_loss():
    run = train.Run(step=2000, losses=[4.53, *[2.0] * 1998, 1.4302], target="c")
    assert repr(run) == "<run of 2,000 steps, the last c, loss 4.53 → 1.43>"
    run.scores += [(1000, 1.75), (2000, 1.5)]
    assert repr(run).endswith("best score 1.5>")
    assert repr(train.Run()) == "<run of 0 steps, the last eager>"
