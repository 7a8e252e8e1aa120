# A Rust compiler for wasm32-unknown-unknown with panic=unwind: from rustup, or made of Debian's
# packages. Source this after env.sh, step.sh and store.sh.
#
# panic=unwind needs std built from source with an unstable flag. rustup has a nightly compiler for
# it. Debian has none, but its stable one takes the flag when told to (RUSTC_BOOTSTRAP), so wrapper
# scripts named cargo, rustc and rustup stand in for what worker-build calls. Wasm alone uses them.
# shellcheck shell=bash

WASM_TARGET=wasm32-unknown-unknown
# Raise when the recipe of `build_debian_rust` changes.
DEBIAN_RECIPE=1
DEBIAN_PACKAGES="rustc-web cargo-web rust-web-src rust-web-llvm rust-web-clippy lld-22"

# Sets up the compiler once; afterwards .tools/rust-from says where it comes from.
rust_for_wasm() {
  local from
  from=$(cat .tools/rust-from 2>/dev/null || true)
  if [ -n "${EDGE_QUEUE_RUST:-}" ] && [ "$from" != "$EDGE_QUEUE_RUST" ]; then from=; fi
  case $from in
    rustup) rustup_ready && return ;;
    debian) debian_ready && return ;;
  esac
  rm -f .tools/rust-from
  case ${EDGE_QUEUE_RUST:-any} in
    rustup) rustup_install || die "rustup could not install what is missing; see .tools/log" ;;
    debian) debian_install ;;
    any) rustup_install || debian_install ;;
    *) die "EDGE_QUEUE_RUST is rustup or debian, not '$EDGE_QUEUE_RUST'" ;;
  esac
}

# --- rustup

rustup_ready() {
  local installed
  [ ! -e .tools/rust ] || return 1
  installed=$(rustup component list --installed --toolchain nightly 2>/dev/null) || return 1
  case $installed in *rust-src*) ;; *) return 1 ;; esac
  case $installed in *"rust-std-$WASM_TARGET"*) ;; *) return 1 ;; esac
  rustup target list --installed 2>/dev/null | grep -qx "$WASM_TARGET"
}

# Fails, in bounded time, where rustup is missing or cannot download.
rustup_install() {
  command -v rustup >/dev/null 2>&1 || return 1
  rm -f .tools/rust
  if ! rustup_ready; then
    say "setup: asking rustup for the target $WASM_TARGET and nightly's source of std (1 to 3 min)"
    rustup_fetch || {
      say "setup: rustup cannot download here; going on with the system's packages"
      return 1
    }
  fi
  echo rustup > .tools/rust-from
}

# A nightly that is there already is kept as it is: other projects may count on its version.
rustup_fetch() {
  local log=${EDGE_QUEUE_ROOT:?}/.tools/log/rustup.log
  mkdir -p "${log%/*}"
  {
    bounded 90 rustup target add "$WASM_TARGET" &&
      if rustup toolchain list | grep -q '^nightly-'; then
        bounded 300 rustup component add rust-src --toolchain nightly &&
          bounded 300 rustup target add "$WASM_TARGET" --toolchain nightly
      else
        bounded 600 rustup toolchain install nightly --profile minimal --no-self-update \
          --component rust-src --target "$WASM_TARGET"
      fi
  } > "$log" 2>&1
}

bounded() {
  if command -v timeout >/dev/null 2>&1; then timeout --kill-after=5 "$@"; else shift && "$@"; fi
}

# --- Debian

debian_key() {
  local version
  version=$(dpkg-query -W -f '${Version}' rustc-web 2>/dev/null) || version=none
  version=$(printf %s "$version" | tr -c '[:alnum:].' '-')
  printf 'wasm-std-%s-recipe-%s' "$version" "$DEBIAN_RECIPE"
}

debian_ready() {
  [ .tools/rust -ef "$STORE/$(debian_key)" ] && [ -x /usr/bin/clippy-driver ]
}

