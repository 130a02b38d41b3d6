"""What does the player cost: seconds, bytes, and frames per second while its slider moves?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import nn

FRAMES = 120
# From the first operation to the last gradient, a new place of the slider in every frame.
SCRUB = """async (frames) => {
    const slider = document.querySelector("#time"), start = performance.now();
    for (let k = 1; k <= frames; k++) {
        slider.value = Math.round((slider.max * k) / frames);
        slider.dispatchEvent(new Event("input"));
        await new Promise(requestAnimationFrame);
    }
    return [(1000 * frames) / (performance.now() - start), document.querySelectorAll("*").length];
}"""


def record(cells, steps):
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(cells, rng.standard_normal((steps, 2, 3)))
    return nn.mse_loss(outputs[-1], rng.standard_normal(outputs[-1].shape))


@pytest.mark.parametrize("steps", [10, 100, 1000])  # targets: below 3 MB, above 30 frames a second
def test_lstm(benchmark, browser, tmp_path, steps):
    loss = record(nn.LSTMCell(3, 4, rng=0), steps)
    path = tmp_path / "player.html"
    benchmark.pedantic(lambda: viz.play(loss, path), rounds=1 if steps > 100 else 3)
    page = browser.new_page(viewport={"width": 1500, "height": 800})
    page.goto(path.as_uri())
    page.wait_for_selector("[data-step]")
    opened = page.evaluate("performance.now()")
    speed, elements = page.evaluate(SCRUB, FRAMES)
    page.close()
    benchmark.extra_info |= {
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "seconds to open": round(opened / 1000, 2),
        "frames per second": round(speed),
        "elements": elements,
    }
    assert path.stat().st_size < 3e6
    assert elements < 5000  # however long: what is out of sight is not drawn


@pytest.mark.parametrize("steps", [10, 100, 1000])  # at most 25 frames each
def test_frames(benchmark, steps):
    loss = record(nn.LSTMCell(3, 4, rng=0), steps)
    made = []
    benchmark.pedantic(lambda: made.append(viz.frames(loss, "cell").html), rounds=1)
    benchmark.extra_info["megabytes"] = round(len(made[-1].encode()) / 1e6, 2)
    assert made[-1].count("<svg") > 2
