//! The entries of one node in the files.

use quintet_plugins::keys::KeyFiles;

use super::{
    ANNOTATED_VALIDATORS, NetworkFileError, NetworkFiles, NodeConfig, check::no_such_node,
};

impl NetworkFiles {
    /// The entry of a node in `validator-config.yaml`, and the key files of its validators. Without
    /// a list of validators, the node has none.
    ///
    /// # Errors
    /// A file that should name the node does not, no file can name it, or the node has validators
    /// and no file names their keys.
    pub fn own(&self, name: &str) -> Result<(Option<NodeConfig>, Vec<KeyFiles>), NetworkFileError> {
        let keys = match &self.annotated {
            Some((_, annotated)) => annotated.key_files(name, &self.genesis.1)?,
            None => Vec::new(),
        };
        let node = self.node(name)?;
        if self.annotated.is_none() {
            self.check_keyless(name, node)?;
        }
        Ok((node.cloned(), keys))
    }

    /// Without the list of keys, a node that has validators would not sign for them.
    fn check_keyless(&self, name: &str, node: Option<&NodeConfig>) -> Result<(), NetworkFileError> {
        let missing = |by: &std::path::Path, what: String| NetworkFileError::NoKeys {
            path: by.with_file_name(ANNOTATED_VALIDATORS),
            by: by.to_owned(),
            what,
        };
        let config = self.config.as_ref().map(|(path, _)| path);
        if let Some((path, validators)) = &self.validators {
            return match validators.0.get(name) {
                Some(indices) if !indices.is_empty() => {
                    let indices: Vec<_> = indices.iter().map(ToString::to_string).collect();
                    let what = format!("{name} the validators {}", indices.join(", "));
                    Err(missing(path, what))
                }
                None if node.is_none() => {
                    let names = validators.0.keys().map(String::as_str);
                    Err(NetworkFileError::content(path, no_such_node(name, names)))
                }
                _ => Ok(()),
            };
        }
        match (config, node) {
            (Some(path), Some(node)) => match node.validator_count {
                None | Some(0) => Ok(()),
                Some(count) => Err(missing(path, format!("{name} {count} validators"))),
            },
            _ => Err(NetworkFileError::Unnamed { name: name.to_owned() }),
        }
    }
}
