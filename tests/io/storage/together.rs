//! Two that open one folder at the same time.

use std::{
    path::Path,
    sync::{Arc, Barrier},
};

use quintet_plugins::storage::{OpenError, RocksDbConfig, Store};

use crate::{
    storage::fixture::{Tree, identity, small},
    support::temp_dir::TempDir,
};

fn open(path: &Path, tree: &Tree) -> Result<Store, OpenError> {
    let config = RocksDbConfig { path: path.to_owned(), retention: small() };
    Store::open(&config, &identity(&tree.anchor))
}

#[test]
fn of_two_that_begin_a_folder_together_one_is_told_that_it_is_in_use() {
    let folder = TempDir::new();
    for round in 0..20 {
        let path = folder.path().join(format!("new-{round}"));
        let start = Arc::new(Barrier::new(2));
        let begin = || {
            let (path, start) = (path.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                let tree = Tree::new(1);
                start.wait();
                open(&path, &tree)
            })
        };
        let outcomes = [begin(), begin()].map(|thread| thread.join().expect("no panic"));
        // The one that has it holds it still.
        assert!(matches!(open(&path, &Tree::new(1)), Err(OpenError::Locked(_))));
        let refused: Vec<_> =
            outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        assert!(matches!(refused[..], [OpenError::Locked(_)]), "round {round}: {refused:?}");
        assert!(refused[0].to_string().contains("in use"), "{}", refused[0]);
        drop(outcomes);
        open(&path, &Tree::new(1)).expect("it is whole, and nobody's");
    }
}
