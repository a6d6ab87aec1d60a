#!/bin/sh
# Makes the two databases of a Temporal server on PostgreSQL and brings their tables up to date. Changes nothing where there is
# nothing to do, so it runs before every start of the server.
#
# SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD are read by temporal-sql-tool itself.
set -eu

# Tries for about a minute: the database may still be starting, and a failed step is safe to repeat.
retry() {
  attempt=1
  until "$@"; do
    if [ "$attempt" -ge 30 ]; then
      echo "gave up after $attempt attempts: $*" >&2
      return 1
    fi
    attempt=$((attempt + 1))
    sleep 2
  done
}

# $1 database, $2 name of the schema that the tool carries
set_up() {
  retry temporal-sql-tool --db "$1" create
  retry temporal-sql-tool --db "$1" setup-schema -v 0.0
  retry temporal-sql-tool --db "$1" update-schema --schema-name "$2"
}

set_up temporal postgresql/v12/temporal
set_up temporal_visibility postgresql/v12/visibility
echo 'The schema is up to date.'
