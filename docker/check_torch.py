"""Whether pip found the build of torch that an image is for: python docker/check_torch.py cpu|cuda."""

# ruff: noqa: INP001 - a script
from __future__ import annotations

import sys

import torch

wanted = sys.argv[1]
found = "cuda" if torch.version.cuda else "cpu"
if found != wanted:
    sys.exit(
        f"pip installed torch {torch.__version__}, the {found} build, and this image wants the {wanted} build: lend "
        "the build a pip.conf that names where those are (docs/deployment.md)"
    )
