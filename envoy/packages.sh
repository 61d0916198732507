# shellcheck shell=bash
# Sourced by the scripts that may need a system package. System packages are installed only as
# root; anyone else is given the command to run, because a build must not ask for a password.

is_debian() { [ -r /etc/debian_version ] && command -v apt-get >/dev/null; }

die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

# install_packages WHY PACKAGE...
install_packages() {
  local why=$1
  shift
  is_debian || die "$why; needed: $* (Debian's names; install your system's equivalent)"
  # --no-remove: rather fail than replace a compiler or a rustup that somebody chose.
  local command="apt-get install -y --no-install-recommends --no-remove $*"
  [ "$(id -u)" -eq 0 ] || die "$why; run: sudo apt-get update && sudo $command"
  printf '%s; installing: %s\n' "$why" "$*"
  local from=$SECONDS
  # One after the other: two scripts may need something at the same time.
  # shellcheck disable=SC2086 # the words of the command, as printed to others
  { flock 9 && apt-get -qq update && DEBIAN_FRONTEND=noninteractive $command; } \
    9>target/packages.lock >target/packages.log 2>&1 ||
    { tail -n 15 target/packages.log >&2; die "that failed: $command"; }
  printf 'installed in %d s\n' $((SECONDS - from))
}
