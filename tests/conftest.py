"""How do all tests run?"""

import os

from hypothesis import settings

# No deadline: a slow machine is no error. In CI the same examples every time.
settings.register_profile("anywhere", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "anywhere")
