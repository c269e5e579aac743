#!/usr/bin/env bash
# Saves everything, documents included, into one verified archive; keeps the newest ones; and sends them to another
# place, where there is one. Documents in S3, GCS or Azure come through the service's own storage setting.
set -euo pipefail
umask 077

APP_DIR="${APP_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}"
PYTHON="${PYTHON:-$APP_DIR/.venv/bin/python}"
BACKUP_DIR="${BACKUP_DIR:-/backup/storage}"
KEEP="${KEEP:-7}"
RECIPIENT="${RECIPIENT:-}"   # age1…: encrypt the archive, and take SECRET_KEY in
MIRROR="${MIRROR:-}"         # for rsync: a directory, or host:/directory
RSYNC_RSH="${RSYNC_RSH:-ssh}" # how rsync reaches another host
export RSYNC_RSH

cd "$APP_DIR"
ARCHIVE="$("$PYTHON" manage.py backup "$BACKUP_DIR" --files copy --keep "$KEEP" ${RECIPIENT:+--recipient "$RECIPIENT"})"

if [ -n "$MIRROR" ]; then
    # Older archives that went here go there as well; a draft never travels.
    rsync -a --delete-after --include='api-v2-*.tar' --include='api-v2-*.tar.age' --exclude='*' "$BACKUP_DIR/" "$MIRROR/"
fi

echo "✅ Backup completed: $ARCHIVE"
