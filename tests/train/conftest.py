"""Where do compiled steps of the tests go?"""

import pytest
from building import built_soon


@pytest.fixture(scope="package", autouse=True)
def libraries_of_the_tests(tmp_path_factory):
    """Not among the user's."""
    with built_soon(tmp_path_factory):
        yield
