#!/usr/bin/env bash
# Makes .venv with the newest usable python3 of the PATH, or leaves the one that is there.
#
#     tools/make_venv.sh      PYTHON=/path/to/python3 chooses the interpreter
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/apt.sh
python=${PYTHON:-python3}

works() { [[ -x .venv/bin/python ]] && .venv/bin/python -c 'import pip' 2>/dev/null; }
usable() { "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

works && exit 0
if ! command -v "$python" >/dev/null || ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    if [[ $python == python3 ]] && command -v apt-get >/dev/null; then
        apt_install "Python with venv is missing." python3 python3-venv ca-certificates
    else
        echo "$python has no venv module: install Python 3.10 or later with venv." >&2
        exit 1
    fi
fi
if ! usable; then
    echo "$python is $("$python" --version); tfgl needs Python 3.10 or later. Name one: make setup PYTHON=python3.12" >&2
    exit 1
fi
"$python" -m venv --clear .venv
