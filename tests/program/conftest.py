"""Where do compiled steps of the tests go?"""

import pytest
from building import built_soon

from tinygrad_rnn.program.runtime import compile as make


@pytest.fixture(scope="package", autouse=True)
def libraries_of_the_tests(tmp_path_factory):
    """Not among the user's."""
    with built_soon(tmp_path_factory):
        yield


@pytest.fixture(scope="package", autouse=True)
def programs_are_not_kept():
    """Each test makes its own programs. Those of the cache itself ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "key_of", lambda *_: "")
        yield
