//! Makes a key, signs with it, and verifies. Works without changes with this crate and with
//! upstream's.
//!
//! `cargo run --release -p leansig --example sign_and_verify`

use leansig::MESSAGE_LENGTH;
use leansig::serialization::Serializable;
use leansig::signature::generalized_xmss::instantiations_aborting::lifetime_2_to_the_8::{
    PubKeyAbortingTargetSumLifetime8Dim46Base8 as PublicKey,
    SchemeAbortingTargetSumLifetime8Dim46Base8 as Scheme,
    SecretKeyAbortingTargetSumLifetime8Dim46Base8 as SecretKey,
    SigAbortingTargetSumLifetime8Dim46Base8 as Signature,
};
use leansig::signature::{SignatureScheme, SignatureSchemeSecretKey, SigningError};

fn main() -> Result<(), SigningError> {
    let (public_key, mut secret_key): (PublicKey, SecretKey) =
        Scheme::key_gen(&mut rand::rng(), 0, 64);
    println!("epochs of the key: {:?}", secret_key.get_activation_interval());
    println!("epochs it can sign now: {:?}", secret_key.get_prepared_interval());

    let epoch = 40;
    while !secret_key.get_prepared_interval().contains(&u64::from(epoch)) {
        secret_key.advance_preparation();
    }

    let message = [7; MESSAGE_LENGTH];
    let signature: Signature = Scheme::sign(&secret_key, epoch, &message)?;
    let bytes = signature.to_bytes();
    println!("public key: {} bytes, signature: {} bytes", public_key.to_bytes().len(), bytes.len());

    let received = Signature::from_bytes(&bytes).expect("an encoding is decoded");
    println!("verified: {}", Scheme::verify(&public_key, epoch, &message, &received));
    println!("for another epoch: {}", Scheme::verify(&public_key, 41, &message, &received));
    Ok(())
}
