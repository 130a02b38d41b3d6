"""Does the player run in a real browser, for every way to operate it?"""

import re
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, named, nn, scope

NASTY = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def show(browser, tmp_path):
    """A function that opens a player; at the end nothing was requested and nothing complained."""
    complaints, requests, contexts = [], [], []

    def run(player, **options):
        path = player.save(tmp_path / "player.html")
        contexts.append(browser.new_context(viewport={"width": 1500, "height": 800}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("[data-node]")
        return page

    yield run
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith("file://") and url.endswith("player.html") for url in requests)


def frame(page):
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


def at(page):
    return int(page.locator("#time").input_value())


@pytest.mark.parametrize("part", [0, 0.3, 0.5, 1])
def test_the_slider_colours_exactly_the_edges_whose_gradient_has_arrived(part, record, show):
    loss = record(nn.LSTMCell(3, 4, rng=0), steps=4)
    player = viz.play(loss)
    page = show(player)
    turn = round(part * player.data["sweeps"][0]["count"])
    page.evaluate(
        "p => { const s = document.querySelector('#time'); s.value = p;"
        " s.dispatchEvent(new Event('input')); }",
        player.data["count"] + turn,
    )
    frame(page)
    coloured = page.eval_on_selector_all(
        ".edge.gradient, .edge.zero", "all => all.map(x => x.dataset.edge ?? 'l' + x.dataset.link)"
    )
    expected = set()
    for b, block in enumerate(player.data["blocks"]):
        shape, back = player.data["shapes"][block["shape"]], block["sweeps"][0]
        times = player.data["patterns"][back["times"]][2 * len(shape["nodes"]) :]
        for k, when in enumerate(times):
            if when is not None and when + back["start"] <= turn:
                expected.add(f"{b}.{k}")
    for k, link in enumerate(player.data["links"]):
        if link["sweeps"][0][1] is not None and link["sweeps"][0][1] <= turn:
            expected.add(f"l{k}")
    assert sorted(coloured) == sorted(expected)
    assert (len(expected) > 0) == (turn > 0)


def test_keys_move_through_time(record, show):
    player = viz.play(record(nn.RNNCell(3, 4, rng=0)))
    page, end = show(player), player.data["count"] + player.data["sweeps"][0]["count"]
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home", "Shift+ArrowRight"):
        page.keyboard.press(key)
        seen.append(at(page))
    assert seen[:5] == [1, 2, 1, end, 0]
    assert 1 < seen[5] < end
    page.keyboard.press(" ")
    page.wait_for_function("() => Number(document.querySelector('#time').value) > 12")
    page.keyboard.press(" ")
    frame(page)
    stopped = at(page)
    frame(page)
    assert at(page) == stopped
    assert "forward" in page.locator("#phase").inner_text()


def test_playing_ends_with_the_last_operation(record, show):
    page = show(viz.play(record(nn.RNNCell(3, 4, rng=0))))
    page.keyboard.press("End")
    end = at(page)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press(" ")
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.wait_for_selector("#play[aria-label=Play]")
    assert at(page) == end


def test_what_is_traced_is_where_the_gradient_goes(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=4)))
    page.keyboard.press("End")
    page.locator(".k-state").last.focus()
    page.keyboard.press("Enter")
    traced = page.eval_on_selector_all(
        "[data-node].traced",
        """all => all.map((el) => {
          const [b, n] = el.dataset.node.split(".").map(Number);
          return [shapeOf(b).nodes[n].name, blocks[b].nodeTimes[n].came];
        })""",
    )
    assert all(came is not None for _, came in traced)
    assert {"W_h", "b_x", "f", "c"} <= {name for name, _ in traced}


def test_steps_close_and_open_and_nodes_speak(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=4)))
    page.keyboard.press("End")
    nodes = page.locator("[data-node]").count()
    page.locator("#collapse").click()
    frame(page)
    assert page.locator("[data-node]").count() < nodes / 4
    step = page.locator("[role=button][aria-expanded=false]").first
    step.focus()
    page.keyboard.press("Enter")
    frame(page)
    assert page.locator("[aria-expanded=true]").count() == 1
    page.locator(".k-state").first.focus()
    card = page.locator("#card").inner_text()
    for word in ("operation", "2×4 float64", "lstm · t = 0", "mean", "‖gradient‖", "∂a = g"):
        assert word in card
    page.keyboard.press("Enter")
    assert page.locator(".tracing .traced").count() > 1
    page.keyboard.press("Escape")
    assert page.locator(".tracing").count() == 0


