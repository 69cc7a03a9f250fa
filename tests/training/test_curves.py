from geoseg.training.curves import draw_curves, metrics_table

RECORDS = (
    {"iteration": 20, "loss": 1.5, "learning_rate": 0.1, "waiting": 0.0, "seconds": 1.0},
    {"iteration": 40, "loss": 1.0, "learning_rate": 0.05, "waiting": 0.01, "seconds": 2.0},
    {
        "iteration": 40,
        "val_mean_iou": 0.4,
        "val": {"sources": {"b": {"mean_iou": 0.5}, "a": {"mean_iou": 0.3}}},
        "seconds": 3.0,
    },
)


def test_the_table_has_a_row_for_each_logged_step_and_a_column_for_each_source():
    names, *rows = metrics_table(RECORDS)
    assert [dict(zip(names, row, strict=True)) for row in rows] == [
        {
            "iteration": 20,
            "seconds": 1.0,
            "loss": 1.5,
            "learning_rate": 0.1,
            "waiting": 0.0,
            "val_mean_iou": None,
            "val_mean_iou a": None,
            "val_mean_iou b": None,
        },
        {
            "iteration": 40,
            "seconds": 3.0,
            "loss": 1.0,
            "learning_rate": 0.05,
            "waiting": 0.01,
            "val_mean_iou": 0.4,
            "val_mean_iou a": 0.3,
            "val_mean_iou b": 0.5,
        },
    ]


def test_the_curves_show_every_source_and_the_learning_rate():
    figure = draw_curves(RECORDS)
    _, scores, _ = figure.axes
    drawn = {line.get_label(): list(map(float, line.get_ydata())) for line in scores.get_lines()}
    assert drawn == {"mean": [0.4], "a": [0.3], "b": [0.5]}


def test_a_run_without_metrics_has_curves_all_the_same():
    assert len(draw_curves(()).axes) == 3
    assert metrics_table(())[1:] == []
    assert draw_curves(({"iteration": 3, "val_mean_iou": None},))
