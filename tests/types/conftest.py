"""Scripts to be checked are no tests."""

collect_ignore = ["right.py", "wrong.py"]
