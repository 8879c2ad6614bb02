#!/usr/bin/env bash
# Makes the virtual environment; on a bare Debian it first adds what is missing (git, LightGBM's libgomp1, python3-venv).
set -eu
python=$1 venv=$2

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Mainspring needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Try: make PYTHON=python3.11" >&2
  exit 1
}
missing=""
command -v git >/dev/null || missing="$missing git"
if [ "$(uname)" = Linux ]; then
  "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || missing="$missing libgomp1"
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
  else
    echo "Missing:$missing. Install it, for example: sudo apt-get install$missing" >&2
    exit 1
  fi
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
