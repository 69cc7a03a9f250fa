"""The style that a layer of a GeoPackage opens with, in the table that QGIS reads."""

from __future__ import annotations

import sqlite3

_TABLE = """
CREATE TABLE IF NOT EXISTS layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256),
    f_table_schema TEXT(256),
    f_table_name TEXT(256),
    f_geometry_column TEXT(256),
    styleName TEXT(30),
    styleQML TEXT,
    styleSLD TEXT,
    useAsDefault BOOLEAN,
    description TEXT,
    owner TEXT(30),
    ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES
    ('layer_styles', 'attributes', 'layer_styles', '', 0);
"""


def add_default_style(database: sqlite3.Connection, layer: str, style: str, *, geometry: str, description: str) -> None:
    """Give a layer of a GeoPackage its default style.

    Args:
        database: the open file; the layer has no style so far.
        layer: its name.
        style: as QGIS writes it (QML).
        geometry: name of the layer's geometry column.
        description: for people.
    """
    database.executescript(_TABLE)
    database.execute(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName,"
        " styleQML, styleSLD, useAsDefault, description, owner) VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '')",
        (layer, geometry, layer, style, description),
    )
