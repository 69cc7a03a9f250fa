"""Nothing changes where there is no CUDA; where there is, a graph gives what the function gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoseg.inference.cuda import Graphed, Handover, beside, sent

CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def test_arrays_that_stay_are_not_copied():
    array = np.arange(6).reshape(2, 3)
    assert sent(array, CPU).data_ptr() == array.ctypes.data


def test_results_are_handed_over_as_they_are():
    tensor = torch.arange(3)
    with beside(CPU):
        assert Handover(tensor).taken() is tensor


def test_without_cuda_a_function_is_called_each_time():
    calls = []
    graphed = Graphed(lambda inputs: calls.append(1) or inputs * 2)
    assert [graphed(torch.tensor([value])).item() for value in (1, 2)] == [2, 4]
    assert len(calls) == 2


@needs_cuda
def test_a_graph_gives_what_its_function_gives_and_each_result_owns_its_memory():
    device = torch.device("cuda")
    graphed = Graphed(lambda inputs: (inputs * 3).cos())
    inputs = [torch.full((4, 5), float(value), device=device) for value in range(4)]
    found = [graphed(each) for each in inputs]
    for each, result in zip(inputs, found, strict=True):
        torch.testing.assert_close(result, (each * 3).cos())
    torch.testing.assert_close(graphed(torch.ones(2, device=device)), torch.full((2,), 3.0, device=device).cos())


@needs_cuda
def test_what_cannot_be_recorded_is_called_as_it_is():
    device = torch.device("cuda")
    graphed = Graphed(lambda inputs: inputs * float(inputs.sum()))  # waits for the host
    ones = torch.ones(3, device=device)
    torch.testing.assert_close(graphed(ones), ones * 3)
