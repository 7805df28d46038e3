"""Command line: `python -m mumu_training.parity_cases._check_graphs FILE...`.

Puts every ONNX file through ONNX's own full check and strict shape inference; prints one line of
JSON per file that fails, and exits with the number of failures (at most 100).
"""

from __future__ import annotations

import json
import sys

import onnx
from onnx import checker, shape_inference


def problem_of(path: str) -> str | None:
    """What is wrong with the model at `path`, or None."""
    try:
        checker.check_model(path, full_check=True)
        shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        return str(error)
    return None


def main() -> int:
    """Checks the files named on the command line."""
    failures = 0
    for path in sys.argv[1:]:
        problem = problem_of(path)
        if problem is not None:
            failures += 1
            print(json.dumps({"file": path, "problem": problem}))
    return min(failures, 100)


if __name__ == "__main__":
    sys.exit(main())
