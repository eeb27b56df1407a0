#!/bin/bash
# Quintet for lean-quickstart: this file goes to its client-cmds/quintet-cmd.sh. spin-node.sh
# sources it for every node whose name begins with quintet_, and runs $node_binary or
# $node_docker, whichever $node_setup names. Its Ansible roles read the lines that begin with
# node_docker= and node_setup= as text, so that image and mode have to stand there.
# shellcheck disable=SC2034,SC2154 # the variables come from spin-node.sh and go back to it

#-----------------------quintet setup----------------------

# Where the binary is; by default beside the checkout of lean-quickstart.
quintet_binary="${QUINTET_BIN:-$scriptDir/../quintet/target/release/quintet}"
# The address of API and metrics.
quintet_http_address="${QUINTET_HTTP_ADDRESS:-0.0.0.0}"

aggregator_flag=""
if [ "${isAggregator:-}" == "true" ]; then
    aggregator_flag="--is-aggregator"
fi

# In a network of several subnets an aggregator is told all that it serves.
aggregate_subnet_ids_flag=""
if [ "${isAggregator:-}" == "true" ] && [ -n "${aggregateSubnetIds:-}" ]; then
    aggregate_subnet_ids_flag="--aggregate-subnet-ids $aggregateSubnetIds"
fi

attestation_committee_flag=""
if [ -n "${attestationCommitteeCount:-}" ]; then
    attestation_committee_flag="--attestation-committee-count $attestationCommitteeCount"
fi

checkpoint_sync_flag=""
if [ -n "${checkpoint_sync_url:-}" ]; then
    checkpoint_sync_flag="--checkpoint-sync-url $checkpoint_sync_url"
fi

# The file of the node's key has the node's name unless the network says otherwise.
quintet_key="${privKeyPath:-$item.key}"

node_binary="$quintet_binary node \
      --node-id $item \
      --node-key $configDir/$quintet_key \
      --genesis $configDir/config.yaml \
      --validators $configDir/annotated_validators.yaml \
      --bootnodes $configDir/nodes.yaml \
      --validator-config $configDir/validator-config.yaml \
      --hash-sig-keys-dir $configDir/hash-sig-keys \
      --data-dir $dataDir/$item \
      --gossipsub-port $quicPort \
      --http-address $quintet_http_address \
      --api-port ${apiPort:-${httpPort:-}} \
      --metrics-port $metricsPort \
      $attestation_committee_flag \
      $aggregator_flag \
      $aggregate_subnet_ids_flag \
      $checkpoint_sync_flag"

node_docker="ghcr.io/quintet-lean/quintet:devnet5 node \
      --node-id $item \
      --node-key /config/$quintet_key \
      --genesis /config/config.yaml \
      --validators /config/annotated_validators.yaml \
      --bootnodes /config/nodes.yaml \
      --validator-config /config/validator-config.yaml \
      --hash-sig-keys-dir /config/hash-sig-keys \
      --data-dir /data/node \
      --signing-mark-dir /data/signing \
      --gossipsub-port $quicPort \
      --http-address $quintet_http_address \
      --api-port ${apiPort:-${httpPort:-}} \
      --metrics-port $metricsPort \
      $attestation_committee_flag \
      $aggregator_flag \
      $aggregate_subnet_ids_flag \
      $checkpoint_sync_flag"

# docker, or binary for one's own build
node_setup="docker"
