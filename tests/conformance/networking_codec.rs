//! The network's bytes: varints, snappy, topics, message ids, requests, records, peer ids.

use std::fmt::Write;

use libtest_mimic::Failed;
use quintet_plugins::network::codec::{
    MAX_PAYLOAD_BYTES,
    identity::{KeyType, encode_public_key, peer_id},
    message_id,
    record::NodeRecord,
    snappy,
    topic::{Topic, TopicError},
    varint,
    wire::{self, ResponseCode},
};
use serde_json::Value;

use crate::{
    gossipsub,
    vectors::{at, bytes, field, find, items, optional, same, unused},
};

pub fn run(case: &Value) -> Result<(), Failed> {
    let codec = at(case, "codec")?;
    let output = at(case, "output")?;
    let kind: String = field(codec, "kind")?;
    match kind.as_str() {
        "varint" => run_varint(codec, output),
        "snappy_block" => run_snappy_block(codec, output),
        "snappy_frame" => run_snappy_frame(codec, output),
        "gossip_topic" => run_topic(codec, output),
        "gossip_message_id" => run_message_id(codec, output),
        "reqresp_request" => run_request(codec, output),
        "reqresp_response" => run_response(codec, output),
        "reqresp_response_stream" => run_stream(codec, output),
        "peer_id" => run_peer_id(codec, output),
        "enr" => run_record(codec, output),
        "gossipsub_rpc" => gossipsub::run_rpc(codec, output),
        "decode_failure" => run_refusal(case, codec, output),
        kind => Err(format!("unknown kind {kind}").into()),
    }
}

fn run_varint(codec: &Value, output: &Value) -> Result<(), Failed> {
    let value: u64 = field(codec, "value")?;
    let encoded = bytes(output, "encoded")?;
    let mut ours = Vec::new();
    varint::append(value, &mut ours);
    same("encoded", &ours, &encoded)?;
    same("length", &encoded.len(), &field(output, "byteLength")?)?;
    same("decoded", &varint::decode(&encoded), &Ok((value, encoded.len())))
}

fn run_snappy_block(codec: &Value, output: &Value) -> Result<(), Failed> {
    let data = bytes(codec, "data")?;
    let compressed = bytes(output, "compressed")?;
    same("compressed length", &compressed.len(), &field(output, "compressedLength")?)?;
    same("length", &data.len(), &field(output, "uncompressedLength")?)?;
    same("decompressed", &snappy::decompress(&compressed, data.len()), &Ok(data.clone()))?;
    let ours = snappy::compress(&data);
    same("our own, decompressed", &snappy::decompress(&ours, data.len()), &Ok(data))
}

fn run_snappy_frame(codec: &Value, output: &Value) -> Result<(), Failed> {
    let data = bytes(codec, "data")?;
    let framed = bytes(output, "framed")?;
    same("framed length", &framed.len(), &field(output, "framedLength")?)?;
    same("length", &data.len(), &field(output, "uncompressedLength")?)?;
    same("content", &snappy::decompress_framed(&framed, data.len()), &Ok(data.clone()))?;
    let ours = snappy::compress_framed(&data);
    same("our own content", &snappy::decompress_framed(&ours, data.len()), &Ok(data))
}

fn run_topic(codec: &Value, output: &Value) -> Result<(), Failed> {
    let kind: String = field(codec, "topicKind")?;
    let topic = match kind.as_str() {
        "block" => Topic::Block,
        "aggregation" => Topic::Aggregation,
        "attestation" => Topic::Attestation(field(codec, "subnetId")?),
        kind => return Err(format!("unknown topic {kind}").into()),
    };
    let network: String = field(codec, "networkName")?;
    let text: String = field(output, "topicString")?;
    same("text", &topic.text(&network), &text)?;
    same("topic", &Topic::parse(&text, &network), &Ok(topic))?;
    let Some(expected) = optional::<String>(codec, "expectedNetworkName")? else { return Ok(()) };
    let result =
        if field(output, "forkValid")? { Ok(topic) } else { Err(TopicError::WrongForkDigest) };
    same("topic of the expected network", &Topic::parse(&text, &expected), &result)
}

