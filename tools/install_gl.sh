#!/usr/bin/env bash
# Makes sure that an EGL device gives an OpenGL 3.3 context; installs Mesa's drivers where none does.
#
#     tools/install_gl.sh [PYTHON]      PYTHON has moderngl; default .venv/bin/python
#
# Exit 0: there is a device. 1: there is none, and the command to install one stands on stderr.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/apt.sh
python=${1:-.venv/bin/python}
# libegl1 and libgl1 hold libEGL.so.1 and libGL.so.1, which moderngl opens; libegl-mesa0 is Mesa's EGL
# behind them and libgl1-mesa-dri its drivers, llvmpipe for machines without a GPU among them.
packages=(libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri)

probe() {
    "$python" - <<'PYTHON'
import sys

import moderngl

reasons = []
for index in range(8):
    try:
        context = moderngl.create_context(standalone=True, require=330, backend="egl", device_index=index)
    except Exception as error:
        reasons.append(str(error).strip().split("\n")[0])
    else:
        print(f"EGL device {index}: {context.info['GL_RENDERER']}, OpenGL {context.info['GL_VERSION']}")
        context.release()
        sys.exit(0)
print("No EGL device gives OpenGL 3.3:", "; ".join(dict.fromkeys(reasons)), file=sys.stderr)
sys.exit(1)
PYTHON
}

if [[ $(uname -s) != Linux ]]; then
    echo "Not Linux: the system brings its own OpenGL." >&2
    exit 0
fi
probe && exit 0
if command -v apt-get >/dev/null; then
    apt_install "OpenGL drivers are missing." "${packages[@]}" || exit 1
    probe && exit 0
    echo "Drivers are installed, but no device answers: \`tfgl doctor\` shows what was tried." >&2
    exit 1
fi
cat >&2 <<'TEXT'
Install the OpenGL drivers of your system, then try again:

    Fedora, RHEL    sudo dnf install mesa-libEGL mesa-libGL mesa-dri-drivers
    Arch            sudo pacman -S mesa libglvnd
    Alpine          sudo apk add mesa-egl mesa-gl mesa-dri-gallium

TEXT
exit 1
