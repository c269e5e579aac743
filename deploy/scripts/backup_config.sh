#!/usr/bin/env bash
# Saves configuration, settings and database, without the documents' bytes, into a directory of today. It holds
# secrets: the settings, and with them SECRET_KEY.
set -euo pipefail
umask 077

APP_DIR="${APP_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}"
PYTHON="${PYTHON:-$APP_DIR/.venv/bin/python}"
ENV_FILE="${ENV_FILE:-${API_V2_ENV_FILE:-$APP_DIR/.env}}"
BACKUP_DIR="${BACKUP_DIR:-/backup/openwebui/$(date +%Y%m%d)}"
RECIPIENT="${RECIPIENT:-}" # age1…: encrypt the archive, and take SECRET_KEY in

mkdir -p "$BACKUP_DIR"
cd "$APP_DIR"

if [ -f "$ENV_FILE" ]; then
    cp "$ENV_FILE" "$BACKUP_DIR/env.backup"
    chmod 600 "$BACKUP_DIR/env.backup"
fi
"$PYTHON" manage.py export_config > "$BACKUP_DIR/api_config.json"
"$PYTHON" manage.py backup "$BACKUP_DIR" --files reference ${RECIPIENT:+--recipient "$RECIPIENT"}

echo "✅ Backup completed: $BACKUP_DIR"
