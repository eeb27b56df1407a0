//! The network's decoders: whatever the bytes, they end, keep to their limits, and say the same
//! however the bytes are cut.

use proptest::prelude::*;
use quintet_plugins::network::{
    Bootnode,
    codec::{
        identity,
        record::NodeRecord,
        snappy,
        topic::Topic,
        varint,
        wire::{self, PayloadReader, ResponseCode},
    },
};

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    // Random bytes, and long runs, which compress well.
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..most),
        (any::<u8>(), 0..most).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

/// Reads a payload whose bytes come in the pieces that the reader asks for.
fn read_in_pieces(mut bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut reader = PayloadReader::new(limit);
    while let Some(wanted) = reader.wants() {
        let (piece, rest) = bytes.split_at_checked(wanted)?;
        reader.feed(piece).ok()?;
        bytes = rest;
    }
    bytes.is_empty().then(|| reader.into_payload())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn varints_come_back(value: u64, rest in bytes(8)) {
        let mut encoded = Vec::new();
        varint::append(value, &mut encoded);
        let length = encoded.len();
        encoded.extend(rest);
        prop_assert_eq!(varint::decode(&encoded), Ok((value, length)));
        prop_assert!(varint::decode(&encoded[..length - 1]).is_err());
    }

    #[test]
    fn any_bytes_are_a_varint_or_none(bytes in bytes(16)) {
        if let Ok((_, length)) = varint::decode(&bytes) {
            prop_assert!((1..=10).contains(&length));
        }
    }

    #[test]
    fn snappy_comes_back_and_keeps_to_its_limit(data in bytes(200_000), less in 1_usize..1_000) {
        let raw = snappy::compress(&data);
        let framed = snappy::compress_framed(&data);
        prop_assert_eq!(snappy::decompress(&raw, data.len()), Ok(data.clone()));
        prop_assert_eq!(snappy::decompress_framed(&framed, data.len()), Ok(data.clone()));
        if let Some(limit) = data.len().checked_sub(less) {
            prop_assert!(snappy::decompress(&raw, limit).is_err());
            prop_assert!(snappy::decompress_framed(&framed, limit).is_err());
        }
    }

    #[test]
    fn any_bytes_decompress_within_the_limit_or_not_at_all(
        data in bytes(2_000),
        limit in 0_usize..5_000,
    ) {
        if let Ok(content) = snappy::decompress(&data, limit) {
            prop_assert!(content.len() <= limit);
        }
        let framed = [&snappy::STREAM_IDENTIFIER[..], &data].concat();
        for data in [&data, &framed] {
            if let Ok(content) = snappy::decompress_framed(data, limit) {
                prop_assert!(content.len() <= limit);
            }
        }
    }

    #[test]
    fn a_changed_bit_never_changes_framed_content(
        data in bytes(3_000),
        at: prop::sample::Index,
        bit in 0_u8..8,
    ) {
        let mut framed = snappy::compress_framed(&data);
        let at = at.index(framed.len());
        framed[at] ^= 1_u8 << bit;
        match snappy::decompress_framed(&framed, data.len()) {
            Err(_) => {}
            // A frame may have become one that is skipped.
            Ok(content) => prop_assert!(content == data || content.len() < data.len()),
        }
        let mut request = wire::encode_request(&data).expect("short");
        let at = request.len() - 1 - at % request.len();
        request[at] ^= 1_u8 << bit;
        if let Ok(payload) = wire::decode_request(&request) {
            prop_assert_eq!(payload, data);
        }
    }

    #[test]
    fn requests_and_responses_come_back(
        chunks in prop::collection::vec((0_u8..4, bytes(5_000)), 0..5),
    ) {
        let mut response = Vec::new();
        let mut expected = Vec::new();
        for (code, payload) in chunks {
            let request = wire::encode_request(&payload).expect("short");
            prop_assert_eq!(wire::decode_request(&request), Ok(payload.clone()));
            prop_assert_eq!(read_in_pieces(&request, payload.len()), Some(payload.clone()));
            prop_assert!(wire::decode_request(&request[..request.len() - 1]).is_err());
            let code = ResponseCode::from_byte(code);
            response.extend(wire::encode_chunk(code, &payload).expect("short"));
            expected.push((code, payload));
        }
        prop_assert_eq!(wire::decode_chunks(&response), Ok(expected));
    }

    #[test]
    fn any_bytes_are_a_request_or_none(data in bytes(2_000), limit in 0_usize..5_000) {
        if let Ok((payload, rest)) = wire::decode_payload(&data, limit) {
            prop_assert!(payload.len() <= limit);
            let taken = &data[..data.len() - rest.len()];
            prop_assert_eq!(read_in_pieces(taken, limit), Some(payload));
        }
        let _ = wire::decode_request(&data);
        let _ = wire::decode_chunks(&data);
    }

    #[test]
    fn texts_are_what_they_say_or_nothing(
        text in ".{0,80}",
        subnet: u64,
        digest in "[0-9a-f]{1,8}",
    ) {
        let _ = text.parse::<Bootnode>();
        let _ = NodeRecord::parse(&text);
        let _ = NodeRecord::parse(&format!("enr:{text}"));
        let _ = identity::parse_secret(&text);
        if let Ok(topic) = Topic::parse(&text, &digest) {
            prop_assert_eq!(topic.text(&digest), text);
        }
        let name = Topic::Attestation(subnet).text(&digest);
        prop_assert_eq!(Topic::parse(&name, &digest), Ok(Topic::Attestation(subnet)));
        let longer = format!("{name}x");
        prop_assert!(Topic::parse(&longer, &digest).is_err());
    }

    #[test]
    fn records_come_back_and_bear_no_change(
        secret in any::<[u8; 32]>(),
        ip: std::net::Ipv4Addr,
        port: u16,
        at: prop::sample::Index,
    ) {
        let Ok(key) = identity::keypair(secret) else { return Ok(()) };
        let record = NodeRecord::build(&secret, ip.into(), port).expect("a key");
        let text = record.to_string();
        let node: Bootnode = text.parse().expect("a bootnode");
        prop_assert_eq!(node.peer, Some(key.public().to_peer_id()));
        prop_assert_eq!(node.address.to_string(), format!("/ip4/{ip}/udp/{port}/quic-v1"));
        // The last digit may carry bits that mean nothing.
        let at = 4 + at.index(text.len() - 5);
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("still ASCII");
        prop_assert!(NodeRecord::parse(&changed).is_err());
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(identity::parse_secret(&format!("0x{hex}\n")), Ok(secret));
    }
}