def test_cells_of_one_step_open_one_by_one_and_with_shift_together(record, show):
    cells = nn.RNNCell(3, 4, rng=0), nn.GRUCell(4, 4, rng=1)
    page = show(viz.play(record(*cells, steps=4)))
    opened = page.locator("[data-step][aria-expanded=true]")
    assert opened.count() == 8  # a short net opens in every detail
    page.locator("[aria-label='layer 2 · gru · t = 1']").focus()
    page.keyboard.press("Enter")
    frame(page)
    assert opened.count() == 7
    bar = page.locator("[aria-label='layer 2 · gru · t = 1']")
    assert bar.get_attribute("aria-expanded") == "false"
    page.keyboard.press("Shift+Enter")  # opens it, and with it all of its step
    frame(page)
    assert opened.count() == 8
    page.keyboard.press("Shift+Enter")
    frame(page)
    assert opened.count() == 6
    bar.locator(".title").evaluate("one => one.parentElement.dispatchEvent(new Event('click'))")
    frame(page)
    assert opened.count() == 7
    page.locator("#expand").click()
    frame(page)
    assert opened.count() == 8


def test_a_closed_cell_bears_its_own_time(show):
    cell, xs = nn.RNNCell(3, 4, rng=0), np.ones((4, 2, 3))
    _, state = nn.unroll(cell, xs)
    with scope("decoder"):
        decoded, _ = nn.unroll(cell, xs, state)
    page = show(viz.play((decoded[-1] * decoded[-1]).sum()))
    page.locator("#collapse").click()
    frame(page)
    titles = page.locator(".bar .title").all_text_contents()
    assert [title.strip() for title in titles] == list("01230123")


@pytest.mark.parametrize("closed", [False, True])
def test_no_edge_crosses_a_cell_that_it_does_not_join(closed, show):
    net = nn.LSTM(3, 4, num_layers=2, bidirectional=True, rng=0)
    outputs, _ = net(np.ones((4, 2, 3)))
    page = show(viz.play((outputs[-1] * outputs[-1]).sum()))
    if closed:
        page.locator("#collapse").click()
        frame(page)
    crossed = page.evaluate("""() => {
        const found = [];
        for (const edge of document.querySelectorAll("#edges .line")) {
            const {ends: [a, , b]} = links[edge.parentElement.dataset.link];
            const long = edge.getTotalLength();
            for (let d = 0; d < long; d += 4) {
                const {x, y} = edge.getPointAtLength(d);
                blocks.forEach((block, k) => {
                    const {x: left, width, top, bottom} = box(k);
                    if (k !== a && k !== b && block.kind === "step" && x > left + 2 &&
                        x < left + width - 2 && y > top + 2 && y < bottom - 2)
                        found.push([links[edge.parentElement.dataset.link].name, a, b, k].join());
                });
            }
        }
        return [...new Set(found)];
    }""")
    assert crossed == []


def test_edges_from_line_to_line_have_a_lane_each(record, show):
    cells = nn.LSTMCell(3, 4, rng=0), nn.LSTMCell(4, 4, rng=1)
    page = show(viz.play(record(*cells, steps=4)))
    assert page.evaluate("lines") == 2
    paths = page.evaluate("links.filter((one) => one.lane).map(route)")
    assert len(paths) == 4  # h and c of two layers
    # M start L … Q corner … : the corners are where a edge turns
    corners = [re.findall(r"Q([-\d.]+),([-\d.]+)", path) for path in paths]
    for k, axis in ((0, 0), (1, 1), (2, 0)):  # down, along and down again
        places = sorted(float(corner[k][axis]) for corner in corners)
        assert min(b - a for a, b in pairwise(places)) >= 4


def test_search_finds_a_gate_by_its_letter(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=4)))
    page.keyboard.press("/")
    page.keyboard.type("f")
    assert page.locator("#found").inner_text() == "4 found"
    assert page.locator(".hit").count() == 4


def test_search_opens_the_cell_of_what_it_finds(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=40)))
    page.keyboard.press("/")
    page.keyboard.type("f")
    assert page.locator("#found").inner_text() == "40 found"
    for _ in range(20):
        page.keyboard.press("Enter")
    frame(page)
    assert page.locator("#found").inner_text() == "20 of 40"
    found = page.locator("[aria-label='t = 19'][aria-expanded=true]")
    assert found.count() == 1
    here, around = found.bounding_box(), page.locator("#graph").bounding_box()
    middle = here["x"] + here["width"] / 2
    assert around["x"] < middle < around["x"] + around["width"]
    page.keyboard.press("Escape")
    page.keyboard.press("Home")  # keys work again
    assert at(page) == 0


