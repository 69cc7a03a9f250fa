from pipelines.score_models import table_of


def test_every_class_of_every_source_has_a_row():
    part = {"mean_iou": 0.5, "pixels": 2_000_000, "iou": {"trees|grass": 0.4, "water": 0.6}}
    text = table_of({"sources": {"town": part, "lake": part}, "ece": 0.0234})
    assert text.count("| town |") == text.count("| lake |") == 3
    assert "| town | trees or grass | 0.400 |" in text
    assert "| lake | **mean** (2.00 Mpx) | **0.500** |" in text
    assert "Expected calibration error 0.023." in text


def test_a_single_source_stands_for_itself():
    text = table_of({"mean_iou": 0.5, "pixels": 1_000_000, "iou": {"water": 0.5}, "ece": 0.1})
    assert "| held out | water | 0.500 |" in text
