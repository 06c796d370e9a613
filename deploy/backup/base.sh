#!/bin/sh
# One base backup: a copy of the whole server while it runs, verified, and where its WAL begins. With the archive of receive.sh
# it restores any moment after it (restore.sh). Then older ones are deleted, and the WAL that none of the kept ones needs.
. "$(dirname "$0")/common.sh"
lock base
touch "$state/base.tried" "$state/base.began"
base=$(new_path "$bases/" "")
temporary=$bases/.unfinished

seal() {
    # `start_segment` and `system` are written last: without them a folder is no backup.
    tar -xzOf "$temporary/base.tar.gz" backup_label | sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p' \
        > "$temporary/first" && identify > "$temporary/system" \
        && [ -s "$temporary/first" ] && [ -s "$temporary/system" ] \
        && (cd "$temporary" && sha256sum base.tar.gz pg_wal.tar.gz backup_manifest > sha256sums) \
        && mv "$temporary/first" "$temporary/start_segment" && sync && mv "$temporary" "$base" && sync
}

make() {
    enough_space \
        && pg_basebackup --no-password --pgdata="$temporary" --format=tar --gzip --wal-method=stream --checkpoint=fast \
            --manifest-checksums=SHA256 \
        && gzip -t "$temporary/base.tar.gz" && gzip -t "$temporary/pg_wal.tar.gz" && seal && say "made $base"
}

# The newest `keep_bases` that are intact are kept.
prune() {
    intact=0 damaged=0
    for old in $(good_bases | sort -r); do
        if [ "$intact" -ge "$keep_bases" ]; then
            rm -rf "$old"
        elif is_intact "$old"; then
            intact=$((intact + 1))
        else
            say "$old is damaged; it is kept as $old.damaged."
            mv "$old" "$old.damaged" && rm -f "$old.damaged/start_segment"
            damaged=1
        fi
    done
    return $damaged
}

# WAL is needed from the beginning of the oldest base backup of its server on; that of servers without one is of no use.
prune_wal() {
    for archive in "$wal"/*/; do
        [ -d "$archive" ] || continue
        server=${archive%/} server=${server##*/} first=
        for made in $(good_bases); do
            if [ -z "$first" ] && [ "$(cat "$made/system")" = "${server%%.*}" ]; then first=$(cat "$made/start_segment"); fi
        done
        if [ -z "$first" ]; then
            rm -rf "$archive"
        else
            pg_archivecleanup "${archive%/}" "$first" || return 1
        fi
    done
    # Folders before a gap, of which nothing is needed any more.
    for archive in "$wal"/*.until-*/; do
        if [ -d "$archive" ] && ! ls "$archive" | grep -qE '^[0-9A-F]{24}'; then rm -rf "$archive"; fi
    done
}

if [ -e "$temporary" ]; then say "deleting what a run that died left."; fi
rm -rf "$temporary"
failed=0
if make; then
    if [ -e "$state/gap" ] && [ ! "$state/gap" -nt "$state/base.began" ]; then rm -f "$state/gap"; fi
    { prune && prune_wal; } || failed=1
    copy_out "$base" || failed=1
else
    say "no base backup was made; older ones are kept."
    rm -rf "$temporary"
    failed=1
fi
newest=$(good_bases | tail -n 1)
publish base "$failed" "${newest:+$newest/start_segment}" "$(good_bases | wc -l)" $((base_days * 86400 + 93600))
exit "$failed"
