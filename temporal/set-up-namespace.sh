#!/bin/sh
# Makes the namespace of the product where it is missing, and waits until every part of the server knows it.
#
# TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are read by the Temporal CLI itself; NAMESPACE_RETENTION is how long closed runs stay.
set -eu

: "${TEMPORAL_NAMESPACE:=default}"
export TEMPORAL_NAMESPACE

is_there() {
  temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1
}

# A second one may make it at the same moment; what counts is that it is there.
ensure() {
  is_there && return
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "${NAMESPACE_RETENTION:-30d}" || true
  is_there
}

# The part that hands out tasks is the last to learn of a namespace.
is_known() {
  temporal task-queue describe --task-queue video-orchestration >/dev/null 2>&1
}

retry() {
  attempt=1
  until "$@"; do
    if [ "$attempt" -ge 45 ]; then
      echo "gave up after $attempt attempts: $1 $TEMPORAL_NAMESPACE at $TEMPORAL_ADDRESS" >&2
      return 1
    fi
    attempt=$((attempt + 1))
    sleep 2
  done
}

retry ensure
retry is_known
echo "The namespace $TEMPORAL_NAMESPACE is ready."
