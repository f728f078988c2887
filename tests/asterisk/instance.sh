#!/bin/sh
# Runs one Asterisk of the test laboratory in the foreground, on loopback, until it is killed.
#
# Several can run at once: everything that could collide is a variable.
#   LAB_ID          name of the instance; its files live in <chroot>/srv/ringcard/<id>/ and are kept between runs
#   LAB_SIP_PORT    UDP port of Asterisk on 127.0.0.1
#   LAB_AMI_PORT    TCP port of the manager interface
#   LAB_HTTP_PORT   TCP port of the REST interface (ARI)
#   LAB_AMI_TLS_PORT, LAB_HTTP_TLS_PORT  the same over TLS, with the certificate of tests/fixtures/tls
#   LAB_AMI_SECRET  password of the manager user `ringcard`
#   LAB_TRUNK_PORT  UDP port on 127.0.0.2 where SIPp plays the outside world
#   LAB_PHONE_PORT  UDP port on 127.0.0.1 of phone 101; 102 has the next one, and so on to 105
#   LAB_RTP_PORT    first of 400 UDP ports for sound
#   LAB_ROUTE_URL   where the dialplan asks who should ring (default: nobody listens there)
#   LAB_ROUTE_TOKEN token of that question
#   LAB_ARI_OUT     port where Ringcard waits for Asterisk to dial it (default: nobody listens there)
#   LAB_ARI_OUT_TLS if `yes`, it dials there over TLS and trusts the authority of tests/fixtures/tls
#   LAB_UNLINKED    if not empty, channels do not say which call they belong to
#   LAB_AGI         where it asks over FastAGI instead, agi://host:port (default: nowhere)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
deploy=$here/../../deploy/asterisk
chroot=${LAB_CHROOT:-$("$here/chroot.sh")}
: "${LAB_ID:?}" "${LAB_SIP_PORT:?}" "${LAB_AMI_PORT:?}" "${LAB_HTTP_PORT:?}" "${LAB_AMI_SECRET:?}"
: "${LAB_AMI_TLS_PORT:?}" "${LAB_HTTP_TLS_PORT:?}" "${LAB_TRUNK_PORT:?}" "${LAB_PHONE_PORT:?}" "${LAB_RTP_PORT:?}"

inside=/srv/ringcard/$LAB_ID
base=$chroot$inside
mkdir -p "$base/etc" "$base/lib" "$base/spool/monitor" "$base/log/cel-custom" "$base/log/cdr-custom" "$base/run"

ari_out=ws://127.0.0.1
if [ "${LAB_ARI_OUT_TLS:-no}" = yes ]; then
    # Asterisk looks for a name in the certificate: an address there does not count for it.
    ari_out=wss://pbx.example
    grep -qs pbx.example "$chroot/etc/hosts" || echo 127.0.0.1 pbx.example >>"$chroot/etc/hosts"
fi

phone() { echo $((LAB_PHONE_PORT + $1 - 101)); }

# What we ship is what is tested: these files are taken as they are.
cp "$deploy"/*.conf "$base/etc/"
cp "$here"/../fixtures/tls/server.* "$here"/../fixtures/tls/authority.pem "$base/etc/"

[ -z "${LAB_UNLINKED:-}" ] || sed -i '/^channelvars/d' "$base/etc/ari_ringcard.conf"

for template in "$here"/etc/*.conf; do
    sed -e "s|@INSIDE@|$inside|g" \
        -e "s|@SIP_PORT@|$LAB_SIP_PORT|g" \
        -e "s|@AMI_PORT@|$LAB_AMI_PORT|g" \
        -e "s|@AMI_SECRET@|$LAB_AMI_SECRET|g" \
        -e "s|@HTTP_PORT@|$LAB_HTTP_PORT|g" \
        -e "s|@AMI_TLS_PORT@|$LAB_AMI_TLS_PORT|g" \
        -e "s|@HTTP_TLS_PORT@|$LAB_HTTP_TLS_PORT|g" \
        -e "s|@TRUNK_PORT@|$LAB_TRUNK_PORT|g" \
        -e "s|@PHONE_101@|$(phone 101)|g" \
        -e "s|@PHONE_102@|$(phone 102)|g" \
        -e "s|@PHONE_103@|$(phone 103)|g" \
        -e "s|@PHONE_104@|$(phone 104)|g" \
        -e "s|@RTP_FIRST@|$LAB_RTP_PORT|g" \
        -e "s|@RTP_LAST@|$((LAB_RTP_PORT + 399))|g" \
        -e "s|@ROUTE_URL@|${LAB_ROUTE_URL:-http://127.0.0.1:9}|g" \
        -e "s|@ROUTE_TOKEN@|${LAB_ROUTE_TOKEN:-}|g" \
        -e "s|@ARI_OUT@|$ari_out:${LAB_ARI_OUT:-9}|g" \
        -e "s|@ARI_OUT_TLS@|${LAB_ARI_OUT_TLS:-no}|g" \
        -e "s|@AGI@|${LAB_AGI:-}|g" \
        "$template" >"$base/etc/$(basename "$template")"
done

exec chroot "$chroot" /usr/sbin/asterisk -f -C "$inside/etc/asterisk.conf"