def test_a_step_without_a_state_is_coloured_by_what_it_computes(show):
    w, parts = Tensor(np.ones((2, 2)), name="w"), []
    for t in range(3):
        with scope("step", t=t):
            parts.append(named(y=w * np.full((2, 2), 1e3)).sum())
    page = show(viz.play(parts[0] + parts[1] + parts[2]))
    page.keyboard.press("End")
    frame(page)
    # the parameter's own gradient, the sum over all steps, is not that of a step
    assert (
        page.evaluate("blocks.filter((x) => x.kind === 'step').map((x) => x.best.norm)") == [2] * 3
    )


def test_nasty_names_stay_text_on_the_page(show):
    x = Tensor(np.ones(2), name=NASTY)
    with scope(NASTY, t=0):
        loss = named(**{NASTY: x * 2.0}).sum()
    page = show(viz.play(loss, labels=[NASTY], losses={NASTY: loss}, title=NASTY))
    page.keyboard.press("End")
    page.locator(".k-value, .k-input, .k-parameter").first.focus()
    frame(page)
    assert page.locator("img").count() == 0
    assert page.title() == NASTY


def test_dark_and_light_look_different_and_neither_is_empty(record, show):
    player, pictures = viz.play(record(nn.GRUCell(3, 4, rng=0))), []
    for scheme in ("light", "dark"):
        page = show(player, color_scheme=scheme)
        page.keyboard.press("End")
        frame(page)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        pictures.append((paper, page.screenshot()))
    assert pictures[0][0] == "rgb(255, 255, 255)" != pictures[1][0]
    assert all(len(png) > 30_000 for _, png in pictures)  # an empty page has about 5 kB


def test_the_button_turns_day_into_night_and_the_gradients_with_it(record, show):
    page, seen = show(viz.play(record(nn.GRUCell(3, 4, rng=0)))), []
    page.keyboard.press("End")
    frame(page)
    for _ in range(3):
        seen.append(
            page.evaluate("""() => ["body", ".k-state .face", ".link.gradient"].map((one) => {
                const style = getComputedStyle(document.querySelector(one));
                return [style.backgroundColor, style.fill, style.color].join();
            })""")
        )
        page.get_by_role("button", name="Light or dark").click()
    assert seen[0] == seen[2]
    assert all(day != night for day, night in zip(seen[0], seen[1], strict=True))


def test_a_printed_page_is_light_shows_the_view_and_has_no_controls(record, show):
    player = viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=4), title="an LSTM")
    page = show(player, color_scheme="dark")
    page.keyboard.press("End")
    page.keyboard.press("+")
    frame(page)
    before = page.evaluate("[camera.k, camera.x, camera.y]")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1040, "height": 720})  # about A4 on its side
    frame(page)
    assert page.evaluate("[camera.k, camera.x, camera.y]") == before
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for control in ("button", "input", "select", "#strip", "#card", ".keys"):
        assert not any(one.is_visible() for one in page.locator(control).all()), control
    assert page.get_by_role("heading", name="an LSTM").is_visible()
    assert page.locator("#phase").is_visible()
    assert page.locator("#legend").is_visible()
    seen = page.locator("#graph").bounding_box()
    assert seen["width"] <= 1040
    assert seen["height"] > 300
    darkest = page.evaluate(
        "getComputedStyle(document.querySelector('.link.gradient.strong')).getPropertyValue('--norm')"
    )
    assert darkest.strip() == page.evaluate(
        "document.querySelector('.link.gradient.strong').style.getPropertyValue('--day')"
    )
    assert len(page.screenshot()) > 30_000
    page.emulate_media(media="screen")
    frame(page)
    assert page.evaluate("[camera.k, camera.x, camera.y]") == before


def test_it_prints_on_one_sheet(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=4)), color_scheme="dark")
    page.keyboard.press("End")
    frame(page)
    paper = page.pdf(prefer_css_page_size=True, print_background=True)
    assert paper.count(b"/Type /Page\n") == 1
    assert len(paper) > 20_000
    width, height = (
        float(v) for v in re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper).groups()
    )
    assert width > height


def touch(page, *moments):
    """Fingers on the screen, moment after moment; at the end they are lifted."""
    session = page.context.new_cdp_session(page)
    for k, points in enumerate(moments):
        session.send(
            "Input.dispatchTouchEvent",
            {
                "type": "touchMove" if k else "touchStart",
                "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)],
            },
        )
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    frame(page)


