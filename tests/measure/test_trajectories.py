"""Is the plane of a trajectory that of its principal components, also where there is hardly one?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, measure, nn


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    return rng.standard_normal((20, 3, 5)) * [4.0, 2.0, 1.0, 0.5, 0.1] + 7


def test_the_directions_are_the_eigenvectors_of_the_covariance(points):
    plane = measure.principal_plane(points)
    values, vectors = np.linalg.eigh(np.cov(points.reshape(-1, 5).T))
    np.testing.assert_allclose(plane.explained, values[:-3:-1] / values.sum(), rtol=1e-10)
    overlap = np.abs(plane.directions @ vectors[:, :-3:-1])
    np.testing.assert_allclose(overlap, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(plane.mean, points.mean(axis=(0, 1)))


def test_points_of_a_plane_keep_their_distances(points):
    flat = points[..., :2] @ np.linalg.qr(points[1:6, 0, :2])[0].T
    plane = measure.principal_plane(flat)
    seen = plane.project(flat)
    assert plane.explained.sum() == pytest.approx(1)
    np.testing.assert_allclose(
        np.linalg.norm(seen[1:] - seen[:-1], axis=-1),
        np.linalg.norm(flat[1:] - flat[:-1], axis=-1),
    )


@pytest.mark.parametrize("factor", [-1.0, 1e200, 1e-200])
def test_the_plane_is_that_of_the_points_turned_around_or_in_other_units(points, factor):
    plane, other = measure.principal_plane(points), measure.principal_plane(points * factor)
    np.testing.assert_allclose(other.directions, plane.directions, atol=1e-10)
    np.testing.assert_allclose(other.explained, plane.explained)
    largest = np.take_along_axis(
        plane.directions, np.abs(plane.directions).argmax(axis=1)[:, None], axis=1
    )
    assert (largest > 0).all()


def test_what_is_not_finite_does_not_turn_the_plane(points):
    broken = points.copy()
    broken[3, 1] = np.nan
    broken[4, 2, 0] = np.inf
    kept = np.delete(points.reshape(-1, 5), [3 * 3 + 1, 4 * 3 + 2], axis=0)
    plane, expected = measure.principal_plane(broken), measure.principal_plane(kept)
    np.testing.assert_allclose(plane.directions, expected.directions)
    assert np.isnan(plane.project(broken)[3, 1]).all()


@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (1, 3), (2, 4), (0, 3), (6, 2)])
@pytest.mark.parametrize("value", [0.0, 1e300, np.nan])
def test_few_equal_huge_or_no_points_have_a_plane(shape, value):
    plane = measure.principal_plane(np.full(shape, value))
    count = min(2, shape[1])
    assert plane.directions.shape == (count, shape[1])
    np.testing.assert_allclose(plane.directions @ plane.directions.T, np.eye(count), atol=1e-12)
    np.testing.assert_array_equal(plane.explained, 0)


def test_the_states_of_a_record_come_out_with_their_components(tmp_path):
    xs = Tensor(np.random.default_rng(1).standard_normal((6, 2, 3)))
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), xs)
    found = measure.trajectories(outputs[-1])
    np.testing.assert_array_equal(found.states, np.stack([h.data for h in outputs]))
    columns = found.columns()
    assert list(columns) == ["t", "example", "component1", "component2", "h0", "h1", "h2", "h3"]
    assert {len(column) for column in columns.values()} == {12}
    assert measure.trajectories(outputs[-1], "c").letter == "c"
    assert found.csv(tmp_path / "a.csv").read_text(encoding="utf-8").count("\n") == 13
