#!/bin/sh
# Makes a Debian package of a built program and prints its path.
#
#   deploy/debian/build.sh [PROGRAM [ARCHITECTURE [FOLDER]]]
#
# Defaults: target/release/ringcard, this machine's, target/debian.
#
# With dpkg-deb alone, which every Debian has, and no tool of its own to install: the package is a program, a unit, a
# configuration and papers. Build on the oldest Debian it is to run on; the program needs that one's libc or a newer one.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
program=${1:-$root/target/release/ringcard}
architecture=${2:-$(dpkg --print-architecture)}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
[ -x "$program" ] || { echo "no program at $program: make build" >&2; exit 1; }

umask 022
place=${3:-$root/target/debian}
tree=$place/tree
rm -rf "$tree"
mkdir -p "$tree/DEBIAN"

put() { # MODE SOURCE FOLDER
    mkdir -p "$tree/$3"
    install -m "$1" "$root/$2" "$tree/$3/"
}

mkdir -p "$tree/usr/bin"
install -m 755 "$program" "$tree/usr/bin/ringcard"
put 755 deploy/debian/ringcard-as usr/sbin
put 640 config/ringcard.toml etc/ringcard
put 644 deploy/systemd/ringcard.service usr/lib/systemd/system
put 644 deploy/debian/package.conf usr/lib/systemd/system/ringcard.service.d
papers=usr/share/doc/ringcard
put 644 README.md "$papers"
put 644 CHANGELOG.md "$papers"
cat "$root/LICENSE-MIT" "$root/LICENSE-APACHE" >"$tree/$papers/copyright"
for folder in docs deploy/asterisk deploy/proxy deploy/prometheus deploy/grafana; do
    mkdir -p "$tree/$papers/${folder#deploy/}"
    cp -R "$root/$folder/." "$tree/$papers/${folder#deploy/}/"
done

# The newest version of libc's symbols that the program asks for.
libc=$(grep -aoE 'GLIBC_2\.[0-9]+' "$program" | sort -t. -k2 -n -u | tail -n 1)
size=$(du -k -s --exclude=DEBIAN "$tree" | cut -f 1)
cat >"$tree/DEBIAN/control" <<EOF
Package: ringcard
Version: $version
Architecture: $architecture
Maintainer: Ringcard <root@localhost>
Section: net
Priority: optional
Installed-Size: $size
Depends: libc6 (>= ${libc#GLIBC_}), libgcc-s1, adduser, ca-certificates
Description: Calls become client cards
 Listens to PBXes, joins their events into calls, opens the client's card while
 the phone rings, answers who should ring, keeps recordings and counts.
EOF
echo /etc/ringcard/ringcard.toml >"$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do
    install -m 755 "$root/deploy/debian/$script" "$tree/DEBIAN/"
done

package=$place/ringcard_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" >&2
rm -rf "$tree"
echo "$package"
