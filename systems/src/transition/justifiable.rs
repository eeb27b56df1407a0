//! 3SF-mini's rule for which slots can be justified.

use quintet_components::{constants::IMMEDIATE_JUSTIFICATION_WINDOW, containers::Slot};

/// Returns true if a slot can be justified after this finalized slot: the first five after it, and
/// those whose distance is a square or pronic (x² + x). False before the finalized slot.
pub fn is_justifiable_after(slot: Slot, finalized_slot: Slot) -> bool {
    let Some(delta) = slot.checked_sub(finalized_slot) else { return false };
    if delta <= IMMEDIATE_JUSTIFICATION_WINDOW {
        return true;
    }
    // Between x² and (x + 1)² lies exactly one pronic number, x² + x.
    let root = delta.isqrt();
    let excess = delta - root * root;
    excess == 0 || excess == root
}

/// The index of a slot in the tracked justification bits: 0 for the slot after the finalized one.
/// `None` up to the finalized slot, where everything counts as justified.
pub fn justified_index_after(slot: Slot, finalized_slot: Slot) -> Option<usize> {
    let after = slot.checked_sub(finalized_slot)?.checked_sub(1)?;
    Some(usize::try_from(after).unwrap_or(usize::MAX))
}
