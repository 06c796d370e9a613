#!/bin/sh
# Replaces the running containers by those of this checkout without losing a request: `sh deploy/rolling-update.sh`, after
# `docker compose build`. For each kind of web container it starts as many new ones beside the old; when they are healthy
# and nginx knows their addresses, the old ones drain and stop. Meanwhile one kind has twice its connections and memory.
set -eu
cd "$(dirname "$0")/.."
# nginx asks for the addresses every 5 s (`valid` in deploy/nginx.conf).
settle_seconds=${SETTLE_SECONDS:-6}

# The old version serves while the database is migrated.
docker compose run --rm --no-deps migrate

for service in office pay web; do
    old=$(docker compose ps -q "$service")
    [ -n "$old" ] || { echo "No container of $service runs: docker compose up -d" >&2; exit 1; }
    count=$(printf '%s\n' "$old" | grep -c .)
    docker compose up -d --no-deps --no-recreate --wait --scale "$service=$((count * 2))" "$service"
    sleep "$settle_seconds"
    # One after another: the kernel of the host needs a moment to forget each address.
    for container in $old; do
        docker stop "$container"
        docker rm "$container"
        sleep "$settle_seconds"
    done
done

# A worker finishes its task; what is queued meanwhile waits for its successor.
docker compose up -d --no-deps worker-expiry worker-payments worker-webhooks worker beat
