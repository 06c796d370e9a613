#!/bin/sh
# The health checks of docker-compose.yml for the units that run on this machine: fails, and names those that do not work.
# It restarts none: a worker whose broker is away does not work, and a restart would not help.
set -u
failed=0

report() {
    echo "$1 $2" >&2
    failed=1
}

# Every running unit has a folder (RuntimeDirectory), which is as old as the unit.
for folder in "${1:-/run/flashsale}"/*/; do
    unit=$(basename "$folder")
    # Compose's time to start.
    if find "$folder" -maxdepth 0 -mmin -1 | grep -q .; then continue; fi
    case $unit in
        flashsale-web@* | flashsale-pay@* | flashsale-office@*)
            curl -s -o /dev/null --fail --max-time 3 --retry 2 --retry-delay 5 --retry-connrefused \
                "http://127.0.0.1:${unit#*@}/livez" || report "$unit" "does not answer"
            ;;
        flashsale-worker* | flashsale-beat)
            # A worker touches the file while it is connected to its broker, the beat with each task that it sends.
            find "$folder" -name alive -mmin -0.5 | grep -q . || report "$unit" "is silent"
            ;;
    esac
done
exit "$failed"
