//! Whole networks that stop, split and heal.

use quintet_components::{
    duties::{Duty, MissReason},
    sync::SyncState,
};

use crate::sync::mesh::Mesh;

const ALL: [usize; 4] = [0; 4];

fn all_equal<T: PartialEq>(items: &[T]) -> bool {
    items.windows(2).all(|pair| pair[0] == pair[1])
}

#[test]
fn a_network_finalizes_and_skips_no_duty() {
    let mut mesh = Mesh::new(4);
    mesh.group(&ALL);
    mesh.run_slots(12);
    let heads = mesh.heads();
    assert!(all_equal(&heads) && heads[0].slot >= 11, "{heads:?}");
    assert!(mesh.finalized().iter().all(|slot| *slot >= 8), "{:?}", mesh.finalized());
    for done in mesh.duties() {
        assert_eq!(done.missed, 0, "{done:?}");
    }
}

#[test]
fn a_network_that_stood_still_for_sixty_slots_goes_on() {
    let mut mesh = Mesh::new(4);
    mesh.group(&ALL);
    mesh.run_slots(10);
    let before = mesh.finalized()[0];
    mesh.pause_slots(60);
    mesh.run_slots(14);
    let heads = mesh.heads();
    assert!(all_equal(&heads) && heads[0].slot >= 82, "{heads:?}");
    assert!(mesh.finalized().iter().all(|slot| *slot > before + 60), "{:?}", mesh.finalized());
    for done in mesh.duties() {
        let late = done.missed_for(Duty::Attest, MissReason::Late);
        assert!(late >= 59, "the duties of the pause: {done:?}");
        assert!(done.attested <= 24, "{done:?}");
    }
}

#[test]
fn two_halves_that_cannot_finalize_alone_find_each_other_again() {
    let mut mesh = Mesh::new(4);
    mesh.group(&ALL);
    mesh.run_slots(8);
    let before = mesh.finalized()[0];
    mesh.group(&[0, 0, 1, 1]);
    mesh.run_slots(60);
    let heads = mesh.heads();
    assert!(heads[0] != heads[2] && heads[0].slot > 40 && heads[2].slot > 40, "{heads:?}");
    assert!(mesh.finalized().iter().all(|slot| *slot <= before + 3));
    mesh.group(&ALL);
    mesh.run_slots(20);
    let heads = mesh.heads();
    assert!(all_equal(&heads), "{heads:?} {:?}", mesh.states());
    assert!(mesh.finalized().iter().all(|slot| *slot > 60), "{:?}", mesh.finalized());
}

#[test]
fn two_halves_that_were_paused_meet_again() {
    let mut mesh = Mesh::new(4);
    mesh.group(&ALL);
    mesh.run_slots(6);
    mesh.group(&[0, 0, 1, 1]);
    mesh.run_slots(20);
    mesh.pause_slots(60);
    mesh.group(&ALL);
    mesh.run_slots(24);
    let heads = mesh.heads();
    assert!(all_equal(&heads), "{heads:?} {:?}", mesh.states());
    assert!(mesh.finalized().iter().all(|slot| *slot > 86), "{:?}", mesh.finalized());
}

#[test]
fn a_node_that_slept_sixty_slots_catches_up_before_it_does_its_duties() {
    let mut mesh = Mesh::new(4);
    mesh.group(&ALL);
    mesh.run_slots(6);
    mesh.sleep(3, true);
    mesh.run_slots(60);
    let done = mesh.duties()[3];
    mesh.sleep(3, false);
    mesh.run_slots(6);
    let heads = mesh.heads();
    assert!(all_equal(&heads) && heads[0].slot >= 70, "{heads:?}");
    assert_eq!(mesh.states(), [SyncState::Synced; 4]);
    let after = mesh.duties()[3];
    assert!(after.missed_for(Duty::Attest, MissReason::Late) >= 59, "{after:?}");
    assert!((4..=6).contains(&(after.attested - done.attested)), "{after:?}");
}

#[test]
fn four_nodes_that_began_alone_agree_once_they_meet() {
    let mut mesh = Mesh::new(4);
    mesh.run_slots(30);
    // Each has built a chain of its own blocks.
    let heads = mesh.heads();
    assert!(heads.iter().all(|head| head.slot > 20), "{heads:?}");
    mesh.group(&ALL);
    mesh.run_slots(3);
    for slot in 34..40 {
        mesh.run_slots(1);
        let heads = mesh.heads();
        assert!(all_equal(&heads) && heads[0].slot + 1 >= slot, "{slot}: {heads:?}");
    }
    // Of attestations that each gave for its own chain there are many more than a block has room
    // for.
    mesh.run_slots(8);
    assert!(mesh.finalized().iter().all(|slot| *slot > 30), "{:?}", mesh.finalized());
}

/// The number of slots until finality advances at every node again, after two of four nodes slept
/// for eight slots.
fn slots_to_recover(asleep: [usize; 2], start: u64) -> Option<u64> {
    let mut mesh = Mesh::new(4);
    mesh.group(&ALL);
    mesh.run_slots(start);
    for index in asleep {
        mesh.sleep(index, true);
    }
    mesh.run_slots(8);
    let stalled = mesh.finalized();
    assert!(stalled.iter().all(|slot| *slot < start), "two cannot finalize: {stalled:?}");
    for index in asleep {
        mesh.sleep(index, false);
    }
    (1..=8).find(|_| {
        mesh.run_slots(1);
        mesh.finalized().iter().zip(&stalled).all(|(now, then)| now > then)
    })
}

/// So far behind finality only few slots can be justified, and a justification finalizes its source
/// only if none of them lies in between. The result depends on whether the first target of all
/// attestations is past such a slot, and so on which blocks are missing, and where: three slots if
/// it is not, one less if the node that wakes first proposes in the slot in which it wakes, and
/// seven if it is.
#[test]
fn after_half_of_the_network_slept_for_eight_slots_finality_is_back_in_three_slots_or_seven() {
    for (start, (first, last)) in (8..).zip([(2, 7), (3, 7), (7, 2), (7, 3)]) {
        assert_eq!(slots_to_recover([0, 1], start), Some(first), "from slot {start}");
        assert_eq!(slots_to_recover([2, 3], start), Some(last), "from slot {start}");
    }
}
