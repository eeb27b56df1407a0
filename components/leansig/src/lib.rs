//! Post-quantum signatures of the lean Ethereum network: generalized XMSS with the aborting
//! target-sum encoding, over the Poseidon1 permutation and the `KoalaBear` field.
//!
//! The scheme is that of "Hash-Based Multi-Signatures for Post-Quantum Ethereum"
//! ([2025/055](https://eprint.iacr.org/2025/055)) and "leanSig for Post-Quantum Ethereum"
//! ([2025/1332](https://eprint.iacr.org/2025/1332)), with the parameters of leanSpec. Keys and
//! signatures are, byte for byte, those of the [leanSig](https://github.com/leanEthereum/leanSig)
//! crate, and what code needs to make keys, to sign and to verify has the same names there: see
//! [`signature`] and `examples/sign_and_verify.rs`, which compiles against either.
//!
//! # How the scheme works
//!
//! **One signature from hash chains.** Take a secret value and hash it seven times: the result can
//! be published, and nobody can go back from it. Whoever sees the value after three of the seven
//! steps can walk on to the end and compare, yet cannot tell the values before. So the value after
//! `d` steps is a signature on the digit `d`, between 0 and 7. With 46 such chains, 46 digits are
//! signed at once; the 46 ends are the public key, called *one-time* since two signatures disclose
//! two positions of a chain and therefore everything between them.
//!
//! **Why the digits have a fixed sum.** From a disclosed value anyone can walk forward, and so make
//! a signature on larger digits. That is why only digits with one sum count, 200: if one digit is
//! larger, another one has to be smaller, and for that a chain would have to be walked backwards.
//! Such a tuple of digits is a *codeword*. The signer hashes the message together with fresh
//! *randomness*, cuts the hash into 46 digits of three bits, and tries other randomness until the
//! sum is right, after about a thousand attempts. The verifier is told the randomness. A sum above
//! the average of 161 makes chains in signatures long, hence the verifier's remaining part short.
//! *Aborting* is how digits are cut: one field element gives eight digits, and the one value of the
//! field that would make digits uneven, p - 1, is refused like a wrong sum.
//!
//! **Many epochs from a tree.** A key has a one-time key for each *epoch* (on the network, a slot).
//! Each one-time key is hashed to a leaf of a Merkle tree, and the root of the tree is the public
//! key. A signature carries the siblings on the way from its leaf to the root: the verifier hashes
//! the chains to their ends, these to the leaf, and the leaf with the siblings to the root.
//!
//! **Which hash is which.** Every hash also takes the key's public *parameter* and a *tweak*, which
//! says whether it is a step of a chain, a node or a message, and where it stands. So no two hashes
//! of a network are the same function, and an attacker cannot work on many of them at a time.
//!
//! **The secret key** is a 32-byte seed, from which SHAKE128 derives the starts of all chains, and
//! the randomness of each attempt: signing is deterministic. A tree over all 2^32 epochs would not
//! fit anywhere. Hence a key is active only for some epochs, and the tree is cut in half by height:
//! the *top tree* has the roots of 2^16 *bottom trees* as its leaves, and each of these has 2^16
//! epochs. A key in memory holds the top tree and two neighbouring bottom trees, its *prepared*
//! window; *advancing* drops the left one and computes the next one on the right from the seed.
//! Where the top tree lacks neighbours, since the key is not active there, random nodes stand in
//! for them: a key is determined by its seed, its parameter, its epochs and these nodes.
//!
//! # What to mind
//!
//! **An epoch must not be signed twice with different messages.** This crate does not keep count;
//! whoever holds a key has to, durably, before a signature leaves the process.
//!
//! Making a production key takes some 15 seconds of processor time for 2^17 epochs, the least
//! there can be, and preparing the next 2^16 epochs half of that. Both run on the threads of a
//! [rayon] pool of the caller's choice, report progress and can be cancelled: [`KeyGenOptions`].
//!
//! The arithmetic is vectorised where the compiler is told that it may: see [`packing`].
//!
//! Seeds are erased from memory when dropped, and are never part of a `Debug` form or of an error.
//! What registers and the stack held in between is not erased.
//!
//! # Presets
//!
//! | preset | epochs | chains | signature | for |
//! | --- | --- | --- | --- | --- |
//! | `lifetime_2_to_the_32` | 2^32 | 46 | 2536 bytes | production |
//! | `lifetime_2_to_the_18` | 2^18 | 46 | 2088 bytes | local networks: keys take a second |
//! | `lifetime_2_to_the_8` | 2^8 | 4 | 424 bytes | tests; no security at all |
//!
//! A public key has 52 bytes in each. The presets are types in
//! [`signature::generalized_xmss::instantiations_aborting`], and values in [`scheme`] for programs
//! that choose at run time.
//!
//! ```
//! use leansig::KeyGenOptions;
//! use leansig::scheme::{Scheme, SecretKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scheme = Scheme::Lifetime8;
//! let key = SecretKey::generate(scheme, &mut rand::rng(), 0, 32, &KeyGenOptions::default())?;
//! let signature = key.sign(7, &[1; 32])?;
//! scheme.verify(&key.public_key(), 7, &[1; 32], &signature)?;
//! assert!(scheme.verify(&key.public_key(), 8, &[1; 32], &signature).is_err());
//! # Ok(())
//! # }
//! ```

pub mod array;
pub mod keys;
pub mod packing;
pub mod poseidon;
pub mod scheme;
pub mod serialization;
pub mod signature;
pub mod tree;

mod chain;
mod encoding;
mod field;
mod hex;
mod key_gen;
mod leaf;
mod params;
mod prf;
mod signing_key;
mod tweak;
mod verify;
mod wire;

pub use key_gen::{KeyGenError, KeyGenOptions, Progress};
pub use signing_key::NextBottomTree;

/// Length in bytes of the messages that are signed.
pub const MESSAGE_LENGTH: usize = 32;