def test_one_finger_drags_and_two_zoom(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=4)), has_touch=True)
    view = "[camera.k, camera.x, camera.y]"
    k, x, y = page.evaluate(view)
    touch(page, [(700, 400)], [(690, 395)], [(640, 370)])
    assert page.evaluate(view) == [k, pytest.approx(x - 60), pytest.approx(y - 30)]
    assert page.locator(".tracing").count() == 0  # a drag is no click
    around = page.locator("#graph").bounding_box()
    point = page.evaluate("(p) => (p - camera.x) / camera.k", 700 - around["x"])
    spread = [[(700 - d, 400), (700 + d, 400)] for d in (50, 60, 80, 100)]
    touch(page, *spread)
    wide = page.evaluate("camera.k")
    assert wide == pytest.approx(2 * k, rel=0.02)
    # what was between the fingers is still there
    assert page.evaluate("(p) => (p - camera.x) / camera.k", 700 - around["x"]) == (
        pytest.approx(point, abs=2)
    )
    touch(page, *reversed(spread))
    assert page.evaluate("camera.k") == pytest.approx(k, rel=0.02)
    before = page.evaluate("camera.x")  # two fingers drag, too
    touch(page, [(600, 400), (700, 400)], [(650, 400), (750, 400)])
    assert page.evaluate("camera.x") == pytest.approx(before + 50, abs=1)
    assert page.evaluate("fingers.size") == 0


def test_a_tap_opens_a_cell_and_shows_a_card(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=4)), has_touch=True)
    page.locator(".k-state .face").first.tap()
    frame(page)
    assert page.locator("#card").is_visible()
    assert page.locator(".tracing").count() == 1
    page.locator("#collapse").tap()
    frame(page)
    assert page.locator("[aria-expanded=true]").count() == 0
    page.locator("[data-step] .box").first.tap(position={"x": 5, "y": 5})
    frame(page)
    assert page.locator("[aria-expanded=true]").count() == 1


def test_the_mouse_drags_zooms_and_hovers(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=4)))
    page.keyboard.press("End")
    page.locator(".k-state .face").first.hover()
    assert "‖gradient‖" in page.locator("#card").inner_text()
    page.mouse.move(700, 740)
    assert not page.locator("#card").is_visible()
    x = page.evaluate("camera.x")
    page.mouse.down()
    page.mouse.move(650, 740, steps=3)
    page.mouse.up()
    assert page.evaluate("camera.x") == pytest.approx(x - 50)
    page.mouse.move(600, 700)  # released, it holds nothing
    assert page.evaluate("camera.x") == pytest.approx(x - 50)
    k = page.evaluate("camera.k")
    page.mouse.wheel(0, -100)
    page.wait_for_function("(k) => camera.k > k", arg=k)
    page.set_viewport_size({"width": 1200, "height": 700})  # keeps what the reader chose
    frame(page)
    assert page.evaluate("camera.k") > k


def test_controls_have_names_for_those_who_do_not_see_them(record, show):
    page = show(viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=2), title="my net"))
    for role, name in [
        ("button", "Play"),
        ("button", "Light or dark"),
        ("slider", "Operations done, forward then backward"),
        ("searchbox", "Search by name"),
        ("combobox", "Speed"),
        ("group", "my net: the unrolled graph"),
        ("group", "Legend"),
        ("button", "t = 1"),
        ("img", "f = σ, 2×4, t = 1"),
    ]:
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name
    unnamed = page.eval_on_selector_all(
        "button, input, select, [tabindex]",
        "all => all.filter(x => !x.ariaLabel && !x.textContent.trim() && !x.labels?.length).length",
    )
    assert unnamed == 0
    page.keyboard.press("End")
    assert page.locator("#time").get_attribute("aria-valuetext").startswith("backward")


def test_a_thousand_steps_fit_into_three_megabytes_and_are_drawn_on_demand(record, show):
    player = viz.play(record(nn.LSTMCell(3, 4, rng=0), steps=1000))
    assert len(player.html.encode()) < 3e6
    assert len(player.data["shapes"]) < 10
    page = show(player)
    page.keyboard.press("End")
    frame(page)
    assert page.locator(".edge.gradient").count() > 5
    assert page.locator("svg *").count() < 3000
    page.locator("#expand").click()
    frame(page)
    assert page.locator("svg *").count() < 3000


