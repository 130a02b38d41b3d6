"""Where do compiled steps of the tests go?"""

import pytest


@pytest.fixture(scope="package", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Into one folder of this run, shared by its processes; not into the user's."""
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.getbasetemp()
        shared = base.parent if base.name.startswith("popen-") else base
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        yield
