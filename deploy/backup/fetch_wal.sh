#!/bin/sh
# fetch_wal.sh FOLDER SYSTEM FILE TARGET: copies one WAL file out of the archive, for PostgreSQL's restore_command. The newest
# file of an archive is not complete; what is missing in it was never written.
set -eu
for suffix in "" .partial; do
    for archive in "$1/$2" "$1/$2".until-*; do
        if [ -e "$archive/$3$suffix" ]; then
            cp "$archive/$3$suffix" "$4"
            exit 0
        fi
    done
done
exit 1
