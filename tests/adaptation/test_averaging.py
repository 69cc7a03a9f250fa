from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.adaptation.averaging import averaged
from geoseg.adaptation.candidate import Candidate
from geoseg.raster.curves import BandCurve

SOURCE = {"weight": torch.tensor([0.0, 2.0]), "steps": torch.tensor(3)}
CANDIDATE = Candidate(
    adapter="selftrain",
    label="selftrain-75",
    state={"weight": torch.tensor([1.0, 4.0]), "steps": torch.tensor(9)},
    curves=(BandCurve(knots=(0, 1), values=(0, 2)),),
    parameters={"steps": 75},
)


def test_half_way_lies_in_the_middle_and_keeps_the_curves():
    mean = averaged(SOURCE, CANDIDATE)
    assert mean.state["weight"].tolist() == [0.5, 3.0]
    assert mean.state["steps"] == 9
    assert mean.curves == CANDIDATE.curves
    assert (mean.label, mean.adapter) == ("selftrain-75-mean", "selftrain")
    assert mean.parameters == {"steps": 75, "source_share": 0.5}


@given(st.floats(0, 1))
def test_the_ends_are_the_two_networks(share):
    weight = averaged(SOURCE, CANDIDATE, share=share).state["weight"]
    assert torch.allclose(weight, torch.tensor([share, 2 + 2 * share]))
    assert torch.equal(averaged(SOURCE, CANDIDATE, share=1).state["weight"], CANDIDATE.state["weight"])


def test_the_networks_stay_as_they_were():
    averaged(SOURCE, CANDIDATE)
    assert SOURCE["weight"].tolist() == [0.0, 2.0]
    assert CANDIDATE.state["weight"].tolist() == [1.0, 4.0]
