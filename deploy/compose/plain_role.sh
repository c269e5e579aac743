#!/bin/sh
# Run once by the image `postgres`, over its socket, when the volume is empty: the service's role owns its database and
# is no superuser. The superuser, whom the image gave the same password, loses it: nobody signs in as him by the network.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$POSTGRES_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE apiv2 LOGIN PASSWORD :'password';
CREATE DATABASE apiv2 OWNER apiv2;
ALTER ROLE CURRENT_USER PASSWORD NULL;
SQL
