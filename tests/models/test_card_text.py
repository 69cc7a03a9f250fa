from dataclasses import replace

from geoseg.classes import ClassMap
from geoseg.models.calibration import Calibration
from geoseg.models.card import ModelCard
from geoseg.models.card_text import model_card_text
from geoseg.models.spec import NetworkSpec
from geoseg.raster.normalize import Normalizer


def card_of(**provenance):
    return ModelCard(
        name="example",
        spec=NetworkSpec(architecture="unet", encoder="resnet18", bands=1, classes=2),
        classes=ClassMap.of([(0, "water", "#0000ff"), (3, "forest", "#008000")]),
        bands=("nir",),
        gsd=0.6,
        normalizer=Normalizer(scales={"uint8": 1.0}, mean=(0.0,), std=(1.0,)),
        tile=64,
        overlap=32,
        provenance=provenance,
        parameters=1234,
        weights_bytes=5_000_000,
        weights_sha256="00",
    )


def test_scores_stand_in_the_row_of_their_class():
    scores = {"mean_iou": 0.7, "iou": {"forest": 0.61}, "pixels": 2_000_000, "validation": {"iou": {"water": 0.9}}}
    text = model_card_text(card_of(title="An example", scores=scores))
    assert "| water | - | 0.900 |" in text
    assert "| forest | 0.610 | - |" in text
    assert "| **mean IoU** | 0.700 | - |" in text
    assert "Held out: 2.00 million pixels; validation: nothing." in text
    assert text.startswith("# example\n\nAn example\n")


def test_each_source_has_its_own_table_and_sets_of_classes_are_spelt_out():
    there = {"sources": {"town": {"mean_iou": 0.5, "iou": {"water|forest": 0.4}}, "lake": {"iou": {"water": 0.9}}}}
    text = model_card_text(
        card_of(scores=there | {"ece": 0.0123, "validation": {"sources": {"town": {"mean_iou": 0.3}}}})
    )
    assert "### town\n\n| class |" in text
    assert "| water or forest | 0.400 | - |" in text
    assert "| **mean IoU** | 0.500 | 0.300 |" in text
    assert "### lake" in text
    assert "expected calibration error held out 0.012" in text


def test_a_picture_is_shown_where_there_is_one():
    assert "](seen.png)" in model_card_text(card_of(), picture="seen.png")
    assert "![" not in model_card_text(card_of())


def test_only_what_is_known_is_told():
    assert "## Data\n\nFrom here." in model_card_text(card_of(data="From here."))
    plain = model_card_text(card_of())
    assert "##" not in plain
    assert "No scores were recorded." in plain
    assert "chosen by" not in plain


def test_a_model_of_plain_rules_is_described_by_its_temperature():
    assert "share 32 px; temperature 1.00\n" in model_card_text(card_of())
    assert "probability" not in model_card_text(card_of())


def test_optional_bands_vectors_and_thresholds_are_told():
    card = replace(
        card_of(),
        bands=("red", "nir"),
        optional_bands=("nir",),
        spec=NetworkSpec(architecture="unet", encoder="resnet18", bands=2, classes=2),
        normalizer=Normalizer(scales={"uint8": 1.0}, mean=(0.0,) * 2, std=(1.0,) * 2),
        calibration=Calibration(bias=(0.0, 1.0)),
        thresholds=(0.0, 0.6),
    )
    text = model_card_text(card)
    assert "- Bands: red, nir (nir may be missing), pixels as uint8" in text
    assert "temperature 1.00, a scale and a bias for each class" in text
    assert "- Given only from this probability on: forest 0.6\n" in text
