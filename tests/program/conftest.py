"""Where do compiled steps of the tests go?"""

import pytest

from tinygrad_rnn.program.runtime import compile as make


@pytest.fixture(scope="package", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Libraries into one folder of this run, shared by its processes; not into the user's.

    Programs nowhere: each test makes its own. Those of the cache itself ask for it.
    """
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.getbasetemp()
        shared = base.parent if base.name.startswith("popen-") else base
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        patch.setattr(make, "key_of", lambda *_: "")
        yield
