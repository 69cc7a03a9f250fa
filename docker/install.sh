#!/bin/sh
# Install geoseg into the environment of the image, and run it once so that its first run there compiles nothing.
set -eu

pip install --no-deps .
pip check
pip uninstall --yes --quiet pip  # an image installs nothing more

# What only those need who build or test packages; numpy.testing takes a part of numpy's tests
site=$(python -c "import sysconfig; print(sysconfig.get_path('purelib'))")
rm -rf "$site"/torch/include "$site"/torch/test "$site"/pyarrow/include
find "$site" -type d -name tests -not -path "$site/numpy/*" -prune -exec rm -rf {} +

# What numba and Python keep of a file holds for its time of change, and layers keep whole seconds of that.
find /opt/geoseg -name "*.py" -exec touch -d "@$(date +%s)" {} +
python -m compileall -q -q -j 0 /opt/geoseg || true  # some packages ship templates that are no Python yet

run=$(mktemp -d)
geoseg demo -o "$run"
geoseg predict "$run/landscape.tif" -o "$run/more" --model demo-landscape --smooth --mapping-unit 100 --boundaries \
    --regularize building
for method in dp vw; do
    geoseg vectorize "$run/landscape.classes.tif" -o "$run/$method.gpkg" --simplify 1 --simplify-method "$method"
done
rm -rf "$run"
chmod -R a+rwX /var/cache/geoseg  # containers are often told to run as the user who started them
