#!/bin/sh
# Runs manage.py with the settings and secrets of the units, as their user: `sh manage.sh createsuperuser`, as root.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
secrets=$(sed -nE 's#^Environment=(\w+)_FILE=%d/(\w+)$#\1 \2#p' "$folder/flashsale-.service.d/common.conf")

while read -r name file; do
    export "$name=$(cat "/etc/flashsale/secrets/$file")"
done <<END
$secrets
END
export ENV_FILE=/etc/flashsale/flashsale.env
cd "$folder/../.."
exec runuser -u flashsale -- .venv/bin/python manage.py "$@"