fn run_message_id(codec: &Value, output: &Value) -> Result<(), Failed> {
    let (topic, data) = (bytes(codec, "topic")?, bytes(codec, "data")?);
    let domain: [u8; 4] = bytes(codec, "domain")?.try_into().map_err(|_| "no domain")?;
    let expected = bytes(output, "messageId")?;
    let id = message_id::of_parts(domain, &topic, &data).to_vec();
    same("id", &id, &expected)?;
    let topic = std::str::from_utf8(&topic)?;
    // What the node computes of the bytes on the wire.
    if domain == message_id::VALID_SNAPPY {
        let wire = snappy::compress(&data);
        same("id of the message", &message_id::of_message(topic, &wire).to_vec(), &expected)?;
    } else if snappy::decompress(&data, MAX_PAYLOAD_BYTES).is_err() {
        same("id of the message", &message_id::of_message(topic, &data).to_vec(), &expected)?;
    }
    Ok(())
}

fn run_request(codec: &Value, output: &Value) -> Result<(), Failed> {
    let payload = bytes(codec, "sszData")?;
    let encoded = bytes(output, "encoded")?;
    same("decoded", &wire::decode_request(&encoded), &Ok(payload.clone()))?;
    let ours = wire::encode_request(&payload)?;
    same("our own, decoded", &wire::decode_request(&ours), &Ok(payload))
}

fn code(value: &Value) -> Result<ResponseCode, Failed> {
    let byte: u8 = field(value, "responseCode")?;
    let code = ResponseCode::from_byte(byte);
    same("code", &code.byte(), &byte)?;
    Ok(code)
}

fn run_response(codec: &Value, output: &Value) -> Result<(), Failed> {
    let chunk = (code(codec)?, bytes(codec, "sszData")?);
    let encoded = bytes(output, "encoded")?;
    same("decoded", &wire::decode_chunks(&encoded), &Ok(vec![chunk.clone()]))?;
    if let Some(error) = wire::decode_error(chunk.0, &chunk.1) {
        let ours = wire::encode_error(&error);
        return same("our own error", &wire::decode_chunks(&ours), &Ok(vec![chunk]));
    }
    let ours = wire::encode_chunk(chunk.0, &chunk.1)?;
    same("our own, decoded", &wire::decode_chunks(&ours), &Ok(vec![chunk]))
}

fn run_stream(codec: &Value, output: &Value) -> Result<(), Failed> {
    let chunks = items(codec, "chunks")?;
    same("chunks", &chunks.len(), &field(output, "chunkCount")?)?;
    let mut expected = Vec::new();
    let mut ours = Vec::new();
    for chunk in chunks {
        expected.push((code(chunk)?, bytes(chunk, "sszData")?));
        ours.extend(wire::encode_chunk(code(chunk)?, &bytes(chunk, "sszData")?)?);
    }
    let encoded = bytes(output, "encoded")?;
    same("decoded", &wire::decode_chunks(&encoded), &Ok(expected.clone()))?;
    same("our own, decoded", &wire::decode_chunks(&ours), &Ok(expected))
}

fn run_peer_id(codec: &Value, output: &Value) -> Result<(), Failed> {
    let kind: String = field(codec, "keyType")?;
    let kind = match kind.as_str() {
        "ed25519" => KeyType::Ed25519,
        "secp256k1" => KeyType::Secp256k1,
        "ecdsa" => KeyType::Ecdsa,
        kind => return Err(format!("unknown key type {kind}").into()),
    };
    let key = bytes(codec, "publicKey")?;
    same("message", &encode_public_key(kind, &key), &bytes(output, "protobufEncoded")?)?;
    same("peer id", &peer_id(kind, &key).to_base58(), &field(output, "peerId")?)
}

/// The fields that a vector has of a record that was read.
const RECORD_FIELDS: [&str; 11] = [
    "seq",
    "identityScheme",
    "nodeId",
    "publicKey",
    "ip4",
    "udpPort",
    "quicPort",
    "multiaddr",
    "eth2Data",
    "isAggregator",
    "attestationSubnets",
];