debian_install() {
  command -v apt-get >/dev/null 2>&1 ||
    die "no Rust for $WASM_TARGET: install rustup (https://rustup.rs), or let it reach its server"
  debian_packages
  local key
  key=$(debian_key)
  stored "$key" || {
    say "setup: building the standard library for $WASM_TARGET (about 1 min, once)"
    store "$key" build_debian_rust
  }
  ln -sfn "$STORE/$key" .tools/rust
  echo debian > .tools/rust-from
}

debian_packages() {
  local missing=() package
  for package in $DEBIAN_PACKAGES; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q ' installed$' ||
      missing+=("$package")
  done
  # Where rustup is absent, Debian's compiler does the native work too.
  command -v cargo-fmt >/dev/null 2>&1 || missing+=(rustfmt-web)
  [ ${#missing[@]} -gt 0 ] || return 0
  apt_can || die "missing packages: ${missing[*]}. Install them as root with apt-get"
  say "setup: installing ${missing[*]} from the system's packages (about 1 min)"
  logged apt "Try 'apt-get install ${missing[*]}' by hand." apt_install "${missing[@]}"
}

apt_can() {
  command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

apt_install() {
  local as=()
  [ "$(id -u)" = 0 ] || as=(sudo -n)
  export DEBIAN_FRONTEND=noninteractive
  "${as[@]}" apt-get install -y --no-install-recommends "$@" || {
    "${as[@]}" apt-get update && "${as[@]}" apt-get install -y --no-install-recommends "$@"
  }
}

# std for the plain target (checks), a link to its source (panic=unwind), and the wrappers.
build_debian_rust() {
  local into=$1 host libs=$1/sysroot/lib/rustlib/$WASM_TARGET/lib
  host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
  mkdir -p "$into/std/src" "$libs" "$into/bin"
  printf '%s\n' '[package]' 'name = "stdbuild"' 'version = "0.0.0"' 'edition = "2021"' \
    '[workspace]' '[profile.release]' 'panic = "abort"' > "$into/std/Cargo.toml"
  : > "$into/std/src/lib.rs"
  logged wasm-std "The step can simply be repeated." build_std "$into/std" || return 1
  find "$into/std/target/$WASM_TARGET/release/deps" -name '*.rlib' ! -name 'libstdbuild-*' \
    -exec cp {} "$libs/" \;
  compgen -G "$libs/libstd-*.rlib" >/dev/null || return 1
  rm -rf "$into/std"
  ln -s "/usr/lib/rustlib/$host" "$into/sysroot/lib/rustlib/$host"
  ln -s /usr/lib/rustlib/src "$into/sysroot/lib/rustlib/src"
  write_wrappers "$into/bin"
}

# Bitcode in the rlibs, or the link-time optimisation of the release build fails.
build_std() {
  (
    unset CARGO_TARGET_DIR
    cd "$1" || exit
    RUSTC=/usr/bin/rustc RUSTFLAGS=-Cembed-bitcode=yes RUSTC_BOOTSTRAP=1 \
      /usr/bin/cargo build --release -Zbuild-std=std,panic_abort --target "$WASM_TARGET"
  )
}

write_wrappers() {
  local bin=$1
  cat > "$bin/rustc" <<'X'
#!/bin/sh
[ "$1" = "+nightly" ] && { shift; export RUSTC_BOOTSTRAP=1; }
exec /usr/bin/rustc --sysroot "$(cd -P "$(dirname "$0")/../sysroot" && pwd)" "$@"
X
  # `cargo clippy` must not find the cargo-clippy of another compiler on PATH.
  cat > "$bin/cargo" <<'X'
#!/bin/sh
[ "$1" = "+nightly" ] && { shift; export RUSTC_BOOTSTRAP=1; }
RUSTC="$(cd -P "$(dirname "$0")" && pwd)/rustc" CARGO=/usr/bin/cargo
export RUSTC CARGO
[ "$1" = "clippy" ] && exec /usr/bin/cargo-clippy "$@"
exec /usr/bin/cargo "$@"
X
  printf '%s\n' '#!/bin/sh' 'echo "rust-src (installed)"' > "$bin/rustup"
  chmod +x "$bin/rustc" "$bin/cargo" "$bin/rustup"
}
