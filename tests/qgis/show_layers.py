"""Opens layers in QGIS without a screen, as a double click would, and tells as JSON what it shows.

Run by the Python that has PyQGIS, which is the system's, not that of the virtual environment:

    python3 show_layers.py OUT.png WIDTH HEIGHT LAYER...

A layer is `file.gpkg|layername=landcover` or a raster. The picture shows all layers, the first on top, to the extent of
the last.
"""

import json
import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def opened(source):
    """The layer, and the (value, label, colour) of each entry of its legend."""
    if ".gpkg" in source:
        layer = QgsVectorLayer(source, "layer", "ogr")
        entries = layer.renderer().categories() if layer.isValid() else []
        legend = [(entry.value(), entry.label(), entry.symbol().color().name()) for entry in entries]
    else:
        layer = QgsRasterLayer(source, "layer")
        entries = layer.renderer().classes() if layer.isValid() else []
        legend = [(entry.value, entry.label, entry.color.name()) for entry in entries]
    return layer, {"valid": layer.isValid(), "legend": legend}


def draw(layers, png, size):
    """Render layers."""
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(layers[-1].crs())
    settings.setBackgroundColor(QColor("white"))
    settings.setOutputSize(QSize(*size))
    settings.setExtent(layers[-1].extent())
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(png, "png")


def main(png, width, height, *sources):
    """Open, tell, draw."""
    application = QgsApplication([], False)  # noqa: FBT003 - no windows
    application.initQgis()
    layers, told = zip(*(opened(source) for source in sources), strict=True)
    draw(layers, png, (int(width), int(height)))
    print(json.dumps(told), flush=True)  # noqa: T201 - this is what it is for
    os._exit(0)  # QGIS may crash when Python takes it down


main(*sys.argv[1:])
