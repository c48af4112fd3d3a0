#!/usr/bin/env bash
# Install Ponder and the exact versions of requirements.lock into .venv. Does nothing if that has been done.
#
#   PYTHON       the interpreter (default: the first of python3.11, python3, python3.12, python3.13 that is new enough)
#   TORCH_FLAGS  more pip options for torch alone, for example an index that serves builds without CUDA
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

wanted=$(cat requirements.lock pyproject.toml scripts/setup.sh | sha256sum)
# The folder's own path belongs to the stamp: a virtual environment that was moved or copied does not work.
stamp="$wanted $PWD"
if [ -x .venv/bin/python ] && [ "$(cat .venv/.installed 2>/dev/null)" = "$stamp" ]; then exit 0; fi

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

python=${PYTHON:-}
if [ -n "$python" ]; then
    new_enough "$python" || fail "PYTHON=$python is not Python 3.11 or newer"
else
    for candidate in python3.11 python3 python3.12 python3.13; do
        if new_enough "$candidate"; then python=$candidate; break; fi
    done
    [ -n "$python" ] || fail "Python 3.11 or newer is needed and was not found; on Debian: apt-get install python3 python3-venv"
fi

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module; on Debian: apt-get install python3-venv"
    echo "setup: making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
rm -f .venv/.installed

pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }

echo "setup: installing torch (the largest part)"
# Its own step: torch alone may come from another place, and with its dependencies, which differ from build to build.
# shellcheck disable=SC2086
pip install --quiet --constraint requirements.lock ${TORCH_FLAGS:-} "$(grep '^torch==' requirements.lock)"

echo "setup: installing the other packages"
# The lock is complete, so nothing is resolved here. pycosat is the one package that needs a C compiler.
others=$(mktemp)
trap 'rm -f "$others"' EXIT
grep -v -E '^(#|torch==|pycosat==)' requirements.lock >"$others"
pip install --quiet --no-deps --requirement "$others"
if ! pip install --quiet --no-deps "$(grep '^pycosat==' requirements.lock)" >/dev/null 2>&1; then
    echo "setup: pycosat could not be built (no C compiler?); the gym: problems that need it will not run"
fi
pip install --quiet --no-deps --no-build-isolation --editable .

echo "$stamp" >.venv/.installed
scripts/system_packages.sh | sed 's/^/setup: /'
echo "setup: done; the commands are in .venv/bin (. .venv/bin/activate)"
