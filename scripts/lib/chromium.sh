# Debian's Chromium, a Latin and a Thai font, for the tests of the pages. Source this after env.sh, step.sh,
# store.sh and rust.sh (its `apt_can` and `apt_install`).
#
# .tools/bin/chromium is the browser: the machine's own where it has one, else installed as root, else
# its packages unpacked into the tool store beside the libraries that the machine lacks.
# shellcheck shell=bash

CHROMIUM_PACKAGES="chromium fonts-inter fonts-thai-tlwg-otf"
# Raise when the recipe of `unpack_chromium` changes.
CHROMIUM_RECIPE=1

chromium_browser() {
  [ -x .tools/bin/chromium ] && return
  rm -f .tools/bin/chromium
  local found
  found=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
  if [ -z "$found" ]; then
    command -v apt-get >/dev/null 2>&1 ||
      die "no browser for the tests of the pages: install chromium, then run this again"
    found=$(chromium_from_packages)
  fi
  ln -sfn "$found" .tools/bin/chromium
}

# Prints where it is; what it says goes to standard error.
chromium_from_packages() {
  if apt_can; then
    say "setup: installing chromium from the system's packages (about 1 min)" >&2
    # shellcheck disable=SC2086
    logged chromium "Install chromium by hand." apt_install $CHROMIUM_PACKAGES >&2 || exit
    command -v chromium
    return
  fi
  local key
  key=$(chromium_key) || exit
  stored "$key" || {
    say "setup: unpacking chromium and its libraries (about 2 min, once)" >&2
    store "$key" unpack_chromium >&2 || exit
  }
  printf '%s\n' "$STORE/$key/bin/chromium"
}

chromium_key() {
  local version
  version=$(apt-cache policy chromium 2>/dev/null | sed -n 's/^  Candidate: //p')
  case $version in
    "" | "(none)") die "the system's package lists have no chromium: install a browser by hand" ;;
  esac
  printf 'chromium-%s-recipe-%s' "$(printf %s "$version" | tr -c '[:alnum:].' '-')" "$CHROMIUM_RECIPE"
}

# unpack_chromium FOLDER: nothing of it needs to be root.
unpack_chromium() {
  local into=$1
  mkdir -p "$into/debs" "$into/root" "$into/bin"
  logged chromium "Is the package archive reachable?" fetch_debs "$into/debs" || return
  local deb
  for deb in "$into"/debs/*.deb; do dpkg-deb -x "$deb" "$into/root" || return; done
  rm -rf "$into/debs"
  cat > "$into/bin/chromium" <<'END'
#!/bin/sh
# Finds its libraries, fonts and settings beside itself.
root=$(cd -P "$(dirname "$(readlink -f "$0")")/../root" && pwd)
libraries=$(find "$root/lib" "$root/usr/lib" -name '*.so*' -printf '%h\n' 2>/dev/null | sort -u | tr '\n' ':')
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:-}"
export FONTCONFIG_FILE="$root/fonts.conf"
exec "$root/usr/lib/chromium/chromium" "$@"
END
  chmod +x "$into/bin/chromium"
  write_font_settings "$into/root"
  # The cache of fonts goes by the time of their folders, which packages leave in the past.
  find "$into/root/usr/share/fonts" -type d -exec touch {} +
}

# The folder is where the store keeps it in the end, which its temporary name does not say: relative.
write_font_settings() {
  printf '%s\n' '<?xml version="1.0"?>' '<!DOCTYPE fontconfig SYSTEM "fonts.dtd">' '<fontconfig>' \
    '<dir prefix="relative">usr/share/fonts</dir>' '<dir>/usr/share/fonts</dir>' \
    '<include ignore_missing="yes">/etc/fonts/conf.d</include>' \
    '<cachedir prefix="xdg">fontconfig</cachedir>' '</fontconfig>' > "$1/fonts.conf"
}

# Chromium and whatever of its dependencies this machine lacks.
fetch_debs() {
  local names
  # shellcheck disable=SC2086
  names=$(apt-get install --simulate --no-install-recommends $CHROMIUM_PACKAGES |
    sed -n 's/^Inst \([^ ]*\).*/\1/p') || return
  # shellcheck disable=SC2086
  (cd "$1" && apt-get download $names)
}
