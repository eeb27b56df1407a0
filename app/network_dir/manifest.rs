//! The manifest of a folder of keys.

use std::path::{Path, PathBuf};

use quintet_components::preset::SignaturePreset;
use quintet_systems::verification::scheme_of;

use super::{
    KEY_MANIFEST, KeyManifest, NetworkFileError, NetworkFiles, check::existing, numbers::same,
};

impl KeyManifest {
    /// Reads the manifest of a folder of keys; `None` if the folder has none.
    ///
    /// # Errors
    /// [`NetworkFileError`]: also if the folder is missing, or may not be entered.
    pub fn of_folder(folder: &Path) -> Result<Option<(PathBuf, Self)>, NetworkFileError> {
        // A dangling link is an error, not a folder without a manifest.
        std::fs::metadata(folder)
            .map_err(|source| NetworkFileError::Io { path: folder.to_owned(), source })?;
        let Some(path) = existing(folder.join(KEY_MANIFEST))? else { return Ok(None) };
        let manifest = Self::read(&path)?;
        Ok(Some((path, manifest)))
    }

    /// The preset of a folder of keys: the one whose lifetime its manifest names, or `production`
    /// if it names none.
    ///
    /// # Errors
    /// [`NetworkFileError`]: those of [`of_folder`](Self::of_folder), or no preset has the lifetime.
    pub fn preset_of(folder: &Path) -> Result<SignaturePreset, NetworkFileError> {
        let Some((path, manifest)) = Self::of_folder(folder)? else {
            return Ok(SignaturePreset::Production);
        };
        let Some(lifetime) = manifest.header.lifetime else {
            return Ok(SignaturePreset::Production);
        };
        let presets = [SignaturePreset::Production, SignaturePreset::Short, SignaturePreset::Test];
        presets.into_iter().find(|preset| scheme_of(*preset).lifetime() == lifetime).ok_or_else(
            || NetworkFileError::content(&path, format!("no preset has a lifetime of {lifetime}")),
        )
    }
}

impl NetworkFiles {
    /// Checks the numbers of the keys' manifest, which is at this path.
    ///
    /// # Errors
    /// [`NetworkFileError::Contradiction`].
    pub fn check_manifest(
        &self,
        path: &Path,
        manifest: &KeyManifest,
    ) -> Result<(), NetworkFileError> {
        same(
            (&self.genesis.0, "ACTIVE_EPOCH", self.genesis.1.active_epoch),
            (path, "log_num_active_epochs", manifest.header.log_num_active_epochs),
        )
    }
}
