# shellcheck shell=bash
# Sourced by scripts that need packages of Debian as files, of arm64 unless they say otherwise: they are unpacked
# in a folder, so that neither what this machine has installed nor its list of architectures changes.

readonly APT_FOLDER=$PWD/.cache/apt

# files_apt COMMAND...: apt with folders of its own, on this machine's sources.
files_apt() { APT_CONFIG="$APT_FOLDER/apt.conf" "$@"; }

# update_lists: what there is by now.
update_lists() {
    mkdir -p "$APT_FOLDER/lists/partial" "$APT_FOLDER/archives/partial"
    : >"$APT_FOLDER/status"
    cat >"$APT_FOLDER/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; "$(dpkg --print-architecture)"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none";
Dir::State::Lists "$APT_FOLDER/lists";
Dir::State::Status "$APT_FOLDER/status";
Dir::Cache "$APT_FOLDER";
CONF
    files_apt apt-get -q update
}

# unpack_only FOLDER PACKAGE...: these and nothing else.
unpack_only() {
    local folder=$1
    shift
    mkdir -p "$folder.debs"
    (cd "$folder.debs" && files_apt apt-get -q download "$@") || return
    unpack_debs "$folder"
}

# unpack_all FOLDER PACKAGE...: with everything that they depend on.
unpack_all() {
    local folder=$1
    shift
    mkdir -p "$folder.debs/partial"
    files_apt apt-get -q -y -o Dir::Cache::Archives="$folder.debs" --download-only install "$@" || return
    unpack_debs "$folder"
}

unpack_debs() {
    local deb
    mkdir -p "$1"
    for deb in "$1.debs"/*.deb; do dpkg-deb --extract "$deb" "$1" || return; done
    rm -rf "$1.debs"
}
