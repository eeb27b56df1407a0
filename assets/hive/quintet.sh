#!/usr/bin/env bash
# Starts a node in hive's `lean` simulator, which puts the network's files into
# /tmp/quintet-runtime and tells the rest in HIVE_* variables:
#   HIVE_NODE_ID                      the node's name in the files; quintet_0 if it is not set
#   HIVE_BOOTNODES                    records and multiaddrs with commas between, or none;
#                                     if it is not set, the network's nodes.yaml
#   HIVE_CHECKPOINT_SYNC_URL          where to get the finalized state from
#   HIVE_IS_AGGREGATOR                1 to aggregate, 0 not to; if it is not set, as the files say
#   HIVE_AGGREGATE_SUBNET_IDS         the subnets to aggregate, with commas between
#   HIVE_ATTESTATION_COMMITTEE_COUNT  committees of attestations
#   HIVE_CLIENT_PRIVATE_KEY           the node's secp256k1 key in hex, instead of node.key
#   HIVE_LEAN_DEVNET_LABEL            the protocol; only devnet5 is spoken here
#   HIVE_LEAN_FORK_DIGEST             the name of the network in its topics
#   HIVE_LEAN_TEST_DRIVER             1 for the test driver; the node reads it itself
# Every setting of the node is also a QUINTET_* variable (quintet node --help). Those of the ports
# and addresses are taken over here, for a run outside a container.
set -euo pipefail

stop() {
    printf 'quintet.sh: %s\n' "$1" >&2
    exit 1
}

quintet=${QUINTET_BIN:-quintet}
files=${LEAN_RUNTIME_ASSET_ROOT:-/tmp/quintet-runtime}
data=${QUINTET_DATA_DIR:-/data}
node=${HIVE_NODE_ID:-quintet_0}
label=${HIVE_LEAN_DEVNET_LABEL:-devnet5}

[[ $label == devnet5 ]] || stop "HIVE_LEAN_DEVNET_LABEL is $label, and this client speaks devnet5 only"
[[ -f $files/config.yaml ]] || stop "no config.yaml in $files, where the simulator puts it"

flags=(
    --genesis "$files/config.yaml"
    --data-dir "$data/node"
    --signing-mark-dir "$data/signing"
    --gossipsub-port "${QUINTET_GOSSIPSUB_PORT:-9000}"
    --listen-address "${QUINTET_LISTEN_ADDRESS:-0.0.0.0}"
    --http-address "${QUINTET_HTTP_ADDRESS:-0.0.0.0}"
    --api-port "${QUINTET_API_PORT:-5052}"
    --metrics-port "${QUINTET_METRICS_PORT:-8080}"
)

# What this start writes, the key among it, is for its user only.
umask 077
run=$data/hive
mkdir -p "$run"

# A name means something where a file has names.
if [[ -f $files/annotated_validators.yaml || -f $files/validator-config.yaml ]]; then
    flags+=(--node-id "$node")
fi
if [[ -f $files/annotated_validators.yaml ]]; then
    flags+=(--validators "$files/annotated_validators.yaml")
fi
if [[ -d $files/hash-sig-keys ]]; then
    flags+=(--hash-sig-keys-dir "$files/hash-sig-keys")
fi

# The files are older than the container, so that its address is left open in them.
local_address() {
    local address
    for address in $(hostname -i 2>/dev/null || hostname -I 2>/dev/null || true); do
        if [[ $address == *.*.*.* && $address != 127.* ]]; then
            printf '%s' "$address"
            return
        fi
    done
    printf '127.0.0.1'
}
if [[ -f $files/validator-config.yaml ]]; then
    sed "s/__HIVE_LOCAL_IP__/$(local_address)/g" "$files/validator-config.yaml" >"$run/validator-config.yaml"
    flags+=(--validator-config "$run/validator-config.yaml")
fi

if [[ -n ${HIVE_BOOTNODES:-} ]]; then
    flags+=(--bootnodes "$HIVE_BOOTNODES")
elif [[ -f $files/nodes.yaml ]]; then
    flags+=(--bootnodes "$files/nodes.yaml")
fi

if [[ -n ${HIVE_CLIENT_PRIVATE_KEY:-} ]]; then
    printf '%s\n' "${HIVE_CLIENT_PRIVATE_KEY#0x}" >"$run/node.key"
    flags+=(--node-key "$run/node.key")
    # Whoever may look at the process's environment need not find it there.
    unset HIVE_CLIENT_PRIVATE_KEY
elif [[ -f $files/node.key ]]; then
    flags+=(--node-key "$files/node.key")
fi

case ${HIVE_IS_AGGREGATOR:-} in
    1 | true) flags+=(--is-aggregator) ;;
    0 | false) flags+=(--is-aggregator=false) ;;
    '') ;;
    *) stop "HIVE_IS_AGGREGATOR is $HIVE_IS_AGGREGATOR, and neither 1 nor 0" ;;
esac
if [[ -n ${HIVE_AGGREGATE_SUBNET_IDS:-} ]]; then
    flags+=(--aggregate-subnet-ids "$HIVE_AGGREGATE_SUBNET_IDS")
fi
if [[ -n ${HIVE_ATTESTATION_COMMITTEE_COUNT:-} ]]; then
    flags+=(--attestation-committee-count "$HIVE_ATTESTATION_COMMITTEE_COUNT")
fi
if [[ -n ${HIVE_CHECKPOINT_SYNC_URL:-} ]]; then
    flags+=(--checkpoint-sync-url "$HIVE_CHECKPOINT_SYNC_URL")
fi
if [[ -n ${HIVE_LEAN_FORK_DIGEST:-} ]]; then
    flags+=(--fork-digest "$HIVE_LEAN_FORK_DIGEST")
fi

exec "$quintet" node "${flags[@]}"
