#!/bin/sh
# One dump of the database: complete, read back and with its checksum, or none. Then old ones are deleted.
# Ends with 1 when there is no new dump, a kept one is damaged, or it could not be copied; the log says which.
. "$(dirname "$0")/common.sh"
lock dump
touch "$state/dump.tried"
dump=$(new_path "$dumps/${PGDATABASE:-flashsale}-" .dump)
temporary=$dumps/.unfinished.dump

# The list of contents stands at the beginning: a dump that was cut off shows only when all of it is read.
verify() {
    pg_restore --list "$1" | grep ' TABLE DATA public checkout_order ' > /dev/null \
        || { say "the dump holds no orders: is it of the shop's database?"; return 1; }
    pg_restore --file=/dev/null "$1"
}

# The checksum is there before the dump gets its name, and both are on the disk.
seal() {
    sum=$(sha256sum < "$temporary") && echo "${sum%% *}  ${dump##*/}" > "$dump.sha256" \
        && sync && mv "$temporary" "$dump" && sync
}

clean_up() {
    if [ -e "$temporary" ]; then say "deleting what a run that died left."; fi
    rm -f "$temporary"
    for sum in "$dumps"/*.dump.sha256; do
        if [ -e "$sum" ] && [ ! -e "${sum%.sha256}" ]; then rm -f "$sum"; fi
    done
}

# Only dumps that are as they were written count: the newest `keep_least` are kept, of the others those of `keep_days`.
prune() {
    intact=0 damaged=0
    for old in $(good_dumps | sort -r); do
        if [ "$intact" -ge "$keep_least" ]; then
            if [ -n "$(find "$old" -mtime "+$keep_days")" ]; then rm -f "$old" "$old.sha256"; fi
        elif (cd "$dumps" && sha256sum -c "$old.sha256" > /dev/null 2>&1); then
            intact=$((intact + 1))
        else
            say "$old is damaged; it is kept as $old.damaged."
            mv "$old" "$old.damaged"
            damaged=1
        fi
    done
    return $damaged
}

make() {
    enough_space \
        && pg_dump --no-password --format=custom --lock-wait-timeout=60s --file="$temporary" \
        && verify "$temporary" && seal && say "made $dump"
}

clean_up
failed=0
if make; then
    prune || failed=1
    copy_out "$dump" || failed=1
else
    say "no dump was made; older ones are kept."
    rm -f "$temporary" "$dump.sha256"
    failed=1
fi
newest=$(good_dumps | tail -n 1)
# A day, and two hours for the dump itself and a second try.
publish dump "$failed" "${newest:+$newest.sha256}" "$(good_dumps | wc -l)" 93600
exit "$failed"
