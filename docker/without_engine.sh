#!/bin/sh
# Build the image cpu and run the demo in it where there is no container engine and no registry of images: Debian's
# buildah and debootstrap (apt-get install buildah debootstrap), as root. make test-docker
#
# docker/without_engine.sh WORK    everything is made in the folder WORK; the demo's files are in WORK/data after it
set -eu
work=$(mkdir -p "$1" && cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
suite=bookworm
base=localhost/debian-python:$suite
image=localhost/geoseg:cpu

# Layers lie over each other where that can be mounted; copied whole, as vfs does, they take some ten times the space
mkdir -p "$work/overlay/lower" "$work/overlay/upper" "$work/overlay/work" "$work/overlay/mount"
overlay="lowerdir=$work/overlay/lower,upperdir=$work/overlay/upper,workdir=$work/overlay/work"
storage=vfs
cached=--layers=false
if mount -t overlay overlay -o "$overlay" "$work/overlay/mount" 2> /dev/null; then
    umount "$work/overlay/mount"
    storage=overlay
    cached=--layers  # what did not change is not built again
fi
rm -rf "$work/overlay"

containers() { verb=$1 && shift && buildah --storage-driver "$storage" --root "$work/images" --runroot "$work/run" "$verb" "$@"; }
inside() { containers run --isolation chroot --volume "$work/data:/data" "$@"; }
said() { echo "--- $(date +%T) $*"; }

# Debian's Python, in place of the image of the same Python that the Dockerfile names
if ! containers inspect --type image "$base" > /dev/null 2>&1; then
    said "base image $base"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$work/base" > "$work/base.log"
    for folder in var/cache/apt/archives var/lib/apt/lists usr/share/doc usr/share/locale usr/share/man; do
        rm -rf "$work/base/$folder"
        mkdir -p "$work/base/$folder/partial"
    done
    tar -C "$work/base" -cf "$work/base.tar" .
    container=$(containers from scratch)
    containers add -q "$container" "$work/base.tar" /
    containers config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    containers commit -q --rm "$container" "$base"
    rm -rf "$work/base" "$work/base.tar"
fi

said "build $image (storage driver $storage)"
set -- # a volume for each place that this machine's pip settings name
places=$("$python" "$source/docker/pip_settings.py" "$work/pip.conf")
for path in $places; do
    set -- "$@" --volume "$path:$path:ro"
done
containers build --isolation chroot "$cached" --build-arg "BASE=$base" --secret "id=pip,src=$work/pip.conf" "$@" \
    --target cpu --tag "$image" --file "$source/docker/Dockerfile" "$source"
rm "$work/pip.conf"
containers images "$image"

said "demo"
rm -rf "$work/data"
install -d -m 0777 "$work/data"
container=$(containers from "$image")
trap 'containers rm "$container" > /dev/null' EXIT
kernels() { inside "$container" -- sh -c 'find "$NUMBA_CACHE_DIR" -name "*.nbc" | wc -l'; }
before=$(kernels)
inside "$container" -- geoseg demo -o demo
inside --user 12345 "$container" -- sh -c 'id -u && geoseg vectorize demo/landscape.classes.tif -o other_user.gpkg'
after=$(kernels)
user=$(inside "$container" -- id -u)

[ "$user" -eq 1000 ] || { echo "the image runs as user $user, not as 1000"; exit 1; }
[ "$before" -eq "$after" ] && [ "$before" -gt 50 ] || { echo "the demo compiled: $before kernels before, $after after"; exit 1; }
said "$before kernels compiled by the build, none by the demo"
