import pytest

from geoseg.errors import ConfigError
from geoseg.landscapes.spec import LANDSCAPE_CLASSES, MIXES, RADIOMETRIES, LandscapeSpec, Mix, Radiometry


def test_the_legend_has_seven_classes_from_one():
    assert LANDSCAPE_CLASSES.ids == (1, 2, 3, 4, 5, 6, 7)
    assert LANDSCAPE_CLASSES.names == ("water", "forest", "crop", "grass", "bare", "building", "road")


def test_there_are_presets_of_mix_and_radiometry():
    assert {"temperate", "arid"} <= set(MIXES)
    assert {"temperate", "arid", "hazy", "autumn"} <= set(RADIOMETRIES)


def test_the_georef_has_square_pixels_in_metres_from_the_origin():
    georef = LandscapeSpec(seed=1, height=20, width=30, gsd=0.5, origin=(1000.0, 2000.0)).georef
    assert georef.transform @ (30, 20) == (1015.0, 1990.0)
    assert (georef.height, georef.width) == (20, 30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 0}, "positive size"),
        ({"gsd": 50.0}, "gsd is 50.0 m"),
        ({"nodata_border": 90}, "1 to 25 px"),
        ({"dtype": "float32"}, "uint8 or uint16"),
    ],
)
def test_an_impossible_spec_is_refused_in_one_line(change, message):
    with pytest.raises(ConfigError, match=message) as raised:
        LandscapeSpec(**({"seed": 1, "height": 100, "width": 100} | change))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("epsg", "message"), [(4326, "not projected in metres"), (1, "not a known CRS")])
def test_a_crs_without_metres_is_refused(epsg, message):
    with pytest.raises(ConfigError, match=message):
        _ = LandscapeSpec(seed=1, height=10, width=10, epsg=epsg).georef


def test_amounts_and_light_outside_their_limits_are_refused():
    with pytest.raises(ConfigError, match="mix forest is -1"):
        Mix(forest=-1)
    with pytest.raises(ConfigError, match="neither crop, grass nor bare"):
        Mix(crop=0, grass=0, bare=0)
    with pytest.raises(ConfigError, match="radiometry haze is 2"):
        Radiometry(haze=2)
