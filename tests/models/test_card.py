import json
from dataclasses import replace

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pystac.extensions.mlm import MLMExtension

from geoseg.classes import ClassMap
from geoseg.errors import ModelError
from geoseg.models.calibration import Calibration
from geoseg.models.card import ModelCard, card_from_json, card_to_json
from geoseg.models.context import Context
from geoseg.models.spec import NetworkSpec
from geoseg.raster.normalize import Normalizer

CARD = ModelCard(
    name="example",
    spec=NetworkSpec(architecture="unet", encoder="resnet18", bands=2, classes=3, options={"decoder_channels": (8, 4)}),
    classes=ClassMap.of([(0, "water", "#0000ff"), (3, "forest", "#008000"), (7, "crop", "#ffcc00")]),
    bands=("red", "nir"),
    gsd=0.6,
    normalizer=Normalizer(scales={"uint8": 1 / 255, "uint16": 1e-4}, mean=(0.3, 0.4), std=(0.1, 0.2)),
    tile=64,
    overlap=32,
    calibration=Calibration(temperature=1.2),
    provenance={"title": "An example", "created": "2026-01-01T00:00:00Z", "scores": {"mean_iou": 0.71}},
    parameters=12,
    weights_bytes=48,
    weights_sha256="00",
)
finite = st.floats(min_value=1e-6, max_value=1e6)


def test_a_card_comes_back_as_it_was():
    assert card_from_json(card_to_json(CARD), origin="here") == CARD


@given(gsd=finite, temperature=finite, mean=st.tuples(finite, finite), std=st.tuples(finite, finite))
def test_numbers_come_back_to_the_last_bit(gsd, temperature, mean, std):
    card = replace(
        CARD,
        gsd=gsd,
        calibration=Calibration(temperature=temperature),
        normalizer=Normalizer(scales={"uint8": gsd}, mean=mean, std=std),
    )
    assert card_from_json(card_to_json(card), origin="here") == card


def test_a_context_comes_back_and_is_left_out_where_there_is_none():
    context = Context(radius=7, divisor=32, tile=64, labels=(0.25, 0.0), probabilities=(0.125, 0.0))
    card = replace(CARD, context=context)
    assert card_from_json(card_to_json(card), origin="here") == card
    assert card_from_json(card_to_json(replace(card, context=replace(context, radius=None))), origin="here") != card
    assert '"context"' not in card_to_json(CARD)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("radius", -5, "radius of a network must be from 0"),
        ("radius", "far", "prediction.context.radius: "),
        ("labels", [0.1], "needs 2 shares, got 1"),
        ("labels", [0.1] * 100_000, "needs 2 shares, got 100000"),
        ("probabilities", [2, 0], "shares of a context must lie between 0 and 1"),
        ("reach", 1, "prediction.context.reach: "),
    ],
)
def test_a_hostile_context_is_refused(key, value, message):
    context = Context(radius=7, divisor=32, tile=64, labels=(0.25, 0.0), probabilities=(0.125, 0.0))
    item = json.loads(card_to_json(replace(CARD, context=context)))
    item["properties"]["geoseg:prediction"]["context"][key] = value
    with pytest.raises(ModelError, match=message):
        card_from_json(json.dumps(item), origin="here")


def test_a_card_is_a_stac_item():
    item = pystac.Item.from_dict(json.loads(card_to_json(CARD)))
    assert item.id == "example"
    assert item.geometry is None
    assert item.datetime is not None
    assert item.assets["weights"].href == "./weights.safetensors"
    assert item.to_dict(include_self_link=False, transform_hrefs=False)["properties"]["mlm:name"] == "example"


def test_a_card_names_input_and_output_as_the_machine_learning_extension_asks():
    properties = json.loads(card_to_json(CARD))["properties"]
    assert properties["mlm:tasks"] == ["semantic-segmentation"]
    item = MLMExtension.ext(pystac.Item.from_dict(json.loads(card_to_json(CARD))))
    assert (item.mlm_name, item.framework) == ("example", "PyTorch")
    assert item.hyperparameters.to_dict()["encoder"] == "resnet18"
    [network_input] = properties["mlm:input"]
    assert network_input["bands"] == ["red", "nir"]
    assert network_input["input"]["shape"] == [-1, 2, 64, 64]
    assert [scaling["mean"] for scaling in network_input["value_scaling"]] == pytest.approx([0.3 * 255, 0.4 * 255])
    [network_output] = properties["mlm:output"]
    assert network_output["classification:classes"][1] == {"value": 3, "name": "forest", "color_hint": "008000"}


def test_the_score_for_people_is_the_one_on_held_out_data():
    assert CARD.holdout_mean_iou == 0.71
    assert replace(CARD, provenance={"scores": {"validation": {"mean_iou": 0.9}}}).holdout_mean_iou is None
    assert replace(CARD, provenance={}).holdout_mean_iou is None


def test_a_title_falls_back_on_the_name():
    assert (CARD.title, replace(CARD, provenance={}).title) == ("An example", "example")


def test_a_network_that_does_not_fit_its_legend_is_refused():
    with pytest.raises(ModelError, match="the network has 2 bands and 4 classes, the package names 2 and 3"):
        replace(CARD, spec=replace(CARD.spec, classes=4))


def test_what_a_model_does_without_is_not_written():
    part = json.loads(card_to_json(CARD))["properties"]["geoseg:prediction"]
    assert not {"logit_scale", "logit_bias", "optional_bands", "thresholds"} & set(part)


def test_vectors_optional_bands_and_thresholds_come_back():
    card = replace(
        CARD,
        calibration=Calibration(temperature=0.7, scale=(1.0, 2.0, 0.5), bias=(0.0, -1.5, 0.25)),
        optional_bands=("nir",),
        thresholds=(0.0, 0.6, 1.0),
    )
    assert card_from_json(card_to_json(card), origin="here") == card


@pytest.mark.parametrize(
    "changes",
    [
        {"calibration": Calibration(scale=(1.0, 1.0))},
        {"optional_bands": ("swir16",)},
        {"optional_bands": ("red", "nir")},
        {"thresholds": (0.5,)},
        {"thresholds": (0.5, 0.5, 1.5)},
        {"thresholds": (0.5, 0.5, float("nan"))},
    ],
)
def test_rules_that_do_not_fit_bands_and_classes_are_refused(changes):
    with pytest.raises(ModelError):
        replace(CARD, **changes)
