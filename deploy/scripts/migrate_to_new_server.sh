#!/usr/bin/env bash
# Moves everything to a new server on which this version is installed and not running: settings, database, documents.
# The old service has to be stopped first, so that nothing is accepted that would stay behind.
set -euo pipefail
umask 077

APP_DIR="${APP_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}"
PYTHON="${PYTHON:-$APP_DIR/.venv/bin/python}"
ENV_FILE="${ENV_FILE:-${API_V2_ENV_FILE:-$APP_DIR/.env}}"
STOP="${STOP:-systemctl stop openwebui}"

NEW_SERVER="${NEW_SERVER:?the name by which ssh reaches the new server, such as root@new-server.com}"
NEW_APP_DIR="${NEW_APP_DIR:-$APP_DIR}"
NEW_PYTHON="${NEW_PYTHON:-$NEW_APP_DIR/.venv/bin/python}"
NEW_ENV_FILE="${NEW_ENV_FILE:-$NEW_APP_DIR/.env}"
NEW_DIR="${NEW_DIR:-/tmp}"       # a directory there with room for the archive
NEW_START="${NEW_START:-systemctl start openwebui}"
ALLOW_SUPERUSER="${ALLOW_SUPERUSER:-}" # yes, where the role in DATABASE_URL over there is a superuser
NEW_WAIT="${NEW_WAIT:-120}"      # seconds for the new service to serve
REMOTE_SHELL="${REMOTE_SHELL:-ssh}"

here="$(mktemp -d)"
trap 'rm -rf "$here"' EXIT
cd "$APP_DIR"

bash -c "$STOP"
# The key that comes along decrypts the providers' credentials there; the archive travels by ssh and does not stay.
ARCHIVE="$("$PYTHON" manage.py backup "$here" --files copy --include-secret-key)"
NEW_ARCHIVE="$NEW_DIR/$(basename "$ARCHIVE")"

if [ -f "$ENV_FILE" ]; then
    rsync -a -e "$REMOTE_SHELL" --chmod=F600 "$ENV_FILE" "$NEW_SERVER:$NEW_ENV_FILE"
fi
rsync -a -e "$REMOTE_SHELL" "$ARCHIVE" "$NEW_SERVER:$NEW_ARCHIVE"

# The archive was made a moment ago, and brings its key: that is what the new server has to accept.
ACCEPTED="--accept-other-key${ALLOW_SUPERUSER:+ --allow-superuser}"
# What is quoted here is for the shell over there. The archive goes also where it was not taken.
# shellcheck disable=SC2016,SC2029
"$REMOTE_SHELL" "$NEW_SERVER" "$(printf 'cd %q && { %q manage.py restore %q %s; code=$?; rm -f %q; test $code -eq 0; } && %q manage.py migrate --verbosity 0' \
    "$NEW_APP_DIR" "$NEW_PYTHON" "$NEW_ARCHIVE" "$ACCEPTED" "$NEW_ARCHIVE" "$NEW_PYTHON")"
# shellcheck disable=SC2029
"$REMOTE_SHELL" "$NEW_SERVER" "$(printf 'cd %q && %s && %q manage.py health --wait %q' \
    "$NEW_APP_DIR" "$NEW_START" "$NEW_PYTHON" "$NEW_WAIT")"

echo "✅ $NEW_SERVER serves. Point DNS and the load balancer there; the old service stays stopped."
