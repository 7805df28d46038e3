"""Command line: `python -m mumu_training.parity_cases OUT [NAME...]`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from mumu_training.parity_cases import write_cases


def main() -> None:
    """Writes parity cases and prints one folder a line."""
    parser = argparse.ArgumentParser(prog="mumu_training.parity_cases", description=__doc__)
    parser.add_argument("out", type=Path, help="folder that receives one folder per case")
    parser.add_argument("names", nargs="*", help="cases to write (default: all)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for folder in write_cases(arguments.out, arguments.names):
        print(folder)


if __name__ == "__main__":
    main()
