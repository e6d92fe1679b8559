# shellcheck shell=bash
# Sourced by the scripts beside it: goes to the project's top, and gives them headings, apt-get, and
# the memory of what has already passed here.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

# Scripts that call each other count from the first one's start.
export SCRIPT_STARTED="${SCRIPT_STARTED:-$(date +%s)}"

# heading TEXT: a section with the time since the script's start.
heading() {
    local elapsed=$(($(date +%s) - SCRIPT_STARTED))
    printf '\n==== %s  [%d:%02d]\n' "$*" $((elapsed / 60)) $((elapsed % 60))
}

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

# --- what has already passed here -------------------------------------------------------------------
# Slow tests are skipped when everything that they test is unchanged since they passed on this machine.
# The memory is .cache/, which a fresh clone doesn't have.

# content_key PATH...: a digest of the files under PATH..., committed or not.
content_key() {
    local file
    git ls-files -z --cached --others --exclude-standard -- "$@" | sort -z |
        while IFS= read -r -d '' file; do [ ! -f "$file" ] || sha256sum "$file"; done |
        { cat && rustc --version; } | sha256sum | cut -c 1-32
}

passed_before() { [ -e ".cache/passed/$1-$2" ]; }

remember_passed() {
    mkdir -p .cache/passed
    rm -f ".cache/passed/$1-"*
    : >".cache/passed/$1-$2"
}
