"""Do wires keep off boxes, texts and each other?"""

from itertools import pairwise

import pytest

from viz.layout.maze import DOWN, RIGHT, UP, Maze, NoWay, cells


def maze():
    return Maze((0, 0), (20, 20))


def test_a_wire_is_straight_where_it_can_be():
    path = maze().route("a", {((2, 3), RIGHT): 0}, {((15, 3), RIGHT): 0})
    assert path == [(2, 3), (15, 3)]


def test_a_wire_goes_around_a_wall_with_as_few_bends_as_possible():
    grid = maze()
    grid.block(8, 0, 10, 12)
    path = grid.route("a", {((2, 3), RIGHT): 0}, {((15, 3), DOWN): 0})
    assert len(path) == 5  # along, up, along, down
    passed = {cell for a, b in pairwise(path) for cell in cells(a, b)}
    assert not passed & grid.walls


def test_wires_of_two_values_cross_at_right_angles_only():
    grid = maze()
    grid.lay("a", [(0, 10), (20, 10)])
    path = grid.route("b", {((5, 2), UP): 0}, {((9, 18), UP): 0})
    upright = [a[0] == b[0] for a, b in pairwise(path)]
    crossing = [
        k for k, (a, b) in enumerate(pairwise(path)) if min(a[1], b[1]) < 10 < max(a[1], b[1])
    ]
    assert [upright[k] for k in crossing] == [True]
    assert all(y != 10 for _, y in path)  # it neither bends nor ends on the other


def test_a_bend_of_one_wire_is_a_wall_to_another():
    grid = maze()
    grid.lay("a", [(0, 10), (10, 10), (10, 20)])
    path = grid.route("b", {((10, 2), UP): 0}, {((15, 15), RIGHT): 0})
    passed = {cell for a, b in pairwise(path) for cell in cells(a, b)}
    assert (10, 10) not in passed


def test_the_second_wire_of_a_value_begins_on_the_first():
    grid = maze()
    grid.lay("a", [(0, 10), (20, 10)])
    starts = {((x, 10), None): 0 for x in range(2, 18)}
    assert grid.route("a", starts, {((7, 18), UP): 0}) == [(7, 10), (7, 18)]


def test_where_there_is_no_way_an_error_says_so():
    grid = maze()
    grid.block(8, 0, 8, 20)
    with pytest.raises(NoWay, match="too little room"):
        grid.route("a", {((2, 3), RIGHT): 0}, {((15, 3), RIGHT): 0})
