# What the scripts of this folder share. They run in the shell and with the programs of postgres:18-alpine, and anywhere with
# PostgreSQL's client programs and flock. libpq's own variables say where the server is (PGHOST, PGUSER, PGDATABASE, ...).
set -eu
umask 077

folder=${BACKUP_DIR:?BACKUP_DIR names the folder for backups}
# How many days dumps are kept, and how many of them at least, however old they are.
keep_days=${BACKUP_KEEP_DAYS:-14}
keep_least=${BACKUP_KEEP_LEAST:-3}
# A base backup every so many days, how many of them are kept, each with all WAL from its beginning on.
base_days=${BACKUP_BASE_DAYS:-7}
keep_bases=${BACKUP_KEEP_BASES:-2}
# When to begin (UTC), and the free space, in MiB, below which nothing more is written.
at=${BACKUP_AT:-03:10}
reserve_mb=${BACKUP_RESERVE_MB:-1024}
# Given to the shell after each backup, with its path as $1: the way off this machine.
copy_command=${BACKUP_COPY_COMMAND:-}
poll_seconds=${BACKUP_POLL_SECONDS:-15}
retry_seconds=900
alive=${BACKUP_ALIVE_FILE:-/tmp/alive}
dumps=$folder/dumps bases=$folder/base wal=$folder/wal state=$folder/state metrics=$folder/metrics

say() { echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) ${0##*/}: $*" >&2; }

if [ "$keep_least" -lt 1 ] || [ "$keep_bases" -lt 1 ]; then
    say "BACKUP_KEEP_LEAST and BACKUP_KEEP_BASES must be at least 1."
    exit 1
fi
if [ -n "${BACKUP_PASSWORD_FILE:-}" ]; then
    PGPASSWORD=$(cat "$BACKUP_PASSWORD_FILE")
    export PGPASSWORD
fi
export PGCONNECT_TIMEOUT="${PGCONNECT_TIMEOUT:-10}" PGAPPNAME="${PGAPPNAME:-flashsale-backup}"
mkdir -p "$dumps" "$bases" "$wal" "$state" "$metrics"
# Programs of other users read the metrics, and nothing else here.
chmod 755 "$metrics"

# Makes sure that one run of a kind happens at a time; the kernel lets go of the lock when the run has ended.
lock() {
    exec 9> "$state/$1.lock"
    flock -n 9 || { say "another run is under way."; exit 1; }
}

stamp() { date -u +%Y%m%dT%H%M%SZ; }

# A path with the time in it, that no backup has.
new_path() {
    while made=$1$(stamp)$2 && [ -e "$made" ]; do sleep 1; done
    echo "$made"
}

modified_at() { stat -c %Y "$1"; }

ask() {
    psql --no-password --no-psqlrc --quiet --tuples-only --no-align --dbname="${2:-dbname=${PGDATABASE:-flashsale}}" -c "$1"
}

# The server's identity: WAL of different servers has the same names.
identify() { ask IDENTIFY_SYSTEM "replication=true" | cut -d '|' -f 1; }

enough_space() {
    free_mb=$(df -Pk "$folder" | awk 'END { print int($4 / 1024) }')
    [ "$free_mb" -ge "$reserve_mb" ] || { say "only $free_mb MiB are free, less than BACKUP_RESERVE_MB."; return 1; }
}

# The seconds since 1970 of the last time that BACKUP_AT came.
last_time() {
    now=$(date +%s) hour=${at%:*} minute=${at#*:}
    began=$((now - now % 86400 + ${hour#0} * 3600 + ${minute#0} * 60))
    [ "$began" -le "$now" ] || began=$((began - 86400))
    echo "$began"
}

# Says whether a kind of backup may be tried: not again within a quarter of an hour.
may_try() {
    [ ! -e "$state/$1.tried" ] || [ $(($(date +%s) - $(modified_at "$state/$1.tried"))) -ge "$retry_seconds" ]
}

# Good dumps and base backups are those whose last file is there; the oldest first.
good_dumps() {
    for file in "$dumps"/*.dump; do
        if [ -e "$file" ] && [ -e "$file.sha256" ]; then echo "$file"; fi
    done
}

good_bases() {
    for made in "$bases"/*/; do
        if [ -e "${made}start_segment" ]; then echo "${made%/}"; fi
    done
}

is_intact() { (cd "$1" && sha256sum -c sha256sums > /dev/null 2>&1); }

metric() { printf '# HELP %s %s\n# TYPE %s gauge\n%s%s %s\n' "$1" "$2" "$1" "$1" "$3" "$4"; }

# Replaces a file for the textfile collector of Prometheus's node exporter.
write_metrics() {
    cat > "$metrics/.$1" && chmod 644 "$metrics/.$1" && mv "$metrics/.$1" "$metrics/$1.prom"
}

# publish KIND FAILED NEWEST NUMBER MAX_AGE: NEWEST is the last file of the newest good backup, or empty.
publish() {
    newest_at=0
    [ -z "$3" ] || newest_at=$(modified_at "$3")
    {
        metric flashsale_backup_failed "1: the last backup of this kind failed." "{kind=\"$1\"}" "$2"
        metric flashsale_backup_last_success_timestamp_seconds "When the newest good backup was complete." \
            "{kind=\"$1\"}" "$newest_at"
        metric flashsale_backup_kept "Good backups that are kept." "{kind=\"$1\"}" "$4"
        metric flashsale_backup_max_age_seconds "The age at which the newest backup is too old." "{kind=\"$1\"}" "$5"
    } | write_metrics "$1" || say "the metrics could not be written."
}

copy_out() {
    [ -n "$copy_command" ] || return 0
    sh -c "$copy_command" copy "$1" || { say "BACKUP_COPY_COMMAND failed for $1."; return 1; }
}

# Waits, and ends at once when the script is told to stop.
nap() {
    sleep "$1" &
    napping=$!
    wait "$napping" || true
}

# stop_with PROGRAM...: what a service does on SIGTERM.
stop_with() {
    for program in "$@" "${napping:-}"; do
        if [ -n "$program" ]; then kill "$program" 2> /dev/null || true; fi
    done
    wait || true
    exit 0
}
