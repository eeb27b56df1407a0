//! Key files: names, formats, permissions and atomic writes. Secrets do not appear in messages.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use leansig::KeyGenOptions;
use leansig::keys::{
    KeyError, KeyFileError, KeyKind, Role, file_names, find_file, parse_public_key,
    parse_secret_key, public_key_from_hex, read_public_key, read_secret_key, write_pairs,
    write_public_key, write_secret_key,
};
use leansig::scheme::{Scheme, SecretKey};
use leansig::serialization::Serializable;
use leansig::signature::SignatureScheme;
use leansig::signature::generalized_xmss::instantiations_aborting::lifetime_2_to_the_8::{
    SchemeAbortingTargetSumLifetime8Dim46Base8 as Scheme8,
    SecretKeyAbortingTargetSumLifetime8Dim46Base8 as SecretKey8,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

/// An attestation key and a proposal key.
static KEYS: LazyLock<[SecretKey; 2]> = LazyLock::new(|| {
    [1, 2].map(|seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let options = KeyGenOptions::default();
        SecretKey::generate(Scheme::Lifetime8, &mut rng, 0, 32, &options).unwrap()
    })
});

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An empty folder that is removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("leansig-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_form_of_a_secret_key_is_read() {
    let key = &KEYS[0];
    let bytes = key.to_bytes();
    let typed = SecretKey8::from_bytes(&bytes).unwrap();
    let hex = hex(&bytes);
    let pair = format!("{{\"public_key\": \"{}\", \"secret_key\": \"0x{hex}\"}}", "00");
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("SSZ", bytes.to_vec()),
        ("hex", hex.clone().into_bytes()),
        ("hex with prefix and newline", format!("0x{hex}\n").into_bytes()),
        ("upper-case hex", hex.to_uppercase().into_bytes()),
        ("JSON string", format!("\"0x{hex}\"").into_bytes()),
        ("upstream's JSON", serde_json::to_vec(&typed).unwrap()),
        ("indented JSON", serde_json::to_vec_pretty(&typed).unwrap()),
        ("a pair", pair.clone().into_bytes()),
    ];
    for (name, form) in forms {
        let read = parse_secret_key(Scheme::Lifetime8, &form, None)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.to_bytes(), bytes, "{name}");
    }
}

#[test]
fn every_form_of_a_public_key_is_read() {
    let key = KEYS[0].public_key();
    let typed = SecretKey8::from_bytes(&KEYS[0].to_bytes()).unwrap();
    let json = serde_json::to_vec(&Scheme8::get_public_key(&typed)).unwrap();
    let hex = hex(&key);
    let forms = [
        key.to_vec(),
        hex.clone().into_bytes(),
        format!("0x{hex}\n").into_bytes(),
        format!("\"{hex}\"").into_bytes(),
        json,
    ];
    for form in forms {
        assert_eq!(parse_public_key(&form, None), Ok(key));
    }
    assert_eq!(public_key_from_hex(&format!("0x{hex}")), Ok(key));
    assert!(public_key_from_hex(&hex[1..]).is_err(), "odd number of digits");
    assert!(public_key_from_hex(&hex[2..]).is_err(), "a byte too few");
}

#[test]
fn keys_in_a_file_of_pairs_are_chosen_by_role() {
    let folder = Folder::new("pairs");
    let path = folder.0.join("7.json");
    write_pairs(&path, &KEYS[0], &KEYS[1]).unwrap();
    for (role, key) in [(Role::Attestation, &KEYS[0]), (Role::Proposal, &KEYS[1])] {
        let secret = read_secret_key(Scheme::Lifetime8, &path, Some(role)).unwrap();
        assert_eq!(secret.to_bytes(), key.to_bytes());
        assert_eq!(read_public_key(&path, Some(role)).unwrap(), key.public_key());
    }
    let error = read_secret_key(Scheme::Lifetime8, &path, None).unwrap_err();
    assert!(matches!(error, KeyFileError::Content { source: KeyError::RoleNeeded, .. }), "{error}");
}

#[test]
fn files_are_found_under_every_name() {
    let spellings = [
        "validator_3_attester_key_sk.ssz",
        "validator_3_attester_sk.ssz",
        "validator_3_attestation_sk.ssz",
        "validator_3_attester_key_sk.json",
        "3.json",
    ];
    for name in spellings {
        let folder = Folder::new("names");
        assert_eq!(find_file(&folder.0, 3, Role::Attestation, KeyKind::Secret), None);
        fs::write(folder.0.join(name), "").unwrap();
        let found = find_file(&folder.0, 3, Role::Attestation, KeyKind::Secret);
        assert_eq!(found, Some(folder.0.join(name)));
    }
    let names = file_names(12, Role::Proposal, KeyKind::Public);
    for name in ["validator_12_proposer_key_pk.ssz", "validator_12_proposal_pk.ssz"] {
        assert!(names.iter().any(|listed| listed == name), "{name}");
    }
}

#[test]
fn a_file_name_tells_the_role() {
    for name in ["validator_0_attester_key_sk.ssz", "validator_0_ATTESTATION_sk.json"] {
        assert_eq!(Role::from_file_name(name), Some(Role::Attestation));
    }
    for name in ["validator_0_proposer_sk.ssz", "validator_0_proposal_key_pk.ssz"] {
        assert_eq!(Role::from_file_name(name), Some(Role::Proposal));
    }
    assert_eq!(Role::from_file_name("0.json"), None);
    assert_eq!(Role::from_file_name("attester_proposer.ssz"), None);
}

