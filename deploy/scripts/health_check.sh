#!/usr/bin/env bash
# Exits 0 while the service serves, and 1 while it does not: for cron, a monitor, a load balancer's script.
set -euo pipefail

HEALTH_URL="${HEALTH_URL:-http://localhost:3000/api/v2/health}"
TIMEOUT="${TIMEOUT:-5}" # seconds

HTTP_CODE="$(curl -s -o /dev/null -m "$TIMEOUT" -w '%{http_code}' "$HEALTH_URL" || true)"
if [ "$HTTP_CODE" = "200" ]; then
    echo "✅ API v2 is healthy"
else
    echo "❌ API v2 health check failed (HTTP $HTTP_CODE)"
    exit 1
fi
