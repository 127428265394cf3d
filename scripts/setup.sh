# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh: makes sure that what the build needs is installed.

# Debian package, and how another system shows that it has the same: a command, a pkg-config module or a file.
espalier_requirements="
g++                     command g++
cmake                   command cmake
ninja-build             command ninja
pkg-config              command pkg-config
libhwy-dev              module  libhwy
libtomlplusplus-dev     module  tomlplusplus
libcli11-dev            module  CLI11
nlohmann-json3-dev      module  nlohmann_json
libfmt-dev              module  fmt
libspdlog-dev           module  spdlog
zlib1g-dev              module  zlib
libstb-dev              module  stb
libjpeg-dev             module  libjpeg
libisal-dev             module  libisal
libeigen3-dev           module  eigen3
libcurl4-openssl-dev    module  libcurl
libssl-dev              module  libcrypto
libarchive-dev          module  libarchive
catch2                  module  catch2
dataset-fashion-mnist   file    /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
"

# Whether this is a Debian or Ubuntu new enough to have every package.
is_supported_system() {
  [ -r /etc/os-release ] || return 1
  local id version
  id=$(. /etc/os-release && echo "${ID:-}")
  version=$(. /etc/os-release && echo "${VERSION_ID:-9999}")  # testing and unstable have no number
  case $id in
    debian) dpkg --compare-versions "$version" ge 12 ;;
    ubuntu) dpkg --compare-versions "$version" ge 24.04 ;;
    *) return 1 ;;
  esac
}

has() {  # has command|module|file <what>
  case $1 in
    command) command -v "$2" >/dev/null ;;
    module) pkg-config --exists "$2" 2>/dev/null ;;
    file) [ -e "$2" ] ;;
  esac
}

install_packages() {
  local package sudo="" missing=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "Installing ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Neither root nor sudo. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    sudo=sudo
  fi
  $sudo apt-get update -q &&
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"
}

# require_packages <package>...: installs what is missing, or says what is and fails.
require_packages() {
  if is_supported_system; then
    install_packages "$@"
    return
  fi
  local package kind what missing=()
  while read -r package kind what; do
    [[ -n $package && " $* " == *" $package "* ]] || continue
    [ "$package" != dataset-fashion-mnist ] || [ ! -d "${ESPALIER_DATA:-/nowhere}/fashion-mnist" ] || continue
    has "$kind" "$what" || missing+=("  $package: $kind $what")
  done <<<"$espalier_requirements"
  [ ${#missing[@]} -gt 0 ] || return 0
  {
    echo "This is neither Debian >= 12 nor Ubuntu >= 24.04, so nothing was installed. Missing, by Debian's package names:"
    printf '%s\n' "${missing[@]}"
    echo "Install them with this system's package manager, or work in a container: docker run -it debian:12"
    echo "Fashion-MNIST: the four files of https://github.com/zalandoresearch/fashion-mnist in \$ESPALIER_DATA/fashion-mnist,"
    echo "where \`espalier data get fashion_mnist\` puts them"
  } >&2
  return 1
}

# shellcheck disable=SC2034  # used by those who source this
build_packages=(g++ cmake ninja-build pkg-config libhwy-dev libtomlplusplus-dev libcli11-dev
  nlohmann-json3-dev libfmt-dev libspdlog-dev zlib1g-dev libisal-dev libeigen3-dev libcurl4-openssl-dev libssl-dev
  libarchive-dev libstb-dev libjpeg-dev)

if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
fi
