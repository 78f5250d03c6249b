#!/usr/bin/env bash
# Brings a Debian 12 machine to the state that a make target needs, and says in one line each what it does.
#
#   scripts/setup.sh build    compiler, libraries, Rust toolchain and Python: the command, the Python package, their tests
#   scripts/setup.sh clang    clang and its tools: make fuzz, format and tidy
#   scripts/setup.sh oracle   Python with virtual environments: make test-oracle and golden
#   scripts/setup.sh peers    npm, for published tokenizers: make peers
#   scripts/setup.sh pages    Chromium and Python: make test-pages and page-pictures
#
# Installs only what is missing, so that a second run asks no server and needs no root. Leaves build/setup.env, which
# names the cargo and the python3 to build with; the Makefile sources it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly RUST_MINIMUM=1.87  # of the crates in text/Cargo.lock
readonly PYTHON_MINIMUM=3.11  # of python/requirements.txt

build_packages=(
  g++ make cmake ninja-build ccache pkg-config
  ca-certificates            # cargo fetches crates over https
  nlohmann-json3-dev libsimdjson-dev libcli11-dev
  libjpeg62-turbo-dev libpng-dev libwebp-dev libgif-dev
  libsodium-dev              # BLAKE2b, which stands for the content of pictures
  libavformat-dev libavcodec-dev libavutil-dev libswscale-dev  # video files; a build without them refuses these
  libgtest-dev libgmock-dev librapidcheck-dev
  python3 python3-dev python3-venv  # the Python package
)
clang_packages=(clang clang-format clang-tidy libclang-rt-14-dev)
oracle_packages=(python3 python3-venv)
pages_packages=(chromium python3 fonts-noto-mono fonts-dejavu-core)

lists_read=""

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

missing_of() {
  local package
  for package in "$@"; do
    [[ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" == "install ok installed" ]] || printf '%s\n' "$package"
  done
}

# apt-get as root, silent unless it fails.
quiet_apt() {
  local log as_root=()
  [[ $EUID -eq 0 ]] || as_root=(sudo)
  log=$(mktemp)
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

install_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian; expecting the counterparts of: $*"
    return 0
  fi
  mapfile -t missing < <(missing_of "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; then
    fail "packages are missing and this user cannot install them: run as root: apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  fi
  if [[ -z $lists_read ]]; then
    say "reading Debian's package lists"
    quiet_apt update || say "some package lists could not be read; going on with those that could"
    lists_read=yes
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  quiet_apt install -y --no-install-recommends "${missing[@]}" || fail "apt-get could not install the packages above"
}

# at_least WANTED FOUND: compares dotted versions.
at_least() { [[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" == "$1" ]]; }

# The version that a cargo or rustc reports, or nothing.
rust_version() { "$1" --version 2>/dev/null </dev/null | sed -n 's/^[a-z]* \([0-9][0-9.]*\).*/\1/p' || true; }

# Leaves the first one that is new enough in `cargo`, and its version in `cargo_version`.
find_cargo() {
  local candidate version
  for candidate in "${CARGO:-}" "$(command -v cargo || true)" ~/.cargo/bin/cargo /usr/bin/cargo; do
    [[ -n $candidate && -x $candidate ]] || continue
    version=$(rust_version "$candidate")
    if [[ -n $version ]] && at_least "$RUST_MINIMUM" "$version"; then
      cargo=$candidate
      cargo_version=$version
      return 0
    fi
  done
  return 1
}

set_up_rust() {
  local cargo="" cargo_version=""
  if ! find_cargo; then
    say "found no cargo of version $RUST_MINIMUM or later; taking Debian's"
    install_packages rustc-web cargo-web
    find_cargo || fail "expected Rust $RUST_MINIMUM or later, found $(rust_version /usr/bin/cargo): add bookworm-security to the package sources, or install a newer toolchain"
  fi
  mkdir -p build
  printf 'export CARGO=%q\n' "$cargo" > build/setup.env
  say "Rust: $cargo $cargo_version"
}

# A python3 that can make virtual environments and has the headers for extensions.
set_up_python() {
  local candidate version
  for candidate in "${PYTHON:-}" "$(command -v python3 || true)" /usr/bin/python3; do
    [[ -n $candidate && -x $candidate ]] || continue
    version=$("$candidate" -c '
import ensurepip, os, platform, sysconfig, venv
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
print(platform.python_version())' 2>/dev/null) || continue
    at_least "$PYTHON_MINIMUM" "$version" || continue
    printf 'export PYTHON=%q\n' "$candidate" >> build/setup.env
    say "Python: $candidate $version"
    return 0
  done
  fail "expected Python $PYTHON_MINIMUM or later with its headers and venv, found none; name one by the environment variable PYTHON"
}

case "${1:-build}" in
  build)
    install_packages "${build_packages[@]}"
    set_up_rust
    set_up_python
    ;;
  clang) install_packages "${clang_packages[@]}" ;;
  oracle) install_packages "${oracle_packages[@]}" ;;
  peers) command -v npm >/dev/null || install_packages npm ;;
  pages) install_packages "${pages_packages[@]}" ;;
  *) fail "expected build, clang, oracle, peers or pages, found '$1'" ;;
esac
say "everything for ${1:-build} is here"
