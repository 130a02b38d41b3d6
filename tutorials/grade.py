"""Which exercises are right? Writes sheets without solutions, and checks what was filled in.

An exercise is a function ``exercise_N`` in ``tutorials/solutions/NN.py``. A sheet is that file
without the lines between ``# BEGIN SOLUTION`` and ``# END SOLUTION``. An exercise is right if it
returns what the solution returns, so no answer is written down twice.
"""

import argparse
import contextlib
import io
import re
import runpy
import sys
from pathlib import Path

import numpy as np

SOLUTIONS = Path(__file__).parent / "solutions"
SOLUTION = re.compile(r"^( *)# BEGIN SOLUTION\n.*?^ *# END SOLUTION\n", re.MULTILINE | re.DOTALL)
YOURS = r"\1# YOUR CODE\n\1raise NotImplementedError\n"


def sheet(solution):
    """The text of a solution file without the solutions."""
    return SOLUTION.sub(YOURS, solution.read_text(encoding="utf-8"))


def write(folder):
    """Write a sheet per lesson; a sheet that is there already stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for solution in sorted(SOLUTIONS.glob("*.py")):
        path = folder / solution.name
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(sheet(solution))
            print(f"exercises: wrote {path}")
        except FileExistsError:
            print(f"exercises: {path} is there already and stays as it is")


def exercises(path):
    """The functions of a sheet by their name, without what the sheet prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        found = runpy.run_path(str(path))
    return {name: found[name] for name in sorted(found) if name.startswith("exercise_")}


def answer(exercise):
    """What an exercise returns, or a sentence that says why there is nothing."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return exercise(), None
    except NotImplementedError:
        return None, "not done yet"
    except Exception as error:
        return None, f"raised {type(error).__name__}: {error}"


def equal(found, expected):
    """True if two answers agree: numbers and arrays to six digits, anything else exactly."""
    if isinstance(expected, str | bool | None):
        return found == expected
    try:
        return np.shape(found) == np.shape(expected) and np.allclose(found, expected, 1e-6, 1e-9)
    except (TypeError, ValueError):  # names, or no array at all
        return type(found) is type(expected) and found == expected


def check(path):
    """Print a verdict per exercise of a sheet, and return how many are not right."""
    print(f"\n{path.name}")
    solutions = exercises(SOLUTIONS / path.name)
    try:
        answers = exercises(path)
    except Exception as error:
        print(f"  the sheet does not run: {type(error).__name__}: {error}")
        return len(solutions)
    wrong = 0
    for name, solution in solutions.items():
        stars = (solution.__doc__ or "").split(" ")[0]
        found, reason = (
            answer(answers[name]) if name in answers else (None, "is missing from the sheet")
        )
        right = reason is None and equal(found, answer(solution)[0])
        wrong += not right
        verdict = "right" if right else reason or f"found {found!r}, which is not right"
        print(f"  {name.removeprefix('exercise_')} {stars:4} {verdict}")
    return wrong


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["write", "check"])
    parser.add_argument("folder", type=Path, help="where the sheets are")
    options = parser.parse_args(arguments)
    if options.what == "write":
        write(options.folder)
        return 0
    sheets = [
        path for path in sorted(options.folder.glob("*.py")) if (SOLUTIONS / path.name).exists()
    ]
    if not sheets:
        print(
            f"grade: there is no sheet in {options.folder}; `make exercises` writes them",
            file=sys.stderr,
        )
        return 2
    wrong = sum(map(check, sheets))
    print(f"\n{wrong} to go" if wrong else "\nall right")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
