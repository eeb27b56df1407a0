//! Keys: the only code that sees a secret key.

mod durable;
mod guard;
mod inspect;
mod load;
mod make;
mod manager;
mod memory;
mod window;

pub use guard::{
    AcceptHistoryLoss, GuardError, GuardOptions, HistoryError, HistoryLoss, ImportSummary,
    KEPT_SLOTS, KeyHistory, MAX_UNSAVED, MarkPlace, SignedSlot, SigningCounts, SigningGuard,
    SigningHistory, mark_folder, mark_path,
};
pub use inspect::{KeyContent, inspect_file};
pub use load::{
    KeyFiles, KeyLoadError, KeyLoadErrors, LoadOptions, LoadProgress, LoadedKeys, load_keys,
};
pub use make::{
    MAX_ACTIVE_SLOTS_LOG, MadeKeys, MakeKeysError, MakeOptions, MakeProgress, make_keys,
};
pub use manager::{KeyManager, KeyStatus};
pub use memory::{KeyPair, MemoryKeys};
