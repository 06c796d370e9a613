#!/bin/sh
# Makes the secrets that docker-compose.yml mounts: `sh deploy/make-secrets.sh`, into ./secrets or the folder given. Existing
# files are kept. Stripe's and those of alerts are yours to fill in; an empty file means: not used, or no former keys.
set -eu
folder=${1:-$(dirname "$0")/../secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

random() { head -c "$1" /dev/urandom | base64 | tr -d '\n'; }

make() {
    if [ ! -e "$folder/$1" ]; then
        printf '%s\n' "$2" > "$folder/$1"
        echo "made $1"
    fi
    # Compose mounts the file with its mode, and the programs run as other users; the folder's mode excludes everyone else.
    chmod 444 "$folder/$1"
}

make secret_key "$(random 48)"
make secret_key_fallbacks ""
make queue_keys "$(random 48)"
make postgres_password "$(random 24)"
make standard_webhook_secrets "whsec_$(random 32)"
make stripe_webhook_secrets ""
make stripe_api_key ""
make metrics_token "$(random 24)"
make grafana_password "$(random 18)"
make alert_webhook_url ""
make alert_watchdog_url ""
make alert_smtp_password ""
