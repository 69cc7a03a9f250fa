from hypothesis import given
from hypothesis import strategies as st

from geoseg.training.best import Best

scores = st.lists(st.integers(0, 5).map(lambda tenths: tenths / 10), max_size=12)


def records_of(found):
    for number, score in enumerate(found, start=1):
        yield {"iteration": 10 * number, "loss": 1.0}
        yield {"iteration": 10 * number, "val_mean_iou": score}


@given(scores)
def test_the_best_is_the_first_of_the_highest_scores_and_pauses_count_from_there(found):
    best = Best.of(records_of(found))
    place = found.index(max(found)) + 1 if found else 0
    assert best.iteration == 10 * place
    assert best.pauses_since == len(found) - place


@given(scores, st.integers(0, 12))
def test_a_resumed_run_decides_as_the_unbroken_one(found, cut):
    resumed = Best.of(records_of(found[:cut]))
    for number, score in list(enumerate(found, start=1))[cut:]:
        resumed = resumed.after(10 * number, score)
    assert resumed == Best.of(records_of(found))


def test_without_patience_there_is_no_end():
    best = Best(iteration=10, mean_iou=0.5, pauses_since=3)
    assert best.outlasts(3)
    assert not best.outlasts(4)
    assert not best.outlasts(None)
