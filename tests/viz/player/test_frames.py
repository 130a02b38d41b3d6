"""Do frames show the record at several moments, in a page of their own?"""

import re

import pytest

import viz
from tinygrad_rnn import nn


def test_frames_show_what_is_known_at_each_moment(record):
    frames = viz.frames(record(nn.LSTMCell(3, 4, rng=0), steps=3))
    forward = [f"forward: t = {t}" for t in range(3)]
    backward = [f"backward: t = {t}" for t in (2, 1, 0)]
    ends = ["forward: after", "backward: after"]
    assert frames.captions == ["what is given", *forward, *ends, *backward]
    waiting = [svg.count('class="node reference"') for svg in frames.svgs]
    assert waiting[:5] == sorted(waiting[:5], reverse=True) != waiting[5:] == [0] * 4
    arrived = [svg.count('class="edge gradient"') for svg in frames.svgs]
    assert arrived[:5] == [0] * 5 != arrived[5:] == sorted(arrived[5:])


def test_cells_fade_in_one_after_the_other_and_nothing_moves(record):
    loss = record(nn.RNNCell(3, 4, rng=0), nn.RNNCell(4, 4, rng=1))
    frames = viz.frames(loss, "cell")
    names = [f"layer {k} · rnn · t = {t}" for k in (1, 2) for t in range(3)]
    assert frames.captions[1:7] == [f"forward: {name}" for name in names]
    assert frames.captions[-6:] == [f"backward: {name}" for name in reversed(names)]
    waiting = [svg.count('class="node reference"') for svg in frames.svgs[:8]]
    assert waiting == [7, 6, 5, 4, 3, 2, 1, 0]  # six cells and the loss
    sizes = {re.search(r"<svg[^>]*>", svg)[0] for svg in frames.svgs}
    assert len(sizes) == 1
    boxes = [re.findall(r'<(?:path|polygon)[^>]* d="([^"]*)"', svg) for svg in frames.svgs]
    assert all(len(set(places) & set(boxes[0])) > 15 for places in boxes)


def test_a_block_is_done_backward_when_all_its_edges_have_their_gradient(record):
    frames = viz.frames(record(nn.LSTMCell(3, 4, rng=0), steps=2), "cell")
    assert frames.captions[-2:] == ["backward: t = 1", "backward: t = 0"]
    arrived = [svg.count('class="edge gradient"') for svg in frames.svgs]
    # h and c from t = 0 to t = 1 are in the frame of t = 1 both
    assert arrived[-3:] == [arrived[-1] - 2, arrived[-1], arrived[-1]]


@pytest.mark.parametrize("detail", ["cell", "gate", "op"])
def test_no_more_frames_than_asked_for(detail, record):
    frames = viz.frames(record(nn.GRUCell(3, 4, rng=0), steps=20), detail, count=5)
    assert len(frames) == len(frames.svgs) == 5
    assert (frames.captions[0], frames.captions[-1]) == ("what is given", "backward: t = 0")


def test_frames_are_a_page_or_numbered_pictures(record, tmp_path):
    frames = viz.frames(record(nn.RNNCell(3, 4, rng=0)), "cell", count=3)
    assert "<img" not in frames.save(tmp_path / "all.html").read_text(encoding="utf-8")
    assert frames.save(tmp_path / "frame-.svg").name == "frame-2.svg"
    assert len(list(tmp_path.glob("frame-*.svg"))) == 3
    with pytest.raises(ValueError, match=r"Name it \.html"):
        frames.save(tmp_path / "all.png")
    with pytest.raises(ValueError, match="unknown detail 'scalar'"):
        viz.frames(record(nn.RNNCell(3, 4, rng=0)), "scalar")


def test_the_slider_of_frames_shows_one_of_them(record, browser, tmp_path):
    frames = viz.frames(record(nn.RNNCell(3, 4, rng=0)), count=4)
    page = browser.new_page()
    page.goto(frames.save(tmp_path / "frames.html").as_uri())
    page.locator("input").fill("1")
    assert page.locator("figure:visible").count() == 1
    assert page.locator("figcaption:visible").inner_text() == frames.captions[1]
    page.close()
