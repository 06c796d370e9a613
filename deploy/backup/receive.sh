#!/bin/sh
# Archives WAL as it is written, through a replication slot, and makes the base backups that it is for. The server keeps what
# was not received yet, up to max_slot_wal_keep_size; a longer gap begins a new archive, and a new base backup at once.
. "$(dirname "$0")/common.sh"
slot=${BACKUP_SLOT:-flashsale_archive}
status_seconds=$((poll_seconds < 5 ? poll_seconds : 5))
errors=$state/receive.errors
# What the server answers when it has no WAL that follows on that of the archive: it was recycled, or this is another history
# (a standby that was behind, or a restored server).
gaps="has already been removed|can no longer|not in this server's history|ahead of the WAL flush position"
receiver='' base='' seen_at='' seen=''
archived_at=$(sed -n 's/^flashsale_wal_archived_timestamp_seconds //p' "$metrics/wal.prom" 2> /dev/null || true)
archived_at=${archived_at:-0}
trap 'stop_with "$receiver" "$base"' TERM INT

# A slot that fell behind max_slot_wal_keep_size can never be used again.
is_lost() { [ "$(ask "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$slot'")" = lost ]; }

begin_anew() {
    say "WAL is missing between the archive and the server: a new archive begins, with a base backup."
    touch "$state/gap"
    rm -f "$state/base.tried"
    if [ -d "$archive" ]; then mv "$archive" "$archive.until-$(stamp)"; fi
    ask "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$slot'" > /dev/null \
        || say "the slot could not be dropped."
}

start_receiver() {
    mkdir -p "$archive"
    pg_receivewal --no-password --slot="$slot" --create-slot --if-not-exists \
        && { pg_receivewal --no-password --no-loop --slot="$slot" --directory="$archive" --status-interval="$status_seconds" 2> "$errors" & } \
        && receiver=$!
}

# What the archive held at a moment: everything that was written when the server was last asked before.
measure() {
    row=$(ask "SELECT floor(extract(epoch FROM clock_timestamp())), pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0'),
        coalesce(max(pg_wal_lsn_diff(write_lsn, '0/0')), 0) FROM pg_stat_replication WHERE pid =
        (SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$slot')") || return 0
    written=${row##*|}
    if [ -n "$seen" ] && [ "$written" -ge "$seen" ]; then archived_at=$seen_at seen=; fi
    if [ -z "$seen" ]; then seen_at=${row%%|*} seen=${row#*|} seen=${seen%|*}; fi
}

publish_archive() {
    gap=0
    if [ -e "$state/gap" ]; then gap=1; fi
    {
        metric flashsale_wal_archived_timestamp_seconds "Everything until then can be restored." "" "$archived_at"
        metric flashsale_wal_archive_gap "1: WAL was lost, and no base backup was made since." "" "$gap"
    } | write_metrics wal || say "the metrics could not be written."
}

base_is_due() {
    newest=
    for made in $(good_bases); do
        if [ "$(cat "$made/system")" = "$system" ]; then newest=$made/start_segment; fi
    done
    if [ -n "$newest" ] && [ ! -e "$state/gap" ]; then
        [ "$(modified_at "$newest")" -lt $(($(last_time) - base_days * 86400 + 43200)) ] || return 1
    fi
    may_try base
}

mind_bases() {
    if [ -n "$base" ] && ! kill -0 "$base" 2> /dev/null; then
        wait "$base" || true
        base=
    fi
    if [ -z "$base" ] && base_is_due; then
        sh "$(dirname "$0")/base.sh" &
        base=$!
    fi
}

watch() {
    while kill -0 "$receiver" 2> /dev/null; do
        touch "$alive"
        mind_bases
        measure
        publish_archive
        enough_space || kill "$receiver"
        nap "$poll_seconds"
    done
    wait "$receiver" || true
    receiver=
    cat "$errors" >&2
}

lock receive
while :; do
    touch "$alive"
    if enough_space && system=$(identify) && [ -n "$system" ]; then
        archive=$wal/$system
        if is_lost; then begin_anew; fi
        if start_receiver; then
            watch
            if grep -qE "$gaps" "$errors"; then begin_anew; fi
        fi
    fi
    publish_archive
    nap "$poll_seconds"
done