fn run_record(codec: &Value, output: &Value) -> Result<(), Failed> {
    let text: String = field(codec, "enrString")?;
    let rlp = bytes(output, "rlp")?;
    same("text of the RLP", &text_of_record(&rlp), &text)?;
    same("well formed", &field::<bool>(output, "isValid")?, &true)?;
    let parsed = NodeRecord::parse(&text);
    if !field::<bool>(output, "signatureValid")? {
        // leanSpec reads such a record and says that it is not signed; this node takes none.
        unused(output, &RECORD_FIELDS);
        return match parsed {
            Err(error) if error.0.to_lowercase().contains("signature") => Ok(()),
            other => Err(format!("expected a refused signature, got {other:?}").into()),
        };
    }
    let record = parsed?;
    same("text", &record.to_string(), &text)?;
    same("seq", &record.seq(), &field(output, "seq")?)?;
    same("scheme", &record.scheme(), &optional(output, "identityScheme")?)?;
    same("node id", &record.node_id().to_vec(), &bytes(output, "nodeId")?)?;
    same("public key", &record.public_key(), &bytes(output, "publicKey")?)?;
    let ip = record.ip4().map(|ip| ip.to_string());
    same("ip", &ip, &optional(output, "ip4")?)?;
    same("udp port", &record.udp_port(), &optional(output, "udpPort")?)?;
    let port = record.raw_value("quic").map(|rlp| number(content(rlp)));
    same("quic port", &port, &optional(output, "quicPort")?)?;
    let address = record.multiaddr().ok().map(|address| address.to_string());
    same("multiaddr", &address, &optional(output, "multiaddr")?)?;
    // RLP of one byte below 128 is that byte.
    let aggregator = record.raw_value("is_aggregator") == Some(&[1]);
    same("aggregator", &aggregator, &field(output, "isAggregator")?)?;
    let subnets: Option<Vec<usize>> = record.raw_value("attnets").map(|rlp| {
        let bits = content(rlp);
        (0..8 * bits.len()).filter(|bit| bits[bit / 8] >> (bit % 8) & 1 == 1).collect()
    });
    same("subnets", &subnets, &optional(output, "attestationSubnets")?)?;
    let fork = record.raw_value("eth2").map(content);
    let Some(expected) = find(output, "eth2Data") else { return same("fork", &fork, &None) };
    let mut bytes = [bytes(expected, "forkDigest")?, bytes(expected, "nextForkVersion")?].concat();
    bytes.extend(field::<u64>(expected, "nextForkEpoch")?.to_le_bytes());
    same("fork", &fork, &Some(bytes.as_slice()))
}

/// The content of a short RLP string: a byte below 128 is its own, else a byte tells the length.
fn content(rlp: &[u8]) -> &[u8] {
    match rlp {
        [byte] if *byte < 0x80 => rlp,
        [_, content @ ..] => content,
        [] => rlp,
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn run_refusal(case: &Value, codec: &Value, output: &Value) -> Result<(), Failed> {
    same("reason", &field::<String>(case, "rejectionReason")?, &"DECODE_ERROR".to_owned())?;
    let raw = bytes(codec, "rawBytes")?;
    let decoder: String = field(codec, "decoder")?;
    same("decoder", &field(output, "decoder")?, &decoder)?;
    let refused = match decoder.as_str() {
        "varint" => varint::decode(&raw).is_err(),
        "snappy_frame" => snappy::decompress_framed(&raw, MAX_PAYLOAD_BYTES).is_err(),
        "snappy_block" => snappy::decompress(&raw, MAX_PAYLOAD_BYTES).is_err(),
        "reqresp_request" => wire::decode_request(&raw).is_err(),
        "reqresp_response" => wire::decode_chunks(&raw).is_err(),
        "enr" => NodeRecord::parse(&text_of_record(&raw)).is_err(),
        "gossipsub_rpc" => return gossipsub::run_rpc_refusal(&raw),
        decoder => return Err(format!("unknown decoder {decoder}").into()),
    };
    same("refused", &refused, &true)
}

/// `enr:` and base64 for URLs without padding.
fn text_of_record(rlp: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = "enr:".to_owned();
    for three in rlp.chunks(3) {
        let mut word = [0; 4];
        word[1..=three.len()].copy_from_slice(three);
        let word = u32::from_be_bytes(word);
        for digit in 0..=three.len() {
            let value = usize::try_from(word >> (18 - 6 * digit) & 63).expect("six bits");
            write!(text, "{}", char::from(DIGITS[value])).expect("a String takes everything");
        }
    }
    text
}
