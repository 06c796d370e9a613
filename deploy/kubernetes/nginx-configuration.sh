#!/bin/sh
# Writes nginx.conf for this cluster: `sh nginx-configuration.sh [FOLDER [TARGET [RESOLV_CONF]]]`. The folder has nginx.conf
# and, beside it, the files of Compose that it includes. nginx asks the DNS server itself and knows no search domains: both
# come from the pod's resolv.conf. Behind a balancer (BALANCER_NETWORKS) the client's address is the last one in
# X-Forwarded-For that is not the balancer's.
set -eu
folder=${1:-/etc/flashsale}
target=${2:-/configuration/nginx.conf}
resolv_conf=${3:-/etc/resolv.conf}

resolver=$(awk '$1 == "nameserver" { print ($2 ~ /:/) ? "[" $2 "]" : $2; exit }' "$resolv_conf")
domain=$(awk '$1 == "search" { print $2; exit }' "$resolv_conf")
[ -n "$resolver" ] && [ -n "$domain" ] || { echo "$resolv_conf names no server or no search domain" >&2; exit 1; }

awk -v folder="$folder" '
    $1 == "include" && sub("^site/", "", $2) {
        sub(";$", "", $2)
        while ((status = (getline line < (folder "/" $2))) > 0) print line
        if (status < 0) exit 1
        next
    }
    { print }
' "$folder/nginx.conf" > "$target"
sed -i -E \
    -e "s/resolver 127\.0\.0\.11 /resolver $resolver /" \
    -e "s/server (web|pay|office):8000 resolve /server \1.$domain:8000 resolve /" \
    "$target"

if [ -n "${BALANCER_NETWORKS:-}" ]; then
    trusted=$(printf 'set_real_ip_from %s; ' $BALANCER_NETWORKS)
    sed -i -E \
        -e "s|# set_real_ip_from .*|$trusted|" \
        -e 's|# (real_ip_header X-Forwarded-For;)|\1|' \
        -e 's|# (real_ip_recursive on;)|\1|' \
        "$target"
fi
