#!/usr/bin/env bash
# Stops the service, puts an archive's data in the place of what is here, starts the service, and waits until it serves.
# What was here is saved first, where that can still be done. Usage: recover_service.sh [ARCHIVE]; without one, the
# newest in BACKUP_DIR.
set -euo pipefail
umask 077

APP_DIR="${APP_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}"
PYTHON="${PYTHON:-$APP_DIR/.venv/bin/python}"
ENV_FILE="${ENV_FILE:-${API_V2_ENV_FILE:-$APP_DIR/.env}}"
BACKUP_DIR="${BACKUP_DIR:-/backup/storage}"
ENV_BACKUP="${ENV_BACKUP:-}" # settings to put back as well, as backup_config.sh saved them
IDENTITY="${IDENTITY:-}"     # the file that decrypts an encrypted archive
ACCEPT_OTHER_KEY="${ACCEPT_OTHER_KEY:-}" # yes, where the key was lost with the server and comes in the archive
ALLOW_SUPERUSER="${ALLOW_SUPERUSER:-}"   # yes, where the role in DATABASE_URL is a superuser and the archive is yours
BEFORE_DIR="${BEFORE_DIR:-$BACKUP_DIR/before-recovery}"
STOP="${STOP:-systemctl stop openwebui}"
START="${START:-systemctl start openwebui}"
WAIT="${WAIT:-120}" # seconds for the service to serve

newest() {
    find "$BACKUP_DIR" -maxdepth 1 -name 'api-v2-*.tar*' -type f | sort | tail -n 1
}

ARCHIVE="${1:-$(newest)}"
if [ -z "$ARCHIVE" ]; then
    echo "❌ There is no archive in $BACKUP_DIR"
    exit 1
fi
restore() {
    "$PYTHON" manage.py restore "$ARCHIVE" ${IDENTITY:+--identity "$IDENTITY"} \
        ${ACCEPT_OTHER_KEY:+--accept-other-key} ${ALLOW_SUPERUSER:+--allow-superuser} "$@"
}
cd "$APP_DIR"

KEPT="$ENV_FILE.before-recovery"
if [ -n "$ENV_BACKUP" ]; then
    if [ -f "$ENV_FILE" ]; then cp -p "$ENV_FILE" "$KEPT"; fi
    cp "$ENV_BACKUP" "$ENV_FILE"
    chmod 600 "$ENV_FILE"
fi

# An archive that cannot be restored stops nothing and changes nothing.
if ! restore --dry-run; then
    if [ -n "$ENV_BACKUP" ] && [ -f "$KEPT" ]; then mv "$KEPT" "$ENV_FILE"; fi
    exit 1
fi

bash -c "$STOP"
"$PYTHON" manage.py backup "$BEFORE_DIR" --files reference --include-secret-key \
    || echo "⚠️ What was here could not be saved; going on"
if ! restore --replace; then
    bash -c "$START"
    echo "❌ Nothing was restored. What was here is in place, and the service was started again."
    exit 1
fi
"$PYTHON" manage.py migrate --verbosity 0
bash -c "$START"

"$PYTHON" manage.py health --wait "$WAIT"
echo "✅ Recovered from $ARCHIVE"
