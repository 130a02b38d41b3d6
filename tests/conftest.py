"""How do all tests run?"""

import os
import shutil
import zlib

import pytest
from hypothesis import settings

# No deadline: a slow machine is no error. In CI the same examples every time.
settings.register_profile("anywhere", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "anywhere")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as slow all but a sample of the cases of a test that has many: the same everywhere."""
    sampled = set()
    for item in items:
        if marker := item.get_closest_marker("sampled"):
            (every,) = marker.args
            test = item.nodeid.partition("[")[0]
            if zlib.crc32(item.name.encode()) % every == 0 or test not in sampled:
                sampled.add(test)
            else:
                item.add_marker(pytest.mark.slow)


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)


@pytest.fixture(scope="module")
def browser():
    """A real browser without a window; where there is none, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the playwright package")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is on the PATH")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()
