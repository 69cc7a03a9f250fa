import pytest
import torch

from geoseg.landscapes.spec import LANDSCAPE_BANDS, LANDSCAPE_CLASSES
from geoseg.models.zoo import describe_models, find_model, load_model

CARDS = {card.name: card for card in describe_models()}
each_model = pytest.mark.parametrize("name", sorted(CARDS))


def test_the_promised_models_are_there_and_small_together():
    assert set(CARDS) == {"buildings-rgb", "demo-landscape", "landcover-ms", "landcover-rgb", "landcover-rgbn"}
    assert sum(card.weights_bytes for card in CARDS.values()) < 40_000_000


@each_model
def test_a_packaged_model_loads_and_gives_finite_logits(name):
    package = load_model(name)
    image = torch.zeros(1, len(package.bands), 64, 64)
    with torch.inference_mode():
        logits = package.network(image)
    assert logits.shape == (1, len(package.classes), 64, 64)
    assert torch.isfinite(logits).all()


@each_model
def test_a_packaged_model_is_small_and_says_where_it_comes_from(name):
    card = CARDS[name]
    assert card.weights_bytes < 15_000_000
    for key in ("title", "licence", "data", "scores", "training"):
        assert card.provenance[key], f"{name} does not say its {key}"
    text = (find_model(name) / "MODEL_CARD.md").read_text()
    for class_name in card.classes.names:
        assert class_name in text


def scores_of(name):
    scores = CARDS[name].provenance["scores"]
    return {source: part["mean_iou"] for source, part in scores.get("sources", {"all": scores}).items()}


def test_the_scores_on_held_out_ground_are_those_promised():
    assert scores_of("demo-landscape")["all"] >= 0.88
    assert scores_of("landcover-rgb")["ohio"] >= 0.65
    assert scores_of("landcover-rgb")["dubai"] >= 0.45
    assert scores_of("landcover-rgbn")["ohio"] >= 0.65
    assert scores_of("landcover-ms")["hls"] >= 0.44
    assert scores_of("buildings-rgb")["zanzibar"] >= 0.55


@pytest.mark.parametrize("name", sorted(set(CARDS) - {"demo-landscape"}))
def test_confidences_on_held_out_ground_are_calibrated_and_the_card_has_a_picture(name):
    assert CARDS[name].provenance["scores"]["ece"] <= 0.1
    assert load_model(name).picture.startswith(b"\x89PNG")
    assert "preview.png" in (find_model(name) / "MODEL_CARD.md").read_text()


def test_the_demo_model_has_the_legend_and_the_bands_of_landscapes():
    assert CARDS["demo-landscape"].classes == LANDSCAPE_CLASSES
    assert CARDS["demo-landscape"].bands == LANDSCAPE_BANDS


def test_class_ids_of_the_land_cover_model_are_the_values_of_its_labels():
    classes = CARDS["landcover-rgb"].classes
    assert dict(zip(classes.ids, classes.names, strict=True)) == {
        0: "low_vegetation",
        1: "building",
        2: "road",
        3: "bare",
        4: "trees",
        5: "water",
    }
    assert len(CARDS["landcover-rgb"].provenance["holdout"]) >= 30