def test_players_in_a_notebook_run_inline_and_do_not_meet(record, browser, tmp_path):
    outputs = [
        viz.play(record(cell(3, 4, rng=0), steps=2))._repr_mimebundle_()["text/html"]
        for cell in (nn.RNNCell, nn.GRUCell)
    ]
    path = tmp_path / "notebook.html"
    # as JupyterLab puts it onto its page: the text into an element, then its scripts run
    path.write_text(
        "<!DOCTYPE html><style>text { fill: red !important } .node { display: none }</style>"
        + "".join(f"<div class='output'>{output}</div>" for output in outputs),
        encoding="utf-8",
    )
    page, complaints = browser.new_page(viewport={"width": 1100, "height": 1400}), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    inner = [page.frame_locator("iframe").nth(k) for k in (0, 1)]
    for one in inner:
        one.locator("[data-node]").first.wait_for()
    assert page.locator("iframe").count() == 2
    assert page.locator("img").count() == 0
    inner[0].locator("#time").fill("7")
    inner[1].locator(".k-value").first.click()  # a node: where its gradient goes
    page.keyboard.press("ArrowRight")
    inner[1].locator("#phase", has_text="forward 1 /").wait_for()
    assert inner[0].locator("#phase").inner_text().startswith("forward 7 /")
    assert inner[1].locator(".tracing").count() == 1
    assert inner[0].locator(".tracing").count() == 0
    inner[0].locator("#play").click()
    inner[0].locator("#phase", has_text="backward").wait_for(timeout=20_000)
    assert len(page.screenshot()) > 60_000
    assert complaints == []
    page.close()


# -- honest extremes ------------------------------------------------------------------------------


def exploding():
    h = Tensor(np.full((1, 2), 1e10), name="h0")
    for t in range(20):
        with scope("step", t=t):
            h = named(h=h * 1e200)
    return (h * h).sum()


def vanishing():
    h = Tensor(np.full((1, 2), 0.5), name="h0")
    for t in range(8):
        with scope("step", t=t):
            h = named(h=h * 1e-80)
    return h.sum()


def missing():
    h = Tensor(np.array([[1.0, np.nan]]), name="h0")
    for t in range(3):
        with scope("step", t=t):
            h = named(h=h * 2.0)
    return (h * h).sum()


def unreached():
    h = Tensor(np.ones((1, 2)), name="h0")
    for t in range(3):
        with scope("step", t=t):
            h = named(h=h * 2.0)
    return tr.stop_gradient(h).sum()


@pytest.mark.parametrize(
    ("make", "look", "says"),
    [
        (exploding, ".broken", "NaN or ∞"),
        (missing, ".broken", "NaN or ∞"),
        (vanishing, ".zero", "exactly zero"),
        (unreached, ".edge.none", "no gradient"),
    ],
)
def test_extremes_look_as_the_legend_says(make, look, says, show):
    with np.errstate(all="ignore"):
        page = show(viz.play(make()))
    page.keyboard.press("End")
    frame(page)
    assert page.locator(look).count() > 0
    assert says in page.locator("#legend").inner_text()
    assert not re.search("undefined|NaN,|null", page.locator("#graph").inner_html())


def test_one_step_of_one_unit_is_a_picture(record, show):
    page = show(viz.play(record(nn.LSTMCell(1, 1, rng=0), steps=1, inputs=1)))
    for key in ("End", "Home", "Shift+ArrowRight", "Shift+ArrowLeft", "f", "c", "e"):
        page.keyboard.press(key)
        frame(page)
    assert page.locator("[data-node]").count() > 10


def test_a_record_without_time_is_a_picture(show):
    x = Tensor(np.ones(3), name="x")
    page = show(viz.play((x * 2.0).sum()))
    for key in ("End", "Shift+ArrowLeft", "f", "c", "e", "/"):
        page.keyboard.press(key)
        frame(page)
    assert page.locator("[data-node]").count() == 3


def test_the_gradient_of_one_of_two_losses_is_shown_alone(show):
    h, parts = Tensor(np.ones(2), name="h0"), {}
    for t in range(2):
        with scope("step", t=t):
            h = named(h=h * 2.0)
            parts[f"t = {t}"] = h.sum()
    page = show(viz.play(parts["t = 0"] + parts["t = 1"], losses=parts))
    page.keyboard.press("End")
    frame(page)
    whole = page.locator("#inside .edge.gradient").count()
    page.get_by_label("gradient of").select_option("t = 0")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    frame(page)
    assert 0 < page.locator("#inside .edge.gradient").count() < whole
    assert page.locator(".edge.none").count() > 0
