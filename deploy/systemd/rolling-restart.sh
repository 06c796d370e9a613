#!/bin/sh
# Lets a new version, or new settings, take over on this machine without losing a request: as root, after the links and
# /etc/flashsale were changed. Of each pair of web servers one serves while the other restarts; one that is told to stop
# finishes what it has begun (WEB_DRAIN_SECONDS), and one that does not start ends this script.
set -eu

running() { systemctl list-units --plain --no-legend --state=active "$@" | awk '{ print $1 }'; }

# New tables first: every version runs on the tables of the next one.
for unit in $(running flashsale-migrate.service); do
    systemctl restart "$unit"
done
# Where none is left to serve meanwhile, nothing is stopped.
for kind in web pay office; do
    units=$(running "flashsale-$kind@*.service")
    [ "$(echo "$units" | wc -w)" -ne 1 ] || { echo "only $units serves: start another one first" >&2; exit 1; }
done
for kind in web pay office; do
    for unit in $(running "flashsale-$kind@*.service"); do
        echo "$unit"
        systemctl restart "$unit"
    done
done
# What they run ends first, within 130 seconds.
for unit in $(running 'flashsale-worker*.service' flashsale-beat.service); do
    echo "$unit"
    systemctl restart "$unit"
done
