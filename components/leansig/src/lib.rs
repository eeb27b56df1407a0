//! Post-quantum signatures of the lean Ethereum network: generalized XMSS with the aborting
//! target-sum encoding, over the Poseidon1 permutation and the `KoalaBear` field.
//!
//! The scheme is that of "Hash-Based Multi-Signatures for Post-Quantum Ethereum"
//! ([2025/055](https://eprint.iacr.org/2025/055)) and "leanSig for Post-Quantum Ethereum"
//! ([2025/1332](https://eprint.iacr.org/2025/1332)), with the parameters of leanSpec. Keys and
//! signatures are, byte for byte, the same as those of the
//! [leanSig](https://github.com/leanEthereum/leanSig) crate. Everything that is needed to make
//! keys, to sign and to verify has the same names as there: see [`signature`] and
//! `examples/sign_and_verify.rs`, which compiles with either crate.
//!
//! # How the scheme works
//!
//! **One signature from hash chains.** Take a secret value and hash it seven times. The result can
//! be published, and nobody can compute the value from it. Someone who sees the value after three
//! of the seven steps can do the remaining steps and compare, but cannot compute the earlier
//! values. The value after `d` steps is therefore a signature of the digit `d`, between 0 and 7.
//! With 46 such chains, 46 digits are signed at once. The 46 ends are the public key. It is called
//! *one-time*, because two signatures reveal two positions of a chain and therefore everything
//! between them.
//!
//! **Why the digits have a fixed sum.** From a revealed value anyone can do further steps, and so
//! sign larger digits. Therefore only digits whose sum is 200 are valid: if one digit is larger,
//! another one must be smaller, and for that a chain would have to be computed backwards. Such a
//! list of digits is a *codeword*. The signer hashes the message together with fresh *randomness*
//! and divides the hash into 46 digits of three bits. It tries other randomness until the sum is
//! right, which takes about a thousand attempts. The signature contains the randomness. Because the
//! sum is above the average of 161, the signer does most steps of the chains and few remain for the
//! verifier. *Aborting* refers to how digits are made: one field element gives eight digits, and p
//! - 1, the only value of the field that would make digits uneven, is refused like a wrong sum.
//!
//! **Many epochs from a tree.** A key has a one-time key for each *epoch* (on the network, a slot).
//! Each one-time key is hashed to a leaf of a Merkle tree, and the root of the tree is the public
//! key. A signature has the siblings on the path from its leaf to the root. The verifier computes
//! the ends of the chains, hashes these to the leaf, and hashes the leaf and the siblings to the
//! root.
//!
//! **How hashes differ.** Every hash also takes the key's public *parameter* and a *tweak*. The
//! tweak says whether the hash is a step of a chain, a node or a message, and its position. No two
//! hashes of a network are therefore the same function, and an attacker cannot work on many of them
//! at once.
//!
//! **The secret key** is a 32-byte seed. SHAKE128 derives from it the starts of all chains, and the
//! randomness of each attempt: signing is deterministic. A tree over all 2^32 epochs would be far
//! too large. A key is therefore active only for some epochs, and the tree is divided into two
//! halves by height: the *top tree* has the roots of 2^16 *bottom trees* as its leaves, and each
//! bottom tree has 2^16 epochs. A key in memory has the top tree and two neighbouring bottom trees,
//! its *prepared* window. *Advancing* drops the left one and computes the next one on the right
//! from the seed. Where the top tree lacks neighbours, because the key is not active there, it has
//! random nodes instead. A key is determined by its seed, its parameter, its epochs and these
//! nodes.
//!
//! # Rules and costs
//!
//! **An epoch must not be signed twice with different messages.** This crate does not check that.
//! The owner of a key must record every signature durably before it leaves the process.
//!
//! Making a production key takes about 15 seconds of processor time for 2^17 epochs, the smallest
//! number, and preparing the next 2^16 epochs takes half of that. Both run on the threads of a
//! [rayon] pool that the caller chooses, report progress and can be cancelled: [`KeyGenOptions`].
//!
//! The arithmetic is vectorised if the compiler's target features allow it: see [`packing`].
//!
//! Seeds are erased from memory when dropped, and never appear in `Debug` output or in an error.
//! Registers and the stack are not erased.
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
pub mod relation;
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
