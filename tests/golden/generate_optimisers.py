"""Which way do torch's optimisers go?

Feeds each of them fifty gradients in float64 and keeps where the parameters are after every tenth
step in optimisers.npz, so that the ordinary tests can compare without torch. The gradients are not
kept: both sides draw them from the same seed.

    python tests/golden/generate_optimisers.py          writes optimisers.npz
    python tests/golden/generate_optimisers.py --check  compares; exits 1 if they differ
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

VERSION = "2.13.0"
FILE = Path(__file__).with_name("optimisers.npz")
TOLERANCE = 1e-12

# What both sides call the same.
CASES = [
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    ("Adagrad", {"lr": 0.1, "eps": 1e-6, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.7}),
    ("RMSprop", {"lr": 0.003, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "betas": [0.5, 0.9], "eps": 1e-4}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3}),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    try:
        import torch
    except ImportError:
        torch = None
    if torch is None or torch.__version__.partition("+")[0] != VERSION:
        sys.exit(f"golden: this needs torch {VERSION} (pip install torch=={VERSION})")
    fresh = {f"{name} {json.dumps(options)}": run(torch, name, options) for name, options in CASES}
    if not check:
        np.savez_compressed(FILE, **fresh)
        print(f"golden: wrote {len(fresh)} cases to {FILE.name}, {FILE.stat().st_size:,} bytes")
        return
    with np.load(FILE, allow_pickle=False) as kept:
        if {*kept} != {*fresh}:
            sys.exit(f"golden: {FILE.name} has other cases; run this without --check")
        worst = max(float(np.abs(kept[case] - fresh[case]).max()) for case in fresh)
    if not worst <= TOLERANCE:
        sys.exit(f"golden: {FILE.name} is not what torch {VERSION} says: differs by {worst:.1e}")
    print(f"golden: {len(fresh)} optimisers regenerate; largest difference {worst:.1e}")


def run(torch, name, options):
    """Where nine numbers are after every tenth step, shape (5, 9)."""
    rng = np.random.default_rng(0)
    parameters = [
        torch.from_numpy(rng.standard_normal(shape)).requires_grad_() for shape in ((2, 3), (3,))
    ]
    optimiser = getattr(torch.optim, name)(parameters, **options)
    places = []
    for step in range(50):
        for p in parameters:
            p.grad = torch.from_numpy(rng.standard_normal(p.shape) * 10 ** rng.uniform(-2, 1))
        optimiser.step()
        if step % 10 == 9:
            places.append(np.concatenate([p.detach().numpy().ravel() for p in parameters]))
    return np.array(places)


if __name__ == "__main__":
    main()
