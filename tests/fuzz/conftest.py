"""More examples on request: GEOSEG_FUZZ=2000 .venv/bin/python -m pytest tests/fuzz (make fuzz)."""

from __future__ import annotations

import os

from hypothesis import settings

if "GEOSEG_FUZZ" in os.environ:
    settings.register_profile("fuzz", settings.get_profile("geoseg"), max_examples=int(os.environ["GEOSEG_FUZZ"]))
    settings.load_profile("fuzz")
