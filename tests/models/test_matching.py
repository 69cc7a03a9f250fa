import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import ModelError
from geoseg.models.matching import matched_state

WANTED = {
    "encoder.0.weight": torch.zeros(4, 3, 3, 3),
    "encoder.1.running_mean": torch.zeros(4),
    "encoder.1.num_batches_tracked": torch.tensor(0),
    "segmentation_head.0.weight": torch.zeros(2, 4, 1, 1),
    "segmentation_head.0.bias": torch.zeros(2),
}


def stored(prefix="", dtype=torch.float32):
    return {
        prefix + name: torch.full_like(tensor, index + 1).to(dtype if tensor.is_floating_point() else tensor.dtype)
        for index, (name, tensor) in enumerate(WANTED.items())
    }


def matched(state, prefix=None):
    return matched_state(state, WANTED, prefix=prefix, origin="file")


@given(
    prefix=st.lists(st.sampled_from(["model", "module", "net", "student", "0", "encoder"]), max_size=3).map(
        lambda parts: "".join(f"{part}." for part in parts)
    ),
    dtype=st.sampled_from([torch.float16, torch.float32, torch.bfloat16, torch.float64]),
)
def test_every_tensor_finds_its_place_below_any_prefix(prefix, dtype):
    found = matched(stored(prefix, dtype))
    assert list(found) == list(WANTED)
    for name, tensor in stored().items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == WANTED[name].dtype


def test_tensors_beside_the_network_are_left_out_and_told(caplog):
    with caplog.at_level(logging.WARNING, "geoseg"):
        matched(stored("model.") | {"loss.weight": torch.ones(3)})
    assert "left out 1 tensors outside 'model.', loss.weight first" in caplog.text


def test_two_networks_in_one_file_need_a_choice():
    both = stored("teacher.") | {name: tensor * 2 for name, tensor in stored("student.").items()}
    with pytest.raises(ModelError, match=r"more than one network, under 'teacher.' and 'student.': choose by"):
        matched(both)
    assert matched(both, prefix="student.")["segmentation_head.0.bias"][0] == 10


def test_a_missing_counter_and_a_head_for_images_do_not_matter():
    state = stored() | {"classification_head.3.weight": torch.ones(2, 4)}
    del state["encoder.1.num_batches_tracked"]
    assert matched(state).keys() == WANTED.keys()


def test_two_logits_made_of_one_have_its_sigmoid_as_softmax():
    state = stored() | {
        "segmentation_head.0.weight": torch.randn(1, 4, 1, 1),
        "segmentation_head.0.bias": torch.randn(1),
    }
    found = matched(state)
    features = torch.randn(2, 4, 8, 8)
    one = torch.nn.functional.conv2d(features, *list(state.values())[-2:])
    two = torch.nn.functional.conv2d(features, *list(found.values())[-2:])
    assert torch.allclose(torch.softmax(two, dim=1)[:, 1:], torch.sigmoid(one), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder.0.weight": None}, "of the 5 tensors of the network 1 missing, encoder.0.weight first"),
        ({"encoder.9.weight": torch.ones(1)}, "1 left over, encoder.9.weight first"),
        (
            {"encoder.0.weight": torch.ones(4, 5, 3, 3)},
            r"1 of another shape, encoder.0.weight first \(\(4, 5, 3, 3\) for \(4, 3, 3, 3\)\)",
        ),
        ({"segmentation_head.0.bias": torch.ones(3)}, "1 of another shape, segmentation_head.0.bias first"),
    ],
)
def test_tensors_that_do_not_fit_are_one_line_with_the_first(change, message):
    state = {name: tensor for name, tensor in (stored() | change).items() if tensor is not None}
    with pytest.raises(ModelError, match=message) as refused:
        matched(state)
    assert "\n" not in str(refused.value)


def test_tensors_of_something_else_are_refused():
    with pytest.raises(ModelError, match="none of its 1 tensors has a name of the network"):
        matched({"fc.weight": torch.ones(2, 2)})
