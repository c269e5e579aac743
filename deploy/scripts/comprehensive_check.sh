#!/usr/bin/env bash
# Tells what the service says of itself, and exits 1 where somebody should look.
set -euo pipefail

API_URL="${API_URL:-http://localhost:3000/api/v2}"
MEMORY_ALARM="${MEMORY_ALARM:-85}" # percent
TIMEOUT="${TIMEOUT:-5}"            # seconds

WRONG=0
if ! HEALTH="$(curl -s -m "$TIMEOUT" "$API_URL/health")" || ! STATUS="$(jq -er '.status' <<< "$HEALTH" 2> /dev/null)"; then
    echo "❌ API v2 does not answer at $API_URL"
    exit 1
fi

if [ "$STATUS" != "healthy" ]; then
    echo "⚠️ API v2 status: $STATUS"
    jq -r '.details // {} | to_entries[] | "   \(.key): \(.value)"' <<< "$HEALTH"
    WRONG=1
fi

MEMORY_PERCENT="$(jq -r '.memory_usage.used_percent' <<< "$HEALTH")"
if [ "$(bc -l <<< "$MEMORY_PERCENT > $MEMORY_ALARM")" = "1" ]; then
    echo "🚨 High memory usage: ${MEMORY_PERCENT}%"
    WRONG=1
fi

echo "📊 Active tasks: $(jq -r '.active_tasks' <<< "$HEALTH"), Queue: $(jq -r '.queue_length' <<< "$HEALTH")"

MODELS="$(curl -s -m "$TIMEOUT" "$API_URL/models" | jq -r '.models | length' 2> /dev/null || echo unknown)"
echo "🤖 Available models: $MODELS"
exit "$WRONG"
