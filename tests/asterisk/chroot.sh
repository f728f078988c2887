#!/bin/sh
# Makes the folder with a real Asterisk that the tests run, and prints its path.
#
# The folder is a minimal Debian with the package `asterisk` and nothing else of ours. It is made once and kept in
# $RINGCARD_TEST_CACHE (default: ~/.cache/ringcard); delete it there to get a newer Asterisk.
# Needs root: debootstrap and chroot both do.
set -eu

cache=${RINGCARD_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ringcard}
chroot=$cache/asterisk

say() { echo "asterisk: $*" >&2; }

need_root() {
    [ "$(id -u)" = 0 ] || { say "$1 needs root; run this once as root: $0"; exit 1; }
}

# $1 the command, $2 the package that brings it
install_missing() {
    command -v "$1" >/dev/null 2>&1 && return
    need_root "installing the package $2"
    say "installing $2"
    apt-get install -y --no-install-recommends "$2" >&2 ||
        { apt-get update >&2 && apt-get install -y --no-install-recommends "$2" >&2; }
}

# Only the mirror this machine already uses for Debian; with none configured debootstrap takes its own default.
machine_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null |
        head -n 1
}

PATH=$PATH:/usr/sbin:/sbin
install_missing sipp sip-tester

if [ ! -e "$chroot/.complete" ]; then
    install_missing debootstrap debootstrap
    need_root "debootstrap"
    mkdir -p "$cache"
    # Two test runs may start at once: the second waits here and finds the work done.
    exec 9>"$cache/asterisk.lock"
    flock 9
    if [ ! -e "$chroot/.complete" ]; then
        say "making $chroot (a few minutes, once)"
        rm -rf "$chroot.new" "$chroot"
        # shellcheck disable=SC2046 # no mirror means no argument
        debootstrap --variant=minbase --include=asterisk sid "$chroot.new" $(machine_mirror) >"$cache/asterisk.log" 2>&1 ||
            { say "debootstrap failed; the end of $cache/asterisk.log:"; tail -n 20 "$cache/asterisk.log" >&2; exit 1; }
        rm -rf "$chroot.new"/var/cache/apt/archives/*.deb "$chroot.new"/var/lib/apt/lists/*
        mkdir -p "$chroot.new/srv/ringcard"
        touch "$chroot.new/.complete"
        mv "$chroot.new" "$chroot"
    fi
fi

say "$(chroot "$chroot" /usr/sbin/asterisk -V 2>/dev/null || echo "present, but this user may not chroot")"
echo "$chroot"
