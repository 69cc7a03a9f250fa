"""VRTs from anywhere, made harmless: only known elements, and every file that they point at was looked at. Text only.

GDAL is never given the file itself but what was understood of it, written anew; so there is nothing that GDAL reads in
it and this module does not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

from geoseg.errors import SceneError
from geoseg.raster.reach import Reach, resolved

IS_VRT = re.compile(rb"<VRTDataset", re.IGNORECASE)
"""What the beginning of a VRT holds."""

_DEEPEST = 4
_LONGEST = 16 * 2**20
_SRS = re.compile(r"\s*($|[A-Za-z_]+\[|EPSG:\d+|OGC:\w+|ESRI:\d+|urn:ogc:|\+(proj|init)=)", re.IGNORECASE)
_CLASSES = {
    *("vrtdataset", "vrtwarpeddataset", "vrtpansharpeneddataset"),
    *("vrtsourcedrasterband", "vrtwarpedrasterband", "vrtderivedrasterband", "vrtpansharpenedrasterband"),
}
_REFERENCES = {"sourcefilename", "sourcedataset"}
_ELEMENTS = _REFERENCES | {
    # of a raster
    *(
        "vrtdataset",
        "srs",
        "geotransform",
        "gcplist",
        "gcp",
        "metadata",
        "mdi",
        "maskband",
        "vrtrasterband",
    ),
    *(
        "overviewlist",
        "overview",
    ),
    # of a band
    *(
        "nodatavalue",
        "hidenodatavalue",
        "colorinterp",
        "description",
        "unittype",
        "offset",
        "scale",
    ),
    *(
        "categorynames",
        "category",
        "colortable",
        "entry",
        "histograms",
        "histitem",
        "histmin",
        "histmax",
    ),
    *(
        "bucketcount",
        "includeoutofrange",
        "approximate",
        "histcounts",
        "gdalrasterattributetable",
    ),
    *(
        "fielddefn",
        "name",
        "type",
        "usage",
        "row",
        "f",
        "pixelfunctiontype",
        "pixelfunctionarguments",
    ),
    *("sourcetransfertype",),
    # of a source
    *(
        "simplesource",
        "complexsource",
        "averagedsource",
        "kernelfilteredsource",
        "nodatafrommasksource",
    ),
    *(
        "sourceband",
        "sourceproperties",
        "srcrect",
        "dstrect",
        "nodata",
        "scaleoffset",
        "scaleratio",
        "lut",
    ),
    *(
        "colortablecomponent",
        "exponent",
        "srcmin",
        "srcmax",
        "dstmin",
        "dstmax",
        "clamp",
        "usemaskband",
    ),
    *(
        "kernel",
        "size",
        "coefs",
        "maskvaluethreshold",
        "remappedvalue",
    ),
    # of a warp
    *(
        "gdalwarpoptions",
        "warpmemorylimit",
        "resamplealg",
        "workingdatatype",
        "option",
        "transformer",
    ),
    *(
        "approxtransformer",
        "maxerror",
        "basetransformer",
        "genimgprojtransformer",
        "srcgeotransform",
    ),
    *(
        "srcinvgeotransform",
        "dstgeotransform",
        "dstinvgeotransform",
        "srcgcptransformer",
        "gcptransformer",
    ),
    *(
        "order",
        "reversed",
        "minimumgcps",
        "reproject",
        "reprojecttransformer",
        "reprojectiontransformer",
    ),
    *(
        "sourcesrs",
        "targetsrs",
        "sourcecrs",
        "targetcrs",
        "bandlist",
        "bandmapping",
        "srcnodatareal",
    ),
    *(
        "srcnodataimag",
        "dstnodatareal",
        "dstnodataimag",
        "cutline",
        "cutlineblenddist",
        "srcalphaband",
    ),
    *(
        "dstalphaband",
        "blockxsize",
        "blockysize",
        "overviewlevel",
    ),
    # of a sharpened raster
    *(
        "pansharpeningoptions",
        "algorithm",
        "algorithmoptions",
        "weights",
        "resampling",
        "numthreads",
    ),
    *(
        "bitdepth",
        "spatialextentadjustment",
        "panchroband",
        "spectralband",
    ),
}


def harmless_vrt(text: str, *, base: str, reach: Reach, look: Callable[[str, int], str], depth: int = 0) -> str:
    """A VRT that points only at what it may, with absolute names.

    Args:
        text: the VRT.
        base: the file that it stands in; relative names start from its folder.
        reach: what it may point at.
        look: takes the name of a file that may be read and the depth of nesting, gives what GDAL shall open for it.
        depth: how many VRTs this one is inside of.

    Raises:
        SceneError: if it is no VRT, uses something that is not known to be harmless, or points elsewhere.
    """
    if depth > _DEEPEST:
        raise SceneError(f"{base}: VRTs inside VRTs more than {_DEEPEST} deep: build one from the files themselves")
    root, length = _parsed(text, base), 0
    for parent in root.iter():
        _drop_domains(parent)
        _require_known(parent, base)
        if _tag(parent) in _REFERENCES:
            _point(parent, base, reach, look, depth)
            length += len(parent.text or "")
            if length > _LONGEST:
                raise SceneError(f"{base}: a VRT of over {_LONGEST >> 20} MB: map its files as a folder or list")
    return ET.tostring(root, encoding="unicode")


def _parsed(text: str, base: str) -> ET.Element:
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):
        raise SceneError(f"{base}: a VRT with declarations (<!...>): write it without")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without declarations there are no entities to expand
    except ET.ParseError as error:
        raise SceneError(f"{base}: is no VRT that can be read: {error}") from error
    if _tag(root) != "vrtdataset":
        raise SceneError(f"{base}: is no VRT: its outermost element is {root.tag!r}")
    return root


def _tag(element: ET.Element) -> str:
    return str(element.tag).lower()


def _drop_domains(parent: ET.Element) -> None:
    """Leave out metadata of domains: some of them name files (overviews, geolocation, sources)."""
    for child in [each for each in parent if _tag(each) == "metadata"]:
        if any(key.lower() == "domain" and value for key, value in child.attrib.items()):
            parent.remove(child)


def _require_known(element: ET.Element, base: str) -> None:
    tag = _tag(element)
    if tag not in _ELEMENTS:
        raise SceneError(
            f"{base}: a VRT with <{element.tag}>, which may run code or read other files: convert it to GeoTIFF where "
            "you trust it (gdal_translate)"
        )
    for key, value in element.attrib.items():
        if key.lower() == "subclass" and value.lower() not in _CLASSES:
            raise SceneError(
                f"{base}: a VRT with {value}, which may run code or read any file: convert it to GeoTIFF where you "
                "trust it (gdal_translate)"
            )
    if tag in {"srs", "sourcesrs", "targetsrs"} and not _SRS.match(element.text or ""):
        raise SceneError(f"{base}: a VRT whose CRS {(element.text or '')[:60]!r} is a name: write it as WKT or EPSG:n")


def _point(element: ET.Element, base: str, reach: Reach, look: Callable[[str, int], str], depth: int) -> None:
    """Let a reference lead to what may be opened for it."""
    reference = (element.text or "").strip()
    relative = any(key.lower() == "relativetovrt" and value.strip() == "1" for key, value in element.attrib.items())
    for key in [key for key in element.attrib if key.lower() == "relativetovrt"]:
        del element.attrib[key]
    element.set("relativeToVRT", "0")
    if reference.startswith("<"):
        element.text = harmless_vrt(reference, base=base, reach=reach, look=look, depth=depth + 1)
        return
    path = resolved(reference, base=base if relative else os.path.join(os.getcwd(), "here"))  # noqa: PTH109, PTH118
    reach.require(path, named_in=base)
    element.text = look(path, depth + 1)
