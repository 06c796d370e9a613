#!/bin/sh
# restore.sh DATA ['YYYY-MM-DD HH:MM:SS']: makes a data folder as the server was at that moment (UTC), or at the end of the
# archive, from the newest base backup before it and the WAL since. DATA must not exist, or be empty. Recovery is over when
# this ends: start PostgreSQL on DATA as ever. Ends with 1, and says why, when the moment cannot be reached.
. "$(dirname "$0")/common.sh"
data=${1:?restore.sh DATA [TIME]} moment=${2:-}
scripts=$(cd "$(dirname "$0")" && pwd)
if [ -d "$data" ] && [ -n "$(ls -A "$data")" ]; then
    say "$data is not empty: move it away first, it may be all that is left."
    exit 1
fi

choose() {
    until_at=$(date +%s) chosen=
    if [ -n "$moment" ]; then until_at=$(date -u -d "${moment%%.*}" +%s) || exit 1; fi
    for made in $(good_bases); do
        if [ "$(modified_at "$made/start_segment")" -le "$until_at" ]; then chosen=$made; fi
    done
    [ -n "$chosen" ] || { say "no base backup was complete before ${moment:-now}."; exit 1; }
}

unpack() {
    say "restoring $chosen"
    is_intact "$chosen" || { say "it is damaged."; exit 1; }
    mkdir -p "$data" && chmod 700 "$data"
    tar -xzf "$chosen/base.tar.gz" -C "$data"
    tar -xzf "$chosen/pg_wal.tar.gz" -C "$data/pg_wal"
    cp "$data/postgresql.auto.conf" "$data/postgresql.auto.conf.before"
    {
        echo "restore_command = 'sh \"$scripts/fetch_wal.sh\" \"$wal\" $(cat "$chosen/system") \"%f\" \"%p\"'"
        if [ -n "$moment" ]; then echo "recovery_target_time = '$moment UTC'"; fi
        echo "recovery_target_action = 'promote'"
    } >> "$data/postgresql.auto.conf"
    touch "$data/recovery.signal"
}

# Nothing connects meanwhile. Without hot_standby, settings such as max_connections may differ from the server's; its
# configuration may be elsewhere, as in Debian.
recover() {
    sockets=$(mktemp -d)
    touch "$sockets/postgresql.conf"
    echo "local all all reject" > "$sockets/pg_hba.conf"
    postgres -D "$data" -c "config_file=$sockets/postgresql.conf" -c "hba_file=$sockets/pg_hba.conf" \
        -c "unix_socket_directories=$sockets" -c listen_addresses= -c hot_standby=off -c archive_mode=off \
        > "$data/restore.log" 2>&1 &
    server=$!
    # `standby` in this file becomes `ready` when recovery is over and the server takes writes.
    while kill -0 "$server" 2> /dev/null && ! grep -q '^ready' "$data/postmaster.pid" 2> /dev/null; do sleep 0.2; done
    kill -INT "$server" 2> /dev/null || true
    wait "$server" && ended=0 || ended=1
    rm -rf "$sockets"
    return "$ended"
}

choose
unpack
if ! recover; then
    tail -n 20 "$data/restore.log" >&2
    say "$data is not usable."
    exit 1
fi
mv "$data/postgresql.auto.conf.before" "$data/postgresql.auto.conf"
say "restored ${moment:-the end of the archive} into $data"
