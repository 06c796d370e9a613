#!/bin/sh
# Adds the receivers to deploy/alertmanager.yml, from secrets and variables, and runs the command given. Alertmanager cannot
# read an address that may be missing from a file, and an address that belongs to one shop does not belong into this folder.
#   secrets/alert_webhook_url     receives Alertmanager's webhooks for `page` and `ticket`
#   secrets/alert_watchdog_url    is called every four minutes as long as Prometheus and Alertmanager work
#   ALERT_EMAIL_TO, ALERT_EMAIL_FROM, ALERT_SMTP_HOST (host:port), ALERT_SMTP_USER, secrets/alert_smtp_password
set -eu
routes=${ALERT_ROUTES:-/etc/alertmanager/routes.yml}
config=${ALERT_CONFIG:-/tmp/alertmanager.yml}
secrets=${ALERT_SECRETS:-/run/secrets}
umask 077

say() { echo "alertmanager.sh: $*" >&2; }

secret() { if [ -e "$secrets/$1" ]; then tr -d '\r\n' < "$secrets/$1"; fi; }

# A YAML string that holds any character.
quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }

url_of() {
    value=$(secret "$1")
    case $value in
        "" | http://?* | https://?*) printf %s "$value" ;;
        *) say "$1 must be a URL with http or https, or empty."; exit 1 ;;
    esac
}

webhook() {
    if [ -n "$1" ]; then
        printf '    webhook_configs:\n      - {url: %s, send_resolved: %s}\n' "$(quoted "$1")" "$2"
    fi
}

email() {
    [ -n "${ALERT_EMAIL_TO:-}" ] || return 0
    printf '    email_configs:\n      - to: %s\n        send_resolved: true\n' "$(quoted "$ALERT_EMAIL_TO")"
    printf '        from: %s\n        smarthost: %s\n' "$(quoted "$ALERT_EMAIL_FROM")" "$(quoted "$ALERT_SMTP_HOST")"
    if [ -n "${ALERT_SMTP_USER:-}" ]; then
        printf '        auth_username: %s\n' "$(quoted "$ALERT_SMTP_USER")"
        printf '        auth_password: %s\n' "$(quoted "$(secret alert_smtp_password)")"
    fi
}

url=$(url_of alert_webhook_url)
watchdog=$(url_of alert_watchdog_url)
if [ -n "${ALERT_EMAIL_TO:-}" ] && { [ -z "${ALERT_EMAIL_FROM:-}" ] || [ -z "${ALERT_SMTP_HOST:-}" ]; }; then
    say "ALERT_EMAIL_TO needs ALERT_EMAIL_FROM and ALERT_SMTP_HOST."
    exit 1
fi
if [ -z "$url${ALERT_EMAIL_TO:-}" ]; then
    say "no receiver: alerts are sent to no one. Write secrets/alert_webhook_url, or set ALERT_EMAIL_TO."
fi
if [ -z "$watchdog" ]; then
    say "no dead man's switch: if Prometheus or Alertmanager stops, no one is told. Write secrets/alert_watchdog_url."
fi

{
    cat "$routes"
    printf 'receivers:\n'
    for name in page ticket; do
        printf '  - name: %s\n' "$name"
        webhook "$url" true
        email
    done
    printf '  - name: watchdog\n'
    webhook "$watchdog" false
} > "$config"

exec "$@"
