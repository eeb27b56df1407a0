//! Reading YAML whose spelling varies, within bounds.

use std::{
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    str::FromStr,
};

use leansig::keys::public_key_from_hex;
use quintet_components::{constants::VALIDATOR_REGISTRY_LIMIT, containers::PublicKey};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The largest file that is read: all rows of 4096 validators take a quarter of it.
pub const MAX_FILE_BYTES: u64 = 8 << 20;
/// The most entries of a list: two rows for each of 4096 validators.
pub const MAX_ENTRIES: usize = 2 * VALIDATOR_REGISTRY_LIMIT;

/// The reason a file of the network's folder was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum NetworkFileError {
    /// The file system refused.
    #[error("{}: {source}; check that the path is right, and the file text that is readable", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The file has nothing in it, as after a copy that did not end.
    #[error(
        "{}: the file is empty; write it again, with [] where it should name nobody",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Two files contradict each other.
    #[error("{} and {} contradict each other: {reason}; mend the one that is wrong", one.display(), other.display())]
    Contradiction {
        /// A file.
        one: PathBuf,
        /// Another file.
        other: PathBuf,
        /// Both places and their values.
        reason: String,
    },
    /// A node has validators, and the file that names their keys is missing.
    #[error(
        "{}: there is no such file, but {} gives {what}, and without the file the node would not \
         sign for them; put it back, or name it with --validators",
        path.display(), by.display()
    )]
    NoKeys {
        /// The missing file.
        path: PathBuf,
        /// The file that gives the node validators.
        by: PathBuf,
        /// The node and its validators.
        what: String,
    },
    /// No file names any node.
    #[error(
        "no file names the node {name:?}: give the network's other files (--network-dir, \
         --validators, --validator-config), or leave --node-id out to run a node without validators"
    )]
    Unnamed {
        /// The node.
        name: String,
    },
    /// The content is not what it should be; the reason has the place.
    #[error("{}: {reason}; mend the line or write the file again", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The place in the file, and the mistake.
        reason: String,
    },
}

impl NetworkFileError {
    pub(super) fn content(path: &Path, reason: impl fmt::Display) -> Self {
        Self::Content { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// A file's text.
pub(super) fn read_text(path: &Path) -> Result<String, NetworkFileError> {
    let text = quintet_plugins::text::read_text(path, MAX_FILE_BYTES)
        .map_err(|source| NetworkFileError::Io { path: path.to_owned(), source })?;
    let has_content = |line: &str| {
        // Only the ends of a document.
        let is_empty = matches!(line.trim(), "" | "---" | "..." | "null" | "~");
        !is_empty && !line.trim_start().starts_with('#')
    };
    if !text.lines().any(has_content) {
        return Err(NetworkFileError::Empty { path: path.to_owned() });
    }
    Ok(text)
}

/// A file's content.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, NetworkFileError> {
    serde_norway::from_str(&read_text(path)?)
        .map_err(|error| NetworkFileError::content(path, error))
}

/// Reads a scalar from its own text: what YAML would make a number of keeps its digits. The error
/// is told with the scalar's place.
fn scalar<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct ScalarVisitor<P, T>(P, PhantomData<T>);

    impl<T, P: FnOnce(&str) -> Result<T, String>> Visitor<'_> for ScalarVisitor<P, T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a single value")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }

    // For a string, the parser returns the text as it is written, quoted or not.
    deserializer.deserialize_str(ScalarVisitor(parse, PhantomData))
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| Ok(Self(text.to_owned())))
    }
}

/// A number or an address, quoted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Number<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            text.trim().parse().map(Self).map_err(|error| format!("{text:?}: {error}"))
        })
    }
}

/// Yes or no, quoted or not, in either of Python's and YAML's capitals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Self(true)),
            "false" | "no" | "0" | "" => Ok(Self(false)),
            _ => Err(format!("expected true or false, found {text:?}")),
        })
    }
}

/// A public key in hex, with or without `0x`, quoted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyText(pub(super) PublicKey);

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            let key = public_key_from_hex(text)
                .map_err(|error| format!("expected a public key of 52 bytes in hex: {error}"))?;
            Ok(Self(PublicKey::from(key)))
        })
    }
}

/// A list of at most [`MAX_ENTRIES`]. Nothing, and the word `none`, is a list too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while list.len() < MAX_ENTRIES {
                    let Some(entry) = seq.next_element()? else { return Ok(List(list)) };
                    list.push(entry);
                }
                match seq.next_element::<IgnoredAny>()? {
                    None => Ok(List(list)),
                    Some(_) => Err(A::Error::custom(format!("more than {MAX_ENTRIES} entries"))),
                }
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(List(Vec::new()))
            }

            // A file without anything.
            fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
                self.visit_unit()
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                if text.eq_ignore_ascii_case("none") {
                    return self.visit_unit();
                }
                Err(E::custom(format!("expected a list, found {text:?}")))
            }
        }

        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// Entries by name, at most [`MAX_ENTRIES`], each name once. An empty value has no entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ByName<T>(pub(super) BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByName<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByNameVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ByNameVisitor<T> {
            type Value = ByName<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names of nodes with a list each")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(Text(name)) = map.next_key()? {
                    if entries.len() == MAX_ENTRIES {
                        return Err(A::Error::custom(format!("more than {MAX_ENTRIES} nodes")));
                    }
                    if entries.contains_key(&name) {
                        return Err(A::Error::custom(format!("node {name:?} is there twice")));
                    }
                    entries.insert(name, map.next_value()?);
                }
                Ok(ByName(entries))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(ByName(BTreeMap::new()))
            }

            // A file without anything.
            fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
                self.visit_unit()
            }
        }

        deserializer.deserialize_any(ByNameVisitor(PhantomData))
    }
}