#[test]
fn files_are_written_and_replaced_whole() {
    let folder = Folder::new("write");
    let path = folder.0.join("validator_0_attester_key_sk.ssz");
    fs::write(&path, "an older file").unwrap();
    write_secret_key(&path, &KEYS[0]).unwrap();
    write_secret_key(&path, &KEYS[1]).unwrap();
    let read = read_secret_key(Scheme::Lifetime8, &path, None).unwrap();
    assert_eq!(read.to_bytes(), KEYS[1].to_bytes());
    assert_eq!(folder.names().len(), 1, "no temporary file is left");

    let public = folder.0.join("validator_0_attester_key_pk.ssz");
    write_public_key(&public, &KEYS[0].public_key()).unwrap();
    assert_eq!(read_public_key(&public, None).unwrap(), KEYS[0].public_key());
}

#[cfg(unix)]
#[test]
fn secret_keys_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("mode");
    let path = folder.0.join("sk.ssz");
    fs::write(&path, "an older file").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    write_secret_key(&path, &KEYS[0]).unwrap();
    let pairs = folder.0.join("0.json");
    write_pairs(&pairs, &KEYS[0], &KEYS[1]).unwrap();
    for path in [path, pairs] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_failed_write_leaves_the_older_file() {
    let folder = Folder::new("failed");
    // A folder has the name of the file, so that the rename fails.
    let path = folder.0.join("sk.ssz");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("content"), "").unwrap();
    let error = write_secret_key(&path, &KEYS[0]).unwrap_err();
    assert!(matches!(error, KeyFileError::Io { .. }), "{error}");
    assert_eq!(folder.names(), ["sk.ssz"], "no temporary file is left");
    assert!(path.join("content").exists());
    assert!(write_secret_key(&folder.0.join("missing/sk.ssz"), &KEYS[0]).is_err());
}

#[test]
fn errors_name_the_file_and_never_its_content() {
    let folder = Folder::new("errors");
    let secret = "b0bafeedc0ffee11";
    for content in [
        format!("{{\"prf_key\": \"{secret}\"}}"),
        format!("{{\"secret_key\": \"{secret}\", \"public_key\": \"00\"}}"),
        format!("{{\"attestation_keypair\": {{\"secret_key\": \"{secret}\"}}}}"),
        format!("\"{secret}zz\""),
        format!("{secret}zz"),
        secret.to_owned(),
    ] {
        let path = folder.0.join("sk.json");
        fs::write(&path, &content).unwrap();
        let error = read_secret_key(Scheme::Lifetime8, &path, Some(Role::Proposal)).unwrap_err();
        for message in [error.to_string(), format!("{error:?}")] {
            assert!(message.contains("sk.json"), "{message}");
            assert!(!message.contains(secret), "{message}");
        }
        let error = serde_json::from_str::<SecretKey8>(&content).map(drop).unwrap_err();
        assert!(!error.to_string().contains(secret), "{error}");
    }
}

#[test]
fn debug_forms_show_no_secret() {
    let key = &KEYS[0];
    let bytes = key.to_bytes();
    let typed = SecretKey8::from_bytes(&bytes).unwrap();
    let next = {
        let mut rng = StdRng::seed_from_u64(3);
        let options = KeyGenOptions::default();
        let key = SecretKey::generate(Scheme::Lifetime8, &mut rng, 0, 64, &options).unwrap();
        key.prepare_next(&options).unwrap()
    };
    let shown = format!("{key:?} {key:#?} {typed:?} {next:?}");
    assert!(shown.contains("prepared"), "{shown}");
    let seed = &bytes[..32];
    assert!(!shown.contains(&hex(&seed[..4])), "{shown}");
    assert!(!shown.contains(&format!("{}, {}, {}", seed[0], seed[1], seed[2])), "{shown}");
}

/// The seed and epochs that upstream was run with to make the expected values.
#[test]
fn json_is_upstreams() {
    let mut rng = StdRng::seed_from_u64(5);
    let (public_key, secret_key) = Scheme8::key_gen(&mut rng, 3, 40);
    let public = "{\"root\":[50141542,1937973986,85949816,1267754986,1117730396,772371199,979363579,1852419472],\"parameter\":[385715389,734711044,386294011,14212221,1123446892]}";
    assert_eq!(serde_json::to_string(&public_key).unwrap(), public);
    assert_eq!(
        serde_json::from_str::<<Scheme8 as SignatureScheme>::PublicKey>(public).unwrap(),
        public_key
    );
    let sha256 = |text: String| hex(&Sha256::digest(text));
    assert_eq!(
        sha256(serde_json::to_string(&secret_key).unwrap()),
        "709c45aa0810b5a4add1638469d23221df850325c145b297043776d9c54fc6f2"
    );
    let signature = Scheme8::sign(&secret_key, 4, &[7; 32]).unwrap();
    assert_eq!(
        sha256(serde_json::to_string(&signature).unwrap()),
        "f522282e94967ddac1fca73863cdecd303dc877f64af73918403b3976f59e2c4"
    );
}
