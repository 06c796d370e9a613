#!/bin/sh
# Makes a dump every day at BACKUP_AT, and what was missed as soon as it can: a service of docker-compose.yml. Where systemd
# or cron keeps the time, dump.sh is all that they run.
. "$(dirname "$0")/common.sh"
run=
trap 'stop_with "$run"' TERM INT

is_due() {
    newest=$(good_dumps | tail -n 1)
    { [ -z "$newest" ] || [ "$(modified_at "$newest")" -lt "$(last_time)" ]; } && may_try dump
}

while :; do
    touch "$alive"
    if [ -n "$run" ] && ! kill -0 "$run" 2> /dev/null; then
        wait "$run" || true
        run=
    fi
    if [ -z "$run" ] && is_due; then
        sh "$(dirname "$0")/dump.sh" &
        run=$!
    fi
    nap "$poll_seconds"
done
